from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.tiny import tiny_project

from volano.core.errors import UserError
from volano.loop.doctor import examine
from volano.loop.keeping import backup, move, restore
from volano.loop.project import Project
from volano.store import audit

if TYPE_CHECKING:
    from pathlib import Path


def test_a_restored_project_has_nothing_to_do(turned: Project, tmp_path: Path) -> None:
    made = backup(turned, tmp_path / "b.tar", by="ann")
    assert made.damaged == ()
    assert audit.list_audit(turned.ledger, action="backup")[0].actor == "ann"
    restore(tmp_path / "b.tar", tmp_path / "again")
    (tmp_path / "again" / "rows.csv").write_bytes((turned.root / "rows.csv").read_bytes())
    with Project.open(tmp_path / "again") as again:
        assert again.rehearse() == ()
        assert not [finding for finding in examine(again) if finding.is_fault]


def test_there_is_nothing_to_back_up_before_the_first_turn(tmp_path: Path) -> None:
    with (
        tiny_project(tmp_path / "fresh") as fresh,
        pytest.raises(UserError, match="no state to back up"),
    ):
        backup(fresh, tmp_path / "b.tar")


def test_a_moved_project_has_nothing_to_do(turned: Project, tmp_path: Path) -> None:
    move(turned, tmp_path / "big")
    with Project.open(turned.root) as moved:
        assert moved.rehearse() == ()
        assert moved.turn().verdict.promotes
        assert not [finding for finding in examine(moved) if finding.is_fault]
    (tmp_path / "big").rename(tmp_path / "gone")
    with Project.open(turned.root) as lost:
        faults = [finding for finding in examine(lost) if finding.is_fault]
    assert "nothing is there" in faults[0].state
