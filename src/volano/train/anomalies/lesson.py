"""Rows as learners of anomalies get them: all of them, whether anybody has looked or not.

Shape suffixes: N rows, F codes, M rows that give the scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from volano.core.seeds import derive_seed
from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser
from volano.tasks.anomaly_detection import ANOMALY, NORMAL
from volano.train.folds import NEVER, assign_folds
from volano.train.targets import truth_of

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.models.calibration import Floats, Labels
    from volano.train.config import TrainConfig
    from volano.train.learner import Lesson, TrainingSet

__all__ = ["FEWEST_LABELLED", "LABELS", "MOST_FOLDS", "OddLesson", "rows_of"]

# Of a date: a day after all that were seen is new, and no less normal for it.
_COMES_AGAIN = frozenset({"weekday", "hour"})

Ints = NDArray[np.int64]

LABELS = (ANOMALY, NORMAL)
FEWEST_LABELLED = 20  # rows of either label from which labels are learnt from
MOST_FOLDS = 3  # how odd rows are told to be hardly goes by a few more rows
_MANY = 50_000  # rows of which two halves do
_MOST_SCALE = 200_000  # rows whose oddness gives the scale: alerts of one in 10,000 are still 20
_FEWEST_FORWARD = 1000  # later rows that can give a scale
_FEWEST_VALIDATION = 100  # later rows that can be held out at all


@dataclass(frozen=True)
class OddLesson:
    """All rows, and who answers which without having seen it.

    Attributes:
        rows: training rows, then validation rows; of unlabelled ones the target is empty.
        featuriser: fitted on them.
        codes_NF: of each row.
        fold_N: the fold that each is held out in, or ``NEVER``.
        truth_NC: over ``LABELS``; neither where nobody has looked.
        seed: of the project.
        alert_share: of rows, that may be called anomalies.
    """

    rows: TrainingSet
    featuriser: TableFeaturiser
    codes_NF: Floats
    fold_N: Ints
    truth_NC: Labels
    seed: int
    alert_share: float

    @classmethod
    def of(cls, lesson: Lesson, config: TrainConfig, log: Events) -> OddLesson:
        """Read the rows, and give each its fold: the same for all learners of a project."""
        assert config.folds != "auto"
        assert config.seed != "auto"
        rows = lesson.rows
        log.progress("rows are read", 0, len(rows))
        featuriser = TableFeaturiser.fit(
            rows.table, rows.columns, rows.kinds, rows.unit_N, date_parts=_COMES_AGAIN
        )
        codes_NF = featuriser.codes(ArrowRows(rows.table))
        log.progress("rows are read", len(rows), len(rows))
        truth_NC = truth_of(rows.targets, LABELS)
        fold_N = _folds(lesson, truth_NC, config.folds, config.seed)
        return cls(rows, featuriser, codes_NF, fold_N, truth_NC, config.seed, rows.alert_share)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def num_folds(self) -> int:
        """How many folds are held out, one after another."""
        return int(self.fold_N.max()) + 1

    @cached_property
    def is_labelled_N(self) -> NDArray[np.bool_]:
        """Which rows somebody has looked at."""
        return self.truth_NC[:, 0] | self.truth_NC[:, 1]

    @cached_property
    def row_H(self) -> Ints:
        """Places of the labelled rows that are held out at some time."""
        return np.flatnonzero(self.is_labelled_N & (self.fold_N != NEVER))

    @cached_property
    def row_M(self) -> Ints:
        """Places of held-out rows whose oddness gives the scale; spread evenly over the table."""
        held = np.flatnonzero(self.fold_N != NEVER)
        if len(held) <= _MOST_SCALE:
            return held
        return held[np.unique(np.linspace(0, len(held) - 1, _MOST_SCALE).astype(np.int64))]

    @property
    def has_own_scale(self) -> bool:
        """Whether held-out rows are enough for a scale; else the rows that were learnt from are."""
        return bool((self.fold_N != NEVER).all()) or len(self.row_M) >= _FEWEST_FORWARD


def rows_of(rows: TrainingSet, places: Ints) -> TrainingSet:
    """A training set of the rows at these places."""
    found = rows.rows
    taken = found.take(places) if isinstance(found, ArrowRows) else [found[p] for p in places]
    return replace(
        rows,
        rows=taken,
        targets=[tuple(rows.targets[place]) for place in places.tolist()],
        unit_N=rows.unit_N[places],
        weight_N=rows.weight_N[places],
    )


def _folds(lesson: Lesson, truth_NC: Labels, num: int, seed: int) -> Ints:
    """Folds of all rows, labels spread evenly; no more than three, and two of many rows.

    Where the future is to be foretold, only the latest rows are held out.
    """
    rows = lesson.rows
    if lesson.is_forward and len(lesson.valid) >= _FEWEST_VALIDATION:
        return np.where(np.arange(len(rows)) < len(lesson.train), NEVER, 0)
    stratum_N = truth_NC @ np.array([1, 2])
    num = min(num, MOST_FOLDS) if len(rows) <= _MANY else 2
    return assign_folds(stratum_N, rows.unit_N, num, derive_seed(seed, "folds"))
