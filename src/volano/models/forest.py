"""The detector ``forest``: how few chance cuts set a row apart from the others.

Isolation Forest (Liu et al. 2008). Trees are kept whole to one depth, so that the children of a
node need no pointers: a row goes down all trees at once, one level at a time. Path lengths are
rounded to binary fractions, so that their sum is exact in any order.

Shape suffixes: N rows, F codes, X inputs of the trees (codes, then flags of missing cells), T
trees, I inner nodes, L leaves, C columns.
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

__all__ = ["Forest"]

_BLOCK = 1 << 10  # rows that go down the trees at once
_FARTHEST = 3e38  # in 32 bits
_NAMED = {
    "typical": "typical_F",
    "centre": "centre_F",
    "unit": "unit_F",
    "start": "start_F1",
    "level": "level_K",
    "flagged": "flagged_G",
    "feature": "feature_TI",
    "cut": "cut_TI",
    "path": "path_TL",
}


@dataclass(frozen=True)
class Forest:
    """Trees, and what codes are to them.

    Attributes:
        featuriser: whose codes these are.
        typical_F: the median, or the commonest level: what reasons compare with.
        centre_F: taken from numbers.
        unit_F: what they are then divided by.
        start_F1: where the levels of each code begin in ``level_K``; a number has none.
        level_K: what a level is to the trees: minus the logarithm of its share.
        flagged_G: codes with a flag that says that they are missing.
        unseen: what a level is that training never saw.
        feature_TI: the input that a node asks about.
        cut_TI: a row goes right where it is above.
        path_TL: how long the path to a leaf is, as a share of what is usual.
    """

    featuriser: TableFeaturiser
    typical_F: Floats
    centre_F: Floats
    unit_F: Floats
    start_F1: NDArray[np.int64]
    level_K: Floats
    flagged_G: NDArray[np.int64]
    unseen: float
    feature_TI: NDArray[np.int32]
    cut_TI: NDArray[np.float32]
    path_TL: Floats

    def __post_init__(self) -> None:
        """See that the parts fit together.

        Raises:
            ValueError: they do not.
        """
        num = len(self.featuriser.names)
        codes = {len(self.typical_F), len(self.centre_F), len(self.unit_F), len(self.start_F1) - 1}
        leaves = self.path_TL.shape[1]
        if codes != {num} or int(self.start_F1[-1]) != len(self.level_K):
            raise ValueError("the inputs of a forest fit no columns")
        if self.feature_TI.shape != self.cut_TI.shape or leaves != 1 << self._depth:
            raise ValueError("the trees of a forest are not whole")
        if self.feature_TI.shape[1] != leaves - 1 or len(self.path_TL) != len(self.cut_TI):
            raise ValueError("the nodes of a forest fit no leaves")
        if self.feature_TI.size and not 0 <= self.feature_TI.min() <= self._highest < self._width:
            raise ValueError("a forest asks about a column that it does not have")

    @property
    def _depth(self) -> int:
        return int(self.path_TL.shape[1]).bit_length() - 1

    @property
    def _width(self) -> int:
        return len(self.typical_F) + len(self.flagged_G)

    @property
    def _highest(self) -> int:
        return int(self.feature_TI.max())

    @classmethod
    def load(cls, featuriser: TableFeaturiser, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``arrays`` gave."""
        named = {field: arrays[f"forest.{name}"] for name, field in _NAMED.items()}
        unseen = float(arrays["forest.unseen"][0])
        return cls(featuriser=featuriser, unseen=unseen, **named)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that answers."""
        named = {f"forest.{name}": getattr(self, field) for name, field in _NAMED.items()}
        return {**named, "forest.unseen": np.array([self.unseen])}

    def inputs(self, codes_NF: Floats) -> NDArray[np.float32]:
        """What trees see, shape (N, X): numbers on one scale, levels by rarity, flags."""
        is_missing_NF = np.isnan(codes_NF)
        with np.errstate(over="ignore"):
            value_NF = (codes_NF - self.centre_F) / self.unit_F
        value_NF = np.where(is_missing_NF, 0.0, np.clip(value_NF, -_FARTHEST, _FARTHEST))
        if len(self._level_G):
            code_NG = codes_NF[:, self._level_G]
            is_unseen_NG = ~((code_NG >= 0) & (code_NG < self._count_G))
            place_NG = np.where(is_unseen_NG, 0, code_NG).astype(np.int64) + self._first_G
            value_NF[:, self._level_G] = np.where(is_unseen_NG, self.unseen, self.level_K[place_NG])
        flags_NG = is_missing_NF[:, self.flagged_G]
        return np.concatenate([value_NF, flags_NG], axis=1).astype(np.float32)

    @cached_property
    def _level_G(self) -> NDArray[np.int64]:
        """Codes that are levels."""
        return np.flatnonzero(np.diff(self.start_F1) > 0)

    @cached_property
    def _first_G(self) -> NDArray[np.int64]:
        return self.start_F1[self._level_G]

    @cached_property
    def _count_G(self) -> NDArray[np.int64]:
        return np.diff(self.start_F1)[self._level_G]

    @cached_property
    def _flat(self) -> tuple[NDArray[np.int64], NDArray[np.float32], Floats]:
        """Inputs, cuts and paths of all trees in one line each, as fast to read as can be."""
        return self.feature_TI.ravel().astype(np.int64), self.cut_TI.ravel(), self.path_TL.ravel()

    def oddness(self, codes_NF: Floats) -> Floats:
        """Minus the mean path length as a share of what is usual, shape (N,)."""
        odd_N = np.empty(len(codes_NF))
        for begin in range(0, len(codes_NF), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            odd_N[block] = self._down(self.inputs(codes_NF[block]))
        return odd_N

    def _down(self, value_NX: NDArray[np.float32]) -> Floats:
        feature, cut, path = self._flat
        num, inner = self.feature_TI.shape
        first_T = np.arange(num) * inner
        row_N1 = (np.arange(len(value_NX)) * value_NX.shape[1])[:, None]
        value = value_NX.ravel()
        node_NT = np.zeros((len(value_NX), num), np.int64)
        for _ in range(self._depth):
            at_NT = node_NT + first_T
            is_right_NT = value.take(feature.take(at_NT) + row_N1) > cut.take(at_NT)
            node_NT = 2 * node_NT + 1 + is_right_NT
        leaf_NT = node_NT - inner + np.arange(num) * (inner + 1)
        total_N: Floats = path.take(leaf_NT).sum(axis=1)
        odd_N: Floats = -total_N / num
        return odd_N

    def parts(self, codes_F: Floats) -> tuple[Floats, float]:
        """By how much each column's typical value in place of its cell lowers the oddness.

        The base is the typical row. What columns do only together is spread over them in proportion
        to what each does by itself, so that the parts add up.
        """
        column_F = self.featuriser.column_F
        columns = np.unique(column_F)
        swapped = np.where(column_F == columns[:, None], self.typical_F, codes_F)
        odd = self.oddness(np.concatenate([codes_F[None], self.typical_F[None], swapped]))
        whole, base = float(odd[0]), float(odd[1])
        moved = whole - odd[2:]
        size = np.abs(moved)
        if size.any():
            moved = moved + (whole - base - moved.sum()) * size / size.sum()
        else:
            # No column does anything by itself: all that are not typical share alike.
            differs = ~np.isclose(codes_F, self.typical_F, equal_nan=True)
            is_other = np.isin(columns, column_F[differs])
            moved = (whole - base) * is_other / max(1, int(is_other.sum()))
            base = whole - float(moved.sum())
        weight_C = np.zeros(len(self.featuriser.columns))
        weight_C[columns] = moved
        return weight_C, base
