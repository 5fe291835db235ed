"""Test rows against training rows: moved columns are named, chance is not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.evals.tables import QUICK, READ, REGRESSION, Loans, Tables, loans

from volano.core.nouns import Model, Verdict
from volano.core.pages import render
from volano.evals.page import Findings, report_page
from volano.models import Predictor
from volano.models.rows import ArrowRows
from volano.tasks import TabularClassification
from volano.tasks.scoring import LabelOutcomes
from volano.train.held_out import Marked
from volano.train.learner import TrainingSet
from volano.train.statistics import statistics_of

if TYPE_CHECKING:
    from volano.core.nouns import Report

ALL = loans(900)
TRAIN, TEST = ALL.at(slice(0, 600)), ALL.at(slice(600, 900))
OFF = QUICK.model_copy(update={"robustness_rows": 0, "importance_rows": 0})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("drift"))


def measured(tables: Tables, answers: str = "labels") -> Model:
    """A model whose training rows were measured, its answers to them as those held out."""
    bare = tables.model(TRAIN, answers)
    predictor = Predictor.load(bare.folder)
    featuriser = predictor.featuriser
    assert featuriser is not None
    rows = ArrowRows(TRAIN.table)
    unit_N = np.arange(len(rows))
    told = predictor.predict(rows)
    task = REGRESSION if answers == "number" else TabularClassification()
    marked = Marked(task.outcomes(TRAIN.targets(answers), told), unit_N, unit_N)
    training = TrainingSet(rows, TRAIN.targets(answers), unit_N, np.ones(len(rows)), columns=READ)
    kinds = {one.name: one.kind for one in featuriser.columns}
    statistics = statistics_of(training, kinds, marked)
    with tables.store.draft() as draft:
        ignored = shutil.ignore_patterns("card.json", "manifest.json")
        shutil.copytree(bare.folder, draft, dirs_exist_ok=True, ignore=ignored)
        statistics.write(draft)
        return tables.store.keep(Model, draft, bare.card)  # by its statistics another than bare


@pytest.fixture(scope="module")
def model(tables: Tables) -> Model:
    return measured(tables)


def richer(rows: Loans) -> Loans:
    """The same rows years later: incomes have doubled, there is a new job, cells are missing."""
    table = rows.table
    income = pa.array([None if one is None else 2 * one for one in table["income"].to_pylist()])
    job = pa.array(
        ["astronaut" if n % 2 else one for n, one in enumerate(table["job"].to_pylist())]
    )
    since = pa.array([None if n % 3 else one for n, one in enumerate(table["since"].to_pylist())])
    for name, cells in (("income", income), ("job", job), ("since", since)):
        table = table.set_column(table.column_names.index(name), name, cells)
    return Loans(table, rows.failed, rows.price)


def drift_of(report: Report) -> dict[str, dict[str, Any]]:
    return {f"{one['column']}.{one['aspect']}": one for one in report.body["drift"]["measures"]}


def test_rows_that_were_drawn_by_chance_have_not_moved(tables: Tables, model: Model) -> None:
    report = tables.report(model, tables.data(TRAIN, TEST), config=OFF)
    told = drift_of(report)
    assert set(told) == {*(f"{name}.value" for name in READ), ".label", ".confidence"}
    assert not any(one["moved"] for one in told.values())
    assert json.dumps(page_of(report)).count("No column of the test rows has moved") == 1


def test_columns_that_have_moved_are_named_with_what_changed_most(
    tables: Tables, model: Model
) -> None:
    report = tables.report(model, tables.data(TRAIN, richer(TEST)), config=OFF)
    told = drift_of(report)
    moved = {name for name, one in told.items() if one["moved"]}
    assert {"income.value", "job.value", "since.value"} <= moved
    assert not {"age.value", "owner.value"} & moved
    assert told["job.value"]["part"] == {"name": "others"}
    assert told["job.value"]["now"] == pytest.approx(0.5)
    assert told["since.value"]["part"] == {"name": "missing"}
    assert set(told["income.value"]["part"]) == {"over"}  # the highest tenth
    english = json.dumps(page_of(report), ensure_ascii=False)
    assert "Columns have moved" in english
    chinese = page_of(report, "zh")
    words = json.dumps([
        {key: block[key] for key in ("title", "note", "columns", "text") if key in block}
        for part in chinese["sections"] if "对比" in part["title"]
        for block in (part, *part["blocks"])
    ], ensure_ascii=False)  # fmt: skip
    assert "漂移" in words
    for word in ("Column", "moved", "training", "chance", "missing"):
        assert word not in words


def test_fifty_rows_do_not_cry(tables: Tables, model: Model) -> None:
    for first in range(0, 300, 50):
        few = TEST.at(slice(first, first + 50))
        told = drift_of(tables.report(model, tables.data(TRAIN, few), config=OFF))
        assert not any(one["moved"] for one in told.values())


def test_answers_of_numbers_are_compared_too(tables: Tables) -> None:
    model = measured(tables, "number")
    same = drift_of(tables.report(model, tables.data(TRAIN, TEST, "number"), REGRESSION, OFF))
    assert not same[".value"]["moved"]
    other = tables.data(TRAIN, richer(TEST), "number")
    assert drift_of(tables.report(model, other, REGRESSION, OFF))[".value"]["moved"]


def test_a_model_without_statistics_has_a_report_without_them(tables: Tables) -> None:
    report = tables.report(tables.model(TRAIN), tables.data(TRAIN, TEST), config=OFF)
    assert report.body["drift"] is None
    titles = [part["title"] for part in page_of(report)["sections"]]
    assert "Test rows against training rows" not in titles


def test_millions_of_rows_are_measured_by_a_sample_that_the_file_names() -> None:
    num = 450_000
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=num), "job": rng.choice(["a", "b"], num)})
    labels = rng.random((20, 1)) < 0.5
    decided = np.concatenate([labels, ~labels], axis=1)
    outcomes = LabelOutcomes(("no", "yes"), decided, decided, decided.astype(float), False)
    marked = Marked(outcomes, np.arange(20), np.arange(20))
    rows = TrainingSet(ArrowRows(table), [], np.arange(num), np.ones(num), columns=("x", "job"))
    found = statistics_of(rows, {"x": "number", "job": "category"}, marked)
    assert (found.num_rows, found.num_sampled) == (num, 200_000)
    assert {one.num_rows for one in found.columns} == {200_000}
    assert found == statistics_of(rows, {"x": "number", "job": "category"}, marked)


def page_of(report: Report, language: Any = "en") -> dict[str, Any]:
    page = report_page(Findings(report, Verdict("HOLD", ("x",)), report), "loans", language)
    render(page)
    return page.to_dict()
