"""Lines of delimited text to rows; a quote that never closes costs the one row it stands in.

Python's csv reads, strictly: where it stops, a stray quote is let pass if the row ends soon, and
else sets aside one line, after which reading begins anew. No line is looked at more than a fixed
number of times, whatever the file holds: behind a quote that ran away, a row may span few lines.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from volano.data.sources.files import LONGEST_ROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.data.sources.dialect import Dialect

__all__ = ["Fault", "Rows", "RowsOfLines"]

_NEAR = 32  # lines
_MOST_LINES = 2**18  # of one row
_UNCLOSED = "a quote that never closes"


class Fault(NamedTuple):
    """Lines that are no row: from, to (end excluded), and why."""

    begin: int
    end: int
    reason: str


class Rows(NamedTuple):
    """Rows of some lines; numbers count ``lines`` from 0, and ``first`` is that of the first.

    Attributes:
        lines: what was looked at.
        first: how many lines of the file are before it.
        cells: of each row; an empty line has none.
        ends: the line after each row, which is where the next begins, unless there is a fault.
        begins: the line on which each row begins.
        faults: lines that are no row.
    """

    lines: Sequence[str]
    first: int
    cells: list[list[str]]
    begins: list[int]
    ends: list[int]
    faults: list[Fault]

    def add(self, cells: list[str], begin: int, end: int) -> None:
        """One more row."""
        self.cells.append(cells)
        self.begins.append(begin)
        self.ends.append(end)

    def take(self, place: int) -> list[str]:
        """The row at ``place``, which is no longer among them."""
        del self.begins[place], self.ends[place]
        return self.cells.pop(place)

    def raw(self, begin: int, end: int) -> str:
        """What stands there, without the last line's ending."""
        return "".join(self.lines[begin:end]).rstrip("\r\n")


class RowsOfLines:
    """Reads windows of lines one after the other; a row may begin in one and end in another."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.first = 0
        self._carry: list[str] = []
        self._far = 0  # the line up to which a row that failed has looked

    @property
    def is_between(self) -> bool:
        """Whether no row is open."""
        return not self._carry

    def skip_lines(self, count: int = 1) -> None:
        """Count lines that are not given."""
        self.first += count

    def read(self, lines: list[str], *, is_last: bool = False) -> Rows:
        """The rows of what was carried over and of these lines; the last may stay open."""
        lines = self._carry + lines
        if not self.dialect.is_quoted or '"' not in "".join(lines):
            cells = list(self.dialect.cells(lines))
            numbers = list(range(len(cells) + 1))
            found = Rows(lines, self.first, cells, numbers[:-1], numbers[1:], [])
            end = len(lines)
        else:
            found, end = self._read_quoted(lines, is_last=is_last)
        self._carry = lines[end:]
        self.first += end
        return found

    def _read_quoted(self, lines: list[str], *, is_last: bool) -> tuple[Rows, int]:
        found = Rows(lines, self.first, [], [], [], [])
        here = 0
        while here < len(lines):
            limit = len(lines)
            if self.first + here < self._far:
                limit = min(limit, here + _NEAR)
            stop, fault = _read_strictly(found, self.dialect, here, limit)
            has_moved = bool(found.ends) and found.ends[-1] > here
            here = found.ends[-1] if has_moved else here
            if not fault or ("unexpected end" in fault and limit < len(lines) and has_moved):
                continue  # where it begins, it may look as far again
            if "unexpected end" in fault:
                judged = self._open_row(lines, here, limit, is_last=is_last)
            else:
                judged = self._stray_quote(lines, here, is_last=is_last)
            if not judged.num_lines:
                return found, here
            if judged.cells is None:
                self._far = max(self._far, self.first + stop)
                found.faults.append(Fault(here, here + judged.num_lines, _UNCLOSED))
            else:
                found.add(judged.cells, here, here + judged.num_lines)
            here += judged.num_lines
        return found, here

    def _open_row(self, lines: list[str], here: int, limit: int, *, is_last: bool) -> _Judged:
        """A row whose quote is still open at ``limit``."""
        if limit < len(lines):
            return _Judged(1)
        if not is_last:
            return _Judged(0 if _fits(lines[here:]) else 1)
        has_eaten = any(self.dialect.is_row(line) for line in lines[here + 1 :])
        return _Judged(1 if has_eaten else len(lines) - here)

    def _stray_quote(self, lines: list[str], here: int, *, is_last: bool) -> _Judged:
        """A row in which a quote closes in the middle of a cell: as csv reads it, if it ends."""
        near = lines[here : here + _NEAR]
        for some in (near[:1], near):
            reader = self.dialect.cells([*some, "\n"])
            cells = next(reader)
            num_lines: int = reader.line_num  # type: ignore[attr-defined]
            if num_lines == 1:
                return _Judged(1, cells)
        is_open = num_lines > len(near)
        is_at_end = here + len(near) == len(lines)
        if is_open and is_at_end and not is_last and len(near) < _NEAR:
            return _Judged(0 if _fits(near) else 1)
        if any(self.dialect.is_row(line) for line in near[1:num_lines]):
            return _Judged(1)
        if is_open:
            return _Judged(len(near) if is_at_end and is_last else 1)
        return _Judged(num_lines, cells)


class _Judged(NamedTuple):
    """How many lines a row takes, 0 where more must be seen; without cells it is a fault."""

    num_lines: int
    cells: list[str] | None = None


def _read_strictly(found: Rows, dialect: Dialect, start: int, limit: int) -> tuple[int, str]:
    """Add rows up to ``limit`` or to the first fault: the line behind what was read, and why."""
    reader = dialect.cells(map(found.lines.__getitem__, range(start, limit)), strict=True)
    begin = start
    try:
        for cells in reader:
            end = start + reader.line_num  # type: ignore[attr-defined]
            found.add(cells, begin, end)
            begin = end
    except csv.Error as error:
        return start + reader.line_num, str(error)  # type: ignore[attr-defined]
    return limit, ""


def _fits(lines: Sequence[str]) -> bool:
    return len(lines) <= _MOST_LINES and sum(map(len, lines)) <= LONGEST_ROW
