"""The manifest of an artifact: which files it has, and what their content hashes to.

The name of an artifact is the hash of its noun and of the files that make it what it is. The card,
and files that the maker puts ``outside`` (timings, a log), are checked too but alter no name: the
same model trained on a slower day is the same model.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from volano.core.errors import StoreError, Term
from volano.core.hashing import SHORT, hash_file, hash_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AGAIN", "CARD", "FORMAT", "HASH", "MANIFEST", "Manifest", "NewerFormatError"]

FORMAT = 1
CARD = "card.json"
MANIFEST = "manifest.json"
HASH = re.compile(r"[0-9a-f]{64}")
AGAIN = "remove that folder and run the turn again: it is made anew from its inputs"


class NewerFormatError(StoreError):
    """The artifact was written by a later version; nothing is wrong with it."""


@dataclass(frozen=True)
class Manifest:
    """What an artifact consists of: ``files`` maps each relative name to its SHA-256."""

    noun: str
    files: Mapping[str, str]
    outside: tuple[str, ...]
    made_at: float

    @classmethod
    def of(cls, noun: str, folder: Path, outside: frozenset[str]) -> Manifest:
        """The manifest of the files that lie in ``folder`` now.

        Raises:
            StoreError: nothing in the folder gives it a name, or a link leads out of it.
        """
        files = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise StoreError(
                    "{name!r} is a link; an artifact holds files only",
                    where=str(folder),
                    fix="copy the file into the draft",
                    name=name,
                )
            if path.is_file() and name != MANIFEST:
                files[name] = hash_file(path)
        found = cls(noun, files, tuple(sorted(outside & files.keys())), time.time())
        if not found.identity:
            raise StoreError(
                "the draft has no file that tells this {noun} from another",
                where=str(folder),
                fix="write its files into the draft before keeping it",
                noun=Term(noun),
            )
        return found

    @property
    def identity(self) -> dict[str, str]:
        """The files that make the artifact what it is."""
        return {n: h for n, h in self.files.items() if n != CARD and n not in self.outside}

    @property
    def hash(self) -> str:
        """The name of the artifact."""
        return hash_json({"noun": self.noun, "files": self.identity})

    def match(self, noun: str, name: str, *, where: str) -> None:
        """Refuse a manifest that belongs to another artifact.

        Raises:
            StoreError: the folder's name is not what the manifest hashes to.
        """
        if self.noun != noun or self.hash != name:
            raise StoreError(
                "the manifest of {noun}:{hash} is damaged: it describes another artifact",
                where=where,
                fix=AGAIN,
                noun=noun,
                hash=name[:SHORT],
            )

    def compare(self, file: str, found: str | None, *, where: str) -> None:
        """Refuse a file whose content hashes to ``found`` (None: it is missing).

        Raises:
            StoreError: the file is damaged or missing.
        """
        if found == self.files[file]:
            return
        what = "{file!r} of {noun}:{hash} is missing"
        if found is not None:
            what = "{file!r} of {noun}:{hash} is damaged: its content has another hash"
        raise StoreError(
            what, where=where, fix=AGAIN, file=file, noun=self.noun, hash=self.hash[:SHORT]
        )

    def to_bytes(self) -> bytes:
        """The manifest as it lies in the folder."""
        body = {
            "format": FORMAT,
            "noun": self.noun,
            "files": dict(self.files),
            "outside": list(self.outside),
            "made_at": self.made_at,
        }
        return (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, *, where: str) -> Manifest:
        """Read a manifest back.

        Raises:
            NewerFormatError: a later version of volano wrote it.
            StoreError: it is not a manifest, or names a file outside its folder.
        """
        try:
            body = json.loads(content)
            if int(body["format"]) > FORMAT:
                raise NewerFormatError(
                    "the artifact has format {found}; this volano reads up to {known}",
                    where=where,
                    fix="pip install --upgrade volano",
                    found=body["format"],
                    known=FORMAT,
                )
            return cls._from_json(body)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                "the manifest is damaged: {error}", where=where, fix=AGAIN, error=error
            ) from error

    @classmethod
    def _from_json(cls, body: Mapping[str, Any]) -> Manifest:
        files = {str(name): str(found) for name, found in body["files"].items()}
        for name in files:
            _refuse_escape(name)
        return cls(
            str(body["noun"]),
            files,
            tuple(str(name) for name in body["outside"]),
            float(body["made_at"]),
        )


def _refuse_escape(name: str) -> None:
    # A manifest may come from a bucket that others write to: it must not name /etc or ../x.
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise ValueError(f"{name!r} lies outside the artifact")
