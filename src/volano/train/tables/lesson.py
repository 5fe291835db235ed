"""What learners of tables share: rows as numbers, and answers to rows that were held out.

Shape suffixes: N rows, H rows held out, F codes, D dense features, L values (labels, or a number).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser
from volano.train.folds import NEVER, table_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.models.rows import Rows
    from volano.train.config import TrainConfig
    from volano.train.learner import Lesson, TrainingSet

__all__ = ["TableLesson", "fill_absent", "rows_at", "shrink", "told_columns"]

Ints = NDArray[np.int64]

_CELLS_AT_ONCE, _FEWEST_AT_ONCE = 8_000_000, 1024  # 64 MB of features; rows
_BEYOND = 0.5  # share of the late rows


@dataclass(frozen=True)
class TableLesson:
    """Rows of a table as its learners get them.

    Attributes:
        rows: training rows, then validation rows.
        featuriser: fitted on them.
        codes_NF: of each row.
        fold_N: the fold that each is held out in, or ``NEVER``.
        is_forward: whether the rows that are held out are the latest.
    """

    rows: TrainingSet
    featuriser: TableFeaturiser
    codes_NF: Floats
    fold_N: Ints
    is_forward: bool = False

    @classmethod
    def of(cls, lesson: Lesson, config: TrainConfig, log: Events) -> TableLesson:
        """Read the rows, and give each its fold: the same for all learners of a project."""
        rows = lesson.rows
        log.progress("rows are read", 0, len(rows))
        featuriser = TableFeaturiser.fit(rows.table, rows.columns, rows.kinds, rows.unit_N)
        codes_NF = featuriser.codes(ArrowRows(rows.table))
        log.progress("rows are read", len(rows), len(rows))
        fold_N = table_folds(lesson, config)
        is_forward = lesson.is_forward and NEVER in fold_N
        return cls(rows, featuriser, codes_NF, fold_N, is_forward)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_number(self) -> bool:
        """Whether a number is learnt."""
        return self.rows.answers == "number"

    @property
    def num_values(self) -> int:
        """Values of an answer: one for each label, or one."""
        return 1 if self.is_number else len(self.rows.labels)

    @property
    def num_folds(self) -> int:
        """How many folds are held out, one after another."""
        return int(self.fold_N.max()) + 1

    @cached_property
    def row_H(self) -> Ints:
        """Places of the rows that are held out at some time."""
        return np.flatnonzero(self.fold_N != NEVER)

    @cached_property
    def beyond(self) -> tuple[int, ...]:
        """Places of codes that only grow or fall: most late rows lie beyond all earlier ones.

        A date is one, and the number of a row. A tree knows nothing there but what was last.
        """
        if not self.is_forward:
            return ()
        early_EF, late_HF = self.codes_NF[self.others(0)], self.codes_NF[self.row_H]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            low_F, high_F = np.nanmin(early_EF, axis=0), np.nanmax(early_EF, axis=0)
        share_F = ((late_HF < low_F) | (late_HF > high_F)).mean(axis=0)
        is_level_F = self.featuriser.is_category_F
        return tuple(np.flatnonzero((share_F >= _BEYOND) & ~is_level_F).tolist())

    def held(self, fold: int) -> Ints:
        """Places of the rows of a fold."""
        return np.flatnonzero(self.fold_N == fold)

    def others(self, fold: int) -> Ints:
        """Places of the rows that a model learns from which answers the fold."""
        return np.flatnonzero(self.fold_N != fold)

    def gather(self, answers: Callable[[int], Floats]) -> Floats:
        """Values of all held-out rows, shape (H, L), from those of each fold."""
        values_HL = np.empty((len(self.row_H), self.num_values))
        fold_H = self.fold_N[self.row_H]
        for fold in range(self.num_folds):
            values_HL[fold_H == fold] = answers(fold)
        return values_HL

    def dense_blocks(self, places: Ints) -> Iterator[tuple[slice, Floats]]:
        """Dense features of these rows, some at a time, and which of them they are."""
        step = max(_FEWEST_AT_ONCE, _CELLS_AT_ONCE // max(1, self.featuriser.width))
        for begin in range(0, len(places), step):
            part = slice(begin, begin + step)
            yield part, self.featuriser.dense_of(self.codes_NF[places[part]])

    def dense(self, places: Ints) -> Floats:
        """Dense features of these rows, shape (rows, D)."""
        found = np.empty((len(places), self.featuriser.width))
        for part, block in self.dense_blocks(places):
            found[part] = block
        return found


def told_columns(featuriser: TableFeaturiser) -> list[dict[str, str]]:
    """What each column was taken for, and why."""
    return [
        {"column": column.name, "kind": column.kind, "because": str(column.because)}
        for column in featuriser.columns
    ]


def rows_at(rows: TrainingSet, places: Sequence[int]) -> Rows:
    """Raw rows, as a bundle is asked about them."""
    found = rows.rows
    return found.take(places) if isinstance(found, ArrowRows) else [found[p] for p in places]


def fill_absent(values_ML: Floats, is_present_L: NDArray[np.bool_], num_rows: int) -> Floats:
    """Values with labels that no training row carried: half a row among those that there were.

    A label of two rows is unknown to a model of the other folds. Were its chance nothing, one such
    row would say more about how sure all other answers may be than these do.
    """
    if is_present_L.all():
        return values_ML
    known = values_ML[:, is_present_L]
    top_M1 = known.max(axis=1, keepdims=True)
    total_M1 = top_M1 + np.log(np.exp(known - top_M1).sum(axis=1, keepdims=True))
    return np.where(is_present_L, values_ML, total_M1 + np.log(0.5 / (num_rows + 1.0)))


def shrink(class_N: Ints, most: int, seed: int) -> tuple[Ints, Floats]:
    """Places of at most ``most`` rows or so, rare labels whole, and what each of them stands for.

    >>> places, weights = shrink(np.array([0] * 90 + [1] * 10), 30, 0)
    >>> len(places), weights[-1].item(), weights.sum().item()
    (30, 1.0, 100.0)
    """
    counts_C = np.bincount(class_N)
    kept_C = _poured(counts_C, most)
    if (kept_C == counts_C).all():
        return np.arange(len(class_N)), np.ones(len(class_N))
    shuffled = np.random.default_rng(seed).permutation(len(class_N))
    shuffled = shuffled[np.argsort(class_N[shuffled], kind="stable")]
    rank_N = np.arange(len(class_N)) - np.repeat(np.cumsum(counts_C) - counts_C, counts_C)
    places = np.sort(shuffled[rank_N < np.repeat(kept_C, counts_C)])
    factor_C = counts_C / np.maximum(kept_C, 1)
    return places, factor_C[class_N[places]]


def _poured(counts_C: Ints, most: int) -> Ints:
    """How many of each to keep, as level as can be, ``most`` in all and no fewer than one each."""
    left, kept_C = most, counts_C.copy()
    for done, place in enumerate(np.argsort(counts_C, kind="stable")):
        level = max(1, left // (len(counts_C) - done))
        kept_C[place] = min(counts_C[place], level)
        left -= int(kept_C[place])
    return kept_C
