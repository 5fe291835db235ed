"""Rows that stand in Arrow: five million of them never become Python objects at once.

``ArrowRows`` reads like a list of mappings and gives a mapping where one row is asked for; what
works on whole columns takes its ``table``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["ArrowRows", "Column", "Row", "Rows", "in_microseconds", "table_of"]

Row = Mapping[str, object]
Column: TypeAlias = pa.Array | pa.ChunkedArray


class ArrowRows(Sequence[Row]):
    """The rows of a table, one mapping each; a slice or ``take`` is a view of the same kind.

    Equal names of columns are refused by Arrow where they are read. Times finer than microseconds
    lose what Python's own times cannot say, so that a row reads alike by itself and in its table.
    """

    __slots__ = ("table",)

    def __init__(self, table: pa.Table) -> None:
        self.table = _readable(table)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> ArrowRows: ...
    def __getitem__(self, place: int | slice) -> Row | ArrowRows:
        """One row as a mapping, or the rows of a slice.

        Raises:
            IndexError: there is no such row.
        """
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step == 1:
                return ArrowRows(self.table.slice(start, max(stop - start, 0)))
            return self.take(np.arange(start, stop, step))
        size = len(self)
        if not -size <= place < size:
            raise IndexError(f"row {place} of {size}")
        rows: list[Row] = self.table.slice(place % size, 1).to_pylist()
        return rows[0]

    def __iter__(self) -> Iterator[Row]:
        for batch in self.table.to_batches(max_chunksize=_AT_ONCE):
            yield from batch.to_pylist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArrowRows) and bool(self.table.equals(other.table))

    __hash__ = None  # type: ignore[assignment]  # as of any sequence that compares by content

    def __repr__(self) -> str:
        return f"ArrowRows({len(self)} rows of {', '.join(self.table.column_names)})"

    def take(self, places: Sequence[int] | NDArray[np.integer[Any]]) -> ArrowRows:
        """The rows at these places, in this order."""
        wanted = pa.array(np.asarray(places, dtype=np.int64))
        return ArrowRows(self.table.take(wanted))

    def select(self, columns: Sequence[str]) -> ArrowRows:
        """These columns of all rows; one that the table lacks is null."""
        return ArrowRows(table_of(self, columns))


Rows = Sequence[Row]
_AT_ONCE = 4096


def table_of(rows: Rows, columns: Iterable[str]) -> pa.Table:
    """Rows as a table of these columns; one that a row or the table lacks is null there.

    A column of mappings that holds cells of several kinds (a number here, a text there) becomes a
    column of texts, each spelt as JSON would.
    """
    names = list(dict.fromkeys(columns))
    if isinstance(rows, ArrowRows):
        known = set(rows.table.column_names)
        found = [
            rows.table.column(name) if name in known else pa.nulls(len(rows)) for name in names
        ]
    else:
        found = [_column([row.get(name) for row in rows]) for name in names]
    return pa.Table.from_arrays(found, names=names) if names else pa.table({})


def _column(cells: list[object]) -> pa.Array:
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if cell is None else _spelt(cell) for cell in cells], pa.string())


def _spelt(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def in_microseconds(column: Column) -> Column:
    """The same cells; times finer than a microsecond are cut, as Python's own times are."""
    kind = column.type
    if not pa.types.is_temporal(kind) or getattr(kind, "unit", "") != "ns":
        return column
    if pa.types.is_timestamp(kind):
        coarse = pa.timestamp("us", kind.tz)
    else:
        coarse = pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")
    return pc.cast(column, coarse, safe=False)


def _readable(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        column = table.column(place)
        coarse = in_microseconds(column)
        if coarse is not column:
            table = table.set_column(place, pa.field(field.name, coarse.type), coarse)
    return table
