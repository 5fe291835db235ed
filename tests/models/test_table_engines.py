from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.tiny_tables import (
    ENGINES,
    arrow,
    engine_of,
    featuriser,
    messy_rows,
    table_bundle,
    truth_of,
)

from volano.core.errors import StoreError
from volano.models import Predictor
from volano.models.single_row import SingleRow, raw_values
from volano.models.trees import TREES, TreesEngine

if TYPE_CHECKING:
    from pathlib import Path

ROWS = messy_rows()
ANSWERS = ("two", "three", "number")
BOTH = [(name, answers) for name in ENGINES for answers in ANSWERS]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Predictor]:
    root = tmp_path_factory.mktemp("tables")
    return {
        (name, answers): Predictor.load(table_bundle(root / f"{name}-{answers}", name, answers))
        for name, answers in BOTH
    }


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_a_row_has_the_same_digits_alone_in_any_batch_and_in_arrow(predictors, both) -> None:
    engine = predictors[both].engine
    together = engine.decide(ROWS)
    assert together.dtype == np.float64
    assert np.isfinite(together).all()
    assert engine.decide(arrow(ROWS)).tobytes() == together.tobytes()

    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=40))
    def check(places: list[int]) -> None:
        found = engine.decide([ROWS[place] for place in places])
        assert found.tobytes() == together[places].tobytes()

    check()


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_a_long_table_is_answered_like_its_rows(predictors, both) -> None:
    engine, rows = predictors[both].engine, arrow(ROWS * 40)  # more than a block of 4,096
    assert engine.decide(rows).tobytes() == np.tile(engine.decide(ROWS), (40, 1)).tobytes()
    assert engine.decide(rows[:0]).shape == (0, engine.decide(ROWS[:1]).shape[1])


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_reasons_add_up_to_the_value(predictors, both) -> None:
    engine, is_number = predictors[both].engine, both[1] == "number"
    for row in (ROWS[4], ROWS[5], {}, {"plan": "never seen", "tenure": 1e9}):
        values = engine.decide([row])[0]
        for label in range(len(values)):
            told = engine.reasons(row, label, is_rival=not is_number)
            assert [name for name, _ in told].count("(base)") == 1
            lead = values[label] - values.mean() * (not is_number)
            assert sum(weight for _, weight in told) == pytest.approx(lead, abs=1e-6, rel=1e-9)
            own = engine.reasons(row, label, is_rival=False)
            if both[0] != "ensemble":  # its parts go through a softmax
                assert sum(w for _, w in own) == pytest.approx(values[label], abs=1e-6, rel=1e-9)


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_columns_that_are_not_read_give_no_reason(predictors, both) -> None:
    told = dict(predictors[both].engine.reasons(ROWS[0], 0, is_rival=True))
    assert "customer_id" not in told
    assert {"tenure", "plan", "note"} <= set(told)


def test_the_base_of_a_linear_model_is_the_value_of_the_mean_row() -> None:
    engine = engine_of("table-linear", "number")
    told = dict(engine.reasons(ROWS[0], 0, is_rival=False))
    assert told["(base)"] == pytest.approx(engine.decide(ROWS).mean())


def test_what_moves_the_truth_moves_the_answer_most(predictors) -> None:
    for name in ("table-linear", "trees", "ensemble"):
        told = dict(predictors[name, "number"].engine.reasons(ROWS[4], 0, is_rival=False))
        told.pop("(base)")
        assert max(told, key=lambda column: abs(told[column])) in ("tenure", "joined", "plan")


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_what_is_written_answers_as_what_was_fitted(predictors, both) -> None:
    name, answers = both
    if name == "ensemble":
        parts = [engine_of(part, answers).decide(ROWS) for part in ("table-linear", "trees")]
        found = predictors[both].engine.decide(ROWS)
        if answers == "number":
            assert np.allclose(found, 0.4 * parts[0] + 0.6 * parts[1], rtol=1e-12)
        assert (found.argmax(axis=1) == parts[1].argmax(axis=1)).mean() > 0.8
        return
    fresh = engine_of(name, answers).decide(ROWS)
    assert fresh.tobytes() == predictors[both].engine.decide(ROWS).tobytes()


def test_several_boosters_answer_with_their_weighted_mean() -> None:
    one, other = (engine_of("trees", "three", seed) for seed in (0, 1))
    both = TreesEngine(one.featuriser, (*one.boosters, *other.boosters), (0.25, 0.75))
    expected = 0.25 * one.decide(ROWS) + 0.75 * other.decide(ROWS)
    assert not np.array_equal(one.decide(ROWS), other.decide(ROWS))
    assert np.allclose(both.decide(ROWS), expected, rtol=1e-12)
    assert both.decide(ROWS[:1]).tobytes() == both.decide(ROWS)[:1].tobytes()


@pytest.mark.parametrize("answers", ANSWERS)
def test_trees_are_kept_without_the_settings_of_their_training(answers: Any) -> None:
    import lightgbm

    one = engine_of("trees", answers)
    content = one.files()[f"{TREES}/0.txt"]
    assert b"num_threads" in one.boosters[0].model_to_string().encode()
    assert b"num_threads" not in content
    read = lightgbm.Booster(model_str=content.decode())
    again = TreesEngine(one.featuriser, (read,), (1.0,))
    assert again.files() == one.files()
    assert again.settings() == one.settings()
    assert again.decide(ROWS).tobytes() == one.decide(ROWS).tobytes()
    assert again.reasons(ROWS[0], 0, is_rival=True) == one.reasons(ROWS[0], 0, is_rival=True)


def test_two_labels_differ_by_what_the_trees_say() -> None:
    engine = engine_of("trees", "two")
    raw = engine.boosters[0].predict(engine.featuriser.codes(ROWS), raw_score=True)
    values = engine.decide(ROWS)
    assert np.array_equal(values[:, 1] - values[:, 0], raw)
    assert np.array_equal(values.sum(axis=1), np.zeros(len(ROWS)))


@pytest.mark.parametrize("answers", ANSWERS)
def test_the_short_way_through_lightgbm_is_there_and_gives_its_digits(answers: Any) -> None:
    engine = engine_of("trees", answers)
    codes, single = engine.featuriser.codes(ROWS), SingleRow(engine.boosters[0])
    assert single.is_fast, "this LightGBM has no single-row interface: single rows are slow"
    expected = raw_values(engine.boosters[0], codes, threads=2)
    found = np.stack([single(codes_F) for codes_F in codes])
    assert found.tobytes() == expected.tobytes()


def test_trees_that_stopped_early_answer_with_those_that_were_kept() -> None:
    import lightgbm

    made, truth = featuriser(), truth_of(ROWS, "number")
    codes = made.codes(ROWS)
    data = lightgbm.Dataset(codes[:150], truth[:150])
    held = lightgbm.Dataset(codes[150:], truth[150:], reference=data)
    options = {"objective": "regression", "verbose": -1, "learning_rate": 0.5, "num_threads": 1}
    stop = lightgbm.early_stopping(2, verbose=False)
    booster = lightgbm.train(options, data, 200, valid_sets=[held], callbacks=[stop],
                             keep_training_booster=True)  # fmt: skip
    assert booster.best_iteration < booster.num_trees()
    engine = TreesEngine(made, (booster,), (1.0,))
    expected = booster.predict(codes)
    assert np.array_equal(engine.decide(ROWS)[:, 0], expected)
    assert np.array_equal(engine.decide(ROWS[:1])[:, 0], expected[:1])
    again = lightgbm.Booster(model_str=engine.files()[f"{TREES}/0.txt"].decode())
    assert np.array_equal(again.predict(codes), expected)


def test_eight_threads_get_the_same_answers(predictors) -> None:
    for both in BOTH:
        expected = predictors[both].predict(ROWS[:40], explain=True)
        ask = partial(predictors[both].predict, explain=True)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(ask, [[row] for row in ROWS[:40] * 3]))
        assert [answer for answers in found for answer in answers] == expected * 3


@pytest.mark.parametrize("objective", ["poisson", "gamma", "tweedie"])
def test_trees_that_tell_no_plain_number_are_refused(objective: str) -> None:
    import lightgbm

    made, truth = featuriser(), np.abs(truth_of(ROWS, "number")) + 1.0
    data = lightgbm.Dataset(made.codes(ROWS), truth)
    booster = lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1}, data, 2)
    with pytest.raises(ValueError, match=f"objective '{objective}' tell no plain number"):
        TreesEngine(made, (booster,), (1.0,))


def test_boosters_that_do_not_belong_together_are_refused() -> None:
    one, other = engine_of("trees", "three"), engine_of("trees", "two")
    with pytest.raises(ValueError, match="different questions"):
        TreesEngine(one.featuriser, (*one.boosters, *other.boosters), (0.5, 0.5))
    with pytest.raises(ValueError, match="2 shares for 1 boosters"):
        TreesEngine(one.featuriser, one.boosters, (0.5, 0.5))


@pytest.mark.parametrize("harm", ["missing", "empty", "truncated", "one digit", "another", "bytes"])
def test_damaged_trees_are_a_store_error(tmp_path: Path, harm: str) -> None:
    folder = table_bundle(tmp_path / "b", "trees")
    path = folder / TREES / "0.txt"
    content = path.read_bytes()
    path.unlink()
    if harm == "another":
        path.write_bytes(engine_of("trees", "two", seed=5).files()[f"{TREES}/0.txt"])
    elif harm != "missing":
        kept = {"empty": b"", "truncated": content[: len(content) // 2], "bytes": b"\xff" * 99}
        path.write_bytes(kept.get(harm, content.replace(b"num_leaves=7", b"num_leaves=8", 1)))
    with pytest.raises(StoreError, match="missing or damaged"):
        Predictor.load(folder)


def test_trees_that_lightgbm_cannot_read_are_a_store_error(tmp_path: Path) -> None:
    folder = table_bundle(tmp_path / "b", "trees")
    content = b"tree\nversion=v4\n"
    (folder / TREES / "0.txt").write_bytes(content)
    told = json.loads((folder / "model.json").read_text("utf-8"))
    told["settings"]["sha256"] = [hashlib.sha256(content).hexdigest()]
    (folder / "model.json").write_text(json.dumps(told), "utf-8")
    with pytest.raises(StoreError, match="missing or damaged"):
        Predictor.load(folder)


@pytest.mark.parametrize("name", ["table-linear", "trees", "table-mlp", "ensemble"])
def test_arrays_that_do_not_fit_are_a_store_error(tmp_path: Path, name: str) -> None:
    from volano.models import write_bundle
    from volano.models.bundle import read_arrays, read_spec

    folder = table_bundle(tmp_path / "b", name)
    at = folder / "parts" / "0" if name == "ensemble" else folder
    arrays = read_arrays(at)
    for key in ("linear.weights", "layer.1.weights", "table.dense_mean"):
        if key in arrays:
            arrays[key] = arrays[key][:-1]
            break
    write_bundle(at, read_spec(at), arrays)
    with pytest.raises(StoreError, match="missing or damaged"):
        Predictor.load(folder)


def test_a_model_of_texts_imports_no_lightgbm() -> None:
    asked = (
        "import sys, volano.models.predictor, volano.models.trees; print('lightgbm' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
