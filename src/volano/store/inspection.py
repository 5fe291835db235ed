"""Looking through a store for what ``volano doctor`` should tell: damage, leftovers, strangers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.errors import StoreError
from volano.store.artifacts import Fault
from volano.store.erasing import ERASED
from volano.store.local import DRAFTS
from volano.store.manifest import HASH, MANIFEST, NewerFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from volano.store.local import LocalFolder
    from volano.store.remote import RemoteFolder

__all__ = ["inspect_local", "inspect_remote"]

_REMOVE = "volano doctor --repair removes it"
_NOT_OURS = "move it elsewhere; volano neither reads nor removes it"


def inspect_local(store: LocalFolder, nouns: tuple[str, ...]) -> list[Fault]:
    """Every fault of a local folder."""
    faults = [
        Fault("leftover", str(path), "a process was stopped while it wrote this", _REMOVE)
        for path in store.leftovers()
    ]
    faults += [_stranger(path) for path in _strangers(store.root, nouns)]
    for noun in nouns:
        for name in store.hashes(noun):
            faults += _check(store, noun, name)
            faults += [_stranger(path) for path in _extra_files(store, noun, name)]
    return faults


def inspect_remote(store: RemoteFolder, nouns: tuple[str, ...]) -> list[Fault]:
    """Every fault of a remote folder; reads every file once."""
    faults = []
    for noun in nouns:
        whole = set(store.hashes(noun))
        for name in sorted(whole):
            faults += _check(store, noun, name)
        faults += [
            Fault("leftover", store.place(noun, name), f"it has no {MANIFEST} yet", "remove it")
            for name in sorted(store.folders(noun) - whole)
        ]
    return faults


def _check(store: LocalFolder | RemoteFolder, noun: str, name: str) -> list[Fault]:
    try:
        store.verify(noun, name)
    except NewerFormatError as error:
        return [Fault("newer", error.where, error.what, error.fix)]
    except StoreError as error:
        return [Fault("damaged", error.where, error.what, error.fix)]
    return []


def _strangers(root: Path, nouns: tuple[str, ...]) -> Iterator[Path]:
    for path in _children(root):
        if path.name not in (*nouns, DRAFTS, ERASED):
            yield path
    for noun in nouns:
        for shelf in _children(root / noun):
            if len(shelf.name) != 2 or not shelf.is_dir():
                yield shelf
                continue
            for folder in _children(shelf):
                if not HASH.fullmatch(folder.name) or folder.name[:2] != shelf.name:
                    yield folder


def _extra_files(store: LocalFolder, noun: str, name: str) -> Iterator[Path]:
    folder = store.place(noun, name)
    try:
        listed = store.manifest(noun, name).files
    except StoreError:
        return  # already told as damaged: without a manifest nothing says which files are extra
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if path.is_file() and file != MANIFEST and file not in listed:
            yield path


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _stranger(path: Path) -> Fault:
    return Fault("unknown", str(path), "volano did not write this", _NOT_OURS)
