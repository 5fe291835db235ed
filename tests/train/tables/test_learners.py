"""Learners of tables, each by what its users rely on."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.tiny import QUICK, fit, nothing_of, table_set

from volano.core.errors import MissingExtraError
from volano.core.events import Events
from volano.core.nouns import Model
from volano.models import Predictor, write_bundle
from volano.tasks.tabular_classification import TabularClassification
from volano.tasks.tabular_regression import TabularRegression
from volano.train.config import TrainConfig, resolve_train, why_not_here
from volano.train.held_out import Marked, write_held_out
from volano.train.learner import Lesson
from volano.train.learners.table_blend import BLEND
from volano.train.learners.table_linear import LINEAR
from volano.train.learners.table_mlp import MLP
from volano.train.learners.table_trees import TREES
from volano.train.tables.boosting import Shape
from volano.train.tables.config import MlpConfig, TreesConfig
from volano.train.tables.lesson import fill_absent, shrink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.train.learner import Fitted, Learner, TrainingSet

SMALL_NET = QUICK.model_copy(
    update={"folds": 2, "mlp": MlpConfig(hidden=(8,), epochs=8, lr=0.05, dropout=0.0)}
)
ALONE = pytest.mark.parametrize("learner", [LINEAR, TREES], ids=lambda learner: learner.name)


def people(num: int, seed: int = 0) -> list[dict[str, object]]:
    """Rows of five columns; who is young and rich, or lives in the north, buys."""
    rng = np.random.default_rng(seed)
    towns = ["north", "south", "east", None]
    return [
        {
            "age": float(rng.integers(18, 90)),
            "income": None if place % 11 == 0 else f"{rng.lognormal(8):.2f}",
            "town": towns[rng.integers(4)],
            "since": f"20{rng.integers(10, 25)}-0{rng.integers(1, 10)}-11",
            "noise": float(rng.normal()),
        }
        for place in range(num)
    ]


def income(row: Mapping[str, object]) -> float:
    return float(str(row["income"] or 3000))


def buys(row: Mapping[str, object], rng: np.random.Generator, noise: float = 0.3) -> str:
    liking = np.log(income(row)) - 8 + (50 - float(str(row["age"]))) / 20 + (row["town"] == "north")
    return "yes" if liking + noise * rng.normal() > 0 else "no"


def buyers(num: int, seed: int = 0, noise: float = 0.3) -> TrainingSet:
    rows, rng = people(num, seed), np.random.default_rng(seed + 1)
    return table_set(rows, [buys(row, rng, noise) for row in rows])


def prices(num: int, seed: int = 0, noise: float = 100.0) -> TrainingSet:
    rows, rng = people(num, seed), np.random.default_rng(seed + 1)
    values = [income(row) * 0.1 + 20 * float(str(row["age"])) for row in rows]
    return table_set(rows, [value + noise * rng.normal() for value in values])


def predictor_of(fitted: Fitted, folder: Path) -> Predictor:
    folder.mkdir(exist_ok=True, parents=True)
    write_bundle(folder, fitted.spec, fitted.arrays, fitted.files)
    return Predictor.load(folder)


def held(fitted: Fitted) -> Mapping[str, Any]:
    return fitted.held_out.outcomes.arrays()


def accuracy(fitted: Fitted) -> float:
    return float(fitted.held_out.outcomes.right_N.mean())


def r2(fitted: Fitted) -> float:
    found = held(fitted)
    return 1.0 - float(((found["value"] - found["truth"]) ** 2).mean() / found["truth"].var())


def digest(fitted: Fitted) -> str:
    whole = hashlib.sha256(repr(fitted.spec).encode())
    for name, array in sorted(fitted.arrays.items()):
        whole.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for name, content in sorted(fitted.files.items()):
        whole.update(name.encode() + content)
    return whole.hexdigest()


@ALONE
def test_labels_are_told_apart_and_the_bundle_answers_as_training_does(
    learner: Learner, tmp_path: Path
) -> None:
    rows = buyers(600)
    fitted = fit(rows, learner)
    assert accuracy(fitted) > 0.85
    assert fitted.held_out.row_H.tolist() == list(range(600))
    predictor = predictor_of(fitted, tmp_path)
    expected = fitted.reference(range(100)).arrays()
    scores = predictor.scores(list(rows.rows[:100]))
    np.testing.assert_allclose(scores, expected["scores"], atol=1e-9)
    answers = predictor.predict([*rows.rows[:3], {"age": "31"}], explain=True)
    assert [answer.labels[0] in {"yes", "no"} for answer in answers] == [True] * 4
    assert not any(answer.unknown for answer in answers)
    assert all(answer.reasons for answer in answers)


@ALONE
def test_numbers_are_foretold_with_intervals_that_hold_nine_in_ten(
    learner: Learner, tmp_path: Path
) -> None:
    rows = prices(900)
    fitted = fit(rows, learner)
    assert r2(fitted) > 0.9
    found = held(fitted)
    inside = (found["low"] <= found["truth"]) & (found["truth"] <= found["high"])
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    predictor = predictor_of(fitted, tmp_path)
    new = prices(300, seed=5)
    values = predictor.values(list(new.rows))
    assert 1 - np.var(values - new.number_N) / np.var(new.number_N) > 0.9
    expected = fitted.reference(range(50)).arrays()["value"]
    np.testing.assert_allclose(predictor.values(list(rows.rows[:50])), expected, rtol=1e-9)


@ALONE
@pytest.mark.parametrize("make", [buyers, prices], ids=["labels", "numbers"])
def test_rows_in_arrow_give_the_same_model_as_mappings(learner: Learner, make: Any) -> None:
    rows = make(200)
    in_arrow = table_set(rows.table, [_target(rows, place) for place in range(200)])
    assert digest(fit(in_arrow, learner)) == digest(fit(rows, learner))


def _target(rows: TrainingSet, place: int) -> object:
    told = rows.targets[place][0]
    return float(told) if rows.answers == "number" else told


@ALONE
def test_no_row_is_answered_by_a_model_that_saw_it(learner: Learner) -> None:
    """Labels drawn by lot can be learnt by heart, and never foretold."""
    rng = np.random.default_rng(0)
    table = pa.table({f"x{n}": rng.normal(size=400) for n in range(6)})
    by_lot = table_set(table, rng.choice(["yes", "no"], 400).tolist())
    assert accuracy(fit(by_lot, learner)) == pytest.approx(0.5, abs=0.08)
    numbers = table_set(table, rng.normal(size=400).tolist())
    assert r2(fit(numbers, learner)) < 0.05


@ALONE
def test_rows_of_one_unit_do_not_answer_for_each_other(learner: Learner) -> None:
    """Four copies of a row with a label drawn by lot: known only to who saw another copy."""
    rng = np.random.default_rng(1)
    table = pa.table({"x": np.repeat(rng.normal(size=150), 4), "y": np.repeat(np.arange(150.0), 4)})
    labels = np.repeat(rng.choice(["yes", "no"], 150), 4).tolist()
    config = QUICK.model_copy(update={"trees": TreesConfig(rounds=100, seeds=1, leaves=150)})
    units = np.arange(150).repeat(4).tolist()
    together = accuracy(fit(table_set(table, labels, units=units), learner, config))
    assert together == pytest.approx(0.5, abs=0.1)


ODD: dict[str, tuple[list[dict[str, object]], list[object]]] = {
    "two rows": ([{"a": 1}, {"a": 2}], ["x", "y"]),
    "a label each": ([{"a": n} for n in range(4)], ["a", "b", "c", "d"]),
    "nothing to read": ([{"a": 5}] * 6, ["x", "y"] * 3),
    "all missing": ([{"a": None, "b": "?"}] * 6, ["x", "y"] * 3),
    "one of its label": ([{"a": n} for n in range(9)], ["x"] * 8 + ["y"]),
    "three labels, one rare": ([{"a": n} for n in range(30)], ["x", "y"] * 14 + ["z", "z"]),
    "two numbers": ([{"a": 1}, {"a": 2}], [1.5, 2.5]),
    "numbers, nothing to read": ([{"a": 5}] * 6, [1, 2, 3, 4, 5, 6]),
    "huge numbers": ([{"a": n} for n in range(20)], [1e12 + n for n in range(20)]),
}


@ALONE
@pytest.mark.parametrize("name", ODD)
def test_few_and_odd_rows_still_give_a_model(learner: Learner, name: str, tmp_path: Path) -> None:
    found, targets = ODD[name]
    rows = table_set(found, targets)
    fitted = fit(rows, learner, QUICK.model_copy(update={"folds": 20}))
    assert all(np.isfinite(array).all() for array in held(fitted).values())
    predictor = predictor_of(fitted, tmp_path)
    asked = [*found, {"a": "9999"}, {"a": None}]
    values = predictor.values(asked) if rows.answers == "number" else predictor.scores(asked)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("learner", [LINEAR, TREES, MLP], ids=lambda learner: learner.name)
def test_a_row_of_more_weight_counts_more(learner: Learner, tmp_path: Path) -> None:
    found = [{"x": float(n % 2)} for n in range(80)]
    labels = [("a", "b")[n // 2 % 2] for n in range(80)]
    for heavy in ("a", "b"):
        weights = [9.0 if label == heavy else 1.0 for label in labels]
        rows = table_set(found, labels, weights=weights)
        # Held-out rows calibrate, and count alike; so values are compared, not chances.
        predictor = predictor_of(fit(rows, learner, SMALL_NET), tmp_path / heavy)
        values = predictor.engine.decide([{"x": 0.0}])
        assert rows.labels[int(values.argmax())] == heavy


@pytest.mark.parametrize("middle", [1.7e9, 1e15, 1e40])
def test_numbers_beyond_32_bits_are_learnt_and_their_intervals_hold(
    middle: float, tmp_path: Path
) -> None:
    """Times in seconds since 1970, say, that differ by minutes."""
    rng, unit = np.random.default_rng(2), middle if middle > 1e30 else 10.0
    found = [{"x": float(x)} for x in rng.normal(size=300)]
    truth = np.array([middle + unit * float(str(row["x"])) for row in found])
    for learner in (TREES, MLP):
        fitted = fit(table_set(found, truth.tolist()), learner, SMALL_NET)
        predictor = predictor_of(fitted, tmp_path / learner.name)
        value = predictor.values(found)
        assert np.std((value - truth) / unit) < 0.5
        low, high = predictor.spread.ends(value)  # type: ignore[union-attr]
        assert ((low <= truth) & (truth <= high)).mean() > 0.85
        reasons = predictor.explain(found[0])
        assert sum(weight for _, weight in reasons) == pytest.approx(value[0], rel=1e-12)


def test_numbers_that_32_bits_hold_are_learnt_as_they_are() -> None:
    settings = fit(prices(200), TREES).spec.settings
    assert (settings["centre"], settings["unit"]) == (0.0, 1.0)


def test_a_network_that_has_nothing_to_read_is_a_linear_model() -> None:
    rows = table_set([{"a": None}] * 12, ["x", "y"] * 6)
    assert fit(rows, MLP, SMALL_NET).spec.engine == "table-linear"


@ALONE
def test_a_column_may_be_named_like_the_base_of_reasons(learner: Learner, tmp_path: Path) -> None:
    found = [{"(base)": float(n % 5), "(other columns)": float(n % 3)} for n in range(60)]
    rows = table_set(found, [row["(base)"] * 3 + row["(other columns)"] for row in found])
    predictor = predictor_of(fit(rows, learner), tmp_path)
    for row in found[:6]:
        total = sum(weight for _, weight in predictor.explain(row))
        assert total == pytest.approx(predictor.values([row])[0])


@ALONE
def test_labels_by_the_hundred_and_rare_ones_are_told_apart(
    learner: Learner, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 6)) * 4
    label_N = np.concatenate([np.repeat(np.arange(39), 15), [39, 39]])
    points = centres[label_N] + rng.normal(size=(len(label_N), 6))
    table = pa.table({f"x{n}": points[:, n] for n in range(6)})
    fitted = fit(table_set(table, [f"label {n:02}" for n in label_N]), learner)
    assert accuracy(fitted) > 0.85
    assert held(fitted)["scores"].shape == (587, 40)
    assert len(predictor_of(fitted, tmp_path).labels) == 40


def test_a_mistake_that_costs_more_is_made_less_often() -> None:
    rows = buyers(600, noise=1.5)
    dear = replace(rows, costs={"yes": {"no": 8.0}})
    plain, careful = (held(fit(one, TREES)) for one in (rows, dear))
    missed = [(found["truth"] & ~found["decided"])[:, 1].mean() for found in (plain, careful)]
    assert missed[1] < missed[0] / 2
    np.testing.assert_array_equal(plain["scores"], careful["scores"])


def test_the_unknown_is_answered_only_where_rows_carry_it() -> None:
    rows = buyers(300)
    assert "unknown_below" in fit(rows, LINEAR).spec.calibration
    assert fit(rows, LINEAR).spec.calibration["unknown_below"] == 0.0
    assert fit(replace(rows, unknown="no"), LINEAR).spec.unknown == "no"


def part_of(fitted: Fitted, rows: TrainingSet, folder: Path, name: str) -> Model:
    folder.mkdir(parents=True)
    write_bundle(folder, fitted.spec, fitted.arrays, fitted.files)
    row_H = fitted.held_out.row_H
    write_held_out(folder, Marked(fitted.held_out.outcomes, rows.unit_N[row_H], row_H))
    return Model(name, folder, {"learner": name})


@pytest.mark.parametrize("make", [buyers, prices], ids=["labels", "numbers"])
def test_a_blend_answers_with_both_of_its_parts(make: Any, tmp_path: Path) -> None:
    rows = make(500)
    made = {one.name: fit(rows, one) for one in (LINEAR, TREES)}
    parts = {name: part_of(one, rows, tmp_path / name, name) for name, one in made.items()}
    fitted = BLEND.fit(Lesson(rows, nothing_of(rows), parts), QUICK, Events())
    assert sum(fitted.told["shares"].values()) == pytest.approx(1.0)
    predictor = predictor_of(fitted, tmp_path / "blend")
    assert "trees/0.txt" in "".join(fitted.files)
    asked, told = list(rows.rows[:60]), fitted.reference(range(60)).arrays()
    if rows.answers == "number":
        assert r2(fitted) >= min(r2(one) for one in made.values())
        alone = [Predictor.load(parts[name].folder).values(asked) for name in parts]
        mean = sum(s * v for s, v in zip(fitted.told["shares"].values(), alone, strict=True))
        np.testing.assert_allclose(predictor.values(asked), mean, rtol=1e-9)
        np.testing.assert_allclose(predictor.values(asked), told["value"], rtol=1e-9)
    else:
        assert accuracy(fitted) >= min(accuracy(one) for one in made.values()) - 0.01
        np.testing.assert_allclose(predictor.scores(asked), told["scores"], atol=1e-9)
    assert fitted.features == made["linear"].features


@pytest.mark.parametrize("learner", [LINEAR, TREES, MLP], ids=lambda learner: learner.name)
def test_the_same_seed_gives_the_same_digits(learner: Learner) -> None:
    if learner is MLP:
        pytest.importorskip("torch")
    config = SMALL_NET.model_copy(update={"trees": TreesConfig(rounds=40, seeds=2)})
    rows = buyers(240)
    first, second = (fit(rows, learner, config) for _ in range(2))
    assert digest(first) == digest(second)
    if learner is not LINEAR:
        other = fit(rows, learner, config.model_copy(update={"seed": 1}))
        assert digest(first) != digest(other)


@pytest.mark.slow
def test_the_number_of_cores_changes_no_digit() -> None:
    code = (
        "from tests.train.tables.test_learners import *;"
        "many = buyers(60_000); print([digest(fit(many, one)) for one in (LINEAR, TREES)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                "PATH": "/usr/bin:/bin",
                "VOLANO_CORES": cores,
                "OPENBLAS_NUM_THREADS": cores,
                "PYTHONPATH": str(Path(__file__).parents[3]),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for cores in ("1", "2")
    ]
    assert told[0] == told[1]


def test_lightgbm_says_nothing_on_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    fit(buyers(200), TREES, QUICK.model_copy(update={"settings_tried": 2}))
    assert capfd.readouterr() == ("", "")


def test_small_trees_are_taken_where_rows_are_few_and_noisy() -> None:
    few = TreesConfig(rounds=60, seeds=1)
    config = QUICK.model_copy(update={"settings_tried": 3, "trees": few})
    told = fit(buyers(500, noise=2.0), TREES, config).told
    assert len(told["shapes"]) == 4
    assert "7 leaves" in told["settings"]["trees"]
    assert told["rounds"] >= told["rounds_held_out"]
    named = config.model_copy(update={"trees": few.model_copy(update={"leaves": 5})})
    assert list(fit(buyers(200), TREES, named).told["shapes"]) == [str(Shape(5).fitting(200, 2))]


def test_several_seeds_answer_together_only_where_that_pays() -> None:
    config = QUICK.model_copy(update={"trees": TreesConfig(rounds=100, seeds=3)})
    noisy = fit(prices(600, noise=500.0), TREES, config)
    assert noisy.told["seeds"] == len(noisy.files) == 3
    easy = table_set(pa.table({"x": np.arange(400) % 2}), ["a", "b"] * 200)
    assert fit(easy, TREES, config).told["seeds"] == 1


def test_trees_do_not_ask_about_what_only_grows_when_the_future_is_foretold() -> None:
    """The day says all about past noise and nothing about the days to come."""
    rng = np.random.default_rng(0)
    day = np.arange(2000)
    level = np.repeat(rng.normal(size=40), 50)  # of each stretch of fifty days, by lot
    level[1750:1800] += 9  # the last that trees learn of
    hour = rng.integers(24, size=2000)
    table = pa.table({"day": day, "hour": hour})
    number = 10 * np.sin(hour / 4) + level + rng.normal(size=2000) * 0.3
    early = table_set(table.slice(0, 1800), number[:1800].tolist())
    late = table_set(table.slice(1800), number[1800:].tolist(), units=range(1800, 2000))
    fitted = TREES.fit(Lesson(early, late, is_forward=True), QUICK, Events())
    assert "without columns that only grow or fall" in fitted.told["settings"]["trees"]
    assert fitted.held_out.row_H.tolist() == list(range(1800, 2000))
    assert r2(fitted) > 0.5
    found = held(fitted)
    # To which side the latest rows were missed says nothing of those that come.
    np.testing.assert_allclose(found["high"] - found["value"], found["value"] - found["low"])


def test_trees_follow_a_border_that_slants_where_columns_are_coordinates(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    north, east = rng.uniform(32, 42, 800), rng.uniform(-124, -114, 800)
    number = (100.0 * (north + east + 82 > 0) + rng.normal(size=800)).tolist()
    told = [
        fit(table_set(pa.table({names[0]: north, names[1]: east}), number), TREES)
        for names in (("x", "y"), ("latitude", "longitude"))
    ]
    assert [fitted.told["places"] for fitted in told] == [[], [["latitude", "longitude"]]]
    assert 1 - r2(told[1]) < 0.5 * (1 - r2(told[0]))
    rows = [{"latitude": n, "longitude": e} for n, e in zip(north, east, strict=True)]
    answers = predictor_of(told[1], tmp_path).predict(rows[:100])
    expected = told[1].reference(range(100)).arrays()["value"]
    np.testing.assert_allclose([answer.value for answer in answers], expected, rtol=1e-9)


def test_a_network_learns_what_is_one_thing_or_the_other_but_not_both(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = [{"a": place // 2 % 2, "b": place % 2} for place in range(200)]
    rows = table_set(found, ["odd" if row["a"] != row["b"] else "even" for row in found])
    fitted = fit(rows, MLP, SMALL_NET)
    assert accuracy(fitted) == 1.0
    assert accuracy(fit(rows, LINEAR)) < 0.7
    answers = predictor_of(fitted, tmp_path).predict(found[:4])
    assert [answer.labels[0] for answer in answers] == ["even", "odd", "odd", "even"]
    assert min(answer.confidence for answer in answers) > 0.9


@pytest.mark.parametrize("make", [buyers, prices], ids=["labels", "numbers"])
def test_a_network_tells_its_losses_and_its_bundle_answers_as_torch_does(
    make: Any, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    rows = make(400)
    fitted = fit(rows, MLP, SMALL_NET)
    predictor = predictor_of(fitted, tmp_path)
    asked, told = list(rows.rows[:80]), fitted.reference(range(80)).arrays()
    if rows.answers == "number":
        assert r2(fitted) > 0.75
        np.testing.assert_allclose(predictor.values(asked), told["value"], rtol=1e-5)
    else:
        assert accuracy(fitted) > 0.85
        np.testing.assert_allclose(predictor.scores(asked), told["scores"], atol=1e-5)
    epochs = fitted.told["epochs"]
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert all(np.isfinite(epoch["valid_loss"]) for epoch in epochs)
    assert epochs[fitted.told["best_epoch"]]["valid_loss"] == min(e["valid_loss"] for e in epochs)


def test_without_torch_a_network_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    with pytest.raises(MissingExtraError, match="torch") as caught:
        fit(buyers(40), MLP)
    assert "volano[deep]" in caught.value.fix
    assert why_not_here("mlp").startswith("as torch is not installed")
    assert why_not_here("trees") == ""


def test_a_card_can_tell_what_each_column_was_taken_for() -> None:
    fitted = fit(buyers(100), LINEAR)
    kinds = {told["column"]: told["kind"] for told in fitted.features}
    assert kinds == {
        "age": "number", "income": "number", "town": "category", "since": "date",
        "noise": "number",
    }  # fmt: skip
    assert all(told["because"] for told in fitted.features)
    said = fit(replace(buyers(100), kinds={"age": "category"}), LINEAR)
    assert {told["column"]: told["kind"] for told in said.features}["age"] == "category"


def test_labels_that_were_never_seen_get_half_a_row() -> None:
    values = np.array([[2.0, 0.0, -35.0], [0.0, 0.0, -35.0]])
    filled = fill_absent(values, np.array([True, True, False]), 9)
    chances = np.exp(filled) / np.exp(filled).sum(axis=1, keepdims=True)
    assert chances[:, 2] == pytest.approx([0.5 / 10.5] * 2)
    np.testing.assert_array_equal(filled[:, :2], values[:, :2])


def test_rare_labels_are_kept_whole_where_rows_are_too_many() -> None:
    class_N = np.array([0] * 1000 + [1] * 300 + [2] * 5)
    places, weights = shrink(class_N, 205, 0)
    counts = np.bincount(class_N[places])
    assert counts.tolist() == [100, 100, 5]
    assert np.bincount(class_N[places], weights).tolist() == pytest.approx([1000, 300, 5])
    assert len(shrink(class_N, 5000, 0)[0]) == len(class_N)


@pytest.mark.slow
@pytest.mark.data
def test_churn_is_foretold_better_than_by_a_plain_booster(shared_data: Path) -> None:
    """README of the data set: HistGradientBoosting in five folds, ROC AUC 0.847."""
    with (shared_data / "telco_churn" / "Telco-Customer-Churn.csv").open() as stream:
        found = list(csv.DictReader(stream))
    labels = [str(row.pop("Churn")) for row in found]
    rows = table_set(found, labels)
    config, _ = resolve_train(TrainConfig(), "normal", 0)
    metric = TabularClassification().metrics["roc_auc"]
    for learner, floor in ((LINEAR, 0.848), (TREES, 0.849)):
        assert metric.of(fit(rows, learner, config).held_out.outcomes) > floor


@pytest.mark.slow
@pytest.mark.data
def test_house_prices_are_foretold_better_than_by_a_plain_booster(shared_data: Path) -> None:
    """Its README: HistGradientBoosting, RMSE 47,287; here on 80 % of the rows of each fold."""
    with (shared_data / "california_housing" / "housing.csv").open() as stream:
        found = list(csv.DictReader(stream))
    values = [float(row.pop("median_house_value")) for row in found]
    config, _ = resolve_train(TrainConfig(), "quick", 0)
    rmse = TabularRegression().metrics["rmse"]
    assert rmse.of(fit(table_set(found, values), TREES, config).held_out.outcomes) < 47_000
