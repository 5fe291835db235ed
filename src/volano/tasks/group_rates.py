"""Rates that are compared between groups of people: what each counts, and out of what.

Of labels: how often the positive one is answered, how often where it is true, how often where it is
not, how often the answer is wrong. Of numbers: the mean error and the mean absolute error, in
standard deviations of the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volano.core.errors import ConfigError
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Floats

__all__ = ["LABEL_FIGURES", "NUMBER_FIGURES", "group_shares", "positive_label"]

LABEL_FIGURES = ("selection_rate", "true_positive_rate", "false_positive_rate", "error_rate")
NUMBER_FIGURES = ("mean_error", "absolute_error")


def positive_label(outcomes: Outcomes, named: str, counts: Mapping[str, int]) -> str:
    """The label whose rates are compared: the named one, else the rarer of two; empty for none.

    Args:
        outcomes: truth and answers.
        named: in the project file, or empty.
        counts: training rows of each label: they say which is rarer, so that nearly as many of both
            are not told one way in training and the other way in the test.

    Raises:
        ConfigError: no example and no answer has the named one.
    """
    labels = outcomes.labels
    if named and named not in labels:
        raise ConfigError.among("label", named, labels, where="evaluate.fairness.positive")
    if named or not isinstance(outcomes, LabelOutcomes) or len(labels) != 2:
        return named
    seen_C = outcomes.truth_NC.sum(axis=0)
    return min(labels, key=lambda label: (counts.get(label, 0), seen_C[labels.index(label)]))


def group_shares(outcomes: Outcomes, positive: str) -> dict[str, tuple[Floats, Floats]]:
    """Each figure as what it counts, and out of what, both of shape (examples,)."""
    one_N = np.ones(len(outcomes))
    if isinstance(outcomes, NumberOutcomes):
        error_N = outcomes.error_N / outcomes.scale
        return {"mean_error": (error_N, one_N), "absolute_error": (np.abs(error_N), one_N)}
    assert isinstance(outcomes, LabelOutcomes)
    wrong_N = (~outcomes.right_N).astype(np.float64)
    if not positive:
        return {"error_rate": (wrong_N, one_N)}
    column = outcomes.labels.index(positive)
    true_N = outcomes.truth_NC[:, column].astype(np.float64)
    said_N = outcomes.decided_NC[:, column].astype(np.float64)
    return {
        "selection_rate": (said_N, one_N),
        "true_positive_rate": (said_N * true_N, true_N),
        "false_positive_rate": (said_N * (1 - true_N), 1 - true_N),
        "error_rate": (wrong_N, one_N),
    }
