"""A volano plugin: a kind of work over tables whose answer is how many there are of something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from volano.tasks import TabularRegression
from volano.tasks.numbers import NUMBER_METRICS, NumberOutcomes
from volano.tasks.scoring import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.core.hooks import Hub


def register(hub: Hub) -> None:
    """Say what this plugin adds."""
    hub.add_task("count-regression", CountRegression)


def deviance_parts(found: NumberOutcomes) -> NDArray[np.float64]:
    """What each row adds to the sums: its Poisson deviance, and 1."""
    truth, value = found.truth_N, np.maximum(found.value_N, 1e-6)
    surprise = np.where(truth > 0, truth * np.log(np.maximum(truth, 1e-6) / value), 0.0)
    return np.stack([2.0 * (surprise - truth + value), np.ones(len(found))], axis=1)


def mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The figure from the sums."""
    return sums[..., 0] / sums[..., 1]


DEVIANCE = Metric("deviance", deviance_parts, mean, better="lower")


@dataclass(frozen=True)
class CountRegression(TabularRegression):
    """A number from 0 on, scored by how surprising it is among counts."""

    name: str = "count-regression"
    learners: tuple[str, ...] = ("linear", "trees")
    metrics: Mapping[str, Metric] = field(
        default_factory=lambda: {DEVIANCE.name: DEVIANCE, **NUMBER_METRICS}
    )
    default_metric: str = "deviance"
