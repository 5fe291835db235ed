"""What a disk refuses, told so that a person can act: full, read-only, not allowed, failing.

One place for all: whoever writes below ``.volano`` does it inside ``telling_disk``, and the edge of
the process asks ``disk_fault`` about whatever else came up.
"""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from volano.core.errors import StoreError, Term

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DiskError", "disk_fault", "free_bytes", "full_disk", "require_space", "telling_disk"]


class DiskError(StoreError):
    """The disk did not take or give what it should; what was kept before is whole."""

    http_status = 503


def _told(code: int) -> tuple[Term, Term] | None:
    """The fact and what to try, by the number that the system gives."""
    not_allowed = (
        Term("the system does not allow this user to read or write here"),
        Term("give the user who runs volano the right to (chown, chmod), then do it again"),
    )
    return {
        errno.ENOSPC: (
            Term("the disk is full"),
            Term("free some space and do it again; nothing that was kept before is lost"),
        ),
        errno.EDQUOT: (
            Term("the disk quota of this user is used up"),
            Term("free some space or ask for a larger quota, then do it again"),
        ),
        errno.EFBIG: (
            Term("a file grew past the size that the system allows"),
            Term("raise the limit (ulimit -f), then do it again"),
        ),
        errno.EROFS: (
            Term("the disk is read-only"),
            Term("mount it for writing, or take the project to another disk: cp -a"),
        ),
        errno.EACCES: not_allowed,
        errno.EPERM: not_allowed,
        errno.EIO: (
            Term("the disk failed while it was read or written"),
            Term("check the disk and the system's log, then: volano doctor"),
        ),
    }.get(code)


@contextmanager
def telling_disk(place: Path) -> Iterator[None]:
    """Turn what the disk refuses inside the block into a DiskError; ``place``: where, if unsaid.

    >>> try:
    ...     with telling_disk(Path("/data")):
    ...         raise OSError(errno.EROFS, "Read-only file system")
    ... except DiskError as error:
    ...     error.where
    '/data'
    """
    try:
        yield
    except OSError as error:
        fault = disk_fault(error, place)
        if fault is None:
            raise
        raise fault from error


def disk_fault(error: OSError, place: Path | str = "") -> DiskError | None:
    """The error as a person can act on it; None where it says nothing about the disk."""
    if error.errno is None or (told := _told(error.errno)) is None:
        return None
    where = Path(error.filename if isinstance(error.filename, str) else place)
    return _fault(*told, where)


def full_disk(place: Path) -> DiskError:
    """The same error, for those who learn of a full disk by other means."""
    told = _told(errno.ENOSPC)
    assert told is not None
    return _fault(*told, place)


def _fault(problem: Term, remedy: Term, where: Path) -> DiskError:
    return DiskError(
        "{problem}; {free} are free",
        where=str(where),
        fix="{remedy}",
        problem=problem,
        remedy=remedy,
        free=_size(free_bytes(where)),
    )


def require_space(place: Path, num_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        DiskError: says how much is needed, and how much is free.
    """
    free = free_bytes(place)
    if free < num_bytes:
        raise DiskError(
            "this needs {needed} of disk, and {free} are free",
            where=str(place),
            fix="free some space, or choose a place on another disk",
            needed=_size(num_bytes),
            free=_size(free),
        )


def free_bytes(place: Path) -> int:
    """What is free on the disk of ``place``, or of the nearest folder above it that exists."""
    there = next((path for path in (place, *place.absolute().parents) if path.exists()), None)
    try:
        return shutil.disk_usage(there).free if there is not None else 0
    except OSError:
        return 0


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"
