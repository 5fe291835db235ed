"""How much one column of a table says about the target: figures of rows that were not looked at.

Suffix: N rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.data.steps.wording import normal_cells
from volano.models.column_kinds import read_each, read_numbers
from volano.models.dates import EPOCH, read_date

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.models.column_kinds import Kind

__all__ = ["Column", "Labels", "Numbers", "levels_of", "seconds_of"]

_BINS = 64  # of a number's values
_FEWEST = 50  # rows that have both


@dataclass(frozen=True)
class Column:
    """A column as levels: its values, or bins of its numbers.

    Attributes:
        name: of the column.
        kind: what it holds.
        values: numbers, or dates as seconds; NaN where there is none. None for words.
        is_missing: where it holds nothing.
        codes: the level of each row, counted from 0; missing is a level of its own.
    """

    name: str
    kind: Kind
    values: NDArray[np.float64] | None
    is_missing: NDArray[np.bool_]
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, column: pa.ChunkedArray, kind: Kind) -> Column:
        """A column of raw cells."""
        values = None
        if kind in {"number", "date"}:
            values = read_numbers(column) if kind == "number" else read_each(column, seconds_of)
        if values is None:
            coded = pc.dictionary_encode(normal_cells(column))
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        else:
            codes = levels_of(values)
        return cls(name, kind, values, codes < 0, codes + 1)

    @property
    def is_again(self) -> NDArray[np.bool_]:
        """Rows whose level stands in another row too."""
        found: NDArray[np.bool_] = np.bincount(self.codes)[self.codes] > 1
        return found

    @property
    def num_levels(self) -> int:
        """Levels that some row has."""
        return len(np.unique(self.codes))


def seconds_of(cell: object) -> float:
    """The date in a cell, in seconds since 1970; NaN for none."""
    moment = read_date(cell)
    return np.nan if moment is None else (moment - EPOCH).total_seconds()


def levels_of(values: NDArray[np.float64], most: int = _BINS) -> NDArray[np.int64]:
    """The level of each number: its own where few differ, else a bin of quantiles; NaN is -1."""
    is_there = ~np.isnan(values)
    found = np.full(len(values), -1)
    known = values[is_there]
    once, back = np.unique(known, return_inverse=True)
    if len(once) > most:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, most + 1)[1:-1]))
        back = np.searchsorted(edges, known, side="right")
    found[is_there] = back.ravel()
    return found


@dataclass(frozen=True)
class Labels:
    """The labels of some rows.

    Attributes:
        code_N: the number of each row's label.
        names: of the labels.
    """

    code_N: NDArray[np.int64]
    names: tuple[str, ...]

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        return np.bincount(self.code_N, minlength=len(self.names))

    def at(self, rows: NDArray[np.bool_]) -> Labels:
        """Those of some rows."""
        return Labels(self.code_N[rows], self.names)

    @property
    def varies(self) -> bool:
        """Whether there is anything to tell apart."""
        return int((self._counts > 0).sum()) > 1

    @property
    def is_binary(self) -> bool:
        """Whether there are two labels."""
        return len(self.names) == 2

    def told_by(self, levels: NDArray[np.int64]) -> float:
        """Share of rows whose label is that of most other rows of their level."""
        level, row_level = np.unique(levels, return_inverse=True)
        pair = row_level.ravel() * len(self.names) + self.code_N
        cell, count = np.unique(pair, return_counts=True)
        of = cell // len(self.names)
        first = np.zeros(len(level), np.int64)
        np.maximum.at(first, of, count)
        is_first = count == first[of]
        num_first = np.bincount(of, weights=is_first, minlength=len(level))
        second = np.zeros(len(level), np.int64)
        np.maximum.at(second, of, np.where(is_first, 0, count))
        second = np.where(num_first > 1, first, second)
        # Without the row itself, its label must still stand more often than any other.
        is_right = is_first & (count - 1 > second[of])
        return float(count[is_right].sum() / len(levels))

    def beyond_guessing(self, share: float) -> float:
        """How much of what the commonest label leaves open is told: 1 is all, 0 nothing."""
        commonest = float(self._counts.max() / self._counts.sum())
        return (share - commonest) / (1.0 - commonest) if commonest < 1.0 else 0.0

    def auc(self, levels: NDArray[np.int64]) -> float:
        """ROC AUC of the second label's share in each level, each half by the other's shares."""
        found = []
        is_second = (self.code_N == 1).astype(np.float64)
        for here in (slice(0, None, 2), slice(1, None, 2)):
            other = slice(1, None, 2) if here.start == 0 else slice(0, None, 2)
            score = _means(levels[other], is_second[other], levels[here])
            found.append(_auc(score, is_second[here] > 0))
        return float(np.mean(found))

    def leaning(self, is_in: NDArray[np.bool_]) -> tuple[int, float, float, float]:
        """The commonest label of these rows and its share of them.

        Returns:
            The label, its share, how likely so many are by chance at most, and how far beyond its
            share of all rows: 1 is every row.
        """
        inside = np.bincount(self.code_N[is_in], minlength=len(self.names))
        label, count = int(inside.argmax()), int(inside.sum())
        share = float(inside[label] / count)
        usual = float(self._counts[label] / self._counts.sum())
        beyond = (share - usual) / (1.0 - usual)
        return label, share, _chance(share, usual, count), beyond


@dataclass(frozen=True)
class Numbers:
    """The numbers that are the target of some rows."""

    value_N: NDArray[np.float64]

    @property
    def varies(self) -> bool:
        """Whether there is anything to tell apart."""
        return bool(self.value_N.min() < self.value_N.max())

    def rank_correlation(self, values: NDArray[np.float64]) -> float:
        """Spearman's, of rows that have both; 0 where those are few or do not differ."""
        is_there = ~np.isnan(values)
        if is_there.sum() < max(_FEWEST, 0.5 * len(values)):
            return 0.0
        one, other = _ranks(values[is_there]), _ranks(self.value_N[is_there])
        spread = one.std() * other.std()
        return (
            float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread else 0.0
        )

    def explained_by(self, levels: NDArray[np.int64]) -> float:
        """R2 of the mean of each level, each half of the rows by the other's means."""
        found = np.empty(len(levels))
        for here in (slice(0, None, 2), slice(1, None, 2)):
            other = slice(1, None, 2) if here.start == 0 else slice(0, None, 2)
            found[here] = _means(levels[other], self.value_N[other], levels[here])
        return float(1.0 - ((found - self.value_N) ** 2).sum() / _squares(self.value_N))


def _squares(values: NDArray[np.float64]) -> float:
    return float(((values - values.mean()) ** 2).sum())


def _means(
    levels: NDArray[np.int64], values: NDArray[np.float64], asked: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The mean value of each level that is asked; the mean of all for one that no row has."""
    size = int(max(levels.max(), asked.max())) + 1
    count = np.bincount(levels, minlength=size)
    total = np.bincount(levels, weights=values, minlength=size)
    mean = np.divide(total, count, out=np.full(size, values.mean()), where=count > 0)
    found: NDArray[np.float64] = mean[asked]
    return found


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value, counted from 1; equal ones share the mean of theirs."""
    # As scipy.stats has it, which takes a second to import.
    _, back, count = np.unique(values, return_inverse=True, return_counts=True)
    found: NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2)[back.ravel()]
    return found


def _chance(share: float, usual: float, count: int) -> float:
    """The most that the chance can be to see this share or more (Chernoff's bound)."""
    if share <= usual:
        return 1.0
    parts = ((share, usual), (1.0 - share, 1.0 - usual))
    divergence = sum(one * np.log(one / other) for one, other in parts if one > 0)
    return float(np.exp(-count * divergence))


def _auc(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    num = int(is_positive.sum())
    others = len(is_positive) - num
    if not num or not others:
        return 0.5
    return float((_ranks(scores)[is_positive].sum() - num * (num + 1) / 2) / (num * others))
