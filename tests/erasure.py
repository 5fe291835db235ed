"""The search that proves an erasure: every byte below a folder, in every form it is kept in.

``occurrences(folder, needles)`` looks for each needle in the raw bytes of every file and of its
name, in what compressed members unpack to, in every cell and schema of Parquet files, in every cell
of every SQLite table, and in the forms that texts take on the way: UTF-8, UTF-16, JSON and percent
escapes, HTML entities, Base64 at each of its three offsets.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import sqlite3
import tarfile
import urllib.parse
import zipfile
import zlib
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["forms", "occurrences"]

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def forms(needle: str) -> set[bytes]:
    """Every way in which a text may be written."""
    texts = {needle, needle.lower(), needle.upper(), needle.casefold()}
    texts |= {json.dumps(text)[1:-1] for text in tuple(texts)}
    texts |= {json.dumps(text)[1:-1].upper().replace("\\U", "\\u") for text in (needle,)}
    texts |= {html.escape(needle), needle.encode("ascii", "xmlcharrefreplace").decode()}
    texts |= {urllib.parse.quote(needle), urllib.parse.quote_plus(needle)}
    found = {text.encode() for text in texts}
    found |= {needle.encode(kind) for kind in ("utf-16-le", "utf-16-be", "gb18030")}
    return found | _base64_forms(needle.encode())


def _base64_forms(content: bytes) -> set[bytes]:
    """What Base64 shows of a content that stands within another, at any offset."""
    found = set()
    for offset in range(3):
        # The first and last characters also hold bits of the neighbours.
        whole = base64.b64encode(b"\0" * offset + content)
        start = (offset * 8 + 5) // 6
        end = (offset + len(content)) * 8 // 6
        inner = whole[start:end]
        if len(inner) >= 8:
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def occurrences(folder: Path, needles: Iterable[str]) -> list[str]:
    """Where any of the needles stands: a place and the needle for each."""
    wanted = {needle: forms(needle) for needle in needles}
    found = []
    for path in sorted(folder.rglob("*")):
        for place, content in _contents(path):
            for needle, written in wanted.items():
                if any(form in content for form in written):
                    found.append(f"{place}: {needle!r}")
    return found


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    yield f"name of {path}", str(path.name).encode()
    if not path.is_file():
        return
    content = path.read_bytes()
    yield str(path), content
    yield from _unpacked(path, content)
    if content[:4] == b"PAR1":
        table = pq.read_table(path)
        yield f"{path} (schema)", str(table.schema).encode() + str(table.schema.metadata).encode()
        for name in table.column_names:
            yield f"{path} ({name})", _cells(table[name])
    if content[:15] == b"SQLite format 3":
        yield from _tables(path)


def _cells(column: pa.ChunkedArray) -> bytes:
    return json.dumps(column.to_pylist(), ensure_ascii=False, default=str).encode()


def _tables(path: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        for (name,) in names:
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            yield f"{path} (table {name})", repr(rows).encode() + str(rows).encode()
            yield f"{path} (cells of {name})", "\0".join(str(c) for r in rows for c in r).encode()


def _unpacked(path: Path, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Whole compressed files, archives, and every stream that begins somewhere within a file."""
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream is not None:
                    yield f"{path}/{member.name}", stream.read()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield f"{path}/{name}", archive.read(name)
    start = content.find(_GZIP)
    while start >= 0:
        with suppress(OSError, EOFError, zlib.error):
            yield f"{path} (gzip at {start})", gzip.decompress(content[start:])
        start = content.find(_GZIP, start + 1)
    start = content.find(_ZSTD)
    while start >= 0:
        try:
            with pa.CompressedInputStream(pa.py_buffer(content[start:]), "zstd") as stream:
                yield f"{path} (zstd at {start})", stream.read()
        except (OSError, pa.ArrowException):
            pass
        start = content.find(_ZSTD, start + 1)
