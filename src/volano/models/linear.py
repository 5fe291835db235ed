"""The linear engine: sparse features times weights, by one head or by several that are blended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from volano.models.calibration import log_softmax
from volano.models.text_features import Rows, TextFeaturiser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

    from volano.models.calibration import Floats

__all__ = ["Head", "LinearEngine", "Weighed", "blend"]


@dataclass(frozen=True)
class Head:
    """One linear model over the features: weights (features, labels), bias (labels,), its share.

    ``temperature`` makes heads comparable before they are blended; alone it plays no part.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    share: float = 1.0
    temperature: float = 1.0

    def decide(self, features: sparse.csr_array) -> Floats:
        """Decision values, shape (rows, labels)."""
        rows = Rows(features.data, features.indices, features.indptr)
        return self.decide_rows(rows)

    def decide_rows(self, rows: Rows) -> Floats:
        """The product of scipy's matrices, without the time that it takes to make one.

        It adds a row's features in column order, whatever rows stand beside it.
        """
        from scipy.sparse import _sparsetools

        multiply: Any = _sparsetools.csr_matvecs
        height, (width, num_labels) = rows.starts.size - 1, self.weights.shape
        product = np.zeros((height, num_labels), dtype=np.float32)
        places = (part.astype(np.int32, copy=False) for part in (rows.starts, rows.columns))
        flat = self.weights.reshape(-1), product.reshape(-1)  # views: weights are contiguous
        values = rows.values.astype(np.float32, copy=False)
        multiply(height, width, num_labels, *places, values, *flat)
        product += self.bias
        return product.astype(np.float64)


class Weighed(Protocol):
    """What is blended: its share, and the temperature that makes it comparable before."""

    @property
    def share(self) -> float:
        """How much its word weighs."""
        ...

    @property
    def temperature(self) -> float:
        """What its decision values are divided by."""
        ...


def blend(values: Sequence[Floats], heads: Sequence[Weighed]) -> Floats:
    """Decision values of several heads, or models, as one: their weighted log probabilities."""
    if len(heads) == 1:
        return values[0]
    total = np.zeros_like(values[0])
    for value, head in zip(values, heads, strict=True):
        total += head.share * log_softmax(value / head.temperature)
    return total


@dataclass(frozen=True)
class LinearEngine:
    """Featuriser and heads."""

    featuriser: TextFeaturiser
    heads: tuple[Head, ...]

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``settings`` and ``arrays`` as given by the methods of these names."""
        heads = tuple(
            Head(
                np.ascontiguousarray(arrays[f"head.{place}.weights"], dtype=np.float32),
                np.asarray(arrays[f"head.{place}.bias"], dtype=np.float32),
                **head,
            )
            for place, head in enumerate(settings["heads"])
        )
        featuriser = TextFeaturiser.load(settings["features"], arrays)
        for head in heads:
            if head.weights.shape != (featuriser.width, head.bias.size):
                raise ValueError(f"weights of shape {head.weights.shape} fit no features or labels")
        return cls(featuriser, heads)

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        return {
            "features": asdict(self.featuriser.settings),
            "heads": [{"share": h.share, "temperature": h.temperature} for h in self.heads],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        named = self.featuriser.arrays()
        for place, head in enumerate(self.heads):
            named[f"head.{place}.weights"] = head.weights
            named[f"head.{place}.bias"] = head.bias
        return named

    def decide(self, texts: Sequence[str]) -> Floats:
        """Decision values, shape (texts, labels)."""
        rows = self.featuriser.rows(texts)
        return blend([head.decide_rows(rows) for head in self.heads], self.heads)

    def reasons(self, text: str, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """How much each piece of the text adds to the label's decision value.

        With rivals, to its lead over the mean of all labels: a softmax sees no more, which makes
        this exact for a blend too.
        """
        columns = self.featuriser.rows([text]).columns
        against_F = np.zeros(self.featuriser.width)
        for head in self.heads:
            part = head.weights[columns].astype(np.float64)
            lead = part[:, label] - part.mean(axis=1) * is_rival
            scale = head.share / head.temperature if len(self.heads) > 1 else 1.0
            against_F[columns] += lead * scale
        told: dict[str, float] = {}
        for piece, weight in self.featuriser.attribute(text, against_F):
            told[piece] = told.get(piece, 0.0) + weight
        ranked = sorted(told.items(), key=lambda found: (-abs(found[1]), found[0]))
        return [(piece, weight) for piece, weight in ranked if weight]
