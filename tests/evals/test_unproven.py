"""A task that needs no truth: what a report says without it, and with it where there is some."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.evals.tables import REGRESSION, Loans, Tables, loans

from volano.core.errors import DataError
from volano.core.nouns import Verdict
from volano.core.pages import render
from volano.evals.page import Findings, report_page
from volano.loop.gate import GateConfig
from volano.loop.judge import judge
from volano.loop.scored import scored_pair
from volano.tasks import TabularClassification

if TYPE_CHECKING:
    from pathlib import Path

ALL = loans(300)
TRAIN, TEST = ALL.at(slice(0, 200)), ALL.at(slice(200, 300))


@dataclass(frozen=True)
class Untold(TabularClassification):
    """Truth is welcome and not needed."""

    needs_target: bool = False


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables"))


def test_a_report_without_truth_says_what_an_answer_costs_and_proves_nothing(
    tables: Tables,
) -> None:
    data = tables.data(TRAIN, TEST, is_labelled=False)
    report = tables.report(tables.model(TRAIN), data, Untold())
    body = report.body
    assert (body["proven"], body["metrics"], body["num_examples"]) == (False, {}, 100)
    assert body["cost"]["p95_ms"] > 0
    assert "unproven" in str(report)
    assert body["importance"]["num_examples"] == 60
    verdict = judge(GateConfig(latency_ms=10_000), Untold(), *scored_pair(Untold(), report, None))
    assert verdict.promotes
    assert verdict.checks["proven"] is False
    shown = report_page(Findings(report, verdict, report, metric="roc_auc", data=data), "x", "en")
    render(shown)
    told = json.dumps(shown.to_dict())
    assert "nothing is proven" in told
    titles = [section.title for section in shown.sections]
    assert not {"Metrics", "Labels", "Calibration", "Worst errors", "Robustness"} & set(titles)
    assert "Cost and parity" in titles


def test_a_few_labels_prove_nothing_either(tables: Tables) -> None:
    failed = [label if place < 40 else "" for place, label in enumerate(TEST.failed)]
    few = [place for place, label in enumerate(failed) if label == "yes"][4:]
    seen = Loans(
        TEST.table, ["" if n in few else label for n, label in enumerate(failed)], TEST.price
    )
    model, data = tables.model(TRAIN), tables.data(TRAIN, seen)
    report = tables.report(model, data, Untold())
    known = sum(map(bool, seen.failed))
    assert report.body["proven"] is False
    assert report.body["looked_at"] == {"rows": 100, "known": known}
    assert f"{known} test examples have a label, too few" in str(report)
    verdict = judge(GateConfig(latency_ms=10_000), Untold(), *scored_pair(Untold(), report, None))
    assert verdict.checks["proven"] is False
    # A second one like it has a champion to be compared with, and no truth to do it by.
    other = tables.report(tables.model(ALL.at(slice(0, 150))), data, Untold())
    found = Findings(other, verdict, report, champion=report, metric="roc_auc", data=data)
    told = json.dumps(report_page(found, "x", "en").to_dict())
    assert f"{known} test examples have a label, too few" in told


def test_with_truth_it_is_scored_like_any_other(tables: Tables) -> None:
    report = tables.report(tables.model(TRAIN), tables.data(TRAIN, TEST), Untold())
    assert report.body["proven"] is True
    assert report.body["metrics"]["roc_auc"]["value"] > 0.5
    verdict = judge(GateConfig(), Untold(), *scored_pair(Untold(), report, None))
    assert verdict.metric == "roc_auc"


def test_a_task_that_needs_truth_is_told_so(tables: Tables, tmp_path: Path) -> None:
    for task, answers in ((TabularClassification(), "labels"), (REGRESSION, "number")):
        data = tables.data(TRAIN, TEST, answers, is_labelled=False)
        with pytest.raises(DataError, match="no test example has a label"):
            tables.report(tables.model(TRAIN, answers), data, task)


def test_a_page_of_a_report_from_before_is_whole(tables: Tables) -> None:
    """Reports of an older volano have none of the keys that tables brought."""
    report = tables.report(tables.model(TRAIN), tables.data(TRAIN, TEST))
    new = {"input", "answers", "better", "proven", "importance", "fairness", "order", "numbers"}
    object.__setattr__(report, "body", {k: v for k, v in report.body.items() if k not in new})
    render(report_page(Findings(report, Verdict("HOLD", ("x",)), report), "x", "en"))
