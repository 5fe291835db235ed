from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.store.test_backup import answer, project

from volano.core.errors import BusyError, StoreError, UserError
from volano.core.nouns import Model
from volano.store import predictions
from volano.store.artifacts import ArtifactStore
from volano.store.ledger import Ledger
from volano.store.locks import project_lock
from volano.store.moving import move_state
from volano.store.state import LOCK, aside_of, find_state

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def check(state: Path, *ids: str) -> None:
    """The state is whole, has these predictions, and can be written."""
    store = ArtifactStore(str(state / "artifacts"), state / "cache")
    assert store.verify() == ()
    assert len(store.list(Model)) == 1
    assert (state / "reports" / "turn-1" / "模型.html").is_file()
    with Ledger.open(state / "ledger.db") as ledger:
        assert set(predictions.find_predictions(ledger, ids)) == set(ids)
        with ledger.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_moved_state_is_found_through_a_link_and_can_be_moved_again(tmp_path: Path) -> None:
    state, _ = project(tmp_path)
    first, second = tmp_path / "big" / "disk", tmp_path / "bigger"
    assert move_state(state, first, LOCK) > 4000
    assert state.is_symlink()
    assert state.resolve() == first
    assert not aside_of(state).exists()
    check(state, "p0")
    with Ledger.open(state / "ledger.db") as ledger:
        answer(ledger, "p1")
    move_state(state, second, LOCK)
    assert not first.exists()
    assert state.resolve() == second
    check(state, "p0", "p1")
    assert find_state(state) == state


def test_a_state_that_has_no_ledger_yet_moves(tmp_path: Path) -> None:
    state, there = tmp_path / "shop" / ".volano", tmp_path / "there"
    state.mkdir(parents=True)
    (state / "notes.txt").write_bytes(b"seven b")
    assert move_state(state, there, LOCK) == 7
    assert state.resolve() == there
    assert (state / "notes.txt").read_bytes() == b"seven b"
    assert not (there / "ledger.db").exists()
    assert not aside_of(state).exists()


def test_a_project_folder_with_its_state_can_simply_be_moved_or_copied(tmp_path: Path) -> None:
    state, _ = project(tmp_path)
    shutil.copytree(state.parent, tmp_path / "copy")
    state.parent.rename(tmp_path / "elsewhere")
    check(tmp_path / "copy" / ".volano", "p0")
    check(tmp_path / "elsewhere" / ".volano", "p0")


def test_what_is_in_use_is_not_moved(tmp_path: Path) -> None:
    state, _ = project(tmp_path)
    target = tmp_path / "there"
    with Ledger.open(state / "ledger.db") as ledger:
        answer(ledger, "p1")  # a server has it open
        with pytest.raises(BusyError, match="another process has the ledger open"):
            move_state(state, target, LOCK)
        answer(ledger, "p2")
    with project_lock(state / LOCK), pytest.raises(BusyError, match="is running already"):
        move_state(state, target, LOCK)
    assert not state.is_symlink()
    check(state, "p0", "p1", "p2")
    move_state(state, target, LOCK)
    check(state, "p0", "p1", "p2")


def test_places_that_cannot_be_moved_to_are_refused(tmp_path: Path) -> None:
    state, _ = project(tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    (full / "theirs.txt").write_text("theirs", "utf-8")
    for place in (full, full / "theirs.txt"):
        with pytest.raises(UserError, match="not an empty folder"):
            move_state(state, place, LOCK)
    for place in (state, state / "inside", state.parent):
        with pytest.raises(UserError, match="within each other"):
            move_state(state, place, LOCK)
    with pytest.raises(UserError, match="no state to move"):
        move_state(tmp_path / "none" / ".volano", tmp_path / "there", LOCK)
    check(state, "p0")


def test_a_disk_that_is_gone_is_no_new_beginning(tmp_path: Path) -> None:
    state, _ = project(tmp_path)
    move_state(state, tmp_path / "disk", LOCK)
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    with pytest.raises(StoreError, match="nothing is there") as caught:
        find_state(state)
    assert "mount" in caught.value.fix
    (tmp_path / "unmounted").rename(tmp_path / "disk")
    check(find_state(state), "p0")


def test_a_move_that_stopped_between_its_two_renames_is_told_and_goes_on(tmp_path: Path) -> None:
    state, _ = project(tmp_path)
    state.rename(aside_of(state))
    with pytest.raises(StoreError, match="was interrupted"):
        find_state(state)
    move_state(state, tmp_path / "there", LOCK)
    assert not aside_of(state).exists()
    check(state, "p0")


@pytest.mark.parametrize("mark", ["being-copied", "copied-from"])
def test_a_move_that_was_killed_within_its_first_write_goes_on(tmp_path: Path, mark: str) -> None:
    state, _ = project(tmp_path)
    there = tmp_path / "there"
    there.mkdir()
    (there / f"{mark}.4711.new").write_bytes(b"half")
    move_state(state, there, LOCK)
    check(state, "p0")
    assert not list(there.glob(f"{mark}*"))


@pytest.mark.slow
def test_a_move_that_is_killed_anywhere_goes_on(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    code = """
        import sys
        from pathlib import Path
        from volano.store.moving import move_state

        print("begun", flush=True)
        move_state(Path(sys.argv[1]), Path(sys.argv[2]), "turn.lock")
    """
    num_killed = 0
    for number, delay in enumerate((0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08)):
        state, _ = project(tmp_path / str(number))
        for extra in range(200):
            (state / "reports" / f"{extra}.html").write_bytes(os.urandom(2000))
        there = tmp_path / str(number) / "there"
        process = start(code, state, there)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        num_killed += process.wait() == -signal.SIGKILL
        move_state(state, there, LOCK)
        check(state, "p0")
        assert len(list((state / "reports").glob("*.html"))) == 200
        assert not aside_of(state).exists()
        assert not any(path.name.startswith(("being-", "copied-")) for path in there.iterdir())
    assert num_killed
