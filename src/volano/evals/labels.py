"""What a report says of labels: each by itself, mix-ups, how far a confidence can be trusted.

Of a table, also how well the scores put rows in order, and what each threshold would flag.

Shape suffixes: N examples, C labels.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.tasks.costs import cost_matrix
from volano.tasks.scoring import ECE_BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Answer
    from volano.tasks.scoring import Floats, LabelOutcomes
    from volano.tasks.task import Task

__all__ = ["confusion_of", "order_of", "per_label", "reliability_of", "unknown_of"]

_CURVES = 6  # labels with a curve of their own: those seen most
_POINTS = 200  # of a curve
_THRESHOLDS = tuple(place / 20 for place in range(1, 20))


def per_label(outcomes: LabelOutcomes) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each label; None where there is nothing to divide by."""
    truth, decided = outcomes.truth_NC, outcomes.decided_NC
    tp, support, said = (truth & decided).sum(0), truth.sum(0), decided.sum(0)
    return [
        {
            "label": label,
            "precision": float(tp[c] / said[c]) if said[c] else None,
            "recall": float(tp[c] / support[c]) if support[c] else None,
            "f1": float(2 * tp[c] / (support[c] + said[c])) if support[c] + said[c] else None,
            "support": int(support[c]),
            "decided": int(said[c]),
        }
        for c, label in enumerate(outcomes.labels)
    ]


def confusion_of(outcomes: LabelOutcomes) -> list[dict[str, Any]]:
    """How often each label was answered for each true one; empty where labels overlap."""
    if outcomes.is_multiple:
        return []
    cells = Counter(
        zip(
            outcomes.truth_NC.argmax(1).tolist(),
            outcomes.decided_NC.argmax(1).tolist(),
            strict=True,
        )
    )
    return [
        {"truth": outcomes.labels[t], "decided": outcomes.labels[d], "count": count}
        for (t, d), count in sorted(cells.items())
    ]


def reliability_of(task: Task, outcomes: LabelOutcomes) -> list[dict[str, float]]:
    """By how sure answers were, how often they were right."""
    sums = task.metrics["calibration_error"].parts(outcomes).sum(axis=0).reshape(3, ECE_BINS)
    return [
        {"sure": sure / count, "right": right / count, "count": count}
        for sure, right, count in sums.T.tolist()
        if count
    ]


def unknown_of(
    task: Task, truth: Sequence[Sequence[str]], answers: Sequence[Answer]
) -> dict[str, Any] | None:
    """How well "none of these" is answered; None where nothing is said so."""
    label = task.labels.unknown
    said = np.array([answer.unknown for answer in answers])
    if not label:
        return {"flagged": float(said.mean())} if said.any() else None
    is_unknown = np.array([label in labels for labels in truth])
    return {
        "label": label,
        "num_unknown": int(is_unknown.sum()),
        "recall": float(said[is_unknown].mean()) if is_unknown.any() else None,
        "false_alarms": float(said[~is_unknown].mean()) if (~is_unknown).any() else None,
    }


def order_of(task: Task, outcomes: LabelOutcomes) -> dict[str, Any]:
    """ROC and precision-recall curves by label, and of two labels what each threshold flags.

    Of two labels the rarer is asked about, of more those seen most, each against the rest.
    """
    count_C = outcomes.truth_NC.sum(axis=0)
    is_pair = len(outcomes.labels) == 2 and not outcomes.is_multiple
    columns = [int(count_C.argmin())] if is_pair else np.argsort(-count_C, kind="stable")[:_CURVES]
    curves = [
        {"label": outcomes.labels[c], **_curves(outcomes.scores_NC[:, c], outcomes.truth_NC[:, c])}
        for c in columns
        if 0 < count_C[c] < len(outcomes)
    ]
    told: dict[str, Any] = {"curves": curves, "thresholds": []}
    if is_pair and curves:
        told["thresholds"] = _thresholds(task, outcomes, int(columns[0]))
    return told


def _curves(score_N: Floats, true_N: NDArray[np.bool_]) -> dict[str, Any]:
    """Points from the highest score down; equal scores go together."""
    order = np.argsort(-score_N, kind="stable")
    hits, taken = np.cumsum(true_N[order]), np.arange(1, len(order) + 1)
    ends = np.flatnonzero(np.append(np.diff(score_N[order]) != 0, True))
    hits, taken = hits[ends].astype(float), taken[ends].astype(float)
    num, rest = float(true_N.sum()), float((~true_N).sum())
    recall, alarms, precision = hits / num, (taken - hits) / rest, hits / taken
    # Spread over both ends of the axis: alarms matter to the one, recall to the other.
    wanted = np.linspace(0, 1, _POINTS // 2)
    kept = np.unique(np.concatenate([
        np.minimum(np.searchsorted(part, wanted), len(ends) - 1) for part in (recall, alarms)
    ]))  # fmt: skip
    return {
        "count": int(num),
        "roc": [[0.0, 0.0], *np.stack([alarms[kept], recall[kept]], axis=1).tolist()],
        "precision_recall": np.stack([recall[kept], precision[kept]], axis=1).tolist(),
    }


def _thresholds(task: Task, outcomes: LabelOutcomes, column: int) -> list[dict[str, Any]]:
    """What would be flagged from each score on; the first row is what is answered now."""
    true_N = outcomes.truth_NC[:, column]
    score_N = outcomes.scores_NC[:, column]
    flagged: list[tuple[float | None, NDArray[np.bool_]]] = [
        (None, outcomes.decided_NC[:, column]),
        *((threshold, score_N >= threshold) for threshold in _THRESHOLDS),
    ]
    costs = task.labels.costs
    cost_CC = cost_matrix(outcomes.labels, costs) if costs else None
    rows = []
    for threshold, said_N in flagged:
        hits = int((said_N & true_N).sum())
        row = {
            "threshold": threshold,
            "share": float(said_N.mean()),
            "precision": hits / int(said_N.sum()) if said_N.any() else None,
            "recall": hits / int(true_N.sum()),
            "false_alarms": float(said_N[~true_N].mean()),
        }
        if cost_CC is not None:
            told_N = np.where(said_N, column, 1 - column)
            row["cost"] = float(cost_CC[outcomes.truth_NC.argmax(axis=1), told_N].mean())
        rows.append(row)
    return rows
