"""From how odd a row is to the share of training rows that are less odd, as log-odds.

Detectors each have a measure of their own (a path through trees, a distance); as shares of the same
rows they can be compared, averaged and read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.table_features import TableFeaturiser

__all__ = ["Detector", "OddScale"]

_MOST = 1000
_LOWEST = 1e-12


class Detector(Protocol):
    """What measures how odd rows are; shape suffixes: N rows, F codes, C columns of the table."""

    @classmethod
    def load(cls, featuriser: TableFeaturiser, arrays: Mapping[str, NDArray[Any]]) -> Detector:
        """Read back what ``arrays`` gave.

        Raises:
            KeyError, TypeError, ValueError: the parts do not fit together.
        """
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that answers, by names that begin with the detector's own."""
        ...

    def oddness(self, codes_NF: Floats, /) -> Floats:
        """Larger is odder, shape (N,); a row's does not depend on the rows beside it."""
        ...

    def parts(self, codes_F: Floats, /) -> tuple[Floats, float]:
        """What each column adds to one row's oddness, shape (C,), and the base that they add to."""
        ...


@dataclass(frozen=True)
class OddScale:
    """Shares of training rows by their oddness, at up to 1,000 points.

    Attributes:
        value_Q: oddness, rising.
        logit_Q: log-odds of the share of training rows that are less odd (equal ones count half).
        unit: of oddness beyond the points, where log-odds go on by a logarithm: order is kept, and
            no row comes so near to certainty that numbers cannot tell it from others.
    """

    value_Q: Floats
    logit_Q: Floats
    unit: float

    def __post_init__(self) -> None:
        """See that it rises.

        Raises:
            ValueError: it does not.
        """
        rises = (np.diff(self.value_Q) > 0).all() and (np.diff(self.logit_Q) > 0).all()
        fits = self.value_Q.shape == self.logit_Q.shape and self.value_Q.size > 0
        whole = np.isfinite([*self.value_Q, *self.logit_Q, self.unit]).all() and self.unit > 0
        if not (rises and fits and whole):
            raise ValueError("a scale of oddness does not rise")

    @classmethod
    def fit(cls, value_N: Floats) -> Self:
        """From the oddness of training rows, best of rows that the detector had not seen."""
        value_U, count_U = np.unique(value_N, return_counts=True)
        share_U = (np.cumsum(count_U) - count_U / 2) / len(value_N)
        logit_U = np.log(share_U) - np.log1p(-share_U)
        if len(value_U) > _MOST:
            # Half of the points by share, half by log-odds: alerts are told apart in the tail.
            by_logit = np.linspace(logit_U[0], logit_U[-1], _MOST // 2)
            by_share = np.linspace(0.0, 1.0, _MOST // 2)
            near = [np.searchsorted(logit_U, by_logit), np.searchsorted(share_U, by_share)]
            kept = np.unique(np.clip(np.concatenate(near), 0, len(value_U) - 1))
            value_U, logit_U, share_U = value_U[kept], logit_U[kept], share_U[kept]
        upper = value_U[-1] - value_U[np.searchsorted(share_U, min(0.9, share_U[-1]))]
        spread = float(upper) or float(value_U[-1] - value_U[0]) or abs(float(value_U[0])) or 1.0
        return cls(value_U, logit_U, max(spread, _LOWEST))

    def logits(self, value_N: Floats) -> Floats:
        """Log-odds of the share of training rows that are less odd, shape (N,)."""
        low, high = self.value_Q[0], self.value_Q[-1]
        inside_N = np.clip(value_N, low, high)
        place_N = np.searchsorted(self.value_Q, inside_N, side="right") - 1
        next_N = np.minimum(place_N + 1, len(self.value_Q) - 1)
        start_N = self.value_Q[place_N]
        width_N = self.value_Q[next_N] - start_N
        along_N = (inside_N - start_N) / np.where(width_N > 0, width_N, 1.0)
        base_N = self.logit_Q[place_N]
        logit_N: Floats = base_N + along_N * (self.logit_Q[next_N] - base_N)
        above_N = np.log1p(np.maximum(value_N - high, 0.0) / self.unit)
        below_N = np.log1p(np.maximum(low - value_N, 0.0) / self.unit)
        found: Floats = logit_N + above_N - below_N
        return found

    def slope(self, value: float, base: float) -> float:
        """How much log-odds rise for each unit of oddness between ``base`` and ``value``."""
        far, near = self.logits(np.array([value, base]))
        return float((far - near) / (value - base)) if value != base else 0.0

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        named = {"value": self.value_Q, "logit": self.logit_Q, "unit": np.array([self.unit])}
        return {f"scale.{name}.{part}": found for part, found in named.items()}

    @classmethod
    def load(cls, name: str, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``arrays`` gave."""
        value, logit, unit = (arrays[f"scale.{name}.{part}"] for part in ("value", "logit", "unit"))
        return cls(value, logit, float(unit[0]))
