from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.tiny import tiny_rows

from volano import evals
from volano.core.nouns import Estimate, Verdict
from volano.core.pages import render
from volano.evals import drift, fairness, findings, page, robustness, serving
from volano.evals.page import Findings, report_page
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.evals.conftest import Bench

    from volano.core.pages import Page
    from volano.tasks.task import Task

ROWS = [(row["body"], (row["topic"],)) for row in tiny_rows()]
FEW, MORE, TEST = ROWS[:6] + ROWS[30:36], ROWS[:12] + ROWS[30:42], ROWS[12:30] + ROWS[42:]
VERDICT = Verdict(
    "HOLD",
    ("it may be luck",),
    metric="accuracy",
    champion="abc",
    effect=Estimate(0.01, -0.02, 0.04),
    labels_needed=1200,
    checks={
        "reuse": {"verdicts": 3.0, "budget": 20, "tail": 0.025, "luck": 0.073},
        "limits": {"latency_ms": {"found": 0.5, "limit": 20.0, "is_kept": True}},
        "slices": [{
            "field": "language", "value": "zh", "num_examples": 18, "candidate": 0.8,
            "champion": 0.9, "p": 0.1, "p_corrected": 0.2, "is_worse": False,
        }],
    },
)  # fmt: skip
CHOICE = {
    "figures": {"linear": 0.8, "bayes": 0.9},
    "gains": {"bayes": {"value": 0.1, "low": 0.02, "high": 0.18}},
}


@pytest.fixture
def found(bench: Bench) -> Findings:
    """A candidate that knows less than the champion, with everything a page can tell of."""
    columns = {"language": ["en"] * 18 + ["zh"] * 18}
    data = bench.data(FEW, TEST, columns, old_skills=ROWS[:3])
    task = TextClassification(LabelsConfig(unknown="account"))
    candidate = bench.report(bench.model(FEW, unknown="account"), data, task)
    champion = bench.report(bench.model(MORE, unknown="account"), data, task)
    data = replace(data, card={"schema": {"fields": {"text": "body"}}})
    return Findings(candidate, VERDICT, champion, champion, "accuracy", CHOICE, (), data)


def texts(node: Any) -> Iterator[str]:
    """Every text of a page's JSON twin, charts left out."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("type", "kind", "option", "language"):
                yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


def whole(shown: Page) -> str:
    return "\n".join(texts(shown.to_dict()))


def test_the_page_begins_with_what_it_does_well_where_it_fails_and_what_to_do(
    found: Findings,
) -> None:
    shown = report_page(found, "tickets", "en")
    first = shown.sections[0].to_dict()
    assert [box["title"] for box in first["blocks"]] == [  # type: ignore[index, union-attr, call-overload]
        "What it does well", "Where it fails", "What to do next",
    ]  # fmt: skip
    told = "\n".join(texts(first))
    assert re.search(r"It answers \d+\.\d% of 36 test examples right; guessing would get", told)
    assert "The champion keeps answering." in told
    assert "label about 1,200 more test examples" in told


def test_the_page_says_what_was_forgotten_with_the_texts(found: Findings) -> None:
    shown = whole(report_page(found, "tickets", "en"))
    forgotten = page.compare_skills(found.candidate, found.champion)
    assert forgotten is not None
    assert forgotten.forgotten
    assert found.texts[forgotten.forgotten[0].id][:40] in shown
    assert "Of 3 test examples that have left the data since" in shown
    assert "This is verdict number 3 on these test examples." in shown
    assert "Language: zh" in shown


def test_the_page_says_which_words_moved_a_mistake(found: Findings) -> None:
    error = next(row for row in found.body["errors"] if row["reasons"])
    shown = whole(report_page(found, "tickets", "en"))
    assert f"For “{error['about']}”" in shown
    assert error["reasons"][0][0] in shown


def test_a_page_of_overlapping_labels_has_no_confusion(bench: Bench, several: Task) -> None:
    rows = [(text, (*labels, "short") if len(text) < 20 else labels) for text, labels in ROWS]
    report = bench.report(bench.model(rows, is_multiple=True), bench.data(rows, rows), several)
    verdict = Verdict("PROMOTE", ("first",), metric="macro_f1", effect=Estimate(0.5, 0.4, 0.6))
    shown = report_page(Findings(report, verdict, report, metric="macro_f1"), "moods", "en")
    titles = [section.title for section in shown.sections]
    assert "Against guessing" in titles
    assert "Confusion" not in titles
    assert "It finds all labels of" in whole(shown)
    assert len(render(shown)) > 10_000


def test_every_form_that_was_tried_is_listed_with_why_it_was_not_taken(found: Findings) -> None:
    measured = {"megabytes": 24.3, "p50_ms": 1.9, "p95_ms": 2.6, "score_gap": 0.04}
    forms = [
        {"engine": "openvino", "precision": "int8", "chosen": True, "why_not": "", **measured,
         "agreement": 0.994, "accuracy": 0.934},
        {"engine": "onnx", "precision": "float32", "chosen": False,
         "why_not": "a smaller form holds", **measured, "agreement": 1.0, "accuracy": None},
        {"engine": "onnx", "precision": "int8", "chosen": False, "why_not": "cannot be made here",
         "fault": "no such operation"},
    ]  # fmt: skip
    object.__setattr__(found.candidate, "body", {**found.body, "forms": forms})
    table = report_page(found, "tickets", "en").sections[-1].blocks[1].to_dict()
    first, second, third = table["rows"]  # type: ignore[index, call-overload, misc]
    assert first == ["openvino, int8", "24.3", "1.9", "2.6", "0.04", "99.4%", "93.4%", "chosen"]
    assert second[-2:] == ["–", "a smaller form holds"]
    assert third == ["onnx, int8", *["–"] * 6, "cannot be made here: no such operation"]
    chinese = whole(report_page(found, "tickets", "zh"))
    assert "有更小的形式可用" in chinese
    assert "在本机无法生成" in chinese


def test_mistakes_without_reasons_are_shown_and_the_page_says_why(found: Findings) -> None:
    errors = [{k: v for k, v in row.items() if k != "reasons"} for row in found.body["errors"]]
    object.__setattr__(found.candidate, "body", {**found.body, "errors": errors})
    shown = whole(report_page(found, "tickets", "en"))
    assert "Only the first show reasons" in shown
    assert errors[0]["text"] in shown


@pytest.mark.parametrize("size", [1, 9])
def test_a_page_of_few_rows_without_mistakes_is_whole(bench: Bench, size: int) -> None:
    report = bench.report(bench.model(ROWS), bench.data(ROWS, ROWS[:size]))
    verdict = Verdict("REJECT", ("too few",))
    shown = report_page(Findings(report, verdict, report), "tickets", "en")
    titles = [section.title for section in shown.sections]
    assert "Worst errors" not in titles
    assert "Against guessing" not in titles
    render(shown)


def catalogue() -> dict[str, str]:
    path = Path(evals.__file__).parents[1] / "core" / "pages" / "zh.json"
    found: dict[str, str] = json.loads(path.read_text("utf-8"))
    return found


def test_every_text_that_is_said_has_a_chinese_one() -> None:
    room = Path(evals.__file__).parent
    named = (
        findings._METRICS, findings._FIELDS, findings._VALUES, serving.LIMITS, robustness._TITLES,
        robustness._RULES, robustness._NOTES, robustness._CALM, fairness._TITLES, fairness._STATES,
        drift._ASPECTS, drift._PARTS,
    )  # fmt: skip
    told = {text for texts in named for text in texts.values()} | {serving._GAP_OF_NUMBERS}
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                first = node.args[0]
                told |= {first.value} if isinstance(first, ast.Constant) else set()
    assert len(told) > 80
    assert told <= set(catalogue()), told - set(catalogue())


def test_titles_notes_and_columns_of_a_chinese_page_are_chinese(found: Findings) -> None:
    def frame(node: Any, key: str = "") -> Iterator[str]:
        if isinstance(node, dict):
            for name, value in node.items():
                yield from frame(value, name)
        elif isinstance(node, list):
            for value in node:
                yield from frame(value, key)
        elif isinstance(node, str) and key in {"title", "note", "columns", "caption", "alt"}:
            yield node

    shown = list(frame(report_page(found, "项目", "zh").to_dict()))
    assert len(shown) > 50
    english = [text for text in shown[1:] if re.search(r"[A-Za-z]{3,}", text)]
    assert english == ["基线（bayes）"]  # the name of a learner
