"""Training on a prepared Dataset of a table: what is read, and what lies beside the bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.tiny import QUICK

from volano.core.errors import DataError
from volano.core.events import Events
from volano.core.nouns import Dataset, Model
from volano.models import Predictor
from volano.models.bundle import read_spec
from volano.store.artifacts import ArtifactStore
from volano.tasks.numbers import NUMBER_METRICS, NumberOutcomes, number_text
from volano.tasks.tabular_classification import TabularClassification
from volano.tasks.tabular_regression import TabularRegression
from volano.train.choose import choose, why_stop
from volano.train.config import TrainConfig, plan_learners
from volano.train.erasing import count_quotes, write_without
from volano.train.held_out import Marked, read_held_out, write_held_out
from volano.train.learners.table_blend import BLEND
from volano.train.learners.table_linear import LINEAR
from volano.train.learners.table_mlp import MLP
from volano.train.learners.table_trees import TREES
from volano.train.suspects import find_far_numbers
from volano.train.train import Plan, lesson_of, train

if TYPE_CHECKING:
    from pathlib import Path

    from volano.tasks.task import Task

KNOWN: dict[str, Any] = {one.name: one for one in (LINEAR, TREES, BLEND, MLP)}
NUM = 300


def columns() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "size.m2": pa.array(rng.uniform(20, 200, NUM)),
        "built": pa.array([date(1950 + n % 70, 1 + n % 12, 3) for n in range(NUM)]),
        "kind": pa.array(rng.choice(["flat", "house", "barn"], NUM)),
        "ignored": pa.array(rng.normal(size=NUM)),
    }


def dataset_of(
    store: ArtifactStore,
    targets: list[str],
    reads: list[str],
    splits: tuple[str, ...] = ("train", "train", "train", "validation", "test"),
    **settings: Any,
) -> Dataset:
    """A prepared Dataset as the data room leaves one, two rows in three of one person."""
    found = columns()
    fields = pa.StructArray.from_arrays(list(found.values()), list(found))
    table = pa.table(
        {
            "id": [f"r{n:03}" for n in range(NUM)],
            "fields": fields,
            "target": pa.array([[one] if one else None for one in targets], pa.list_(pa.string())),
            "split": [splits[n % len(splits)] for n in range(NUM)],
            "time": [f"2024/{1 + n // 28}/{1 + n % 28}" for n in range(NUM)],
            "label_from": ["source"] * NUM,
            "weight": pa.array([1.0] * NUM),
            "subject": pa.array([f"p{n // 2}" if n % 3 else None for n in range(NUM)]),
            "cluster": pa.array([None] * NUM, pa.string()),
        }
    )
    card = {
        "schema": {"reads": reads, "fields": {"text": "", "kinds": {"kind": "category"}}},
        "settings": settings,
    }
    with store.draft() as folder:
        pq.write_table(table, folder / "examples.parquet")
        # The store keeps the first card of a content.
        return replace(store.keep(Dataset, folder, card), card=card)


READS = ["size.m2", "built", "kind"]


def sizes() -> Any:
    return columns()["size.m2"].to_numpy()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    root = tmp_path_factory.mktemp("store")
    return ArtifactStore(str(root / "artifacts"), root / "cache")


@pytest.fixture(scope="module")
def priced(store: ArtifactStore) -> Dataset:
    rng = np.random.default_rng(1)
    prices = 10 * sizes() + rng.normal(size=NUM) * 30
    prices[7] = 90_000.0  # somebody typed a digit too many; row 7 is of the training rows
    return dataset_of(store, [number_text(round(one, 2)) for one in prices], READS)


@pytest.fixture(scope="module")
def sold(store: ArtifactStore) -> Dataset:
    labels = ["no" if one < 100 else "yes" for one in sizes()]
    labels[11] = ""  # a row of the training rows without truth
    return dataset_of(store, labels, READS)


def made_of(store: ArtifactStore, task: Task, data: Dataset, learner: Any = LINEAR) -> Model:
    return train(QUICK, task, data, Plan(learner), store, Events())


@pytest.fixture(scope="module")
def appraiser(store: ArtifactStore, priced: Dataset) -> Model:
    return made_of(store, TabularRegression(), priced)


def test_only_the_columns_that_models_read_are_read(sold: Dataset) -> None:
    lesson = lesson_of(TabularClassification(), sold)
    assert lesson.rows.columns == tuple(READS)
    assert lesson.rows.table.column_names == READS
    assert lesson.rows.kinds == {"kind": "category"}
    assert (len(lesson.train), len(lesson.valid)) == (179, 60)
    assert lesson.rows.task == "tabular-classification"
    assert not lesson.is_forward
    # A person is one unit, in both splits.
    units = {who: set() for who in range(NUM)}
    for place, row in enumerate(lesson.rows.rows):
        number = sizes().tolist().index(row["size.m2"])
        if number % 3:
            units[number // 2].add(int(lesson.rows.unit_N[place]))
    assert max(map(len, units.values())) == 1


def test_a_split_by_time_says_that_the_future_is_to_be_foretold(store: ArtifactStore) -> None:
    labels = ["no" if one < 100 else "yes" for one in sizes()]
    data = dataset_of(store, labels, READS, split={"by_time": True, "validation": 0.1})
    assert lesson_of(TabularClassification(), data).is_forward


def test_of_a_file_of_training_rows_the_latest_are_to_choose_by(store: ArtifactStore) -> None:
    """Else folds by chance would say how well the past is filled in."""
    labels = ["no" if one < 100 else "yes" for one in sizes()]
    split = {"by_time": True, "validation": 0.1}
    data = dataset_of(store, labels, READS, splits=("train", "train", "test"), split=split)
    lesson = lesson_of(TabularClassification(), data)
    late = [row["size.m2"] for row in lesson.valid.rows]
    expected = [one for n, one in enumerate(sizes()) if n % 3 < 2 and n >= NUM - 30]
    assert sorted(late) == sorted(expected)
    assert len(lesson.rows) == 200
    by_chance = dataset_of(store, labels, READS, splits=("train",), split={"by_time": False})
    assert len(lesson_of(TabularClassification(), by_chance).valid) == 0


def test_a_column_that_no_row_has_is_missing_throughout(store: ArtifactStore) -> None:
    labels = ["no" if one < 100 else "yes" for one in sizes()]
    data = dataset_of(store, labels, ["size.m2", "gone"])
    rows = lesson_of(TabularClassification(), data).rows
    assert rows.table.column("gone").null_count == len(rows)


@pytest.mark.parametrize(
    ("task", "target", "told"),
    [
        (TabularClassification(), "yes", "same label, 'yes'"),
        (TabularRegression(), "3", "number, 3"),
    ],
)
def test_nothing_is_learnt_where_all_truth_is_one(
    task: Task, target: str, told: str, store: ArtifactStore
) -> None:
    with pytest.raises(DataError, match=told):
        lesson_of(task, dataset_of(store, [target] * NUM, READS))


def test_a_model_of_labels_keeps_rows_as_a_request_brings_them(
    store: ArtifactStore, sold: Dataset
) -> None:
    model = made_of(store, TabularClassification(), sold, TREES)
    card = model.card
    assert card["labels"] == ["no", "yes"]
    assert sum(card["label_counts"].values()) == card["training"]["rows"] == 239
    assert card["training"]["out_of_fold"]["roc_auc"] > 0.99
    assert [told["column"] for told in card["features"]] == READS
    table = pq.read_table(model.folder / "reference.parquet")
    assert table.column_names == ["row", "id", "scores", "decided", "truth"]
    rows = [json.loads(row) for row in table.column("row").to_pylist()]
    assert set(rows[0]) == set(READS)
    scores = Predictor.load(model.folder).scores(rows)
    np.testing.assert_allclose(scores, table.column("scores").to_pylist(), atol=1e-12)


def test_a_model_of_numbers_keeps_its_answers_and_names_the_number_that_is_far_off(
    appraiser: Model, priced: Dataset
) -> None:
    spec = read_spec(appraiser.folder)
    assert (spec.task, spec.answers, spec.labels) == ("tabular-regression", "number", ())
    assert spec.columns == tuple(READS)
    assert appraiser.card["labels"] == []
    assert set(appraiser.card["training"]["out_of_fold"]) == set(NUMBER_METRICS)
    table = pq.read_table(appraiser.folder / "reference.parquet")
    assert table.column_names == ["row", "id", "value", "truth"]
    rows = [json.loads(row) for row in table.column("row").to_pylist()]
    values = Predictor.load(appraiser.folder).values(rows)
    np.testing.assert_allclose(values, table.column("value").to_pylist(), rtol=1e-12)
    suspects = pq.read_table(appraiser.folder / "suspects.parquet").to_pylist()
    assert suspects[0]["id"] == "r007"
    assert suspects[0]["given"] == ["90000"]
    assert float(suspects[0]["likely"]) < 10_000
    assert read_held_out(appraiser.folder).of_numbers.truth_N.max() == 90_000.0


def test_training_again_gives_the_same_model(
    store: ArtifactStore, priced: Dataset, appraiser: Model
) -> None:
    assert made_of(store, TabularRegression(), priced).hash == appraiser.hash
    task = TabularRegression()
    first, second = (made_of(store, task, priced, TREES) for _ in range(2))
    assert first.hash == second.hash


def test_rows_of_a_person_leave_what_lies_beside_a_bundle(appraiser: Model, tmp_path: Path) -> None:
    ids = ["r007", "r006"]
    # Two reference rows, a suspect, and the answers to both rows when they were held out: of the
    # one by its id, of the other by whose it is.
    assert count_quotes(appraiser, frozenset(), "p3", ids) == 5
    write_without(appraiser, frozenset(), "p3", ids, tmp_path)
    left = pq.read_table(tmp_path / "reference.parquet").column("id").to_pylist()
    assert len(left) == pq.read_table(appraiser.folder / "reference.parquet").num_rows - 2
    assert not set(left) & set(ids)
    before = read_held_out(appraiser.folder)
    shutil.copy(appraiser.folder / "model.json", tmp_path)
    after = read_held_out(tmp_path)
    assert len(after.outcomes) == len(before.outcomes) - 2 == len(after.unit_N)
    assert after.of_numbers.truth_N.max() < before.of_numbers.truth_N.max() == 90_000.0


@pytest.mark.parametrize(
    ("learner", "effort", "expected"),
    [
        ("auto", "quick", ("linear", "trees", "blend")),
        ("auto", "normal", ("linear", "trees", "blend")),
        ("auto", "thorough", ("linear", "trees", "blend", "mlp")),
        ("trees", "quick", ("linear", "trees")),
        ("blend", "quick", ("linear", "trees", "blend")),
        ("mlp", "quick", ("linear", "mlp")),
    ],
)
@pytest.mark.parametrize(
    "task", [TabularClassification(), TabularRegression()], ids=lambda t: t.name
)
def test_effort_says_how_far_the_plan_goes(
    learner: str, effort: Any, expected: tuple[str, ...], task: Task
) -> None:
    assert plan_learners(TrainConfig(learner=learner), task, KNOWN, effort) == expected


def foreteller(folder: Path, name: str, noise: float) -> Model:
    """A model of numbers that is off by so much."""
    from volano.models import Spec, write_bundle

    folder.mkdir()
    spec = Spec("tabular-regression", "table-linear", (), (), columns=("a",), answers="number")
    write_bundle(folder, spec, {})
    rng = np.random.default_rng(0)
    truth = rng.normal(size=200) * 10
    value = truth + np.random.default_rng(len(name)).normal(size=200) * noise
    outcomes = NumberOutcomes.of(truth, value, value - 2, value + 2)
    write_held_out(folder, Marked(outcomes, np.arange(200), np.arange(200)))
    return Model(name, folder, {"learner": name})


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2", "pinball"])
def test_the_dearer_model_of_numbers_is_taken_where_it_is_clearly_better(
    metric: str, tmp_path: Path
) -> None:
    made = [foreteller(tmp_path / "l", "linear", 3.0), foreteller(tmp_path / "t", "trees", 1.0)]
    assert choose(made, NUMBER_METRICS[metric]).candidate == "trees"
    turned = [foreteller(tmp_path / "a", "linear", 1.0), foreteller(tmp_path / "b", "trees", 1.0)]
    assert choose(turned, NUMBER_METRICS[metric]).candidate == "linear"
    assert why_stop(made, NUMBER_METRICS[metric], np.arange(0)) == ""


def test_a_number_is_suspect_by_the_errors_of_numbers_of_its_size() -> None:
    """Errors of large numbers are larger: one that is usual there is far off among small ones."""
    rng = np.random.default_rng(0)
    value = np.concatenate([rng.uniform(0, 1, 500), rng.uniform(1000, 2000, 500)])
    error = rng.normal(size=1000) * np.repeat([0.1, 100.0], 500)
    truth = value + error
    truth[3] = value[3] + 100.0
    found = find_far_numbers(NumberOutcomes.of(truth, value, value, value))
    assert [suspect.row for suspect in found] == [3]
    assert found[0].given == (number_text(float(truth[3])),)
    assert float(found[0].likely) == pytest.approx(value[3], rel=1e-5)
    exact = NumberOutcomes.of(value, value, value, value)
    assert find_far_numbers(exact) == []
