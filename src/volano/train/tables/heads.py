"""Linear models over the dense features of a table, with answers to rows they had not seen.

Numbers: ridge regression (Hoerl and Kennard 1970) by products of columns, so that folds and
penalties cost next to nothing. Labels: logistic regression, two labels by Newton's method, more by
L-BFGS. Shape suffixes: D dense features and the bias, L values.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.train.calibrate import tempered_loss
from volano.train.folds import NEVER
from volano.train.learners.vector_heads import Descent
from volano.train.tables.lesson import fill_absent, shrink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.models.calibration import Floats, Labels
    from volano.train.tables.lesson import Ints, TableLesson

__all__ = ["TableHead", "fit_table_head"]

# Strengths of the pull of weights to nothing, in rows that say "nothing"; the middle first.
_PENALTIES = (1.0, 30.0, 0.1, 300.0, 0.01)
_TRIAL_ROWS = 5000  # penalties of logistic regression are compared on folds that hold so many
_MOST_CELLS = 40_000_000  # features of the rows that are fitted: 320 MB
_MOST_PRODUCTS = 200_000_000  # of one step of L-BFGS
_MOST_STEPS = 100
_ENOUGH = 1e-7  # of the loss, between two steps of L-BFGS


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
    """The penalty is chosen by the loss on rows that were held out."""
    penalties = _PENALTIES[:num_settings]
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
        from scipy.linalg import solve

        pulled = self.products_DD.copy()
        pulled[np.diag_indices(len(pulled) - 1)] += penalty
        pulled[-1, -1] += 1e-9  # of a fold without any row
        found: Floats = solve(pulled, self.with_number_D, assume_a="pos")
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
    rows = lesson.rows
    search = _Search.of(lesson, seed)
    trial = _trial_folds(lesson)
    truth_TC = rows.truth_NC[np.concatenate([lesson.held(fold) for fold in trial])]
    grades: dict[float, float] = {}
    for penalty in sorted(penalties, reverse=True):  # each starts where a heavier one ended
        values = np.concatenate([search.held_out(fold, penalty) for fold in trial])
        grades[penalty] = tempered_loss(values, truth_TC, is_multiple=rows.is_multiple)
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
    dense_KE: NDArray[Any]
    weight_K: Floats
    _last: dict[int | None, Any] = field(default_factory=dict)  # by fold: where a search ended
    _values: dict[tuple[int, float], Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, lesson: TableLesson, seed: int) -> _Search:
        rows = lesson.rows
        kept, factor = np.arange(len(rows)), np.ones(len(rows))
        if not rows.is_multiple:
            kept, factor = shrink(rows.class_N, _most_rows(lesson), seed)
        # L-BFGS comes near in many steps, where half the bits do; Newton's few steps need them all.
        kind = np.float64 if _is_newtons(lesson) else np.float32
        dense_KE = np.ones((len(kept), lesson.featuriser.width + 1), kind)
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
            if not lesson.rows.is_multiple:
                counts = np.bincount(lesson.rows.class_N[others], minlength=lesson.num_values)
                values = fill_absent(values, counts > 0, len(others))
            self._values[fold, penalty] = values
        return self._values[fold, penalty]

    def fit(self, fold: int | None, penalty: float) -> Weights:
        """Weights of all rows, or of those that are not in a fold."""
        is_learnt_K = self.lesson.fold_N[self.kept] != fold
        at = np.arange(len(self.kept)) if fold is None else np.flatnonzero(is_learnt_K)
        dense, weight = self.dense_KE[at], self.weight_K[at]
        truth = self.lesson.rows.truth_NC[self.kept[at]]
        if _is_newtons(self.lesson):
            return _by_newton(dense[:, :-1], truth, weight, penalty)
        descent = Descent(penalty, is_multiple=False, enough=_ENOUGH, most_steps=_MOST_STEPS)
        found = descent.fit(dense, truth, weight, self._last.get(fold))
        self._last[fold] = found
        whole = found.astype(np.float64)
        return whole[:-1], whole[-1]


def _is_newtons(lesson: TableLesson) -> bool:
    """Whether labels are told apart one by one: two of them, or several a row."""
    return lesson.rows.is_multiple or lesson.num_values == 2


def _most_rows(lesson: TableLesson) -> int:
    """Rows that more of them would hardly better: a few hundred for each weight, and they fit."""
    width = lesson.featuriser.width + 1
    most = _MOST_CELLS // width
    return most if _is_newtons(lesson) else min(most, _MOST_PRODUCTS // (width * lesson.num_values))


def _trial_folds(lesson: TableLesson) -> list[int]:
    sizes = np.cumsum([len(lesson.held(fold)) for fold in range(lesson.num_folds)])
    enough = int(np.searchsorted(sizes, _TRIAL_ROWS)) + 1
    return list(range(min(enough, len(sizes))))


def _by_newton(dense: Any, truth: Labels, weight: Floats, penalty: float) -> Weights:
    """Two labels, of which the second is asked about and told in halves; or each by itself."""
    is_pair = truth.shape[1] == 2 and bool((truth.sum(axis=1) == 1).all())
    asked = [1] if is_pair else list(range(truth.shape[1]))
    weights_DL, bias_L = np.zeros((dense.shape[1], len(asked))), np.zeros(len(asked))
    for place, label in enumerate(asked):
        weights_DL[:, place], bias_L[place] = _one(dense, truth[:, label], weight, penalty)
    if is_pair:
        return np.hstack([-weights_DL, weights_DL]) / 2.0, np.array([-0.5, 0.5]) * bias_L[0]
    return weights_DL, bias_L


def _one(dense: Any, is_so_N: Labels, weight: Floats, penalty: float) -> tuple[Any, float]:
    """Weights and bias of a question with yes or no."""
    from scipy.linalg import LinAlgWarning
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if is_so_N.all() or not is_so_N.any() or not dense.shape[1]:
        total = float(weight.sum()) + 1.0
        share = (float(weight @ is_so_N) + 0.5) / total
        return 0.0, float(np.log(share / (1.0 - share)))
    solver = LogisticRegression(
        C=1.0 / penalty, solver="newton-cholesky", tol=1e-4, max_iter=_MOST_STEPS
    )
    with warnings.catch_warnings():
        # Weights that still move after many steps are good enough for a baseline.
        for kind in (ConvergenceWarning, LinAlgWarning):
            warnings.simplefilter("ignore", kind)
        solver.fit(dense, is_so_N, weight)
    return solver.coef_[0], float(solver.intercept_[0])
