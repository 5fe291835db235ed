"""Loans: a small table with numbers, words, gaps and groups; models of it, datasets, reports.

``Tables(root)`` has a store; ``loans(200)`` draws rows whose default depends on income, age and job
alone, and whose price is a number to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.events import Events
from volano.core.nouns import Dataset, Model, Report
from volano.evals.config import EvaluateConfig
from volano.evals.evaluate import evaluate
from volano.models import write_bundle
from volano.models.bundle import Spec
from volano.models.calibration import Calibration
from volano.models.spread import Spread
from volano.models.table_features import TableFeaturiser
from volano.models.table_linear import TableLinearEngine
from volano.models.trees import TreesEngine
from volano.store.artifacts import ArtifactStore
from volano.tasks import LabelsConfig, TabularClassification, TabularRegression
from volano.tasks.numbers import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from volano.tasks.task import Task

QUICK = EvaluateConfig(resamples=200, timed_requests=10, robustness_rows=80, importance_rows=60)
READ = ("age", "income", "job", "owner", "since")


@dataclass(frozen=True)
class Loans:
    """Rows with both targets: whether a loan failed, and its price."""

    table: pa.Table
    failed: Sequence[str]
    price: Sequence[float]

    def targets(self, answers: str) -> list[list[str] | None]:
        """As examples carry them; None where ``failed`` is empty."""
        if answers == "number":
            return [[number_text(price)] for price in self.price]
        return [[failed] if failed else None for failed in self.failed]

    def at(self, places: slice) -> Loans:
        """Those of a stretch."""
        rows = range(self.table.num_rows)[places]
        return Loans(self.table.take(list(rows)), self.failed[places], self.price[places])


def loans(num: int, seed: int = 0, *, hard: float = 0.0) -> Loans:
    """Random loans; ``hard`` of the truth is noise."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, num)
    income = np.round(np.exp(rng.normal(7.5, 0.6, num)), 2)
    job = rng.choice(["clerk", "nurse", "driver", "owner"], num, p=[0.4, 0.3, 0.2, 0.1])
    sex = rng.choice(["f", "m"], num)
    risk = -(np.log(income) - 7.5) * 2 - (age - 49) / 20 + 1.5 * (job == "driver") - 0.7
    risk = np.where(rng.random(num) < hard, rng.normal(0, 2, num), risk)
    failed = np.where(rng.random(num) < 1 / (1 + np.exp(-2 * risk)), "yes", "no")
    price = 1000 + 0.5 * income + 20 * age + rng.normal(0, 50, num)
    gaps = rng.random(num) < 0.1
    table = pa.table({
        "age": age,
        "income": pa.array(np.where(gaps, None, income), pa.float64()),
        "job": job,
        "owner": rng.choice(["yes", "no"], num),
        "since": [f"20{year:02}-0{month}-15" for year, month in
                  zip(rng.integers(10, 25, num), rng.integers(1, 10, num), strict=True)],
        "sex": sex,
    })  # fmt: skip
    return Loans(table, failed.tolist(), np.round(price, 2).tolist())


@dataclass
class Tables:
    """A store, and what it takes to have a report on loans."""

    root: Path

    @property
    def store(self) -> ArtifactStore:
        """Where artifacts are kept."""
        return ArtifactStore(str(self.root / "artifacts"), self.root / "cache")

    def model(self, rows: Loans, answers: str = "labels", engine: str = "linear") -> Model:
        """A bundle fitted on these rows by the real engine."""
        featuriser = TableFeaturiser.fit(rows.table, READ, {})
        labels = ("no", "yes") if answers == "labels" else ()
        truth = np.array(rows.price if answers == "number" else np.array(rows.failed) == "yes")
        made = _trees if engine == "trees" else _linear
        engine_made = made(featuriser, rows.table, truth.astype(float), answers)
        calibration: Any = Calibration()
        if answers == "number":
            value = engine_made.decide(rows.table.to_pylist())[:, 0]
            calibration = Spread.fit(value, truth)
        spec = Spec(
            task="tabular-regression" if answers == "number" else "tabular-classification",
            engine="trees" if engine == "trees" else "table-linear",
            text=(), labels=labels, columns=READ, answers=answers,  # type: ignore[arg-type]
            settings=engine_made.settings(), calibration=calibration.settings(),
        )  # fmt: skip
        with self.store.draft() as draft:
            arrays = {**engine_made.arrays(), **calibration.arrays()}
            write_bundle(draft, spec, arrays, engine_made.files())
            card = {"learner": engine, "parity": {"score_gap": 0.0, "agreement": 1.0}}
            return self.store.keep(Model, draft, card)

    def data(
        self,
        train: Loans,
        test: Loans,
        answers: str = "labels",
        old_skills: Loans | None = None,
        *,
        is_labelled: bool = True,
    ) -> Dataset:
        """A Dataset of these rows; the test rows without truth where ``is_labelled`` is false."""
        parts = []
        for split, rows in (("train", train), ("test", test)):
            num = rows.table.num_rows
            target = rows.targets(answers)
            kept = is_labelled or split == "train"
            parts.append(pa.table({
                "id": [f"{split}{place:06}" for place in range(num)],
                "fields": pa.chunked_array([rows.table.to_struct_array().combine_chunks()]),
                "target": pa.array(target if kept else [None] * num, pa.list_(pa.string())),
                "split": [split] * num,
                "source": ["loans.csv"] * num,
                "subject": pa.nulls(num, pa.string()),
                "cluster": pa.nulls(num, pa.string()),
                "group": rows.table.column("sex"),
            }))  # fmt: skip
        with self.store.draft() as draft:
            pq.write_table(pa.concat_tables(parts), draft / "examples.parquet")
            if old_skills is not None:
                _write_old_skills(draft, old_skills, answers)
            card = {"schema": {"reads": list(READ), "fields": {"target": "failed"}}}
            return self.store.keep(Dataset, draft, card)

    def report(
        self, model: Model, data: Dataset, task: Task | None = None, config: EvaluateConfig = QUICK
    ) -> Report:
        """What the model scores on the data."""
        return evaluate(config, task or TabularClassification(), model, data, self.store, Events())


def _linear(
    featuriser: TableFeaturiser, table: pa.Table, truth: Any, answers: str
) -> TableLinearEngine:
    """Least squares with a little ridge: exact enough, and quick."""
    dense = featuriser.dense(table.to_pylist())
    whole = np.column_stack([dense, np.ones(len(dense))])
    wanted = truth if answers == "number" else 6 * (truth - 0.5)
    solved = np.linalg.solve(whole.T @ whole + 0.1 * np.eye(whole.shape[1]), whole.T @ wanted)
    if answers == "number":
        return TableLinearEngine(featuriser, solved[:-1, None], solved[-1:])
    weights = np.column_stack([-solved[:-1] / 2, solved[:-1] / 2])
    return TableLinearEngine(featuriser, weights, np.array([-solved[-1] / 2, solved[-1] / 2]))


def _trees(featuriser: TableFeaturiser, table: pa.Table, truth: Any, answers: str) -> TreesEngine:
    import lightgbm

    settings = {
        "objective": "regression" if answers == "number" else "binary", "num_leaves": 7,
        "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1, "deterministic": True, "seed": 1,
    }  # fmt: skip
    codes = featuriser.codes(table.to_pylist())
    booster = lightgbm.train(settings, lightgbm.Dataset(codes, truth), 30)
    return TreesEngine(featuriser, (booster,), (1.0,))


def _write_old_skills(folder: Path, rows: Loans, answers: str) -> None:
    import json

    fields = [json.dumps(row) for row in rows.table.to_pylist()]
    table = pa.table({
        "id": [f"old{place}" for place in range(len(fields))],
        "fields": fields, "target": rows.targets(answers),
    })  # fmt: skip
    pq.write_table(table, folder / "old_skills.parquet")


def classification(**labels: Any) -> Task:
    """The task, with label settings."""
    return TabularClassification(LabelsConfig(**labels))


REGRESSION: Task = TabularRegression()
