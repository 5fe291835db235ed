"""A linear head over the vectors of a frozen encoder, with answers to rows it had not seen.

Logistic regression, all labels at once: a softmax for one label, a sigmoid each for several. The
vectors are short and dense: L-BFGS (Liu and Nocedal 1989) needs only products of matrices. Each
penalty starts where a heavier one ended. Scale and centre of the vectors go into the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from volano.train.calibrate import tempered_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.models.calibration import Floats, Labels

__all__ = ["Descent", "Matrix", "VectorHead", "VectorLesson", "fit_head"]

Matrix = NDArray[np.float32]

# Penalties on squared weights of vectors with a spread of 1, the middle first.
_PENALTIES = (30.0, 10.0, 100.0, 3.0, 300.0)
_MOST_STEPS = 60
_STEPS_BACK = 10
_ENOUGH = 1e-5  # of the loss, between two steps
_TRIAL_ROWS = 2000  # penalties are compared on as many folds as hold this many rows
_FLAT = 1e-6  # a spread that is none


@dataclass(frozen=True)
class VectorLesson:
    """What a head learns from.

    Attributes:
        vectors_ND: shape (rows, width).
        truth_NC: shape (rows, labels).
        weight_N: how much each row counts.
        fold_N: the fold of each row.
        is_multiple: whether a row may carry several labels.
        settings: how many penalties are compared.
    """

    vectors_ND: Matrix
    truth_NC: Labels
    weight_N: Floats
    fold_N: NDArray[np.int64]
    is_multiple: bool
    settings: int


@dataclass(frozen=True)
class VectorHead:
    """A head refitted on all rows.

    Attributes:
        weights_DC: over vectors as they came.
        bias_C: added.
        held_out_NC: decision values of each row by a head that had not seen it.
        penalty: that was chosen.
        grades: the held-out loss of each penalty that was tried.
    """

    weights_DC: Matrix
    bias_C: Matrix
    held_out_NC: Floats
    penalty: float
    grades: dict[float, float]


def fit_head(lesson: VectorLesson) -> VectorHead:
    """The penalty is chosen by the log loss on held-out folds, after a temperature."""
    centre_D = lesson.vectors_ND.mean(axis=0)
    spread_D = lesson.vectors_ND.std(axis=0)
    spread_D = np.where(spread_D > _FLAT, spread_D, 1.0).astype(np.float32)
    whole_NE = np.ones((len(lesson.truth_NC), len(centre_D) + 1), np.float32)
    whole_NE[:, :-1] = (lesson.vectors_ND - centre_D) / spread_D
    best, grades, started = _choose(lesson, whole_NE)
    held_out_NC = np.empty(lesson.truth_NC.shape)
    for fold in range(int(lesson.fold_N.max()) + 1):
        here_N = lesson.fold_N == fold
        start = started.get((fold, best))
        if start is None:
            start = _fit(lesson, whole_NE, np.flatnonzero(~here_N), best, None)
        held_out_NC[here_N] = whole_NE[here_N] @ start
    every_N = np.arange(len(lesson.truth_NC))
    last_EC = _fit(lesson, whole_NE, every_N, best, None)
    weights_DC = last_EC[:-1] / spread_D[:, None]
    bias_C = last_EC[-1] - centre_D @ weights_DC
    return VectorHead(weights_DC, bias_C, held_out_NC, best, grades)


def _choose(
    lesson: VectorLesson, whole_NE: Matrix
) -> tuple[float, dict[float, float], dict[tuple[int, float], Matrix]]:
    """The best penalty, the loss of each, and the heads that were fitted on the way."""
    penalties: Sequence[float] = _PENALTIES[: lesson.settings]
    if len(penalties) == 1:
        return penalties[0], {}, {}
    folds = _trial_folds(lesson.fold_N)
    trial_N = np.flatnonzero(np.isin(lesson.fold_N, folds))
    found: dict[tuple[int, float], Matrix] = {}
    values = {penalty: np.empty(lesson.truth_NC.shape) for penalty in penalties}
    for fold in folds:
        here_N = lesson.fold_N == fold
        start: Matrix | None = None
        # From heavy to light: the heavier penalty's head is near, and quickly found.
        for penalty in sorted(penalties, reverse=True):
            start = _fit(lesson, whole_NE, np.flatnonzero(~here_N), penalty, start)
            found[fold, penalty] = start
            values[penalty][here_N] = whole_NE[here_N] @ start
    grades = {
        penalty: tempered_loss(
            values[penalty][trial_N], lesson.truth_NC[trial_N], is_multiple=lesson.is_multiple
        )
        for penalty in penalties
    }
    return min(penalties, key=grades.__getitem__), grades, found


def _trial_folds(fold_N: NDArray[np.int64]) -> list[int]:
    sizes = np.cumsum(np.bincount(fold_N))
    enough = int(np.searchsorted(sizes, _TRIAL_ROWS)) + 1
    return list(range(min(enough, len(sizes))))


def _fit(
    lesson: VectorLesson,
    whole_NE: Matrix,
    rows: NDArray[np.int64],
    penalty: float,
    start: Matrix | None,
) -> Matrix:
    truth_NC, weight_N = lesson.truth_NC[rows], lesson.weight_N[rows]
    descent = Descent(penalty, is_multiple=lesson.is_multiple)
    return descent.fit(whole_NE[rows], truth_NC, weight_N, start)


@dataclass(frozen=True)
class Descent:
    """Logistic regression by L-BFGS.

    Attributes:
        penalty: on squared weights, in rows.
        is_multiple: whether a row may carry several labels.
        enough: of the loss, between the last two steps.
        most_steps: of the search.
    """

    penalty: float
    is_multiple: bool
    enough: float = _ENOUGH
    most_steps: int = _MOST_STEPS

    def fit(
        self, vectors_NE: Matrix, truth_NC: Labels, weight_N: Floats, start: Matrix | None
    ) -> Matrix:
        """Weights and, in the last row, the bias; shape (E, labels).

        Args:
            vectors_NE: rows whose last column is 1.
            truth_NC: which labels each carries.
            weight_N: how much each counts.
            start: where the search begins; None is at nothing.
        """
        from scipy.optimize import minimize

        truth = truth_NC.astype(np.float32)
        total = float(weight_N.sum()) or 1.0
        share = (weight_N / total).astype(np.float32)[:, None]
        # By the rows and not by their weights, so that the scale of weights plays no part.
        pull = np.float32(self.penalty / len(truth))
        shape = (vectors_NE.shape[1], truth.shape[1])

        def measure(flat: Floats) -> tuple[float, Floats]:
            weights = flat.reshape(shape).astype(np.float32)
            values = vectors_NE @ weights
            if self.is_multiple:
                loss = np.logaddexp(0.0, values) - truth * values
                gap = 1.0 / (1.0 + np.exp(-values)) - truth
            else:
                values -= values.max(axis=1, keepdims=True)
                chances = np.exp(values)
                sums = chances.sum(axis=1, keepdims=True)
                loss = np.log(sums) - (truth * values).sum(axis=1, keepdims=True)
                gap = chances / sums - truth
            free = weights.copy()
            free[-1] = 0.0  # the bias is not pulled
            slope = vectors_NE.T @ (gap * share) + pull * free
            cost = float((loss * share).sum()) + 0.5 * float(pull) * float((free * free).sum())
            return cost, slope.astype(np.float64).ravel()

        first = np.zeros(shape) if start is None else start.astype(np.float64)
        found = minimize(
            measure,
            first.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": self.most_steps,
                "maxcor": _STEPS_BACK,
                "ftol": self.enough,
                "gtol": 1e-7,
            },
        )
        answer: Matrix = found.x.reshape(shape).astype(np.float32)
        return answer
