"""The engine ``table-mlp``: a network of a few layers over the dense features of a table.

``relu(x @ W + b)`` for each layer but the last, which is plain. Shape suffixes: N rows, D dense
features, H outputs of a layer, L labels (1 for a number), S steps of an integral.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from volano.models.table_features import TableFeaturiser, blocks
from volano.models.table_reasons import fold, lead

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from volano.models.calibration import Floats
    from volano.models.rows import Row, Rows

__all__ = ["TableMlpEngine"]

Layer = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]

_BLOCK = 1 << 12
_TOGETHER = 8  # rows that a product takes at once, always: see _times
_STEPS = 128


@dataclass(frozen=True)
class TableMlpEngine:
    """Layers over dense features.

    Attributes:
        featuriser: from rows to features.
        layers: weights (in, out) and bias (out,) of each, the first over D, the last to L; of 32
            bits, or of 64 where the last counts in numbers too large for these.
    """

    featuriser: TableFeaturiser
    layers: tuple[Layer, ...]

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``settings`` and ``arrays`` as given by the methods of these names."""
        featuriser = TableFeaturiser.load(settings["features"], arrays)
        layers = tuple(
            (
                np.ascontiguousarray(arrays[f"layer.{place}.weights"]),
                np.asarray(arrays[f"layer.{place}.bias"]),
            )
            for place in range(settings["layers"])
        )
        width = featuriser.width
        for weights, bias in layers:
            if weights.shape != (width, bias.size):
                raise ValueError(f"a layer of shape {weights.shape} fits no {width} inputs")
            width = bias.size
        if not layers:
            raise ValueError("a network without layers")
        return cls(featuriser, layers)

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        return {"features": self.featuriser.settings(), "layers": len(self.layers)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        named: dict[str, NDArray[Any]] = dict(self.featuriser.arrays())
        for place, (weights, bias) in enumerate(self.layers):
            named[f"layer.{place}.weights"] = weights
            named[f"layer.{place}.bias"] = bias
        return named

    def files(self) -> dict[str, bytes]:
        """Nothing beside the arrays."""
        return {}

    def decide(self, rows: Rows) -> Floats:
        """Decision values, shape (N, L)."""
        found = [self.passed(self.featuriser.dense(block)) for block in blocks(rows, _BLOCK)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def passed(self, dense_ND: Floats) -> Floats:
        """What the network gives of dense features, shape (N, L)."""
        value_NH: NDArray[np.floating[Any]] = dense_ND.astype(np.float32)
        for weights, bias in self.layers[:-1]:
            value_NH = np.maximum(_times(value_NH, weights) + bias, np.float32(0))
        weights, bias = self.layers[-1]
        return (_times(value_NH.astype(weights.dtype), weights) + bias).astype(np.float64)

    def reasons(self, row: Row, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """What each column adds to the label's value, against the mean row; then the base.

        Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) from the mean of the
        training rows to this one, by the midpoints of 128 steps. What the steps leave out of the
        sum, and what the network's 32 bits round off, is spread over the columns in proportion to
        what each moved, so that reasons add up exactly.
        """
        dense_D, mean_D = self.featuriser.dense([row])[0], self.featuriser.mean_D
        both = np.stack([mean_D, dense_D])
        base, value = (float(lead(v, label, is_rival=is_rival)) for v in self.passed(both))
        step_S = (np.arange(_STEPS) + 0.5) / _STEPS
        path_SD = mean_D + step_S[:, None] * (dense_D - mean_D)
        slope_D = self._slopes(path_SD, label, is_rival=is_rival).mean(axis=0)
        weight_D = slope_D * (dense_D - mean_D)
        moved_D = np.abs(weight_D)
        if moved_D.any():
            weight_D += (value - base - weight_D.sum()) * moved_D / moved_D.sum()
        else:
            base = value
        return fold(self.featuriser, weight_D, self.featuriser.column_D, base)

    def _slopes(self, dense_SD: Floats, label: int, *, is_rival: bool) -> Floats:
        """Gradients of the label's value by the features, shape (S, D)."""
        value_SH, masks = dense_SD, []
        for weights, bias in self.layers[:-1]:
            value_SH = value_SH @ weights.astype(np.float64) + bias
            masks.append(value_SH > 0)
            value_SH = value_SH * masks[-1]
        last = lead(self.layers[-1][0].astype(np.float64), label, is_rival=is_rival)
        slope_SH: Floats = np.broadcast_to(last, (len(dense_SD), len(last)))
        for (weights, _), mask in zip(self.layers[-2::-1], masks[::-1], strict=True):
            slope_SH = (slope_SH * mask) @ weights.astype(np.float64).T
        return slope_SH


def _times(
    value_NH: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """The product, eight rows at a time, the last ones padded.

    How BLAS adds depends on the shape that it is asked for, so it is asked for one shape alone: a
    row then gives the same digits whatever stands beside it.
    """
    num, width = value_NH.shape
    padded = np.zeros((-(-num // _TOGETHER) * _TOGETHER, width), dtype=value_NH.dtype)
    padded[:num] = value_NH
    found = np.matmul(padded.reshape(-1, _TOGETHER, width), weights)
    product: NDArray[np.floating[Any]] = found.reshape(-1, weights.shape[1])[:num]
    return product
