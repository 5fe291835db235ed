"""Metrics: the same figures as scikit-learn's, from sums that can be drawn again."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from volano.tasks.scoring import CLASSIFICATION_METRICS, ECE_BINS, LabelOutcomes


def outcomes(num: int, labels: int, seed: int, *, is_multiple: bool = False) -> LabelOutcomes:
    rng = np.random.default_rng(seed)
    names = tuple(f"l{place}" for place in range(labels))
    if is_multiple:
        scores = rng.random((num, labels))
        return LabelOutcomes(names, rng.random((num, labels)) < 0.3, scores > 0.6, scores, True)
    scores = rng.dirichlet(np.ones(labels), num)
    # The last label is never true and the first never decided, as happens on small test sets.
    truth = np.eye(labels, dtype=bool)[rng.integers(labels - 1, size=num)]
    decided = np.eye(labels, dtype=bool)[scores[:, 1:].argmax(1) + 1]
    return LabelOutcomes(names, truth, decided, scores, False)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("is_multiple", [False, True])
def test_every_metric_is_that_of_scikit_learn(seed: int, is_multiple: bool) -> None:
    found = outcomes(200, 5, seed, is_multiple=is_multiple)
    truth, decided = found.truth_NC, found.decided_NC
    if not is_multiple:
        truth, decided = truth.argmax(1), decided.argmax(1)
    expected = {"accuracy": reference.accuracy_score(truth, decided)}
    for name in ("f1", "precision", "recall"):
        score = getattr(reference, f"{name}_score")
        expected[f"macro_{name}"] = score(truth, decided, average="macro", zero_division=0)
    expected["micro_f1"] = reference.f1_score(truth, decided, average="micro")
    for name, value in expected.items():
        assert CLASSIFICATION_METRICS[name].of(found) == pytest.approx(value, abs=1e-12), name


def test_log_loss_of_one_label_is_that_of_scikit_learn() -> None:
    found = outcomes(300, 4, 1)
    expected = reference.log_loss(found.truth_NC.argmax(1), found.scores_NC, labels=range(4))
    assert CLASSIFICATION_METRICS["log_loss"].of(found) == pytest.approx(expected)


def test_log_loss_of_several_labels_is_the_mean_over_labels() -> None:
    found = outcomes(300, 4, 1, is_multiple=True)
    expected = np.mean(
        [reference.log_loss(found.truth_NC[:, c], found.scores_NC[:, c]) for c in range(4)]
    )
    assert CLASSIFICATION_METRICS["log_loss"].of(found) == pytest.approx(expected)


def test_log_loss_stays_finite_where_the_truth_has_score_zero() -> None:
    eye = np.eye(2, dtype=bool)
    found = LabelOutcomes(("a", "b"), eye, eye[::-1], eye[::-1] * 1.0, False)
    assert CLASSIFICATION_METRICS["log_loss"].of(found) == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize("is_multiple", [False, True])
def test_calibration_error_is_the_weighted_gap_over_bins(is_multiple: bool) -> None:
    found = outcomes(500, 3, 2, is_multiple=is_multiple)
    if is_multiple:
        sure, right = found.scores_NC.ravel(), found.truth_NC.ravel()
    else:
        top = found.scores_NC.argmax(1)
        sure, right = found.scores_NC.max(1), found.truth_NC[np.arange(500), top]
    bins = np.minimum((sure * ECE_BINS).astype(int), ECE_BINS - 1)
    expected = sum(
        (bins == b).mean() * abs(sure[bins == b].mean() - right[bins == b].mean())
        for b in np.unique(bins)
    )
    assert CLASSIFICATION_METRICS["calibration_error"].of(found) == pytest.approx(expected)


@pytest.mark.parametrize("name", CLASSIFICATION_METRICS)
def test_a_metric_of_sums_is_the_metric_of_the_rows_summed(name: str) -> None:
    found, metric = outcomes(60, 4, 3), CLASSIFICATION_METRICS[name]
    sums = np.stack([metric.parts(found).sum(0), 2 * metric.parts(found).sum(0)])
    assert metric.combine(sums) == pytest.approx([metric.of(found)] * 2)


def test_micro_f1_of_one_label_is_accuracy() -> None:
    found = outcomes(200, 5, 4)
    assert CLASSIFICATION_METRICS["micro_f1"].of(found) == pytest.approx(
        CLASSIFICATION_METRICS["accuracy"].of(found)
    )


def test_credit_is_right_or_not_for_one_label_and_f1_of_sets_for_several() -> None:
    one = outcomes(50, 3, 5)
    assert one.credit_N.tolist() == one.right_N.astype(float).tolist()
    several = outcomes(50, 4, 5, is_multiple=True)
    expected = reference.f1_score(
        several.truth_NC, several.decided_NC, average="samples", zero_division=1
    )
    assert several.credit_N.mean() == pytest.approx(expected)


def test_saying_nothing_where_nothing_is_true_is_right() -> None:
    nothing = np.zeros((1, 2), dtype=bool)
    found = LabelOutcomes(("a", "b"), nothing, nothing, np.zeros((1, 2)), True)
    assert found.right_N.tolist() == [True]
    assert found.credit_N.tolist() == [1.0]
