"""The detector ``tails``: how far out each cell lies in the distribution of its column.

ECOD (Li et al. 2022, arXiv:2201.00382): of each column the negative logarithm of the share of
training rows that lie as far out to the left, or to the right; their sums over columns, to the
left, to the right, and to the side of each column's longer tail. The largest of the three sums
counts. A level counts by the share of rows whose level is as rare; missing is a level.

Shape suffixes: N rows, F codes, K knots of all codes, C columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.table_features import TableFeaturiser

__all__ = ["Tails"]

_FEW = 4  # rows for which all knots of all columns are compared at once
_NAMED = {
    "start": "start_F1",
    "knot": "knot_K",
    "left": "left_K",
    "right": "right_K",
    "missing": "missing_F",
    "is_left": "is_left_F",
    "mean": "mean_C",
}


@dataclass(frozen=True)
class Tails:
    """Tails of each code, and what they cost.

    Attributes:
        featuriser: whose codes these are.
        start_F1: where the knots of each code begin, and where the last one's end.
        knot_K: values of training rows, rising within a code.
        left_K: minus the logarithm of the share of rows at or left of the knot.
        right_K: the same to the right.
        missing_F: what a missing cell costs.
        is_left_F: whether the longer tail is the left one.
        beyond: what a value costs that lies farther out than all of training.
        mean_C: what columns cost training rows on average: the base of reasons.
    """

    featuriser: TableFeaturiser
    start_F1: NDArray[np.int64]
    knot_K: Floats
    left_K: Floats
    right_K: Floats
    missing_F: Floats
    is_left_F: NDArray[np.bool_]
    beyond: float
    mean_C: Floats

    def __post_init__(self) -> None:
        """See that the parts fit together.

        Raises:
            ValueError: they do not.
        """
        num, start = len(self.featuriser.names), self.start_F1
        knots = {len(self.knot_K), len(self.left_K), len(self.right_K), int(start[-1])}
        codes = {len(start) - 1, len(self.missing_F), len(self.is_left_F), num}
        if len(knots) > 1 or len(codes) > 1 or (np.diff(start) < 1).any() or start[0] != 0:
            raise ValueError("tails fit no columns")
        if len(self.mean_C) != len(self.featuriser.columns):
            raise ValueError("the means of tails fit no columns")

    @classmethod
    def load(cls, featuriser: TableFeaturiser, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``arrays`` gave."""
        named = {field: arrays[f"tails.{name}"] for name, field in _NAMED.items()}
        beyond = float(arrays["tails.beyond"][0])
        return cls(featuriser=featuriser, beyond=beyond, **named)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that answers."""
        named = {f"tails.{name}": getattr(self, field) for name, field in _NAMED.items()}
        return {**named, "tails.beyond": np.array([self.beyond])}

    def oddness(self, codes_NF: Floats) -> Floats:
        """The largest of the three sums, shape (N,)."""
        found: Floats = self._sums(*self._costs(codes_NF)).max(axis=0)
        return found

    def parts(self, codes_F: Floats) -> tuple[Floats, float]:
        """Exact: what each column adds to the sum that counts, less its mean over training rows."""
        weight_C = self.column_costs(codes_F[None])[0] - self.mean_C
        return weight_C, float(self.mean_C.sum())

    def column_costs(self, codes_NF: Floats) -> Floats:
        """What each column adds to the sum that counts, shape (N, C)."""
        left_NF, right_NF = self._costs(codes_NF)
        side_N = self._sums(left_NF, right_NF).argmax(axis=0)[:, None]
        longer_NF = np.where(self.is_left_F, left_NF, right_NF)
        cost_NF = np.where(side_N == 0, left_NF, np.where(side_N == 1, right_NF, longer_NF))
        cost_NC = np.zeros((len(codes_NF), len(self.mean_C)))
        for feature, column in enumerate(self.featuriser.column_F):
            cost_NC[:, column] += cost_NF[:, feature]
        return cost_NC

    def _sums(self, left_NF: Floats, right_NF: Floats) -> Floats:
        """Over codes, shape (3, N): left, right, longer tail."""
        sum_3N = np.zeros((3, len(left_NF)))
        # One code after another: a row's sum must not depend on the rows beside it.
        for feature, is_left in enumerate(self.is_left_F):
            left_N, right_N = left_NF[:, feature], right_NF[:, feature]
            sum_3N += np.stack([left_N, right_N, left_N if is_left else right_N])
        return sum_3N

    def _costs(self, codes_NF: Floats) -> tuple[Floats, Floats]:
        """Minus the logarithms of both tails at each code; between knots on a straight line."""
        first_F, last_F = self.start_F1[:-1], self.start_F1[1:] - 1
        low_F, high_F = self.knot_K[first_F], self.knot_K[last_F]
        is_missing_NF = np.isnan(codes_NF)
        known_NF = np.where(is_missing_NF, low_F, codes_NF)
        inside_NF = np.clip(known_NF, low_F, high_F)
        place_NF = np.maximum(self._places(inside_NF), first_F)
        next_NF = np.minimum(place_NF + 1, last_F)
        start_NF = self.knot_K[place_NF] / 2  # halved, so that no difference overflows
        width_NF = self.knot_K[next_NF] / 2 - start_NF
        along_NF = (inside_NF / 2 - start_NF) / np.where(width_NF > 0, width_NF, 1.0)
        ends = (known_NF < low_F, known_NF > high_F)
        both = []
        for cost_K, is_beyond_NF in zip((self.left_K, self.right_K), ends, strict=True):
            from_NF = cost_K[place_NF]
            cost_NF = from_NF + along_NF * (cost_K[next_NF] - from_NF)
            cost_NF = np.where(is_beyond_NF, self.beyond, cost_NF)
            both.append(np.where(is_missing_NF, self.missing_F, cost_NF))
        return both[0], both[1]

    def _places(self, inside_NF: Floats) -> NDArray[np.int64]:
        """The last knot at or left of each value."""
        start = self.start_F1
        if len(inside_NF) <= _FEW:
            owner_K = np.repeat(np.arange(len(start) - 1), np.diff(start))
            is_left_NK = self.knot_K <= inside_NF[:, owner_K]
            found: NDArray[np.int64] = np.add.reduceat(is_left_NK, start[:-1], axis=1, dtype=int)
            return found + start[:-1] - 1
        place_NF = np.empty(inside_NF.shape, np.int64)
        for feature, (begin, end) in enumerate(zip(start[:-1], start[1:], strict=True)):
            knots, value_N = self.knot_K[begin:end], inside_NF[:, feature]
            place_NF[:, feature] = np.searchsorted(knots, value_N, side="right") + begin - 1
        return place_NF
