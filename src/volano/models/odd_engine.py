"""The engine ``odd``: one detector or several say how odd a row is, without labels.

Decision values of (anomaly, normal) are half the log-odds of the share of training rows that are
less odd, up and down: a softmax of them is that share. Of several detectors the mean of their
log-odds counts, put on that scale once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.models.odd_scale import Detector, OddScale
from volano.models.table_features import TableFeaturiser, blocks
from volano.models.table_reasons import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.rows import Row, Rows

__all__ = ["DETECTORS", "OddEngine"]

# By name, the module and the class in it.
DETECTORS: Mapping[str, tuple[str, str]] = {
    "tails": ("volano.models.tails", "Tails"),
    "forest": ("volano.models.forest", "Forest"),
    "neighbours": ("volano.models.neighbours", "Neighbours"),
    "autoencoder": ("volano.models.reconstruction", "Reconstruction"),
}
_WHOLE = "whole"


@dataclass(frozen=True)
class OddEngine:
    """Detectors and their scales; thread-safe.

    Attributes:
        featuriser: from rows to codes.
        detectors: by name.
        scales: of each.
        whole: of the mean of their log-odds; with one detector it changes nothing.
    """

    featuriser: TableFeaturiser
    detectors: Mapping[str, Detector]
    scales: Mapping[str, OddScale]
    whole: OddScale

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``settings`` and ``arrays`` as given by the methods of these names."""
        featuriser = TableFeaturiser.load(settings["features"], arrays)
        detectors: dict[str, Detector] = {}
        for name in settings["detectors"]:
            module, kind = DETECTORS[name]
            made_by: type[Detector] = getattr(import_module(module), kind)
            detectors[name] = made_by.load(featuriser, arrays)
        if not detectors:
            raise ValueError("no detector")
        scales = {name: OddScale.load(name, arrays) for name in detectors}
        return cls(featuriser, detectors, scales, OddScale.load(_WHOLE, arrays))

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        return {"features": self.featuriser.settings(), "detectors": list(self.detectors)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        found: dict[str, NDArray[Any]] = dict(self.featuriser.arrays())
        for name, detector in self.detectors.items():
            found |= detector.arrays() | self.scales[name].arrays(name)
        return found | self.whole.arrays(_WHOLE)

    def files(self) -> dict[str, bytes]:
        """Nothing beside the arrays."""
        return {}

    def decide(self, rows: Rows) -> Floats:
        """Decision values of (anomaly, normal), shape (N, 2)."""
        found = [self.values(self.featuriser.codes(block)) for block in blocks(rows)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def values(self, codes_NF: Floats) -> Floats:
        """Decision values of rows whose codes are known, shape (N, 2)."""
        logit_N = self.whole.logits(self._mean(codes_NF))
        return np.stack([logit_N / 2, -logit_N / 2], axis=1)

    def _mean(self, codes_NF: Floats) -> Floats:
        total_N = np.zeros(len(codes_NF))
        for name, detector in self.detectors.items():
            total_N += self.scales[name].logits(detector.oddness(codes_NF))
        return total_N / len(self.detectors)

    def reasons(self, row: Row, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """What each column adds to the label's value; then the base, a usual row.

        Each detector says what columns add to its own measure. A scale is no straight line; the
        line from the base to the row stands for it, so that columns keep their proportions and the
        reasons add up.
        """
        codes_F = self.featuriser.codes([row])[0]
        weight_C, base = np.zeros(len(self.featuriser.columns)), 0.0
        for name, detector in self.detectors.items():
            scale = self.scales[name]
            part_C, start = detector.parts(codes_F)
            end = float(detector.oddness(codes_F[None])[0])
            weight_C += part_C * scale.slope(end, start)
            base += float(scale.logits(np.array([start]))[0])
        mean_C, base = weight_C / len(self.detectors), base / len(self.detectors)
        end = float(self._mean(codes_F[None])[0])
        sign = 0.5 if label == 0 else -0.5
        value = sign * float(self.whole.logits(np.array([end]))[0])
        moved_C = mean_C * (sign * self.whole.slope(end, base))
        told = [
            (column.name, float(moved))
            for column, moved in zip(self.featuriser.columns, moved_C, strict=True)
            if column.features
        ]
        # What the rounding of the last digits leaves stays with the base.
        return [*told, (BASE, value - float(moved_C.sum()))]
