"""Targets as they stand in Arrow, and what learners make of them: names, truth, numbers.

A target is a list of texts whatever the kind of work. Five million of them are arrays here, and
never Python objects at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.models.calibration import Floats, Labels

__all__ = [
    "ArrowTargets",
    "class_numbers",
    "count_labels",
    "label_names",
    "read_numbers",
    "truth_of",
]

Targets = Sequence[Sequence[str]]


@dataclass(frozen=True)
class ArrowTargets(Sequence[tuple[str, ...]]):
    """The targets of rows; ``lists`` is of type ``list<string>``."""

    lists: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.lists)

    @overload
    def __getitem__(self, place: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> ArrowTargets: ...

    def __getitem__(self, place: int | slice) -> tuple[str, ...] | ArrowTargets:
        if isinstance(place, slice):
            return ArrowTargets(self.lists[place])
        return tuple(self.lists[place].as_py() or ())  # null where nobody has looked


def label_names(targets: Targets) -> tuple[str, ...]:
    """The labels that occur, sorted.

    >>> label_names([("b",), ("a", "b")])
    ('a', 'b')
    """
    return tuple(sorted(pc.unique(_flat(targets)).to_pylist()))


def count_labels(targets: Targets) -> dict[str, int]:
    """How many rows carry each label, by name."""
    counts = pc.value_counts(_flat(targets)).to_pylist()
    return dict(sorted((found["values"], found["counts"]) for found in counts))


def truth_of(targets: Targets, labels: Sequence[str]) -> Labels:
    """Which labels each row carries, shape (rows, labels)."""
    lists = _lists(targets)
    truth_NC = np.zeros((len(lists), len(labels)), bool)
    truth_NC[pc.list_parent_indices(lists).to_numpy(), _codes(lists, labels)] = True
    return truth_NC


def class_numbers(targets: Targets, labels: Sequence[str]) -> NDArray[np.int64]:
    """The place of the only label of each row, shape (rows,)."""
    lists = _lists(targets)
    codes: NDArray[np.int64] = _codes(lists, labels).astype(np.int64)
    assert len(codes) == len(lists), "one label a row"
    return codes


def read_numbers(targets: Targets) -> Floats:
    """The number that each target says, shape (rows,)."""
    numbers: Floats = _flat(targets).cast(pa.float64()).to_numpy()
    return numbers


def _lists(targets: Targets) -> pa.ChunkedArray:
    if isinstance(targets, ArrowTargets):
        return targets.lists
    kind = pa.list_(pa.string())
    return pa.chunked_array([pa.array(list(map(list, targets)), kind)], kind)


def _flat(targets: Targets) -> pa.ChunkedArray:
    return pc.list_flatten(_lists(targets))


def _codes(lists: pa.ChunkedArray, labels: Sequence[str]) -> NDArray[np.int32]:
    """The place in ``labels`` of each label of each row, one after another."""
    found = pc.index_in(pc.list_flatten(lists), pa.array(labels, pa.string()))
    codes: NDArray[np.int32] = found.to_numpy()
    return codes
