"""Metrics of an order, and what mistakes cost."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as known

from volano.core.errors import ConfigError
from volano.loop.paired import compare
from volano.tasks import LabelsConfig, TabularClassification, TextClassification
from volano.tasks.costs import cost_matrix
from volano.tasks.ranking import AVERAGE_PRECISION, ROC_AUC
from volano.tasks.resampling import Draws, estimate
from volano.tasks.scoring import LabelOutcomes, Metric


def two(num: int = 3000, rare: float = 0.1, seed: int = 0) -> LabelOutcomes:
    rng = np.random.default_rng(seed)
    is_true = rng.random(num) < rare
    score = 1 / (1 + np.exp(-(rng.normal(size=num) + 1.5 * is_true - 1)))
    truth = np.column_stack([~is_true, is_true])
    scores = np.column_stack([1 - score, score])
    decided = np.eye(2, dtype=bool)[scores.argmax(axis=1)]
    return LabelOutcomes(("no", "yes"), truth, decided, scores, False)


def many(labels: int = 5, num: int = 2000) -> LabelOutcomes:
    rng = np.random.default_rng(3)
    true = rng.integers(labels, size=num)
    values = rng.normal(size=(num, labels)) + 1.2 * np.eye(labels)[true]
    scores = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    truth = np.eye(labels, dtype=bool)[true]
    decided = np.eye(labels, dtype=bool)[scores.argmax(axis=1)]
    return LabelOutcomes(tuple("abcdefgh"[:labels]), truth, decided, scores, False)


@pytest.mark.parametrize("rare", [0.4, 0.1, 0.01])
def test_two_labels_are_scored_as_the_field_does(rare: float) -> None:
    found = two(rare=rare)
    is_true, score = found.truth_NC[:, 1], found.scores_NC[:, 1]
    assert ROC_AUC.of(found) == pytest.approx(known.roc_auc_score(is_true, score), abs=1e-12)
    assert AVERAGE_PRECISION.of(found) == pytest.approx(
        known.average_precision_score(is_true, score), abs=1e-12
    )


def test_ties_count_half() -> None:
    found = two()
    coarse = LabelOutcomes(
        found.labels, found.truth_NC, found.decided_NC, found.scores_NC.round(1), False
    )
    is_true, score = coarse.truth_NC[:, 1], coarse.scores_NC[:, 1]
    assert ROC_AUC.of(coarse) == pytest.approx(known.roc_auc_score(is_true, score), abs=1e-12)
    assert AVERAGE_PRECISION.of(coarse) == pytest.approx(
        known.average_precision_score(is_true, score), abs=1e-12
    )


@pytest.mark.parametrize("labels", [3, 5, 8])
def test_more_labels_are_each_asked_against_the_rest(labels: int) -> None:
    found = many(labels)
    expected = known.roc_auc_score(
        found.truth_NC.argmax(axis=1), found.scores_NC, multi_class="ovr", average="macro"
    )
    assert ROC_AUC.of(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", [ROC_AUC, AVERAGE_PRECISION], ids=lambda found: found.name)
@pytest.mark.parametrize("found", [two(), two(rare=0.01), many()], ids=["two", "rare", "many"])
def test_sums_come_close_to_the_figure(metric: Metric, found: LabelOutcomes) -> None:
    summed = float(metric.combine(metric.parts(found).sum(axis=0)))
    assert summed == pytest.approx(metric.of(found), abs=0.003 if len(found.labels) == 2 else 0.02)


def test_the_interval_of_an_order_holds_what_new_rows_show() -> None:
    """As often as it says: 95 % of intervals hold the figure of the whole population."""
    true = ROC_AUC.of(two(200_000, seed=99))
    held = 0
    for seed in range(60):
        found = two(600, seed=seed)
        drawn = estimate(
            ROC_AUC.parts(found), ROC_AUC.combine, Draws(np.arange(600), 400, seed),
            ROC_AUC.of(found),
        )  # fmt: skip
        held += drawn.low <= true <= drawn.high
    assert held >= 52


def test_an_order_of_one_label_alone_has_no_figure() -> None:
    found = two().at(np.flatnonzero(~two().truth_NC[:, 1]))
    assert np.isnan(ROC_AUC.of(found))


def test_costs_are_counted_by_truth_and_answer() -> None:
    costs = {"yes": {"no": 5.0}}
    task = TabularClassification(LabelsConfig(costs=costs))
    assert task.default_metric == "cost"
    found = two()
    missed = (found.truth_NC[:, 1] & found.decided_NC[:, 0]).mean()
    alarms = (found.truth_NC[:, 0] & found.decided_NC[:, 1]).mean()
    assert task.metrics["cost"].of(found) == pytest.approx(5 * missed + alarms)
    assert cost_matrix(("a", "b", "c"), {"a": {"c": 0.5, "a": 2.0}})[0].tolist() == [2.0, 1.0, 0.5]


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="one label"):
        TabularClassification(LabelsConfig(separator=","))
    with pytest.raises(ConfigError, match="one label"):
        TextClassification(LabelsConfig(separator=",", costs={"a": {"b": 2.0}}))
    assert "cost" not in TextClassification().metrics


def test_where_mistakes_cost_guessing_means_the_cheapest_label() -> None:
    targets = [("no",)] * 8 + [("yes",)] * 2
    assert TabularClassification().guess(targets).labels == ("no",)
    dear = TabularClassification(LabelsConfig(costs={"yes": {"no": 5.0}}))
    assert dear.guess(targets).labels == ("yes",)
    assert dear.guess(targets).scores == {"no": 0.8, "yes": 0.2}


def test_a_slice_asks_about_the_same_label_as_the_whole() -> None:
    found = two()
    true = np.flatnonzero(found.truth_NC[:, 1])
    part = found.at(np.concatenate([true, np.flatnonzero(~found.truth_NC[:, 1])[:20]]))
    expected = known.average_precision_score(part.truth_NC[:, 1], part.scores_NC[:, 1])
    assert AVERAGE_PRECISION.of(part) == pytest.approx(expected, abs=1e-12)


def test_one_answer_for_all_is_in_the_middle_of_the_order() -> None:
    """Else swapping a model with a guess by a coin would say that few rare rows prove nothing."""
    found = two(60, rare=0.15)
    same = replace(found, scores_NC=np.full_like(found.scores_NC, 0.5))
    bins = ROC_AUC.parts(same).reshape(60, 2, -1).sum(axis=(0, 1))
    assert np.flatnonzero(bins).tolist() == [len(bins) // 2]


def test_a_model_that_knows_a_few_rare_rows_beats_guessing() -> None:
    truth = np.zeros((67, 2), bool)
    truth[:8, 0], truth[8:, 1] = True, True
    score = np.linspace(1.0, 0.0, 67)
    ours = LabelOutcomes(("odd", "fine"), truth, truth, np.stack([score, 1 - score], 1), False)
    guess = replace(ours, scores_NC=np.full((67, 2), [0.12, 0.88]))
    assert compare(ROC_AUC, ours, guess, Draws(np.arange(67), 1000, 0)).is_better
    luck = replace(ours, scores_NC=ours.scores_NC[np.random.default_rng(1).permutation(67)])
    assert not compare(ROC_AUC, luck, guess, Draws(np.arange(67), 1000, 0)).is_better
