"""Paired comparisons: intervals, swaps and how many labels would tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from volano.loop.paired import compare, labels_needed
from volano.tasks.ranking import ROC_AUC
from volano.tasks.resampling import Draws
from volano.tasks.scoring import CLASSIFICATION_METRICS, LabelOutcomes

ACCURACY = CLASSIFICATION_METRICS["accuracy"]


def right(is_right: np.ndarray) -> LabelOutcomes:
    truth = np.tile([True, False], (len(is_right), 1))
    decided = np.stack([is_right, ~is_right], axis=1)
    return LabelOutcomes(("a", "b"), truth, decided, decided * 1.0, False)


def two(num: int, better: int, worse: int) -> tuple[LabelOutcomes, LabelOutcomes]:
    rows = np.arange(num)
    return right(rows >= worse), right((rows < worse) | (rows >= worse + better))


def test_the_standard_error_is_that_of_the_paired_differences() -> None:
    found = compare(ACCURACY, *two(400, 30, 10), Draws(np.arange(400), 20_000, 0))
    differences = np.repeat([1, -1, 0], [30, 10, 360])
    assert found.gain.value == pytest.approx(0.05)
    assert found.error == pytest.approx(differences.std() / 20, rel=0.02)


def test_luck_is_the_mid_p_of_mcnemars_test() -> None:
    found = compare(ACCURACY, *two(300, 14, 6), Draws(np.arange(300), 100_000, 0))
    expected = stats.binom.sf(14, 20, 0.5) + stats.binom.pmf(14, 20, 0.5) / 2
    assert found.luck == pytest.approx(expected, abs=0.003)


def test_with_few_differences_luck_is_exact() -> None:
    found = compare(ACCURACY, *two(300, 6, 1), Draws(np.arange(300), 1000, 0))
    assert found.luck == pytest.approx((1 + 7 / 2) / 2**7)


def test_an_interval_reaches_zero_where_a_swap_would_do_as_well() -> None:
    found = compare(ACCURACY, *two(300, 4, 0), Draws(np.arange(300), 4000, 0))
    assert found.luck == pytest.approx(1 / 32)
    assert found.gain.low == 0
    assert not found.is_better


def test_a_thinner_tail_lowers_the_floor_and_leaves_the_interval() -> None:
    pair, draws = two(500, 40, 15), Draws(np.arange(500), 4000, 0)
    usual = compare(ACCURACY, *pair, draws)
    strict = compare(ACCURACY, *pair, draws, tail=1e-6)
    assert usual.gain == strict.gain
    assert usual.floor == usual.gain.low
    assert strict.floor < usual.floor
    assert usual.is_better
    assert not strict.is_better


def test_macro_f1_differs_with_the_answers_though_as_many_are_right() -> None:
    eye = np.eye(3, dtype=bool)
    truth = np.repeat([0, 1, 2], [80, 10, 10])
    ours, theirs = truth.copy(), truth.copy()
    ours[:10] = 1
    theirs[80:90] = 0
    candidate, champion = (
        LabelOutcomes(("a", "b", "c"), eye[truth], eye[said], eye[said] * 1.0, False)
        for said in (ours, theirs)
    )
    draws = Draws(np.arange(100), 2000, 0)
    assert compare(ACCURACY, candidate, champion, draws).gain.value == 0
    assert compare(CLASSIFICATION_METRICS["macro_f1"], candidate, champion, draws).is_better


def test_one_unit_only_decides_nothing() -> None:
    found = compare(ACCURACY, *two(50, 50, 0), Draws(np.zeros(50, int), 1000, 0))
    assert (found.gain.low, found.gain.value) == (0.0, 1.0)


def test_a_lower_loss_is_a_gain() -> None:
    candidate, champion = two(50, 0, 0)
    champion = replace(champion, scores_NC=np.full((50, 2), 0.5))
    found = compare(
        CLASSIFICATION_METRICS["log_loss"], candidate, champion, Draws(np.arange(50), 1000, 0)
    )
    assert found.gain.value == pytest.approx(np.log(2), rel=1e-3)


def test_what_is_no_sum_is_compared_exactly_and_its_draws_are_moved() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(600) < 0.3
    pair = []
    for skill in (2.0, 1.0):
        score = 1 / (1 + np.exp(-(skill * truth + rng.normal(0, 1, 600))))
        both = np.stack([~truth, truth], axis=1), np.stack([score < 0.5, score >= 0.5], axis=1)
        scores = np.stack([1 - score, score], axis=1)
        pair.append(LabelOutcomes(("no", "yes"), *both, scores, False))
    found = compare(ROC_AUC, *pair, Draws(np.arange(600), 2000, 0))
    assert found.gain.value == pytest.approx(ROC_AUC.of(pair[0]) - ROC_AUC.of(pair[1]), abs=1e-15)
    draws = [
        ROC_AUC.of(pair[0].at(rows)) - ROC_AUC.of(pair[1].at(rows))
        for rows in (rng.integers(600, size=600) for _ in range(600))
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    assert (found.gain.low, found.gain.high) == pytest.approx((low, high), abs=0.008)
    assert found.error == pytest.approx(np.std(draws), rel=0.12)
    assert found.is_better
    same = compare(ROC_AUC, pair[0], pair[0], Draws(np.arange(600), 500, 0))
    assert (same.gain.value, same.luck) == (0, pytest.approx(0.5))


def test_four_times_the_labels_halve_the_margin() -> None:
    total = 500 + labels_needed(0.02, 500, 0.01)
    assert 500 + labels_needed(0.02, 500, 0.005) == pytest.approx(4 * total, abs=4)
    # Another number of examples tells the same total, since the error shrinks with its root.
    assert 2000 + labels_needed(0.01, 2000, 0.01) == pytest.approx(total, abs=2)


def test_a_surer_level_needs_more_labels_and_a_wide_margin_none() -> None:
    assert labels_needed(0.02, 500, 0.01, level=0.99) > labels_needed(0.02, 500, 0.01)
    assert labels_needed(0.02, 500, 0.2) == 0
