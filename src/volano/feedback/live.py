"""How right the answers are that users really got, from reviews that were picked at random.

The share that is right; of numbers, the mean absolute error.

Each review item keeps the probability with which it was picked, so its inverse says for how many
answers it stands (Hajek 1971). Items picked because the model was unsure, or because somebody
complained, say nothing about all answers and are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from volano.core.nouns import Estimate
from volano.feedback.rules import predicted_labels, target_today
from volano.tasks.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Prediction
    from volano.store.reviews import ReviewItem
    from volano.tasks.task import Task

__all__ = ["LiveAccuracy", "live_accuracy", "weighted_mean", "weighted_share"]

_Z = 1.959963984540054  # of the 95 % interval


@dataclass(frozen=True)
class LiveAccuracy:
    """How right answers were, estimated from ``num_labels`` reviewed ones.

    Attributes:
        estimate: the figure.
        num_labels: answers that were reviewed.
        num_stands_for: answers that these stand for.
        num_left_out: reviews that say nothing about all answers.
        metric: share of right answers, or mean absolute error.
    """

    estimate: Estimate
    num_labels: int
    num_stands_for: float
    num_left_out: int
    metric: Literal["accuracy", "mae"] = "accuracy"

    def to_dict(self) -> dict[str, object]:
        """As JSON carries it."""
        return {
            self.metric: self.estimate.to_dict(),
            "num_labels": self.num_labels,
            "num_stands_for": self.num_stands_for,
            "num_left_out": self.num_left_out,
        }


def live_accuracy(
    task: Task,
    predictions: Mapping[str, Prediction],
    answered: Sequence[ReviewItem],
    model: str = "",
) -> LiveAccuracy | None:
    """Without bias, with a 95 % interval; None before any random pick was answered.

    A mean error of numbers needs two, since one says nothing of how they differ.

    Left out and counted: reviews that were not picked at random, those of other models' answers,
    and those whose Prediction is gone or whose label the project removed since. Reviewers who
    disagree each count in part.

    Args:
        task: today's labels.
        predictions: by id, those that reviews speak of.
        answered: answered reviews.
        model: the hash of the model that is spoken of, the champion's; empty for all that answered.
    """
    by_ref: dict[str, list[ReviewItem]] = {}
    num_left_out = 0
    for review in answered:
        labels = target_today(task, review.label or ())
        spoken_of = predictions.get(review.ref) if review.what == "prediction" else None
        is_of_model = spoken_of is not None and model in ("", spoken_of.model)
        if is_of_model and review.why == "random" and labels:
            by_ref.setdefault(review.ref, []).append(review)
        else:
            num_left_out += 1
    if not by_ref:
        return None
    figures, weights = [], []
    for ref, reviews in sorted(by_ref.items()):
        said = predicted_labels(task, predictions[ref])
        if not said and task.answers == "number":  # answered when the project had labels
            num_left_out += len(reviews)
            continue
        each = [_figure(task, said, target_today(task, review.label or ())) for review in reviews]
        figures.append(sum(each) / len(each))
        weights.append(1 / reviews[0].probability)
    counts = len(figures), sum(weights), num_left_out
    if task.answers == "labels":
        return LiveAccuracy(weighted_share(figures, weights), *counts)
    if len(figures) < 2:
        return None
    return LiveAccuracy(weighted_mean(figures, weights), *counts, metric="mae")


def _figure(task: Task, said: tuple[str, ...], truth: tuple[str, ...]) -> float:
    """1 for a right answer and 0 for a wrong one, or how far off a number is."""
    if task.answers == "labels":
        return float(said == truth)
    return abs(number_of(said) - number_of(truth))


def weighted_share(right: Sequence[float], weights: Sequence[float]) -> Estimate:
    """A Hajek mean of values in [0, 1], with Wilson's interval on the effective number of labels.

    The effective number (Korn and Graubard 1998) is what a plain random sample of the same variance
    would have; where all are right the variance says nothing, and Kish's number is used.

    >>> weighted_share([1, 1, 0, 1], [10, 10, 10, 10]).value
    0.75
    """
    total = sum(weights)
    share = sum(w * r for w, r in zip(weights, right, strict=True)) / total
    num = total * total / sum(w * w for w in weights)
    spread = sum((w * (r - share)) ** 2 for w, r in zip(weights, right, strict=True))
    if len(right) > 1 and spread > 0:
        variance = spread / total**2 * len(right) / (len(right) - 1)
        num = min(num, share * (1 - share) / variance)
    low, high = _wilson(share, num)
    return Estimate(share, min(low, share), max(high, share))


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> Estimate:
    """A Hajek mean of values from 0 up, with Student's interval on the scale of their logarithm.

    Errors are skewed: on their own scale an interval would be too low, and reach below 0. Degrees
    of freedom are those of the effective number of values (Kish).

    >>> round(weighted_mean([2.0, 4.0, 3.0], [1, 1, 1]).high, 2)
    6.87
    """
    from scipy.special import stdtrit

    total = sum(weights)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / total
    spread = sum((w * (v - mean)) ** 2 for w, v in zip(weights, values, strict=True))
    if not spread:
        return Estimate(mean, mean, mean)
    error = math.sqrt(spread / total**2 * len(values) / (len(values) - 1))
    num = total * total / sum(w * w for w in weights)
    # Weights that differ much leave next to one value; Student's interval is then next to endless.
    factor = math.exp(min(float(stdtrit(max(num - 1, 0.5), 0.975)) * error / mean, 700.0))
    return Estimate(mean, mean / factor, mean * factor)


def _wilson(share: float, num: float) -> tuple[float, float]:
    middle = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    half = _Z / (1 + _Z**2 / num) * math.sqrt(share * (1 - share) / num + _Z**2 / (4 * num**2))
    return max(0.0, middle - half), min(1.0, middle + half)
