"""Likely label errors: rows whose truth a model that never saw them finds unlikely.

Confident learning (Northcutt et al. 2021, arXiv:1911.00068): a row is suspect when another label is
at least as likely as it usually is for rows that carry that label. A number is suspect when it lies
many times as far from its answer as numbers of that size do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volano.tasks.numbers import number_text

if TYPE_CHECKING:
    from volano.models.calibration import Floats, Labels
    from volano.tasks.numbers import NumberOutcomes

__all__ = ["MOST_SUSPECTS", "Suspect", "find_far_numbers", "find_suspects"]

MOST_SUSPECTS = 10_000  # what any setting may ask for

_SURE = 0.8  # several labels: a missing one must be at least this likely
_FAR = 6.0  # robust standard deviations
_NORMAL = 1.4826  # from a median of absolute errors to the standard deviation of normal ones
_BAND_ROWS, _MOST_BANDS = 100, 10  # errors of large numbers are larger: each band has its own scale


@dataclass(frozen=True)
class Suspect:
    """A row's place, its truth, what fits better, and by how much.

    For numbers both are texts in the spelling of targets, and the gap is in standard deviations.
    """

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


def find_far_numbers(found: NumberOutcomes, most: int = MOST_SUSPECTS) -> list[Suspect]:
    """At most ``most`` rows whose true number lies far from the answer, the farthest first.

    Errors are told by their robust z among rows with answers of about that size (Iglewicz and
    Hoaglin 1993), each band of answers by its own median and spread.
    """
    gap_N = np.abs(_robust_z(found.truth_N - found.value_N, found.value_N))
    rows = np.flatnonzero(gap_N > _FAR)
    order = rows[np.lexsort((rows, -gap_N[rows]))][:most]
    return [
        Suspect(
            int(row),
            (number_text(float(found.truth_N[row])),),
            number_text(_short(float(found.value_N[row]))),
            float(gap_N[row]),
        )
        for row in order
    ]


def _short(number: float) -> float:
    """To six digits: what a person is asked about is no measurement."""
    return float(f"{number:.6g}")


def _robust_z(error_N: Floats, value_N: Floats) -> Floats:
    num_bands = max(1, min(_MOST_BANDS, len(error_N) // _BAND_ROWS))
    z_N = np.zeros_like(error_N)
    floor = _NORMAL * float(np.median(np.abs(error_N))) / 10.0 if len(error_N) else 0.0
    for band in np.array_split(np.argsort(value_N, kind="stable"), num_bands):
        if not len(band):
            continue
        off = error_N[band] - np.median(error_N[band])
        # A band in which nearly all is foretold exactly would make each small error a far one.
        scale = max(_NORMAL * float(np.median(np.abs(off))), floor)
        if scale > 0:
            z_N[band] = off / scale
    return z_N
