"""How a CSV or TSV file is written: what stands between cells, and whether quotes quote.

Rows are read by Python's csv, which counts lines inside quotes; a quote that never closes costs the
one row it stands in, not all that follow.
"""

from __future__ import annotations

import csv
from collections import Counter
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CsvRow", "Dialect", "find_dialect", "read_rows", "split_lines"]

_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
_SAMPLE_LINES = 400
_LONGEST_CELL = 2**27  # csv refuses cells past 128 KB unless told; a thread of messages is longer
_EVEN = 0.999
_UNCLOSED = "a quote that never closes"


class Dialect(NamedTuple):
    """What stands between cells, and whether double quotes hold a cell together."""

    delimiter: str
    is_quoted: bool

    def facts(self) -> dict[str, str]:
        """The dialect as the card says it."""
        return {
            "delimiter": _NAMES.get(self.delimiter, self.delimiter),
            "quoting": "double quotes" if self.is_quoted else "none",
        }

    def cells(self, lines: Iterator[str], *, strict: bool = False) -> Iterator[list[str]]:
        """A csv reader with this dialect."""
        csv.field_size_limit(_LONGEST_CELL)
        if self.is_quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)


class CsvRow(NamedTuple):
    """One row: its cells, or why there are none, and the lines it spans (from 0, end excluded)."""

    cells: list[str]
    begin: int
    end: int
    fault: str = ""


def split_lines(text: str) -> list[str]:
    """Lines as csv counts them, each with its ending."""
    return list(StringIO(text, newline=""))


def read_rows(lines: Sequence[str], dialect: Dialect) -> Iterator[CsvRow]:
    """Every row, broken ones with their fault; empty lines are no rows."""
    begin = 0
    while begin < len(lines):
        for row in _rows_from(lines, dialect, begin):
            begin = row.end
            if row.cells or row.fault:
                yield row
            if row.fault:
                break


def _rows_from(lines: Sequence[str], dialect: Dialect, begin: int) -> Iterator[CsvRow]:
    """Rows up to the first fault, after which reading begins anew."""
    reader = dialect.cells(islice(lines, begin, None))
    here = begin
    for cells in reader:
        end = begin + reader.line_num  # type: ignore[attr-defined]
        if dialect.is_quoted and (end - here > 1 or end == len(lines)):
            num_lines = _num_broken(lines[here:end], dialect)
            if num_lines:
                yield CsvRow([], here, here + num_lines, _UNCLOSED)
                return
        yield CsvRow(cells, here, end)
        here = end


def _num_broken(lines: Sequence[str], dialect: Dialect) -> int:
    """How many lines a quote that ran away spoils: one where it ate whole rows; 0 for none did."""
    try:
        list(dialect.cells(iter(lines), strict=True))
    except csv.Error as error:
        has_eaten = any(
            line.count('"') % 2 == 0 and len(next(dialect.cells(iter([line])), [])) > 1
            for line in lines[1:]
        )
        if has_eaten or "unexpected end" in str(error):
            return 1 if has_eaten else len(lines)
    return 0


def find_dialect(lines: Sequence[str], delimiter: str, quoting: str, suffix: str) -> Dialect:
    """The dialect named, or the one in which most rows are equally wide."""
    sample = lines[:_SAMPLE_LINES]
    delimiters: Sequence[str] = tuple(_NAMES) if delimiter == "auto" else (delimiter,)
    if delimiter == "auto" and suffix == ".tsv":
        delimiters = ("\t",)
    scored = [
        (_evenness(sample, Dialect(mark, is_quoted)), -order, mark)
        for order, mark in enumerate(delimiters)
        for is_quoted in (True, False)
    ]
    best = max(scored)[2]
    return Dialect(best, quoting == "auto" and _quotes_quote(lines, best))


def _evenness(lines: Sequence[str], dialect: Dialect) -> float:
    widths = Counter(len(cells) for cells in dialect.cells(iter(lines)) if cells)
    if not widths:
        return 0.0
    width, count = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    return count / widths.total() * (1.0 if width > 1 else 0.5)


def _quotes_quote(lines: Sequence[str], delimiter: str) -> bool:
    """False where reading quotes as plain characters leaves every row whole, and quotes break."""
    if not any('"' in line for line in lines):
        return True
    plain = Counter(len(cells) for cells in Dialect(delimiter, False).cells(iter(lines)) if cells)
    width, count = plain.most_common(1)[0]
    if width == 1 or count < _EVEN * plain.total():
        return True
    if not _is_strict(lines, Dialect(delimiter, True)):
        return False
    quoted = sum(delimiter + '"' in line or line.startswith('"') for line in lines)
    return delimiter != "\t" or quoted > 0.5 * len(lines) or any('""' in line for line in lines)


def _is_strict(lines: Sequence[str], dialect: Dialect) -> bool:
    try:
        return sum(1 for _ in dialect.cells(iter(lines), strict=True)) >= 0
    except csv.Error:
        return False
