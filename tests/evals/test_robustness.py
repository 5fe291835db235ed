from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.evals.conftest import QUICK, Bench
from tests.tiny import tiny_rows

from volano.core.events import Events
from volano.core.nouns import Report, Verdict
from volano.core.pages import render
from volano.evals.altering import KINDS
from volano.evals.erasing import count_examples, write_without
from volano.evals.page import Findings, report_page
from volano.evals.robustness import measure_robustness, sample_size
from volano.evals.trial import Trial
from volano.store.artifacts import ArtifactStore
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.pages import Section
    from volano.tasks.task import Task

ROWS = [(row["body"], (row["topic"],)) for row in tiny_rows()]
TRAIN, TEST = ROWS[:24], ROWS[24:]
VERDICT = Verdict("HOLD", ("it may be luck",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = tmp_path_factory.mktemp("made")
    bench = Bench(root, ArtifactStore(str(root / "artifacts"), root / "cache"))
    return bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST))


@pytest.fixture
def report(made: Report) -> Report:
    return Report(made.hash, made.folder, made.card)


def kinds_of(report: Report) -> list[dict[str, Any]]:
    told = report.body["robustness"]["kinds"]
    assert [one["kind"] for one in told] == list(KINDS)
    return list(told)


def section(report: Report, language: Any = "en") -> Section | None:
    shown = report_page(Findings(report, VERDICT, report), "tickets", language)
    render(shown)
    titles = {"Robustness", "稳健性"}
    return next((part for part in shown.sections if part.title in titles), None)


def test_the_difference_is_that_of_the_rows_that_were_altered(report: Report) -> None:
    assert report.body["robustness"]["num_examples"] == len(TEST)
    for one in kinds_of(report):
        assert 0 < one["num_examples"] <= len(TEST)
        found = one["difference"]
        assert found["value"] == pytest.approx(one["after"] - one["before"])
        assert found["low"] <= found["value"] <= found["high"]
        spoilt, mended = (sum(rule[name] for rule in one["rules"]) for name in ("spoilt", "mended"))
        assert mended - spoilt == pytest.approx(found["value"] * one["num_examples"])
        assert sum(rule["num_examples"] for rule in one["rules"]) == one["num_examples"]
        assert one["changed"] * one["num_examples"] >= spoilt + mended - 1e-9
        assert len(one["examples"]) == min(spoilt, 8)


def test_a_model_that_folds_case_loses_nothing_by_it(report: Report) -> None:
    changed = {one["kind"]: one["changed"] for one in kinds_of(report)}
    assert changed.pop("case") == 0
    assert any(changed.values())


def test_both_languages_have_their_figures(report: Report) -> None:
    for one in kinds_of(report):
        parts = {part["language"]: part["num_examples"] for part in one["languages"]}
        assert parts.keys() == {"zh", "other"}
        assert sum(parts.values()) == one["num_examples"]


def test_a_quoted_example_was_right_and_is_wrong_when_altered(report: Report) -> None:
    truth = {f"test{place:04}": list(labels) for place, (_, labels) in enumerate(TEST)}
    quoted = [example for one in kinds_of(report) for example in one["examples"]]
    assert quoted
    for example in quoted:
        assert example["text"] != example["altered"]
        assert example["decided"] == truth[example["id"]] != example["decided_altered"]


def test_the_same_report_is_made_twice(bench: Bench, report: Report) -> None:
    again = bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST))
    assert again.body["robustness"] == report.body["robustness"]


def test_a_slow_model_is_asked_less_and_a_smaller_sample_is_part_of_the_larger(
    bench: Bench,
) -> None:
    assert [sample_size(500, speed) for speed in (1000.0, 60.0, 0.01)] == [500, 250, 62]
    assert sample_size(30, 0.01) == 30
    model, data = bench.model(TRAIN), bench.data(TRAIN, TEST)
    trial = Trial.of(TextClassification(), model, data, 200, Events())
    asked: list[set[str]] = []
    ids = trial.ids

    def noted(rows: Any) -> Any:
        asked[-1].update(str(row["id"]) for row in rows)
        return trial.predictor.predict(rows)

    for size in (5, 20):
        asked.append(set())
        rows = [{**row, "id": name} for row, name in zip(trial.rows, ids, strict=True)]
        watched = Watched(trial.predictor, noted)
        part = Trial(trial.task, watched, trial.test, trial.asked, 200)  # type: ignore[arg-type]
        part.__dict__["rows"] = rows
        told = measure_robustness(part, size, Events())
        assert told is not None
        assert told["num_examples"] == size == len(asked[-1])
    assert asked[0] < asked[1]


class Watched:
    """A predictor that tells what it is asked."""

    def __init__(self, predictor: Any, predict: Any) -> None:
        self.spec, self.text_of, self.predict = predictor.spec, predictor.text_of, predict


def test_zero_rows_is_off(bench: Bench) -> None:
    config = QUICK.model_copy(update={"robustness_rows": 0})
    report = bench.report(bench.model(TRAIN), bench.data(TRAIN, TEST), config=config)
    assert report.body["robustness"] is None
    assert section(report) is None


def test_labels_that_overlap_renamed_ones_and_none_of_these_are_scored(
    bench: Bench, several: Task
) -> None:
    rows = [(text, (*labels, "short") if len(text) < 20 else labels) for text, labels in ROWS]
    report = bench.report(bench.model(rows, is_multiple=True), bench.data(rows, rows), several)
    assert report.body["robustness"]["metric"] == "macro_f1"
    assert all(one["difference"] for one in kinds_of(report))
    task = TextClassification(LabelsConfig(unknown="account", rename={"refund": "money"}))
    rows = [(text, tuple("money" if x == "refund" else x for x in labels)) for text, labels in ROWS]
    report = bench.report(bench.model(TRAIN, unknown="account"), bench.data(TRAIN, rows), task)
    said = {x for one in kinds_of(report) for e in one["examples"] for x in e["decided_altered"]}
    assert "refund" not in said
    assert kinds_of(report)[1]["changed"] == 0


def test_texts_that_no_rule_can_alter_are_left_out(bench: Bench) -> None:
    rows = [("", ("delivery",)), ("12345", ("refund",)), ("???", ("account",))]
    report = bench.report(bench.model(ROWS), bench.data(ROWS, rows))
    typos, case, noise, paraphrase = kinds_of(report)
    assert (typos["num_examples"], case["num_examples"], paraphrase["num_examples"]) == (0, 0, 0)
    assert (typos["difference"], typos["changed"], noise["num_examples"]) == (None, None, 2)
    assert section(report) is not None


def test_each_text_column_is_altered_and_others_are_not(bench: Bench) -> None:
    model = bench.model(TRAIN)
    trial = Trial.of(TextClassification(), model, bench.data(TRAIN, TEST), 200, Events())
    asked: list[dict[str, Any]] = []

    def noted(rows: Any) -> Any:
        asked.extend(rows)
        return trial.predictor.predict([{"body": row["body"]} for row in rows])

    watched = Watched(trial.predictor, noted)
    watched.spec = type("Spec", (), {"text": ("title", "body", "note")})()
    part = Trial(trial.task, watched, trial.test, trial.asked, 200)  # type: ignore[arg-type]
    rows = [{**row, "title": "Parcel lost", "note": 7, "tier": "plus"} for row in trial.rows]
    part.__dict__["rows"] = rows
    measure_robustness(part, 100, Events())
    assert {row["title"] for row in asked} > {"Parcel lost"}
    assert {(row["note"], row["tier"]) for row in asked} == {(7, "plus")}
    changed = [row["title"] != "Parcel lost" for row in asked[-len(TEST) + 10 :]]
    assert not any(changed)  # a paraphrase greets once, in the longest text


def test_the_page_shows_it_in_both_languages(report: Report) -> None:
    shown = section(report)
    assert shown is not None
    told = json.dumps(shown.to_dict(), ensure_ascii=False)
    for word in ("Typos", "Typos · Chinese", "Case and width", "Paraphrase", "swapped"):
        assert word in told
    chinese = json.dumps(section(report, "zh").to_dict(), ensure_ascii=False)  # type: ignore[union-attr]
    assert "错别字 · 中文" in chinese
    example = next(one for kind in kinds_of(report) for one in kind["examples"])
    assert example["altered"][:20] in told


def test_the_summary_speaks_of_a_proven_loss_and_of_none(report: Report) -> None:
    def summary(difference: dict[str, float]) -> str:
        kinds = [
            {**one, "num_examples": 200, "before": 0.9, "after": 0.8, "difference": difference}
            for one in kinds_of(report)
        ]
        body = {**report.body, "robustness": {**report.body["robustness"], "kinds": kinds}}
        changed = Report(report.hash, report.folder, report.card)
        object.__setattr__(changed, "body", body)
        shown = report_page(Findings(changed, VERDICT, changed), "tickets", "en")
        return json.dumps(shown.sections[0].to_dict())

    assert "Typos cost it 0.100: 0.900 falls to 0.800 on 200 altered examples." in summary(
        {"value": -0.1, "low": -0.15, "high": -0.05}
    )
    assert "cost it next to nothing" in summary({"value": 0.0, "low": -0.01, "high": 0.01})
    unsure = summary({"value": -0.03, "low": -0.07, "high": 0.01})
    assert "cost it" not in unsure


def test_a_report_from_before_has_no_such_section(report: Report) -> None:
    new = {"robustness", "forms"}
    object.__setattr__(report, "body", {k: v for k, v in report.body.items() if k not in new})
    assert section(report) is None


def test_an_erased_person_is_quoted_no_more(report: Report, tmp_path: Path) -> None:
    example = next(one for kind in kinds_of(report) for one in kind["examples"])
    ids = {example["id"]}
    assert count_examples(report, "nobody", ids) >= 2  # the answer and the quotation
    write_without(report, "nobody", ids, tmp_path)
    left = json.loads((tmp_path / "report.json").read_text("utf-8"))
    quoted = [one["id"] for kind in left["robustness"]["kinds"] for one in kind["examples"]]
    assert example["id"] not in quoted
    assert left["robustness"]["kinds"][0]["before"] == kinds_of(report)[0]["before"]
