from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# In a process of its own, whose peak is nobody else's; small windows, so that few rows are enough
# to tell what grows with the rows from what a window takes.
SCRIPT = """
import json, random, resource, sys
from pathlib import Path
from volano.core.events import Events
from volano.data import DataConfig, FieldsConfig, PrepareConfig, SourceConfig, spool
from volano.data.collect import CollectFeed, collect
from volano.data.prepare import prepare
from volano.data.report import data_page
from volano.data.sources import Batch
from volano.store.artifacts import ArtifactStore
from volano.tasks import LabelsConfig, TextClassification
import numpy as np
import pyarrow as pa

spool.ROWS_AT_ONCE, spool._BYTES_AT_ONCE = 4_096, 2_000_000
root, count = Path(sys.argv[1]), int(sys.argv[2])
(root / "a.made").write_text("x")

def read(path, config):
    chance = random.Random(0)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(5_000)]
    for start in range(0, count, 1_000):
        texts = [" ".join(chance.choices(words, k=125)) for _ in range(1_000)]
        labels = [f"label {n % 20}" for n in range(1_000)]
        table = pa.table({"text": texts, "label": labels})
        yield Batch(table, np.arange(start + 1, start + 1_001), facts={"format": "made"})

store = ArtifactStore(str(root / "artifacts"), root / "cache")
fields = FieldsConfig(text="text", target="label")
config = DataConfig(sources=(SourceConfig(path="a.made"),), fields=fields)
task, events = TextClassification(LabelsConfig()), Events((), "test")
peaks = {}

def peak(stage):
    peaks[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024

collected = collect(config, task, CollectFeed(root=root, readers={".made": read}), store, events)
peak("collect")
prepared = prepare(PrepareConfig(near_duplicates=0), task, collected, None, 0, store, events)
peak("prepare")
data_page(prepared, task, "en")
peak("report")
print(json.dumps(peaks))
"""

TABLE = """
import json, resource, sys
from pathlib import Path
from volano.core.events import Events
from volano.data import DataConfig, FieldsConfig, PrepareConfig, SourceConfig, spool
from volano.data.collect import CollectFeed, collect
from volano.data.prepare import prepare
from volano.data.report import data_page
from volano.data.sources import Batch
from volano.store.artifacts import ArtifactStore
from volano.tasks import TabularRegression
import numpy as np
import pyarrow as pa

spool.ROWS_AT_ONCE, spool._BYTES_AT_ONCE = 4_096, 2_000_000
root, count = Path(sys.argv[1]), int(sys.argv[2])
(root / "a.made").write_text("x")

def read(path, config):
    chance = np.random.default_rng(0)
    for start in range(0, count, 5_000):
        columns = {f"n{n}": chance.normal(size=5_000).round(6) for n in range(12)}
        columns["city"] = chance.choice(["Ulm", "Bonn", "Bern"], 5_000)
        table = pa.table({**columns, "y": chance.lognormal(size=5_000)})
        yield Batch(table, np.arange(start + 1, start + 5_001), facts={"format": "made"})

store = ArtifactStore(str(root / "artifacts"), root / "cache")
config = DataConfig(sources=(SourceConfig(path="a.made"),), fields=FieldsConfig(target="y"))
task, events = TabularRegression(), Events((), "test")
peaks = {}

def peak(stage):
    peaks[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024

collected = collect(config, task, CollectFeed(root=root, readers={".made": read}), store, events)
peak("collect")
prepared = prepare(PrepareConfig(), task, collected, None, 0, store, events)
peak("prepare")
data_page(prepared, task, "en")
peak("report")
print(json.dumps(peaks))
"""


def peaks(folder: Path, rows: int, script: str = SCRIPT) -> dict[str, int]:
    folder.mkdir()
    command = [sys.executable, "-c", script, str(folder), str(rows)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, int] = json.loads(ran.stdout)
    return found


@pytest.mark.slow
def test_texts_of_a_thousand_characters_are_never_all_in_memory(tmp_path: Path) -> None:
    few, many = (peaks(tmp_path / str(rows), rows) for rows in (10_000, 50_000))
    grown = {stage: (many[stage] - few[stage]) / 40_000 for stage in few}
    assert grown["collect"] < 700, grown
    # Looking for equal texts holds them as Arrow does, and nothing holds them as Python objects.
    assert grown["report"] < 6_000, grown


@pytest.mark.slow
def test_numbers_that_stand_once_each_take_few_bytes_a_row(tmp_path: Path) -> None:
    few, many = (peaks(tmp_path / str(rows), rows, TABLE) for rows in (60_000, 260_000))
    grown = {stage: (many[stage] - few[stage]) / 200_000 for stage in few}
    # As Python objects the targets alone would take more.
    assert grown["collect"] < 600, grown
    assert max(grown.values()) < 900, grown
