"""Linear models over the dense features of a table, with answers to rows they had not seen.

Numbers: ridge regression (Hoerl and Kennard 1970) by products of columns, so that folds and
penalties cost next to nothing. Labels: logistic regression, two labels by Newton's method, more by
L-BFGS. Shape suffixes: D dense features and the bias, L values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.train.calibrate import fit_temperature, log_loss
from volano.train.folds import NEVER
from volano.train.learners.vector_heads import Descent, Matrix
from volano.train.tables.lesson import fill_absent, shrink

if TYPE_CHECKING:
    from volano.models.calibration import Floats, Labels
    from volano.train.tables.lesson import Ints, TableLesson

__all__ = ["TableHead", "fit_table_head"]

# Strengths of the pull of weights to nothing, in rows that say "nothing"; the middle first.
_PENALTIES = (1.0, 30.0, 0.1, 300.0, 0.01)
_TRIAL_ROWS = 5000  # penalties of logistic regression are compared on folds that hold so many
_MOST_CELLS = 80_000_000  # features of the rows that are fitted: 320 MB
_MOST_PRODUCTS, _MOST_NEWTON_PRODUCTS = 200_000_000, 6_000_000_000  # of a step: parts of a second
_MOST_STEPS = 100
_MOST_NEWTON, _MOST_HALVINGS = 30, 12
_ENOUGH = 1e-7  # of the mean loss, between two steps


@dataclass(frozen=True)
class TableHead:
    """A linear model of all rows.

    Attributes:
        weights_DL: over dense features.
        bias_L: added.
        values_HL: of rows held out, by models that had not seen them.
        penalty: that was chosen.
        grades: the loss on held-out rows of each penalty that was tried.
        num_fitted: rows that the weights were fitted on.
    """

    weights_DL: Floats
    bias_L: Floats
    values_HL: Floats
    penalty: float
    grades: dict[float, float]
    num_fitted: int


def fit_table_head(lesson: TableLesson, num_settings: int, seed: int) -> TableHead:
    """The penalty is chosen by the loss on rows that were held out.

    By one thread: how sums are split over several alters their last digits, and products this small
    mostly wait.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    penalties = _PENALTIES[:num_settings]
    with threadpool_limits(1, "blas"):
        if lesson.is_number:
            return _fit_ridge(lesson, penalties)
        return _fit_logistic(lesson, penalties, seed)


def _fit_ridge(lesson: TableLesson, penalties: tuple[float, ...]) -> TableHead:
    number_N = lesson.rows.number_N
    weight_N = lesson.rows.weight_N
    total = float(weight_N.sum()) or 1.0
    centre = float(weight_N @ number_N) / total
    unit = float(np.sqrt(weight_N @ (number_N - centre) ** 2 / total)) or 1.0
    sums = _sums_by_fold(lesson, (number_N - centre) / unit)
    whole = sum(sums.values(), _Sums.nothing(lesson.featuriser.width + 1))
    folds = range(lesson.num_folds)
    found = {
        (fold, penalty): (whole - sums[fold]).solve(penalty)
        for fold in folds
        for penalty in penalties
    }
    held = sum(sums[fold].weight for fold in folds) or 1.0

    def grade(penalty: float) -> float:
        return sum(sums[fold].loss(found[fold, penalty]) for fold in folds) / held * unit**2

    grades = {penalty: grade(penalty) for penalty in penalties}
    best = min(penalties, key=grades.__getitem__)

    def answers(fold: int) -> Floats:
        held = lesson.held(fold)
        values = np.empty((len(held), 1))
        for part, dense in lesson.dense_blocks(held):
            values[part, 0] = dense @ found[fold, best][:-1] + found[fold, best][-1]
        return values * unit + centre

    last = whole.solve(best)
    bias_L = np.array([last[-1] * unit + centre])
    values_HL = lesson.gather(answers)
    return TableHead(last[:-1, None] * unit, bias_L, values_HL, best, grades, len(lesson))


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over rows: products of features, with the number, and of the number."""

    products_DD: Floats
    with_number_D: Floats
    squares: float
    weight: float

    @classmethod
    def nothing(cls, width: int) -> _Sums:
        return cls(np.zeros((width, width)), np.zeros(width), 0.0, 0.0)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.products_DD + other.products_DD,
            self.with_number_D + other.with_number_D,
            self.squares + other.squares,
            self.weight + other.weight,
        )

    def __sub__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.products_DD - other.products_DD,
            self.with_number_D - other.with_number_D,
            self.squares - other.squares,
            self.weight - other.weight,
        )

    def solve(self, penalty: float) -> Floats:
        """The weights of least loss; the bias, which comes last, is not pulled."""
        pulled = self.products_DD.copy()
        pulled[np.diag_indices(len(pulled) - 1)] += penalty
        pulled[-1, -1] += 1e-9  # of a fold without any row
        found: Floats = np.linalg.solve(pulled, self.with_number_D).astype(np.float64)
        return found

    def loss(self, weights_D: Floats) -> float:
        """The sum of squared errors of these weights."""
        twice = 2.0 * float(weights_D @ self.with_number_D)
        return max(0.0, self.squares - twice + float(weights_D @ self.products_DD @ weights_D))


def _sums_by_fold(lesson: TableLesson, number_N: Floats) -> dict[int, _Sums]:
    width = lesson.featuriser.width + 1
    found = {fold: _Sums.nothing(width) for fold in range(NEVER, lesson.num_folds)}
    for fold in found:
        places = lesson.held(fold)
        for part, dense in lesson.dense_blocks(places):
            whole = np.column_stack([dense, np.ones(len(dense))])
            weight, number = lesson.rows.weight_N[places[part]], number_N[places[part]]
            weighed = whole * weight[:, None]
            here = _Sums(
                weighed.T @ whole,
                number @ weighed,
                float(weight @ number**2),
                float(weight.sum()),
            )
            found[fold] += here
    return found


Weights = tuple["Floats", "Floats"]  # (D, L) and (L,)


def _fit_logistic(lesson: TableLesson, penalties: tuple[float, ...], seed: int) -> TableHead:
    search = _Search.of(lesson, seed)
    trial = _trial_folds(lesson)
    class_T = lesson.rows.class_N[np.concatenate([lesson.held(fold) for fold in trial])]
    grades: dict[float, float] = {}
    for penalty in sorted(penalties, reverse=True):  # each starts where a heavier one ended
        values = np.concatenate([search.held_out(fold, penalty) for fold in trial])
        grades[penalty] = log_loss(values, class_T, fit_temperature(values, class_T))
    best = min(penalties, key=grades.__getitem__)
    values_HL = lesson.gather(lambda fold: search.held_out(fold, best))
    weights_DL, bias_L = search.fit(None, best)
    return TableHead(weights_DL, bias_L, values_HL, best, grades, len(search.kept))


@dataclass(frozen=True)
class _Search:
    """Logistic regressions of one lesson.

    Attributes:
        lesson: the rows.
        kept: places of those that are fitted: all, or as many as tell no less.
        dense_KE: their features, and a 1 for the bias.
        weight_K: how much each counts.
    """

    lesson: TableLesson
    kept: Ints
    dense_KE: Matrix
    weight_K: Floats
    _last: dict[int | None, Any] = field(default_factory=dict)  # by fold: where a search ended
    _values: dict[tuple[int, float], Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, lesson: TableLesson, seed: int) -> _Search:
        rows = lesson.rows
        kept, factor = shrink(rows.class_N, _most_rows(lesson), seed)
        dense_KE = np.ones((len(kept), lesson.featuriser.width + 1), np.float32)
        for part, dense in lesson.dense_blocks(kept):
            dense_KE[part, :-1] = dense
        return cls(lesson, kept, dense_KE, rows.weight_N[kept] * factor)

    def held_out(self, fold: int, penalty: float) -> Floats:
        """Values of the rows of a fold, by a model of the others."""
        if (fold, penalty) not in self._values:
            lesson = self.lesson
            held, others = lesson.held(fold), lesson.others(fold)
            weights_DL, bias_L = self.fit(fold, penalty)
            values = np.empty((len(held), lesson.num_values))
            for part, dense in lesson.dense_blocks(held):
                values[part] = dense @ weights_DL + bias_L
            counts = np.bincount(lesson.rows.class_N[others], minlength=lesson.num_values)
            values = fill_absent(values, counts > 0, len(others))
            self._values[fold, penalty] = values
        return self._values[fold, penalty]

    def fit(self, fold: int | None, penalty: float) -> Weights:
        """Weights of all rows, or of those that are not in a fold."""
        is_learnt_K = self.lesson.fold_N[self.kept] != fold
        at = np.arange(len(self.kept)) if fold is None else np.flatnonzero(is_learnt_K)
        dense, weight = self.dense_KE[at], self.weight_K[at]
        class_M, start = self.lesson.rows.class_N[self.kept[at]], self._last.get(fold)
        found: Any
        if self.lesson.num_values == 2:
            found = _by_newton(dense, class_M == 1, weight, penalty, start)
            self._last[fold] = found
            half = found[:, None] / 2.0
            whole = np.hstack([-half, half])
        else:
            truth = class_M[:, None] == np.arange(self.lesson.num_values)
            descent = Descent(penalty, is_multiple=False, enough=_ENOUGH, most_steps=_MOST_STEPS)
            found = descent.fit(dense, truth, weight, start)
            self._last[fold] = found
            whole = found.astype(np.float64)
        return whole[:-1], whole[-1]


def _most_rows(lesson: TableLesson) -> int:
    """Rows that more of them would hardly better: a few hundred for each weight, and they fit."""
    width = lesson.featuriser.width + 1
    if lesson.num_values == 2:
        return min(_MOST_CELLS, _MOST_NEWTON_PRODUCTS // width) // width
    return min(_MOST_CELLS, _MOST_PRODUCTS // lesson.num_values) // width


def _trial_folds(lesson: TableLesson) -> list[int]:
    sizes = np.cumsum([len(lesson.held(fold)) for fold in range(lesson.num_folds)])
    enough = int(np.searchsorted(sizes, _TRIAL_ROWS)) + 1
    return list(range(min(enough, len(sizes))))


def _by_newton(
    dense: Matrix, is_so_K: Labels, weight_K: Floats, penalty: float, start: Floats | None
) -> Floats:
    """Logistic regression of a question with yes or no, shape (E,); the bias comes last.

    Each step is halved until the loss falls. Products are of 32 bits: a step need not be exact.
    """
    asked = _Question(dense, is_so_K, weight_K, penalty)
    weights_E = np.zeros(dense.shape[1]) if start is None else start
    value_K, loss = asked.look(weights_E)
    for _ in range(_MOST_NEWTON):
        step_E = asked.step(weights_E, value_K)
        for halvings in range(_MOST_HALVINGS):
            tried_E = weights_E - step_E / 2.0**halvings
            value_K, new_loss = asked.look(tried_E)
            if new_loss < loss:
                break
        else:
            break
        weights_E, gained, loss = tried_E, loss - new_loss, new_loss
        if gained <= _ENOUGH * float(weight_K.sum()):
            break
    return weights_E


@dataclass(frozen=True)
class _Question:
    """One question with yes or no, and rows whose last feature is 1."""

    dense: Matrix
    is_so_K: Labels
    weight_K: Floats
    penalty: float

    @cached_property
    def pull_E(self) -> Floats:
        """Of each weight to nothing."""
        pull_E = np.full(self.dense.shape[1], self.penalty)
        pull_E[-1] = 1e-6 * float(self.weight_K.sum()) + 1e-9  # of the bias as good as none
        return pull_E

    def look(self, weights_E: Floats) -> tuple[Floats, float]:
        """Decision values and the loss."""
        value_K = (self.dense @ weights_E.astype(np.float32)).astype(np.float64)
        loss_K = np.logaddexp(0.0, np.where(self.is_so_K, -value_K, value_K))
        return value_K, float(self.weight_K @ loss_K) + 0.5 * float(self.pull_E @ weights_E**2)

    def step(self, weights_E: Floats, value_K: Floats) -> Floats:
        """Towards the least loss; to be taken away from the weights."""
        from scipy.special import expit

        chance_K = expit(value_K)
        gap_K = (self.weight_K * (chance_K - self.is_so_K)).astype(np.float32)
        slope_E = (gap_K @ self.dense).astype(np.float64) + self.pull_E * weights_E
        bent_K = np.sqrt(self.weight_K * chance_K * (1.0 - chance_K)).astype(np.float32)
        scaled = self.dense * bent_K[:, None]
        curve_EE = (scaled.T @ scaled).astype(np.float64)
        # What 32 bits round off might leave a direction without any bend.
        curve_EE[np.diag_indices(len(curve_EE))] += self.pull_E + 1e-6 * float(curve_EE.trace())
        step_E: Floats = np.linalg.solve(curve_EE, slope_E).astype(np.float64)
        return step_E
