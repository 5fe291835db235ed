from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tiny import tiny_project

from volano.core.nouns import Model
from volano.loop.doctor import examine

if TYPE_CHECKING:
    from pathlib import Path

    from volano.loop.project import Project


def test_the_doctor_finds_nothing_wrong_with_a_turned_project(turned: Project) -> None:
    assert [finding for finding in examine(turned) if finding.is_fault] == []
    assert examine(None)[0].what == "machine"


def test_the_doctor_finds_damage_and_missing_sources(turned: Project) -> None:
    model = turned.find(Model, "model:champion")
    next(model.folder.glob("*.safetensors")).write_bytes(b"")
    (turned.root / "rows.csv").unlink()
    faults = [finding for finding in examine(turned) if finding.is_fault]
    assert any(fault.is_damage for fault in faults)
    assert any(fault.what == "source rows.csv" and not fault.is_damage for fault in faults)
    assert all(fault.fix for fault in faults)


def test_the_doctor_makes_no_state_of_its_own(tmp_path: Path) -> None:
    with tiny_project(tmp_path / "fresh") as fresh:
        assert examine(fresh)[-1].state == "no turn yet"
    assert not (tmp_path / "fresh" / ".volano").exists()
