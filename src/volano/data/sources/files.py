"""Files as pieces of bytes and windows of lines, so that none has to fit into memory.

Lines end as csv counts them: at a line feed, a carriage return, or both together. What is packed
with gzip is unpacked while it is read.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from contextlib import contextmanager
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from volano.core.errors import DataError
from volano.core.hashing import hash_file
from volano.data.sources.batch import BrokenRow, stat_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.core.encoding import Encoding

__all__ = [
    "LONGEST_ROW",
    "Window",
    "cut_row",
    "files_below",
    "hash_source",
    "is_packed",
    "read_pieces",
    "read_windows",
    "size_of",
    "suffix_of",
    "unchanging",
]

LONGEST_ROW = 2**24  # characters; what is longer is no row, and its beginning is kept aside
_WINDOW = 2**22  # characters that are read together
_LINES = 2**15  # that are looked at together
_PIECE = 2**20  # bytes
_SHOWN = 1000  # characters of a row that is too long
_PACKED = ".gz"
_DATA = ".data"


class Window(NamedTuple):
    """Whole lines, each with its ending; after them the beginning of a line that is too long."""

    lines: list[str]
    cut: str = ""


def cut_row(line: int, cut: str) -> BrokenRow:
    """A line that is too long to be a row, as it is kept aside: its beginning."""
    return BrokenRow(line, f"longer than {LONGEST_ROW} characters; this is how it begins", cut)


def suffix_of(path: Path) -> str:
    """How the name ends, in lower case; ``a.csv.gz`` ends in ``.csv``.

    Old collections of tables write ``german.data-numeric``: all of these end in ``.data``.
    """
    suffix = path.suffix.lower()
    suffix = path.with_suffix("").suffix.lower() if suffix == _PACKED else suffix
    return _DATA if suffix.startswith(_DATA) else suffix


def is_packed(path: Path) -> bool:
    """Whether a file is unpacked while it is read."""
    return path.suffix.lower() == _PACKED


def read_pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked, in pieces of a megabyte.

    Raises:
        DataError: the system cannot read it, or it is packed and damaged.
    """
    with _opened(path) as stream:
        while piece := stream.read(_PIECE):
            yield piece


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as plain:
            yield gzip.GzipFile(fileobj=plain) if is_packed(path) else plain  # type: ignore[misc]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            "the file cannot be unpacked: {error}",
            where=str(path),
            fix="pack or download it again",
            error=error,
        ) from None
    except OSError as error:
        raise DataError(
            "the file cannot be read: {error}",
            where=str(path),
            fix="check the disk and who may read it",
            error=error.strerror or error,
        ) from None


def read_windows(path: Path, encoding: Encoding) -> Iterator[Window]:
    """The lines of a file, some megabytes at a time; bytes that are no text become U+FFFD."""
    with _opened(path) as stream:
        text = TextIOWrapper(stream, encoding.name, errors="replace", newline="")
        tail, is_cutting = "", False
        while piece := text.read(_WINDOW):
            lines = list(StringIO(tail + piece, newline=""))
            if is_cutting:
                is_cutting = not lines[0].endswith(("\n", "\r"))
                lines = lines[1:]
            # A carriage return may be followed by a line feed that was not read yet.
            tail = lines.pop() if lines and not lines[-1].endswith("\n") else ""
            cut = ""
            if len(tail) > LONGEST_ROW:
                cut, tail, is_cutting = tail[:_SHOWN], "", True
            while len(lines) > _LINES:
                yield Window(lines[:_LINES])
                lines = lines[_LINES:]
            if lines or cut:
                yield Window(lines, cut)
        if tail:
            yield Window([tail])
        text.detach()


@contextmanager
def unchanging(path: Path) -> Iterator[None]:
    """Refuse what was read from a file that somebody wrote to meanwhile.

    Raises:
        DataError: size or time of the file are others now.
    """
    before = _state(path)
    yield
    if _state(path) != before:
        raise DataError(
            "the file changed while it was read",
            where=str(path),
            fix="wait until it is written, then try again",
        )


def _state(path: Path) -> tuple[int, ...]:
    about = stat_source(path)
    return about.st_size, about.st_mtime_ns, about.st_ino


def hash_source(path: Path) -> str:
    """SHA-256 of a file's content; of a folder: of its files' names and contents.

    Raises:
        DataError: a file cannot be read.
    """
    stat_source(path)
    try:
        if not path.is_dir():
            return hash_file(path)
        whole = hashlib.sha256()
        for file in files_below(path):
            name = file.relative_to(path).as_posix()
            content = hash_file(file) if file.is_file() else ""
            whole.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
        return whole.hexdigest()
    except OSError as error:
        raise DataError(
            "the file cannot be read: {error}",
            where=str(error.filename or path),
            fix="check the disk and who may read it",
            error=error.strerror or error,
        ) from None


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files of a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in files_below(path) if file.is_file())


def files_below(folder: Path) -> list[Path]:
    """Everything in a folder that is no folder, by name; hidden names and linked folders are not.

    Names count digits as numbers, so that part-10 comes after part-9.
    """
    found = []
    for where, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: _by_number(path.relative_to(folder).as_posix()))


def _refuse_folder(error: OSError) -> None:
    raise DataError(
        "the folder cannot be read: {error}",
        where=str(error.filename),
        fix="check who may read it",
        error=error.strerror or error,
    )


def _by_number(name: str) -> list[tuple[int, int, str]]:
    import re

    parts = re.split(r"([0-9]+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts] + [
        (0, 0, name)
    ]
