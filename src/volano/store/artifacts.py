"""Artifacts: immutable folders named by their content, in a local folder or any fsspec place.

A maker asks for a draft, fills it, and keeps it. What is kept is whole, synced, and never changes;
what is opened was compared with its manifest, file by file.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from volano.core.errors import StoreError, UnknownNameError, UserError
from volano.core.hashing import SHORT
from volano.core.nouns import Artifact, Dataset, Model, Report
from volano.store.disk import telling_disk
from volano.store.erasing import buried, bury, successor_of, sweep_buried
from volano.store.local import LocalFolder
from volano.store.manifest import AGAIN, CARD, HASH, MANIFEST, Manifest, NewerFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from volano.store.remote import RemoteFolder

__all__ = ["NOUNS", "ArtifactStore", "Fault", "FaultKind"]

FaultKind = Literal["damaged", "newer", "leftover", "unknown"]
A = TypeVar("A", bound=Artifact)
NOUNS: tuple[type[Artifact], ...] = (Dataset, Model, Report)


@dataclass(frozen=True)
class Fault:
    """Something in the store that a person should look at, and what they can do."""

    kind: FaultKind
    path: str
    what: str
    fix: str


class ArtifactStore:
    """All artifacts of a project.

    Args:
        url: a local folder, or any place fsspec knows, such as ``s3://bucket/tickets``.
        cache: where copies of remote artifacts lie; a local store does not use it.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
    >>> with store.draft() as draft:
    ...     written = draft.joinpath("weights.bin").write_bytes(b"1234")
    ...     model = store.keep(Model, draft, {"learner": "linear"})
    >>> store.open(Model, model.short).learner
    'linear'
    """

    def __init__(self, url: str, cache: Path) -> None:
        self.url = url
        self._remote: RemoteFolder | None = None
        if "://" in url and not url.startswith("file://"):
            from volano.store.remote import RemoteFolder

            self._remote = RemoteFolder.connect(url)
            self._here = LocalFolder(cache)
        else:
            self._here = LocalFolder(Path(url.removeprefix("file://")))

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A folder to fill and then ``keep``; at the end, what was not kept is removed."""
        with self._here.draft() as folder:
            yield folder

    def keep(
        self,
        noun: type[A],
        draft: Path,
        card: Mapping[str, Any],
        *,
        outside: frozenset[str] = frozenset(),
    ) -> A:
        """Make the draft an artifact, whole or not at all.

        Args:
            noun: Dataset, Model or Report.
            draft: the folder that ``draft()`` gave.
            card: what people and pages read about it; JSON values only.
            outside: files that do not make it what it is (timings, a log); names that the draft
                lacks are allowed. The card is always outside.

        Returns:
            The artifact; if one with this content is there already, that one with its own card.
        """
        if not self._here.holds(draft):
            raise StoreError(
                "only a draft of this store can be kept",
                where=str(draft),
                fix="write into the folder that draft() gives",
            )
        for name in (CARD, MANIFEST):
            if (draft / name).exists():
                raise StoreError(
                    "the draft already holds {name!r}, which the store writes",
                    where=str(draft),
                    fix="give that file another name",
                    name=name,
                )
        text = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False)
        with telling_disk(draft):
            (draft / CARD).write_text(text + "\n", "utf-8", newline="\n")
            manifest = Manifest.of(noun.noun, draft, outside)
            (draft / MANIFEST).write_bytes(manifest.to_bytes())
            if self._remote is not None:
                self._remote.publish(draft, manifest)
            self._here.publish(draft, manifest)
        return self._describe(noun, manifest.hash)

    def open(self, noun: type[A], name: str) -> A:
        """The artifact with this hash, or with the only hash that starts so; verified.

        Raises:
            UnknownNameError: no hash starts so.
            UserError: several hashes start so.
            StoreError: it is gone, or a file of it is damaged or missing; says which.
        """
        found = self._resolve(noun, name)
        if self._remote is None:
            self._here.verify(noun.noun, found)
        elif not self._is_cached(noun, found):
            with self._here.draft() as draft:
                manifest = self._remote.download(noun.noun, found, draft)
                self._here.publish(draft, manifest)
        return self._describe(noun, found)

    def _is_cached(self, noun: type[Artifact], name: str) -> bool:
        if not self._here.has(noun.noun, name):
            return False
        try:
            self._here.verify(noun.noun, name)
        except NewerFormatError:
            raise
        except StoreError:
            return False  # the copy is damaged; publishing a fresh download replaces it
        return True

    def _resolve(self, noun: type[Artifact], name: str) -> str:
        where = self._remote or self._here
        if HASH.fullmatch(name):
            if where.has(noun.noun, name):
                return name
            if successor := self.successor(noun, name):
                return successor
            raise StoreError(
                "{noun}:{hash} is not in the store",
                where=str(where.place(noun.noun, name)),
                fix="run the turn again: it is made anew from its inputs",
                noun=noun.noun,
                hash=name[:SHORT],
            )
        known = where.hashes(noun.noun)
        starting = [found for found in known if name and found.startswith(name)]
        if not starting:
            gone = [found for found in buried(where, noun.noun) if name and found.startswith(name)]
            if len(gone) == 1:
                return self._resolve(noun, gone[0])
            shorts = [found[:SHORT] for found in known]
            raise UnknownNameError.among(noun.noun, name, shorts, where=self.url)
        if len(starting) > 1:
            raise UserError(
                "{count} artifacts start with {name!r}",
                where=self.url,
                fix="write more of the hash: {hashes}",
                count=len(starting),
                name=name,
                hashes=", ".join(n[:SHORT] for n in starting[:5]),
            )
        return starting[0]

    def list(self, noun: type[A]) -> tuple[A, ...]:
        """All artifacts of one noun, newest first: cards only; ``open`` one to read its files.

        What is damaged or of a later format is left out: ``verify`` tells of it.
        """
        where = self._remote or self._here
        dated = []
        for name in where.hashes(noun.noun):
            with suppress(StoreError):
                made_at = where.manifest(noun.noun, name).made_at
                dated.append((-made_at, name, self._describe(noun, name)))
        return tuple(found for _, _, found in sorted(dated, key=lambda one: one[:2]))

    def _describe(self, noun: type[A], name: str) -> A:
        here = self._here.has(noun.noun, name)
        where = self._here if here or self._remote is None else self._remote
        try:
            card = json.loads(where.read(noun.noun, name, CARD))
        except (ValueError, RecursionError) as error:
            raise StoreError(
                "{file!r} of {noun}:{hash} is damaged: {error}",
                where=str(where.place(noun.noun, name)),
                fix=AGAIN,
                file=CARD,
                noun=noun.noun,
                hash=name[:SHORT],
                error=error,
            ) from None
        return noun(hash=name, folder=self._here.place(noun.noun, name), card=card)

    def hashes(self, noun: type[Artifact]) -> tuple[str, ...]:
        """The names of all artifacts of one noun, damaged ones too."""
        return tuple((self._remote or self._here).hashes(noun.noun))

    def buried(self, noun: type[Artifact]) -> tuple[str, ...]:
        """The names of all artifacts of one noun that have a tombstone."""
        return tuple(buried(self._remote or self._here, noun.noun))

    def successor(self, noun: type[Artifact], name: str) -> str | None:
        """What took the place of an erased artifact, empty for nothing; None for any other."""
        return successor_of(self._remote or self._here, noun.noun, name)

    def bury(self, noun: type[Artifact], name: str, successor: str = "") -> None:
        """Write the tombstone of an artifact that is about to be erased.

        As long as the artifact is there, it is what ``open`` gives.
        """
        bury(self._remote or self._here, noun.noun, name, successor)

    def erase(self, noun: type[Artifact], name: str) -> None:
        """Delete an artifact that has a tombstone, here and in its remote place."""
        assert self.successor(noun, name) is not None, "bury it first"
        if self._remote is not None:
            self._remote.remove(noun.noun, name)
        self._here.remove(noun.noun, name)

    def sweep_erased(self) -> None:
        """Delete what a killed process left of artifacts that it was erasing."""
        self._here.sweep()
        if self._remote is not None:
            for noun in NOUNS:
                sweep_buried(self._remote, noun.noun)

    def sweep(self) -> int:
        """Remove drafts of killed processes (``draft`` does so too); how many those were."""
        return self._here.sweep()

    def remove(self, noun: type[Artifact], name: str) -> int:
        """Take an artifact away, and its copy; hold the project's lock meanwhile.

        Returns:
            The bytes that its files had.
        """
        num_bytes = self._here.remove(noun.noun, name)
        return num_bytes if self._remote is None else self._remote.remove(noun.noun, name)

    def num_bytes(self, noun: type[Artifact], name: str) -> int:
        """What the files of an artifact take."""
        return (self._remote or self._here).num_bytes(noun.noun, name)

    def mend(self) -> tuple[str, ...]:
        """Fetch every damaged copy of a remote artifact again; the hashes of those mended."""
        if self._remote is None:
            return ()
        mended = []
        for noun in NOUNS:
            for name in self._here.hashes(noun.noun):
                if not self._is_cached(noun, name):
                    with suppress(StoreError):  # damaged there too: verify tells of it
                        self.open(noun, name)
                        mended.append(name)
        return tuple(mended)

    def verify(self) -> tuple[Fault, ...]:
        """Everything in the store that is damaged, half-written or not ours."""
        from volano.store.inspection import inspect_local, inspect_remote

        nouns = tuple(noun.noun for noun in NOUNS)
        faults = inspect_local(self._here, nouns)
        if self._remote is not None:
            faults += inspect_remote(self._remote, nouns)
        return tuple(faults)
