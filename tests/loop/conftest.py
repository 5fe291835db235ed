"""One turned tiny project, made once; each test has a copy of its folder."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.tiny import tiny_project

from volano.loop.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from volano.core.events import Events

    Open = Callable[..., Project]


@pytest.fixture(scope="session")
def turned_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first turn; copied, never touched."""
    root = tmp_path_factory.mktemp("turned") / "tickets"
    with tiny_project(root) as project:
        assert project.turn().verdict.promotes
    return root


@pytest.fixture
def reopen(turned_folder: Path, tmp_path: Path) -> Iterator[Open]:
    """Open the test's own copy of the turned project: ``reopen("train.learner=bayes")``."""
    root = tmp_path / "tickets"
    shutil.copytree(turned_folder, root)
    with ExitStack() as closing:

        def opened(*settings: str, events: Events | None = None) -> Project:
            return closing.enter_context(Project.open(root, set=settings, events=events))

        yield opened


@pytest.fixture
def turned(reopen: Open) -> Project:
    """The test's own copy of the turned project."""
    return reopen()
