from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from volano.core.events import Event, Events
from volano.data import DataConfig, FieldsConfig, PrepareConfig, SourceConfig
from volano.data.collect import CollectFeed, collect
from volano.data.prepare import prepare
from volano.store.artifacts import ArtifactStore
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from volano.core.nouns import Dataset
    from volano.tasks import Task


@dataclass
class Workshop:
    """A project folder with a real store, for turning files into Datasets."""

    root: Path
    store: ArtifactStore
    said: list[Event] = field(default_factory=list)

    def write(self, name: str, text: str) -> str:
        (self.root / name).write_text(text, "utf-8", newline="")
        return name

    def collect(
        self,
        *sources: SourceConfig | str,
        fields: dict[str, Any] | None = None,
        labels: LabelsConfig | None = None,
        task: Task | None = None,
        **feed: Any,
    ) -> Dataset:
        config = DataConfig(
            sources=tuple(SourceConfig(path=s) if isinstance(s, str) else s for s in sources),
            fields=FieldsConfig(**(fields or {"text": "text", "target": "label"})),
        )
        task = task or TextClassification(labels or LabelsConfig())
        feed = {"root": self.root} | feed
        return collect(config, task, CollectFeed(**feed), self.store, self.events)

    def prepare(
        self,
        collected: Dataset,
        previous: Dataset | None = None,
        seed: int = 0,
        task: Task | None = None,
        **settings: Any,
    ) -> Dataset:
        config = PrepareConfig(**settings)
        task = task or TextClassification()
        return prepare(config, task, collected, previous, seed, self.store, self.events)

    def rows(self, dataset: Dataset, *names: str) -> list[Any]:
        columns: Sequence[list[Any]] = [dataset.examples[name].to_pylist() for name in names]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def texts(self, dataset: Dataset) -> list[str]:
        return [fields["text"] for fields in self.rows(dataset, "fields")]

    def dropped(self, dataset: Dataset) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pq.read_table(dataset.folder / "dropped.parquet").to_pylist()
        return found

    @property
    def events(self) -> Events:
        return Events((self.said.append,), "data")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache"))
