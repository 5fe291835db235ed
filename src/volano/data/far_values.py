"""Numbers that stand far from all others, again and again: -999 in a column of temperatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from volano.tasks.numbers import number_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FarValue", "find_far_value", "is_again"]

_FEWEST = 5  # rows with it,
_SHARE = 0.005  # and of all that hold a number
_FEWEST_OTHERS = 10  # different numbers


class FarValue(NamedTuple):
    """A number, its share of all, and the least of the others."""

    value: float
    share: float
    low: float

    @property
    def text(self) -> str:
        """The number to its last digit, as a project file names it."""
        return number_text(self.value)


def find_far_value(number_N: NDArray[np.float64]) -> FarValue | None:
    """The least or the greatest number, where it stands further off than the others span.

    One number alone: of -999 beside -998 neither is found.

    Args:
        number_N: NaN where there is none.
    """
    values, counts = np.unique(number_N[np.isfinite(number_N)], return_counts=True)
    if len(values) <= _FEWEST_OTHERS:
        return None
    fewest = max(_FEWEST, _SHARE * counts.sum())
    found = []
    for place, others in ((0, values[1:]), (len(values) - 1, values[:-1])):
        low, high = float(others[0]), float(others[-1])
        away = max(low - values[place], values[place] - high)
        if counts[place] >= fewest and away > high - low:
            share = float(counts[place] / counts.sum())
            found.append((away, FarValue(float(values[place]), share, low)))
    return max(found)[1] if found else None


def is_again(number_N: NDArray[np.float64], value: float) -> bool:
    """Whether a number comes again and again among many others: few may be labels, or levels."""
    others = np.unique(number_N[np.isfinite(number_N) & (number_N != value)])
    return bool((number_N == value).mean() > _SHARE) and len(others) > _FEWEST_OTHERS
