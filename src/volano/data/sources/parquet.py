"""Parquet: typed columns; a row's line is its number in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.errors import DataError
from volano.data.sources.batch import Batch, check_columns, require_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = ["read_parquet"]


def read_parquet(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a Parquet file; dates and decimals become text, dictionaries become their values.

    Raises:
        DataError: the file is missing, empty, damaged, or no Parquet.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_file(path)
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(
            f"the file cannot be read as Parquet: {str(error).splitlines()[0]}",
            where=str(path),
            fix="write it again, or name it .csv or .jsonl if that is what it is",
        ) from None
    check_columns(tuple(table.column_names), path)
    if table.num_rows == 0:
        raise DataError("the file has no rows", where=str(path), fix="export it again")
    columns = [_plain(table[name].combine_chunks()) for name in table.column_names]
    plain = pa.table(columns, names=table.column_names)
    yield Batch(plain, np.arange(1, table.num_rows + 1), facts={"format": "Parquet"})


def _plain(column: object) -> object:
    """Values that a request in JSON could carry too."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type  # type: ignore[attr-defined]
    if types.is_dictionary(kind):
        return _plain(column.dictionary_decode())  # type: ignore[attr-defined]
    if types.is_null(kind) or types.is_temporal(kind) or types.is_decimal(kind):
        return column.cast(pa.string())  # type: ignore[attr-defined]
    if types.is_large_string(kind) or types.is_string_view(kind):
        return column.cast(pa.string())  # type: ignore[attr-defined]
    return column
