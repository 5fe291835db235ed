from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics
from tests.tiny import tiny_rows

from volano.core.errors import ConfigError, DataError
from volano.evals import worst
from volano.evals.config import EvaluateConfig
from volano.evals.forgetting import compare_skills
from volano.evals.slices import length_band
from volano.models import Predictor
from volano.models.text_features import normalise_text
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from tests.evals.conftest import Bench

    from volano.core.nouns import Report
    from volano.tasks.task import Task

ROWS = [(row["body"], (row["topic"],)) for row in tiny_rows()]
# Few of the tiny rows to learn from, so that mistakes are left to look at.
TRAIN, TEST = ROWS[:6] + ROWS[30:36], ROWS[12:30] + ROWS[42:]
SEVERAL = [(text, (*labels, "short") if len(text) < 20 else labels) for text, labels in ROWS]


def strict(report: Report) -> dict[str, Any]:
    """The report as a reader sees it who knows JSON and no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = (report.folder / "report.json").read_text("utf-8")
    body: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return body


@pytest.fixture
def report(bench: Bench) -> Report:
    return bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST))


def truth_and_answers(report: Report) -> tuple[list[str], list[str], np.ndarray]:
    table = pq.read_table(report.folder / "answers.parquet")
    said = table.column("labels").to_pylist()
    truth = table.column("truth").to_pylist()
    scores = np.array(table.column("scores").to_pylist())
    return [labels[0] for labels in truth], [labels[0] for labels in said], scores


def test_figures_agree_with_scikit_learn(report: Report) -> None:
    truth, said, scores = truth_and_answers(report)
    labels = sorted(set(truth))
    expected = {
        "accuracy": metrics.accuracy_score(truth, said),
        "macro_f1": metrics.f1_score(truth, said, average="macro"),
        "micro_f1": metrics.f1_score(truth, said, average="micro"),
        "macro_precision": metrics.precision_score(truth, said, average="macro", zero_division=0),
        "macro_recall": metrics.recall_score(truth, said, average="macro"),
        "log_loss": metrics.log_loss(truth, scores, labels=labels),
    }
    found = {name: report.metrics[name].value for name in expected}
    assert found == pytest.approx(expected)
    assert 0.5 < found["accuracy"] < 1
    for figure in report.metrics.values():
        assert figure.low <= figure.value <= figure.high


def test_figures_of_overlapping_labels_agree_with_scikit_learn(bench: Bench, several: Task) -> None:
    model = bench.model(SEVERAL[:12] + SEVERAL[30:42], is_multiple=True)
    report = bench.report(model, bench.data(SEVERAL[:12], SEVERAL[12:]), several)
    table = pq.read_table(report.folder / "answers.parquet")
    labels = json.loads(table.schema.metadata[b"labels"])
    truth, said = (
        np.array([[label in row for label in labels] for row in table.column(name).to_pylist()])
        for name in ("truth", "labels")
    )
    figures = {name: report.metrics[name].value for name in ("accuracy", "macro_f1", "micro_f1")}
    assert figures == pytest.approx({
        "accuracy": metrics.accuracy_score(truth, said),
        "macro_f1": metrics.f1_score(truth, said, average="macro", zero_division=0),
        "micro_f1": metrics.f1_score(truth, said, average="micro"),
    })  # fmt: skip
    assert report.body["confusion"] == []


def test_figures_of_each_label_and_of_the_confusion_agree_with_scikit_learn(report: Report) -> None:
    truth, said, _ = truth_and_answers(report)
    labels = sorted(set(truth))
    parts = metrics.precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    for row, *figures in zip(report.body["per_label"], *parts, strict=True):
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(
            figures
        )
    table = metrics.confusion_matrix(truth, said, labels=labels)
    for cell in report.body["confusion"]:
        assert cell["count"] == table[labels.index(cell["truth"]), labels.index(cell["decided"])]
    assert sum(cell["count"] for cell in report.body["confusion"]) == len(TEST)


def test_what_is_reported_is_what_the_predictor_answers(bench: Bench) -> None:
    model = bench.model(TRAIN)
    report = bench.report(model, bench.data(TRAIN, TEST))
    table = pq.read_table(report.folder / "answers.parquet").to_pylist()
    rows = [{"body": TEST[int(row["id"][4:])][0]} for row in table]
    for row, answer in zip(table, Predictor.load(model.folder).predict(rows), strict=True):
        assert row["scores"] == list(answer.scores.values())
        assert (tuple(row["labels"]), row["confidence"]) == (answer.labels, answer.confidence)


def test_slices_add_up_and_have_the_figure_of_their_rows(bench: Bench) -> None:
    language = ["en"] * 18 + ["zh"] * 18
    tier = ["free", "plus", ""] * 12
    near = [True] * 4 + [False] * 32
    data = bench.data(TRAIN, TEST, {"language": language, "tier": tier, "near_train": near})
    config = EvaluateConfig(resamples=200, timed_requests=10, slices=("tier",), slice_values=2)
    report = bench.report(bench.model(TRAIN), data, config=config)
    found = {(row["field"], row["value"]): row for row in report.body["slices"]}
    assert {"language", "tier", "near_train", "length"} == {field for field, _ in found}
    for field in ("language", "tier", "near_train", "length"):
        assert sum(row["num_examples"] for (name, _), row in found.items() if name == field) == 36
    assert found["near_train", "yes"]["num_examples"] == 4
    assert ("tier", "(rest)") in found
    truth, said, _ = truth_and_answers(report)
    right = np.array(truth) == np.array(said)
    assert found["language", "zh"]["accuracy"]["value"] == pytest.approx(right[18:].mean())


def test_a_slice_by_a_column_that_does_not_exist_is_refused(bench: Bench) -> None:
    config = EvaluateConfig(slices=("teir",))
    with pytest.raises(ConfigError, match="'teir'") as caught:
        bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST), config=config)
    assert (caught.value.where, caught.value.fix) == ("evaluate.slices", "did you mean 'tier'?")


@pytest.mark.parametrize(
    ("size", "band"),
    [(None, "1-20"), (0, "1-20"), (20, "1-20"), (21, "21-60"), (1000, "201-1000"),
     (1001, "over 1000")],
)  # fmt: skip
def test_bands_of_length_have_their_ends_where_they_say(size: int | None, band: str) -> None:
    assert length_band(size) == band


def test_the_worst_error_comes_first_with_the_words_that_led_there(report: Report) -> None:
    errors = report.body["errors"]
    sure = [error["confidence"] for error in errors]
    assert sure == sorted(sure, reverse=True)
    truth, said, _ = truth_and_answers(report)
    assert len(errors) == sum(one != other for one, other in zip(truth, said, strict=True))
    for error in errors:
        assert error["truth"] != error["decided"] == [error["about"]]
        if error["reasons"]:
            assert error["reasons"][0][0] in normalise_text(error["text"])


def test_a_missed_label_is_a_sure_error_where_labels_overlap(bench: Bench, several: Task) -> None:
    model = bench.model(SEVERAL, is_multiple=True)
    wrong = [("where is my parcel, courier", ("refund",)), *SEVERAL[1:20]]
    report = bench.report(model, bench.data(SEVERAL, wrong), several)
    first = report.body["errors"][0]
    assert first["truth"] == ["refund"]
    assert first["about"] in ("refund", "delivery")
    assert first["confidence"] > 0.9


def test_guessing_says_the_commonest_training_label_and_its_figures(bench: Bench) -> None:
    train = [*TRAIN, ("one more", ("refund",))]
    report = bench.report(bench.model(train), bench.data(train, TEST))
    guess = report.body["guess"]
    assert guess["labels"] == ["refund"]
    assert guess["metrics"]["accuracy"] == pytest.approx(1 / 3)
    assert guess["metrics"]["accuracy"] < report.metrics["accuracy"].value


def test_the_unknown_is_counted_by_itself(bench: Bench) -> None:
    task = TextClassification(LabelsConfig(unknown="account"))
    report = bench.report(bench.model(TRAIN, unknown="account"), bench.data(TRAIN, TEST), task)
    truth, said, _ = truth_and_answers(report)
    told = report.body["unknown"]
    caught = [answer == "account" for true, answer in zip(truth, said, strict=True)
              if true == "account"]  # fmt: skip
    assert (told["num_unknown"], told["recall"]) == (len(caught), pytest.approx(np.mean(caught)))
    assert told["false_alarms"] < 0.2


def test_cost_is_measured(report: Report) -> None:
    cost = report.body["cost"]
    assert 0 < cost["p50_ms"] <= cost["p95_ms"] < 1000
    assert cost["rows_per_second"] > 10
    assert cost["bytes"] > 1000


def test_retired_test_examples_are_still_asked(bench: Bench) -> None:
    old = [("my parcel is late", ("delivery",)), ("我要退款", ("account",)), ("x", ("gone",))]
    task = TextClassification(LabelsConfig(remove=("gone",)))
    report = bench.report(bench.model(ROWS), bench.data(TRAIN, TEST, old_skills=old), task)
    assert report.body["old_skills"] == {"num_examples": 2, "right": ["old0"], "wrong": ["old1"]}


def test_what_was_learnt_and_what_was_forgotten_is_counted(bench: Bench) -> None:
    data = bench.data(TRAIN, TEST, old_skills=[("my parcel is late", ("delivery",))])
    champion = bench.report(bench.model(ROWS), data)
    forgetful = bench.report(bench.model([row for row in ROWS if row[1] != ("refund",)]), data)
    skills = compare_skills(forgetful, champion)
    assert skills is not None
    assert skills.forgotten_by_label == {"refund": 12}
    assert len(skills.forgotten) == 12
    assert skills.still_right + skills.still_wrong + len(skills.learnt) + 12 == len(TEST)
    assert (skills.num_retired, skills.retired_right, skills.retired_right_before) == (1, 1, 1)
    back = compare_skills(champion, forgetful)
    assert back is not None
    assert [one.id for one in back.learnt] == [one.id for one in skills.forgotten]
    assert compare_skills(champion, None) is None
    assert compare_skills(champion, champion) is None


def test_without_a_labelled_test_example_nothing_is_said(bench: Bench) -> None:
    with pytest.raises(DataError, match="no test example has a label"):
        bench.report(bench.model(TRAIN), bench.data(TRAIN, []))


def test_one_test_row_makes_a_report(bench: Bench) -> None:
    body = strict(bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST[:1])))
    assert body["num_examples"] == 1
    assert body["metrics"]["accuracy"]["value"] in (0.0, 1.0)


def test_all_rows_right_make_a_report_without_errors(bench: Bench) -> None:
    body = strict(bench.report(bench.model(ROWS), bench.data(ROWS, ROWS[:9])))
    assert body["errors"] == []
    assert body["metrics"]["accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_reasons_end_where_the_model_takes_too_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worst, "_SECONDS", 0.0)
    report = bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST))
    assert report.body["errors"]
    assert not any("reasons" in row for row in report.body["errors"])


def test_a_label_absent_from_the_test_rows_has_no_recall(bench: Bench) -> None:
    test = [row for row in TEST if row[1] != ("account",)]
    body = strict(bench.report(bench.model(ROWS), bench.data(ROWS, test)))
    row = next(row for row in body["per_label"] if row["label"] == "account")
    assert row["recall"] is None
    assert (row["support"], row["decided"]) == (0, 0)


def test_a_label_that_the_model_never_learnt_counts_as_wrong(bench: Bench) -> None:
    body = strict(bench.report(bench.model(TRAIN), bench.data(TRAIN, [*TEST, ("hi", ("new",))])))
    row = next(row for row in body["per_label"] if row["label"] == "new")
    assert (row["recall"], row["precision"]) == (0.0, None)
    assert math.isfinite(body["metrics"]["log_loss"]["value"])


@pytest.mark.parametrize("num_empty", [1, 3])
def test_overlapping_labels_with_an_empty_truth_make_strict_json(
    bench: Bench, several: Task, num_empty: int
) -> None:
    # With all three truths empty and nothing answered, F1 has no value and is left out.
    model = bench.model([*SEVERAL, ("zzz", ()), ("qqq", ())], is_multiple=True)
    test = [("zzz", ()), ("yyy", ()), ("xxx", ())][:num_empty] + SEVERAL[: 3 - num_empty]
    body = strict(bench.report(model, bench.data(SEVERAL, test), several))
    assert ("macro_f1" in body["metrics"]) == (num_empty < 3)
    assert all(math.isfinite(one["low"]) for one in body["metrics"].values())
