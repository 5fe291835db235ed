"""The gate's settings, and how often one test set may decide."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from volano.core.config import build_config
from volano.core.errors import ConfigError
from volano.core.settings import Settings
from volano.evals.config import EvaluateConfig, FairnessConfig
from volano.loop.gate import FairnessLimits, GateConfig, History, fairness_limits, gate_metric
from volano.tasks import LabelsConfig, TabularRegression, TextClassification


def test_the_metric_is_the_tasks_own_unless_one_is_named() -> None:
    task = TextClassification()
    assert gate_metric(GateConfig(), task).name == "accuracy"
    assert gate_metric(GateConfig(metric="macro_f1"), task).name == "macro_f1"
    several = TextClassification(LabelsConfig(separator=","))
    assert gate_metric(GateConfig(), several).name == "macro_f1"


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="'acuracy'") as caught:
        gate_metric(GateConfig(metric="acuracy"), TextClassification())
    assert caught.value.where == "gate.metric"
    assert "'accuracy'" in caught.value.fix


def test_a_metric_that_guessing_wins_cannot_decide() -> None:
    with pytest.raises(ConfigError, match="calibration_error"):
        gate_metric(GateConfig(metric="calibration_error"), TextClassification())


@pytest.mark.parametrize(
    ("key", "value"),
    [("margin", -0.1), ("level", 1.0), ("resamples", 10), ("latency_ms", 0), ("latency_ms", "on")],
)
def test_a_senseless_setting_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        build_config(GateConfig, Settings("volano.yaml", {key: value}))


def test_the_page_about_the_gate_shows_the_defaults() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gate.md").read_text("utf-8")
    written = YAML(typ="safe").load(page.partition("```yaml\n")[2].partition("```")[0])
    assert set(written["gate"]) == set(GateConfig.model_fields)
    assert build_config(GateConfig, Settings("gate.md", written["gate"])) == GateConfig()


def test_each_limit_of_fairness_is_about_its_own_figure() -> None:
    limits = FairnessLimits(selection_rate_gap=0.1, true_positive_gap=0.2, error_gap=0.05)
    found = fairness_limits(GateConfig(fairness=limits), TextClassification())
    assert found == {"selection_rate": 0.1, "true_positive_rate": 0.2, "error_rate": 0.05}
    errors = GateConfig(fairness=FairnessLimits(error_gap=0.1, mean_error_gap=0.2))
    assert fairness_limits(errors, TabularRegression()) == {
        "absolute_error": 0.1,
        "mean_error": 0.2,
    }
    with pytest.raises(ConfigError, match="mean_error_gap is no limit") as caught:
        fairness_limits(errors, TextClassification())
    assert caught.value.where == "gate.fairness.mean_error_gap"
    assert "selection_rate_gap" in caught.value.fix


def test_limits_without_groups_are_refused() -> None:
    gate, task = GateConfig(fairness=FairnessLimits(error_gap=0.1)), TextClassification()
    with pytest.raises(ConfigError, match="nobody says which groups") as caught:
        fairness_limits(gate, task, EvaluateConfig())
    assert caught.value.where == "evaluate.fairness.fields"
    named = EvaluateConfig(fairness=FairnessConfig(fields=("sex",)))
    assert fairness_limits(gate, task, named) == {"error_rate": 0.1}
    assert fairness_limits(GateConfig(), task, EvaluateConfig()) == {}


def test_a_verdict_on_other_examples_does_not_count() -> None:
    today = {f"r{n}" for n in range(100)}
    fresh = [{f"t{turn}-{n}" for n in range(100)} for turn in range(25)]
    assert History.of_examples(fresh, today) == History(0.0)
    half = {f"r{n}" for n in range(50)} | {f"old-{n}" for n in range(400)}
    assert History.of_examples([half, today, *fresh], today).verdicts == 1.5
    assert History.of_examples([today], set()) == History(0.0)


def test_within_the_budget_every_look_has_the_full_tail() -> None:
    config = GateConfig(reuse_budget=5)
    tails = [History(earlier).tail(config) for earlier in range(10)]
    assert tails[:5] == [config.tail] * 5
    assert all(later < earlier for earlier, later in zip(tails[4:], tails[5:], strict=False))


@given(st.integers(0, 2000), st.integers(1, 50))
def test_expected_lucky_promotions_stay_under_twice_the_budgets(earlier: int, budget: int) -> None:
    config = GateConfig(reuse_budget=budget)
    tails = [History(look).tail(config) for look in range(earlier + 1)]
    assert sum(tails) < 2 * budget * config.tail
    assert History(earlier).luck(config) == pytest.approx(min(1.0, sum(tails)))
