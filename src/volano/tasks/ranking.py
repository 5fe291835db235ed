"""Metrics of an order: the area under the ROC curve, and average precision.

Neither is a sum over examples, and intervals need one. So scores are cut into bins, finest where
either class stands; what each example adds is a count in its bin, and a draw of examples is a sum
of counts. Within a bin an order counts as a tie. The figure itself is computed without bins.

Of two labels the rarer is asked about; of more, each against the rest, and the mean counts.

Shape suffixes: N examples, L labels asked about, B bins, ... any leading axes (draws).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from volano.tasks.scoring import Floats, LabelOutcomes, Metric, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["AVERAGE_PRECISION", "ROC_AUC"]

_BINS_ONE, _BINS_MANY = 250, 16  # for each label; the width of the sums tells which (_counts)


def _columns(outcomes: LabelOutcomes) -> list[int]:
    """The labels that are asked about."""
    rarest = outcomes.rarest
    return list(range(len(outcomes.labels))) if rarest is None else [rarest]


def _bins_of(score_N: Floats, is_true_N: NDArray[np.bool_], num: int) -> NDArray[np.int64]:
    """The bin of each score: cuts at quantiles of the true and of the others.

    Equal scores stand in the middle of the cuts that they share, as equal ranks do: so bins of two
    models can be swapped, and one answer for all is in the middle of the order, not at its end.
    """
    if not is_true_N.any() or is_true_N.all():
        return np.zeros(len(score_N), np.int64)
    shares = np.linspace(0, 1, num // 2 + 1)[1:]
    cuts = [np.quantile(score_N[rows], shares, method="lower") for rows in (is_true_N, ~is_true_N)]
    edges = np.sort(np.concatenate(cuts))[: num - 1]
    edges, first = np.unique(edges, return_index=True)
    last = np.append(first[1:], num - 1)
    place_B = np.concatenate([[0], (first + last + 1) // 2])
    found: NDArray[np.int64] = place_B[np.searchsorted(edges, score_N, "right")]
    return found


def _parts(outcomes: LabelOutcomes) -> Floats:
    """A one in the bin of each example, shape (N, L * 2 * B): the true, then the others."""
    columns = _columns(outcomes)
    num = _BINS_ONE if len(columns) == 1 else _BINS_MANY
    rows = np.arange(len(outcomes))
    parts = np.zeros((len(rows), len(columns), 2, num))
    for place, column in enumerate(columns):
        is_true_N = outcomes.truth_NC[:, column]
        bin_N = _bins_of(outcomes.scores_NC[:, column], is_true_N, num)
        parts[rows, place, 1 - is_true_N.astype(np.int64), bin_N] = 1.0
    return parts.reshape(len(rows), -1)


def _counts(sums: Floats) -> tuple[Floats, Floats]:
    """True and other counts, shape (..., L, B)."""
    width = sums.shape[-1]
    num = _BINS_ONE if width == 2 * _BINS_ONE else _BINS_MANY
    shaped = sums.reshape(*sums.shape[:-1], width // (2 * num), 2, num)
    return shaped[..., 0, :], shaped[..., 1, :]


def _mean(values: Floats) -> Floats:
    """Over labels, leaving out those that are nowhere or everywhere."""
    is_known = np.isfinite(values)
    total = np.where(is_known, values, 0.0).sum(axis=-1)
    return ratio(np.asarray(total), np.asarray(is_known.sum(axis=-1), np.float64))


def _auc(sums: Floats) -> Floats:
    """How often a true one scores above another, a tie counting half (Mann and Whitney 1947)."""
    true, other = _counts(sums)
    below = np.cumsum(other, axis=-1) - other / 2
    pairs = true.sum(axis=-1) * other.sum(axis=-1)
    return _mean(ratio((true * below).sum(axis=-1), pairs))


def _precision(sums: Floats) -> Floats:
    """The mean over the true ones of the precision down to the middle of their bin."""
    true, other = (found[..., ::-1] for found in _counts(sums))
    hits = np.cumsum(true, axis=-1) - true / 2
    taken = hits + np.cumsum(other, axis=-1) - other / 2
    precision = ratio(hits, taken)
    precision = np.where(true > 0, precision, 0.0)
    return _mean(ratio((true * precision).sum(axis=-1), true.sum(axis=-1)))


def _exact(of: Callable[[Floats, NDArray[np.bool_]], float], outcomes: LabelOutcomes) -> float:
    found = [
        of(outcomes.scores_NC[:, column], is_true)
        for column in _columns(outcomes)
        if (is_true := outcomes.truth_NC[:, column]).any() and not is_true.all()
    ]
    return float(np.mean(found)) if found else float("nan")


def _exact_auc(score_N: Floats, is_true_N: NDArray[np.bool_]) -> float:
    from scipy.stats import rankdata

    rank_N = rankdata(score_N)
    num, rest = int(is_true_N.sum()), int((~is_true_N).sum())
    return float((rank_N[is_true_N].sum() - num * (num + 1) / 2) / (num * rest))


def _exact_precision(score_N: Floats, is_true_N: NDArray[np.bool_]) -> float:
    order = np.argsort(-score_N, kind="stable")
    hits, taken = np.cumsum(is_true_N[order]), np.arange(1, len(order) + 1)
    is_last = np.append(np.diff(score_N[order]) != 0, True)  # of each run of equal scores
    gained = np.diff(hits[is_last], prepend=0)
    return float((gained * hits[is_last] / taken[is_last]).sum() / hits[-1])


ROC_AUC = Metric("roc_auc", _parts, _auc, exact=partial(_exact, _exact_auc))
AVERAGE_PRECISION = Metric(
    "average_precision", _parts, _precision, exact=partial(_exact, _exact_precision)
)
