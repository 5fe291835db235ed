"""Artifacts on any filesystem that fsspec knows: a bucket, a share, memory.

Buckets cannot rename a folder, so the manifest is written last: an artifact without one is not
there. What is read is copied into a local folder first and checked against the manifest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from volano.core.errors import ConfigError, MissingExtraError, StoreError
from volano.core.hashing import SHORT, hash_file
from volano.store.manifest import AGAIN, HASH, MANIFEST, Manifest, NewerFormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RemoteFolder", "package_for"]

_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs"),
    "oss": "ossfs",
}


def package_for(url: str) -> str:
    """The package by which fsspec reaches an address.

    >>> package_for("s3://bucket/folder")
    's3fs'
    """
    scheme = url.partition("://")[0]
    return _PACKAGES.get(scheme, "the package for " + scheme)


class RemoteFolder:
    """Artifacts in one place of an fsspec filesystem."""

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self.root = root.rstrip("/")

    @classmethod
    def connect(cls, url: str) -> RemoteFolder:
        """The folder at ``url``, such as ``s3://bucket/volano``.

        Raises:
            ConfigError: no filesystem has that protocol.
            MissingExtraError: the package for it is not installed.
        """
        from fsspec.core import url_to_fs

        try:
            filesystem, root = url_to_fs(url)
        except ValueError as error:
            raise ConfigError(
                "{url!r} is not a place for artifacts: {error}",
                fix="a folder, or s3://bucket/folder",
                url=url,
                error=error,
            ) from None
        except ImportError as error:
            raise MissingExtraError(
                "{url!r} needs a package that is not installed: {error}",
                fix="pip install {package}",
                url=url,
                error=error,
                package=package_for(url),
            ) from None
        return cls(filesystem, root)

    def place(self, noun: str, name: str, file: str = "") -> str:
        """Where an artifact, or one file of it, is or would be."""
        folder = f"{self.root}/{noun}/{name[:2]}/{name}"
        return f"{folder}/{file}" if file else folder

    def hashes(self, noun: str) -> list[str]:
        """The names of all whole artifacts of one noun."""
        self._filesystem.invalidate_cache()  # another process may have written since
        found = self._filesystem.glob(f"{self.root}/{noun}/*/*/{MANIFEST}")
        names = (str(path).split("/")[-2] for path in found)
        return sorted(name for name in names if HASH.fullmatch(name))

    def folders(self, noun: str) -> set[str]:
        """The names under which any file lies, whole artifacts or not."""
        files = self._filesystem.find(f"{self.root}/{noun}")
        prefix = f"{self.root}/{noun}/"
        names = {str(path).partition(prefix)[2].split("/")[1] for path in files}
        return {name for name in names if HASH.fullmatch(name)}

    def has(self, noun: str, name: str) -> bool:
        """Whether the artifact is there, that is, its manifest."""
        self._filesystem.invalidate_cache()
        return bool(self._filesystem.exists(self.place(noun, name, MANIFEST)))

    def read(self, noun: str, name: str, file: str) -> bytes:
        """The content of one file, unverified.

        Raises:
            StoreError: the file is missing.
        """
        path = self.place(noun, name, file)
        try:
            content: bytes = self._filesystem.cat_file(path)
        except FileNotFoundError:
            raise StoreError(
                "{file!r} of {noun}:{hash} is missing",
                where=path,
                fix=AGAIN,
                file=file,
                noun=noun,
                hash=name[:SHORT],
            ) from None
        return content

    def publish(self, draft: Path, manifest: Manifest) -> None:
        """Copy the draft there, its manifest last, unless a whole artifact is there already."""
        if self.has(manifest.noun, manifest.hash):
            try:
                self.verify(manifest.noun, manifest.hash)
            except NewerFormatError:
                return
            except StoreError:
                # Unnamed first: nobody may read it while its files are written again.
                self._filesystem.rm_file(self.place(manifest.noun, manifest.hash, MANIFEST))
            else:
                return
        for file in [*manifest.files, MANIFEST]:
            target = self.place(manifest.noun, manifest.hash, file)
            self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._filesystem.put_file(str(draft / file), target)

    def remove(self, noun: str, name: str) -> int:
        """Take an artifact away, its manifest first; the bytes that its files had."""
        folder = self.place(noun, name)
        num_bytes = self.num_bytes(noun, name)
        if self.has(noun, name):
            self._filesystem.rm_file(self.place(noun, name, MANIFEST))
        if self._filesystem.exists(folder):
            self._filesystem.rm(folder, recursive=True)
        return num_bytes

    def num_bytes(self, noun: str, name: str) -> int:
        """What the files of an artifact take; 0 where it is not there."""
        found = self._filesystem.find(self.place(noun, name), detail=True)
        return sum(int(about["size"] or 0) for about in found.values())

    def write_beside(self, file: str, content: bytes) -> None:
        """Write a file that is no part of an artifact; ``file`` is relative to the root."""
        path = f"{self.root}/{file}"
        self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._filesystem.pipe_file(path, content)

    def read_beside(self, file: str) -> bytes:
        """What ``write_beside`` wrote; FileNotFoundError where it did not."""
        self._filesystem.invalidate_cache()
        content: bytes = self._filesystem.cat_file(f"{self.root}/{file}")
        return content

    def list_beside(self, folder: str) -> list[str]:
        """The names of the files in a folder that is no part of an artifact."""
        self._filesystem.invalidate_cache()
        return [
            str(path).rpartition("/")[2] for path in self._filesystem.find(f"{self.root}/{folder}")
        ]

    def download(self, noun: str, name: str, into: Path) -> Manifest:
        """Copy an artifact into a local folder, and compare every file with the manifest.

        Raises:
            StoreError: says which file is damaged or missing.
        """
        manifest = self.manifest(noun, name)
        for file in manifest.files:
            source, target = self.place(noun, name, file), into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._filesystem.get_file(source, str(target))
            except FileNotFoundError:
                target.unlink(missing_ok=True)
            manifest.compare(file, hash_file(target) if target.is_file() else None, where=source)
        (into / MANIFEST).write_bytes(manifest.to_bytes())
        return manifest

    def verify(self, noun: str, name: str) -> Manifest:
        """Compare every file with the manifest, without keeping a copy.

        Raises:
            StoreError: says which file is damaged or missing.
        """
        manifest = self.manifest(noun, name)
        for file in manifest.files:
            path = self.place(noun, name, file)
            manifest.compare(file, self._hash(path), where=path)
        return manifest

    def manifest(self, noun: str, name: str) -> Manifest:
        """What the artifact should consist of.

        Raises:
            StoreError: the manifest is missing, damaged or of a later format.
        """
        where = self.place(noun, name)
        manifest = Manifest.from_bytes(self.read(noun, name, MANIFEST), where=where)
        manifest.match(noun, name, where=where)
        return manifest

    def _hash(self, path: str) -> str | None:
        try:
            with self._filesystem.open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return None
