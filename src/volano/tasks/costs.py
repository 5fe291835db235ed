"""What mistakes cost: a matrix over labels, and the metric that counts it.

Shape suffixes: N examples, C labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volano.tasks.scoring import Floats, LabelOutcomes, Metric, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["cost_matrix", "cost_metric"]

_MISTAKE = 1.0


def cost_matrix(labels: Sequence[str], costs: Mapping[str, Mapping[str, float]]) -> Floats:
    """What it costs to answer the label of a column where that of the row is true, shape (C, C).

    >>> cost_matrix(("no", "yes"), {"yes": {"no": 5}}).tolist()
    [[0.0, 1.0], [5.0, 0.0]]
    """
    found = np.full((len(labels), len(labels)), _MISTAKE)
    np.fill_diagonal(found, 0.0)
    for row, true in enumerate(labels):
        for column, answer in enumerate(labels):
            found[row, column] = costs.get(true, {}).get(answer, found[row, column])
    return found


def cost_metric(costs: Mapping[str, Mapping[str, float]]) -> Metric:
    """The mean cost of an answer."""

    def parts(outcomes: LabelOutcomes) -> Floats:
        cost_CC = cost_matrix(outcomes.labels, costs)
        true_N, said_N = outcomes.truth_NC.argmax(axis=1), outcomes.decided_NC.argmax(axis=1)
        return np.stack([cost_CC[true_N, said_N], np.ones(len(outcomes))], axis=1)

    def mean(sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])

    return Metric("cost", parts, mean, better="lower")
