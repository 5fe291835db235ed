"""The detector ``neighbours``: how far a row is from the nearest of a few others.

Distances to the nearest row of small samples of training rows, twenty rows each (Sugiyama and
Borgwardt 2013), averaged over the samples. It sees what columns are only together, which tails
cannot, and costs the same for any number of training rows.

Shape suffixes: N rows, D features, T samples, S rows of a sample, C columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.table_features import TableFeaturiser

__all__ = ["Neighbours", "by_column", "plain_features"]

_BLOCK = 1 << 10
_TOGETHER = 8  # rows that a product takes at once, always: how BLAS adds depends on the shape


def plain_features(featuriser: TableFeaturiser, codes_NF: Floats) -> Floats:
    """Dense features without the pieces of numbers: each number once, levels one by one."""
    dense_ND = featuriser.dense_of(codes_NF)
    return dense_ND[:, : featuriser.width - len(featuriser.pieces.number_P)]


@dataclass(frozen=True)
class Neighbours:
    """Samples of training rows.

    Attributes:
        featuriser: of the features that distances are of.
        sample_TSD: features of rows.
        mean_C: what columns add for training rows on average: the base of reasons.
    """

    featuriser: TableFeaturiser
    sample_TSD: Floats
    mean_C: Floats

    def __post_init__(self) -> None:
        """See that the parts fit together.

        Raises:
            ValueError: they do not.
        """
        width = self.featuriser.width - len(self.featuriser.pieces.number_P)
        if self.sample_TSD.ndim != 3 or self.sample_TSD.shape[2] != width:
            raise ValueError("samples of rows fit no columns")
        if not self.sample_TSD.shape[0] * self.sample_TSD.shape[1]:
            raise ValueError("a sample without rows")
        if len(self.mean_C) != len(self.featuriser.columns):
            raise ValueError("the means of samples fit no columns")

    @classmethod
    def load(cls, featuriser: TableFeaturiser, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``arrays`` gave."""
        return cls(featuriser, arrays["neighbours.sample"], arrays["neighbours.mean"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that answers."""
        return {"neighbours.sample": self.sample_TSD, "neighbours.mean": self.mean_C}

    @cached_property
    def _across(self) -> tuple[Floats, Floats]:
        """All samples side by side, shape (D, TS), and the squared length of each row."""
        num, size, width = self.sample_TSD.shape
        rows = self.sample_TSD.reshape(num * size, width)
        return np.ascontiguousarray(rows.T), (rows**2).sum(axis=1)

    def oddness(self, codes_NF: Floats) -> Floats:
        """The mean distance to the nearest row of each sample, shape (N,)."""
        odd_N = np.empty(len(codes_NF))
        for begin in range(0, len(codes_NF), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            dense_ND = plain_features(self.featuriser, codes_NF[block])
            square_NT = self._apart(dense_ND).min(axis=2) + _squared(dense_ND)[:, None]
            total_N = np.zeros(len(dense_ND))
            for far_N in np.sqrt(np.maximum(square_NT, 0.0)).T:
                total_N += far_N
            odd_N[block] = total_N / len(self.sample_TSD)
        return odd_N

    def _apart(self, dense_ND: Floats) -> Floats:
        """Squared distances to all rows of samples, less the row's own length, (N, T, S)."""
        across, length = self._across
        num, width = dense_ND.shape
        padded = np.zeros((-(-num // _TOGETHER) * _TOGETHER, width))
        padded[:num] = dense_ND
        eights = padded.reshape(len(padded) // _TOGETHER, _TOGETHER, width)
        product = np.matmul(eights, across).reshape(len(padded), len(length))
        apart: Floats = length - 2.0 * product[:num]
        return apart.reshape(num, *self.sample_TSD.shape[:2])

    def parts(self, codes_F: Floats) -> tuple[Floats, float]:
        """Exact: each column's share of the squared distances, less its mean over rows."""
        return self.column_parts(codes_F[None])[0] - self.mean_C, float(self.mean_C.sum())

    def column_parts(self, codes_NF: Floats) -> Floats:
        """What each column adds to the distance, shape (N, C)."""
        dense_ND = plain_features(self.featuriser, codes_NF)
        part_ND = np.zeros_like(dense_ND)
        for sample, near_N in enumerate(self._apart(dense_ND).argmin(axis=2).T):
            gap_ND = dense_ND - self.sample_TSD[sample, near_N]
            far_N1 = np.sqrt(_squared(gap_ND))[:, None]
            part_ND += gap_ND**2 / np.where(far_N1 > 0, far_N1, 1.0)
        return by_column(self.featuriser, part_ND / len(self.sample_TSD))


def by_column(featuriser: TableFeaturiser, part_ND: Floats) -> Floats:
    """Sums over the features of each column, shape (N, C)."""
    part_NC = np.zeros((len(part_ND), len(featuriser.columns)))
    for feature in range(part_ND.shape[1]):
        part_NC[:, featuriser.column_D[feature]] += part_ND[:, feature]
    return part_NC


def _squared(gap_ND: Floats) -> Floats:
    """Squared lengths; ``einsum`` adds each row by itself, in one order."""
    total_N: Floats = np.einsum("nd,nd->n", gap_ND, gap_ND)
    return total_N
