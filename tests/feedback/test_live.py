from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from volano.feedback import live_accuracy
from volano.feedback.agreement import cohen_kappa, krippendorff_alpha, measure_agreement
from volano.feedback.live import weighted_share
from volano.store.reviews import ReviewItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.core.nouns import Prediction
    from volano.tasks import TextClassification

    Predicted = Callable[..., Prediction]


def answered(ref: str, label: str, probability: float, why: str = "random") -> ReviewItem:
    return ReviewItem(
        "prediction",
        ref,
        {},
        None,
        why,  # type: ignore[arg-type]
        probability,
        state="answered",
        label=(label,),
        by="ann",
    )


def test_only_random_picks_count_and_each_stands_for_its_share(
    task: TextClassification, predicted: Predicted
) -> None:
    predictions = {name: predicted(name) for name in ("p1", "p2", "p3")}
    reviews = [
        answered("p1", "card", 0.1),
        answered("p2", "loan", 0.5),
        answered("p3", "loan", 1.0, "unsure"),
        answered("gone", "loan", 0.1),
    ]
    live = live_accuracy(task, predictions, reviews)
    assert live is not None
    assert live.estimate.value == pytest.approx(10 / 12)
    assert (live.num_labels, live.num_stands_for, live.num_left_out) == (2, 12.0, 2)


def test_answers_of_other_models_say_nothing_about_the_champion(
    task: TextClassification, predicted: Predicted
) -> None:
    predictions = {name: predicted(name) for name in ("p1", "p2")}
    predictions["p3"] = replace(predicted("p3"), model="n" * 64)
    reviews = [
        answered("p1", "loan", 0.5),
        answered("p2", "loan", 0.5),
        answered("p3", "card", 0.5),
    ]
    live = live_accuracy(task, predictions, reviews, "n" * 64)
    assert live is not None
    assert (live.estimate.value, live.num_labels, live.num_left_out) == (1.0, 1, 2)
    assert live_accuracy(task, predictions, reviews, "c" * 64) is None


def test_without_random_picks_nothing_is_claimed(
    task: TextClassification, predicted: Predicted
) -> None:
    reviews = [answered("p1", "card", 1.0, "unsure")]
    assert live_accuracy(task, {"p1": predicted("p1")}, reviews) is None


def test_all_right_on_few_labels_is_not_certainty() -> None:
    live = weighted_share([1.0] * 10, [5.0] * 10)
    assert live.value == live.high == 1.0
    assert 0.65 < live.low < 0.75


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Three draws of unlike size and quality, 600 times: the truth lies inside about 95 %."""
    rng = random.Random(7)
    pools = [
        [float(rng.random() < right) for _ in range(size)]
        for size, right in ((2000, 0.95), (500, 0.7), (120, 0.5))
    ]
    truth = sum(map(sum, pools)) / sum(map(len, pools))
    inside, total = 0, 0.0
    for _ in range(600):
        right, weights = [], []
        for pool in pools:
            right += rng.sample(pool, 40)
            weights += [len(pool) / 40] * 40
        live = weighted_share(right, weights)
        inside += live.low <= truth <= live.high
        total += live.value
    assert abs(total / 600 - truth) < 0.005
    assert inside / 600 > 0.93


def test_agreement_matches_published_figures() -> None:
    """Cohen's kappa by hand; alpha of the nominal example in Krippendorff 2011, section B."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    first, second = "aabbdcccedda", "babbbccceddd"
    units = [list(pair) for pair in zip(first, second, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.692, abs=0.001)


def test_agreement_without_variation_is_not_a_number() -> None:
    assert cohen_kappa([("a", "a")]) is None
    assert krippendorff_alpha([["a", "a"], ["a"]]) is None
    assert measure_agreement([(1, "ann", "a"), (2, "bo", "a")]) is None
