from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from volano.models.routing import Curve, explained, sureness

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def curve_of(
    sure: Floats, right: NDArray[np.bool_], unit: NDArray[np.int64] | None = None
) -> Curve:
    return Curve.of(sure, right, np.arange(sure.size) if unit is None else unit)


def drawn(rng: np.random.Generator, num: int) -> Floats:
    """Confidences as a good classifier gives them: most are high."""
    found: Floats = 0.25 + 0.75 * rng.beta(4.0, 1.0, num)
    return found


CHANCES: dict[str, Callable[[Floats], Floats]] = {
    "calibrated": lambda sure: sure,
    "too sure": lambda sure: sure**2,
    "too modest": lambda sure: np.sqrt(sure),
    "best in the middle": lambda sure: 0.97 - 2.0 * (sure - 0.85) ** 2,
    "no relation": lambda sure: np.full(sure.size, 0.949),
}


def share_of_broken_promises(
    chance: Callable[[Floats], Floats], target: float, num: int, per_unit: int = 1
) -> float:
    """How often the threshold that is found has a true precision under the target."""
    rng = np.random.default_rng(0)
    everybody = drawn(rng, 100_000)
    truth, broken = chance(everybody), 0
    for _ in range(500):
        # Rows of one unit are answered alike and right together: the worst case.
        sure = np.repeat(drawn(rng, num // per_unit), per_unit)
        luck = np.repeat(rng.random(num // per_unit), per_unit)
        unit = np.repeat(np.arange(num // per_unit), per_unit)
        found = curve_of(sure, luck < chance(sure), unit).find(target)
        broken += found is not None and truth[everybody >= found.threshold].mean() < target
    return broken / 500


@pytest.mark.slow
@pytest.mark.parametrize("shape", CHANCES)
@pytest.mark.parametrize(("target", "num"), [(0.9, 300), (0.95, 2000)])
def test_the_promised_precision_is_kept_in_95_of_100_draws(
    shape: str, target: float, num: int
) -> None:
    assert share_of_broken_promises(CHANCES[shape], target, num) <= 0.05


@pytest.mark.slow
def test_the_promise_holds_where_rows_of_one_person_err_together() -> None:
    assert share_of_broken_promises(CHANCES["too sure"], 0.8, 2000, per_unit=5) <= 0.05


def test_a_higher_target_never_has_a_lower_threshold() -> None:
    rng = np.random.default_rng(1)
    sure = drawn(rng, 5000)
    curve = curve_of(sure, rng.random(5000) < sure)
    found = [curve.find(target) for target in np.linspace(0.5, 0.999, 60)]
    thresholds = [np.inf if one is None else one.threshold for one in found]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < 0.5 < thresholds[-1] == np.inf


def test_many_sure_answers_reach_the_best_threshold_nearly() -> None:
    rng = np.random.default_rng(2)
    sure = drawn(rng, 200_000)
    found = curve_of(sure, rng.random(sure.size) < sure).find(0.95)
    assert found is not None
    above = np.sort(sure)[::-1]
    best = np.flatnonzero(np.cumsum(above) / np.arange(1, above.size + 1) >= 0.95)[-1]
    assert 0.9 * best < found.num <= best
    assert found.precision >= found.low >= 0.95


def test_what_is_wrong_as_often_everywhere_is_never_automatic_and_says_how_far_it_is() -> None:
    rng = np.random.default_rng(3)
    curve = curve_of(drawn(rng, 3000), rng.random(3000) < 0.8)
    assert curve.find(0.95) is None
    nearest = curve.nearest()
    assert nearest is not None
    assert 0.7 < nearest.low < 0.8
    assert "no confidence is shown to keep 0.95" in explained(curve, 0.95)


@pytest.mark.parametrize("num", [0, 1, 2, 58])
def test_so_few_answers_show_nothing_even_where_all_are_right(num: int) -> None:
    curve = curve_of(np.linspace(0.9, 1.0, num), np.ones(num, bool))
    assert curve.find(0.95) is None
    assert "all goes to people" in explained(curve, 0.95)


def test_59_right_answers_of_59_show_95_in_100() -> None:
    found = curve_of(np.full(59, 0.9), np.ones(59, bool)).find(0.95)  # 0.95 ** 59 < 0.05
    assert found is not None
    assert (found.threshold, found.num, found.share) == (0.9, 59, 1.0)


def test_answers_that_are_equally_sure_go_together() -> None:
    sure = np.array([0.99] * 500 + [0.5] * 500)
    right = np.array([True] * 500 + [True, False] * 250)
    curve = curve_of(sure, right)
    assert curve.threshold_K.tolist() == [0.99, 0.5]
    found = curve.find(0.9)
    assert found is not None
    assert (found.threshold, found.num) == (0.99, 500)
    assert curve.find(0.7) != found
    all_alike = curve_of(np.ones(1000), right).find(0.7)
    assert all_alike is not None
    assert all_alike.num == 1000


def test_an_answer_that_may_not_go_alone_counts_for_the_share_only() -> None:
    sure, right = np.linspace(0.5, 1.0, 400), np.ones(400, bool)
    may = np.arange(400) % 2 == 0
    found = Curve.of(sure, right, np.arange(400), may).find(0.9)
    assert found is not None
    assert (found.num, found.share) == (200, 0.5)


def test_rows_of_one_person_count_as_less() -> None:
    sure, right = np.linspace(1.0, 0.5, 400), np.ones(400, bool)
    right[40:60] = False
    alone = curve_of(sure, right)
    together = curve_of(sure, right, np.arange(400) // 20)  # whole units are wrong
    apart = curve_of(sure, right, np.arange(400) % 20)  # one row of each is wrong
    assert alone.effective_K[-1] == 400
    assert together.effective_K[-1] == pytest.approx(20, rel=0.1)
    assert apart.effective_K[-1] == 400
    all_right = curve_of(sure, np.ones(400, bool), np.arange(400) // 20)
    assert all_right.effective_K[-1] == pytest.approx(20)


def test_sums_over_units_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    unit, right = rng.integers(0, 7, 60), rng.random(60) < 0.7
    curve = curve_of(np.linspace(1, 0, 60), right, unit)
    for place, num in enumerate(curve.num_K.astype(int)):
        size = np.bincount(unit[:num], minlength=7).astype(float)
        hits = np.bincount(unit[:num], right[:num], minlength=7)
        share = hits.sum() / num
        spread = ((hits - share * size) ** 2).sum()
        least = num**2 / (size**2).sum()
        counts = least if share in (0, 1) else num
        if spread > 1e-9 and 0 < share < 1:
            counts = share * (1 - share) * num**2 / spread
        assert curve.effective_K[place] == pytest.approx(np.clip(counts, least, num))


def test_a_curve_comes_back_from_a_bundle_as_it_went_in() -> None:
    rng = np.random.default_rng(5)
    sure = drawn(rng, 3000)
    curve = Curve.of(sure, rng.random(3000) < sure, np.arange(3000), sure < 0.99)
    loaded = Curve.load(curve.arrays())
    assert loaded is not None
    assert len(loaded.num_K) <= 256
    assert loaded.total == 3000
    assert loaded.find(0.9) == curve.find(0.9) == Curve.from_dict(curve.to_dict()).find(0.9)
    assert Curve.load({}) is None
    empty = Curve.load(curve_of(np.zeros(0), np.zeros(0, bool)).arrays())
    assert empty is not None
    assert empty.find(0.5) is None


def test_a_damaged_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Curve.load({"calibration.curve": np.zeros((3, 4))})


def test_what_test_answers_show_is_read_at_the_threshold_to_the_answer() -> None:
    sure = np.array([0.9, 0.8, 0.8, 0.7])
    tested = Curve.of(sure, np.array([True, True, False, False]), np.arange(4), points=4)
    at = tested.above(0.8)
    assert at is not None
    assert (at.num, at.share, at.precision) == (3, 0.75, pytest.approx(2 / 3))
    assert at.low == pytest.approx(0.0943, abs=1e-3)  # Clopper-Pearson of 2 in 3, as in tables
    assert at.high == pytest.approx(0.9916, abs=1e-3)
    assert tested.above(0.95) is None
    assert tested.above(0.0) == tested.surest(1.0)


def test_several_labels_are_as_sure_as_all_of_them_together() -> None:
    scores = np.array([[0.9, 0.8, 0.1], [0.9, 0.4, 0.1]])
    decided = np.array([[True, True, False], [True, False, False]])
    whole = sureness(scores, decided, is_multiple=True)
    assert whole.tolist() == pytest.approx([0.9 * 0.8 * 0.9, 0.9 * 0.6 * 0.9])
    assert sureness(scores, decided, is_multiple=False).tolist() == [0.9, 0.9]
