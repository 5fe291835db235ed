"""Backup, restore and move: the state of a project in one file, back again, and elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from volano.core.errors import UserError
from volano.loop.project import PROJECT_FILE
from volano.loop.turn import lock_of
from volano.store import audit
from volano.store.backup import read_backup, write_backup
from volano.store.locks import project_lock
from volano.store.moving import move_state
from volano.store.state import LEDGER, LOCK, STATE

if TYPE_CHECKING:
    from volano.loop.project import Project
    from volano.store.backup import Backup

__all__ = ["backup", "move", "restore"]


def backup(project: Project, file: Path | str, *, by: str = "") -> Backup:
    """Write the project's state and settings into one file, while it goes on serving.

    Raises:
        BusyError: a turn of this project is running.
        UserError: there is nothing to back up, or the file is there already.
    """
    if not (project.state / LEDGER).exists():
        raise UserError(
            "there is no state to back up yet",
            where=str(project.root),
            fix="volano turn makes the first",
        )
    with project_lock(lock_of(project)):
        made = write_backup(project.state, project.root / PROJECT_FILE, Path(file))
    audit.record(project.ledger, by, "backup", {"file": made.file, "files": made.num_files})
    return made


def restore(file: Path | str, root: Path | str = ".") -> Backup:
    """Put a backup into a folder that has no state; its project file too, if there is none.

    Raises:
        UserError: the folder has state already.
        DataError: the file is no whole backup.
    """
    place = Path(root).resolve()
    place.mkdir(parents=True, exist_ok=True)
    return read_backup(Path(file), place / STATE, place / PROJECT_FILE)


def move(project: Project, target: Path | str) -> int:
    """Move the state to another folder, such as one on another disk; the bytes moved.

    Raises:
        BusyError: a turn runs, or a server has the ledger open.
        UserError: the folder is in use.
    """
    project.close()
    return move_state(project.root / STATE, Path(target), LOCK)
