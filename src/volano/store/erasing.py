"""Erasing for good: artifacts that leave a tombstone, and rows that leave a count.

An artifact never changes, so without a person it is another one. The tombstone of the old one names
what took its place, and whoever asks for the old name is given that. In order: the successor is
kept, the tombstone is written, the old files go. Killed anywhere, doing it again ends the same.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from volano.core.errors import BusyError, StoreError
from volano.store.durable import sync_folder, write_file
from volano.store.local import LocalFolder
from volano.store.manifest import HASH

if TYPE_CHECKING:
    from pathlib import Path

    from volano.store.remote import RemoteFolder

__all__ = ["ERASED", "buried", "bury", "compact", "successor_of", "sweep_buried"]

ERASED = ".erased"
_WAIT_SECONDS = 30.0
# While the log is emptied nobody can write, so a server gets its turn between short tries.
_TRY_SECONDS = 0.5


def bury(place: LocalFolder | RemoteFolder, noun: str, name: str, successor: str) -> None:
    """Write the tombstone of an artifact; ``successor`` is empty where nothing took its place."""
    content = json.dumps({"successor": successor, "at": time.time()}).encode()
    if isinstance(place, LocalFolder):
        path = place.root / ERASED / noun / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
        sync_folder(path.parent.parent)
    else:
        place.write_beside(f"{ERASED}/{noun}/{name}.json", content)


def buried(place: LocalFolder | RemoteFolder, noun: str) -> list[str]:
    """The names of all artifacts of one noun that have a tombstone."""
    if isinstance(place, LocalFolder):
        found = [path.name for path in place.root.joinpath(ERASED, noun).glob("*.json")]
    else:
        found = place.list_beside(f"{ERASED}/{noun}")
    names = (name.removesuffix(".json") for name in found)
    return sorted(name for name in names if HASH.fullmatch(name))


def successor_of(place: LocalFolder | RemoteFolder, noun: str, name: str) -> str | None:
    """What took the place of an erased artifact, empty for nothing; None where it has no tombstone.

    A successor may have been erased in its turn: the last of them is given.
    """
    last = None
    while (found := _read(place, noun, last or name)) is not None:
        last = found
        if not last or place.has(noun, last):
            break
    return last


def _read(place: LocalFolder | RemoteFolder, noun: str, name: str) -> str | None:
    file = f"{ERASED}/{noun}/{name}.json"
    try:
        if isinstance(place, LocalFolder):
            content = place.root.joinpath(file).read_bytes()
        else:
            content = place.read_beside(file)
    except FileNotFoundError:
        return None
    try:
        return str(json.loads(content)["successor"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""  # a damaged tombstone is one all the same


def sweep_buried(place: RemoteFolder, noun: str) -> None:
    """Delete what a killed process left of erased artifacts in a place that cannot rename."""
    for name in set(buried(place, noun)) & place.folders(noun):
        if not place.has(noun, name):
            place.remove(noun, name)


def compact(path: Path) -> None:
    """Write the ledger anew, so that nothing of deleted rows is left in its file or its log.

    Raises:
        BusyError: another process kept the ledger, or its log, all the time.
        StoreError: the ledger cannot be written anew, because the disk is full, say.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as ledger:
            ledger.execute("PRAGMA secure_delete=ON")
            ledger.execute("VACUUM")
            ledger.execute(f"PRAGMA busy_timeout={_TRY_SECONDS * 1000:.0f}")
            end = time.monotonic() + _WAIT_SECONDS
            while time.monotonic() < end:
                is_held, _, _ = ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not is_held:
                    return
                time.sleep(_TRY_SECONDS)
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise StoreError(
                "the ledger cannot be written anew: {error}",
                where=str(path),
                fix="free some space, then do it again",
                error=error,
            ) from error
    raise BusyError(
        "the rows are deleted, but another process keeps the log that still holds them",
        where=str(path),
        fix="do it again when the other process has finished",
    )


def _is_busy(error: Any) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
