"""How far off a number may be: intervals from residuals of rows that were held out.

Split conformal prediction (Vovk et al. 2005; Lei et al. 2018, arXiv:1604.04173), by bins of the
predicted value (Mondrian), so that large values may err by more than small ones. The ends are
quantiles of signed residuals with the finite-sample correction: of new rows like the held-out ones,
at least ``level`` lie inside, in every bin; with fewer than 19 rows, as many as between the least
residual and the greatest. Where the held-out rows are one stretch of time and new ones lie beyond
it, the side they err to may turn: quantiles are then of sizes alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.tasks.numbers import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.models.calibration import Floats

__all__ = ["Spread"]

_MOST_BINS = 10
_FEWEST = 200  # held-out rows in a bin: its quantiles are then those of ten rows a side
_PREFIX = "spread."


@dataclass(frozen=True)
class Spread:
    """What is added to a value for the ends of its interval; B bins of the predicted value.

    Attributes:
        edge_B: the lowest value of each bin but the first, B - 1 of them.
        low_B: added for the low end; 0 at most.
        high_B: added for the high end; 0 at least.
        level: how often a new truth is to lie inside.
    """

    edge_B: Floats
    low_B: Floats
    high_B: Floats
    level: float = INTERVAL

    @classmethod
    def fit(
        cls, value_H: Floats, truth_H: Floats, level: float = INTERVAL, *, is_even: bool = False
    ) -> Self:
        """From answers to rows that the answering model had not seen, and their truth.

        Args:
            value_H: the answers.
            truth_H: the truth.
            level: how often a new truth is to lie inside.
            is_even: whether both sides reach equally far, whichever side these rows err to.

        Raises:
            ValueError: there is no row.
        """
        if not len(value_H):
            raise ValueError("an interval needs rows that were held out")
        num_bins = max(1, min(_MOST_BINS, len(value_H) // _FEWEST))
        wanted = np.arange(1, num_bins) / num_bins
        edges = np.unique(np.quantile(value_H, wanted, method="higher"))
        edge_B = edges[edges > value_H.min()]  # where most values are one, the first would be empty
        bin_H = np.searchsorted(edge_B, value_H, side="right")
        residual_H = truth_H - value_H
        ends_of = _even_ends if is_even else _ends
        ends = [ends_of(residual_H[bin_H == b], level) for b in range(len(edge_B) + 1)]
        low_B, high_B = np.array(ends, dtype=np.float64).T
        return cls(edge_B, low_B.copy(), high_B.copy(), level)

    def ends(self, value_N: Floats) -> tuple[Floats, Floats]:
        """Low and high ends of the intervals of these values, shape (N,) each."""
        bin_N = np.searchsorted(self.edge_B, value_N, side="right")
        return value_N + self.low_B[bin_N], value_N + self.high_B[bin_N]

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``, as its ``calibration``."""
        return {"level": self.level}

    def arrays(self) -> dict[str, Floats]:
        """The part that goes into the weights."""
        parts = {"edge": self.edge_B, "low": self.low_B, "high": self.high_B}
        return {f"{_PREFIX}{name}": part for name, part in parts.items()}

    @classmethod
    def load(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``settings`` and ``arrays`` gave.

        Raises:
            KeyError, TypeError, ValueError: they do not fit together.
        """
        edge_B, low_B, high_B = (arrays[f"{_PREFIX}{name}"] for name in ("edge", "low", "high"))
        if not low_B.shape == high_B.shape == (len(edge_B) + 1,) or (np.diff(edge_B) <= 0).any():
            raise ValueError(f"{len(edge_B)} edges for {low_B.size} bins of a spread")
        return cls(edge_B, low_B, high_B, float(settings["level"]))


def _ends(residual_H: Floats, level: float) -> tuple[float, float]:
    """The residuals that leave ``1 - level`` of new ones outside, half on each side.

    Of too few rows the least and the greatest.
    """
    ranked, num = np.sort(residual_H), residual_H.size
    cut = math.floor((num + 1) * (1.0 - level) / 2 + 1e-9)
    low, high = (ranked[cut - 1], ranked[num - cut]) if cut else (ranked[0], ranked[-1])
    return min(float(low), 0.0), max(float(high), 0.0)


def _even_ends(residual_H: Floats, level: float) -> tuple[float, float]:
    """As far to both sides as the residuals' sizes say; of too few rows the greatest."""
    ranked, num = np.sort(np.abs(residual_H)), residual_H.size
    cut = math.floor((num + 1) * (1.0 - level) + 1e-9)
    far = float(ranked[num - max(cut, 1)])
    return -far, far
