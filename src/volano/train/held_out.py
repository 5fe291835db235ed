"""Answers to rows by models that had not seen them, kept beside a native bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volano.models.bundle import read_spec
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["HELD_OUT", "Marked", "read_held_out", "write_held_out"]

HELD_OUT = "held_out.safetensors"


@dataclass(frozen=True)
class Marked:
    """Held-out answers with their truth.

    Attributes:
        outcomes: truth, scores and decisions, a row each.
        unit_N: rows of one unit are drawn together.
        row_N: places in the training rows followed by the validation rows.
    """

    outcomes: LabelOutcomes
    unit_N: NDArray[np.int64]
    row_N: NDArray[np.int64]

    def at(self, row_N: NDArray[np.int64]) -> Marked:
        """Only those of these rows that were held out, in the order of their places."""
        kept = np.flatnonzero(np.isin(self.row_N, row_N))
        kept = kept[np.argsort(self.row_N[kept], kind="stable")]
        return Marked(self.outcomes.at(kept), self.unit_N[kept], self.row_N[kept])


def write_held_out(folder: Path, marked: Marked) -> None:
    """Write truth, scores and decisions, shape (rows, labels) each, units and places."""
    from safetensors.numpy import save

    arrays = {
        "scores": marked.outcomes.scores_NC,
        "decided": marked.outcomes.decided_NC,
        "truth": marked.outcomes.truth_NC,
        "unit": marked.unit_N,
        "row": marked.row_N,
    }
    (folder / HELD_OUT).write_bytes(save(arrays))


def read_held_out(folder: Path) -> Marked:
    """Read back what ``write_held_out`` wrote, over the labels of the bundle."""
    from safetensors.numpy import load_file

    arrays, spec = load_file(folder / HELD_OUT), read_spec(folder)
    answers = arrays["truth"], arrays["decided"], arrays["scores"]
    outcomes = LabelOutcomes(spec.labels, *answers, spec.is_multiple)
    return Marked(outcomes, arrays["unit"], arrays["row"])
