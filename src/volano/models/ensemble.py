"""The engine of several models that answer together: their weighted log probabilities.

Each part is a whole bundle under ``parts/<n>/``, of any engine; its own calibration plays no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from volano.models.erasure import reasons_by_erasure
from volano.models.linear import blend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.engine import Engine

__all__ = ["PARTS", "EnsembleEngine", "Part"]

PARTS = "parts"


@dataclass(frozen=True)
class Part:
    """How much a part's word weighs; the temperature makes parts comparable before."""

    share: float
    temperature: float


@dataclass(frozen=True)
class EnsembleEngine:
    """Engines and their shares; one label a row."""

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

    def decide(self, texts: Sequence[str]) -> Floats:
        """Decision values, shape (texts, labels)."""
        return blend([engine.decide(texts) for engine in self.engines], self.parts)

    def reasons(self, text: str, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """What leaving each word out takes from the label's decision value, strongest first."""
        return reasons_by_erasure(self.decide, text, label, is_rival=is_rival)
