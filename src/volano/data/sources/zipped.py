"""Zip files: one table of those within, unpacked beside while it is read."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from volano.core.errors import DataError
from volano.data.sources.batch import require_file
from volano.data.sources.files import suffix_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from volano.data.config import SourceConfig
    from volano.data.sources.batch import Batch

__all__ = ["read_zip"]

_MOST_BYTES = 2**35  # unpacked: a small file can claim to hold far more than a disk
_ABOUT = ("readme", "license", "licence", "copying", ".", "__macosx")


def read_zip(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read one file of a zip file: the one that ``sheet`` names, or the only table in it.

    Raises:
        DataError: it is damaged or locked, holds several tables and none is named, or none at all.
    """
    from volano.data.sources import READERS, read_source

    require_file(path)
    with TemporaryDirectory(prefix="volano-") as folder:
        with _opened(path) as packed:
            name = _member(packed, config.sheet, path, READERS)
            file = Path(folder) / PurePosixPath(name).name
            with packed.open(name) as content, file.open("wb") as out:
                shutil.copyfileobj(content, out, 2**20)
        try:
            for batch in read_source(file, config.model_copy(update={"sheet": ""}), READERS):
                yield replace(batch, facts={**batch.facts, "member": name})
        except DataError as error:
            error.where = str(error.where).replace(str(file), f"{path}/{name}")
            raise


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as packed:
            yield packed
    # A locked file is a RuntimeError, an unknown packing a NotImplementedError.
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError) as error:
        raise DataError(
            "the zip file cannot be unpacked: {error}",
            where=str(path),
            fix="pack it again without a password, or unpack it yourself",
            error=error,
        ) from None


def _member(packed: zipfile.ZipFile, wanted: str, path: Path, endings: Collection[str]) -> str:
    """The name of the file to read, as the zip file has it."""
    readable = [one for one in packed.infolist() if _is_table(one, endings)]
    known = ", ".join(one.filename for one in readable)
    found = [one for one in readable if wanted in ("", one.filename)]
    found = found or [one for one in readable if PurePosixPath(one.filename).name == wanted]
    if not readable:
        raise DataError(
            "the zip file holds no table that can be read",
            where=str(path),
            fix="unpack it, and name one of its files or its folder",
        )
    if not found:
        raise DataError(
            "the zip file holds no table named {name!r}",
            where=str(path),
            fix="sheet: one of {known}",
            name=wanted,
            known=known,
        )
    if len(found) > 1:
        raise DataError(
            "the zip file holds {count} tables, and none is named",
            where=str(path),
            fix="sheet: one of {known}",
            count=len(found),
            known=known,
        )
    if found[0].file_size > _MOST_BYTES:
        raise DataError(
            "{name!r} unpacks to {size} MB, and the most is {limit}",
            where=str(path),
            fix="unpack it yourself, and name the file",
            name=found[0].filename,
            size=found[0].file_size // 2**20,
            limit=_MOST_BYTES // 2**20,
        )
    return found[0].filename


def _is_table(one: zipfile.ZipInfo, endings: Collection[str]) -> bool:
    name = PurePosixPath(one.filename)
    is_about = any(part.casefold().startswith(_ABOUT) for part in name.parts)
    suffix = suffix_of(Path(name.name))
    return not one.is_dir() and not is_about and suffix in endings and suffix not in ("", ".zip")
