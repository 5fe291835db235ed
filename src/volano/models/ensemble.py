"""The engine of several models that answer together.

Of labels: their weighted log probabilities; of numbers: their weighted mean. Each part is a whole
bundle under ``parts/<n>/``, of any engine; its own calibration plays no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.models.erasure import reasons_by_erasure
from volano.models.linear import blend
from volano.models.table_reasons import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.engine import Engine
    from volano.models.table_features import TableFeaturiser

__all__ = ["PARTS", "EnsembleEngine", "Part"]

PARTS = "parts"


@dataclass(frozen=True)
class Part:
    """How much a part's word weighs; the temperature makes parts comparable before.

    Of numbers the shares add up to 1, and the temperature plays no part.
    """

    share: float
    temperature: float


@dataclass(frozen=True)
class EnsembleEngine:
    """Engines and their shares; one label a row, or a number."""

    engines: tuple[Engine, ...]
    parts: tuple[Part, ...]

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From the bundles under ``parts/``, one for each of the settings' parts."""
        from volano.models.predictor import Predictor  # which imports this file

        parts = tuple(Part(**told) for told in settings["parts"])
        places = [folder / PARTS / str(number) for number in range(len(parts))]
        return cls(tuple(Predictor.load(place).engine for place in places), parts)

    @property
    def featuriser(self) -> TableFeaturiser:
        """Of a table: what the first part reads cells by, which fits the others' columns too."""
        found: TableFeaturiser = self.engines[0].featuriser  # type: ignore[attr-defined]
        return found

    def decide(self, inputs: Sequence[Any]) -> Floats:
        """Decision values of texts or rows, shape (inputs, labels); (inputs, 1) for a number."""
        values = [engine.decide(inputs) for engine in self.engines]
        if values[0].shape[1] > 1:
            return blend(values, self.parts)
        total = np.zeros_like(values[0])
        for value, part in zip(values, self.parts, strict=True):
            total += part.share * value
        return total

    def reasons(self, asked: Any, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """Of a text: what leaving each word out takes from the label's value, strongest first.

        Of a row: the parts' reasons, weighed as the parts are. A softmax shifts all labels alike,
        so leads over their mean add up through it.
        """
        if isinstance(asked, str):
            return reasons_by_erasure(self.decide, asked, label, is_rival=is_rival)
        if len(self.engines) == 1 and is_rival:
            return self.engines[0].reasons(asked, label, is_rival=True)  # as ``blend`` has it
        told: dict[str, float] = {}
        base = 0.0
        is_number = self.decide([asked]).shape[1] == 1
        for engine, part in zip(self.engines, self.parts, strict=True):
            weight = part.share if is_number else part.share / part.temperature
            # The base comes last, whatever columns are called.
            *columns, (_, start) = engine.reasons(asked, label, is_rival=is_rival)
            base += weight * start
            for column, moved in columns:
                told[column] = told.get(column, 0.0) + weight * moved
        return [*told.items(), (BASE, base)]
