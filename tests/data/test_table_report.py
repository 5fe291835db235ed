from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import volano.data
from volano.core.pages import render
from volano.data.report import data_page
from volano.data.steps import odd_cells, table_leaks
from volano.data.table_report import _round_edges
from volano.tasks import TabularClassification, TabularRegression

if TYPE_CHECKING:
    from conftest import Workshop
    from volano.core.nouns import Dataset

ROOM = Path(volano.data.__file__).parent
LABELS, NUMBER = TabularClassification(), TabularRegression()


def prepared(shop: Workshop, task: Any) -> Dataset:
    chance = random.Random(0)
    body = []
    for n in range(300):
        size, weight = chance.randrange(1, 9), round(chance.gauss(50, 9), 1)
        target = f"{weight * 3:.2f}" if task is NUMBER else "yn"[chance.random() < 0.4]
        name = chance.choice(["<b>Ulm</b>", "Bonn", "?", ""])
        body.append(f"{size},{weight},{name},2024-0{n % 9 + 1}-03,{target}")
    body += [body[0]] * 3
    shop.write("a.csv", "\n".join(["size,weight,city,made,y", *body, "broken,row", ""]))
    fields = {"target": "y", "time": "made"}
    return shop.prepare(shop.collect("a.csv", fields=fields, task=task), task=task)


@pytest.mark.parametrize(
    ("task", "target"), [(LABELS, "Labels and splits"), (NUMBER, "Target and splits")]
)
def test_a_table_has_sections_of_its_own_and_none_about_texts(
    workshop: Workshop, task: Any, target: str
) -> None:
    page = data_page(prepared(workshop, task), task, "en")
    assert [section.title for section in page.sections] == [
        "What to know",
        "Where rows went",
        target,
        "Columns",
        "Leaks",
        "Rows that are equal",
        "Since the dataset before",
    ]
    assert "<b>Ulm</b>" not in render(page)


def test_each_column_is_told_with_its_kind_and_what_it_holds(workshop: Workshop) -> None:
    page = data_page(prepared(workshop, LABELS), LABELS, "en")
    (section,) = (one for one in page.sections if one.title == "Columns")
    table, *charts = section.blocks
    told = {row[0]: row for row in table.rows}  # type: ignore[union-attr]
    assert [told[name][1] for name in ("size", "weight", "city", "made")] == [
        "number",
        "number",
        "category",
        "date",
    ]
    assert told["city"][3].share > 0.4
    assert told["size"][5].startswith("1 to 8")
    assert told["made"][5] == "2024-01-03 to 2024-09-03"
    assert "Bonn" in told["city"][5]
    assert len(charts) == 4


def test_a_leak_stands_in_its_section_and_in_the_headline(workshop: Workshop) -> None:
    page = data_page(prepared(workshop, NUMBER), NUMBER, "en")
    (section,) = (one for one in page.sections if one.title == "Leaks")
    assert "'weight' puts rows in the order of the target" in json.dumps(section.to_dict())
    assert page.headline is not None
    assert page.headline.kind == "bad"
    assert "weight" in page.headline.text
    (known,) = (one for one in page.sections if one.title == "What to know")
    assert "puts rows in the order" not in json.dumps(known.to_dict())


def test_equal_rows_are_shown_with_their_cells_and_splits(workshop: Workshop) -> None:
    page = data_page(prepared(workshop, LABELS), LABELS, "en")
    (section,) = (one for one in page.sections if one.title == "Rows that are equal")
    shown = json.dumps(section.to_dict())
    assert "4 rows (" in shown
    assert "rows are equal to another" in shown


def test_the_histogram_of_a_number_counts_every_row(workshop: Workshop) -> None:
    page = data_page(prepared(workshop, NUMBER), NUMBER, "en")
    (section,) = (one for one in page.sections if one.title == "Target and splits")
    chart: Any = section.blocks[1]
    counts = [
        point["value"] if isinstance(point, dict) else point
        for series in chart.option["series"]
        for point in series["data"]
    ]
    assert sum(counts) == 303


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_can_be_said_in_both_languages(workshop: Workshop, language: Any) -> None:
    page = data_page(prepared(workshop, NUMBER), NUMBER, language)
    titles = " ".join(section.title for section in page.sections)
    assert bool(re.search("[\u4e00-\u9fff]", titles)) == (language == "zh")


def test_every_text_of_the_table_report_has_a_chinese_text() -> None:
    known = json.loads((ROOM / "zh.json").read_text("utf-8"))
    source = re.sub(r'"\s*\n\s*"', "", (ROOM / "table_report.py").read_text("utf-8"))
    said = set(re.findall(r'say\(\s*"([^"]+)"\s*[,)]', source))
    said |= {name for row in re.findall(r"names = \(([^)]+)\)", source)
             for name in re.findall(r'"([^"]+)"', row)}  # fmt: skip
    said |= {"number", "category", "boolean", "date", "text", "id", "constant"}
    said |= {
        *table_leaks.LEAKS,
        table_leaks._NAMES_ROWS,
        table_leaks._AT_RANDOM,
        table_leaks._AMONG,
        odd_cells.FAR,
        odd_cells.UNIT,
        odd_cells.UNREAD,
        odd_cells.MIXED,
        odd_cells.MORE,
    }
    assert len(said) > 40
    assert said - known.keys() - {"none"} == set()


@pytest.mark.parametrize(
    "values", [[1.0, 1.0], [0.0, 1.0], [1e-9, 2e-9], [-1e9, 1e12, 5.0], list(range(1_000))]
)
def test_edges_are_round_and_hold_nearly_all_values(values: list[float]) -> None:
    edges = _round_edges(np.array(values, np.float64))
    assert 2 <= len(edges) <= 30
    assert (np.diff(edges) > 0).all()
    middle = np.median(values)
    assert edges[0] <= middle <= edges[-1]
