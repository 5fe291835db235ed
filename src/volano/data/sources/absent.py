"""Cells that stand for a missing value in one source, such as -999, become empty.

A source says so by ``cells.missing``; a cell alone cannot: -200 may be a price that was paid back,
and -1 in one column a label in another.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["without_said"]

_ALL = "*"
_LONGEST = 40  # characters of a number


def without_said(table: pa.Table, missing: Mapping[str, Sequence[str]]) -> pa.Table:
    """The same rows, cells that are spelled so, or are the same number, empty."""
    columns = [
        _without(column, (*missing.get(name, ()), *missing.get(_ALL, ())))
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def _without(column: pa.ChunkedArray, missing: Sequence[str]) -> pa.ChunkedArray:
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not missing or not (is_text or is_number):
        return column
    texts = {spelt.strip() for spelt in missing}
    numbers = {number for spelt in missing if isfinite(number := read_number(spelt))}

    def is_said(cell: object) -> bool:
        if isinstance(cell, str) and cell.strip() in texts:
            return True
        is_long = isinstance(cell, str) and len(cell) > _LONGEST
        return not is_long and read_number(cell) in numbers

    said = [cell for cell in pc.unique(column).to_pylist() if is_said(cell)]
    if not said:
        return column
    empty = pa.scalar("" if is_text else None, kind)  # as readers of texts write an empty cell
    return pc.if_else(pc.is_in(column, pa.array(said, kind)), empty, column)
