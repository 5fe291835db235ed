"""Intervals by resampling: draw units (rows, customers, documents) again and score each draw.

A metric is sums over examples and then a formula (``Metric``), so one matrix product scores a
thousand draws. Intervals are expanded percentiles (Hesterberg 2015, "What Teachers Should Know
About the Bootstrap", section 5.3), which keep their level on small test sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volano.core.nouns import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csc_array

__all__ = ["Draws", "estimate", "interval", "number_units"]

_CELLS = 4_000_000  # counts held at once: 32 MB
_ALL_HALVES = 12  # units: 4,096 halves
_THIN_SIZE, _THIN_SHARE = 1_000_000, 0.05
_KIND_COST = 8  # drawing for one kind of unit takes as long as drawing so many units


def number_units(units: Sequence[str]) -> NDArray[np.int64]:
    """The number of each example's unit, from 0 without gaps, shape (N,).

    >>> number_units(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    place = {unit: number for number, unit in enumerate(sorted(set(units)))}
    return np.array([place[unit] for unit in units], dtype=np.int64)


@dataclass(frozen=True)
class Draws:
    """How to draw again: ``unit_N`` numbers the unit of each example from 0 without gaps."""

    unit_N: NDArray[np.int64]
    num: int
    seed: int

    @property
    def num_units(self) -> int:
        """How many units there are to draw from."""
        return int(self.unit_N.max()) + 1 if self.unit_N.size else 0

    def at(self, row_M: NDArray[np.int64]) -> Draws:
        """How to draw only these examples again."""
        unit_M = np.unique(self.unit_N[row_M], return_inverse=True)[1].astype(np.int64)
        return Draws(unit_M, self.num, self.seed)

    def by_unit(self, parts_NK: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of ``parts_NK`` over the examples of each unit, shape (units, K)."""
        units = self.num_units
        if units == len(parts_NK):
            sums_UK = np.empty_like(parts_NK)
            sums_UK[self.unit_N] = parts_NK
            return sums_UK
        order = np.argsort(self.unit_N, kind="stable")
        starts = np.searchsorted(self.unit_N[order], np.arange(units))
        summed: NDArray[np.float64] = np.add.reduceat(parts_NK[order], starts, axis=0)
        return summed

    def sums(self, parts_NK: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of ``parts_NK`` in each draw, shape (num, K).

        Only columns of one call are drawn together: give what is to be compared side by side.
        """
        return self.sums_of_units(self.by_unit(parts_NK))

    def sums_of_units(self, sums_UK: NDArray[np.float64]) -> NDArray[np.float64]:
        """``sums`` for what ``by_unit`` has summed."""
        units = len(sums_UK)
        if _is_thin(sums_UK):
            thin = _thin(sums_UK)
            return np.concatenate([counts_BU @ thin for counts_BU in self._counts(units)])
        kinds_GK, sizes_G = _kinds(sums_UK)
        if len(kinds_GK) * _KIND_COST < units:
            # Units that add the same are drawn together: as many as a multinomial says.
            rng = np.random.default_rng(self.seed)
            drawn = rng.multinomial(units, sizes_G / units, size=self.num)
            drawn_sums: NDArray[np.float64] = drawn.astype(np.float64) @ kinds_GK
            return drawn_sums
        return np.concatenate([counts_BU @ sums_UK for counts_BU in self._counts(units)])

    def halves(self, change_UK: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over random halves: each unit counts or not, by a coin; shape (num, K).

        Every half once where there are few units (then 2 to the power of their number).
        """
        units = len(change_UK)
        if units <= _ALL_HALVES:
            ways = np.arange(2**units)[:, None] >> np.arange(units)
            every: NDArray[np.float64] = (ways & 1).astype(np.float64) @ change_UK
            return every
        rng = np.random.default_rng([self.seed, 1])
        block = max(1, _CELLS // units)
        sizes = [min(block, self.num - start) for start in range(0, self.num, block)]
        coins = (rng.integers(2, size=(size, units), dtype=np.int8) for size in sizes)
        if _is_thin(change_UK):
            thin = _thin(change_UK)
            return np.concatenate([coin_BU.astype(np.float64) @ thin for coin_BU in coins])
        kinds_GK, sizes_G = _kinds(change_UK)
        if len(kinds_GK) * _KIND_COST < units:
            drawn = rng.binomial(sizes_G, 0.5, size=(self.num, len(sizes_G)))
            drawn_sums: NDArray[np.float64] = drawn.astype(np.float64) @ kinds_GK
            return drawn_sums
        return np.concatenate([coin_BU.astype(np.float64) @ change_UK for coin_BU in coins])

    def _counts(self, units: int) -> Iterator[NDArray[np.float64]]:
        rng = np.random.default_rng(self.seed)
        left = self.num
        while left > 0:
            block = min(left, max(1, _CELLS // max(units, 1)))
            drawn = rng.integers(units, size=(block, units))
            drawn += np.arange(block)[:, None] * units
            counts = np.bincount(drawn.ravel(), minlength=block * units)
            yield counts.reshape(block, units).astype(np.float64)
            left -= block


def _is_thin(sums_UK: NDArray[np.float64]) -> bool:
    """Whether nearly all is zero: an order has a one in one of hundreds of bins."""
    return bool(
        sums_UK.size > _THIN_SIZE and np.count_nonzero(sums_UK) < _THIN_SHARE * sums_UK.size
    )


def _thin(sums_UK: NDArray[np.float64]) -> csc_array:
    from scipy.sparse import csc_array

    return csc_array(sums_UK)


def _kinds(sums_UK: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distinct rows, in the order of their first unit, and how many units have each."""
    rows = np.ascontiguousarray(sums_UK + 0.0)  # no negative zero: rows are compared as bytes
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, sizes = np.unique(keys, return_index=True, return_counts=True)
    order = np.argsort(first)
    return sums_UK[first[order]], sizes[order]


def interval(
    values_B: NDArray[np.float64], num_units: int, level: float = 0.95
) -> tuple[float, float]:
    """The interval that holds ``level`` of the draws, widened for few units."""
    finite = values_B[np.isfinite(values_B)]
    if finite.size == 0:
        return float("-inf"), float("inf")
    tail = _tail(num_units, level)
    # A share of n rows takes few values: half of a tie counts on either side, as in a mid-p value
    # (Ma, Genton and Parzen 2011, "Asymptotic properties of sample quantiles of discrete
    # distributions").
    values, counts = np.unique(finite.round(12), return_counts=True)
    below = (np.cumsum(counts) - counts / 2) / finite.size
    low, high = np.interp([tail, 1 - tail], below, values)
    return float(low), float(high)


def _tail(num_units: int, level: float) -> float:
    tail = (1 - level) / 2
    if num_units < 2:
        return 0.0
    from scipy import special

    widened = np.sqrt(num_units / (num_units - 1)) * special.stdtrit(num_units - 1, tail)
    return float(special.ndtr(widened))


def estimate(
    parts_NK: NDArray[np.float64],
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    draws: Draws,
    value: float | None = None,
) -> Estimate:
    """A metric's value and its 95 % interval.

    Args:
        parts_NK: what each example adds to the metric's sums.
        combine: from sums (..., K) to values (...).
        draws: units and number of draws.
        value: the exact figure, where sums only come close to it: the draws are moved by as much.
    """
    summed = float(combine(parts_NK.sum(axis=0)))
    value = summed if value is None else value
    low, high = interval(combine(draws.sums(parts_NK)) + (value - summed), draws.num_units)
    return Estimate(value, min(low, value), max(high, value))
