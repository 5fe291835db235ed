"""The detector ``autoencoder``: how badly a network that squeezes rows gives a row back.

The root of the summed squared errors of all features; the shares of columns in that sum are exact
reasons. Shape suffixes: N rows, F codes, D features, C columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from volano.models.neighbours import by_column, plain_features
from volano.models.table_mlp import TableMlpEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.models.calibration import Floats
    from volano.models.table_features import TableFeaturiser

__all__ = ["Reconstruction"]

_BLOCK = 1 << 12
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Reconstruction:
    """Layers from plain features back to themselves.

    Attributes:
        featuriser: of the features.
        layers: weights (in, out) and bias (out,) of each.
        mean_C: what columns add for training rows on average: the base of reasons.
    """

    featuriser: TableFeaturiser
    layers: tuple[Layer, ...]
    mean_C: Floats

    def __post_init__(self) -> None:
        """See that the parts fit together.

        Raises:
            ValueError: they do not.
        """
        width = start = self.featuriser.width - len(self.featuriser.pieces.number_P)
        for weights, bias in self.layers:
            if weights.shape != (width, bias.size):
                raise ValueError(f"a layer of shape {weights.shape} fits no {width} inputs")
            width = bias.size
        if not self.layers or width != start:
            raise ValueError("a network does not give back what it was given")
        if len(self.mean_C) != len(self.featuriser.columns):
            raise ValueError("the means of errors fit no columns")

    @classmethod
    def load(cls, featuriser: TableFeaturiser, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``arrays`` gave."""
        layers: list[Layer] = []
        for place in count():
            if f"autoencoder.{place}.weights" not in arrays:
                break
            weights = np.ascontiguousarray(arrays[f"autoencoder.{place}.weights"], np.float32)
            layers.append((weights, np.asarray(arrays[f"autoencoder.{place}.bias"], np.float32)))
        return cls(featuriser, tuple(layers), arrays["autoencoder.mean"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that answers."""
        named: dict[str, NDArray[Any]] = {"autoencoder.mean": self.mean_C}
        for place, (weights, bias) in enumerate(self.layers):
            named[f"autoencoder.{place}.weights"] = weights
            named[f"autoencoder.{place}.bias"] = bias
        return named

    @cached_property
    def _network(self) -> TableMlpEngine:
        return TableMlpEngine(self.featuriser, self.layers)

    def oddness(self, codes_NF: Floats) -> Floats:
        """The root of the summed squared errors, shape (N,)."""
        found = [
            np.sqrt(np.einsum("nd->n", self._squared_errors(codes_NF[begin : begin + _BLOCK])))
            for begin in range(0, max(1, len(codes_NF)), _BLOCK)
        ]
        return np.concatenate(found)

    def _squared_errors(self, codes_NF: Floats) -> Floats:
        dense_ND = plain_features(self.featuriser, codes_NF)
        squared: Floats = (self._network.passed(dense_ND) - dense_ND) ** 2
        return squared

    def parts(self, codes_F: Floats) -> tuple[Floats, float]:
        """Exact: each column's share of the squared errors, less its mean over rows."""
        return self.column_parts(codes_F[None])[0] - self.mean_C, float(self.mean_C.sum())

    def column_parts(self, codes_NF: Floats) -> Floats:
        """What each column adds to the oddness, shape (N, C)."""
        squared_ND = self._squared_errors(codes_NF)
        root_N1 = np.sqrt(np.einsum("nd->n", squared_ND))[:, None]
        part_ND = squared_ND / np.where(root_N1 > 0, root_N1, 1.0)
        return by_column(self.featuriser, part_ND)
