"""The command line in this process: ``volano("turn", "--json")`` gives code, stdout, stderr."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.tiny import tiny_project

from volano.app.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="session")
def turned_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("turned") / "tickets"
    with tiny_project(root) as project:
        assert project.turn().verdict.promotes
    return root


@pytest.fixture
def tickets(turned_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A turned project of the test's own, which is the working folder."""
    root = tmp_path / "tickets"
    shutil.copytree(turned_folder, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def volano(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    def command(*arguments: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["volano", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return command
