"""``labelled``: boosted trees on the rows that somebody has looked at.

Rows that nobody has looked at are mostly normal. They are tried as normal rows of small weight, and
kept where answers to labelled rows that were held out get better by it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from volano.core.errors import DataError
from volano.core.seeds import derive_seed
from volano.tasks.anomaly_detection import ANOMALY, NORMAL
from volano.train.anomalies.budget import budgeted, logit_cut
from volano.train.anomalies.finish import finished
from volano.train.anomalies.lesson import (
    FEWEST_LABELLED,
    LABELS,
    MOST_FOLDS,
    OddLesson,
    rows_of,
)
from volano.train.calibrate import calibrate_one, fit_temperature, log_loss
from volano.train.fitted import Made
from volano.train.folds import NEVER, assign_folds
from volano.train.tables.boosting import Boosting, Grown, Shape
from volano.train.tables.lesson import TableLesson, told_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.anomalies.lesson import Ints
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["LABELLED", "OddLabelled"]

_MANY = 10_000  # labelled rows from which trees may be larger
_SMALL, _LARGE = Shape(7, leaf_rows=10, pull=5.0), Shape(31)
_MOST_UNSEEN = 20_000  # rows that nobody has looked at, among those that are learnt from
_UNSEEN_WEIGHT = 0.5  # of all of them, by that of the labelled normal ones
_PAYS = 0.01  # share of the loss that they must take off
_FEWEST_A_SIDE = FEWEST_LABELLED // 2  # of either label, to learn from and held out
_MOST_SCALE = 100_000  # rows that say from which score on alerts stay within the budget


@dataclass(frozen=True)
class OddLabelled:
    """A learner of trees on labelled rows."""

    name: str = "labelled"
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset({"folds", "seed", "trees"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """Anomalies; how many were labelled is seen when it is trained."""
        return not task.needs_target

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Answer held-out labelled rows by trees of the others, calibrate, refit on all of them.

        Raises:
            DataError: fewer than 20 anomalies or 20 normal rows are labelled.
        """
        assert config.seed != "auto"
        began = time.monotonic()
        whole = OddLesson.of(lesson, config, log)
        _refuse_few(whole)
        known = _known(whole, config)
        best = _grow(known, config, log)
        row_H = np.flatnonzero(whole.is_labelled_N)[known.row_H]
        tried, unseen = {"labelled rows": _loss(known, best)}, 0
        boosting, grown = best
        if len(mixed := _with_unseen(whole, known, config.seed)) > len(known):
            other = _grow(mixed, config, log)
            tried["with the others as normal"] = _loss(mixed, other)
            if _loss(mixed, other) < _loss(known, best) * (1.0 - _PAYS):
                boosting, grown = other
                unseen = len(mixed) - len(known)
        table = boosting.lesson
        values_H2 = _in_order(table, grown)
        rounds = _rounds_for_all(table, grown.rounds)
        (booster,) = boosting.fit_all(grown.shape, rounds, 1)
        engine = boosting.engine((booster,))

        def values_of(places: Sequence[int]) -> Floats:
            # From the codes of training: an error in reading rows shows as a gap.
            codes = whole.codes_NF[np.asarray(places, np.int64)]
            return boosting.values_of(booster, codes)

        plain = calibrate_one(values_H2, whole.truth_NC[row_H])
        cut = _cut(whole, values_of, plain.temperature)
        told = {
            "settings": {"trees": str(grown.shape)},
            "losses": tried,
            "rounds": rounds,
            "labelled_rows": len(known),
            "unlabelled_rows_as_normal": unseen,
            "alert_share": whole.alert_share,
            "threshold": 1.0 / (1.0 + math.exp(-cut)),
            "seconds": round(time.monotonic() - began, 1),
        }
        made = Made(
            "trees",
            engine.settings(),
            engine.arrays(),
            values_of,
            told,
            engine.files(),
            told_columns(whole.featuriser),
        )
        return finished(made, whole, row_H, values_H2, budgeted(plain, cut))


LABELLED = OddLabelled()


def _refuse_few(lesson: OddLesson) -> None:
    counts = dict(zip(LABELS, lesson.truth_NC.sum(axis=0).tolist(), strict=True))
    if min(counts.values()) < FEWEST_LABELLED:
        raise DataError(
            "{anomalies} anomalies and {normals} normal rows are labelled; the learner "
            "{learner!r} needs {fewest} of each",
            fix="look at more rows: volano review; or leave train.learner at auto",
            anomalies=counts[ANOMALY],
            normals=counts[NORMAL],
            learner="labelled",
            fewest=FEWEST_LABELLED,
        )


def _known(lesson: OddLesson, config: TrainConfig) -> TableLesson:
    """The labelled rows, as learners of tables get theirs.

    Labels often come late, so the latest rows may have next to none, or all of them: then labelled
    rows are held out by chance, since no others tell anything.
    """
    kept = np.flatnonzero(lesson.is_labelled_N)
    rows, fold_N = rows_of(lesson.rows, kept), lesson.fold_N[kept]
    is_forward = NEVER in lesson.fold_N
    if is_forward and not _are_on_both_sides(fold_N, rows.class_N):
        assert config.folds != "auto"
        assert config.seed != "auto"
        seed = derive_seed(config.seed, "folds")
        fold_N = assign_folds(rows.class_N, rows.unit_N, min(config.folds, MOST_FOLDS), seed)
        is_forward = False
    return TableLesson(rows, lesson.featuriser, lesson.codes_NF[kept], fold_N, is_forward)


def _are_on_both_sides(fold_N: Ints, class_N: Ints) -> bool:
    """Whether rows to learn from and rows held out have enough of either label."""
    sides = fold_N == NEVER, fold_N != NEVER
    counts = [np.bincount(class_N[side], minlength=len(LABELS)) for side in sides]
    return bool(np.min(counts) >= _FEWEST_A_SIDE)


def _with_unseen(lesson: OddLesson, known: TableLesson, seed: int) -> TableLesson:
    """Labelled rows, then others as normal ones that are never held out and count little."""
    places = np.flatnonzero(~lesson.is_labelled_N)
    draw = np.random.default_rng(derive_seed(seed, "unseen"))
    if len(places) > _MOST_UNSEEN:
        places = np.sort(draw.choice(places, _MOST_UNSEEN, replace=False))
    if not len(places):
        return known
    normal = known.rows.labels.index(NORMAL)
    weight = float(known.rows.weight_N[known.rows.class_N == normal].sum()) * _UNSEEN_WEIGHT
    others = replace(
        rows_of(lesson.rows, places),
        targets=[(NORMAL,)] * len(places),
        weight_N=np.full(len(places), weight / len(places)),
    )
    targets = [tuple(target) for target in known.rows.targets]
    return TableLesson(
        replace(known.rows, targets=targets).with_rows_of(others),
        lesson.featuriser,
        np.concatenate([known.codes_NF, lesson.codes_NF[places]]),
        np.concatenate([known.fold_N, np.full(len(places), NEVER)]),
        known.is_forward,
    )


def _grow(table: TableLesson, config: TrainConfig, log: Events) -> tuple[Boosting, Grown]:
    assert config.seed != "auto"
    boosting = Boosting.of(table, config.trees, config.seed, log)
    shape = _LARGE if len(table.row_H) >= _MANY else _SMALL
    if config.trees.leaves != "auto":
        shape = Shape(config.trees.leaves)
    folds = [fold for fold in range(table.num_folds) if len(table.held(fold))]
    return boosting, boosting.grow(shape.fitting(boosting.num_rows, table.num_values), folds)


def _in_order(table: TableLesson, grown: Grown) -> Floats:
    """Values of held-out rows in the order of their places."""
    places = np.concatenate([table.held(fold) for fold in grown.folds])
    return grown.values[np.argsort(places, kind="stable")]


def _loss(table: TableLesson, found: tuple[Boosting, Grown]) -> float:
    """Of labelled rows that were held out, after the temperature that suits them."""
    values = _in_order(table, found[1])
    class_H = table.rows.class_N[table.row_H]
    return log_loss(values, class_H, fit_temperature(values, class_H))


def _rounds_for_all(table: TableLesson, rounds: int) -> int:
    """More rows bear a few more rounds."""
    held = len(table.row_H) / table.num_folds
    return math.ceil(rounds * math.sqrt(len(table) / (len(table) - held)))


def _cut(lesson: OddLesson, values_of: Any, temperature: float) -> float:
    """Log-odds from which on alerts stay within the budget, over rows as they come.

    Of rows that it has learnt from a model is surer than of others: the budget is kept, if anything
    not used up.
    """
    place_M = np.unique(np.linspace(0, len(lesson) - 1, _MOST_SCALE).astype(np.int64))
    values_M2 = values_of(place_M)
    return logit_cut((values_M2[:, 0] - values_M2[:, 1]) / temperature, lesson.alert_share)
