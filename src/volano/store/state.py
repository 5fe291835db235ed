"""The folder of a project's state, ``.volano``: where it is, and what of it must be kept.

It may be a link to a folder on another disk (``volano move``). A link that leads nowhere is a disk
that is not mounted, not a project without a past: nothing is begun anew then.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from typing import IO, TYPE_CHECKING

from volano.core.errors import StoreError
from volano.core.hashing import hash_file
from volano.store.durable import sync_file, sync_folder
from volano.store.ledger import telling_ledger
from volano.store.local import DRAFTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "CACHE",
    "LEDGER",
    "LOCK",
    "STATE",
    "aside_of",
    "copy_file",
    "copy_ledger",
    "copy_stream",
    "find_state",
    "state_files",
]

STATE = ".volano"
LEDGER = "ledger.db"
LOCK = "turn.lock"  # held by whoever runs stages of the project, or takes something away
CACHE = "cache"
_LEDGER_FILES = tuple(LEDGER + ending for ending in ("", "-wal", "-shm", "-journal"))
_PASSING = (".lock", ".holder", ".part", ".new")  # held or being written now
_CHUNK = 2**20


def find_state(place: Path) -> Path:
    """``place``, where state is there or may be begun.

    Raises:
        StoreError: it was moved, and where it should be nothing is.
    """
    if place.exists():
        return place
    if place.is_symlink():
        raise StoreError(
            "the state of this project lies at {place}, and nothing is there",
            where=str(place),
            fix="mount that disk; if it is elsewhere now: ln -sfn PLACE {link}",
            place=str(place.readlink()),
            link=str(place),
        )
    if aside_of(place).exists():
        raise StoreError(
            "moving the state of this project was interrupted",
            where=str(aside_of(place)),
            fix="run the same volano move again: it goes on where it stopped",
        )
    return place


def aside_of(place: Path) -> Path:
    """Where the old state lies while ``volano move`` puts a link in its place."""
    return place.with_name(place.name + ".moving")


def state_files(state: Path, *, cached: bool) -> Iterator[tuple[str, Path]]:
    """Every file that is state, by its relative name; not the ledger, which has to be asked.

    Raises:
        StoreError: a link among them: what it leads to would be left behind.
    """
    # A link at the top is how a moved state is found; below it nothing makes one.
    for folder, folders, files in os.walk(state.resolve()):
        here = type(state)(folder)
        folders[:] = sorted(name for name in folders if name != DRAFTS)
        is_top = here == state.resolve()
        if is_top and not cached:
            folders[:] = [name for name in folders if name != CACHE]
        for name in (*folders, *sorted(files)):
            path = here / name
            if path.is_symlink():
                raise StoreError(
                    "{name!r} is a link; volano made none here",
                    where=str(path),
                    fix="put the files themselves in its place",
                    name=name,
                )
        for name in sorted(files):
            if not name.endswith(_PASSING) and not (is_top and name in _LEDGER_FILES):
                path = here / name
                yield path.relative_to(state.resolve()).as_posix(), path


def copy_file(source: Path, target: Path) -> None:
    """Copy durably, and read the copy back.

    Raises:
        StoreError: the copy is not what was read.
    """
    with source.open("rb") as stream:
        told = copy_stream(stream, target)
    sync_file(target)
    if hash_file(target) != told:
        raise StoreError(
            "the copy of a file is not what was copied",
            where=str(target),
            fix="check that disk, or choose another place",
        )


def copy_stream(source: IO[bytes], target: Path) -> str:
    """Write what can be read into a file; its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as writing:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            writing.write(chunk)
    return digest.hexdigest()


def copy_ledger(source: sqlite3.Connection, target: Path) -> None:
    """One consistent copy while others read and write, checked from end to end.

    The copy is one file; whoever opens it next makes its log anew.

    Raises:
        StoreError: the copy, and so the ledger, is damaged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    with telling_ledger(target), closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        said = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise StoreError(
            "the ledger is damaged: {said}",
            where=str(target),
            fix="volano doctor --repair, then do it again",
            said=said,
        )
    sync_file(target)
    sync_folder(target.parent)
