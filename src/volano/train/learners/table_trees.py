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
_TRIAL_ROWS = 8_000  # shapes are compared on as many folds as hold so many rows,
_TRIAL_PACE = 2.0  # in half the rounds: which is the best shows as well
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
        shapes = _shapes_for(boosting, config)
        tried = _try_shapes(boosting, shapes, config.trees.seeds)
        shape = min(tried, key=tried.__getitem__, default=shapes[0])
        best = boosting.grow(shape, range(table.num_folds))
        runs, seeds = _with_seeds(boosting, best, config.trees.seeds)
        rounds = _rounds_for_all(table, best.rounds)
        boosters = boosting.fit_all(shape, rounds, seeds)
        engine = boosting.engine(boosters)

        def values_of(places: Sequence[int]) -> Floats:
            # From the codes of training: an error in reading rows shows as a gap.
            codes = table.codes_NF[np.asarray(places, np.int64)]
            return _mean([boosting.values_of(booster, codes) for booster in boosters])

        told = {
            "settings": {"trees": str(shape)},
            "shapes": {str(one): loss for one, loss in (tried or {shape: best.loss}).items()},
            "learning_rate": boosting.rate,
            "rounds_held_out": best.rounds,
            "rounds": rounds,
            "seeds": len(boosters),
            "places": [[table.featuriser.names[code] for code in one] for one in boosting.places],
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
            table.is_forward,
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


def _try_shapes(boosting: Boosting, shapes: Sequence[Shape], seeds: int) -> dict[Shape, float]:
    """The loss of each shape on folds of enough rows; as many as can be had in good time.

    Where there is but one, nothing is compared.
    """
    table = boosting.lesson
    if len(shapes) == 1 and not table.beyond:
        return {}
    sizes = np.cumsum([len(table.held(fold)) for fold in range(table.num_folds)])
    trial = range(min(int(np.searchsorted(sizes, _TRIAL_ROWS)) + 1, len(sizes)))
    tried: dict[Shape, float] = {}
    spent = 0.0
    for shape in shapes:
        if tried and spent + spent / len(tried) > _MOST_TRIAL_WORK:
            boosting.log.note(
                f"{len(tried)} of {len(shapes)} shapes of trees are tried: the rows are many"
            )
            break
        tried[shape], rounds = _trial(boosting, shape, trial, min(seeds, 2))
        spent += boosting.work(shape, rounds) * len(trial)
    if table.beyond:
        shape = replace(min(tried, key=tried.__getitem__), without=table.beyond)
        tried[shape], _ = _trial(boosting, shape, trial, min(seeds, 2))
    return tried


def _trial(boosting: Boosting, shape: Shape, folds: range, seeds: int) -> tuple[float, int]:
    """The loss of a shape, and how many rounds that took.

    With several seeds where several will answer: shapes that leave more to chance gain more.
    """
    first = boosting.grow(shape, folds, pace=_TRIAL_PACE)
    others = (
        boosting.grow(shape, folds, first.rounds, repeat, _TRIAL_PACE) for repeat in range(1, seeds)
    )
    values = _mean([first.values, *(other.values for other in others)])
    return boosting.loss(first.folds, values), first.rounds * seeds


def _with_seeds(boosting: Boosting, best: Grown, wanted: int) -> tuple[list[Grown], int]:
    """Answers of the best and of its like with another seed, and how many seeds to take.

    As many as pay and can be had in good time. Two tell nearly what more of them will be like.
    """
    work = boosting.work(best.shape, best.rounds)
    trees = best.rounds * boosting.objective.get("num_class", 1)
    in_time = (_MOST_SEED_WORK - work * len(best.folds)) // work
    wanted = int(min(wanted, max(1, 1 + in_time), max(1, _MOST_TREES // trees)))
    if wanted == 1:
        return [best], 1
    other = boosting.grow(best.shape, best.folds, best.rounds, repeat=1)
    both = boosting.loss(best.folds, _mean([best.values, other.values]))
    return ([best], 1) if both > best.loss * (1.0 - _PAYS) else ([best, other], wanted)


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
