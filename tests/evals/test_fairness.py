"""Fairness: rates by group, their gaps, and what a report shows of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.evals.tables import QUICK, REGRESSION, Tables, loans

from volano.core.errors import ConfigError
from volano.core.nouns import Report, Verdict
from volano.evals.config import FairnessConfig
from volano.evals.erasing import write_without
from volano.evals.fairness import compare_groups, measure_fairness
from volano.evals.page import Findings, report_page
from volano.tasks.group_rates import positive_label
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.resampling import Draws
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.nouns import Dataset


def labels(truth: np.ndarray, said: np.ndarray) -> LabelOutcomes:
    """Of ``no`` and ``yes``; true where yes."""
    both = [np.stack([~one, one], axis=1) for one in (truth, said)]
    return LabelOutcomes(("no", "yes"), both[0], both[1], both[1] * 1.0, False)


def world(num: int, seed: int = 0, *, apart: float = 0.0) -> tuple[LabelOutcomes, np.ndarray]:
    """Truth and answers of three groups; answers say yes more often in ``a``, by ``apart``."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], num, p=[0.5, 0.3, 0.2])
    truth = rng.random(num) < 0.3
    score = 0.4 * truth + 0.5 * rng.random(num) + apart * (group == "a")
    return labels(truth, score > 0.5), group


def draws(num: int, count: int = 1000) -> Draws:
    return Draws(np.arange(num), count, 0)


def test_rates_agree_with_hand_counts() -> None:
    outcomes, group = world(400)
    found = compare_groups(outcomes, group.tolist(), "yes", 30, draws(400))
    truth, said = outcomes.truth_NC[:, 1], outcomes.decided_NC[:, 1]
    for told in found["groups"]:
        rows = group == told["value"]
        assert told["num_examples"] == rows.sum()
        expected = {
            "selection_rate": said[rows].mean(),
            "true_positive_rate": said[rows & truth].mean(),
            "false_positive_rate": said[rows & ~truth].mean(),
            "error_rate": (said != truth)[rows].mean(),
        }
        assert {name: told[name]["value"] for name in expected} == pytest.approx(expected)
        for name in expected:
            assert told[name]["low"] <= told[name]["value"] <= told[name]["high"]
        assert told["true_positive_rate"]["count"] == (rows & truth).sum()


def test_rates_and_gaps_are_those_of_fairlearn() -> None:
    fair = pytest.importorskip("fairlearn.metrics", reason="fairlearn is not installed")
    outcomes, group = world(500, apart=0.1)
    truth, said = outcomes.truth_NC[:, 1], outcomes.decided_NC[:, 1]
    frame = fair.MetricFrame(
        metrics={
            "selection_rate": fair.selection_rate,
            "true_positive_rate": fair.true_positive_rate,
            "false_positive_rate": fair.false_positive_rate,
            "error_rate": lambda true, given: np.mean(np.asarray(true) != np.asarray(given)),
        },
        y_true=truth.astype(int), y_pred=said.astype(int), sensitive_features=group,
    )  # fmt: skip
    found = compare_groups(outcomes, group.tolist(), "yes", 1, draws(500))
    gaps = {name: gap["value"] for name, gap in found["gaps"].items()}
    assert gaps == pytest.approx(frame.difference().to_dict())
    for told in found["groups"]:
        for name in gaps:
            assert told[name]["value"] == pytest.approx(frame.by_group[name][told["value"]])


def test_errors_of_numbers_are_in_standard_deviations_of_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(1000, 200, 300)
    group = np.where(np.arange(300) < 150, "old", "young")
    value = truth + rng.normal(0, 20, 300) + 50 * (group == "old")
    outcomes = NumberOutcomes.of(truth, value, value - 1, value + 1)
    found = compare_groups(outcomes, group.tolist(), "", 30, draws(300))
    gap = found["gaps"]["mean_error"]
    error = (value - truth) / truth.std()
    assert gap["value"] == pytest.approx(error[:150].mean() - error[150:].mean())
    assert (gap["largest"], gap["smallest"]) == ("old", "young")
    assert gap["low"] > 0
    assert set(found["gaps"]) == {"mean_error", "absolute_error"}


def test_a_group_too_small_is_shown_and_not_compared() -> None:
    outcomes, group = world(400)
    group[:10] = "d"
    found = compare_groups(outcomes, group.tolist(), "yes", 30, draws(400))
    assert [told["value"] for told in found["groups"]] == ["a", "b", "c", "d"]
    ends = {gap[end] for gap in found["gaps"].values() for end in ("largest", "smallest")}
    assert "d" not in ends
    nobody = compare_groups(outcomes, group.tolist(), "yes", 300, draws(400))
    assert nobody["gaps"] == {}


@pytest.mark.slow
def test_equal_groups_seldom_seem_surely_apart() -> None:
    sure = 0
    for seed in range(200):
        outcomes, group = world(600, seed)
        gap = compare_groups(outcomes, group.tolist(), "yes", 30, draws(600, 400))["gaps"]
        sure += gap["selection_rate"]["low"] > 0
    # Three pairs to choose from, each at 95 %, allowed for.
    assert sure / 200 <= 0.06


def test_the_positive_label_is_the_named_one_or_the_rarer_of_two() -> None:
    outcomes, _ = world(300)
    assert positive_label(outcomes, "", {}) == "yes"
    assert positive_label(outcomes, "no", {}) == "no"
    # Which is rarer is said by training rows, so that training and test mean the same label.
    assert positive_label(outcomes, "", {"no": 499, "yes": 501}) == "no"
    with pytest.raises(ConfigError, match="no label named 'yess'") as caught:
        positive_label(outcomes, "yess", {})
    assert caught.value.where == "evaluate.fairness.positive"
    three = LabelOutcomes(("a", "b", "c"), *[np.eye(3, dtype=bool)] * 2, np.eye(3), False)
    assert positive_label(three, "", {}) == ""
    told = measure_fairness(
        FairnessConfig(fields=("sex",), minimum=1), three, {"sex": ["f", "m", "m"]}, draws(3), {}
    )
    assert told is not None
    assert set(told["fields"][0]["gaps"]) == {"error_rate"}


# Reports ----------------------------------------------------------------------------------------

ALL = loans(600)
TRAIN, TEST = ALL.at(slice(0, 400)), ALL.at(slice(400, 600))
ASKED = QUICK.model_copy(
    update={"fairness": FairnessConfig(fields=("sex", "job")), "robustness_rows": 0,
            "importance_rows": 0}
)  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def data(tables: Tables) -> Dataset:
    return tables.data(TRAIN, TEST)


@pytest.fixture
def report(tables: Tables, data: Dataset) -> Report:
    return tables.report(tables.model(TRAIN), data, config=ASKED)


def section(report: Report, data: Dataset, checks: Any = (), language: Any = "en") -> str:
    verdict = Verdict("HOLD", ("x",), checks={"fairness": list(checks)})
    found = Findings(report, verdict, report, metric="roc_auc", data=data)
    shown = report_page(found, "loans", language)
    parts = [part for part in shown.sections if part.title in ("Fairness", "公平性")]
    told = [parts[0].to_dict(), shown.sections[0].to_dict()] if parts else []
    return json.dumps(told, ensure_ascii=False)


def test_a_report_measures_the_groups_that_are_named(report: Report) -> None:
    told = report.body["fairness"]
    assert (told["positive"], told["minimum"]) == ("yes", 30)
    assert [field["field"] for field in told["fields"]] == ["sex", "job"]
    fields = {row["field"] for row in report.body["slices"]}
    assert {"sex", "job"} <= fields


def test_without_groups_nothing_is_measured(tables: Tables, data: Dataset) -> None:
    report = tables.report(tables.model(TRAIN), data)
    assert report.body["fairness"] is None
    assert section(report, data) == "[]"


def test_a_group_that_is_no_column_is_refused(tables: Tables, data: Dataset) -> None:
    config = ASKED.model_copy(update={"fairness": FairnessConfig(fields=("sexe",))})
    with pytest.raises(ConfigError, match="'sexe'") as caught:
        tables.report(tables.model(TRAIN), data, config=config)
    assert caught.value.where == "evaluate.fairness.fields"


def test_numbers_have_their_errors_by_group(tables: Tables) -> None:
    data = tables.data(TRAIN, TEST, "number")
    report = tables.report(tables.model(TRAIN, "number"), data, REGRESSION, ASKED)
    assert set(report.body["fairness"]["fields"][0]["gaps"]) == {"mean_error", "absolute_error"}
    assert "standard deviations of the truth" in section(report, data)


def test_the_page_shows_rates_gaps_and_limits(report: Report, data: Dataset) -> None:
    gap = report.body["fairness"]["fields"][1]["gaps"]["selection_rate"]
    check = {"field": "job", "figure": "selection_rate", "limit": 0.1, "gap": gap,
             "champion": None, "state": "broken"}  # fmt: skip
    told = section(report, data, [check])
    for text in ("Selection rate · driver", "Limits that are broken: Selection rate · job.",
                 "How far groups are apart", "Rates by sex"):  # fmt: skip
        assert text in told
    assert "No group is further from another" in section(report, data, [{**check, "state": "kept"}])
    assert "not shown to hold" in section(report, data, [{**check, "state": "doubtful"}])
    chinese = section(report, data, [check], "zh")
    assert "选中率" in chinese
    assert "Selection rate" not in chinese


MITIGATED = {
    "method": "thresholds",
    "fields": ["sex"],
    "rows": 4000,
    "without": {"gaps": {"selection_rate": 0.182}, "metrics": {"accuracy": 0.873, "brier": 0.1}},
    "with": {"gaps": {"selection_rate": 0.004}, "metrics": {"accuracy": 0.848, "brier": 0.2}},
}


def test_the_page_shows_what_mitigation_cost(tables: Tables, data: Dataset) -> None:
    model = tables.model(TRAIN)
    told = replace(model, card={**model.card, "training": {"mitigation": MITIGATED}})
    report = tables.report(told, data, config=ASKED)
    shown = section(report, data)
    for text in ("What mitigation cost: thresholds by sex, on 4,000 rows held out of training",
                 '"Selection rate", "0.182", "0.004", "-0.178"',
                 '"Accuracy", "0.873", "0.848", "-0.025"'):  # fmt: skip
        assert text in shown
    chinese = section(report, data, language="zh")
    assert "缓解不公平的代价" in chinese
    assert "mitigation" not in chinese
    assert "What mitigation cost" not in section(tables.report(model, data, config=ASKED), data)


def test_a_group_that_nobody_is_left_of_is_gone(report: Report, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(report.folder / "answers.parquet", columns=["id", "slice:job"])
    gone = {row["id"] for row in table.to_pylist() if row["slice:job"] == "driver"}
    write_without(report, "nobody", gone, tmp_path)
    left = json.loads((tmp_path / "report.json").read_text("utf-8"))["fairness"]["fields"][1]
    assert "driver" not in {group["value"] for group in left["groups"]}
    assert "driver" not in json.dumps(left["gaps"])
