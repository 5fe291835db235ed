"""Answers to rows by models that had not seen them, kept beside a native bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volano.models.bundle import read_spec
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HELD_OUT", "read_held_out", "write_held_out"]

HELD_OUT = "held_out.safetensors"


def write_held_out(folder: Path, outcomes: LabelOutcomes) -> None:
    """Write truth, scores and decisions, shape (rows, labels) each."""
    from safetensors.numpy import save_file

    arrays = {
        "scores": outcomes.scores_NC.astype(np.float32),
        "decided": outcomes.decided_NC,
        "truth": outcomes.truth_NC,
    }
    save_file(arrays, folder / HELD_OUT)


def read_held_out(folder: Path) -> LabelOutcomes:
    """Read back what ``write_held_out`` wrote, over the labels of the bundle."""
    from safetensors.numpy import load_file

    arrays, spec = load_file(folder / HELD_OUT), read_spec(folder)
    scores = arrays["scores"].astype(np.float64)
    return LabelOutcomes(spec.labels, arrays["truth"], arrays["decided"], scores, spec.is_multiple)
