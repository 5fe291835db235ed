from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.tiny import tiny_rows

from volano.core.nouns import Answer, Verdict
from volano.core.pages import render
from volano.evals.automatic import reading
from volano.evals.page import Findings, report_page
from volano.models import Predictor, write_bundle
from volano.models.bundle import read_arrays, read_spec
from volano.models.routing import Curve

if TYPE_CHECKING:
    from tests.evals.conftest import Bench

    from volano.core.nouns import Model
    from volano.core.pages import Section
    from volano.tasks.task import Task

ROWS = [(row["body"], (row["topic"],)) for row in tiny_rows()]
TRAIN, TEST = ROWS[:24], ROWS[24:]
VERDICT = Verdict("HOLD", ("it may be luck",))


def with_curve(bench: Bench, model: Model, right_from: float, num: int = 2000) -> Model:
    """The model as if ``num`` held-out answers had been right from this confidence on."""
    sure = np.linspace(0.2, 1.0, num)
    curve = Curve.of(sure, (sure >= right_from) | (np.arange(num) % 2 == 0), np.arange(num))
    with bench.store.draft() as draft:
        arrays = {**read_arrays(model.folder), **curve.arrays()}
        write_bundle(draft, read_spec(model.folder), arrays)
        return bench.store.keep(type(model), draft, dict(model.card))


def section(found: Findings, language: Any = "en") -> Section:
    titles = ("Automatic answers", "自动回答")
    shown = report_page(found, "tickets", language)
    render(shown)
    return next(part for part in shown.sections if part.title in titles)


def test_the_report_counts_what_the_predictor_marks(bench: Bench) -> None:
    model = with_curve(bench, bench.model(TRAIN), right_from=0.4)
    report = bench.report(model, bench.data(TRAIN, TEST))
    predictor = Predictor.load(model.folder)
    answers = predictor.routed(0.9).predict([{"body": text} for text, _ in TEST])
    alone = [a.route == "automatic" for a in answers]
    hits = [a.labels == labels for a, (_, labels) in zip(answers, TEST, strict=True)]
    told = next(row for row in report.body["automatic"]["targets"] if row["target"] == 0.9)
    assert 0 < sum(alone) < len(TEST)
    assert told["num"] == sum(alone)
    assert told["share"] == pytest.approx(sum(alone) / len(TEST))
    right = sum(hit for hit, goes in zip(hits, alone, strict=True) if goes)
    assert told["precision"]["value"] == pytest.approx(right / sum(alone))
    assert told["precision"]["low"] <= told["precision"]["value"] <= told["precision"]["high"]
    assert {a.route for a in predictor.predict([{"body": "x"}])} == {None}


def test_the_page_answers_the_target_of_the_project_and_the_report_does_not_know_it(
    bench: Bench,
) -> None:
    model = with_curve(bench, bench.model(TRAIN), right_from=0.4)
    report = bench.report(model, bench.data(TRAIN, TEST))
    found = Findings(report, VERDICT, report)
    assert "callout" not in {block.type_name() for block in section(found).blocks}
    finding, chart, table = section(replace(found, target=0.87)).blocks
    said = finding.to_dict()
    assert "the target is 87.0%" in str(said)
    assert [row[0] for row in table.rows] == ["80.0%", "87.0%", "90.0%", "95.0%", "98.0%", "99.0%"]  # type: ignore[union-attr]
    option: Any = chart.to_dict()["option"]  # type: ignore[index, call-overload]
    assert [one["name"] for one in option["series"]] == [
        "test examples", "held-out answers", "target",
    ]  # fmt: skip
    assert "目标为 87.0%" in str(section(replace(found, target=0.87), "zh").blocks[0].to_dict())


def test_a_target_out_of_reach_says_how_far_it_is(bench: Bench) -> None:
    model = with_curve(bench, bench.model(TRAIN), right_from=2.0)
    report = bench.report(model, bench.data(TRAIN, TEST))
    found = Findings(report, VERDICT, report, target=0.95)
    finding, how_far, *_ = section(found).blocks
    assert "all goes to people" in str(finding.to_dict())
    assert "surest held-out answers" in str(how_far.to_dict())
    summary = str(report_page(found, "tickets", "en").sections[0].to_dict())
    assert "No confidence is shown to keep a precision of 95.0%" in summary


def test_a_broken_promise_on_the_test_examples_is_a_warning(bench: Bench) -> None:
    wrong = [(text, ("delivery",)) for text, _ in ROWS]
    model = with_curve(bench, bench.model(ROWS), right_from=0.2)
    report = bench.report(model, bench.data(ROWS, wrong))
    found = Findings(report, VERDICT, report, target=0.95)
    warning = section(found).blocks[0].to_dict()
    assert warning["kind"] == "warn"  # type: ignore[index, call-overload]
    assert "right on the test examples; the target is 95.0%" in str(warning)


def test_a_bundle_without_a_curve_is_shown_without_thresholds(bench: Bench) -> None:
    model = bench.model(TRAIN)
    report = bench.report(model, bench.data(TRAIN, TEST))
    assert report.body["automatic"]["is_known"] is False
    told = section(Findings(report, VERDICT, report, target=0.9))
    assert "made without held-out answers" in str(told.to_dict())
    (answer,) = Predictor.load(model.folder).routed(0.9).predict([{"body": "where is my parcel"}])
    assert answer.route == "person"


def test_an_older_report_has_no_such_section(bench: Bench) -> None:
    report = bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST))
    body = {name: found for name, found in report.body.items() if name != "automatic"}
    object.__setattr__(report, "body", body)
    shown = report_page(Findings(report, VERDICT, report, target=0.9), "tickets", "en")
    assert "Automatic answers" not in [part.title for part in shown.sections]


def test_several_labels_are_right_where_all_are(bench: Bench, several: Task) -> None:
    rows = [(text, (*labels, "short") if len(text) < 20 else labels) for text, labels in ROWS]
    model = with_curve(bench, bench.model(rows, is_multiple=True), right_from=0.3)
    report = bench.report(model, bench.data(rows, rows), several)
    answers = Predictor.load(model.folder).routed(0.9).predict([{"body": t} for t, _ in rows])
    alone = [answer.route == "automatic" for answer in answers]
    told = next(row for row in report.body["automatic"]["targets"] if row["target"] == 0.9)
    assert told["num"] == sum(alone)
    sure = pq.read_table(report.folder / "answers.parquet").column("sure").to_pylist()
    first: Answer = answers[0]
    whole = [s if name in first.labels else 1 - s for name, s in first.scores.items()]
    assert sure[0] == pytest.approx(np.prod(whole))


def test_an_unknown_answer_is_never_automatic(bench: Bench) -> None:
    model = with_curve(bench, bench.model(ROWS, unknown="account"), right_from=0.2)
    texts = [{"body": text} for text, _ in ROWS]
    answers = Predictor.load(model.folder).routed(0.5).predict(texts)
    assert any(answer.unknown for answer in answers)
    assert any(answer.route == "automatic" for answer in answers)
    assert {answer.route for answer in answers if answer.unknown} == {"person"}


def test_a_reading_without_any_test_answer_as_sure_has_no_precision() -> None:
    held_out = Curve.of(np.full(500, 0.99), np.ones(500, bool), np.arange(500))
    tested = Curve.of(np.array([0.5]), np.array([True]), np.arange(1))
    told = reading(held_out, tested, 0.95)
    assert (told["threshold"], told["share"], told["precision"]) == (0.99, 0.0, None)
