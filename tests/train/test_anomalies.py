from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from volano.core.errors import DataError
from volano.core.events import Events
from volano.models import Predictor, write_bundle
from volano.models.rows import ArrowRows
from volano.tasks.anomaly_detection import AnomalyDetection
from volano.tasks.task import AlertsConfig
from volano.train.anomalies.budget import alert_share, budgeted, logit_cut
from volano.train.config import TrainConfig, resolve_train
from volano.train.learner import Lesson, TrainingSet
from volano.train.learners.odd_autoencoder import AUTOENCODER
from volano.train.learners.odd_detectors import FOREST, ODD, TAILS
from volano.train.learners.odd_labelled import LABELLED

if TYPE_CHECKING:
    from pathlib import Path

    from volano.train.learner import Fitted, Learner

CONFIG = resolve_train(TrainConfig(), "quick", 0)[0]
DETECTORS = pytest.mark.parametrize("learner", [TAILS, FOREST, ODD], ids=lambda one: one.name)
NUM, NUM_ODD = 600, 30


def mixed(num: int = NUM) -> pa.Table:
    """Payments: the last ones are large, at night, by a rare way, or lack their branch."""
    draw = np.random.default_rng(5)
    is_odd = np.arange(num) >= num - NUM_ODD
    amount = draw.lognormal(3.0, 0.5, num) * np.where(is_odd, 12.0, 1.0)
    hour = np.where(is_odd, draw.integers(0, 5, num), draw.integers(8, 20, num))
    way = np.where(is_odd & (draw.random(num) < 0.6), "cash", draw.choice(["card", "app"], num))
    branch = [None if odd and place % 2 else f"b{place % 5}" for place, odd in enumerate(is_odd)]
    return pa.table({"amount": amount, "hour": hour * 1.0, "way": way, "branch": branch})


TABLE = mixed()
TRUTH = np.arange(NUM) >= NUM - NUM_ODD


def lesson(targets: list[tuple[str, ...]], table: pa.Table = TABLE) -> Lesson:
    def rows(part: pa.Table, labels: list[tuple[str, ...]]) -> TrainingSet:
        return TrainingSet(
            ArrowRows(part),
            labels,
            np.arange(len(part)),
            np.ones(len(part)),
            columns=tuple(table.column_names),
            kinds={"way": "category", "branch": "category"},
            task="anomaly-detection",
        )

    cut = len(table) - len(table) // 10
    return Lesson(rows(table[:cut], targets[:cut]), rows(table[cut:], targets[cut:]))


def looked_at(every: int = 1) -> list[tuple[str, ...]]:
    """Targets of each row, where somebody has looked at one in so many normal ones."""
    return [
        ("anomaly",) if odd else ("normal",) if place % every == 0 else ()
        for place, odd in enumerate(TRUTH)
    ]


NOBODY: list[tuple[str, ...]] = [()] * NUM


def load(fitted: Fitted, folder: Path) -> Predictor:
    write_bundle(folder, fitted.spec, fitted.arrays, fitted.files)
    return Predictor.load(folder)


@pytest.fixture(scope="module")
def learnt() -> dict[str, Fitted]:
    """What each learner of detectors makes where nobody has looked."""
    return {one.name: one.fit(lesson(NOBODY), CONFIG, Events()) for one in (TAILS, FOREST, ODD)}


def area(score_N: Any, truth_N: Any = TRUTH) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth_N, score_N))


@DETECTORS
def test_odd_rows_are_found_though_nobody_has_looked(
    learnt: Any, learner: Learner, tmp_path: Path
) -> None:
    fitted = learnt[learner.name]
    found = load(fitted, tmp_path)
    assert found.labels == ("anomaly", "normal")
    assert len(fitted.held_out.row_H) == 0
    assert area(found.scores(ArrowRows(TABLE))[:, 0]) > 0.9


@DETECTORS
def test_a_later_day_is_no_oddity(learner: Learner, tmp_path: Path) -> None:
    def at(month: int) -> pa.Table:
        days = [f"2024-{month:02}-{1 + n % 20:02}T{9 + n % 8}:00" for n in range(NUM)]
        return TABLE.append_column("at", pa.array(days))

    found = load(learner.fit(lesson(NOBODY, at(1)), CONFIG, Events()), tmp_path)
    seen, later = (found.scores(ArrowRows(at(month)))[:, 0] for month in (1, 9))
    assert np.median(later) < np.quantile(seen, 0.75)
    assert area(later) > 0.9


@DETECTORS
def test_a_row_has_the_same_digits_alone_in_any_batch_and_in_the_table(
    learnt: Any, learner: Learner, tmp_path: Path
) -> None:
    found = load(learnt[learner.name], tmp_path)
    rows = [*TABLE.to_pylist()[:41], {"amount": "1e300"}, {"way": "never seen", "hour": None}]
    together = found.engine.decide(rows)
    assert np.isfinite(together).all()
    assert found.engine.decide(ArrowRows(TABLE))[:41].tobytes() == together[:41].tobytes()
    for size in (1, 2, 3, 7):
        parts = [found.engine.decide(rows[at : at + size]) for at in range(0, len(rows), size)]
        assert np.concatenate(parts).tobytes() == together.tobytes()


@DETECTORS
def test_reasons_add_up_to_the_log_odds_and_name_the_strange_cell(
    learnt: Any, learner: Learner, tmp_path: Path
) -> None:
    found = load(learnt[learner.name], tmp_path)
    row = {"amount": 9000.0, "hour": 12.0, "way": "card", "branch": "b1"}
    score = found.scores([row])[0, 0]
    reasons = found.explain(row, "anomaly")
    assert sum(moved for _, moved in reasons) == pytest.approx(np.log(score / (1 - score)))
    assert reasons[0][0] == "amount = 9000"
    assert reasons[0][1] > 0
    against = dict(found.explain(row, "normal"))
    assert against["amount = 9000"] == pytest.approx(-reasons[0][1])


@DETECTORS
def test_alerts_stay_within_the_budget(learnt: Any, learner: Learner) -> None:
    fitted = learnt[learner.name]
    outcomes = fitted.reference(range(NUM))
    said = outcomes.arrays()["decided"][:, 0].mean()
    assert 0.0 < said < 0.02  # a share of 0.01, counted on rows that were held out


@DETECTORS
def test_the_same_seed_gives_the_same_bytes(learnt: Any, learner: Learner, tmp_path: Path) -> None:
    digests = set()
    again = learner.fit(lesson(NOBODY), CONFIG, Events())
    for run, fitted in (("first", learnt[learner.name]), ("second", again)):
        (tmp_path / run).mkdir()
        write_bundle(tmp_path / run, fitted.spec, fitted.arrays)
        digests.add(hashlib.sha256((tmp_path / run / "weights.safetensors").read_bytes()).digest())
    assert len(digests) == 1


def test_labelled_rows_are_held_out_from_what_answers_them() -> None:
    fitted = ODD.fit(lesson(looked_at(4)), CONFIG, Events())
    outcomes = fitted.held_out.outcomes
    labelled = [place for place, target in enumerate(looked_at(4)) if target]
    assert fitted.held_out.row_H.tolist() == labelled
    assert AnomalyDetection().metrics["roc_auc"].of(outcomes) > 0.9


def test_only_later_rows_are_held_out_where_the_future_is_foretold() -> None:
    table = mixed(2000)
    targets: list[tuple[str, ...]] = [("normal",)] * 1970 + [("anomaly",)] * NUM_ODD
    found = replace(lesson(targets, table), is_forward=True)
    fitted = TAILS.fit(found, CONFIG, Events())
    assert fitted.held_out.row_H.tolist() == list(range(1800, 2000))
    assert fitted.told["scale_is_held_out"] is False


def test_labels_teach_what_is_no_oddity(tmp_path: Path) -> None:
    """Frauds are small payments by app here, and stand out in nothing."""
    draw = np.random.default_rng(9)
    amount, hour = draw.lognormal(3.0, 0.5, 3000), draw.integers(0, 24, 3000) * 1.0
    way = draw.choice(["card", "app"], 3000)
    is_fraud = (way == "app") & (amount < 13) & (hour < 12)
    table = pa.table({"amount": amount, "hour": hour, "way": way})
    targets: list[tuple[str, ...]] = [
        (("anomaly",) if fraud else ("normal",)) if place % 3 == 0 else ()
        for place, fraud in enumerate(is_fraud)
    ]
    whole = lesson(targets, table)
    fitted = LABELLED.fit(whole, CONFIG, Events())
    found = load(fitted, tmp_path)
    score_N = found.scores(ArrowRows(table))[:, 0]
    unseen = np.array([not target for target in targets])
    assert area(score_N[unseen], is_fraud[unseen]) > 0.95
    blind = ODD.fit(whole, CONFIG, Events()).held_out.outcomes
    assert area(blind.arrays()["scores"][:, 0], blind.arrays()["truth"][:, 0]) < 0.8
    assert fitted.reference(range(3000)).arrays()["decided"][:, 0].mean() <= 0.015


def test_reasons_and_scores_are_of_the_anomaly_whatever_the_answer(
    learnt: Any, tmp_path: Path
) -> None:
    found = load(learnt["odd"], tmp_path)
    answers = found.predict(TABLE.to_pylist()[:20], explain=True)
    assert {answer.labels for answer in answers} == {("normal",)}
    assert {answer.explained for answer in answers} == {"anomaly"}
    for answer in answers:
        score = answer.scores["anomaly"]
        total = sum(weight for _, weight in answer.reasons)
        assert total == pytest.approx(np.log(score / (1 - score)), abs=1e-9)
    told = found.answer_table(ArrowRows(TABLE[:20]))
    assert told["score"].to_pylist() == [answer.scores["anomaly"] for answer in answers]
    assert told["label"].to_pylist() == ["normal"] * 20


@pytest.mark.parametrize("when", ["late", "early", "early but three"])
def test_labels_that_came_early_or_late_alone_are_learnt_by_time_too(when: str) -> None:
    """The latest rows are held out, and they alone were looked at; or nobody has yet."""
    targets: list[tuple[str, ...]] = [()] * 1800 + [("normal",)] * 170 + [("anomaly",)] * NUM_ODD
    table = mixed(2000)
    if when != "late":
        table, targets = table.take(pa.array(np.arange(2000)[::-1])), targets[::-1]
    if when == "early but three":
        targets[-3:] = [("normal",)] * 3
    found = replace(lesson(targets, table), is_forward=True)
    fitted = LABELLED.fit(found, CONFIG, Events())
    assert fitted.held_out.row_H.tolist() == [place for place, one in enumerate(targets) if one]
    assert AnomalyDetection().metrics["roc_auc"].of(fitted.held_out.outcomes) > 0.9


def test_too_few_labels_are_refused_with_a_way_out() -> None:
    targets = [("normal",)] * 100 + [()] * (NUM - 105) + [("anomaly",)] * 5
    with pytest.raises(DataError, match="5 anomalies and 100 normal rows"):
        LABELLED.fit(lesson(targets), CONFIG, Events())


def test_columns_that_tell_nothing_are_no_error(tmp_path: Path) -> None:
    same = lesson([()] * 60, pa.table({"a": [1.0] * 60, "b": ["x"] * 60}))
    for learner in (TAILS, FOREST, ODD):
        folder = tmp_path / learner.name
        folder.mkdir()
        found = load(learner.fit(same, CONFIG, Events()), folder)
        np.testing.assert_allclose(found.scores([{"a": 1.0, "b": "x"}]), 0.5)


def test_a_budget_a_day_is_a_share_of_the_rows_of_these_days() -> None:
    assert alert_share(AlertsConfig(per_day=5), 10_000, 20.0) == 0.01
    assert alert_share(AlertsConfig(share=0.02), 10_000, 20.0) == 0.02
    with pytest.raises(DataError, match="no training row has a time"):
        alert_share(AlertsConfig(per_day=5, share=0.03), 10_000, 0.0)


def test_a_crowd_of_equal_rows_that_breaks_the_budget_is_not_called() -> None:
    from volano.models.calibration import Calibration

    logit_N = np.concatenate([np.zeros(90), np.full(10, 2.0)])
    for share, called in ((0.1, 10), (0.05, 0), (0.005, 0)):
        cut = budgeted(Calibration(), logit_cut(logit_N, share))
        values = np.stack([logit_N / 2, -logit_N / 2], axis=1)
        assert cut.decide(cut.probabilities(values))[:, 0].sum() == called


def test_a_single_row_is_answered_within_a_millisecond(learnt: Any, tmp_path: Path) -> None:
    found = load(learnt["odd"], tmp_path)
    row, took = TABLE.to_pylist()[0], []
    for _ in range(50):
        began = time.perf_counter()
        found.engine.decide([row])
        took.append(time.perf_counter() - began)
    assert min(took) < 1e-3


@pytest.mark.slow
def test_an_autoencoder_finds_broken_dependence_and_says_in_which_column(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    draw = np.random.default_rng(0)
    core = draw.normal(size=(1200, 2))
    cells = core @ draw.normal(size=(2, 6)) + 0.02 * draw.normal(size=(1200, 6))
    table = pa.table({f"c{place}": cells[:, place] for place in range(6)})
    config = CONFIG.model_copy(update={"mlp": CONFIG.mlp.model_copy(update={"epochs": 60.0})})
    fitted = AUTOENCODER.fit(lesson([()] * 1200, table), config, Events())
    found = load(fitted, tmp_path)
    torn = table.to_pylist()[:100]
    for row in torn:
        row["c3"] = -row["c3"] + 2.0
    score_N = found.scores([*table.to_pylist()[:100], *torn])[:, 0]
    assert area(score_N, np.arange(200) >= 100) > 0.9
    together = found.engine.decide(torn)
    assert found.engine.decide(torn[:1]).tobytes() == together[:1].tobytes()
