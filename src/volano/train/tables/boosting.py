"""Boosted trees by LightGBM, on folds of a table's rows and on all of them.

The folds of one shape grow side by side, a round at a time, until their mean loss falls no more:
how long to go on is one number, chosen on all held-out rows. Several boosters share the cores, one
each, rather than all cores one tree: threads that meet at each split of a small tree mostly wait.
The same seed gives the same trees with any number of threads. Shape suffixes: L values.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.compute.machine import usable_cores
from volano.core.seeds import derive_seed
from volano.models.calibration import log_softmax
from volano.models.coordinates import find_places, num_turned, turned, with_axes
from volano.models.trees import TreesEngine
from volano.train.tables.lesson import fill_absent, shrink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lightgbm import Booster, Dataset

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.models.coordinates import Place
    from volano.train.tables.config import TreesConfig
    from volano.train.tables.lesson import Ints, TableLesson

__all__ = ["Boosting", "Grown", "Shape"]

_RATE_ROUNDS = 50.0  # the learning rate is this by the most rounds: 0.05 for a thousand
_SLOWEST, _FASTEST = 0.01, 0.2
_PATIENCE = 2.5  # by the learning rate: rounds without a smaller loss after which it ends
_FEWEST_ROUNDS = 20
_MOST_ROWS = 5_000_000  # by the trees of a round: more of common labels would hardly better them
_MOST_BAGGED = 100_000  # rows of one tree: more of them would hardly better it
_MOST_WORK = 50_000_000_000  # of one shape on all folds and all rows: three minutes of a core
_USUAL_LEAVES = 31
_LOST = 1e-3  # of the standard deviation of numbers, that 32 bits may round off
_ONE_THREAD = 50_000  # fewer rows are done by one thread sooner than two can meet
_FIXED = {
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,  # else it measures which way is faster, and is no longer determined
    "feature_pre_filter": False,  # shapes differ in how many rows a leaf needs
}


@dataclass(frozen=True)
class Shape:
    """What trees may be like.

    Attributes:
        leaves: of one tree, at most.
        column_share: of the columns, drawn for each tree.
        row_share: of the rows, drawn for each tree.
        leaf_rows: fewest in a leaf.
        pull: of a leaf's value to nothing, in rows.
        level_pull: the same for levels of categories, and rows that a level needs to count.
        without: places of codes that no tree may ask about.
    """

    leaves: int
    column_share: float = 0.6
    row_share: float = 0.8
    leaf_rows: int = 20
    pull: float = 0.0
    level_pull: float = 10.0
    without: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As a card says it."""
        told = f"{self.leaves} leaves of at least {self.leaf_rows} rows, pull {self.pull:g}"
        told += f", {self.column_share:.0%} of columns and {self.row_share:.0%} of rows each"
        return told + (", without columns that only grow or fall" if self.without else "")

    def fitting(self, num_rows: int, num_values: int) -> Shape:
        """What it is for so many rows: of few, few must do for a leaf; of many, not all are drawn.

        >>> Shape(31).fitting(100, 2).leaf_rows
        5
        """
        return replace(
            self,
            leaf_rows=min(self.leaf_rows, max(2, num_rows // 20)),
            row_share=min(self.row_share, _MOST_BAGGED / max(num_rows, 1)),
            # Without any, a label of a few rows among many may send its values to infinity.
            pull=max(self.pull, 1.0) if num_values > 2 else self.pull,
        )

    def params(self, num_codes: int) -> dict[str, Any]:
        """As LightGBM calls them."""
        worth_F = [0.0 if place in self.without else 1.0 for place in range(num_codes)]
        told = {"feature_contri": worth_F} if self.without else {}
        return {
            **told,
            "num_leaves": self.leaves,
            "feature_fraction": self.column_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "min_data_in_leaf": self.leaf_rows,
            "lambda_l2": self.pull,
            "cat_l2": self.level_pull,
            "cat_smooth": self.level_pull,
        }


@dataclass(frozen=True)
class Grown:
    """Boosters of some folds.

    Attributes:
        shape: of their trees.
        folds: that were held out.
        rounds: after which their mean loss was least.
        values: of the rows of these folds, one fold after another, after so many rounds.
        loss: of these.
    """

    shape: Shape
    folds: tuple[int, ...]
    rounds: int
    values: Floats
    loss: float


@dataclass(frozen=True)
class Boosting:
    """All that the fits of one lesson share.

    Attributes:
        lesson: the rows.
        learnt_N: how much each row counts; 0 where others of its label stand for it.
        objective: what is learnt, as LightGBM calls it.
        rate: how much each tree adds.
        most_rounds: that are grown.
        seed: of the project.
        log: hears of rounds.
        scale: centre and unit of the numbers that are learnt; of labels 0 and 1.
        places: codes that are coordinates, which trees see turned as well.
    """

    lesson: TableLesson
    learnt_N: Floats
    objective: dict[str, Any]
    rate: float
    most_rounds: int
    seed: int
    log: Events
    scale: tuple[float, float] = (0.0, 1.0)
    places: tuple[Place, ...] = ()
    _parts: dict[int, tuple[Dataset, Dataset]] = field(default_factory=dict)

    @classmethod
    def of(cls, lesson: TableLesson, config: TreesConfig, seed: int, log: Events) -> Boosting:
        """See which rows and how many rounds can be had in good time."""
        assert config.rounds != "auto"
        objective = _objective(lesson)
        trees = objective.get("num_class", 1)
        learnt_N = lesson.rows.weight_N
        if not lesson.is_number:
            kept, factor = shrink(lesson.rows.class_N, _MOST_ROWS // trees, seed)
            learnt_N = np.zeros(len(lesson))
            learnt_N[kept] = lesson.rows.weight_N[kept] * factor
        places = find_places(lesson.featuriser, lesson.codes_NF)
        num_rows = int(np.count_nonzero(learnt_N))
        num_codes = num_turned(lesson.codes_NF.shape[1], places)
        work = _work_of_tree(_USUAL_LEAVES, num_rows, num_codes) * trees * (lesson.num_folds + 1)
        most = min(config.rounds, max(_FEWEST_ROUNDS, int(_MOST_WORK / work)))
        slow = min(max(_RATE_ROUNDS / most, _SLOWEST), _FASTEST)
        rate = slow if config.learning_rate == "auto" else config.learning_rate
        scale = _scale_of(lesson)
        return cls(lesson, learnt_N, objective, rate, most, seed, log, scale, places)

    @cached_property
    def whole(self) -> Dataset:
        """All rows that are learnt from, in bins."""
        return self._dataset(np.flatnonzero(self.learnt_N), self.learnt_N)

    @property
    def num_rows(self) -> int:
        """How many rows are learnt from."""
        return int(np.count_nonzero(self.learnt_N))

    @property
    def num_codes(self) -> int:
        """How many numbers the trees see of each row."""
        return num_turned(len(self.lesson.featuriser.names), self.places)

    def work(self, shape: Shape, rounds: int) -> float:
        """What one fit costs: a core does some 300 million of it in a second."""
        tree = _work_of_tree(shape.leaves, self.num_rows, self.num_codes)
        return tree * rounds * float(self.objective.get("num_class", 1))

    def grow(
        self,
        shape: Shape,
        folds: Iterable[int],
        rounds: int = 0,
        repeat: int = 0,
        pace: float = 1.0,
    ) -> Grown:
        """Boosters of these folds, until their mean loss falls no more, or for so many rounds.

        Args:
            shape: of the trees.
            folds: that are held out.
            rounds: 0 finds them.
            repeat: chance is drawn anew for another one.
            pace: by which each tree adds more, and rounds are fewer.
        """
        from lightgbm import Booster

        folds = tuple(folds)
        params = self._params(shape, repeat, len(folds), pace)
        boosters = []
        for learnt, held in map(self._split, folds):
            boosters.append(Booster(params, learnt))
            boosters[-1].add_valid(held, "held out")
        with _side_by_side(boosters) as crew:
            if rounds:
                crew.grow(rounds)
                sizes = crew.sizes()
            else:
                counts = np.array([len(self.lesson.held(fold)) for fold in folds])
                rounds, sizes = self._grow_until_best(crew, counts / counts.sum(), pace)
        told = zip(folds, boosters, sizes, strict=True)
        values = np.concatenate(
            [self._answers(fold, booster, size) for fold, booster, size in told]
        )
        return Grown(shape, folds, rounds, values, self.loss(folds, values))

    def fit_all(self, shape: Shape, rounds: int, repeats: int) -> tuple[Booster, ...]:
        """Boosters of all rows, alike but for chance."""
        from lightgbm import Booster

        all_params = [self._params(shape, repeat, repeats) for repeat in range(repeats)]
        boosters = [Booster(params, self.whole) for params in all_params]
        with _side_by_side(boosters) as crew:
            crew.grow(rounds)
        return tuple(booster.free_dataset() for booster in boosters)

    def loss(self, folds: Sequence[int], values: Floats) -> float:
        """Mean squared error or log loss of values of these folds' rows, one after another."""
        rows = self.lesson.rows
        places = np.concatenate([self.lesson.held(fold) for fold in folds])
        if self.lesson.is_number:
            loss = (values[:, 0] - rows.number_N[places]) ** 2
        else:
            loss = -log_softmax(values)[np.arange(len(values)), rows.class_N[places]]
        weight = rows.weight_N[places]
        return float(weight @ loss) / (float(weight.sum()) or 1.0)

    def engine(self, boosters: tuple[Booster, ...]) -> TreesEngine:
        """What answers by these boosters together."""
        shares = (1.0 / len(boosters),) * len(boosters)
        return TreesEngine(self.lesson.featuriser, boosters, shares, *self.scale, self.places)

    def values_of(self, booster: Booster, codes: Floats, size: int = -1) -> Floats:
        """Decision values of rows by their codes, shape (rows, L); two labels share theirs."""
        seen = turned(codes, self.places)
        found: Any = booster.predict(
            seen, num_iteration=size, raw_score=True, num_threads=_threads(len(codes))
        )
        centre, unit = self.scale
        raw = np.asarray(found, np.float64).reshape(len(codes), -1) * unit + centre
        return raw if raw.shape[1] == self.lesson.num_values else np.hstack([-raw / 2, raw / 2])

    def _answers(self, fold: int, booster: Booster, size: int) -> Floats:
        lesson, others = self.lesson, self.lesson.others(fold)
        values = self.values_of(booster, lesson.codes_NF[lesson.held(fold)], size)
        if lesson.is_number:
            return values
        counts = np.bincount(lesson.rows.class_N[others], minlength=lesson.num_values)
        return fill_absent(values, counts > 0, len(others))

    def _grow_until_best(self, crew: _Crew, share: Floats, pace: float) -> tuple[int, list[int]]:
        """The best number of rounds, and the sizes of the boosters after so many."""
        patience = max(_FEWEST_ROUNDS, round(_PATIENCE / self.rate))
        least, best, sizes = np.inf, 1, [1] * len(crew.boosters)
        most = math.ceil(self.most_rounds / pace)
        for number in range(1, most + 1):
            crew.grow(1)
            loss = float(share @ crew.losses())
            if loss < least:
                least, best, sizes = loss, number, crew.sizes()
            self.log.progress("rounds", number, most)
            if number - best >= patience:
                break
        return best, sizes

    def _split(self, fold: int) -> tuple[Dataset, Dataset]:
        """The rows that a booster learns from, and those that are held out from it."""
        if fold not in self._parts:
            lesson = self.lesson
            learnt = np.flatnonzero((lesson.fold_N != fold) & (self.learnt_N > 0))
            self._parts[fold] = (
                self._dataset(learnt, self.learnt_N, self.whole),
                self._dataset(lesson.held(fold), lesson.rows.weight_N, self.whole),
            )
        return self._parts[fold]

    def _dataset(self, places: Ints, weight_N: Floats, like: Dataset | None = None) -> Dataset:
        """These rows in bins, which are those of another where there is one."""
        from lightgbm import Dataset

        lesson = self.lesson
        centre, unit = self.scale
        target_N = (
            (lesson.rows.number_N - centre) / unit if lesson.is_number else lesson.rows.class_N
        )
        weight_M = weight_N[places] / (float(weight_N[places].mean()) or 1.0)
        levels = np.flatnonzero(lesson.featuriser.is_category_F).tolist()
        codes_NF = lesson.codes_NF if len(places) == len(lesson) else lesson.codes_NF[places]
        return Dataset(
            turned(codes_NF, self.places),
            target_N[places],
            reference=like,
            weight=None if (weight_M == 1.0).all() else weight_M,
            categorical_feature=levels if like is None else "auto",
            params={**_FIXED, "num_threads": _threads(len(places))},
        ).construct()

    def _params(
        self, shape: Shape, repeat: int, num_boosters: int, pace: float = 1.0
    ) -> dict[str, Any]:
        # LightGBM counts seeds in 31 bits.
        seed = derive_seed(self.seed, "trees", repeat) >> 1
        without = with_axes(shape.without, len(self.lesson.featuriser.names), self.places)
        return {
            **_FIXED,
            **self.objective,
            **replace(shape, without=without).params(self.num_codes),
            "num_threads": max(1, _threads(self.num_rows) // num_boosters),
            "learning_rate": min(1.0, self.rate * pace),
            "seed": seed,
        }


@dataclass(frozen=True)
class _Crew:
    """Boosters that grow side by side; LightGBM lets Python's lock go while it works."""

    boosters: Sequence[Booster]
    pool: ThreadPoolExecutor

    def grow(self, rounds: int) -> None:
        """So many rounds more each; one that finds nothing to split leaves no tree."""
        for _ in range(rounds):
            deque(self.pool.map(lambda booster: booster.update(), self.boosters), 0)

    def sizes(self) -> list[int]:
        """How many rounds of each left trees."""
        return [booster.current_iteration() for booster in self.boosters]

    def losses(self) -> Floats:
        """Of each on the rows that are held out from it."""
        found = self.pool.map(lambda booster: booster.eval_valid(), self.boosters)
        return np.array([of_valid[0][2] for of_valid in found])


@contextmanager
def _side_by_side(boosters: Sequence[Booster]) -> Iterator[_Crew]:
    told = {**_FIXED, "num_threads": boosters[0].params["num_threads"]}
    with ThreadPoolExecutor(min(usable_cores(), len(boosters)), "", _settle, (told,)) as pool:
        yield _Crew(boosters, pool)


def _settle(told: dict[str, Any]) -> None:
    """Keep LightGBM from printing in this thread, and its own threads as many as were asked for.

    How much it says is a setting of each thread, how many threads it starts one of the process: the
    last that was set anywhere.
    """
    from lightgbm import Dataset

    Dataset(np.zeros((1, 1)), params=told).construct()


def _objective(lesson: TableLesson) -> dict[str, Any]:
    if lesson.is_number:
        return {"objective": "regression", "metric": "l2"}
    if lesson.num_values == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {
        "objective": "multiclass",
        "metric": "multi_logloss",
        "num_class": lesson.num_values,
    }


def _scale_of(lesson: TableLesson) -> tuple[float, float]:
    """What numbers are counted from and in; as they are, where LightGBM's 32 bits hold them."""
    if not lesson.is_number:
        return 0.0, 1.0
    number_N = lesson.rows.number_N
    unit = float(number_N.std())
    with np.errstate(over="ignore"):
        lost = float(np.abs(number_N - number_N.astype(np.float32)).max())
    return (0.0, 1.0) if lost <= _LOST * unit else (float(number_N.mean()), unit or 1.0)


def _work_of_tree(leaves: int, num_rows: int, num_codes: int) -> float:
    """To put the rows that were drawn in bins, to score all rows, and to look for each split.

    Measured with 13 thousand to 450 thousand rows, within a factor of two.
    """
    return min(num_rows, _MOST_BAGGED) * num_codes + 20.0 * num_rows + 2000.0 * leaves * num_codes


def _threads(num_rows: int) -> int:
    return 1 if num_rows < _ONE_THREAD else usable_cores()
