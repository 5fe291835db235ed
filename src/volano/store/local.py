"""Artifacts in a folder of this machine: ``<root>/<noun>/<hash[:2]>/<hash>/``.

A draft is a folder under ``<root>/.drafts`` with a lock beside it. Publishing is one rename, so an
artifact is there whole or not at all. A process that is killed loses its lock, not our knowledge of
it: the next draft removes what it left.
"""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from volano.core.errors import StoreError
from volano.core.hashing import SHORT, hash_file
from volano.store.disk import disk_fault, telling_disk
from volano.store.durable import sync_folder, sync_tree
from volano.store.manifest import AGAIN, HASH, MANIFEST, Manifest, NewerFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DRAFTS", "LocalFolder"]

DRAFTS = ".drafts"


class LocalFolder:
    """Artifacts on this machine's disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._drafts = root / DRAFTS

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A folder to fill; whatever is still in it at the end is removed."""
        from filelock import FileLock

        folder = self._drafts / uuid.uuid4().hex
        lock = self._lock_of(folder)
        # What the maker writes into the draft meets the same disk, so it is told here for all.
        with telling_disk(folder):
            self.sweep()
            self._drafts.mkdir(parents=True, exist_ok=True)
            # Locked before it exists: a sweep looks only at folders, so it never meets an unlocked
            # one that is alive.
            try:
                with FileLock(lock):
                    folder.mkdir()
                    try:
                        yield folder
                    finally:
                        shutil.rmtree(folder, ignore_errors=True)
            finally:
                lock.unlink(missing_ok=True)

    def holds(self, draft: Path) -> bool:
        """Whether ``draft`` came from this store, so that publishing is one rename."""
        return draft.parent == self._drafts

    def leftovers(self) -> list[Path]:
        """Drafts whose process is gone."""
        return list(self._dead_drafts())

    def sweep(self) -> int:
        """Remove what killed processes left; how many drafts that were."""
        num_removed = 0
        for folder in self._dead_drafts():
            shutil.rmtree(folder, ignore_errors=True)
            num_removed += 1
        return num_removed

    def _dead_drafts(self) -> Iterator[Path]:
        from filelock import FileLock, Timeout

        if not self._drafts.is_dir():
            return
        for folder in sorted(path for path in self._drafts.iterdir() if path.is_dir()):
            lock = self._lock_of(folder)
            try:
                with FileLock(lock, timeout=0):
                    yield folder
            except Timeout:
                continue
            if not folder.exists():
                lock.unlink(missing_ok=True)

    def _lock_of(self, draft: Path) -> Path:
        return draft.with_name(draft.name + ".lock")

    def place(self, noun: str, name: str) -> Path:
        """Where the artifact is, or would be."""
        return self.root / noun / name[:2] / name

    def hashes(self, noun: str) -> list[str]:
        """The names of all artifacts of one noun."""
        found = self.root.joinpath(noun).glob("??/*")
        return sorted(
            p.name for p in found if HASH.fullmatch(p.name) and p.parent.name == p.name[:2]
        )

    def has(self, noun: str, name: str) -> bool:
        """Whether the artifact is here, damaged or not."""
        return self.place(noun, name).is_dir()

    def read(self, noun: str, name: str, file: str) -> bytes:
        """The content of one file, unverified.

        Raises:
            StoreError: the file is missing.
        """
        path = self.place(noun, name) / file
        try:
            return path.read_bytes()
        except OSError as error:
            raise disk_fault(error, path) or StoreError(
                "{file!r} of {noun}:{hash} cannot be read: {reason}",
                where=str(path),
                fix=AGAIN,
                file=file,
                noun=noun,
                hash=name[:SHORT],
                reason=error.strerror,
            ) from None

    def publish(self, draft: Path, manifest: Manifest) -> None:
        """Give the draft its name, unless a whole artifact carries it already."""
        sync_tree(draft)
        target = self.place(manifest.noun, manifest.hash)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            try:
                self.verify(manifest.noun, manifest.hash)
            except NewerFormatError:
                return
            except StoreError:
                self._retire(target)  # the draft holds the same content, whole
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first; content is the same
                raise
        for folder in (target.parent, target.parent.parent, self.root):
            sync_folder(folder)

    def _retire(self, folder: Path) -> None:
        self._drafts.mkdir(parents=True, exist_ok=True)
        aside = self._drafts / uuid.uuid4().hex
        folder.rename(aside)  # gone at once: whoever is killed here leaves a dead draft
        sync_folder(folder.parent)
        shutil.rmtree(aside, ignore_errors=True)

    def remove(self, noun: str, name: str) -> int:
        """Take an artifact away, whole and at once; the bytes that its files had."""
        folder = self.place(noun, name)
        num_bytes = self.num_bytes(noun, name)
        with telling_disk(folder):
            if folder.is_dir():
                self._retire(folder)
        return num_bytes

    def num_bytes(self, noun: str, name: str) -> int:
        """What the files of an artifact take; 0 where it is not here."""
        found = self.place(noun, name).rglob("*")
        return sum(path.stat().st_size for path in found if path.is_file())

    def verify(self, noun: str, name: str) -> Manifest:
        """Compare every file with the manifest.

        Raises:
            StoreError: says which file is damaged or missing.
        """
        folder = self.place(noun, name)
        manifest = self.manifest(noun, name)
        for file in manifest.files:
            path = folder / file
            manifest.compare(file, hash_file(path) if path.is_file() else None, where=str(path))
        return manifest

    def manifest(self, noun: str, name: str) -> Manifest:
        """What the artifact should consist of.

        Raises:
            StoreError: the manifest is missing, damaged or of a later format.
        """
        where = str(self.place(noun, name))
        manifest = Manifest.from_bytes(self.read(noun, name, MANIFEST), where=where)
        manifest.match(noun, name, where=where)
        return manifest
