from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volano.core.errors import UserError
from volano.core.hooks import Hub
from volano.loop.plugins import _load, load_hub
from volano.tasks import TextClassification

COUNTS = Path(__file__).parents[1] / "plugin_example" / "volano_counts.py"
TURN = """
import json, sys
import volano

with volano.open(".") as project:
    verdict = project.turn().verdict
    (answer,) = project.predict([{"staff": 4, "weather": "sun", "fare": 7}], explain=True)
    report = project.evaluate().body
told = {"decision": verdict.decision, "metric": verdict.metric, "value": answer.value,
        "weights": [weight for _, weight in answer.reasons], "scored": list(report["metrics"])}
json.dump(told, sys.stdout)
"""


def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Any:
    (tmp_path / "a_plugin.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "a_plugin", raising=False)
    return metadata.EntryPoint("tickets", "a_plugin", "volano.plugins")


def test_the_built_ins_come_in_by_the_same_door() -> None:
    hub = load_hub()
    assert "text-classification" in hub.tasks
    texts, tables = (
        hub.learners_of(hub.tasks[f"{kind}-classification"]()) for kind in ("text", "tabular")
    )
    assert {"linear", "bayes", "blend"} <= texts.keys()
    assert texts["linear"] is not tables["linear"]
    assert {".csv", ".jsonl", ".parquet"} <= hub.readers.keys()


def test_a_plugin_registers_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub()
    code = (
        "class Mine:\n    input = 'text'\n\n"
        "def register(hub):\n    hub.add_learner('mine', Mine())\n"
    )
    _load(entry(tmp_path, monkeypatch, code), hub)
    assert list(hub.learners_of(TextClassification())) == ["mine"]
    assert list(hub.plugins) == ["tickets"]


@pytest.mark.parametrize(
    "code",
    ["import nowhere", "x = 1", "def register(hub): raise RuntimeError('no')", "def (", "1 / 0"],
)
def test_a_plugin_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    with pytest.raises(UserError, match="the plugin 'tickets' cannot be loaded") as told:
        _load(entry(tmp_path, monkeypatch, code), Hub())
    assert told.value.exit_code == 2


def test_two_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(learners={("text", "linear"): object()})
    code = (
        "class Mine:\n    input = 'text'\n\n"
        "def register(hub):\n    hub.add_learner('linear', Mine())\n"
    )
    with pytest.raises(UserError, match="two plugins register the learner 'linear'"):
        _load(entry(tmp_path, monkeypatch, code), hub)


@pytest.mark.slow
def test_a_kind_of_work_of_a_plugin_goes_through_the_whole_wheel(tmp_path: Path) -> None:
    """In a process of its own, since a hub is made once."""
    shutil.copy(COUNTS, tmp_path)
    about = tmp_path / "volano_counts-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: volano-counts\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text("[volano.plugins]\ncounts = volano_counts\n")
    rng = np.random.default_rng(0)
    people, skies = rng.integers(1, 9, 400), rng.choice(["sun", "rain"], 400)
    visits = rng.poisson(people * np.where(skies == "sun", 3.0, 1.0))
    fares = rng.uniform(5.0, 9.0, 400).round(3)  # so that hardly two rows are equal
    rows = [",".join(map(str, row)) for row in zip(people, skies, fares, visits, strict=True)]
    (tmp_path / "visits.csv").write_text("\n".join(["staff,weather,fare,visits", *rows]))
    (tmp_path / "volano.yaml").write_text(
        "task: count-regression\neffort: quick\n"
        "data: {sources: [{path: visits.csv}], fields: {target: visits}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", TURN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["decision"] == "PROMOTE"
    assert told["metric"] == "deviance"
    assert {"deviance", "mae"} <= set(told["scored"])
    assert told["value"] == pytest.approx(12.0, abs=3.0)
    assert sum(told["weights"]) == pytest.approx(told["value"])
