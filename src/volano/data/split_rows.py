"""What the split law asks of rows, and the names and numbers of splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FILLED",
    "HELD",
    "SPLITS",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "LawRow",
    "Reasons",
    "SplitRows",
]

HELD = ("test", "validation")
SPLITS = ("", "train", "validation", "test")  # their numbers, as rows hold them
TRAIN, VALIDATION, TEST = 1, 2, 3
FILLED = (TEST, VALIDATION)

Reasons: TypeAlias = "dict[int, tuple[str, str]]"


@dataclass(frozen=True)
class SplitRows:
    """What the law asks of rows, a column each.

    Attributes:
        ids: names of the rows, strings.
        labels: the number of the row's target in ``targets``; -1 for a row without a label, which
            is in no split.
        targets: the labels of each target.
        given: the number of the split that its file was declared to be, 0 for none.
        old: the number of the split that it had in the previous dataset, 0 for none.
        can_be_held: whether it may enter test or validation.
        is_from_source: whether a file brought it, rather than feedback.
        units: the number of what it stands together with others for; -1 for nothing.
        moments: when it arose, for a split by time; NaN where that is not known.
    """

    ids: pa.ChunkedArray
    labels: NDArray[np.int32]
    targets: Sequence[tuple[str, ...]]
    given: NDArray[np.int8]
    old: NDArray[np.int8]
    can_be_held: NDArray[np.bool_]
    is_from_source: NDArray[np.bool_]
    units: NDArray[np.int64]
    moments: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: NDArray[np.int64]) -> list[LawRow]:
        """These rows, one by one."""
        columns = (self.labels, self.given, self.old, self.can_be_held, self.is_from_source)
        names = self.ids.take(pa.array(places)).to_pylist()
        cells = zip(names, *(c[places].tolist() for c in (*columns, self.units)), strict=True)
        return [
            LawRow(name, label >= 0, SPLITS[given], SPLITS[old], held, came, unit)
            for name, label, given, old, held, came, unit in cells
        ]


@dataclass(frozen=True, slots=True)
class LawRow:
    """One row as the law looks at it; ``given`` and ``old`` are names of splits."""

    id: str
    is_labelled: bool
    given: str
    old: str
    can_be_held: bool
    is_from_source: bool
    unit: int
