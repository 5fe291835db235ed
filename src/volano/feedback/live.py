"""How right the answers are that users really got, from reviews that were picked at random.

Each review item keeps the probability with which it was picked, so its inverse says for how many
answers it stands (Hajek 1971). Items picked because the model was unsure, or because somebody
complained, say nothing about all answers and are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volano.core.nouns import Estimate
from volano.feedback.rules import predicted_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Prediction
    from volano.store.reviews import ReviewItem
    from volano.tasks.task import Task

__all__ = ["LiveAccuracy", "live_accuracy", "weighted_share"]

_Z = 1.959963984540054  # of the 95 % interval


@dataclass(frozen=True)
class LiveAccuracy:
    """Share of answers that were right, estimated from ``num_labels`` reviewed ones."""

    accuracy: Estimate
    num_labels: int
    num_stands_for: float
    num_left_out: int

    def to_dict(self) -> dict[str, object]:
        """As JSON carries it."""
        return {
            "accuracy": self.accuracy.to_dict(),
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
        labels = task.today(review.label or ())
        spoken_of = predictions.get(review.ref) if review.what == "prediction" else None
        is_of_model = spoken_of is not None and model in ("", spoken_of.model)
        if is_of_model and review.why == "random" and labels:
            by_ref.setdefault(review.ref, []).append(review)
        else:
            num_left_out += 1
    if not by_ref:
        return None
    right, weights = [], []
    for ref, reviews in sorted(by_ref.items()):
        said = predicted_labels(task, predictions[ref])
        fits = [task.today(review.label or ()) == said for review in reviews]
        right.append(sum(fits) / len(fits))
        weights.append(1 / reviews[0].probability)
    return LiveAccuracy(weighted_share(right, weights), len(right), sum(weights), num_left_out)


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


def _wilson(share: float, num: float) -> tuple[float, float]:
    middle = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    half = _Z / (1 + _Z**2 / num) * math.sqrt(share * (1 - share) / num + _Z**2 / (4 * num**2))
    return max(0.0, middle - half), min(1.0, middle + half)
