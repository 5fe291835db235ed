"""How labels are scored: each metric is sums over examples, then a formula.

Shape suffixes: N examples, C labels, K sums of a metric, ... any leading axes (draws).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from volano.tasks.outcomes import Outcomes

__all__ = ["CLASSIFICATION_METRICS", "ECE_BINS", "Floats", "LabelOutcomes", "Metric", "ratio"]

Floats = NDArray[np.float64]
ECE_BINS = 15


@dataclass(frozen=True)
class LabelOutcomes:
    """Truth and answers on the same examples, as arrays over one list of labels.

    ``asked`` is what ``rarest`` was before rows were left out: a slice asks about the same label.
    """

    labels: tuple[str, ...]
    truth_NC: NDArray[np.bool_]
    decided_NC: NDArray[np.bool_]
    scores_NC: Floats
    is_multiple: bool
    asked: int | None = None

    def __len__(self) -> int:
        return len(self.truth_NC)

    def at(self, rows: slice | NDArray[Any], /) -> LabelOutcomes:
        """Those of these rows: their places, a mask, or a slice."""
        parts = self.truth_NC[rows], self.decided_NC[rows], self.scores_NC[rows]
        return LabelOutcomes(self.labels, *parts, self.is_multiple, self.rarest)

    @property
    def rarest(self) -> int | None:
        """The column that an order is about: the rarer of two labels, of all examples."""
        if self.asked is not None or len(self.labels) != 2 or self.is_multiple:
            return self.asked
        return int(self.truth_NC.sum(axis=0).argmin())

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether the decided labels are exactly the true ones."""
        right: NDArray[np.bool_] = (self.truth_NC == self.decided_NC).all(axis=1)
        return right

    @property
    def credit_N(self) -> Floats:
        """Credit per example in [0, 1]: right or not; several labels: F1 of the two sets."""
        both = (self.truth_NC & self.decided_NC).sum(axis=1)
        size = self.truth_NC.sum(axis=1) + self.decided_NC.sum(axis=1)
        return np.where(size > 0, 2 * both / np.maximum(size, 1), 1.0)

    def differs_N(self, other: LabelOutcomes, /) -> NDArray[np.bool_]:
        """Where the other decides on other labels."""
        differs: NDArray[np.bool_] = (self.decided_NC != other.decided_NC).any(axis=1)
        return differs

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Truth, decisions and scores, by name."""
        return {"truth": self.truth_NC, "decided": self.decided_NC, "scores": self.scores_NC}


@dataclass(frozen=True)
class Metric:
    """A figure that can be resampled: ``parts`` (N, K) summed over examples, then ``combine``.

    Outcomes are those of the task that has the metric. ``decides`` is false where a model that only
    guesses can have the best value. ``exact`` is for what sums can only come close to.
    """

    name: str
    parts: Callable[[Any], Floats]
    combine: Callable[[Floats], Floats]
    better: Literal["higher", "lower"] = "higher"
    decides: bool = True
    exact: Callable[[Any], float] | None = None

    def of(self, outcomes: Outcomes) -> float:
        """The figure on all examples."""
        if self.exact is not None:
            return self.exact(outcomes)
        return float(self.combine(self.parts(outcomes).sum(axis=0)))


def _share(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


def ratio(top: Floats, bottom: Floats) -> Floats:
    """The quotient; NaN where there is nothing to divide by."""
    filled: Floats = np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
    return filled


def _with_count(values_N: Floats) -> Floats:
    return np.stack([values_N, np.ones_like(values_N)], axis=1)


def _exact_parts(outcomes: LabelOutcomes) -> Floats:
    return _with_count(outcomes.right_N.astype(np.float64))


def _hit_parts(outcomes: LabelOutcomes) -> Floats:
    truth, decided = outcomes.truth_NC, outcomes.decided_NC
    return np.concatenate([truth & decided, decided & ~truth, truth & ~decided], axis=1).astype(
        np.float64
    )


def _hits(sums: Floats) -> tuple[Floats, Floats, Floats]:
    tp, fp, fn = np.split(sums, 3, axis=-1)
    return tp, fp, fn


def _mean_where(values: Floats, is_counted: NDArray[np.bool_]) -> Floats:
    counted = is_counted.sum(axis=-1)
    total = np.where(is_counted, values, 0.0).sum(axis=-1)
    return ratio(np.asarray(total, np.float64), np.asarray(counted, np.float64))


def _macro(top: Floats, bottom: Floats, seen: Floats) -> Floats:
    return _mean_where(top / np.maximum(bottom, 1e-300), seen > 0)


def _macro_f1(sums: Floats) -> Floats:
    tp, fp, fn = _hits(sums)
    return _macro(2 * tp, 2 * tp + fp + fn, tp + fp + fn)


def _macro_precision(sums: Floats) -> Floats:
    tp, fp, fn = _hits(sums)
    return _macro(tp, tp + fp, tp + fp + fn)


def _macro_recall(sums: Floats) -> Floats:
    tp, fp, fn = _hits(sums)
    return _macro(tp, tp + fn, tp + fp + fn)


def _micro_f1(sums: Floats) -> Floats:
    tp, fp, fn = (part.sum(axis=-1) for part in _hits(sums))
    return ratio(np.asarray(2 * tp), np.asarray(2 * tp + fp + fn))


def _log_loss_parts(outcomes: LabelOutcomes) -> Floats:
    scores = np.clip(outcomes.scores_NC, 1e-15, 1 - 1e-15)
    truth = outcomes.truth_NC
    if outcomes.is_multiple:
        loss = -np.where(truth, np.log(scores), np.log1p(-scores)).mean(axis=1)
    else:
        loss = -np.log(np.where(truth, scores, 0).sum(axis=1).clip(1e-15))
    return _with_count(loss)


def _brier_parts(outcomes: LabelOutcomes) -> Floats:
    """Squared distance of scores and truth, summed over labels (Brier 1950), halved: 0 to 1."""
    squared = (outcomes.scores_NC - outcomes.truth_NC) ** 2
    return _with_count(squared.mean(axis=1) if outcomes.is_multiple else squared.sum(axis=1) / 2)


def _calibration_parts(outcomes: LabelOutcomes) -> Floats:
    """Per bin of confidence: how sure, how often right, how many (in that order, per bin)."""
    n = len(outcomes.truth_NC)
    if outcomes.is_multiple:
        sure, right = outcomes.scores_NC, outcomes.truth_NC.astype(np.float64)
    else:
        top = outcomes.scores_NC.argmax(axis=1)
        sure = outcomes.scores_NC[np.arange(n), top][:, None]
        right = outcomes.truth_NC[np.arange(n), top].astype(np.float64)[:, None]
    bins = np.minimum((sure * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    parts = np.zeros((n, 3, ECE_BINS))
    rows = np.repeat(np.arange(n), sure.shape[1])
    for place, values in enumerate((sure, right, np.ones_like(sure))):
        np.add.at(parts[:, place], (rows, bins.ravel()), values.ravel())
    return parts.reshape(n, -1)


def _calibration_error(sums: Floats) -> Floats:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599), equal-width bins."""
    sure, right, count = np.split(sums, 3, axis=-1)
    gap = np.abs(sure - right).sum(axis=-1)
    return ratio(np.asarray(gap), np.asarray(count.sum(axis=-1)))


CLASSIFICATION_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _exact_parts, _share),
        Metric("macro_f1", _hit_parts, _macro_f1),
        Metric("micro_f1", _hit_parts, _micro_f1),
        Metric("macro_precision", _hit_parts, _macro_precision),
        Metric("macro_recall", _hit_parts, _macro_recall),
        Metric("log_loss", _log_loss_parts, _share, better="lower"),
        Metric("brier", _brier_parts, _share, better="lower"),
        Metric("calibration_error", _calibration_parts, _calibration_error, "lower", decides=False),
    )
}
