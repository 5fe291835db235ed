"""Every target that stands in the data, once: rows hold only its number.

Targets of labels are few and are kept as they are. A number may be another one in every row: those
are kept as floats, eight bytes each, and become text where it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.tasks.numbers import number_of, number_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.tasks import Task

__all__ = [
    "LabelTargets",
    "NumberTargets",
    "Targets",
    "count_targets",
    "distinct",
    "number_bins",
    "number_targets",
    "plain_numbers",
]

_BETWEEN = "\x1f"
_BIN = 10  # rows of a bin, or more


class LabelTargets(Sequence[tuple[str, ...]]):
    """Targets of labels, in the order of their numbers."""

    def __init__(self) -> None:
        self._values: list[tuple[str, ...]] = []
        self._numbers: dict[tuple[str, ...], int] = {}

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, number: int) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, number: slice) -> list[tuple[str, ...]]: ...
    def __getitem__(self, number: int | slice) -> Any:
        return self._values[number]

    def number(self, target: tuple[str, ...] | None) -> int:
        """The number of a target; -1 for none."""
        if target is None:
            return -1
        if target not in self._numbers:
            self._numbers[target] = len(self._values)
            self._values.append(target)
        return self._numbers[target]

    def numbers(self, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """The numbers of a column of targets."""
        targets = (None if one is None else tuple(one) for one in column.to_pylist())
        return np.array([self.number(target) for target in targets], np.int32)

    def column(self, numbers: NDArray[np.int32], kind: pa.DataType) -> pa.Array:
        """The targets of rows as a column."""
        values = pa.array([list(value) for value in self._values], kind)
        return values.take(pa.array(numbers, mask=numbers < 0))


class NumberTargets(Sequence[tuple[str, ...]]):
    """Targets that are numbers, in the order of their numbers.

    Args:
        values: the first of them, each once: float64.
    """

    def __init__(self, values: NDArray[np.float64] | None = None) -> None:
        self._values = np.zeros(0) if values is None else values
        self._order = np.argsort(self._values, kind="stable")
        self._ranked = self._values[self._order]

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers themselves."""
        return self._values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, number: int) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, number: slice) -> list[tuple[str, ...]]: ...
    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [(number_text(value),) for value in self._values[number].tolist()]
        return (number_text(float(self._values[number])),)

    def number(self, target: tuple[str, ...] | None) -> int:
        """The number of a target; -1 for none."""
        return -1 if target is None else int(self.add(np.array([number_of(target)]))[0])

    def add(self, values: NDArray[np.float64]) -> NDArray[np.int32]:
        """The number of each of these values; NaN is none, -1."""
        once, back = np.unique(values + 0.0, return_inverse=True)  # -0.0 is 0.0
        fresh = once[~np.isnan(once)]
        fresh = fresh[~self._is_known(fresh)]
        if len(fresh):
            places = np.searchsorted(self._ranked, fresh)
            numbers = np.arange(len(self), len(self) + len(fresh))
            self._order = np.insert(self._order, places, numbers)
            self._ranked = np.insert(self._ranked, places, fresh)
            self._values = np.concatenate([self._values, fresh])
        if not len(self):
            return np.full(len(values), -1, np.int32)
        places = np.minimum(np.searchsorted(self._ranked, once), len(self) - 1)
        found = np.where(np.isnan(once), -1, self._order[places]).astype(np.int32)
        return found[back.ravel()]

    def _is_known(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        if not len(self):
            return np.zeros(len(values), bool)
        places = np.minimum(np.searchsorted(self._ranked, values), len(self) - 1)
        found: NDArray[np.bool_] = self._ranked[places] == values
        return found

    def numbers(self, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """The numbers of a column of targets."""
        return self.add(_floats(column))

    def column(self, numbers: NDArray[np.int32], kind: pa.DataType) -> pa.Array:
        """The targets of rows as a column."""
        is_none = numbers < 0
        used, back = np.unique(numbers[~is_none], return_inverse=True)
        texts = [[number_text(value)] for value in self._values[used].tolist()]
        places = np.zeros(len(numbers), np.int64)
        places[~is_none] = back.ravel()
        return pa.array(texts, kind).take(pa.array(places, mask=is_none))


Targets: TypeAlias = LabelTargets | NumberTargets


def plain_numbers(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """Cells that are numbers, or texts that are nothing else; NaN for an empty one.

    None where a cell has to be looked at: "1,250", infinity, "n/a".
    """
    kind = column.type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            cells = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(cells, ""), pa.scalar(None, kind), cells)
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            return None
        found = column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowInvalid:
        return None
    return None if np.isinf(found).any() else found


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Targets of numbers as floats; NaN for none."""
    found = [np.zeros(0)]
    for chunk in column.chunks:
        first = pc.list_element(chunk, 0)
        found.append(first.cast(pa.float64()).to_numpy(zero_copy_only=False))
    return np.concatenate(found)


def number_targets(
    column: pa.ChunkedArray, task: Task
) -> tuple[NDArray[np.int32], Sequence[tuple[str, ...]]]:
    """The number of each target, -1 for none, and the targets in the order of their numbers."""
    if task.answers == "number":
        targets = NumberTargets()
        return targets.numbers(column), targets
    numbers, labels = _number_labels(column)
    return numbers, tuple(labels)


def _number_labels(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[tuple[str, ...]]]:
    known: dict[tuple[str, ...], int] = {}
    numbers = [np.zeros(0, np.int32)]
    for chunk in column.chunks:
        joined = pc.binary_join(chunk, _BETWEEN)
        if pc.any(pc.match_substring(chunk.flatten(), _BETWEEN)).as_py():  # two targets, one text
            values, places = chunk.to_pylist(), np.arange(len(chunk))
        else:
            coded = joined.dictionary_encode()
            places = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            codes, first = np.unique(places, return_index=True)
            values = [None] * (len(coded.dictionary) + 1)  # -1 is the last
            for code, target in zip(
                codes.tolist(), chunk.take(pa.array(first)).to_pylist(), strict=True
            ):
                values[code] = target
        own = [
            -1 if value is None else known.setdefault(tuple(value), len(known)) for value in values
        ]
        numbers.append(np.array(own, np.int32)[places])
    return np.concatenate(numbers), list(known)


def count_targets(numbers: NDArray[np.int32], targets: Sequence[tuple[str, ...]]) -> Counter[str]:
    """How many rows carry each label, by the numbers of their targets; -1 is none."""
    counts: Counter[str] = Counter()
    found = np.bincount(numbers[numbers >= 0], minlength=len(targets))
    for target, count in zip(targets, found.tolist(), strict=True):
        if count:
            counts.update(dict.fromkeys(target, count))
    return counts


def number_bins(
    values: NDArray[np.float64], numbers: NDArray[np.int32], most: int = 10
) -> NDArray[np.int32]:
    """The bin of each row's number, by quantiles, so that a split has its share of each.

    Args:
        values: the targets.
        numbers: of the rows, -1 for none.
        most: bins; fewer where rows are few or one number stands often.
    """
    is_there = numbers >= 0
    found = np.full(len(numbers), -1, np.int32)
    told = values[numbers[is_there]]
    if len(told):
        count = max(min(most, len(told) // _BIN), 1)
        edges = np.unique(np.quantile(told, np.linspace(0, 1, count + 1)[1:-1]))
        found[is_there] = np.searchsorted(edges, told, side="right")
    return found


def distinct(column: pa.ChunkedArray) -> tuple[list[Any], NDArray[np.int64]]:
    """Each value of a column once, and which of them stands in each row."""
    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return column.to_pylist(), np.arange(len(column))
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.unify_dictionaries().combine_chunks()
    values = coded.dictionary.to_pylist()
    places = coded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return [*values, None], places.astype(np.int64)
