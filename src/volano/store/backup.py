"""A project's state in one file, taken while it is used, and put back only when it is whole.

A backup is a tar: ``volano-backup.json`` first, then the files, then ``hashes.json``. The ledger in
it is one consistent copy; artifacts never change, so they are read as they lie. Nothing in a tar
is trusted: names are checked, links refused, and every file compared with its hash.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from volano.core.errors import DataError, StoreError, UserError
from volano.core.nouns import Dataset, Model, Report
from volano.store.disk import require_space, telling_disk
from volano.store.durable import sync_file, sync_folder, sync_tree
from volano.store.ledger import Ledger, start_log
from volano.store.manifest import MANIFEST, Manifest
from volano.store.state import LEDGER, copy_ledger, copy_stream, state_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FORMAT", "Backup", "read_backup", "write_backup"]

FORMAT = 1
_HEAD, _HASHES = "volano-backup.json", "hashes.json"
_STATE, _PROJECT = "state/", "project/"
# What reading a file that somebody made up may raise.
_NO_BACKUP = (
    *(tarfile.TarError, EOFError, zlib.error),
    *(ValueError, KeyError, TypeError, RecursionError),
)
_NOUNS = tuple(noun.noun for noun in (Dataset, Model, Report))


@dataclass(frozen=True)
class Backup:
    """What a backup holds; ``damaged`` artifacts are in it as they are."""

    file: str
    num_files: int
    num_bytes: int
    made_at: float
    damaged: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def write_backup(state: Path, settings: Path, file: Path) -> Backup:
    """Write the state, and the project file beside it, into ``file`` (.tar, or .tar.gz: smaller).

    Others may serve and read meanwhile; hold the project's lock, so that nothing is taken away.

    Raises:
        UserError: the file is there already, or would lie in what it is to hold.
        StoreError: the ledger is damaged.
    """
    file = file.absolute()
    if file.exists():
        raise UserError(
            "there is a file of that name already", where=str(file), fix="choose another name"
        )
    if state.resolve() in file.resolve().parents:
        raise UserError(
            "a backup within the state would be lost with it",
            where=str(file),
            fix="choose a place outside of it, best on another disk",
        )
    part = file.with_name(file.name + ".part")
    with telling_disk(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as scratch:
                made = _write(state, settings, file, part, Path(scratch))
            sync_file(part)
            part.replace(file)
            sync_folder(file.parent)
        finally:
            part.unlink(missing_ok=True)
    return made


def _write(state: Path, settings: Path, file: Path, part: Path, scratch: Path) -> Backup:
    made_at = time.time()
    with closing(sqlite3.connect(f"{state.joinpath(LEDGER).as_uri()}?mode=ro", uri=True)) as ledger:
        copy_ledger(ledger, scratch / LEDGER)
    sources = {_PROJECT + settings.name: settings, _STATE + LEDGER: scratch / LEDGER}
    sources |= {_STATE + name: path for name, path in state_files(state, cached=False)}
    hashes: dict[str, str] = {}
    num_bytes = 0
    with tarfile.open(part, _mode(file), format=tarfile.PAX_FORMAT) as tar:
        _add_json(tar, _HEAD, {"format": FORMAT, "made_at": made_at, "project": state.parent.name})
        for name, path in sources.items():
            hashes[name] = _add(tar, name, path)
            num_bytes += path.stat().st_size
        _add_json(tar, _HASHES, hashes)
    damaged = tuple(_damaged(state, hashes))
    return Backup(str(file), len(hashes), num_bytes, made_at, damaged)


def _mode(file: Path) -> Any:
    return "w:gz" if file.suffix in (".gz", ".tgz") else "w"


def _add_json(tar: tarfile.TarFile, name: str, content: object) -> None:
    body = json.dumps(content, ensure_ascii=False, indent=1).encode()
    about = tarfile.TarInfo(name)
    about.size = len(body)
    tar.addfile(about, io.BytesIO(body))


class _Hashing(io.RawIOBase):
    """A file that is hashed as the tar reads it: what is told is what was written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(size)
        self.digest.update(found)
        return found


def _add(tar: tarfile.TarFile, name: str, path: Path) -> str:
    about = tarfile.TarInfo(name)
    about.size, about.mtime = path.stat().st_size, int(path.stat().st_mtime)
    with path.open("rb") as stream:
        hashing = _Hashing(stream)
        tar.addfile(about, hashing)
    return hashing.digest.hexdigest()


def _damaged(state: Path, hashes: Mapping[str, str]) -> Iterator[str]:
    """Artifacts whose files are not what their manifests say."""
    for name in hashes:
        parts = name.split("/")
        if parts[-1] != MANIFEST or parts[1:2] != ["artifacts"] or parts[2] not in _NOUNS:
            continue
        folder = name.removesuffix(MANIFEST)
        path = state / name.removeprefix(_STATE)
        try:
            manifest = Manifest.from_bytes(path.read_bytes(), where=str(path))
            for file in manifest.files:
                manifest.compare(file, hashes.get(folder + file), where=folder + file)
        except StoreError as error:
            yield error.what


def read_backup(file: Path, state: Path, settings: Path) -> Backup:
    """Put what ``file`` holds where no state is yet; the project file too, if there is none.

    Raises:
        UserError: there is state already.
        DataError: the file is no backup, is cut off, or differs from its hashes; nothing changed.
        StoreError: a later volano wrote it.
    """
    if state.is_symlink() or (state.is_dir() and any(state.iterdir())) or state.is_file():
        raise UserError(
            "this project has state already, and a backup replaces none",
            where=str(state),
            fix="restore into another folder (--project), or move the present state away",
        )
    fresh = state.with_name(state.name + ".restoring")
    shutil.rmtree(fresh, ignore_errors=True)
    with telling_disk(state):
        try:
            made = _read(file, fresh)
            body = fresh / _STATE
            _check_ledger(body / LEDGER)
            sync_tree(body)
            if not settings.exists():
                (fresh / _PROJECT / settings.name).replace(settings)
            if state.is_dir():
                state.rmdir()
            body.rename(state)
            sync_folder(state.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return made


def _read(file: Path, fresh: Path) -> Backup:
    hashes: dict[str, str] = {}
    num_bytes = 0
    told: Any = None
    try:
        with tarfile.open(file, "r:*") as tar:
            made_at = _read_head(tar, file)
            for member in tar:
                if member.name == _HEAD:
                    continue  # it was read first
                if member.name == _HASHES:
                    told = _json_of(tar, member)
                    continue
                hashes[member.name] = _extract(tar, member, fresh, file)
                num_bytes += member.size
    except FileNotFoundError:
        raise DataError(
            "there is no such file", where=str(file), fix="give the file that volano backup wrote"
        ) from None
    except _NO_BACKUP as error:
        raise _no_backup(file, str(error)) from error
    if told != hashes:
        names = sorted(_differing(told, hashes))
        raise _no_backup(file, ", ".join(names[:3]) if told else _HASHES)
    return Backup(str(file), len(hashes), num_bytes, made_at)


def _differing(told: Any, found: Mapping[str, str]) -> Iterator[str]:
    known = told if isinstance(told, dict) else {}
    yield from (n for n in {*known, *found} if known.get(n) != found.get(n))


def _no_backup(file: Path, reason: str) -> DataError:
    return DataError(
        "this is not a whole backup of volano: {reason}",
        where=str(file),
        fix="take another backup; nothing was changed here",
        reason=reason,
    )


def _read_head(tar: tarfile.TarFile, file: Path) -> float:
    member = tar.next()
    if member is None or member.name != _HEAD:
        raise _no_backup(file, _HEAD)
    head = _json_of(tar, member)
    if int(head["format"]) > FORMAT:
        raise StoreError(
            "the backup has format {found}; this volano reads up to {known}",
            where=str(file),
            fix="pip install --upgrade volano",
            found=head["format"],
            known=FORMAT,
        )
    return float(head["made_at"])


def _json_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    stream = tar.extractfile(member)
    if stream is None:
        raise ValueError(member.name)
    return json.loads(stream.read())


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, fresh: Path, file: Path) -> str:
    """One file below ``fresh``, whatever the tar would like; its SHA-256."""
    name = PurePosixPath(member.name)
    is_ours = member.name.startswith((_STATE, _PROJECT))
    # The same name twice would be a second file over the first.
    if (
        not is_ours
        or ".." in name.parts
        or any(sign in member.name for sign in "\\:\0")
        or fresh.joinpath(name).exists()
    ):
        raise _no_backup(file, repr(member.name))
    stream = tar.extractfile(member) if member.isreg() else None
    if stream is None:
        raise _no_backup(file, repr(member.name))
    target = fresh / name
    require_space(target, member.size)
    return copy_stream(stream, target)


def _check_ledger(path: Path) -> None:
    """Open it once: one of an earlier version is migrated, one of a later is refused."""
    start_log(path)
    with Ledger.open(path) as ledger, ledger.read() as connection:
        said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if said != "ok":
        raise StoreError(
            "the ledger is damaged: {said}",
            where=str(path),
            fix="restore an earlier backup",
            said=str(said),
        )
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
