"""Folds: training rows cut into parts, so that each is answered by a model that never saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from volano.core.seeds import derive_seed

if TYPE_CHECKING:
    from volano.models.calibration import Labels
    from volano.train.config import TrainConfig
    from volano.train.learner import Lesson, TrainingSet

__all__ = [
    "NEVER",
    "assign_folds",
    "folds_of",
    "held_rows",
    "strata_of",
    "table_folds",
    "table_strata",
]

Ints = NDArray[np.int64]

_FEWEST_VALIDATION = 100  # with fewer rows nothing can be told
_PARTS = 10
NEVER = -1  # the fold of rows that are never held out
_MANY = 50_000  # rows of a table from which one part is held out, and not each in its turn
_MANY_LABELLED = 10_000, 200_000  # the same where labels are many: rows, and rows times labels
_FEWEST_PARTS, _MOST_HELD = 5, 50_000  # so many tell all that there is to be told
_BANDS = 10  # of numbers, so that each fold holds small and large ones


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


def folds_of(rows: TrainingSet, config: TrainConfig) -> Ints:
    """The fold of each row in which all learners answer it: for one project and seed, the same."""
    assert config.folds != "auto"
    assert config.seed != "auto"
    seed = derive_seed(config.seed, "folds")
    return assign_folds(strata_of(rows.truth_NC), rows.unit_N, config.folds, seed)


def table_folds(lesson: Lesson, config: TrainConfig) -> Ints:
    """The fold of each row of a table, for all of its learners; ``NEVER`` where it is in none.

    Folds answer all rows. Where rows are many, one part tells as much as all of them would: a fifth
    or 50,000. Where the future is to be foretold, that part is the validation rows, which are the
    latest: rows of other days would tell of a day what nobody can know beforehand.
    """
    assert config.folds != "auto"
    assert config.seed != "auto"
    rows, num = lesson.rows, len(lesson.rows)
    if lesson.is_forward and len(lesson.valid) >= _FEWEST_VALIDATION:
        return np.where(np.arange(num) < len(lesson.train), NEVER, 0)
    seed = derive_seed(config.seed, "folds")
    fewest, most = _MANY_LABELLED
    if num <= _MANY and (num < fewest or num * max(1, len(rows.labels)) <= most):
        return assign_folds(table_strata(rows), rows.unit_N, config.folds, seed)
    parts = max(_FEWEST_PARTS, -(-num // _MOST_HELD))
    fold_N = assign_folds(table_strata(rows), rows.unit_N, parts, seed)
    nearest = int(np.abs(np.bincount(fold_N) - num / parts).argmin())
    return np.where(fold_N == nearest, 0, NEVER)


def table_strata(rows: TrainingSet) -> Ints:
    """The stratum of each row of a table: its label, or the band that its number is in."""
    if rows.answers == "number":
        cuts = np.quantile(rows.number_N, np.linspace(0, 1, _BANDS + 1)[1:-1])
        bands: Ints = np.searchsorted(cuts, rows.number_N, side="right").astype(np.int64)
        return bands
    return rows.class_N


def held_rows(lesson: Lesson, seed: int) -> Ints:
    """Places of the rows that a dear learner does not train on at first; none where rows are few.

    Folds train a model each, which light learners can afford. A dear one is held out once: on the
    validation rows where there are at least 100, else on a tenth of all rows where that makes 100.
    """
    if len(lesson.valid) >= _FEWEST_VALIDATION:
        return np.arange(len(lesson.train), len(lesson.rows))
    rows = lesson.rows
    if len(rows) < _PARTS * _FEWEST_VALIDATION:
        return np.arange(0)
    fold_N = assign_folds(strata_of(rows.truth_NC), rows.unit_N, _PARTS, derive_seed(seed, "held"))
    sizes = np.bincount(fold_N)
    nearest = int(np.abs(sizes - len(rows) / _PARTS).argmin())
    if not 0.5 <= sizes[nearest] * _PARTS / len(rows) <= 2.0:
        return np.arange(0)  # a few people wrote nearly all of them
    return np.flatnonzero(fold_N == nearest)
