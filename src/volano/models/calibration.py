"""From decision values to probabilities and decisions; fitted in ``train``, carried by the bundle.

One label: softmax after a temperature (Guo et al. 2017, arXiv:1706.04599). Several labels: a
sigmoid of a line per label (Platt 1999) and a threshold per label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from volano.models.routing import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Calibration", "Floats", "Labels", "log_softmax"]

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]


def log_softmax(values_NC: Floats) -> Floats:
    """Logarithms of a softmax; each row by itself, so a row reads the same in any batch."""
    shifted = values_NC - values_NC.max(axis=1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


@dataclass(frozen=True)
class Calibration:
    """What turns decision values into answers.

    Attributes:
        temperature: divides decision values before the softmax (one label).
        slope_C: per label, before the sigmoid (several labels); empty for one label.
        offset_C: added after the slope.
        threshold_C: a label is answered from this probability on.
        at_least_one: whether the likeliest label is answered where none passes its threshold.
        unknown_below: a top probability under this is answered as "none of these"; 0 is off.
        curve: how right held-out answers were from each confidence on; None in older bundles.
        cost_CC: what answering costs, by true label and answer, where one label is answered; the
            answer is then the one of least expected cost. None where every mistake costs alike.
    """

    temperature: float = 1.0
    slope_C: Floats | None = None
    offset_C: Floats | None = None
    threshold_C: Floats | None = None
    at_least_one: bool = False
    unknown_below: float = 0.0
    curve: Curve | None = None
    cost_CC: Floats | None = None

    def probabilities(self, values_NC: Floats) -> Floats:
        """Calibrated probabilities, shape (N, C)."""
        if self.slope_C is None or self.offset_C is None:
            found: Floats = np.exp(log_softmax(values_NC / self.temperature))
            return found
        from scipy.special import expit

        chances: Floats = expit(values_NC * self.slope_C + self.offset_C)
        return chances

    def decide(self, scores_NC: Floats, unknown: int | None = None) -> Labels:
        """Which labels are answered, shape (N, C).

        Args:
            scores_NC: from ``probabilities``.
            unknown: column of the label that means "none of these"; it excludes the others.
        """
        rows, top_N = np.arange(len(scores_NC)), self._best(scores_NC)
        if self.threshold_C is None:
            decided: Labels = np.zeros(scores_NC.shape, bool)
            decided[rows, top_N] = True
        else:
            decided = scores_NC >= self.threshold_C
            if self.at_least_one:
                decided[rows, top_N] |= ~decided.any(axis=1)
        if unknown is not None:
            none = decided[:, unknown] | self.is_unsure(scores_NC)
            decided[none] = False
            decided[none, unknown] = True
        return decided

    def _best(self, scores_NC: Floats) -> NDArray[np.intp]:
        """The label to answer where it is one: the likeliest, or that of least expected cost."""
        if self.cost_CC is None or self.threshold_C is not None:
            likeliest: NDArray[np.intp] = scores_NC.argmax(axis=1)
            return likeliest
        expected_NC = np.zeros_like(scores_NC)
        # Truth by truth, not as a product: a row's sum must not depend on the rows beside it.
        for truth, cost_C in enumerate(self.cost_CC):
            expected_NC += scores_NC[:, truth, None] * cost_C
        cheapest: NDArray[np.intp] = expected_NC.argmin(axis=1)
        return cheapest

    def is_unsure(self, scores_NC: Floats) -> Labels:
        """Where even the likeliest label is too unlikely, shape (N,)."""
        unsure: Labels = scores_NC.max(axis=1) < self.unknown_below
        return unsure

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        return {
            "temperature": self.temperature,
            "at_least_one": self.at_least_one,
            "unknown_below": self.unknown_below,
        }

    def arrays(self) -> dict[str, Floats]:
        """The part that goes into the weights."""
        named = {
            "slope": self.slope_C,
            "offset": self.offset_C,
            "threshold": self.threshold_C,
            "cost": self.cost_CC,
        }
        kept = {f"calibration.{name}": found for name, found in named.items() if found is not None}
        return kept | (self.curve.arrays() if self.curve is not None else {})

    @classmethod
    def load(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back what ``settings`` and ``arrays`` gave."""
        slope, offset, threshold, cost = (
            arrays.get(f"calibration.{name}") for name in ("slope", "offset", "threshold", "cost")
        )
        return cls(
            slope_C=slope,
            offset_C=offset,
            threshold_C=threshold,
            curve=Curve.load(arrays),
            cost_CC=cost,
            **settings,
        )
