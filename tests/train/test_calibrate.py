from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.models.calibration import Calibration, log_softmax
from volano.tasks.scoring import CLASSIFICATION_METRICS, LabelOutcomes
from volano.train.calibrate import (
    calibrate_many,
    calibrate_one,
    fit_temperature,
    log_loss,
    with_unknown,
)


def drawn(num: int, labels: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Decision values, and classes drawn as a softmax at this temperature says."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(num, labels)) * 3
    chances = np.exp(log_softmax(values / temperature))
    return values, (chances.cumsum(axis=1) > rng.random((num, 1))).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_made_the_data_is_found(temperature: float) -> None:
    values, classes = drawn(4000, 5, temperature)
    assert fit_temperature(values, classes) == pytest.approx(temperature, rel=0.1)


def test_calibrated_scores_have_a_small_calibration_error() -> None:
    values, classes = drawn(4000, 5, 4.0)
    truth = np.eye(5, dtype=bool)[classes]
    error = CLASSIFICATION_METRICS["calibration_error"]

    def measured(calibration: Calibration) -> float:
        scores = calibration.probabilities(values)
        return error.of(LabelOutcomes(tuple("abcde"), truth, truth, scores, False))

    assert measured(Calibration()) > 0.2
    assert measured(calibrate_one(values, truth)) < 0.02


def test_a_hundred_rows_without_a_mistake_do_not_make_the_model_infinitely_sure() -> None:
    classes = np.arange(100) % 3
    values = np.eye(3)[classes] * 10
    scores = calibrate_one(values, np.eye(3, dtype=bool)[classes]).probabilities(values)
    assert 0.95 < scores.max() < 0.9999


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 20), st.integers(1, 30), st.integers(2, 6))
def test_scores_of_a_row_add_up_to_one_and_keep_their_order(warmth, num, labels) -> None:
    values = np.random.default_rng(num).normal(size=(num, labels)) * 50
    scores = Calibration(temperature=warmth).probabilities(values)
    assert scores.sum(axis=1) == pytest.approx(np.ones(num))
    assert (scores.argmax(axis=1) == values.argmax(axis=1)).all()
    assert log_loss(values, values.argmax(axis=1)) >= 0


def test_lines_of_overlapping_labels_are_calibrated_and_their_cuts_good() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(4000, 2)) * 2
    chances = 1 / (1 + np.exp(-(values * [1.5, 0.5] + [-2.0, 0.5])))
    truth = rng.random(chances.shape) < chances
    fitted = calibrate_many(values, truth)
    assert fitted.slope_C == pytest.approx([1.5, 0.5], rel=0.15)
    assert fitted.probabilities(values) == pytest.approx(chances, abs=0.05)
    decided = fitted.decide(fitted.probabilities(values))
    for label in range(2):
        best = max(f1(truth[:, label], chances[:, label] >= cut) for cut in np.linspace(0, 1, 101))
        assert f1(truth[:, label], decided[:, label]) > best - 0.01


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (truth & said).sum() / max(truth.sum() + said.sum(), 1))


def test_a_label_whose_held_out_scores_mislead_is_neither_turned_round_nor_always_said() -> None:
    """The only row of a label is scored lowest of all, since its model had never seen the label."""
    rng = np.random.default_rng(3)
    values, truth = rng.normal(size=(200, 2)), rng.random((200, 2)) < 0.5
    truth[:, 1] = np.arange(200) == 0
    values[0, 1] = -9.0
    fitted = calibrate_many(values, truth)
    assert fitted.slope_C is not None
    assert fitted.slope_C[1] == 0
    decided = fitted.decide(fitted.probabilities(values))
    assert decided[:, 1].sum() == 0


def test_scores_far_out_give_no_warning_and_no_infinity() -> None:
    fitted = Calibration(slope_C=np.array([1e6]), offset_C=np.array([0.0]))
    assert fitted.probabilities(np.array([[-1e6], [1e6]])).ravel().tolist() == [0.0, 1.0]
    values = np.array([[1e6], [-1e6]] * 5)
    fitted = calibrate_many(values, values > 0)
    assert fitted.decide(fitted.probabilities(values)).ravel().tolist() == [True, False] * 5


def test_a_tie_is_never_cut_in_two() -> None:
    values = np.array([[1.0]] * 4 + [[0.0]] * 4)
    truth = np.array([[True]] * 2 + [[False]] * 6)
    fitted = calibrate_many(values, truth)
    assert fitted.decide(fitted.probabilities(values)).sum() == 4


def known_and_unknown() -> tuple[np.ndarray, np.ndarray]:
    """A hundred sure known rows, ten unsure ones, and ten of nothing known, of which half show."""
    scores = np.array([[0.9, 0.1, 0.0]] * 100 + [[0.5, 0.4, 0.1]] * 10
                      + [[0.36, 0.34, 0.3]] * 5 + [[0.1, 0.1, 0.8]] * 5)  # fmt: skip
    truth = np.eye(3, dtype=bool)[[0] * 110 + [2] * 10]
    return scores, truth


def test_the_cut_of_the_unknown_takes_what_is_unsure_and_spares_what_is_known() -> None:
    scores, truth = known_and_unknown()
    fitted = with_unknown(Calibration(), scores, truth, 2, 0.05)
    assert (fitted.decide(scores, 2) == truth).all()


def test_no_cut_calls_more_of_the_known_unknown_than_allowed() -> None:
    scores, truth = known_and_unknown()
    scores[100:110] = [0.3, 0.2, 0.29]  # less sure than the unknown ones
    fitted = with_unknown(Calibration(), scores, truth, 2, 0.05)
    assert fitted.decide(scores, 2)[:110, 2].mean() <= 0.05


def test_without_examples_of_the_unknown_just_the_allowed_share_is_flagged() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(rng.dirichlet([5, 1, 1], 1000))
    fitted = with_unknown(Calibration(), scores, np.eye(3, dtype=bool)[[0] * 1000], None, 0.05)
    assert fitted.is_unsure(scores).mean() == pytest.approx(0.05, abs=0.005)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_a_calibration_saves_reads_back_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(30, 3))
    fitted = calibrate_many(values, rng.random((30, 3)) < 0.4)
    again = Calibration.load(fitted.settings(), fitted.arrays())
    assert (again.probabilities(values) == fitted.probabilities(values)).all()
    scores = fitted.probabilities(values)
    assert (again.decide(scores) == fitted.decide(scores)).all()
