"""How numbers are scored: truth, answers and their intervals, and the metrics of regression.

Shape suffixes: N examples, K sums of a metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.tasks.scoring import Floats, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["INTERVAL", "NUMBER_METRICS", "NumberOutcomes", "number_of", "number_text"]

INTERVAL = 0.9  # how often a new truth is to lie in the interval of its answer
_RIGHT = 0.2  # standard deviations of the truth: an error up to this counts as right
_WORTHLESS = 2.0  # an error of this many and more earns nothing
_LOW, _HIGH = (1 - INTERVAL) / 2, (1 + INTERVAL) / 2


def number_text(number: float) -> str:
    """A number as a target keeps it: one spelling each, read back to the last digit.

    >>> number_text(3.0), number_text(0.1)
    ('3', '0.1')
    """
    is_short = number.is_integer() and abs(number) < 1e15
    return str(int(number)) if is_short else repr(float(number))


def number_of(target: tuple[str, ...] | list[str]) -> float:
    """The number that ``number_text`` wrote into a target.

    Raises:
        ValueError: the target holds no number.
    """
    number = float(target[0])
    if not math.isfinite(number):
        raise ValueError(f"{target[0]} is no finite number")
    return number


@dataclass(frozen=True)
class NumberOutcomes:
    """True numbers and answers on the same examples.

    Attributes:
        truth_N: the true numbers.
        value_N: the answers.
        low_N: low ends of their intervals.
        high_N: high ends.
        scale: standard deviation of the truth, by which errors are called small or large.
    """

    truth_N: Floats
    value_N: Floats
    low_N: Floats
    high_N: Floats
    scale: float = 1.0

    @classmethod
    def of(cls, truth_N: Floats, value_N: Floats, low_N: Floats, high_N: Floats) -> Self:
        """With the scale that these true numbers have."""
        scale = float(truth_N.std()) if len(truth_N) else 0.0
        return cls(truth_N, value_N, low_N, high_N, scale or 1.0)

    @property
    def labels(self) -> tuple[str, ...]:
        """A number has none."""
        return ()

    def __len__(self) -> int:
        return len(self.truth_N)

    def at(self, rows: slice | NDArray[Any], /) -> Self:
        """Those of these rows, on the same scale."""
        parts = self.truth_N[rows], self.value_N[rows], self.low_N[rows], self.high_N[rows]
        return type(self)(*parts, self.scale)

    @property
    def error_N(self) -> Floats:
        """Answer less truth."""
        return self.value_N - self.truth_N

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether the error is at most a fifth of the truth's standard deviation."""
        right: NDArray[np.bool_] = np.abs(self.error_N) <= _RIGHT * self.scale
        return right

    @property
    def credit_N(self) -> Floats:
        """1 for no error, 0 from two standard deviations of the truth on."""
        return 1.0 - np.minimum(np.abs(self.error_N) / (_WORTHLESS * self.scale), 1.0)

    def differs_N(self, other: Self, /) -> NDArray[np.bool_]:
        """Where the other's number is another one."""
        differs: NDArray[np.bool_] = self.value_N != other.value_N
        return differs

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The fields but the scale, by name."""
        return {
            "truth": self.truth_N,
            "value": self.value_N,
            "low": self.low_N,
            "high": self.high_N,
        }


def _mean(sums: Floats) -> Floats:
    mean: Floats = np.divide(
        sums[..., 0], sums[..., 1], out=np.full_like(sums[..., 0], np.nan), where=sums[..., 1] > 0
    )
    return mean


def _with_count(values_N: Floats) -> Floats:
    return np.stack([values_N, np.ones_like(values_N)], axis=1)


def _absolute_parts(found: NumberOutcomes) -> Floats:
    return _with_count(np.abs(found.error_N))


def _squared_parts(found: NumberOutcomes) -> Floats:
    return _with_count(found.error_N**2)


def _root_mean(sums: Floats) -> Floats:
    root: Floats = np.sqrt(_mean(sums))
    return root


def _explained_parts(found: NumberOutcomes) -> Floats:
    # Shifted by one fixed number, so that the variance of large numbers keeps its digits.
    shifted = found.truth_N - (found.truth_N[0] if len(found) else 0.0)
    return np.stack([found.error_N**2, shifted, shifted**2, np.ones(len(found))], axis=1)


def _explained(sums: Floats) -> Floats:
    squared, total, total_squares, count = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = total_squares - total**2 / count
        found: Floats = np.where(spread > 0, 1.0 - squared / spread, np.nan)
    return found


def _pinball_parts(found: NumberOutcomes) -> Floats:
    """Mean loss of the interval's two ends as quantiles (Koenker and Bassett 1978)."""

    def loss(end_N: Floats, level: float) -> Floats:
        under_N = found.truth_N - end_N
        return np.maximum(level * under_N, (level - 1.0) * under_N)

    return _with_count((loss(found.low_N, _LOW) + loss(found.high_N, _HIGH)) / 2)


def _coverage_parts(found: NumberOutcomes) -> Floats:
    inside_N = (found.low_N <= found.truth_N) & (found.truth_N <= found.high_N)
    return _with_count(inside_N.astype(np.float64))


NUMBER_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mae", _absolute_parts, _mean, better="lower"),
        Metric("rmse", _squared_parts, _root_mean, better="lower"),
        Metric("r2", _explained_parts, _explained),
        Metric("pinball", _pinball_parts, _mean, better="lower"),
        Metric("coverage", _coverage_parts, _mean, decides=False),
    )
}
