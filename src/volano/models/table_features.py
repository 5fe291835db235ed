"""Rows of a table to numbers: codes for trees, standardised columns for linear models and networks.

One reading of a cell serves both: ``codes`` reads cells, ``dense`` is arithmetic on codes. A row
gives the same bits as a mapping, in any batch, and in Arrow; so a report and a request agree.

Shape suffixes: N rows, F features of ``codes``, D features of ``dense``, M codes that are numbers,
P pieces of these.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from volano.core.cells import is_missing, read_number
from volano.core.errors import Term, UserError
from volano.models.column_kinds import kinds_of, read_each, read_numbers
from volano.models.rows import ArrowRows, table_of
from volano.models.table_columns import (
    DATE_CYCLES,
    DATE_PARTS,
    FittedColumn,
    Read,
    fit_column,
    shown,
)
from volano.models.table_scales import Pieces, Scaling

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from volano.models.column_kinds import Kind
    from volano.models.rows import Row, Rows

__all__ = ["TableFeaturiser", "blocks"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK = 1 << 16  # rows that are made into codes at once
_DENSE_BLOCK = 1 << 13
_SCALED = 200_000  # rows whose numbers give the scales
_PREFIX = "table."


def blocks(rows: Rows, size: int = _BLOCK) -> Iterator[Rows]:
    """The rows in stretches that fit into memory; one empty stretch where there are none."""
    if len(rows) <= size:
        yield rows
        return
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _some(rows: ArrowRows) -> ArrowRows:
    """As many rows as scales need, from the first to the last; all of a table that is no longer."""
    if len(rows) <= _SCALED:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, _SCALED).astype(np.int64))


class TableFeaturiser:
    """Fitted columns; the same row gives the same bits alone, in any batch, and in Arrow.

    Attributes:
        columns: all that were given, those that make no feature as well.
        scaling: of the codes that are numbers.
        pieces: of the same.
        mean_D: of ``dense`` over training rows: the row that reasons compare with.
    """

    def __init__(
        self,
        columns: Sequence[FittedColumn],
        scaling: Scaling,
        pieces: Pieces,
        mean_D: Floats | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.scaling = scaling
        self.pieces = pieces
        self._layout = _Layout.of(self.columns, pieces.number_P)
        width = self._layout.width
        self.mean_D = np.zeros(width) if mean_D is None else mean_D
        # Columns of one feature come first, so that a single row is one plain loop.
        plain = [c for c in self.columns if c.features and not c.is_split]
        split = [c for c in self.columns if c.features and c.is_split]
        self._readers = [(c.name, c.reader()) for c in plain]
        self._split_readers = [(c.name, c.reader()) for c in split]
        self._widths = [1] * len(plain) + [len(c.parts) for c in split]
        sizes = {len(part) for part in scaling}
        if sizes != {len(self._layout.number_M)} or self.mean_D.shape != (width,):
            raise ValueError(f"the scales of {sizes} numbers fit no columns of this table")
        if not all(np.isfinite(part).all() for part in (*scaling, *pieces, self.mean_D)):
            raise ValueError("a scale of a column is not finite")
        if {len(part) for part in pieces} != {len(pieces.number_P)}:
            raise ValueError("pieces of numbers do not fit together")

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        columns: Sequence[str],
        said: Mapping[str, Kind] = {},
        unit_N: Ints | None = None,
        date_parts: Collection[str] = DATE_PARTS,
    ) -> Self:
        """Learn what the columns are; from training rows only.

        Args:
            table: raw cells.
            columns: those that the model may read; one that the table lacks is constant.
            said: kinds that the project names.
            unit_N: whose each row is, shape (rows,): words of one person alone are not kept.
            date_parts: what of a date may be a feature.
        """
        rows = ArrowRows(table_of(ArrowRows(table), columns))
        kinds = kinds_of(rows.table, said)
        fitted = [
            fit_column(name, kinds[name].kind, kinds[name].because, rows.table.column(name), unit_N)
            for name in rows.table.column_names
        ]
        fitted = [column.with_dates_of(date_parts) for column in fitted]
        layout = _Layout.of(fitted, np.zeros(0, np.int64))
        blank = cls(fitted, Scaling.blank(len(layout.number_M)), Pieces.none())
        codes_NF = blank.codes(_some(rows))
        number_NM = codes_NF[:, layout.number_M]
        scaled = cls(fitted, Scaling.fit(number_NM), Pieces.fit(number_NM))
        stretches = range(0, max(len(codes_NF), 1), _DENSE_BLOCK)
        parts = (scaled.dense_of(codes_NF[at : at + _DENSE_BLOCK]) for at in stretches)
        mean_D = np.sum([part.sum(axis=0) for part in parts], axis=0) / max(len(codes_NF), 1)
        return cls(fitted, scaled.scaling, scaled.pieces, mean_D)

    @property
    def names(self) -> list[str]:
        """The names of the features of ``codes``, as trees know them."""
        return self._layout.names

    @property
    def width(self) -> int:
        """How many features ``dense`` has."""
        return self._layout.width

    @property
    def is_category_F(self) -> NDArray[np.bool_]:
        """Which codes are levels in no order, shape (F,); two levels need no such mark."""
        return self._layout.is_category_F

    @property
    def column_F(self) -> Ints:
        """The place among ``columns`` that each feature of ``codes`` comes from."""
        return self._layout.column_F

    @property
    def column_D(self) -> Ints:
        """The place among ``columns`` that each feature of ``dense`` comes from."""
        return self._layout.column_D

    def codes(self, rows: Rows) -> Floats:
        """What trees see, shape (N, F).

        Numbers as they are; levels of categories by frequency, the commonest 0; days, months and
        hours of dates; length, words and digits of texts. NaN is missing; in a category that
        lacked cells in training, missing is a level, and one never seen is the rare one.
        """
        if len(rows) == 1 and not isinstance(rows, ArrowRows):
            return self._codes_of_one(rows[0])
        found = [self._block(block) for block in blocks(rows)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _codes_of_one(self, row: Row) -> Floats:
        get = row.get
        values = [read(get(name)) for name, read in self._readers]
        for name, read in self._split_readers:
            values += read(get(name))
        return np.array([values], dtype=np.float64)

    def _block(self, rows: Rows) -> Floats:
        codes_NF = np.empty((len(rows), len(self.names)))
        place = 0
        readers = (*self._readers, *self._split_readers)
        for (name, read), width in zip(readers, self._widths, strict=True):
            found = _read_column(rows, name, read).reshape(len(rows), width)
            codes_NF[:, place : place + width] = found
            place += width
        return codes_NF

    def dense(self, rows: Rows) -> Floats:
        """What linear models and networks see, shape (N, D); no NaN.

        Numbers standardised, long tails by their logarithms, missing ones at the mean with a flag
        beside; the same numbers in pieces; levels one by one; months, weekdays and hours as points
        of a circle.
        """
        return self.dense_of(self.codes(rows))

    def dense_of(self, codes_NF: Floats) -> Floats:
        """``dense`` of rows whose ``codes`` are known."""
        layout = self._layout
        dense_ND = np.zeros((len(codes_NF), self.width + 1))  # the last takes what has no feature
        number_NM = np.ascontiguousarray(codes_NF[:, layout.number_M])
        is_missing_NM = np.isnan(number_NM)
        standard_NM = self.scaling.apply(number_NM)
        standard_NM[is_missing_NM] = 0.0
        dense_ND[:, layout.value_M] = standard_NM
        dense_ND[:, layout.flag_M] = is_missing_NM
        known_NM = np.where(is_missing_NM, self.scaling.centre, number_NM)
        dense_ND[:, layout.width - len(self.pieces.number_P) : -1] = self.pieces.apply(known_NM)
        rows_N1 = np.arange(len(codes_NF))[:, None]
        if len(layout.category_F):
            code_NC = codes_NF[:, layout.category_F]
            place_NC = np.where(np.isnan(code_NC), layout.most, code_NC).astype(np.int64)
            dense_ND[rows_N1, layout.slots[layout.rows_C, place_NC]] = 1.0
        for feature, at, table in layout.cycles:
            code_N = codes_NF[:, feature]
            place_N = np.where(np.isnan(code_N), len(table) - 1, code_N).astype(np.int64)
            dense_ND[:, at : at + 2] = table[place_N]
        return np.ascontiguousarray(dense_ND[:, :-1])

    def check(self, row: Row, place: int = 0) -> None:
        """See that the cells of a request can be what their columns are.

        Missing cells and columns pass, and so does a level that training never saw.

        Raises:
            UserError: a cell cannot be read; says which, and what its column holds.
        """
        for column in self.columns:
            cell = row.get(column.name)
            if not is_missing(cell) and not _fits(column, cell):
                raise UserError(
                    "{cell} cannot be read as {expected}, which column {column!r} holds",
                    where=f"inputs[{place}].{column.name}",
                    fix="mend the cell, or send null where it is not known",
                    column=column.name,
                    expected=_EXPECTED[column.kind],
                    cell=repr(cell)[:80],
                )

    @staticmethod
    def shown(column: str, row: Row) -> str:
        """A column and its cell, as reasons name them: ``tenure = 2``."""
        return shown(column, row)

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        told = [asdict(column) for column in self.columns]
        return {"columns": [{**c, "because": str(c["because"])} for c in told]}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        scales = {f"{_PREFIX}{name}": part for name, part in self.scaling._asdict().items()}
        pieces = {f"{_PREFIX}piece_{name}": part for name, part in self.pieces._asdict().items()}
        return {**scales, **pieces, f"{_PREFIX}dense_mean": self.mean_D}

    @classmethod
    def load(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``settings`` and ``arrays`` gave.

        Raises:
            KeyError, TypeError, ValueError: they do not fit together.
        """
        columns = [
            FittedColumn(**{**told, "levels": tuple(told["levels"]), "parts": tuple(told["parts"])})
            for told in settings["columns"]
        ]
        scaling = Scaling(*(arrays[f"{_PREFIX}{name}"] for name in Scaling._fields))
        pieces = Pieces(*(arrays[f"{_PREFIX}piece_{name}"] for name in Pieces._fields))
        return cls(columns, scaling, pieces, arrays[f"{_PREFIX}dense_mean"])


_EXPECTED: Mapping[str, Term] = {
    "number": Term("a number"),
    "boolean": Term("yes or no"),
    "date": Term("a date such as 2024-03-05"),
    "category": Term("a single value"),
    "text": Term("a single text"),
}


def _fits(column: FittedColumn, cell: object) -> bool:
    """Whether a cell can be read; what training rows held too passes, and is missing as there."""
    if not column.features:
        return True
    if isinstance(cell, list | tuple | dict | set):
        return False
    if column.kind in ("category", "text") or (column.has_junk and isinstance(cell, str)):
        return True
    found = column.reader()(cell)
    return not np.isnan(found if isinstance(found, float) else found[0])


def _read_column(rows: Rows, name: str, read: Read) -> Floats:
    """What a reader says of a column of all rows; shape (N,), or (N, parts)."""
    if not isinstance(rows, ArrowRows):
        return np.array([read(row.get(name)) for row in rows], dtype=np.float64)
    if name not in rows.table.column_names:
        return np.array([read(None)] * len(rows), dtype=np.float64)
    column = rows.table.column(name)
    return read_numbers(column) if read is read_number else read_each(column, read)


class _Layout(NamedTuple):
    """Where the features of columns stand.

    Attributes:
        names: of the F codes.
        column_F: the column of each.
        is_category_F: whether it is a level of more than two.
        column_D: the column of each dense feature.
        number_M: the codes that are numbers.
        value_M: the dense feature of each.
        flag_M: the dense feature that says that it is missing; ``width`` where there is none.
        category_F: the codes that are levels, C of them.
        rows_C: from 0 to C.
        most: a place in ``slots`` for a code that is NaN.
        slots: by category and code, the dense feature that is 1; ``width`` where there is none.
        cycles: of months, weekdays and hours: the code, its first dense feature, and by code the
            point of the circle; the last is for NaN.
        width: how many dense features there are.
    """

    names: list[str]
    column_F: Ints
    is_category_F: NDArray[np.bool_]
    column_D: Ints
    number_M: Ints
    value_M: Ints
    flag_M: Ints
    category_F: Ints
    rows_C: Ints
    most: int
    slots: Ints
    cycles: tuple[tuple[int, int, Floats], ...]
    width: int

    @classmethod
    def of(cls, columns: Sequence[FittedColumn], number_P: Ints) -> Self:
        """The layout that these columns have: those of one feature first, pieces last."""
        places = sorted(range(len(columns)), key=lambda place: columns[place].is_split)
        made = [(place, feature) for place in places for feature in columns[place].features]
        column_D: list[int] = []
        numbers: list[tuple[int, int, int]] = []
        categories: list[tuple[int, list[int]]] = []
        cycles: list[tuple[int, int, Floats]] = []
        flagged: set[int] = set()
        for at, (place, feature) in enumerate(made):
            column, first = columns[place], len(column_D)
            period = DATE_CYCLES.get(feature.rpartition(".")[2]) if column.kind == "date" else None
            if column.kind == "category":
                slots, width = _slots(column, first)
                categories.append((at, slots))
            elif period:
                width = 2
                cycles.append((at, first, _circle(period)))
            else:
                has_flag = column.has_missing and place not in flagged
                flagged.add(place)
                width = 1 + has_flag
                numbers.append((at, first, first + 1 if has_flag else -1))
            column_D += [place] * width
        number_M, value_M, flag_M = np.array(numbers, dtype=np.int64).reshape(-1, 3).T
        if number_P.size and not (number_P.min() >= 0 and number_P.max() < len(number_M)):
            raise ValueError(f"pieces of number {number_P.max()} of {len(number_M)}")
        column_D += [made[at][0] for at in number_M[number_P]]
        width = len(column_D)
        most = max((len(slots) for _, slots in categories), default=0)
        padded = [slots + [-1] * (most + 1 - len(slots)) for _, slots in categories]
        slots_CP = np.array(padded, dtype=np.int64).reshape(-1, most + 1)
        return cls(
            [feature for _, feature in made],
            np.array([place for place, _ in made], dtype=np.int64),
            np.array(
                [columns[p].kind == "category" and columns[p].num_codes > 2 for p, _ in made],
                dtype=np.bool_,
            ),
            np.array(column_D, dtype=np.int64),
            number_M,
            value_M,
            np.where(flag_M < 0, width, flag_M),
            np.array([at for at, _ in categories], dtype=np.int64),
            np.arange(len(categories)),
            most,
            np.where(slots_CP < 0, width, slots_CP),
            tuple(cycles),
            width,
        )


def _slots(column: FittedColumn, first: int) -> tuple[list[int], int]:
    """By code of a category, its dense feature, and how many it has; rarer levels share one."""
    own, levels = column.num_one_hot, len(column.levels)
    if own > levels:
        raise ValueError(f"{own} features for {levels} levels of {column.name!r}")
    shares = own < levels or column.has_rare
    slots = [first + min(code, own) for code in range(levels + column.has_rare)]
    if column.has_missing:
        slots.append(first + own + shares)
    return slots, own + shares + column.has_missing


def _circle(period: int) -> Floats:
    """Points of a circle by place; rounded, since sines differ between machines."""
    angle = 2 * np.pi * np.arange(period + 1) / period
    points = np.round(np.column_stack([np.sin(angle), np.cos(angle)]), 12)
    return np.concatenate([points, np.zeros((1, 2))])
