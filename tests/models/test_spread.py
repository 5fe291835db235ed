from __future__ import annotations

import numpy as np
import pytest

from volano.models.spread import Spread


def drawn(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values and truth; large values err by more, and to one side."""
    rng = np.random.default_rng(seed)
    value = rng.uniform(1, 100, num)
    return value, value + rng.gamma(2.0, value / 10) - value / 10


def covered(spread: Spread, value: np.ndarray, truth: np.ndarray) -> np.ndarray:
    low, high = spread.ends(value)
    return (low <= truth) & (truth <= high)


def test_nine_in_ten_new_truths_lie_inside_for_small_values_and_for_large_ones() -> None:
    spread = Spread.fit(*drawn(4000))
    value, truth = drawn(20_000, seed=1)
    inside = covered(spread, value, truth)
    assert inside.mean() == pytest.approx(0.9, abs=0.015)
    for part in np.array_split(np.argsort(value), 5):
        assert inside[part].mean() == pytest.approx(0.9, abs=0.04)
    low, high = spread.ends(np.array([5.0, 95.0]))
    assert (high - low)[1] > 4 * (high - low)[0]


@pytest.mark.parametrize("num", [19, 40, 99])
def test_few_rows_promise_no_more_than_they_show(num: int) -> None:
    shares = [covered(Spread.fit(*drawn(num, s)), *drawn(500, s + 1000)).mean() for s in range(150)]
    assert np.mean(shares) >= 0.895


@pytest.mark.parametrize("num", [1, 2, 18])
def test_of_too_few_rows_the_farthest_errors_are_the_ends(num: int) -> None:
    value, truth = drawn(num)
    low, high = Spread.fit(value, truth).ends(value)
    assert (low <= truth + 1e-9).all()
    assert (truth <= high + 1e-9).all()


def test_an_even_interval_does_not_lean_to_the_side_of_one_stretch_of_time() -> None:
    """Held-out rows were all answered too low; later ones may be answered too high."""
    rng = np.random.default_rng(0)
    value = rng.uniform(1, 100, 1000)
    error = np.abs(rng.normal(10, 5, 1000))
    spread = Spread.fit(value, value + error, is_even=True)
    np.testing.assert_array_equal(spread.low_B, -spread.high_B)
    assert covered(spread, value, value + error).mean() == pytest.approx(0.9, abs=0.02)
    assert covered(spread, value, value - error).mean() == pytest.approx(0.9, abs=0.02)
    assert covered(Spread.fit(value, value + error), value, value - error).mean() < 0.1
    few = Spread.fit(value[:3], value[:3] + error[:3], is_even=True)
    assert few.high_B == pytest.approx(error[:3].max())


def test_no_rows_make_no_interval() -> None:
    with pytest.raises(ValueError, match="held out"):
        Spread.fit(np.zeros(0), np.zeros(0))


def test_the_answer_lies_in_its_interval_however_wrong_the_model_is() -> None:
    value = np.arange(1000.0)
    for off in (-50.0, 50.0):
        low, high = Spread.fit(value, value + off).ends(value)
        assert ((low <= value) & (value <= high)).all()


@pytest.mark.parametrize("value", [np.zeros(5000), np.repeat([1.0, 2.0], 2500)])
def test_equal_values_share_a_bin(value: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    spread = Spread.fit(value, value + rng.normal(size=value.size))
    assert len(spread.low_B) == len(np.unique(value))
    assert covered(spread, value, value + rng.normal(size=value.size)).mean() > 0.87


def test_what_is_kept_gives_the_same_ends_one_by_one() -> None:
    spread = Spread.fit(*drawn(3000), level=0.8)
    again = Spread.load(spread.settings(), spread.arrays())
    value, _ = drawn(50, seed=2)
    assert again.level == 0.8
    for place in range(50):
        one = again.ends(value[place : place + 1])
        assert [end[0] for end in one] == [end[place] for end in spread.ends(value)]


def test_parts_that_do_not_fit_together_are_refused() -> None:
    spread = Spread.fit(*drawn(3000))
    arrays = spread.arrays()
    with pytest.raises(ValueError, match="edges"):
        Spread.load(spread.settings(), {**arrays, "spread.low": arrays["spread.low"][:-1]})
    with pytest.raises(ValueError, match="edges"):
        Spread.load(spread.settings(), {**arrays, "spread.edge": arrays["spread.edge"][::-1]})
    with pytest.raises(KeyError):
        Spread.load(spread.settings(), {})
