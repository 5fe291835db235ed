"""Heads: linear models over sparse text features, with answers to rows they had not seen.

``separator`` finds a large margin per label (liblinear; Fan et al. 2008); it is strong with many
rows. ``bayes`` counts which features each label shows (naive Bayes over TF-IDF; Rennie et al.
2003); it errs elsewhere, and is better with few rows and many labels. Both are weights and a bias.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volano.models.linear import Head
from volano.train.calibrate import fit_temperature, log_loss

if TYPE_CHECKING:
    from scipy import sparse

    from volano.models.calibration import Floats, Labels

__all__ = ["HeadFit", "HeadLesson", "best_f1", "fit_bayes", "fit_separator", "grade"]

Ints = NDArray[np.int64]
Fit = Callable[[Ints, Any], Head]  # from the places of rows and a setting

_ABSENT = -1.5  # decision value of a label that no training row carries
_STRENGTHS_ONE = (0.5, 0.15, 1.5, 5.0, 0.05)
_STRENGTHS_MANY = (0.08, 0.03, 0.2, 0.5, 0.012)
_SMOOTHINGS = (0.01, 0.03, 0.1, 0.003)
_TRIAL_ROWS = 2000  # settings are compared on as many folds as hold this many rows


@dataclass(frozen=True)
class HeadLesson:
    """What a head learns from.

    Attributes:
        features: shape (rows, features).
        truth_NC: shape (rows, labels).
        weight_N: how much each row counts.
        fold_N: the fold of each row.
        is_multiple: whether a row may carry several labels.
        settings: how many strengths are compared.
        seed: of the solver.
    """

    features: sparse.csr_array
    truth_NC: Labels
    weight_N: Floats
    fold_N: Ints
    is_multiple: bool
    settings: int
    seed: int

    @property
    def num_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold_N.max()) + 1


@dataclass(frozen=True)
class HeadFit:
    """A head refitted on all rows, its decision values on held-out rows, the setting chosen."""

    head: Head
    held_out_NC: Floats
    setting: str


def fit_separator(lesson: HeadLesson) -> HeadFit:
    """A linear separator per label; the strength is chosen on held-out folds."""
    strengths = (_STRENGTHS_MANY if lesson.is_multiple else _STRENGTHS_ONE)[: lesson.settings]

    def fit(rows: Ints, strength: float) -> Head:
        return _separate(lesson, rows, strength)

    best, held_out = _search(lesson, strengths, fit)
    return HeadFit(fit(np.arange(lesson.fold_N.size), best), held_out, f"C={best}")


def fit_bayes(lesson: HeadLesson) -> HeadFit:
    """Naive Bayes; smoothing and the weight of the prior are chosen on held-out folds."""
    powers = (0.0,) if lesson.is_multiple else (0.0, 1.0)
    grid = [(smoothing, power) for smoothing in _SMOOTHINGS for power in powers]

    def fit(rows: Ints, setting: tuple[float, float]) -> Head:
        return _count(lesson, rows, *setting)

    best, held_out = _search(lesson, grid, fit)
    said = f"smoothing={best[0]}, prior={best[1]:.0f}"
    return HeadFit(fit(np.arange(lesson.fold_N.size), best), held_out, said)


def _search(lesson: HeadLesson, settings: Sequence[Any], fit: Fit) -> tuple[Any, Floats]:
    """The best setting, and decision values of every row by a model that had not seen it.

    One fit after another: liblinear draws from one generator per process, so threads would race
    and two runs would differ.
    """

    def answer(setting: Any, fold: int) -> Floats:
        head = fit(np.flatnonzero(lesson.fold_N != fold), setting)
        return head.decide(lesson.features[lesson.fold_N == fold])

    tried: dict[tuple[Any, int], Floats] = {}
    best = settings[0]
    if len(settings) > 1:
        trial = range(_num_trial_folds(lesson))
        rows = np.concatenate([np.flatnonzero(lesson.fold_N == fold) for fold in trial])
        tried = {(setting, fold): answer(setting, fold) for setting in settings for fold in trial}
        grades = [
            grade(
                np.concatenate([tried[one, fold] for fold in trial]), lesson.truth_NC[rows], lesson
            )
            for one in settings
        ]
        best = settings[int(np.argmin(grades))]
    held_out = np.empty(lesson.truth_NC.shape)
    for fold in range(lesson.num_folds):
        known = tried.get((best, fold))
        held_out[lesson.fold_N == fold] = answer(best, fold) if known is None else known
    return best, held_out


def _num_trial_folds(lesson: HeadLesson) -> int:
    return min(lesson.num_folds, 1 + (_TRIAL_ROWS - 1) * lesson.num_folds // len(lesson.fold_N))


def grade(values: Floats, truth: Labels, lesson: HeadLesson) -> float:
    """Smaller is better: log loss after a temperature; several labels: minus the best mean F1."""
    if lesson.is_multiple:
        return -best_f1(values, truth)
    classes = truth.argmax(axis=1)
    return log_loss(values, classes, fit_temperature(values, classes))


def best_f1(values: Floats, truth: Labels) -> float:
    """Mean over labels of the F1 at each label's own best cut."""
    order = np.argsort(-values, axis=0, kind="stable")
    hits = np.cumsum(np.take_along_axis(truth, order, axis=0), axis=0)
    taken = np.arange(1, truth.shape[0] + 1)[:, None]
    return float((2.0 * hits / (taken + np.maximum(truth.sum(axis=0), 1))).max(axis=0).mean())


def _separate(lesson: HeadLesson, rows: Ints, strength: float) -> Head:
    features, truth = lesson.features[rows], lesson.truth_NC[rows]
    weight = lesson.weight_N[rows]
    weights = np.zeros((features.shape[1], truth.shape[1]), dtype=np.float32)
    bias = np.full(truth.shape[1], _ABSENT, dtype=np.float32)
    if lesson.is_multiple:
        doubles = features.astype(np.float64)
        for label in range(truth.shape[1]):
            if truth[:, label].all():
                bias[label] = 1.0
            elif truth[:, label].any():
                solver = _solver(strength, lesson.seed).fit(doubles, truth[:, label], weight)
                weights[:, label], bias[label] = solver.coef_[0], solver.intercept_[0]
        return Head(weights, bias)
    classes = truth.argmax(axis=1)
    present = np.unique(classes)
    if present.size == 1:
        bias[present] = 1.0
        return Head(weights, bias)
    if features.nnz == 0:
        # No text shows anything that another has too: what is left is how often a label occurs.
        bias[present] = np.log((weight @ truth)[present] / weight.sum())
        return Head(weights, bias)
    with warnings.catch_warnings():
        # Hundreds of labels with two or three rows each are classes all the same.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        solver = _solver(strength, lesson.seed).fit(features, classes, weight)
    if present.size == 2:
        half = (solver.coef_[0] / 2.0).astype(np.float32)
        weights[:, present] = np.column_stack([-half, half])
        bias[present] = np.array([-0.5, 0.5]) * solver.intercept_[0]
    else:
        weights[:, present], bias[present] = solver.coef_.T, solver.intercept_
    return Head(weights, bias)


def _solver(strength: float, seed: int) -> Any:
    from sklearn.svm import LinearSVC

    return LinearSVC(C=strength, tol=1e-2, random_state=seed)


def _count(lesson: HeadLesson, rows: Ints, smoothing: float, power: float) -> Head:
    """Log share of each feature in a label, against the other rows where labels overlap."""
    from scipy import sparse

    features = lesson.features[rows]
    member = lesson.truth_NC[rows] * lesson.weight_N[rows][:, None]
    mass = np.asarray((features.T @ sparse.csr_array(member)).toarray(), dtype=np.float64)
    weights = _log_shares(mass, smoothing)
    if lesson.is_multiple:
        total = np.asarray(features.T @ lesson.weight_N[rows], dtype=np.float64)[:, None]
        weights -= _log_shares(np.maximum(total - mass, 0.0), smoothing)
    else:
        # A softmax does not see what all labels share; small weights keep in fewer bits.
        weights -= weights.mean(axis=1, keepdims=True)
    counts = member.sum(axis=0)
    prior = np.log((counts + 1.0) / (counts.sum() + counts.size))
    return Head(weights.astype(np.float32), (power * prior).astype(np.float32))


def _log_shares(mass: Floats, smoothing: float) -> Floats:
    shares: Floats = np.log((mass + smoothing) / (mass.sum(axis=0) + smoothing * mass.shape[0]))
    return shares
