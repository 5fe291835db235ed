"""Numbers of a table on one scale, and in pieces, for linear models and networks.

Shape suffixes: N rows, M numbers, P pieces of these.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pieces", "Scaling"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SKEWED = 2.0
_MOST_PIECES = 256  # of all numbers together: what a wide table can afford
_PIECES = 16  # of one number
_ROWS_A_PIECE = 25
_FARTHEST = 10.0  # standard deviations: farther out, a number says no more than that it is far


class Scaling(NamedTuple):
    """How codes that are numbers come on one scale; a figure for each of the M.

    ``(x - centre) / spread``, its logarithm on both sides of zero where the tail is long, then
    standardised.
    """

    centre: Floats
    spread: Floats
    is_skewed: NDArray[np.bool_]
    mean: Floats
    scale: Floats

    @classmethod
    def blank(cls, num: int) -> Self:
        """Scales that leave numbers as they are."""
        is_skewed = np.zeros(num, np.bool_)
        return cls(np.zeros(num), np.ones(num), is_skewed, np.zeros(num), np.ones(num))

    @classmethod
    def fit(cls, number_NM: Floats) -> Self:
        """From training rows; NaN is left out."""
        figures = [_centre_and_spread(number_NM[:, m]) for m in range(number_NM.shape[1])]
        centre, spread, skew = np.array(figures, dtype=np.float64).reshape(-1, 3).T
        nothing = np.zeros(len(centre)), np.ones(len(centre))
        draft = cls(centre.copy(), spread.copy(), np.abs(skew) > _SKEWED, *nothing)
        with np.errstate(over="ignore"):
            bent_NM = draft.bend(number_NM)
        means = [_mean_and_scale(bent_NM[:, m]) for m in range(bent_NM.shape[1])]
        mean, scale = np.array(means, dtype=np.float64).reshape(-1, 2).T
        return draft._replace(mean=mean.copy(), scale=scale.copy())

    def bend(self, number_NM: Floats) -> Floats:
        """Centred, and with logarithms where the tail is long."""
        scaled = (number_NM - self.centre) / self.spread
        logs = np.copysign(np.log1p(np.abs(scaled)), scaled)
        return np.where(self.is_skewed, logs, scaled)

    def apply(self, number_NM: Floats) -> Floats:
        """Standardised numbers; NaN stays."""
        with np.errstate(over="ignore"):  # what is too far out to compute with is clipped as well
            standard: Floats = (self.bend(number_NM) - self.mean) / self.scale
        clipped: Floats = np.clip(standard, -_FARTHEST, _FARTHEST)
        return clipped


def _centre_and_spread(value_N: Floats) -> tuple[float, float, float]:
    """Median, a spread that is not zero, and the skewness."""
    found = value_N[np.isfinite(value_N)]
    if not found.size:
        return 0.0, 1.0, 0.0
    centre = float(np.median(found))
    away = np.abs(found - centre)
    spread = float(np.median(away)) or float(np.median(away[away > 0])) if away.any() else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        off = (found - found.mean()) / (found.std() or 1.0)
        skew = float(np.mean(off**3))
    return centre, spread if np.isfinite(spread) else 1.0, skew if np.isfinite(skew) else 9.0


def _mean_and_scale(value_N: Floats) -> tuple[float, float]:
    found = value_N[np.isfinite(value_N)]
    if not found.size:
        return 0.0, 1.0
    scale = float(found.std())
    return float(found.mean()), scale if np.isfinite(scale) and scale > 1e-12 else 1.0


class Pieces(NamedTuple):
    """Numbers cut into pieces, each a feature that runs from 0 to 1 along its piece.

    A weight a piece makes any bent line of a straight model (Gorishniy et al. 2022,
    arXiv:2203.05556). Cuts are at quantiles of training rows; where values are few, at each.

    Attributes:
        number_P: the number that each is a piece of.
        start_P: where it begins.
        length_P: how long it is.
    """

    number_P: Ints
    start_P: Floats
    length_P: Floats

    @classmethod
    def none(cls) -> Self:
        """No number is cut."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    @classmethod
    def fit(cls, number_NM: Floats) -> Self:
        """From training rows; fewer pieces for few rows, and for a table of many numbers."""
        found: list[tuple[int, Floats]] = []
        most = min(_PIECES, _MOST_PIECES // max(number_NM.shape[1], 1))
        for m in range(number_NM.shape[1]):
            value_N = number_NM[:, m]
            found.append((m, _cuts(value_N[np.isfinite(value_N)], most)))
        number_P = np.concatenate([[m] * (len(cut) - 1) for m, cut in found] or [[]])
        start_P = np.concatenate([cut[:-1] for _, cut in found] or [np.zeros(0)])
        with np.errstate(over="ignore"):
            length_P = np.concatenate([np.diff(cut) for _, cut in found] or [np.zeros(0)])
        is_kept = np.isfinite(length_P)
        return cls(number_P.astype(np.int64)[is_kept], start_P[is_kept], length_P[is_kept])

    def apply(self, number_NM: Floats) -> Floats:
        """How far along each piece a number stands, shape (N, P); no NaN may be left in it."""
        with np.errstate(over="ignore"):
            along_NP = (number_NM[:, self.number_P] - self.start_P) / self.length_P
        clipped: Floats = np.clip(along_NP, 0.0, 1.0)
        return clipped


def _cuts(value_N: Floats, most: int) -> Floats:
    """Where a number is cut, from its least value to its greatest; nowhere where it has two."""
    num = min(most, value_N.size // _ROWS_A_PIECE)
    values = np.unique(value_N)
    if num < 2 or values.size <= 2:
        return values[:1]
    if values.size <= 2 * num:
        return values
    return np.unique(np.quantile(value_N, np.linspace(0.0, 1.0, num + 1), method="nearest"))
