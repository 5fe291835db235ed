"""Fitting what turns decision values into probabilities and decisions, on held-out rows only."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from volano.models.calibration import Calibration, Floats, Labels, log_softmax
from volano.models.routing import Curve, sureness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.train.held_out import Marked

__all__ = [
    "SHARES",
    "calibrate",
    "calibrate_many",
    "calibrate_one",
    "curve_of",
    "fit_temperature",
    "log_loss",
    "mix",
    "tempered_loss",
    "with_unknown",
]

SHARES = (0.15, 0.3, 0.5, 0.7, 0.85)  # of the second of two models


def log_loss(values_NC: Floats, class_N: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean negative log probability of the true class after a temperature."""
    logs = log_softmax(values_NC / temperature)
    return -float(logs[np.arange(class_N.size), class_N].mean())


def fit_temperature(values_NC: Floats, class_N: NDArray[np.int64]) -> float:
    """One positive number: it cannot change which class wins, only how surely.

    Every class gets a trace of each row, or a hundred rows without one mistake would make the
    winner infinitely sure.
    """
    from scipy.optimize import minimize_scalar

    trace = 1.0 / (class_N.size + 2.0)

    def measure(log: float) -> float:
        logs = log_softmax(values_NC / math.exp(log))
        right = logs[np.arange(class_N.size), class_N].mean()
        return -float((1.0 - trace) * right + trace * logs.mean())

    found = minimize_scalar(measure, bounds=(-6.0, 6.0), method="bounded")
    return math.exp(float(found.x))


def tempered_loss(values_NC: Floats, truth_NC: Labels, *, is_multiple: bool) -> float:
    """Log loss at the temperature that suits these rows best: what calibration will leave of it.

    A network that is only too sure looks worse by its plain log loss, and is not.
    """
    if not is_multiple:
        classes = truth_NC.argmax(axis=1)
        return log_loss(values_NC, classes, fit_temperature(values_NC, classes))
    from scipy.optimize import minimize_scalar

    sign_NC = np.where(truth_NC, -1.0, 1.0)

    def measure(log: float) -> float:
        return float(np.logaddexp(0.0, sign_NC * values_NC / math.exp(log)).sum(axis=1).mean())

    return float(minimize_scalar(measure, bounds=(-6.0, 6.0), method="bounded").fun)


def calibrate(
    values_NC: Floats,
    truth_NC: Labels,
    unknown: int | None,
    *,
    is_multiple: bool,
    false_alarms: float | None,
    cost_CC: Floats | None = None,
) -> Calibration:
    """What makes probabilities and decisions of held-out decision values, for any learner.

    Args:
        values_NC: shape (rows, labels).
        truth_NC: over the same labels.
        unknown: column of the label that means "none of these", where there are examples of it.
        is_multiple: whether a row may carry several labels.
        false_alarms: share of known rows that may be taken for unknown; None where no answer is.
        cost_CC: what it costs to answer the label of a column where that of the row is true.
    """
    if is_multiple:
        return calibrate_many(values_NC, truth_NC)
    fitted = calibrate_one(values_NC, truth_NC)
    if cost_CC is not None:
        fitted = replace(fitted, cost_CC=cost_CC)
    if false_alarms is None:
        return fitted
    scores_NC = fitted.probabilities(values_NC)
    return with_unknown(fitted, scores_NC, truth_NC, unknown, false_alarms)


def mix(first_NC: Floats, second_NC: Floats, class_N: NDArray[np.int64]) -> tuple[float, Floats]:
    """The share of the second model that suits these held-out rows best, and the mixed values.

    Args:
        first_NC: log probabilities of one model.
        second_NC: those of the other.
        class_N: the true class of each row.
    """

    def mixed(share: float) -> Floats:
        return (1.0 - share) * first_NC + share * second_NC

    def loss(share: float) -> float:
        value_NC = mixed(share)
        return log_loss(value_NC, class_N, fit_temperature(value_NC, class_N))

    best = min(SHARES, key=lambda share: (loss(share), share))
    return best, mixed(best)


def calibrate_one(values_NC: Floats, truth_NC: Labels) -> Calibration:
    """One label a row: a temperature."""
    return Calibration(temperature=fit_temperature(values_NC, truth_NC.argmax(axis=1)))


def calibrate_many(values_NC: Floats, truth_NC: Labels) -> Calibration:
    """Several labels a row: a sigmoid of a line, and the threshold of the best F1, per label."""
    lines = [_fit_line(values_NC[:, c], truth_NC[:, c]) for c in range(truth_NC.shape[1])]
    slope, offset = np.array(lines).T
    fitted = Calibration(slope_C=np.ascontiguousarray(slope), offset_C=np.ascontiguousarray(offset))
    threshold = _best_thresholds(fitted.probabilities(values_NC), truth_NC)
    always = bool(truth_NC.any(axis=1).all())
    return replace(fitted, threshold_C=threshold, at_least_one=always)


def _fit_line(value_N: Floats, truth_N: Labels) -> tuple[float, float]:
    """Slope and offset by Newton steps; softened targets keep rare labels finite (Platt 1999).

    A slope below zero would turn the model round. It comes up where a label is so rare that rows
    held out were answered by models that had never seen it; all its rows then get its frequency.
    """
    from scipy.special import expit, logit

    positives = int(truth_N.sum())
    high, low = (positives + 1.0) / (positives + 2.0), 1.0 / (truth_N.size - positives + 2.0)
    target = np.where(truth_N, high, low)
    spread = float(value_N.std()) or 1.0
    scaled = np.column_stack([value_N / spread, np.ones(truth_N.size)])
    found = np.array([1.0, math.log(high * (positives + 1) / (truth_N.size - positives + 1))])
    for _ in range(30):
        chance = expit((scaled * found).sum(axis=1))
        slope = (scaled * (chance - target)[:, None]).sum(axis=0)
        curve = scaled.T @ (scaled * (chance * (1.0 - chance))[:, None]) + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        found = found - step * min(1.0, 2.0 / (float(np.abs(step).max()) + 1e-12))
        if float(np.abs(step).max()) < 1e-8:
            break
    if found[0] <= 0:
        return 0.0, float(logit(target.mean()))
    return float(found[0]) / spread, float(found[1])


def _best_thresholds(scores_NC: Floats, truth_NC: Labels) -> Floats:
    """Per label the cut with the best F1, half-way between the two scores it parts.

    A label is answered at most four times as often as it occurs. Without this the best F1 of scores
    that tell nothing is reached by always answering (Lipton et al. 2014, arXiv:1402.1892).
    """
    cuts = np.ones(truth_NC.shape[1])
    for c in range(truth_NC.shape[1]):
        order = np.argsort(-scores_NC[:, c], kind="stable")
        ranked = np.append(scores_NC[order, c], 0.0)
        hits = np.cumsum(truth_NC[order, c])
        taken = np.arange(1, hits.size + 1)
        parts = (ranked[:-1] > ranked[1:]) & (taken <= 4 * hits[-1])
        if parts.any():
            last = int(np.where(parts, 2.0 * hits / (taken + hits[-1]), -1.0).argmax())
            cuts[c] = (ranked[last] + ranked[last + 1]) / 2.0
    return cuts


def with_unknown(
    fitted: Calibration, scores_NC: Floats, truth_NC: Labels, unknown: int | None, most: float
) -> Calibration:
    """Below which confidence an answer is "none of these".

    With examples of the unknown (column ``unknown``): the cut with the most right answers among
    those that call at most the share ``most`` of known rows unknown. Without: the cut that flags
    just that share; labels are then left as they are.
    """
    top_N = scores_NC.max(axis=1)
    if unknown is None:
        return replace(fitted, unknown_below=float(np.quantile(top_N, most)))
    is_known = ~truth_NC[:, unknown]
    best, most_right = 0.0, -1
    for cut in [0.0, *np.unique(top_N)[:: max(1, top_N.size // 200)].tolist()]:
        decided = replace(fitted, unknown_below=cut).decide(scores_NC, unknown)
        right = int((decided & truth_NC).sum())
        if cut and (decided[:, unknown] & is_known).sum() > most * is_known.sum():
            break  # a higher cut calls more of them unknown
        if right > most_right:
            best, most_right = cut, right
    return replace(fitted, unknown_below=best)


def curve_of(fitted: Calibration, held_out: Marked, unknown: int | None) -> Curve:
    """How right held-out answers were from each confidence on.

    They are answers of models that had not seen the row, which is what new rows will meet. An
    answer "none of these" is for a person, however sure: nothing can be done with it alone.
    """
    found = held_out.of_labels
    sure_N = sureness(found.scores_NC, found.decided_NC, is_multiple=found.is_multiple)
    says_none_N = fitted.is_unsure(found.scores_NC)
    if unknown is not None:
        says_none_N = found.decided_NC[:, unknown]
    return Curve.of(sure_N, found.right_N, held_out.unit_N, ~says_none_N)
