"""Numbers with a decimal comma, as most of Europe writes them: "1.234,50" is read as 1234.50.

A source says so by ``cells.decimal: comma``; a cell alone cannot: "1,234" is either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["find_decimal_commas", "find_decimal_points", "read_decimal_commas"]

_GROUPING = r"[. '’\x{00a0}\x{202f}]"
_WHOLE = rf"(?:[1-9]\d{{0,2}}(?:{_GROUPING}\d{{3}})+|\d+)"  # "0.123" has no groups
_NUMBER = rf"^\s*[+-]?[$€£¥]?\s?{_WHOLE}(?:,\d+)?\s?[€$£¥%]?\s*$"
_SURELY_DECIMAL = r"^\s*[+-]?[$€£¥]?\s?[\d. '’]*\d,(?:\d{1,2}|\d{4,})\s?[€$£¥%]?\s*$"
_SURELY_GROUPED = r"^\s*[+-]?[$€£¥]?\s?\d{1,3}(?:,\d{3})+\.\d+\s?[€$£¥%]?\s*$"
_SURELY_POINTED = r"^\s*[+-]?(?:0\.\d+|\d+\.(?:\d{1,2}|\d{4,}))\s*$"
_MOST = 0.95  # of the cells that hold something


def read_decimal_commas(table: pa.Table) -> pa.Table:
    """The same texts, those that are numbers with a decimal point and without grouping."""
    return pa.table([_with_points(column) for column in table.columns], names=table.column_names)


def _with_points(column: pa.ChunkedArray) -> pa.ChunkedArray:
    bare = pc.replace_substring_regex(column, _GROUPING, "")
    pointed = pc.replace_substring(bare, ",", ".")
    return pc.if_else(pc.match_substring_regex(column, _NUMBER), pointed, column)


def find_decimal_commas(table: pa.Table, is_missing: Callable[[object], bool]) -> Sequence[str]:
    """The columns whose numbers have a decimal comma; none where any has a grouping one.

    Args:
        table: of texts.
        is_missing: whether a cell holds nothing.
    """
    if any(_share(column, _SURELY_GROUPED) for column in table.columns):
        return ()
    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not _share(column, _SURELY_DECIMAL):
            continue
        held = pa.array([cell for cell in column.to_pylist() if not is_missing(cell)], pa.string())
        if _share(held, _NUMBER) >= _MOST:
            found.append(name)
    return found


def find_decimal_points(table: pa.Table) -> Sequence[str]:
    """The columns in which most cells that have a point can have it only before decimals."""
    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if _share(column, _SURELY_POINTED) > _share(column, r"\.") / 2:
            found.append(name)
    return found


def _share(cells: Any, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(cells, pattern)).as_py() or 0.0)
