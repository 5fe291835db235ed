"""Moving a project's state to another place, such as another disk; ``.volano`` becomes a link.

Everything is copied and read back before the old is touched; the step from one to the other is a
rename, after which the old folder is removed. Killed anywhere, the same command goes on.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from volano.core.errors import BusyError, UserError
from volano.core.hashing import hash_file
from volano.store.disk import require_space, telling_disk
from volano.store.durable import sync_folder, sync_tree, write_file
from volano.store.ledger import start_log, telling_ledger
from volano.store.locks import project_lock
from volano.store.state import LEDGER, aside_of, copy_file, copy_ledger, state_files

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["move_state"]

_COPYING = "being-copied"  # in the new place: which state it is a copy of, while it is not whole
_COPIED = "copied-from"  # in the new place: the old folder, until that is removed
_WAIT_SECONDS = 2.0


def move_state(place: Path, target: Path, lock: str) -> int:
    """Put the state at ``place`` into ``target``, an empty or absent folder; the bytes moved.

    Args:
        place: ``.volano`` of the project; a link where the state was moved before.
        target: the new folder.
        lock: the name of the project's lock within the state.

    Raises:
        BusyError: a turn runs, or a server has the ledger open.
        UserError: the target is in use, or within the state itself.
        DiskError: the target's disk has too little space, or refuses.
    """
    target = target.absolute()
    with telling_disk(target):
        if not _is_switched(place, target):
            source = place.resolve() if place.exists() else aside_of(place)
            _require_free(source, target)
            with project_lock(source / lock), _alone_with(source / LEDGER) as ledger:
                _copy(source, target, ledger)
                old = source if place.is_symlink() else aside_of(place)
                write_file(target / _COPIED, str(old).encode())
                (target / _COPYING).unlink()
                sync_folder(target)
                _switch(place, target)
                if ledger is not None:  # a late comer that waits for it must not write into it
                    os.truncate(old / LEDGER, 0)
        _remove_old(target)
    return _num_bytes(place)


def _num_bytes(state: Path) -> int:
    paths = [*(path for _, path in state_files(state, cached=True)), state / LEDGER]
    return sum(path.stat().st_size for path in paths if path.exists())


def _is_switched(place: Path, target: Path) -> bool:
    return place.is_symlink() and place.exists() and place.resolve() == target.resolve()


def _require_free(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise UserError(
            "there is no state to move yet", where=str(source), fix="volano turn makes the first"
        )
    within = target.resolve()
    if within == source or source in within.parents or within in source.parents:
        raise UserError(
            "the new place and the old lie within each other",
            where=str(target),
            fix="choose a folder outside of the present state",
        )
    if not target.exists():
        return
    is_ours = any((target / mark).exists() for mark in (_COPYING, _COPIED))
    if not target.is_dir() or not (is_ours or set(target.iterdir()) <= set(_half_marks(target))):
        raise UserError(
            "the new place is not an empty folder",
            where=str(target),
            fix="choose a folder that is not there yet",
        )


def _half_marks(target: Path) -> list[Path]:
    """What a kill within the writing of a mark left."""
    return [path for mark in (_COPYING, _COPIED) for path in target.glob(f"{mark}.*.new")]


@contextmanager
def _alone_with(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Hold the ledger so that nobody else has it open, nor can come to it."""
    if not path.exists():
        yield None
        return
    with (
        telling_ledger(path),
        closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as connection,
    ):
        try:
            # Only the last one who has it open may fold its log into it.
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            # Kept beyond the transaction: a copy can be made only outside of one.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise _in_use(path) from error
        if mode != "delete":
            raise _in_use(path)
        try:
            yield connection
        finally:
            with suppress(sqlite3.Error):  # after the switch it is an empty file
                connection.execute("PRAGMA locking_mode=NORMAL")
                connection.execute("PRAGMA journal_mode=WAL")


def _in_use(path: Path) -> BusyError:
    return BusyError(
        "another process has the ledger open",
        where=str(path),
        fix="stop volano serve and whatever else works on this project, then do it again",
    )


def _copy(source: Path, target: Path, ledger: sqlite3.Connection | None) -> None:
    """Bring ``target`` to the state of ``source``; what an earlier try copied whole is kept."""
    files = dict(state_files(source, cached=True))
    num_there = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    require_space(target, _num_bytes(source) - num_there)
    target.mkdir(parents=True, exist_ok=True)
    write_file(target / _COPYING, str(source).encode())
    for half in _half_marks(target):
        half.unlink()
    for name, path in files.items():
        there = target / name
        if not there.is_file() or hash_file(there) != hash_file(path):
            copy_file(path, there)
    if ledger is not None:
        copy_ledger(ledger, target / LEDGER)
        start_log(target / LEDGER)
    sync_tree(target)


def _switch(place: Path, target: Path) -> None:
    link = place.with_name(place.name + ".link")
    link.unlink(missing_ok=True)
    link.symlink_to(target, target_is_directory=True)
    if place.exists() and not place.is_symlink():
        place.rename(aside_of(place))  # a kill here is told by find_state, and mended by move
    link.replace(place)
    sync_folder(place.parent)


def _remove_old(target: Path) -> None:
    mark = target / _COPIED
    if mark.exists():
        shutil.rmtree(Path(mark.read_text("utf-8")), ignore_errors=True)
        mark.unlink()
        sync_folder(target)
