"""The engine of a model of two labels whose log-odds are moved by the group that a row is of.

The model itself is a whole bundle under ``parts/0/``; its own calibration plays no part. A row's
group is what its cells in some columns say, in the one spelling of a level: a row that lacks one of
them, or is of a group that has no shift, is answered as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.core.cells import is_missing
from volano.models.column_kinds import read_each
from volano.models.ensemble import PARTS
from volano.models.rows import ArrowRows
from volano.models.table_columns import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.engine import Engine
    from volano.models.rows import Row, Rows
    from volano.models.table_features import TableFeaturiser

__all__ = ["NOBODY", "Group", "ShiftedEngine", "groups_of"]

Group = tuple[str, ...]  # what each column says
NOBODY = -1  # the place of a row that is of no known group


@dataclass(frozen=True)
class ShiftedEngine:
    """An engine, and what is added to its values.

    Attributes:
        engine: of two labels.
        columns: whose cells say the group.
        shifts: by group, what the difference of the two values gains.
        label: place of the label that gains.
    """

    engine: Engine
    columns: tuple[str, ...]
    shifts: Mapping[Group, float]
    label: int

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From the bundle under ``parts/0/`` and ``settings`` as given by the method."""
        from volano.models.predictor import Predictor  # which imports this file's like

        predictor = Predictor.load(folder / PARTS / "0")
        columns, label = tuple(settings["columns"]), int(settings["label"])
        if len(predictor.labels) != 2 or label not in (0, 1):
            raise ValueError("only two labels can be moved apart")
        if not columns or not set(columns) <= set(predictor.spec.columns):
            raise ValueError("groups are told by columns that the model does not read")
        shifts = {tuple(group): float(shift) for group, shift in settings["shifts"]}
        if not np.isfinite(list(shifts.values())).all():
            raise ValueError("a shift is not finite")
        return cls(predictor.engine, columns, shifts, label)

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``; ``parts`` has as many entries as bundles."""
        return {
            "parts": [{}],
            "columns": list(self.columns),
            "shifts": [[list(group), shift] for group, shift in sorted(self.shifts.items())],
            "label": self.label,
        }

    @property
    def featuriser(self) -> TableFeaturiser:
        """What reads the cells of a row."""
        found: TableFeaturiser = self.engine.featuriser  # type: ignore[attr-defined]
        return found

    def decide(self, rows: Rows) -> Floats:
        """Decision values, shape (N, 2)."""
        sign_L = np.where(np.arange(2) == self.label, 0.5, -0.5)
        values: Floats = self.engine.decide(rows) + self._shifts(rows)[:, None] * sign_L
        return values

    def _shifts(self, rows: Rows) -> Floats:
        if not isinstance(rows, ArrowRows):
            return np.array([self._shift(row) for row in rows], np.float64)
        groups, group_N = groups_of(rows, self.columns)
        # What comes last is read by the place of nobody.
        return np.array([*(self.shifts.get(group, 0.0) for group in groups), 0.0])[group_N]

    def _shift(self, row: Row) -> float:
        cells = [row.get(column) for column in self.columns]
        if any(is_missing(cell) for cell in cells):
            return 0.0
        return self.shifts.get(tuple(key_of(cell) for cell in cells), 0.0)

    def reasons(self, row: Row, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """Those of the engine, and the shift, shared evenly by the columns that say the group."""
        half = self._shift(row) / 2
        moved = half if label == self.label else -half
        *found, base = self.engine.reasons(row, label, is_rival=is_rival)
        told = dict(found)
        for column in self.columns:
            told[column] = told.get(column, 0.0) + moved / len(self.columns)
        return [*told.items(), base]


def groups_of(rows: Rows, columns: Sequence[str]) -> tuple[list[Group], NDArray[np.int64]]:
    """The groups that rows are of, and the place of each row's among them.

    Args:
        rows: mappings, or a table.
        columns: whose cells say the group; several make their combinations.

    Returns:
        The place of a row that lacks a cell is ``NOBODY``.
    """
    named, code_N = [_keys(rows, column) for column in columns], np.zeros(len(rows), np.int64)
    is_known_N: NDArray[np.bool_] = np.ones(len(rows), bool)
    for keys, key_N in named:
        code_N = code_N * len(keys) + key_N
        is_known_N &= key_N != NOBODY
    _, first_G, place_K = np.unique(code_N[is_known_N], return_index=True, return_inverse=True)
    rows_K = np.flatnonzero(is_known_N)
    group_N = np.full(len(rows), NOBODY)
    group_N[rows_K] = place_K
    groups = [tuple(keys[key_N[row]] for keys, key_N in named) for row in rows_K[first_G]]
    return groups, group_N


def _keys(rows: Rows, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """The different cells of a column, each in one spelling, and the place of each row's."""
    places: dict[str, int] = {}

    def read(cell: object) -> float:
        return NOBODY if is_missing(cell) else places.setdefault(key_of(cell), len(places))

    if not isinstance(rows, ArrowRows):
        place_N = np.array([read(row.get(column)) for row in rows], np.int64)
    elif column in rows.table.column_names:
        place_N = read_each(rows.table.column(column), read).astype(np.int64)
    else:
        place_N = np.full(len(rows), NOBODY)
    return list(places), place_N
