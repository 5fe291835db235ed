"""Reports on tables with labels: order, thresholds, columns, altered cells, and their page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics
from tests.evals.tables import QUICK, READ, Loans, Tables, classification, loans

from volano.core.nouns import Report, Verdict
from volano.core.pages import render
from volano.evals.cells import CELL_KINDS, NEVER_SEEN
from volano.evals.page import Findings, report_page
from volano.evals.trial import rows_of
from volano.models import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.nouns import Dataset

ALL = loans(700)
TRAIN, TEST = ALL.at(slice(0, 500)), ALL.at(slice(500, 700))
SLICED = QUICK.model_copy(update={"slices": ("age", "job")})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def data(tables: Tables) -> Dataset:
    return tables.data(TRAIN, TEST, old_skills=TRAIN.at(slice(0, 6)))


@pytest.fixture(scope="module")
def made(tables: Tables, data: Dataset) -> Report:
    return tables.report(tables.model(TRAIN, engine="trees"), data, config=SLICED)


@pytest.fixture
def report(made: Report) -> Report:
    return Report(made.hash, made.folder, made.card)


def truth_and_scores(report: Report) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(report.folder / "answers.parquet")
    labels = json.loads(table.schema.metadata[b"labels"])
    scores = np.array(table.column("scores").to_pylist())[:, labels.index("yes")]
    return np.array([truth == ["yes"] for truth in table.column("truth").to_pylist()]), scores


def page_of(report: Report, data: Dataset, language: Any = "en") -> dict[str, Any]:
    verdict = Verdict("HOLD", ("it may be luck",), metric="roc_auc")
    found = Findings(report, verdict, report, metric="roc_auc", data=data)
    shown = report_page(found, "loans", language)
    render(shown)
    told: dict[str, Any] = json.loads(json.dumps(shown.to_dict(), allow_nan=False))
    return told


def section(page: dict[str, Any], title: str) -> dict[str, Any]:
    return next(part for part in page["sections"] if part["title"] == title)


def test_the_order_of_scores_agrees_with_scikit_learn(report: Report) -> None:
    truth, scores = truth_and_scores(report)
    figures = report.metrics
    assert figures["roc_auc"].value == pytest.approx(metrics.roc_auc_score(truth, scores))
    average = metrics.average_precision_score(truth, scores)
    assert figures["average_precision"].value == pytest.approx(average)
    assert report.body["guess"]["metrics"]["roc_auc"] == 0.5
    (curve,) = report.body["order"]["curves"]
    assert curve["label"] == "yes"
    alarms, recall = np.array(curve["roc"]).T
    assert np.trapezoid(recall, alarms) == pytest.approx(figures["roc_auc"].value, abs=0.01)
    assert (alarms[0], recall[0], alarms[-1], recall[-1]) == (0, 0, 1, 1)


def test_an_interval_of_an_order_holds_its_exact_figure_also_in_slices(report: Report) -> None:
    truth, scores = truth_and_scores(report)
    table = pq.read_table(report.folder / "answers.parquet")
    for row in report.body["slices"]:
        rows = np.array(table.column(f"slice:{row['field']}").to_pylist()) == row["value"]
        assert rows.sum() == row["num_examples"]
        exact = metrics.roc_auc_score(truth[rows], scores[rows])
        assert row["roc_auc"]["value"] == pytest.approx(exact)
        assert row["roc_auc"]["low"] <= exact <= row["roc_auc"]["high"]
    fields = {row["field"] for row in report.body["slices"]}
    assert fields == {"age", "group", "job"}  # nothing is said of languages and lengths


def test_numbers_that_mostly_differ_are_sliced_by_quarters(report: Report) -> None:
    ages = [row["value"] for row in report.body["slices"] if row["field"] == "age"]
    assert [age[:2] for age in ages] == ["Q1", "Q2", "Q3", "Q4"]
    assert {row["value"] for row in report.body["slices"] if row["field"] == "job"} == {
        "clerk", "nurse", "driver", "owner",
    }  # fmt: skip


def test_each_threshold_flags_what_it_says(report: Report) -> None:
    truth, scores = truth_and_scores(report)
    rows = report.body["order"]["thresholds"]
    assert rows[0]["threshold"] is None
    for row in rows[1:]:
        said = scores >= row["threshold"]
        assert row["share"] == pytest.approx(said.mean())
        assert row["recall"] == pytest.approx(metrics.recall_score(truth, said))
        if said.any():
            assert row["precision"] == pytest.approx(metrics.precision_score(truth, said))
    half = next(row for row in rows if row["threshold"] == 0.5)
    assert {**rows[0], "threshold": 0.5} == half  # without costs the likelier label is answered


def test_thresholds_show_what_mistakes_cost(tables: Tables, data: Dataset) -> None:
    task = classification(costs={"yes": {"no": 5.0}})
    model = tables.model(TRAIN, engine="trees")
    report = tables.report(model, data, task)
    rows = report.body["order"]["thresholds"]
    assert rows[0]["cost"] == pytest.approx(report.body["metrics"]["cost"]["value"])
    cheapest = min(rows[1:], key=lambda row: row["cost"])
    assert cheapest["threshold"] < 0.5  # a missed one costs five false alarms


def test_what_is_reported_is_what_the_predictor_answers(
    tables: Tables, data: Dataset, report: Report
) -> None:
    model = tables.model(TRAIN, engine="trees")
    assert model.hash == report.body["model"]
    predictor = Predictor.load(model.folder)
    rows = rows_of(data.labelled("test"), predictor)
    table = pq.read_table(report.folder / "answers.parquet").to_pylist()
    for row, found in zip(rows, table, strict=True):
        answer = predictor.predict([row])[0]
        assert (answer.labels, answer.confidence) == (tuple(found["labels"]), found["confidence"])
        assert list(answer.scores.values()) == found["scores"]


def test_the_columns_that_the_truth_hangs_on_matter_most(report: Report) -> None:
    told = report.body["importance"]
    weights = {row["column"]: row["weight"] for row in told["columns"]}
    assert list(weights) == sorted(weights, key=lambda name: -weights[name])
    assert set(weights) == set(READ)
    assert {"income", "age", "job"} == set(list(weights)[:3])
    assert told["num_examples"] == 60


def test_the_weight_of_a_column_is_the_mean_size_of_its_reasons(
    tables: Tables, data: Dataset
) -> None:
    config = QUICK.model_copy(update={"importance_rows": 200})
    report = tables.report(tables.model(TRAIN), data, config=config)
    predictor = Predictor.load(tables.model(TRAIN).folder)
    rows = rows_of(data.labelled("test"), predictor)
    sizes = []
    for row in rows:
        answer = predictor.predict([row], explain=True)[0]
        sizes.append(sum(abs(w) for text, w in answer.reasons if text.startswith("income = ")))
    weights = {row["column"]: row["weight"] for row in report.body["importance"]["columns"]}
    assert weights["income"] == pytest.approx(np.mean(sizes))


def test_effects_are_those_of_asking_again(tables: Tables, data: Dataset, report: Report) -> None:
    effects = {effect["column"]: effect for effect in report.body["importance"]["effects"]}
    (income,) = effects["income"]["answers"]
    assert income["label"] == "yes"
    assert income["means"][0] > income["means"][-1]  # the poor fail more often
    assert effects["income"]["values"] == sorted(effects["income"]["values"])
    job = dict(zip(effects["job"]["values"], effects["job"]["answers"][0]["means"], strict=True))
    assert max(job, key=lambda name: job[name]) == "driver"
    predictor = Predictor.load(tables.model(TRAIN, engine="trees").folder)
    rows = [{**row, "job": "driver"} for row in rows_of(data.labelled("test"), predictor)]
    assert job["driver"] == pytest.approx(predictor.scores(rows)[:, 1].mean())


def test_effects_are_at_round_values_and_at_levels_of_several(tables: Tables) -> None:
    """A report outlives its rows, so it steps through no person's cells."""
    job = ["astronaut" if place < 4 else "clerk" for place in range(200)]
    table = TEST.table.set_column(2, "job", pa.array(job))
    data = tables.data(TRAIN, Loans(table, TEST.failed, TEST.price))
    report = tables.report(tables.model(TRAIN, engine="trees"), data)
    effects = {effect["column"]: effect for effect in report.body["importance"]["effects"]}
    assert len(effects["income"]["values"]) > 5
    assert not set(effects["income"]["values"]) & set(table["income"].to_pylist())
    assert "astronaut" not in json.dumps(report.body["importance"])


def test_a_column_of_mappings_or_lists_is_told_by_its_levels(tables: Tables) -> None:
    def nested(loans: Loans, make: Any) -> Loans:
        job = pa.array([make(one) for one in loans.table["job"].to_pylist()])
        return Loans(loans.table.set_column(2, "job", job), loans.failed, loans.price)

    for make in (lambda job: {"name": job}, lambda job: [job]):
        train, test = nested(TRAIN, make), nested(TEST, make)
        report = tables.report(tables.model(train, engine="trees"), tables.data(train, test))
        effects = {one["column"]: one for one in report.body["importance"]["effects"]}
        assert str(make("driver")) in effects["job"]["values"]


def test_a_column_that_is_mostly_one_number_is_stepped_over_the_others(tables: Tables) -> None:
    income = [0.0 if place % 10 else 500.0 * place for place in range(200)]
    table = TEST.table.set_column(1, "income", pa.array(income))
    data = tables.data(TRAIN, Loans(table, TEST.failed, TEST.price))
    report = tables.report(tables.model(TRAIN, engine="trees"), data)
    effects = {effect["column"]: effect for effect in report.body["importance"]["effects"]}
    assert len(effects["income"]["values"]) > 5


def test_zero_rows_of_importance_is_off(tables: Tables, data: Dataset) -> None:
    off = {"importance_rows": 0, "robustness_rows": 0}
    report = tables.report(tables.model(TRAIN), data, config=QUICK.model_copy(update=off))
    assert (report.body["importance"], report.body["robustness"]) == (None, None)
    titles = [part["title"] for part in page_of(report, data)["sections"]]
    assert not {"Columns", "Robustness"} & set(titles)


def test_cells_are_altered_by_rule_and_the_difference_is_paired(report: Report) -> None:
    told = report.body["robustness"]
    assert [one["kind"] for one in told["kinds"]] == list(CELL_KINDS)
    assert told["num_examples"] == 80
    for one in told["kinds"]:
        assert 0 < one["num_examples"] <= 80
        found = one["difference"]
        assert found["value"] == pytest.approx(one["after"] - one["before"])
        assert found["low"] <= found["value"] <= found["high"]
    blank, jitter, unseen = told["kinds"]
    assert {rule["rule"] for rule in blank["rules"]} <= set(READ)
    assert [rule["rule"] for rule in jitter["rules"]] == ["numbers"]
    assert [rule["rule"] for rule in unseen["rules"]] == ["job"]
    for example in unseen["examples"]:
        assert example["altered"] == f"job: {NEVER_SEEN}"
    assert jitter["changed"] < 0.1  # 5 % of the spread is little


def test_the_worst_errors_show_the_row_and_reasons_that_add_up(
    tables: Tables, report: Report
) -> None:
    predictor = Predictor.load(tables.model(TRAIN, engine="trees").folder)
    errors = report.body["errors"]
    assert errors
    for error in errors:
        lines = dict(line.split(": ", 1) for line in error["text"].splitlines() if ": " in line)
        assert set(READ) >= set(lines)
        row = {name: cell if name in ("job", "since", "owner") else float(cell)
               for name, cell in lines.items() if cell}  # fmt: skip
        scores = predictor.predict([row])[0].scores
        about = error["about"]
        odds = np.log(scores[about] / (1 - scores[about]))
        assert sum(weight for _, weight in error["reasons"]) == pytest.approx(odds)


def test_retired_rows_are_still_asked(report: Report) -> None:
    old = report.body["old_skills"]
    assert old["num_examples"] == 6 == len(old["right"]) + len(old["wrong"])


def test_the_page_has_a_picture_of_each_part_in_both_languages(
    report: Report, data: Dataset
) -> None:
    page = page_of(report, data)
    first = json.dumps(page["sections"][0], ensure_ascii=False)
    assert "Of two rows of which one is “yes”" in first
    assert "It looks most at" in first
    columns = section(page, "Columns")
    assert columns["blocks"][0]["option"]["yAxis"]["data"][0] in ("income", "age", "job")
    effects = columns["blocks"][1]["blocks"]
    assert len(effects) == len(report.body["importance"]["effects"])
    titles = [block.get("title") for block in section(page, "Order and thresholds")["blocks"]]
    assert titles[:2] == ["ROC curve", "Precision and recall"]
    errors = json.dumps(section(page, "Worst errors"), ensure_ascii=False)
    assert "income = " in errors
    assert re.search(r"age: \d+ · \w+: ", errors)
    assert "where every row begins" in errors
    chinese = page_of(report, data, "zh")
    english = json.dumps([
        {key: one[key] for key in ("title", "note", "columns", "alt") if key in one}
        for part in chinese["sections"] for one in (part, *part["blocks"])
    ], ensure_ascii=False)  # fmt: skip
    for word in ("Columns", "ROC curve", "Examples", "score", "Empty", "rows"):
        assert word not in english


def test_altered_rows_show_where_a_cell_ends(report: Report, data: Dataset) -> None:
    example = {"id": "a", "rule": "numbers", "text": "age: 40\nincome: 2",
               "altered": "age: 41\nincome: 3", "decided": ["no"], "decided_altered": ["yes"],
               "confidence": 0.6}  # fmt: skip
    for kind in report.body["robustness"]["kinds"]:
        kind["examples"] = [example]
    told = json.dumps(section(page_of(report, data), "Robustness"), ensure_ascii=False)
    assert "age: 40 · income: 2" in told and "age: 41 · income: 3" in told


def test_of_two_labels_none_is_called_needless(report: Report, data: Dataset) -> None:
    told = json.dumps(page_of(report, data)["sections"][0], ensure_ascii=False)
    assert "are they labelled right, and what could have told them apart?" in told
    assert "both labels needed" not in told


def test_one_class_among_the_test_rows_makes_a_report(tables: Tables, data: Dataset) -> None:
    places = [place for place, failed in enumerate(TEST.failed) if failed == "no"][:5]
    rows = Loans(TEST.table.take(places), ["no"] * 5, [1.0] * 5)
    few = tables.data(TRAIN, rows)
    report = tables.report(tables.model(TRAIN), few)
    assert "roc_auc" not in report.body["metrics"]
    assert report.body["order"] == {"curves": [], "thresholds": []}
    page_of(report, few)


def test_more_labels_have_a_curve_each(tables: Tables, data: Dataset) -> None:
    table = pq.read_table(data.folder / "examples.parquet")
    target = [["maybe"] if place % 7 == 0 else label
              for place, label in enumerate(table.column("target").to_pylist())]  # fmt: skip
    place = table.column_names.index("target")
    table = table.set_column(place, "target", [target])
    with tables.store.draft() as draft:
        pq.write_table(table, draft / "examples.parquet")
        three = tables.store.keep(type(data), draft, dict(data.card))
    report = tables.report(tables.model(TRAIN), three)
    order = report.body["order"]
    assert {curve["label"] for curve in order["curves"]} == {"no", "yes", "maybe"}
    assert order["thresholds"] == []
    page_of(report, three)


def test_a_forgotten_row_is_shown_with_its_cells(tables: Tables, data: Dataset) -> None:
    champion = tables.report(tables.model(TRAIN), data)
    worse = tables.report(tables.model(TRAIN.at(slice(0, 30))), data)
    found = Findings(worse, Verdict("HOLD", ("x",)), worse, champion, "roc_auc", data=data)
    told = json.dumps(report_page(found, "loans", "en").to_dict(), ensure_ascii=False)
    assert re.search(r"age: \d+ · \w+: ", told)
    assert replace(found, champion=None).texts == found.texts


def test_the_same_report_is_made_twice(tmp_path: Path, report: Report) -> None:
    other = Tables(tmp_path)
    data = other.data(TRAIN, TEST, old_skills=TRAIN.at(slice(0, 6)))
    again = other.report(other.model(TRAIN, engine="trees"), data, config=SLICED).body
    assert {**again, "cost": 0} == {**report.body, "cost": 0}
