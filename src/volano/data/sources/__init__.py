"""Readers of source files, one file for each format.

In: a path and how the project describes it. Out: `Batch` after `Batch`: whole rows with their
lines, and the rows that could not be read. Never: what a column means, or a row dropped in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.errors import DataError
from volano.data.sources.batch import Batch, BrokenRow, Reader
from volano.data.sources.delimited import read_delimited
from volano.data.sources.jsonl import read_jsonl
from volano.data.sources.parquet import read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = ["READERS", "Batch", "BrokenRow", "Reader", "read_source", "read_whole"]

READERS: Mapping[str, Reader] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    "": read_delimited,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
}


def read_source(
    path: Path, config: SourceConfig, readers: Mapping[str, Reader] = READERS
) -> Iterator[Batch]:
    """Read a file, some rows at a time, with the reader for how its name ends.

    Raises:
        DataError: no reader knows the ending, or the file cannot be read.
    """
    suffix = path.suffix.lower()
    reader = readers.get(suffix)
    if reader is None:
        known = ", ".join(sorted(ending for ending in readers if ending))
        raise DataError(
            f"no reader knows files that end in {suffix!r}",
            where=str(path),
            fix=f"convert it to one of {known}",
        )
    return reader(path, config)


def read_whole(path: Path, config: SourceConfig, readers: Mapping[str, Reader] = READERS) -> Batch:
    """A file as one Batch, for those that need all of it at once.

    Raises:
        DataError: no reader knows the ending, or the file cannot be read.
    """
    import numpy as np
    import pyarrow as pa

    from volano.data.columns import unite

    batches = list(read_source(path, config, readers))
    if len(batches) == 1:
        return batches[0]
    return Batch(
        pa.Table.from_struct_array(unite([batch.table for batch in batches])),
        np.concatenate([batch.lines for batch in batches]),
        tuple(row for batch in batches for row in batch.broken),
        {name: fact for batch in batches for name, fact in batch.facts.items()},
    )
