"""Folds: training rows cut into parts, so that each is answered by a model that never saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from volano.models.calibration import Labels

__all__ = ["assign_folds", "strata_of"]

Ints = NDArray[np.int64]


def strata_of(truth_NC: Labels) -> Ints:
    """The stratum of each row: its rarest label, so that rare labels reach every fold."""
    frequency = np.where(truth_NC, truth_NC.sum(axis=0), truth_NC.shape[0] + 1)
    has_label = truth_NC.any(axis=1)
    rarest: Ints = np.where(has_label, frequency.argmin(axis=1), truth_NC.shape[1])
    return rarest


def assign_folds(stratum_N: Ints, unit_N: Ints, num_folds: int, seed: int) -> Ints:
    """A fold for each row: strata spread evenly, rows of one unit together.

    A unit counts for the stratum of its first row, which keeps this simple and is exact where
    units are single rows. Fewer folds come out where there are fewer units, but at least two: where
    all rows are of one unit, each row is its own.
    """
    _, first_U, code_N = np.unique(unit_N, return_index=True, return_inverse=True)
    num_units = first_U.size
    if num_units == 1 < unit_N.size:
        return assign_folds(stratum_N, np.arange(unit_N.size), num_folds, seed)
    num_folds = min(num_folds, num_units)
    order = np.random.default_rng(seed).permutation(num_units)
    order = order[np.argsort(stratum_N[first_U][order], kind="stable")]
    fold_U = np.empty(num_units, dtype=np.int64)
    fold_U[order] = np.arange(num_units) % num_folds
    folds: Ints = fold_U[code_N]
    return folds
