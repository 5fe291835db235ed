"""Parquet: typed columns; a row's line is its number in the file."""

from __future__ import annotations

from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError
from volano.data.sources.batch import Batch, check_columns, require_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = ["read_parquet"]

_ROWS = 32_768


def read_parquet(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a Parquet file; dates, decimals and bytes (as base64) become text.

    Dictionaries become their values.

    Raises:
        DataError: the file is missing, empty, damaged, or no Parquet.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_file(path)
    first = 1
    with _telling(path), pq.ParquetFile(path) as file:
        check_columns(tuple(file.schema_arrow.names), path)
        for batch in file.iter_batches(_ROWS):
            plain = pa.table([_plain(column) for column in batch.columns], batch.schema.names)
            lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
            first += batch.num_rows
            yield Batch(plain, lines, facts={"format": "Parquet"})
    if first == 1:
        raise DataError("the file has no rows", where=str(path), fix="export it again")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            "the file cannot be read as Parquet: {error}",
            where=str(path),
            fix="write it again, or name it .csv or .jsonl if that is what it is",
            error=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from None


def _plain(column: Any) -> Any:
    """Values that a request in JSON could carry too."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if types.is_temporal(kind) or types.is_decimal(kind):
        return column.cast(pa.string())
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        cells = column.to_pylist()
        told = [None if cell is None else b64encode(cell).decode() for cell in cells]
        return pa.array(told, pa.string())
    if types.is_large_string(kind) or types.is_string_view(kind):
        return column.cast(pa.string())
    return column
