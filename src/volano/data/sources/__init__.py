"""Readers of source files, one file for each format.

In: a path and how the project describes it. Out: `Batch` after `Batch`: whole rows with their
lines, and the rows that could not be read. Never: what a column means, a row dropped in silence, or
a whole file in memory. What is no local file is made one first, by `snapshots`.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from volano.core.errors import DataError, Term
from volano.data.sources.batch import Batch, BrokenRow, Reader, stat_source
from volano.data.sources.delimited import read_delimited
from volano.data.sources.excel import read_excel
from volano.data.sources.files import is_packed, suffix_of, unchanging
from volano.data.sources.folder import TEXTS, read_folder, read_texts
from volano.data.sources.jsonl import read_jsonl
from volano.data.sources.parquet import read_parquet
from volano.data.sources.zipped import read_zip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = [
    "DELIMITED",
    "READERS",
    "Batch",
    "BrokenRow",
    "Reader",
    "join",
    "read_source",
    "read_whole",
]

READERS: Mapping[str, Reader] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".dat": read_delimited,
    ".data": read_delimited,
    ".test": read_delimited,
    "": read_delimited,
    TEXTS: read_texts,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".ods": read_excel,
    ".parquet": read_parquet,
    ".xls": read_excel,
    ".xlsb": read_excel,
    ".xlsm": read_excel,
    ".xlsx": read_excel,
    ".zip": read_zip,
}
DELIMITED = tuple(suffix for suffix, reader in READERS.items() if reader is read_delimited)
_TEXTS = (*DELIMITED, ".jsonl", ".ndjson")
_FIRST_BYTES = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a workbook or a zip file",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"%PDF-": "a PDF file",
    b"SQLite format 3": "an SQLite database",
}
_OTHERWISE = {
    ".db": "path: sqlite:///FILE, with fetch: {{query: TABLE}}",
    ".sqlite": "path: sqlite:///FILE, with fetch: {{query: TABLE}}",
    ".sqlite3": "path: sqlite:///FILE, with fetch: {{query: TABLE}}",
    ".json": "write one object on each line, and name it .jsonl",
    ".zst": "unpack it first, or pack it with gzip",
    ".bz2": "unpack it first, or pack it with gzip",
    ".xz": "unpack it first, or pack it with gzip",
}


def read_source(
    path: Path, config: SourceConfig, readers: Mapping[str, Reader] = READERS
) -> Iterator[Batch]:
    """Read a file or a folder, some rows at a time, with the reader for how its name ends.

    Raises:
        DataError: no reader knows the ending, the file cannot be read, or it changed meanwhile.
    """
    batches = _read(path, config, readers)
    if not config.cells.missing:
        yield from batches
        return
    from volano.data.sources.absent import without_said

    for batch in batches:
        yield replace(batch, table=without_said(batch.table, config.cells.missing))


def _read(path: Path, config: SourceConfig, readers: Mapping[str, Reader]) -> Iterator[Batch]:
    try:
        if stat.S_ISDIR(stat_source(path).st_mode):
            yield from read_folder(path, config, readers)
            return
        reader = _reader(path, readers)
        with unchanging(path):
            yield from reader(path, config)
    except DataError as error:
        from volano.data.sources.remote import is_address

        if is_address(config.path):  # a copy's own name says nothing to anybody
            error.where = str(error.where).replace(str(path), config.path)
        raise


def _reader(path: Path, readers: Mapping[str, Reader]) -> Reader:
    suffix = suffix_of(path)
    reader = readers.get(suffix)
    known = ", ".join(sorted(ending for ending in readers if ending.startswith(".")))
    if reader is None:
        raise DataError(
            "no reader knows files that end in {suffix!r}",
            where=str(path),
            fix=_OTHERWISE.get(suffix, "convert it to one of {known}"),
            suffix=suffix,
            known=known,
        )
    if suffix in _TEXTS and not is_packed(path):
        _refuse_binary(path)
    if is_packed(path) and suffix not in _TEXTS:
        raise DataError(
            "{suffix} files are read unpacked",
            where=str(path),
            fix="unpack it first: gunzip FILE",
            suffix=suffix,
        )
    return reader


def _refuse_binary(path: Path) -> None:
    """A file that is something else by its first bytes would be told as thousands of bad rows."""
    with path.open("rb") as stream:
        head = stream.read(16)
    for mark, what in _FIRST_BYTES.items():
        if head.startswith(mark):
            raise DataError(
                "{name!r} is {kind}, by its first bytes",
                where=str(path),
                fix="give it the ending of what it is, or unpack it first",
                name=path.name,
                kind=Term(what),
            )


def read_whole(path: Path, config: SourceConfig, readers: Mapping[str, Reader] = READERS) -> Batch:
    """A file as one Batch, for those that need all of it at once.

    Raises:
        DataError: no reader knows the ending, or the file cannot be read.
    """
    return join(list(read_source(path, config, readers)))


def join(batches: Sequence[Batch]) -> Batch:
    """Batches of one file as one."""
    import numpy as np
    import pyarrow as pa

    from volano.data.columns import unite

    if len(batches) == 1:
        return batches[0]
    return Batch(
        pa.Table.from_struct_array(unite([batch.table for batch in batches])),
        np.concatenate([batch.lines for batch in batches]),
        tuple(row for batch in batches for row in batch.broken),
        {name: fact for batch in batches for name, fact in batch.facts.items()},
    )
