"""Reports on numbers: metrics, intervals, errors by size, the worst of them, and their page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics
from tests.evals.tables import QUICK, REGRESSION, Tables, loans

from volano.core.nouns import Estimate, Report, Verdict
from volano.core.pages import numbers as written
from volano.core.pages import render, translate
from volano.evals.erasing import write_without
from volano.evals.forgetting import compare_skills
from volano.evals.numbers import coverage_finding
from volano.evals.page import Findings, report_page
from volano.models import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.nouns import Dataset

ALL = loans(700)
TRAIN, TEST = ALL.at(slice(0, 500)), ALL.at(slice(500, 700))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def data(tables: Tables) -> Dataset:
    return tables.data(TRAIN, TEST, "number", old_skills=TRAIN.at(slice(0, 6)))


@pytest.fixture(scope="module")
def made(tables: Tables, data: Dataset) -> Report:
    return tables.report(tables.model(TRAIN, "number"), data, REGRESSION)


@pytest.fixture
def report(made: Report) -> Report:
    return Report(made.hash, made.folder, made.card)


def answers(report: Report) -> dict[str, np.ndarray]:
    table = pq.read_table(report.folder / "answers.parquet")
    told = {name: table.column(name).to_numpy() for name in ("value", "low", "high")}
    return {**told, "truth": np.array([float(x[0]) for x in table.column("truth").to_pylist()])}


def findings(report: Report, data: Dataset, champion: Report | None = None) -> Findings:
    verdict = Verdict("PROMOTE", ("x",), metric="rmse", effect=Estimate(300.0, 250.0, 350.0))
    return Findings(report, verdict, report, champion, "rmse", data=data)


def page_of(report: Report, data: Dataset, language: Any = "en") -> dict[str, Any]:
    shown = report_page(findings(report, data), "loans", language)
    render(shown)
    told: dict[str, Any] = json.loads(json.dumps(shown.to_dict(), allow_nan=False))
    return told


def test_figures_agree_with_scikit_learn(report: Report) -> None:
    told = answers(report)
    truth, value = told["truth"], told["value"]
    low, high = (
        metrics.mean_pinball_loss(truth, told[end], alpha=level)
        for end, level in (("low", 0.05), ("high", 0.95))
    )
    expected = {
        "mae": metrics.mean_absolute_error(truth, value),
        "rmse": metrics.root_mean_squared_error(truth, value),
        "r2": metrics.r2_score(truth, value),
        "pinball": (low + high) / 2,
        "coverage": np.mean((told["low"] <= truth) & (truth <= told["high"])),
    }
    assert {name: one.value for name, one in report.metrics.items()} == pytest.approx(expected)
    for figure in report.metrics.values():
        assert figure.low <= figure.value <= figure.high


def test_guessing_is_the_mean_of_the_training_rows(report: Report) -> None:
    guess = report.body["guess"]
    assert guess["value"] == pytest.approx(np.mean(TRAIN.price))
    truth = answers(report)["truth"]
    assert guess["metrics"]["mae"] == pytest.approx(np.abs(truth - guess["value"]).mean())
    assert guess["metrics"]["rmse"] > 3 * report.metrics["rmse"].value


def test_what_is_reported_is_what_the_predictor_answers(tables: Tables, report: Report) -> None:
    predictor = Predictor.load(tables.model(TRAIN, "number").folder)
    found = predictor.predict(TEST.table.to_pylist())
    told = answers(report)
    for name in ("value", "low", "high"):
        assert [getattr(answer, name) for answer in found] == told[name].tolist()


def test_slices_are_also_by_the_size_of_the_truth(report: Report) -> None:
    truth = answers(report)["truth"]
    rows = [row for row in report.body["slices"] if row["field"] == "truth"]
    assert [row["value"][:2] for row in rows] == ["Q1", "Q2", "Q3", "Q4"]
    assert [row["num_examples"] for row in rows] == [50] * 4
    table = pq.read_table(report.folder / "answers.parquet")
    first = np.array([value[:2] == "Q1" for value in table.column("slice:truth").to_pylist()])
    assert truth[first].max() <= np.quantile(truth, 0.25) < truth[~first].min()


def test_errors_by_size_hold_every_row_once(report: Report) -> None:
    told = report.body["numbers"]
    error = answers(report)["value"] - answers(report)["truth"]
    parts = told["parts"]
    assert sum(part["num_examples"] for part in parts) == 200
    assert [part["answer"] for part in parts] == sorted(part["answer"] for part in parts)
    mean = np.average([p["mean_error"] for p in parts], weights=[p["num_examples"] for p in parts])
    assert mean == pytest.approx(error.mean())
    assert told["coverage"] == report.body["metrics"]["coverage"]


@pytest.mark.parametrize(
    ("coverage", "is_good", "words"),
    [((0.90, 0.86, 0.93), True, "keep their word"), ((0.7, 0.65, 0.75), False, "too narrow"),
     ((0.99, 0.97, 1.0), True, "wider than they need be")],
)  # fmt: skip
def test_whether_intervals_keep_their_word_is_said(
    coverage: tuple[float, float, float], is_good: bool, words: str
) -> None:
    told = dict(zip(("value", "low", "high"), coverage, strict=True))
    finding = coverage_finding(translate("en"), {"numbers": {"coverage": told}})
    assert finding is not None
    assert (finding[0], words in finding[1]) == (is_good, True)


def test_the_largest_error_comes_first_with_reasons_that_add_up(report: Report) -> None:
    errors = report.body["errors"]
    sizes = [abs(error["error"]) for error in errors]
    assert sizes == sorted(sizes, reverse=True)
    told = answers(report)
    assert sizes[0] == pytest.approx(np.abs(told["value"] - told["truth"]).max())
    for error in errors:
        total = sum(weight for _, weight in error["reasons"])
        assert total == pytest.approx(float(error["decided"][0]), rel=1e-4)


def test_effects_follow_the_number(report: Report) -> None:
    effects = {effect["column"]: effect for effect in report.body["importance"]["effects"]}
    (age,) = effects["age"]["answers"]
    values, means = np.array(effects["age"]["values"]), np.array(age["means"])
    slope = np.polyfit(values, means, 1)[0]
    assert slope == pytest.approx(20, rel=0.2)  # a year more is 20 more, as the rows were drawn


def test_a_loss_by_altered_cells_is_below_zero_though_the_error_rises(report: Report) -> None:
    blank = report.body["robustness"]["kinds"][0]
    assert blank["after"] > blank["before"]
    assert blank["difference"]["value"] == pytest.approx(blank["before"] - blank["after"])


def test_old_skills_and_what_was_forgotten_are_counted_by_how_far_off_answers_are(
    tables: Tables, data: Dataset, report: Report
) -> None:
    old = report.body["old_skills"]
    assert (old["num_examples"], len(old["right"]) + len(old["wrong"])) == (6, 6)
    worse = tables.report(tables.model(TRAIN.at(slice(0, 12)), "number"), data, REGRESSION)
    skills = compare_skills(worse, report)
    assert skills is not None
    truth = answers(report)["truth"]
    limit = 0.2 * truth.std()
    was, now = (np.abs(answers(one)["value"] - truth) <= limit for one in (report, worse))
    assert len(skills.forgotten) == (was & ~now).sum() > 0
    assert len(skills.learnt) == (~was & now).sum()
    assert (skills.still_right, skills.still_wrong) == ((was & now).sum(), (~was & ~now).sum())
    assert skills.forgotten_by_label == {}
    found = findings(worse, data, report)
    assert "a fifth of the truth's standard deviation" in str(report_page(found, "x", "en"))


def test_the_page_shows_truth_against_answer_and_says_how_far_off_answers_are(
    report: Report, data: Dataset
) -> None:
    page = page_of(report, data)
    titles = [part["title"] for part in page["sections"]]
    assert not {"Labels", "Confusion", "Calibration", "Automatic answers", "Order and thresholds"}\
        & set(titles)  # fmt: skip
    part = next(part for part in page["sections"] if part["title"] == "Truth and answers")
    cloud = part["blocks"][0]["option"]["series"][1]["data"]
    assert len(cloud) == 200
    told = answers(report)
    pairs = sorted(zip(told["truth"].tolist(), told["value"].tolist(), strict=True))
    assert sorted(tuple(point["value"]) for point in cloud) == pairs
    first = json.dumps(page["sections"][0])
    error = written.figure(report.metrics["mae"].value)
    assert f"Its answers are {error} off on average on 200 test examples" in first
    assert "It explains 9" in first
    errors = next(part for part in page["sections"] if part["title"] == "Worst errors")
    assert "It adds up: " in json.dumps(errors)
    chinese = json.dumps([
        {key: one[key] for key in ("title", "note", "columns", "alt") if key in one}
        for part in page_of(report, data, "zh")["sections"] for one in (part, *part["blocks"])
    ], ensure_ascii=False)  # fmt: skip
    for word in ("Answer", "Error", "Truth", "Interval", "Examples", "rows", "Mean"):
        assert word not in chinese


def test_slices_of_a_larger_error_are_the_red_ones(report: Report, data: Dataset) -> None:
    whole = report.metrics["rmse"].value
    slices = [{**row, "rmse": {"value": v, "low": v - 1, "high": v + 1}} for row, v in
              zip(report.body["slices"], (whole / 2, whole * 2), strict=False)]  # fmt: skip
    object.__setattr__(report, "body", {**report.body, "slices": slices})
    page = page_of(report, data)
    part = next(part for part in page["sections"] if part["title"] == "Slices")
    drawn = part["blocks"][0]["option"]["series"][0]["data"]
    colours = [point["itemStyle"]["color"] for point in drawn]
    assert colours == ["var(--good)", "var(--bad)"]
    assert "Clearly weaker than on the whole" in json.dumps(page["sections"][0])


def test_the_report_reads_on_a_terminal(report: Report) -> None:
    lines = str(report).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["rmse", "mae", "r2", "coverage"]


def test_an_erased_person_leaves_the_picture(report: Report, data: Dataset, tmp_path: Path) -> None:
    gone = report.body["errors"][0]["id"]
    write_without(report, "nobody", {gone}, tmp_path)
    left = Report("left", tmp_path, {})
    assert left.metrics == report.metrics
    part = next(p for p in page_of(left, data)["sections"] if p["title"] == "Truth and answers")
    assert len(part["blocks"][0]["option"]["series"][1]["data"]) == 199


@pytest.mark.parametrize("num", [1, 2])
def test_few_rows_make_a_report_and_a_page(tables: Tables, num: int) -> None:
    few = tables.data(TRAIN, TEST.at(slice(0, num)), "number")
    report = tables.report(tables.model(TRAIN, "number"), few, REGRESSION, QUICK)
    body = (report.folder / "report.json").read_text("utf-8")
    assert "NaN" not in body
    assert "Infinity" not in body
    page_of(report, few)
