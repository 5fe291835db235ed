from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.tiny import tiny_project

from volano.core.errors import BusyError
from volano.core.nouns import Dataset, Model
from volano.loop.doctor import examine
from volano.loop.project import Project
from volano.loop.turn import lock_of
from volano.store import releases, subjects, turns
from volano.store.clock import trusted_now
from volano.store.locks import project_lock

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_manifest_that_nobody_can_read_is_damage(turned: Project) -> None:
    model = turned.find(Model, "model:champion")
    model.folder.joinpath("manifest.json").write_text('{"a":' + "[" * 100_000)
    faults = [finding for finding in examine(turned) if finding.is_fault]
    assert [fault.is_damage for fault in faults] == [True]
    assert "remove that folder" in faults[0].fix


def test_a_ledger_beyond_repair_is_to_be_restored(turned: Project) -> None:
    turned.close()
    path = turned.state / "ledger.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Project.open(turned.root) as opened:
        for repair, word in ((False, "--repair"), (True, "restore")):
            (fault,) = [found for found in examine(opened, repair=repair) if found.is_fault]
            assert fault.is_damage
            assert word in fault.fix


def test_the_doctor_makes_no_state_of_its_own(tmp_path: Path) -> None:
    with tiny_project(tmp_path / "fresh") as fresh:
        assert examine(fresh)[-1].state == "no turn yet"
    assert not (tmp_path / "fresh" / ".volano").exists()


def test_what_can_be_mended_without_losing_anything_is(turned: Project) -> None:
    dead = turned.state / "artifacts" / ".drafts" / "0" / "half.bin"
    dead.parent.mkdir(parents=True)
    dead.write_bytes(b"half")
    with closing(sqlite3.connect(turned.state / "ledger.db")) as connection, connection:
        connection.execute("DROP INDEX ix_feedback_prediction")
    for number in range(3):
        turns.begin_turn(turned.ledger, {"x": number}, 0)
    with turned.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET state = 'running' WHERE number > 1")
    last = turns.find_turn(turned.ledger, 1)
    assert last is not None
    assert last.result is not None
    collected = turned.store.open(Dataset, last.result["collected"])
    subjects.index_subjects(turned.ledger, {"C01": 1}, collected.ref)
    trusted_now(turned.ledger, time.time() - 400 * 86_400)
    trusted_now(turned.ledger)
    found = [finding for finding in examine(turned) if finding.is_fault]
    told = " ".join(f"{finding.what} {finding.state}" for finding in found)
    for word in ("leftover", "index ix_feedback_prediction", "turns 3, 2", "leapt", "whose data"):
        assert word in told
    assert all("--repair" in finding.fix for finding in found)
    assert dead.exists()
    with project_lock(lock_of(turned)), pytest.raises(BusyError):
        examine(turned, repair=True)
    mended = examine(turned, repair=True)
    assert [finding for finding in mended if finding.is_fault] == []
    assert sum(finding.is_mended for finding in mended) == 5
    assert not dead.exists()
    assert [finding for finding in examine(turned) if finding.is_fault or finding.is_mended] == []
    running = turns.list_turns(turned.ledger, state=turns.RUNNING)
    assert [turn.number for turn in running] == [4]


def test_rows_that_refer_to_nothing_are_told(turned: Project) -> None:
    champion = releases.champion(turned.ledger)
    assert champion is not None
    shutil.rmtree(turned.store.open(Model, champion.model).folder)
    for repair in (False, True):
        faults = [finding for finding in examine(turned, repair=repair) if finding.is_fault]
        assert [fault.what for fault in faults] == [f"model:{champion.model[:12]}"]
        assert "what answers" in faults[0].state
        assert "volano turn" in faults[0].fix
        assert faults[0].is_damage
    turned.turn()
    assert [finding for finding in examine(turned) if finding.is_fault] == []


def test_a_ledger_from_the_future_is_a_wrong_clock(
    turned: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 400 * 86_400)
    faults = [finding for finding in examine(turned) if finding.is_fault]
    assert [fault.what for fault in faults] == ["clock"]
    assert "days behind" in faults[0].state
