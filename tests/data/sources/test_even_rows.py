from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volano.data.config import SourceConfig
from volano.data.sources import read_source
from volano.data.sources.even_rows import read_even_rows

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a", "b", "c")
CELL = st.text(st.sampled_from("ab ,;\t\"'\\\r\u00e9\u4e2d\ufeff\u2028\x1c-1."), max_size=4)
LINE = st.lists(CELL, min_size=2, max_size=4).map(",".join)


@given(
    st.lists(st.tuples(LINE, st.sampled_from(["\n", "\r\n"])), min_size=1, max_size=6).map(
        lambda lines: [line + end for line, end in lines]
    )
)
def test_even_lines_are_read_as_csv_reads_them_or_left_to_it(lines: list[str]) -> None:
    found = read_even_rows(lines, NAMES, ",")
    if found is not None:
        expected = list(csv.reader(lines))
        assert [list(row.values()) for row in found.to_pylist()] == expected


def test_plain_lines_are_taken() -> None:
    found = read_even_rows(["1, x,\r\n", ",NA,null\n"], NAMES, ",")
    assert found is not None
    assert found.to_pylist() == [
        {"a": "1", "b": " x", "c": ""},
        {"a": "", "b": "NA", "c": "null"},
    ]


@pytest.mark.parametrize(
    "odd",
    ["1,2\n", "1,2,3,4\n", '1,"2",3\n', "1,2,3", "\n", "1,2\r,3\n", "1,2,\ufffd\n", "1,\0,3\n"],
)
def test_a_line_that_asks_for_care_is_left(odd: str) -> None:
    assert read_even_rows(["1,2,3\n", odd], NAMES, ",") is None


def test_a_large_file_has_the_same_rows_and_lines_whichever_way_it_is_read(tmp_path: Path) -> None:
    lines = [f"{n};{n % 7}.5;  word {n % 11}" for n in range(70_000)]
    (tmp_path / "even.csv").write_text("\n".join(["a;b;c", *lines, ""]), "utf-8")
    lines[50_000] = '50000;"1.5";  word 5'
    (tmp_path / "quoted.csv").write_text("\n".join(["a;b;c", *lines]), "utf-8")
    found = []
    for name in ("even.csv", "quoted.csv"):
        batches = list(read_source(tmp_path / name, SourceConfig(path=name)))
        rows = [row for batch in batches for row in batch.table.to_pylist()]
        found.append((rows, [line for batch in batches for line in batch.lines.tolist()]))
        assert {batch.facts["delimiter"] for batch in batches} == {"semicolon"}
    (even, even_lines), (quoted, quoted_lines) = found
    assert even_lines == quoted_lines == list(range(2, 70_002))
    assert even[50_000] == {"a": "50000", "b": "6.5", "c": "  word 5"}
    assert quoted[50_000] == {"a": "50000", "b": "1.5", "c": "  word 5"}
    assert even[:50_000] + even[50_001:] == quoted[:50_000] + quoted[50_001:]
