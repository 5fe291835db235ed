"""What a candidate must do to take over, and how often one test set may decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from volano.core.config import Config
from volano.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from volano.evals.config import EvaluateConfig
    from volano.tasks.scoring import Metric
    from volano.tasks.task import Task

__all__ = ["FairnessLimits", "GateConfig", "History", "fairness_limits", "gate_metric"]


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Gap = Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["off"]


class FairnessLimits(Config):
    """How far the groups of ``evaluate.fairness`` may lie apart, the largest less the smallest.

    Attributes:
        selection_rate_gap: of how often the positive label is answered.
        true_positive_gap: of how often it is answered where it is true.
        false_positive_gap: of how often it is answered where it is not.
        error_gap: of how often answers are wrong; of numbers, of the mean absolute error in
            standard deviations of the truth.
        mean_error_gap: of numbers, of the mean error in standard deviations of the truth.
    """

    selection_rate_gap: _Gap = "off"
    true_positive_gap: _Gap = "off"
    false_positive_gap: _Gap = "off"
    error_gap: _Gap = "off"
    mean_error_gap: _Gap = "off"


# The figure that each limit is about, of labels and of numbers.
_LIMITED = {
    "selection_rate_gap": {"labels": "selection_rate"},
    "true_positive_gap": {"labels": "true_positive_rate"},
    "false_positive_gap": {"labels": "false_positive_rate"},
    "error_gap": {"labels": "error_rate", "number": "absolute_error"},
    "mean_error_gap": {"number": "mean_error"},
}


class GateConfig(Config):
    """The gate between a candidate and its users.

    Attributes:
        metric: what decides; ``auto`` is the task's own.
        margin: the smallest gain worth having, in units of the metric; of a number's error, as a
            share of what guessing is off.
        level: of the paired interval; each tail is the chance of one kind of wrong verdict.
        resamples: draws behind the interval.
        slices: fields whose values may not get worse; ``auto`` is every slice of the report and
            every label (where mistakes have costs, every slice).
        slice_minimum: slices with fewer test examples are not judged.
        slice_tolerance: a loss up to this never refuses, however sure.
        latency_ms: the longest 95th percentile of one request.
        size_mb: the largest bundle, in 1,000,000 bytes.
        parity_gap: the largest distance of any score from the training-time model's; of an
            encoder in fewer bits the mean distance may be four times that.
        parity_agreement: the least share of reference rows decided as in training; an encoder in
            fewer bits may decide five times as many otherwise.
        fairness: how far groups of people may lie apart.
        reuse_budget: verdicts on one test set at full level; later ones must be surer.
    """

    metric: str = "auto"
    margin: float = Field(0.01, ge=0, allow_inf_nan=False)
    level: float = Field(0.95, ge=0.5, le=0.999)
    resamples: int = Field(4000, ge=1000, le=100_000)
    slices: tuple[str, ...] | Literal["auto"] = "auto"
    slice_minimum: int = Field(30, ge=1)
    slice_tolerance: float = Field(0.0, ge=0, le=1)
    latency_ms: _Positive | Literal["off"] = "off"
    size_mb: _Positive | Literal["off"] = "off"
    parity_gap: float = Field(0.005, gt=0, le=1)
    parity_agreement: float = Field(0.999, ge=0, le=1)
    fairness: FairnessLimits = FairnessLimits()
    reuse_budget: int = Field(20, ge=1)

    @property
    def tail(self) -> float:
        """The chance of a wrong promotion, and of a wrong refusal, in one verdict."""
        return (1 - self.level) / 2


@dataclass(frozen=True)
class History:
    """How many earlier verdicts the same frozen examples have decided.

    A verdict that used 300 of today's 400 examples counts as three quarters: new examples renew
    the budget in proportion, and a test set of which nothing is left counts for nothing. What
    matters is which examples were used, not how many.

    >>> History.of_examples([{"a", "b"}, {"b", "c", "d"}], {"b", "c"})
    History(verdicts=1.5)
    """

    verdicts: float = 0.0

    @classmethod
    def of_examples(cls, earlier: Iterable[Set[str]], today: Set[str]) -> Self:
        """From the ids of the test examples of each earlier verdict, and of those of today."""
        return cls(sum(len(used & today) / len(today) for used in earlier) if today else 0.0)

    @property
    def looks(self) -> int:
        """Verdicts on this test set, the present one included."""
        return math.ceil(self.verdicts) + 1

    def tail(self, config: GateConfig) -> float:
        """How unlikely luck must be for a promotion now.

        The first ``reuse_budget`` looks have the full tail; look k after that has
        (budget / k) squared of it. The squares sum to less than the budget, so over any number of
        turns at most ``2 * budget * tail`` promotions are expected to be luck.
        """
        return _tail_of_look(self.looks, config)

    def luck(self, config: GateConfig) -> float:
        """An upper bound on the chance that at least one promotion so far was luck."""
        tails = sum(_tail_of_look(look, config) for look in range(1, self.looks + 1))
        return min(1.0, tails)


def _tail_of_look(look: int, config: GateConfig) -> float:
    shrunk = min(1.0, config.reuse_budget / look) ** 2
    return config.tail * shrunk


def gate_metric(config: GateConfig, task: Task) -> Metric:
    """The metric that decides.

    Raises:
        ConfigError: no such metric, or one that a useless model can win.
    """
    name = task.default_metric if config.metric == "auto" else config.metric
    if name not in task.metrics:
        raise ConfigError.among("metric", name, task.metrics, where="gate.metric")
    metric = task.metrics[name]
    if not metric.decides:
        raise ConfigError(
            "{name!r} cannot decide a promotion: a model that only guesses can have the best",
            where="gate.metric",
            fix="gate.metric: {better}; the report shows {name} as well",
            name=name,
            better=task.default_metric,
        )
    return metric


def fairness_limits(
    config: GateConfig, task: Task, evaluate: EvaluateConfig | None = None
) -> dict[str, float]:
    """The largest gap allowed of each figure that has a limit, by figure.

    Args:
        config: the gate.
        task: labels and numbers have different figures.
        evaluate: where it is given, it must name groups if there is a limit.

    Raises:
        ConfigError: a limit is not about such answers, or nobody says which groups to compare.
    """
    found = {}
    for name, limit in config.fairness.model_dump().items():
        if limit == "off":
            continue
        if task.answers not in _LIMITED[name]:
            raise ConfigError(
                "{name} is no limit of {task}",
                where=f"gate.fairness.{name}",
                fix="take it out, or name one of {known}",
                name=name,
                task=task.name,
                known=", ".join(one for one, about in _LIMITED.items() if task.answers in about),
            )
        found[_LIMITED[name][task.answers]] = float(limit)
    if found and evaluate is not None and not evaluate.fairness.fields:
        raise ConfigError(
            "gate.fairness limits gaps between groups, and nobody says which groups",
            where="evaluate.fairness.fields",
            fix="name the columns whose values are the groups, such as [sex]",
        )
    return found
