"""Slices: exact p-values, their correction, and who is looked at."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from volano.loop.gate import GateConfig
from volano.loop.scored import Scored
from volano.loop.slice_tests import compare_slices, holm, loss_chance, nearly_all
from volano.tasks.scoring import LabelOutcomes


def brute(changes: list[float]) -> float:
    signs = np.array(list(itertools.product((-1, 1), repeat=len(changes))))
    return float((signs @ np.abs(changes) <= sum(changes) + 1e-9).mean())


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10))
def test_whole_changes_have_the_exact_chance(changes: list[int]) -> None:
    found = loss_chance(np.array(changes, float), np.random.default_rng(0))
    assert found == pytest.approx(brute(changes) if sum(changes) < 0 else 1.0)


@settings(deadline=None)
@given(st.lists(st.sampled_from([-1, -2 / 3, -0.5, -0.4, 0.4, 0.5, 0.8]), min_size=1, max_size=10))
def test_changes_of_sets_have_the_exact_chance(changes: list[float]) -> None:
    found = loss_chance(np.array(changes), np.random.default_rng(0))
    assert found == pytest.approx(brute(changes) if sum(changes) < -1e-9 else 1.0)


def test_right_or_wrong_is_the_sign_test() -> None:
    found = loss_chance(np.repeat([1.0, -1.0], [5, 20]), np.random.default_rng(0))
    assert found == pytest.approx(stats.binomtest(5, 25, alternative="less").pvalue)


def test_a_drawn_chance_is_near_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    changes = rng.normal(-0.3, 1, 40)
    expected = stats.permutation_test(
        (changes, np.zeros(40)),
        lambda a, b, axis: (a - b).mean(axis),
        permutation_type="samples",
        alternative="less",
        vectorized=True,
        n_resamples=20_000,
        rng=rng,
    ).pvalue
    found = loss_chance(changes, np.random.default_rng(0), most=20_000)
    assert found == pytest.approx(expected, rel=0.3)


def test_long_exact_sums_are_drawn_instead() -> None:
    changes = np.array([-1.0, 1 / 60] * 1000)
    assert loss_chance(changes, np.random.default_rng(0)) < 1e-3


def test_many_light_units_add_up_to_a_normal_sum() -> None:
    rng = np.random.default_rng(2)
    changes = rng.normal(-0.04, 1, 4000)
    drawn = [(rng.integers(2, size=(500, 4000)) * 2.0 - 1) @ changes for _ in range(10)]
    expected = (np.concatenate(drawn) <= changes.sum()).mean()
    found = loss_chance(changes, np.random.default_rng(0))
    assert found == pytest.approx(expected, abs=3 * np.sqrt(expected / 5000))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_value_and_bonferronis(p: list[float]) -> None:
    corrected = holm(p)
    for raw, found in zip(p, corrected, strict=True):
        assert raw <= found <= min(1.0, raw * len(p)) + 1e-12
    assert [x for _, x in sorted(zip(p, corrected, strict=True))] == sorted(corrected)


def world(is_right: np.ndarray, **slices: list[str]) -> Scored:
    num = len(is_right)
    truth = np.tile([True, False], (num, 1))
    decided = np.stack([is_right, ~is_right], axis=1)
    outcomes = LabelOutcomes(("a", "b"), truth, decided, decided * 1.0, False)
    return Scored("m", tuple(map(str, range(num))), np.arange(num), outcomes, slices=slices)


def test_small_slices_and_empty_values_are_not_judged() -> None:
    language = ["en"] * 60 + ["zh"] * 20 + [""] * 40
    worse, better = (world(np.full(120, flag), language=language) for flag in (False, True))
    found = compare_slices(GateConfig(), worse, better, 0)
    assert {(r.field, r.value, r.num_examples) for r in found} == {
        ("language", "en", 60),
    }
    assert all(r.is_worse for r in found)
    lower = compare_slices(GateConfig(slice_minimum=20), worse, better, 0)
    assert len(lower) == 2


def test_a_slice_that_is_nearly_the_whole_is_left_out_and_named() -> None:
    for size, is_judged in ((90, True), (91, False)):
        part = ["most"] * size + [""] * (100 - size)
        pair = [world(np.full(100, flag), part=part) for flag in (False, True)]
        found = compare_slices(GateConfig(slices=("part",)), *pair, 0)
        assert [result.value for result in found] == ["most"] * is_judged
        left_out = nearly_all(GateConfig(slices=("part",)), pair[0])
        told = {"part=most": "91% of the test examples: the whole is judged"}
        assert left_out == ({} if is_judged else told)


def test_no_slices_are_looked_at_where_none_are_wanted() -> None:
    flags = np.zeros(100, bool)
    assert compare_slices(GateConfig(slices=()), world(flags), world(~flags), 0) == ()


def test_rows_of_one_unit_count_once() -> None:
    flags = np.zeros(80, bool)
    part = ["one"] * 60 + [""] * 20
    config, pair = GateConfig(slices=("part",)), (world(flags, part=part), world(~flags, part=part))
    units = np.arange(80) // 20
    together = [Scored("m", s.ids, units, s.outcomes, slices=s.slices) for s in pair]
    assert compare_slices(config, *pair, 0)[0].p == pytest.approx(2.0**-60)
    assert compare_slices(config, *together, 0)[0].p == pytest.approx(2.0**-3)


def test_the_worst_slice_comes_first() -> None:
    part = ["good"] * 50 + ["bad"] * 50
    ours = world(np.arange(100) < 60, part=part)
    found = compare_slices(GateConfig(), ours, world(np.ones(100, bool), part=part), 0)
    assert [r.value for r in found if r.field == "part"] == ["bad", "good"]
