"""Writing so that a power cut leaves either the old state or the new one, never half.

A file is safe when its content is synced, and its name when the folder around it is synced too.
Folders cannot be opened for syncing on Windows; there the rename itself is journalled.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from volano.store.disk import telling_disk

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["sync_file", "sync_folder", "sync_tree", "write_file"]


def sync_file(path: Path) -> None:
    """Wait until the content of ``path`` is on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in ``path`` are on the disk."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Every file and folder below ``folder``, and ``folder`` itself; innermost first."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            sync_folder(path)
        else:
            sync_file(path)
    sync_folder(folder)


def write_file(path: Path, content: bytes) -> None:
    """Replace ``path`` at once: a reader sees the old content or the new."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with telling_disk(path):
        fresh.write_bytes(content)
        sync_file(fresh)
        fresh.replace(path)
        sync_folder(path.parent)
