"""Numbers as truth and answers: read as people write them, scored as the field does."""

import numpy as np
import pytest
from sklearn import metrics as known

from volano.core.errors import DataError
from volano.core.nouns import Answer
from volano.tasks import TabularRegression
from volano.tasks.numbers import NUMBER_METRICS, NumberOutcomes, number_of, number_text
from volano.tasks.resampling import Draws, estimate


def outcomes(num: int = 400, shift: float = 0.0) -> NumberOutcomes:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=num) * 3 + shift
    value = truth + rng.normal(size=num)
    return NumberOutcomes.of(truth, value, value - 1.6, value + 1.6)


@pytest.mark.parametrize(
    ("cell", "text"),
    [("12", "12"), (" 1,250.50 ", "1250.5"), (3.0, "3"), (7, "7"), ("-1e3", "-1000"),
     ("1,234,567", "1234567"), (0.1, "0.1"), (["4.5"], "4.5"), (True, "1")],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(cell: object, text: str) -> None:
    assert TabularRegression().read_target(cell) == (text,)


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan"), "nan", []])
def test_an_empty_cell_is_no_truth(cell: object) -> None:
    assert TabularRegression().read_target(cell) is None


@pytest.mark.parametrize("cell", ["twelve", "1,2", "12,34.5", "inf", {"a": 1}, ["1", "2"]])
def test_what_is_no_number_is_told(cell: object) -> None:
    with pytest.raises(DataError, match="is no number"):
        TabularRegression().read_target(cell)


def test_a_number_whose_square_is_none_is_told() -> None:
    assert TabularRegression().read_target(-1e150) == ("-1e+150",)
    with pytest.raises(DataError, match="too large a number"):
        TabularRegression().read_target("1e200")


@pytest.mark.parametrize("number", [0.1 + 0.2, 1e300, -5.0, 2.0**60, 1 / 3])
def test_a_number_comes_back_to_the_last_digit(number: float) -> None:
    assert number_of((number_text(number),)) == number


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_metrics_are_those_of_the_field(shift: float) -> None:
    found = outcomes(shift=shift)
    truth, value = found.truth_N, found.value_N
    scored = {name: metric.of(found) for name, metric in NUMBER_METRICS.items()}
    assert scored["mae"] == pytest.approx(known.mean_absolute_error(truth, value))
    assert scored["rmse"] == pytest.approx(known.root_mean_squared_error(truth, value))
    assert scored["r2"] == pytest.approx(known.r2_score(truth, value), rel=1e-6)
    pinball = [
        known.mean_pinball_loss(truth, end, alpha=level)
        for end, level in ((found.low_N, 0.05), (found.high_N, 0.95))
    ]
    assert scored["pinball"] == pytest.approx(np.mean(pinball))
    assert scored["coverage"] == pytest.approx(0.9, abs=0.05)


def test_an_interval_holds_the_figure_it_is_about() -> None:
    found = outcomes()
    for metric in NUMBER_METRICS.values():
        drawn = estimate(metric.parts(found), metric.combine, Draws(np.arange(len(found)), 500, 0))
        assert drawn.low < drawn.value < drawn.high
        assert drawn.value == pytest.approx(metric.of(found))


def test_the_guess_is_the_mean_and_explains_nothing() -> None:
    task = TabularRegression()
    truth = [(number_text(float(number)),) for number in range(101)]
    guess = task.guess(truth)
    assert (guess.value, guess.low, guess.high) == pytest.approx((50.0, 5.0, 95.0))
    found = task.outcomes(truth, [guess] * len(truth))
    assert task.metrics["r2"].of(found) == pytest.approx(0.0)
    assert list(task.output(guess)) == ["value", "low", "high"]


def test_credit_falls_with_the_error_and_small_errors_are_right() -> None:
    truth = np.array([0.0, 10.0])  # standard deviation 5
    value = np.array([0.9, 20.0])
    found = NumberOutcomes.of(truth, value, value, value)
    assert found.right_N.tolist() == [True, False]
    assert found.credit_N.tolist() == pytest.approx([0.91, 0.0])
    assert found.at(slice(1, 2)).scale == found.scale


def test_answers_become_arrays() -> None:
    answers = [Answer.of_number(1.0, 0.0, 2.0), Answer.of_number(3.0, 2.5, 4.0)]
    found = TabularRegression().outcomes([("1",), ("4",)], answers)
    assert found.error_N.tolist() == [0.0, -1.0]
    assert found.differs_N(found).tolist() == [False, False]
    assert TabularRegression().outcomes([], []).truth_N.shape == (0,)
