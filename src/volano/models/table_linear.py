"""The engine ``table-linear``: the dense features of a table times weights.

Shape suffixes: N rows, D dense features, L labels (1 for a number).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.models.table_features import TableFeaturiser, blocks
from volano.models.table_reasons import fold, lead

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.rows import Row, Rows

__all__ = ["TableLinearEngine"]

_BLOCK = 1 << 12  # rows whose dense features stay in a processor's cache


@dataclass(frozen=True)
class TableLinearEngine:
    """Weights over dense features.

    Attributes:
        featuriser: from rows to features.
        weights: shape (D, L).
        bias: shape (L,).
    """

    featuriser: TableFeaturiser
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``settings`` and ``arrays`` as given by the methods of these names."""
        featuriser = TableFeaturiser.load(settings["features"], arrays)
        weights = np.ascontiguousarray(arrays["linear.weights"], dtype=np.float64)
        bias = np.asarray(arrays["linear.bias"], dtype=np.float64)
        if weights.shape != (featuriser.width, bias.size):
            raise ValueError(f"weights of shape {weights.shape} fit no features or labels")
        return cls(featuriser, weights, bias)

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        return {"features": self.featuriser.settings()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        mine = {"linear.weights": self.weights, "linear.bias": self.bias}
        return {**self.featuriser.arrays(), **mine}

    def files(self) -> dict[str, bytes]:
        """Nothing beside the arrays."""
        return {}

    def decide(self, rows: Rows) -> Floats:
        """Decision values, shape (N, L)."""
        found = [self._times(self.featuriser.dense(block)) for block in blocks(rows, _BLOCK)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _times(self, dense_ND: Floats) -> Floats:
        """The product, by scipy's loop over a row's features in their order.

        BLAS would be faster, and its last digits depend on the rows beside.
        """
        from scipy.sparse import _sparsetools

        multiply: Any = _sparsetools.csr_matvecs
        height, width = dense_ND.shape
        num_labels = self.bias.size
        starts = np.arange(0, height * width + 1, max(width, 1), dtype=np.int32)[: height + 1]
        columns = np.tile(np.arange(width, dtype=np.int32), height)
        value_NL = np.zeros((height, num_labels))
        flat = self.weights.reshape(-1), value_NL.reshape(-1)
        if width:
            multiply(height, width, num_labels, starts, columns, dense_ND.reshape(-1), *flat)
        value_NL += self.bias
        return value_NL

    def reasons(self, row: Row, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """What each column adds to the label's value, against the mean row; then the base.

        Coefficient times (feature - its mean over training rows), summed over the features of a
        column; the base is the value of the mean row.
        """
        weight_D = lead(self.weights, label, is_rival=is_rival)
        bias = float(lead(self.bias, label, is_rival=is_rival))
        dense_D, mean_D = self.featuriser.dense([row])[0], self.featuriser.mean_D
        base = float(weight_D @ mean_D) + bias
        return fold(self.featuriser, weight_D * (dense_D - mean_D), self.featuriser.column_D, base)
