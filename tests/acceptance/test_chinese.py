"""A Chinese project from its file to its pages, with nothing said in English."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Desk
    from volano.core.nouns import Turn

    Rows = list[tuple[str, str]]

pytestmark = [pytest.mark.slow, pytest.mark.data]


def english(turn: Turn, page: str, known: str) -> list[str]:
    """Runs of English words that a reader of the page sees, and that no row of the data holds."""
    html = Path(turn.reports[page]).read_text("utf-8")
    shown = re.sub(r"<(style|script)\b.*?</\1>", " ", html, flags=re.DOTALL)
    shown = unescape(re.sub(r"<[^>]+>", "\n", shown))
    runs = re.findall(r"[A-Za-z]{2,}(?: [A-Za-z]{2,})+", shown)
    return [run for run in runs if run not in known and not run.startswith("volano ")]


def test_both_pages_of_a_chinese_project_are_chinese_on_every_turn(
    desk: Desk, papers: tuple[Rows, Rows]
) -> None:
    train, test = papers
    half = desk.write("train.csv", train[:4000])
    desk.start(half, desk.write("test.csv", test))
    assert "language: zh" in (desk.project / "volano.yaml").read_text("utf-8")
    known = "\n".join(text for text, _ in train + test)
    first = desk.turn()
    desk.write("train.csv", train)
    second = desk.turn()
    for turn in (first, second):
        for page in ("data", "model"):
            assert 'lang="zh' in Path(turn.reports[page]).read_text("utf-8")
            assert english(turn, page, known) == []
