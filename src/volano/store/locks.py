"""One turn of a project at a time.

The lock is the operating system's, on an open file: it goes when its holder goes, however it dies.
Who holds it stands in a file beside it, for people only.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from volano.core.errors import BusyError
from volano.store.disk import telling_disk
from volano.store.durable import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["project_lock"]


@contextmanager
def project_lock(path: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the project; nobody else does meanwhile.

    Raises:
        BusyError: another process, or another thread of this one, holds it; says which and since
            when.
    """
    from filelock import FileLock, Timeout

    holder = path.with_name(path.name + ".holder")
    try:
        with telling_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=wait_seconds, thread_local=False).acquire()
    except Timeout:
        raise _busy(path, holder) from None
    with lock:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_file(holder, json.dumps({"pid": os.getpid(), "since": since}).encode())
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)


def _busy(path: Path, holder: Path) -> BusyError:
    try:
        found = json.loads(holder.read_bytes())
        pid, since = found["pid"], found["since"]
    except (OSError, ValueError, KeyError, TypeError):
        return BusyError(  # the holder has not written yet
            "a turn of this project is running already (it began just now)",
            where=str(path),
            fix="wait until it ends",
        )
    return BusyError(
        "a turn of this project is running already (process {pid}, since {since})",
        where=str(path),
        fix="wait until it ends, or stop process {pid}",
        pid=pid,
        since=since,
    )
