"""``trees``: boosted trees, the learner that most tables are best told by.

Some shapes of trees are compared on held-out rows, cheap ones that suit most tables first; where
the future is to be foretold, the best also without columns that only grow, such as a date. The best
answers with several seeds where that pays: chance in rows and columns averages out.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from volano.models.trees import TreesEngine
from volano.train.fitted import Made, fitted
from volano.train.learners.table_linear import LINEAR
from volano.train.tables.boosting import Boosting, Grown, Shape
from volano.train.tables.lesson import TableLesson, told_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["TREES", "TableTrees"]

# Even ones; small and careful ones, for little or noisy data; large ones, for much of it; all
# columns in every tree, where few of them say nearly all.
_SHAPES = (
    Shape(31),
    Shape(7, leaf_rows=50, pull=5.0, level_pull=50.0),
    Shape(63),
    Shape(31, column_share=1.0),
    Shape(15, column_share=0.4, level_pull=100.0),
    Shape(127, column_share=0.5),
)
_TRIED = {1: 1, 2: 2, 3: 4, 4: 5, 5: 6}  # by ``settings_tried``: they differ more than strengths do
_FEWEST_ROWS = 4  # for a split, and rows to see what it is worth
_FEW_ROWS = 10_000  # fewer are better told by small trees
_TRIAL_ROWS = 10_000  # shapes are compared on as many folds as hold so many rows
_MOST_TRIAL_WORK = 30_000_000_000  # of all shapes that are tried: minutes of a core
_MOST_SEED_WORK = 30_000_000_000  # of all seeds but the first
_MOST_TREES = 20_000  # of one model, so that it is read and asked in good time
_PAYS = 0.001  # share of the loss that a second seed must take off


@dataclass(frozen=True)
class TableTrees:
    """A learner of boosted trees."""

    name: str = "trees"
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset(
        {"folds", "settings_tried", "unknown_false_alarms", "seed", "trees"}
    )
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """One label, or a number."""
        return not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose shape and rounds on held-out rows, calibrate, refit on all of them."""
        assert config.settings_tried != "auto"
        assert config.seed != "auto"
        assert config.trees.seeds != "auto"
        began = time.monotonic()
        table = TableLesson.of(lesson, config, log)
        if not table.codes_NF.shape[1] or len(table) < _FEWEST_ROWS:
            log.note("there is nothing that trees could ask about: a linear model stands for them")
            return LINEAR.fit(lesson, config, log)
        boosting = Boosting.of(table, config.trees, config.seed, log)
        tried = _try_shapes(boosting, _shapes_for(boosting, config))
        best = _on_all_folds(boosting, min(tried, key=lambda grown: grown.loss))
        runs = _with_seeds(boosting, best, config.trees.seeds)
        rounds = _rounds_for_all(table, best.rounds)
        boosters = boosting.fit_all(best.shape, rounds, len(runs))
        engine = TreesEngine(table.featuriser, boosters, (1.0 / len(boosters),) * len(boosters))

        def values_of(places: Sequence[int]) -> Floats:
            # From the codes of training: an error in reading rows shows as a gap.
            codes = table.codes_NF[np.asarray(places, np.int64)]
            return _mean([boosting.values_of(booster, codes) for booster in boosters])

        told = {
            "settings": {"trees": str(best.shape)},
            "shapes": {str(grown.shape): grown.loss for grown in tried},
            "learning_rate": boosting.rate,
            "rounds_held_out": best.rounds,
            "rounds": rounds,
            "seeds": len(boosters),
            "trees": sum(booster.num_trees() for booster in boosters),
            "seconds": round(time.monotonic() - began, 1),
        }
        made = Made(
            "trees",
            engine.settings(),
            engine.arrays(),
            values_of,
            told,
            engine.files(),
            told_columns(table.featuriser),
        )
        values_HL = table.gather(_by_fold(table, _mean([run.values for run in runs])))
        return fitted(made, table.row_H, values_HL, table.rows, config)


TREES = TableTrees()


def _shapes_for(boosting: Boosting, config: TrainConfig) -> list[Shape]:
    num_rows, num_values = boosting.num_rows, boosting.lesson.num_values
    shapes = list(_SHAPES)
    if num_rows < _FEW_ROWS:
        shapes[:2] = shapes[1::-1]
    shapes = shapes[: _TRIED[int(config.settings_tried)]]
    if config.trees.leaves != "auto":
        shapes = [Shape(config.trees.leaves)]
    return list(dict.fromkeys(shape.fitting(num_rows, num_values) for shape in shapes))


def _try_shapes(boosting: Boosting, shapes: Sequence[Shape]) -> list[Grown]:
    """The shapes on folds of enough rows, as many of them as can be had in good time."""
    table = boosting.lesson
    sizes = np.cumsum([len(table.held(fold)) for fold in range(table.num_folds)])
    enough = int(np.searchsorted(sizes, _TRIAL_ROWS)) + 1
    trial = range(min(enough, len(sizes)) if len(shapes) > 1 else len(sizes))
    tried: list[Grown] = []
    spent = 0.0
    for shape in shapes:
        if tried and spent + spent / len(tried) > _MOST_TRIAL_WORK:
            boosting.log.note(
                f"{len(tried)} of {len(shapes)} shapes of trees are tried: the rows are many"
            )
            break
        tried.append(boosting.grow(shape, trial))
        spent += boosting.work(tried[-1]) * len(trial)
    if table.beyond:
        best = min(tried, key=lambda grown: grown.loss)
        tried.append(boosting.grow(replace(best.shape, without=table.beyond), trial))
    return tried


def _on_all_folds(boosting: Boosting, best: Grown) -> Grown:
    folds = range(boosting.lesson.num_folds)
    return best if len(best.folds) == len(folds) else boosting.grow(best.shape, folds)


def _with_seeds(boosting: Boosting, best: Grown, wanted: int) -> list[Grown]:
    """The best, and its like with other seeds: as many as pay, and can be had in good time."""
    work = boosting.work(best) * (len(best.folds) + 1)
    trees = best.rounds * boosting.objective.get("num_class", 1)
    wanted = int(min(wanted, 1 + _MOST_SEED_WORK // work, max(1, _MOST_TREES // trees)))
    runs = [best]
    while len(runs) < wanted:
        runs.append(boosting.grow(best.shape, best.folds, best.rounds, repeat=len(runs)))
        if len(runs) == 2:
            both = boosting.loss(best.folds, _mean([run.values for run in runs]))
            if both > best.loss * (1.0 - _PAYS):
                return [best]
    return runs


def _rounds_for_all(table: TableLesson, rounds: int) -> int:
    """More rows bear a few more rounds."""
    held = len(table.row_H) / table.num_folds
    return math.ceil(rounds * math.sqrt(len(table) / (len(table) - held)))


def _mean(values: Sequence[Floats]) -> Floats:
    """Added up one after another, as the engine does."""
    total = np.zeros_like(values[0])
    for found in values:
        total += found / len(values)
    return total


def _by_fold(table: TableLesson, values: Floats) -> Any:
    """Values of the rows of each fold, from those of all folds one after another."""
    ends = np.cumsum([len(table.held(fold)) for fold in range(table.num_folds)])
    return lambda fold: values[ends[fold] - len(table.held(fold)) : ends[fold]]
