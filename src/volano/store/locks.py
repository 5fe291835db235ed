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

    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_name(path.name + ".holder")
    try:
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
        who = f"process {found['pid']}, since {found['since']}"
        fix = f"wait until it ends, or stop process {found['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        who, fix = "it began just now", "wait until it ends"  # the holder has not written yet
    return BusyError(f"a turn of this project is running already ({who})", where=str(path), fix=fix)
