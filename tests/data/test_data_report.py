from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import volano.data
from volano.core.pages import render
from volano.data import SourceConfig, collect, report
from volano.data.report import data_page
from volano.tasks import TextClassification

if TYPE_CHECKING:
    from conftest import Workshop
    from volano.core.nouns import Dataset

ROOM = Path(volano.data.__file__).parent


@pytest.fixture
def prepared(workshop: Workshop) -> Dataset:
    lines = [
        f"please help me with problem number {n} of {n * n},{'ab'[n % 2]},{'xy'[n % 2]},c{n}"
        for n in range(60)
    ]
    odd = [lines[0], "broken,row", "<b>bad</b>,a,x,c"]
    workshop.write("a.csv", "\n".join(["text,label,tier,who", *lines, *odd, ""]))
    fields = {"text": "text", "target": "label", "group": "tier", "subject": "who"}
    return workshop.prepare(workshop.collect("a.csv", fields=fields))


def test_the_page_shows_where_every_row_went(prepared: Dataset) -> None:
    page = data_page(prepared, TextClassification(), "en")
    shown = json.dumps(page.to_dict())
    assert "a.csv:63" in shown
    assert "2 cells, 4 columns" in shown
    titles = [section.title for section in page.sections]
    assert titles[-1] == "Since the dataset before"
    assert "Labels and splits" in titles


def test_clusters_are_shown_with_their_splits_and_how_alike_they_are(workshop: Workshop) -> None:
    words = ["refund", "login", "parcel", "card", "price", "change", "street", "seven", "window"]
    lines = [
        f"{' '.join(words[n % 9 :] + words[: n % 7])} {n * n},{'ab'[n % 2]}" for n in range(40)
    ]
    twins = ["my card was eaten by the machine in the hall,a"]
    twins.append("my card was eaten by the machine in the hall!,a")
    workshop.write("train.csv", "\n".join(["text,label", *lines, twins[0], ""]))
    workshop.write("test.csv", "\n".join(["text,label", twins[1], ""]))
    sources = [SourceConfig(path=f"{split}.csv", split=split) for split in ("train", "test")]
    clean = workshop.prepare(workshop.collect(*sources))
    page = data_page(clean, TextClassification(), "en")
    (section,) = (one for one in page.sections if one.title == "Texts that are nearly the same")
    shown = json.dumps([one.to_dict() for one in section.blocks], ensure_ascii=False)
    assert "have rows on several sides, since the files are split so" in shown
    assert "2 texts (train 1, test 1) · my card was eaten" in shown
    assert "98%" in shown


def test_texts_of_users_are_shown_as_text(prepared: Dataset) -> None:
    html = render(data_page(prepared, TextClassification(), "en"))
    assert "<b>bad</b>" not in html


def test_a_chinese_page_has_every_text_of_the_report_in_chinese() -> None:
    known = json.loads((ROOM / "zh.json").read_text("utf-8"))
    source = (ROOM / "report.py").read_text("utf-8")
    said = set(re.findall(r'say\(\s*"([^"]+)"\s*[,)]', source))
    assert said - known.keys() - {"no", "yes"} == set()


def test_a_chinese_page_says_its_findings_in_chinese(prepared: Dataset) -> None:
    page = data_page(prepared, TextClassification(), "zh")
    (first, *_) = page.sections
    assert all(re.search("[\u4e00-\u9fff]", block.title) for block in first.blocks)  # type: ignore[union-attr]


def test_every_reason_has_a_chinese_name_and_text() -> None:
    known = json.loads((ROOM / "zh.json").read_text("utf-8"))
    assert {*report._REASONS, *report._REASONS.values()} <= known.keys()


def test_every_finding_has_a_chinese_text() -> None:
    known = json.loads((ROOM / "zh.json").read_text("utf-8"))
    said: set[str] = set()
    for path in ROOM.rglob("*.py"):
        text = re.sub(r'"\s*\n\s*"', "", path.read_text("utf-8"))
        said |= set(re.findall(r'with_finding\(\s*"?\w[^"]*"?[^,]*,\s*"([^"]+)"', text))
        said |= set(
            re.findall(
                r'\n\s*text = "(\{count\} rows of[^"]+|\{count\} rows have[^"]+|Col[^"]+)"', text
            )
        )
    said |= {collect._GUESSED, collect._MISFITS, collect._COLUMNS}
    assert len(said) >= 14
    assert said - known.keys() == set()
