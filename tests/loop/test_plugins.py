from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from volano.core.errors import UserError
from volano.core.hooks import Hub
from volano.loop.plugins import _load, load_hub
from volano.tasks import TextClassification

if TYPE_CHECKING:
    from pathlib import Path


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
