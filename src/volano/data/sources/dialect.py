"""How a CSV or TSV file is written: what stands between cells, and whether quotes quote."""

from __future__ import annotations

import csv
import re
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from volano.core.cells import is_missing, read_number
from volano.data.sources.files import LONGEST_ROW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["WHITESPACE", "Dialect", "aligned", "find_delimiter", "quotes_quote"]

WHITESPACE = "whitespace"  # the name of any run of spaces and tabs, as between aligned columns
_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
_SAMPLE_LINES = 400
_SAMPLE_CHARACTERS = 2**20
_EVEN = 0.999
_RUN = re.compile(r'("(?:[^"]|"")*")|[ \t]+')
_SPACES = re.compile(r"[ \t]+")
_FEWEST_ALIGNED = 4  # columns between runs of spaces,
_NUMBERS = 0.6  # of their cells, or nothing known;
_MANY_ALIGNED = 8  # columns that need no other sign,
_SHORT = 12  # characters of a code among them
_NEARLY_ALL = 0.95


class Dialect(NamedTuple):
    """What stands between cells, and whether double quotes hold a cell together.

    Attributes:
        delimiter: one character.
        is_quoted: whether double quotes hold a cell together.
        is_aligned: whether lines have runs of spaces and tabs instead, which ``plain`` makes one
            delimiter each.
    """

    delimiter: str
    is_quoted: bool
    is_aligned: bool = False

    def facts(self) -> dict[str, str]:
        """The dialect as the card says it."""
        name = _NAMES.get(self.delimiter, self.delimiter)
        return {
            "delimiter": WHITESPACE if self.is_aligned else name,
            "quoting": "double quotes" if self.is_quoted else "none",
        }

    def plain(self, lines: list[str]) -> list[str]:
        """The lines with the delimiter alone between cells."""
        if not self.is_aligned:
            return lines
        return _joined(lines, self.delimiter, is_quoted=self.is_quoted)

    def cells(self, lines: Iterable[str], *, strict: bool = False) -> Iterator[list[str]]:
        """A csv reader with this dialect."""
        # csv refuses cells past 128 KB unless told; a row is never longer than a few windows.
        csv.field_size_limit(8 * LONGEST_ROW)
        if self.is_quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)

    def is_row(self, line: str) -> bool:
        """Whether a line is a row by itself: its quotes close, and it has several cells."""
        return line.count('"') % 2 == 0 and len(next(self.cells([line]), [])) > 1


def find_delimiter(lines: Sequence[str], delimiter: str, suffix: str) -> str:
    """The delimiter named, or the one in which most of the first rows are equally wide.

    ``WHITESPACE`` where columns stand between runs of spaces, as in a table of a laboratory.
    """
    if delimiter != "auto":
        return delimiter
    if suffix == ".tsv":
        return "\t"
    sample = list(_first(lines))
    scored = [
        (_evenness(sample, Dialect(mark, is_quoted)), -order, mark)
        for order, mark in enumerate(_NAMES)
        for is_quoted in (True, False)
    ]
    score, _, mark = max(scored)
    if (score <= 0.5 or (mark == "\t" and _is_one_tab(sample))) and _is_aligned(sample):
        return WHITESPACE
    return mark


def aligned(lines: Sequence[str]) -> Dialect:
    """How a file is written whose columns stand between runs of spaces: whether quotes quote.

    They do where that makes more lines equally wide; a stray quote makes fewer.
    """
    kinds = [Dialect("\t", is_quoted, is_aligned=True) for is_quoted in (True, False)]
    return max(kinds, key=lambda kind: _evenness(kind.plain(list(lines)), kind))


def _is_one_tab(lines: Sequence[str]) -> bool:
    """Whether a single tab stands before the last column, among columns that are aligned."""
    filled = [line.strip() for line in lines if line.strip()]
    return all(line.count("\t") == 1 and "  " in line.partition("\t")[0] for line in filled)


def _is_aligned(lines: Sequence[str]) -> bool:
    """Whether runs of spaces part cells, nearly everywhere equally many, that a table would have.

    Numbers mostly, in columns of one width or under names; or many short codes. The words of texts
    are neither. The first line may lack a name for the names of rows.
    """
    dialect = aligned(lines)
    found = [cells for cells in dialect.cells(dialect.plain(list(lines))) if cells]
    if not found:
        return False
    first, rows = found[0], found[1:] or found
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width < _FEWEST_ALIGNED or count < _NEARLY_ALL * len(rows):
        return False
    cells = [cell for row in rows for cell in row]
    num = sum(is_missing(cell) or isfinite(read_number(cell)) for cell in cells)
    if num > _NUMBERS * len(cells):
        is_named = 0 <= width - len(first) <= 1 and not any(isfinite(read_number(c)) for c in first)
        return is_named or width >= _MANY_ALIGNED or any("  " in line.strip() for line in lines)
    with_digit = sum(len(cell) <= _SHORT and any(map(str.isdigit, cell)) for cell in cells)
    return width >= _MANY_ALIGNED and with_digit > _NEARLY_ALL * len(cells)


def _joined(lines: Sequence[str], delimiter: str, *, is_quoted: bool) -> list[str]:
    """The lines with the delimiter for each run of spaces and tabs that stands in no quotes."""
    told = []
    for line in lines:
        text = line.rstrip(" \t\r\n")
        ending = line[len(text) :].lstrip(" \t")
        text = text.lstrip(" \t")
        if is_quoted and '"' in text:
            told.append(_RUN.sub(lambda run: run[1] or delimiter, text) + ending)
        else:
            told.append(_SPACES.sub(delimiter, text) + ending)
    return told


def _first(lines: Sequence[str]) -> Iterator[str]:
    num_characters = 0
    for line in lines[:_SAMPLE_LINES]:
        yield line
        num_characters += len(line)
        if num_characters > _SAMPLE_CHARACTERS:
            return


def _evenness(lines: Sequence[str], dialect: Dialect) -> float:
    widths = Counter(len(cells) for cells in dialect.cells(lines) if cells)
    if not widths:
        return 0.0
    width, count = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    return count / widths.total() * (1.0 if width > 1 else 0.5)


def quotes_quote(lines: Sequence[str], delimiter: str, *, is_whole: bool) -> bool:
    """False where reading quotes as plain characters leaves every row whole, and quotes break.

    Args:
        lines: those in which the first quotes of the file stand.
        delimiter: what stands between cells.
        is_whole: whether the file ends with them.
    """
    plain = Counter(len(cells) for cells in Dialect(delimiter, False).cells(lines) if cells)
    if not plain:
        return True
    width, count = plain.most_common(1)[0]
    if width == 1 or count < _EVEN * plain.total():
        return True
    if not _is_strict(lines, Dialect(delimiter, True), is_whole=is_whole):
        return False
    quoted = sum(delimiter + '"' in line or line.startswith('"') for line in lines)
    return delimiter != "\t" or quoted > 0.5 * len(lines) or any('""' in line for line in lines)


def _is_strict(lines: Sequence[str], dialect: Dialect, *, is_whole: bool) -> bool:
    try:
        return sum(1 for _ in dialect.cells(lines, strict=True)) >= 0
    except csv.Error as error:
        return not is_whole and "unexpected end" in str(error)  # the rest is in the lines to come
