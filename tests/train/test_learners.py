from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.tiny import QUICK, fit, tiny_bundle, tiny_rows, training_set

from volano.core.events import Events
from volano.core.nouns import Model
from volano.models import Predictor, write_bundle
from volano.models.text_features import TextFeaturiser
from volano.train.folds import assign_folds, strata_of
from volano.train.held_out import Marked, write_held_out
from volano.train.learner import Lesson, TrainingSet
from volano.train.learners.text_heads import HeadLesson, fit_bayes, fit_separator
from volano.train.learners.text_linear import BAYES, BLEND, LINEAR

if TYPE_CHECKING:
    from volano.train.learner import Fitted, Learner

ROWS = tiny_rows()
TEXTS = [row["body"] for row in ROWS]
TOPICS = [row["topic"] for row in ROWS]
EITHER = pytest.mark.parametrize("learner", [LINEAR, BAYES], ids=lambda learner: learner.name)


def predictor_of(fitted: Fitted, folder: Path) -> Predictor:
    write_bundle(folder, fitted.spec, fitted.arrays)
    return Predictor.load(folder)


def accuracy(fitted: Fitted) -> float:
    return float(fitted.held_out.outcomes.right_N.mean())


def scores_of(fitted: Fitted) -> Any:
    return fitted.held_out.outcomes.arrays()["scores"]


def digest(folder: Path) -> str:
    files = [folder / "model.json", folder / "weights.safetensors"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@pytest.mark.slow
def test_another_process_trains_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.tiny import *;"
        "from volano.train.learners.text_linear import *;"
        "[tiny_bundle(Path(sys.argv[1]) / one.name, learner=one) for one in (LINEAR, BAYES)]"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
    )
    for learner in (LINEAR, BAYES):
        here = tiny_bundle(tmp_path / "here" / learner.name, learner=learner)
        assert digest(here) == digest(tmp_path / learner.name)


@EITHER
def test_held_out_answers_are_good_and_the_model_is_better(
    learner: Learner, tmp_path: Path
) -> None:
    rows = training_set(TEXTS, TOPICS)
    fitted = fit(rows, learner)
    assert accuracy(fitted) > 0.8
    answers = predictor_of(fitted, tmp_path).predict(ROWS)
    assert [answer.labels[0] for answer in answers] == TOPICS


@EITHER
def test_no_row_is_scored_by_a_model_that_saw_it(learner: Learner) -> None:
    """Labels drawn by lot can be learnt by heart, and never foretold."""
    rng = np.random.default_rng(0)
    labels = rng.choice(["yes", "no"], 300).tolist()
    words = [f"word{number}" for number in range(40)]
    texts = [" ".join(rng.choice(words, 8)) + f" own{place}" for place in range(300)]
    rows = training_set([f"{text} {text}" for text in texts], labels)
    assert accuracy(fit(rows, learner)) == pytest.approx(0.5, abs=0.1)


@EITHER
def test_rows_of_one_unit_do_not_answer_for_each_other(learner: Learner) -> None:
    """A hundred copies of a row with a random label: known only to who saw another copy."""
    rng = np.random.default_rng(1)
    labels = rng.choice(["yes", "no"], 100).repeat(4).tolist()
    texts = [f"case{place} number{place}" for place in range(100) for _ in range(4)]
    units = np.arange(100).repeat(4).tolist()
    apart = training_set(texts, labels)
    together = training_set(texts, labels, units=units)
    assert accuracy(fit(apart, learner)) > 0.9
    assert accuracy(fit(together, learner)) == pytest.approx(0.5, abs=0.15)


@EITHER
@pytest.mark.parametrize(
    ("texts", "labels", "units"),
    [
        (["parcel late", "money back"], ["a", "b"], None),
        (["parcel late", "parcel late", "money back", "money back"], ["a", "a", "b", "b"], None),
        (["one", "two", "three", "four"], ["a", "b", "c", "d"], None),
        (["same word"] * 6, ["a", "b"] * 3, None),
        ([""] * 6, ["a", "b", "b"] * 2, None),
        (["", "", "text here", "text here"], ["a", "b", "a", "b"], None),
        (["parcel late"] * 5 + ["money back"], ["a"] * 5 + ["b"], None),
        (["parcel late", "money back"] * 3, ["a", "b"] * 3, [7] * 6),
        (["parcel late", "money back"] * 3, ["a", "b"] * 3, [1, 2] * 3),
    ],
    ids=[
        "one row a label", "two labels", "nothing in common", "one text", "all empty",
        "half empty", "a label with one example", "one person", "two persons",
    ],
)  # fmt: skip
def test_few_and_odd_rows_still_give_a_model(
    learner: Learner, texts: list[str], labels: list[str], units: list[int] | None, tmp_path: Path
) -> None:
    rows = training_set(texts, labels, units=units)
    fitted = fit(rows, learner, QUICK.model_copy(update={"folds": 20}))
    predictor = predictor_of(fitted, tmp_path)
    assert predictor.labels == tuple(sorted(set(labels)))
    assert np.isfinite(predictor.scores([{"body": text} for text in [*texts, "new", ""]])).all()
    assert np.isfinite(scores_of(fitted)).all()


def test_without_any_text_the_commonest_label_is_answered(tmp_path: Path) -> None:
    predictor = predictor_of(fit(training_set([""] * 9, ["a", "b", "b"] * 3)), tmp_path)
    assert predictor.predict([{"body": "anything"}])[0].labels == ("b",)


def test_a_label_only_in_validation_rows_is_learnt() -> None:
    lesson = Lesson(
        training_set(["parcel late", "money back"] * 4, ["a", "b"] * 4, units=list(range(8))),
        training_set(["password wrong"] * 4, ["c"] * 4, units=list(range(8, 12))),
    )
    fitted = LINEAR.fit(lesson, QUICK, Events())
    assert fitted.spec.labels == ("a", "b", "c")
    assert scores_of(fitted).shape == (12, 3)


@EITHER
def test_a_row_of_more_weight_counts_more(learner: Learner) -> None:
    texts = ["alpha beta"] * 6 + ["gamma delta"] * 2
    labels = ["x", "y"] * 3 + ["x", "y"]
    light = training_set(texts, labels, weights=[5, 1] * 3 + [1, 1])
    heavy = training_set(texts, labels, weights=[1, 5] * 3 + [1, 1])
    features = TextFeaturiser().fit_transform(texts)
    for rows, likelier in ((light, 0), (heavy, 1)):
        head = {LINEAR.name: fit_separator, BAYES.name: fit_bayes}[learner.name]
        fold_N = np.arange(8) // 2 % 2
        lesson = HeadLesson(features, rows.truth_NC, rows.weight_N, fold_N, False, 1, 0)
        values = head(lesson).head.decide(features[:1])
        assert values.argmax() == likelier


def trained(learner: Learner, rows: TrainingSet, folder: Path) -> Model:
    folder.mkdir()
    fitted = fit(rows, learner)
    write_bundle(folder, fitted.spec, fitted.arrays)
    outcomes = fitted.held_out.outcomes
    write_held_out(folder, Marked(outcomes, rows.unit_N, np.arange(len(rows))))
    return Model(learner.name, folder)


def test_a_blend_answers_with_both_of_its_parts(tmp_path: Path) -> None:
    rows = training_set(TEXTS, TOPICS)
    parts = {one.name: trained(one, rows, tmp_path / one.name) for one in (LINEAR, BAYES)}
    lesson = Lesson(rows, training_set([], []), parts)
    fitted = BLEND.fit(lesson, QUICK, Events())
    shares = fitted.told["shares"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert all(0.1 < share < 0.9 for share in shares.values())
    folder = tmp_path / "blend"
    folder.mkdir()
    mixed = predictor_of(fitted, folder).scores(ROWS)
    alone = [Predictor.load(parts[name].folder).scores(ROWS) for name in parts]
    logs = sum(share * np.log(part) for share, part in zip(shares.values(), alone, strict=True))
    assert (mixed.argmax(axis=1) == np.asarray(logs).argmax(axis=1)).all()
    again = np.exp(np.asarray(logs) / fitted.spec.calibration["temperature"])
    assert mixed == pytest.approx(again / again.sum(axis=1, keepdims=True), abs=1e-4)


@EITHER
def test_overlapping_labels_are_learnt_each_by_itself(learner: Learner, tmp_path: Path) -> None:
    targets = [(row["topic"], "中文") if row["body"][0] > "z" else (row["topic"],) for row in ROWS]
    rows = training_set(TEXTS, targets, is_multiple=True)
    fitted = fit(rows, learner)
    answers = predictor_of(fitted, tmp_path).predict(ROWS)
    exact = np.mean([set(a.labels) == set(t) for a, t in zip(answers, targets, strict=True)])
    assert exact > 0.9
    assert len(fitted.arrays["calibration.threshold"]) == 4


def test_a_label_that_every_row_carries_and_one_that_a_single_row_carries(tmp_path: Path) -> None:
    targets = [(topic, "all") if place else (topic, "all", "once")
               for place, topic in enumerate(TOPICS)]  # fmt: skip
    rows = training_set(TEXTS, targets, is_multiple=True)
    for learner in (LINEAR, BAYES):
        answers = predictor_of(fit(rows, learner), tmp_path).predict(ROWS)
        assert all("all" in answer.labels for answer in answers)
        assert sum("once" in answer.labels for answer in answers) <= 4


@pytest.mark.parametrize("unknown", ["account", "nobody"])
def test_the_unknown_is_a_label_only_where_rows_carry_it(unknown: str, tmp_path: Path) -> None:
    rows = training_set(TEXTS, TOPICS, unknown=unknown)
    fitted = fit(rows)
    assert fitted.spec.unknown == (unknown if unknown == "account" else "")
    known = rows.truth_NC[:, 0] == 0
    flagged = scores_of(fitted).max(axis=1) < fitted.spec.calibration["unknown_below"]
    assert flagged[known].mean() <= QUICK.unknown_false_alarms + 0.03
    assert predictor_of(fitted, tmp_path).predict([{"body": "zzz qqq"}])[0].unknown


@pytest.mark.parametrize(("num", "folds"), [(60, 3), (7, 5), (3, 20), (2, 2)])
def test_folds_keep_units_together_and_strata_even(num: int, folds: int) -> None:
    rng = np.random.default_rng(num)
    unit_N = rng.integers(num, size=4 * num)
    stratum_N = rng.integers(3, size=4 * num)
    fold_N = assign_folds(stratum_N, unit_N, folds, 0)
    assert set(fold_N.tolist()) == set(range(min(folds, np.unique(unit_N).size)))
    for unit in np.unique(unit_N):
        assert np.unique(fold_N[unit_N == unit]).size == 1
    sizes = [np.unique(unit_N[fold_N == fold]).size for fold in np.unique(fold_N)]
    assert max(sizes) - min(sizes) <= 1


def test_each_label_reaches_each_fold() -> None:
    rows = training_set(TEXTS, TOPICS)
    fold_N = assign_folds(strata_of(rows.truth_NC), rows.unit_N, 5, 0)
    for fold, label in itertools.product(range(5), range(3)):
        assert rows.truth_NC[fold_N == fold, label].sum() == 4


def test_rows_without_any_label_are_a_stratum_of_their_own() -> None:
    truth_NC = np.array([[True, True], [True, False], [False, False]])
    assert strata_of(truth_NC).tolist() == [1, 0, 2]
