"""Likely label errors: rows whose label a model that never saw them finds unlikely.

Confident learning (Northcutt et al. 2021, arXiv:1911.00068): a row is suspect when another label is
at least as likely as it usually is for rows that carry that label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from volano.models.calibration import Floats, Labels

__all__ = ["MOST_SUSPECTS", "Suspect", "find_suspects"]

MOST_SUSPECTS = 10_000  # what any setting may ask for

_SURE = 0.8  # several labels: a missing one must be at least this likely


@dataclass(frozen=True)
class Suspect:
    """A row's place, the labels it has, the one that fits better, and by how much."""

    row: int
    given: tuple[str, ...]
    likely: str
    gap: float


def find_suspects(
    labels: tuple[str, ...],
    truth_NC: Labels,
    scores_NC: Floats,
    is_multiple: bool,
    most: int = MOST_SUSPECTS,
) -> list[Suspect]:
    """At most ``most`` suspects, the likeliest first."""
    usual_C = np.array(
        [
            scores_NC[truth_NC[:, c], c].mean() if truth_NC[:, c].any() else np.inf
            for c in range(len(labels))
        ]
    )
    floor_C = np.maximum(usual_C, _SURE) if is_multiple else usual_C
    fits_NC = (scores_NC >= floor_C) & ~truth_NC
    best_N = np.where(fits_NC, scores_NC, -1.0).argmax(axis=1)
    rows = np.flatnonzero(fits_NC.any(axis=1))
    given_N = np.where(truth_NC, scores_NC, 0.0).max(axis=1)
    gap_N = scores_NC[np.arange(len(best_N)), best_N] - given_N
    if not is_multiple:
        rows = rows[gap_N[rows] > 0]
    order = rows[np.lexsort((rows, -gap_N[rows]))][:most]
    return [
        Suspect(
            int(row),
            tuple(labels[c] for c in np.flatnonzero(truth_NC[row])),
            labels[best_N[row]],
            float(gap_N[row]),
        )
        for row in order
    ]
