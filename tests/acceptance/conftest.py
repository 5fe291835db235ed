"""A desk: files in a scratch folder, and a project over them through the doors that a user has."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from volano.app.cli.main import run
from volano.core.nouns import Model
from volano.loop.project import Project
from volano.loop.start import Said, start_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from volano.core.nouns import Turn


@dataclass(frozen=True)
class Left:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A folder with data files; ``project`` is in it."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folder / "project"

    def write(
        self,
        name: str,
        rows: Iterable[Sequence[str]],
        columns: Sequence[str] = ("text", "label"),
    ) -> Path:
        """A CSV file."""
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([columns, *rows])
        return path

    def start(self, data: Path, test: Path | None = None, *settings: str) -> None:
        """What ``volano init`` does, with nothing said but the files; quick, since much is run."""
        start_project(self.project, Said(data, test, set=("effort=quick", *settings)))

    def turn(self, *settings: str) -> Turn:
        """The whole wheel once."""
        with Project.open(self.project, set=settings) as project:
            return project.turn()

    def champion(self) -> str:
        """The hash of the model that answers."""
        with Project.open(self.project) as project:
            found: Model = project.find(Model, "model:champion")
            return found.hash

    def command(self, *words: object) -> Left:
        """``volano ...`` as typed, up to its exit code."""
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["volano", *map(str, words)])
        code = 0
        try:
            run()
        except SystemExit as left:
            code = int(left.code or 0)
        said = self.capsys.readouterr()
        return Left(code, said.out, said.err)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="session")
def banking(shared_data: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Banking77: the rows of the training file and of the test file."""
    parts = []
    for name in ("train", "test"):
        with (shared_data / "banking77" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            parts.append([(row["text"], row["category"]) for row in csv.DictReader(file)])
    return parts[0], parts[1]


@pytest.fixture(scope="session")
def papers(shared_data: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Chinese papers: title and subject, of training and test."""
    parts = []
    for name in ("train", "test"):
        path = shared_data / "csl_zh" / "category" / f"{name}.tsv"
        lines = path.read_text("utf-8").splitlines()
        parts.append([(line.split("\t")[1], line.split("\t")[2]) for line in lines])
    return parts[0], parts[1]
