"""Answers to rows by models that had not seen them, kept beside a native bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volano.models.bundle import read_spec
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.tasks.outcomes import Outcomes

__all__ = ["HELD_OUT", "Marked", "read_held_out", "write_held_out"]

HELD_OUT = "held_out.safetensors"


@dataclass(frozen=True)
class Marked:
    """Held-out answers with their truth.

    Attributes:
        outcomes: truth and answers, a row each.
        unit_N: rows of one unit are drawn together.
        row_N: places in the training rows followed by the validation rows.
    """

    outcomes: Outcomes
    unit_N: NDArray[np.int64]
    row_N: NDArray[np.int64]

    @property
    def of_labels(self) -> LabelOutcomes:
        """The outcomes of a model that answers labels."""
        assert isinstance(self.outcomes, LabelOutcomes)
        return self.outcomes

    @property
    def of_numbers(self) -> NumberOutcomes:
        """The outcomes of a model that answers numbers."""
        assert isinstance(self.outcomes, NumberOutcomes)
        return self.outcomes

    def at(self, row_N: NDArray[np.int64]) -> Marked:
        """Only those of these rows that were held out, in the order of their places."""
        kept = np.flatnonzero(np.isin(self.row_N, row_N))
        kept = kept[np.argsort(self.row_N[kept], kind="stable")]
        return Marked(self.outcomes.at(kept), self.unit_N[kept], self.row_N[kept])


def write_held_out(folder: Path, marked: Marked) -> None:
    """Write all arrays of the outcomes, units and places; the first axis of each is the rows."""
    from safetensors.numpy import save

    arrays = {**marked.outcomes.arrays(), "unit": marked.unit_N, "row": marked.row_N}
    whole = {name: np.ascontiguousarray(found) for name, found in arrays.items()}
    (folder / HELD_OUT).write_bytes(save(whole))


def read_held_out(folder: Path) -> Marked:
    """Read back what ``write_held_out`` wrote, over the labels of the bundle."""
    from safetensors.numpy import load_file

    arrays, spec = load_file(folder / HELD_OUT), read_spec(folder)
    outcomes: Outcomes
    if spec.answers == "number":
        answers = arrays["value"], arrays["low"], arrays["high"]
        outcomes = NumberOutcomes.of(arrays["truth"], *answers)
    else:
        told = arrays["truth"], arrays["decided"], arrays["scores"]
        outcomes = LabelOutcomes(spec.labels, *told, spec.is_multiple)
    return Marked(outcomes, arrays["unit"], arrays["row"])
