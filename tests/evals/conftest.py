from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.tiny import tiny_bundle, training_set

from volano.core.events import Events
from volano.core.nouns import Dataset, Model, Report
from volano.evals.config import EvaluateConfig
from volano.evals.evaluate import evaluate
from volano.models import write_bundle
from volano.models.bundle import read_arrays, read_spec
from volano.store.artifacts import ArtifactStore
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from volano.tasks.task import Task

QUICK = EvaluateConfig(resamples=200, timed_requests=10)
Row = tuple[str, "Sequence[str]"]  # a text and its labels


@dataclass
class Bench:
    """A store, and what it takes to have a report on any rows."""

    root: Path
    store: ArtifactStore

    def model(self, rows: Sequence[Row], **more: Any) -> Model:
        """A bundle fitted on these rows."""
        bundle = tiny_bundle(
            self.root / f"bundle{len(list(self.root.iterdir()))}",
            training_set([text for text, _ in rows], [labels for _, labels in rows], **more),
        )
        with self.store.draft() as draft:
            write_bundle(draft, read_spec(bundle), read_arrays(bundle))
            card = {"learner": "bayes", "training": {"out_of_fold": {"accuracy": 0.9}}}
            return self.store.keep(Model, draft, card)

    def data(
        self,
        train: Sequence[Row],
        test: Sequence[Row],
        columns: Mapping[str, Sequence[Any]] | None = None,
        old_skills: Sequence[Row] = (),
    ) -> Dataset:
        """A Dataset of these rows; ``columns`` replace or add columns of the test rows."""
        sides = {
            "subject": pa.string(), "cluster": pa.string(), "group": pa.string(),
            "language": pa.string(), "near_train": pa.bool_(),
        }  # fmt: skip
        records = []
        for split, rows in (("train", train), ("test", test)):
            for place, (text, labels) in enumerate(rows):
                told = {name: values[place] for name, values in (columns or {}).items()}
                side = {name: told.get(name) for name in sides} if split == "test" else {}
                records.append({
                    "id": f"{split}{place:04}", "fields": {"body": text, "tier": told.get("tier")},
                    "target": list(labels), "split": split, "source": "rows.csv",
                    "num_chars": len(text), **dict.fromkeys(sides), **side,
                })  # fmt: skip
        schema = pa.schema({
            "id": pa.string(),
            "fields": pa.struct({"body": pa.string(), "tier": pa.string()}),
            "target": pa.list_(pa.string()), "split": pa.string(), "source": pa.string(),
            "num_chars": pa.int64(), **sides,
        })  # fmt: skip
        with self.store.draft() as draft:
            pq.write_table(pa.Table.from_pylist(records, schema), draft / "examples.parquet")
            if old_skills:
                old = {
                    "id": [f"old{place}" for place in range(len(old_skills))],
                    "fields": [f'{{"body": "{text}"}}' for text, _ in old_skills],
                    "target": [list(labels) for _, labels in old_skills],
                }
                pq.write_table(pa.table(old), draft / "old_skills.parquet")
            return self.store.keep(Dataset, draft, {})

    def report(
        self,
        model: Model,
        data: Dataset,
        task: Task | None = None,
        config: EvaluateConfig = QUICK,
    ) -> Report:
        """What the model scores on the data."""
        return evaluate(config, task or TextClassification(), model, data, self.store, Events())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache"))


@pytest.fixture
def several() -> Task:
    return TextClassification(LabelsConfig(separator=","))
