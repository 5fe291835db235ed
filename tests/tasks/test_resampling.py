"""Intervals: units drawn again, exact sums, honest coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volano.tasks.resampling import Draws, estimate, interval


def share(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def with_count(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones_like(values)], axis=1).astype(float)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_the_sums_of_units_are_those_of_their_rows(codes: list[int], seed: int) -> None:
    unit_N = np.unique(codes, return_inverse=True)[1]
    parts = np.random.default_rng(seed).integers(9, size=(len(codes), 3)).astype(float)
    expected = np.array([parts[unit_N == unit].sum(0) for unit in range(unit_N.max() + 1)])
    assert Draws(unit_N, 10, 0).by_unit(parts).tolist() == expected.tolist()


@pytest.mark.parametrize("num_kinds", [2, 300])
def test_drawing_kinds_of_units_and_units_one_by_one_give_the_same_spread(num_kinds: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(num_kinds, size=300) / num_kinds
    means = Draws(np.arange(300), 20_000, 1).sums(with_count(values))[:, 0] / 300
    assert means.mean() == pytest.approx(values.mean(), abs=0.001)
    assert means.std() == pytest.approx(values.std() / 300**0.5, rel=0.03)


def test_every_draw_has_as_many_units_as_there_are() -> None:
    for values in (np.zeros(50), np.arange(50)):
        counts = Draws(np.arange(50), 500, 2).sums(with_count(values))[:, 1]
        assert set(counts.tolist()) == {50.0}


def test_columns_of_one_call_are_drawn_together() -> None:
    values = np.random.default_rng(0).random(80)
    sums = Draws(np.arange(80), 1000, 3).sums(np.stack([values, values], axis=1))
    assert sums[:, 0].tolist() == sums[:, 1].tolist()


def test_the_same_seed_draws_the_same() -> None:
    values = with_count(np.random.default_rng(0).random(40))
    first, second, other = (Draws(np.arange(40), 200, seed).sums(values) for seed in (1, 1, 2))
    assert first.tolist() == second.tolist()
    assert first.tolist() != other.tolist()


def test_every_half_is_taken_once_where_there_are_few_units() -> None:
    halves = Draws(np.arange(3), 1000, 0).halves(np.array([[1.0], [2.0], [4.0]]))
    assert sorted(halves.ravel().tolist()) == list(range(8))


@pytest.mark.parametrize("num_kinds", [1, 40])
def test_a_half_is_half_on_average(num_kinds: int) -> None:
    values = np.arange(40)[:, None] % num_kinds + 1.0
    halves = Draws(np.arange(40), 20_000, 4).halves(values)
    assert halves.mean() == pytest.approx(values.sum() / 2, rel=0.01)
    assert halves.std() == pytest.approx(np.sqrt((values**2).sum()) / 2, rel=0.03)


def test_rows_of_one_unit_widen_the_interval() -> None:
    values = with_count(np.repeat(np.random.default_rng(0).random(50) < 0.5, 10))
    alone = estimate(values, share, Draws(np.arange(500), 2000, 0))
    together = estimate(values, share, Draws(np.repeat(np.arange(50), 10), 2000, 0))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_single_unit_tells_nothing_more_than_its_value() -> None:
    found = estimate(with_count(np.array([0.0, 1.0])), share, Draws(np.zeros(2, int), 100, 0))
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


def test_without_a_finite_draw_the_interval_is_everything() -> None:
    assert interval(np.array([np.nan, np.nan]), 10) == (float("-inf"), float("inf"))


def test_half_of_a_tie_counts_on_either_side() -> None:
    values = np.repeat([0.0, 1.0], [100, 900])
    low, high = interval(values, 10_000, level=0.9)
    assert low == pytest.approx(0.0, abs=1e-3)
    assert high == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("num", "right"), [(50, 0.8), (200, 0.9), (1000, 0.7)])
def test_intervals_hold_the_truth_nearly_as_often_as_they_say(num: int, right: float) -> None:
    rng = np.random.default_rng(num)
    held = 0
    for turn in range(1000):
        found = estimate(
            with_count(rng.random(num) < right), share, Draws(np.arange(num), 1000, turn)
        )
        held += found.low <= right <= found.high
    assert 0.925 <= held / 1000 <= 0.975
