"""Very many examples: intervals from a sample of them are those of all."""

from __future__ import annotations

import numpy as np
import pytest

from volano.evals import thinning
from volano.evals.thinning import Thinned, interval_of
from volano.loop.paired import compare
from volano.tasks.numbers import NUMBER_METRICS, NumberOutcomes
from volano.tasks.ranking import AVERAGE_PRECISION, ROC_AUC
from volano.tasks.resampling import Draws
from volano.tasks.scoring import LabelOutcomes, Metric

NUM = 3000


def numbers(off: float, seed: int) -> NumberOutcomes:
    truth = np.random.default_rng(0).normal(0, 1, NUM)
    value = truth + np.random.default_rng(seed).normal(0, off, NUM)
    return NumberOutcomes.of(truth, value, value - 1, value + 1)


def labels(skill: float, seed: int) -> LabelOutcomes:
    truth = np.random.default_rng(0).random(NUM) < 0.3
    score = 1 / (1 + np.exp(-skill * truth - np.random.default_rng(seed).normal(0, 1, NUM)))
    hot = np.stack([~truth, truth], axis=1), np.stack([score < 0.5, score >= 0.5], axis=1)
    return LabelOutcomes(("no", "yes"), *hot, np.stack([1 - score, score], axis=1), False)


def test_few_examples_are_all_drawn_from() -> None:
    draws = Draws(np.arange(50), 100, 0)
    thinned = Thinned.of(draws, 500)
    assert (thinned.row_M.tolist(), thinned.draws, thinned.shrink) == (list(range(50)), draws, 1.0)


def test_whole_units_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "_CELLS", 100_000)
    draws = Draws(np.arange(NUM) // 3, 100, 0)
    thinned = Thinned.of(draws, 0)
    kept = np.zeros(NUM, bool)
    kept[thinned.row_M] = True
    assert (kept.reshape(-1, 3).all(axis=1) | ~kept.reshape(-1, 3).any(axis=1)).all()
    assert len(thinned.row_M) == pytest.approx(1000, rel=0.01)
    assert thinned.shrink == pytest.approx(np.sqrt(1000 / NUM), rel=0.01)


@pytest.mark.parametrize("metric", [NUMBER_METRICS["rmse"], NUMBER_METRICS["r2"], ROC_AUC])
def test_the_interval_of_a_sample_is_near_that_of_all(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = labels(1.5, 1) if metric is ROC_AUC else numbers(0.5, 1)
    draws = Draws(np.arange(NUM), 1000, 0)
    whole = interval_of(metric, outcomes, draws)
    monkeypatch.setattr(thinning, "_CELLS", 1000 * (thinning.num_sums(metric, outcomes) + 100))
    part = interval_of(metric, outcomes, draws)
    assert part.value == whole.value
    assert part.high - part.low == pytest.approx(whole.high - whole.low, rel=0.15)
    assert part != whole


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_an_order_of_few_rows_stays_a_share(seed: int) -> None:
    few = np.random.default_rng(seed).choice(NUM, 14, replace=False)
    for metric in (AVERAGE_PRECISION, ROC_AUC):
        found = interval_of(metric, labels(1.0, 1).at(few), Draws(np.arange(14), 1000, 0))
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0


@pytest.mark.parametrize("metric", [NUMBER_METRICS["rmse"], ROC_AUC])
def test_a_comparison_of_a_sample_is_near_that_of_all(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (
        (labels(1.55, 1), labels(1.5, 2)) if metric is ROC_AUC
        else (numbers(0.495, 1), numbers(0.5, 2))
    )  # fmt: skip
    draws = Draws(np.arange(NUM), 1000, 0)
    whole = compare(metric, *pair, draws)
    cells = 1200 * (2 * thinning.num_sums(metric, pair[0]) + 100)
    monkeypatch.setattr(thinning, "_CELLS", cells)
    part = compare(metric, *pair, draws)
    assert part.gain.value == pytest.approx(whole.gain.value)
    assert part.error == pytest.approx(whole.error, rel=0.15)
    assert part.luck == pytest.approx(whole.luck, abs=0.06)
    assert part.num_examples == whole.num_examples == NUM
