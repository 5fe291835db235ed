"""Columns of several sources as one table of raw fields."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError
from volano.core.hashing import hash_json, to_json
from volano.data.sources.jsonl import as_text, typed_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

__all__ = ["content_hash", "require_column", "unite"]


def require_column(name: str, columns: Sequence[str], *, where: str) -> None:
    """Refuse a column that is not there, and name the nearest that is.

    Raises:
        DataError: ``columns`` lacks ``name``.
    """
    if name in columns:
        return
    same = [column for column in columns if column.casefold() == name.casefold()]
    nearest = same or difflib.get_close_matches(name, columns, n=1, cutoff=0.7)
    fix = f"did you mean {nearest[0]!r}?" if nearest else "the columns are " + ", ".join(columns)
    raise DataError(f"there is no column {name!r}", where=where, fix=fix)


def unite(tables: Sequence[pa.Table]) -> pa.Array:
    """The rows of all tables as one struct column; a column that a table lacks is null there."""
    import pyarrow as pa

    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    columns = [_column(name, tables) for name in names]
    if not names:
        raise DataError("no source has a column", where="data.sources", fix="check the files")
    return pa.StructArray.from_arrays(columns, names=names)


def _column(name: str, tables: Sequence[pa.Table]) -> pa.Array:
    import pyarrow as pa
    from pyarrow import types

    kinds = {table.schema.field(name).type for table in tables if name in table.column_names}
    kinds = {kind for kind in kinds if not types.is_null(kind)} or {pa.string()}
    if len(kinds) == 1:
        kind = kinds.pop()
    elif all(types.is_integer(kind) or types.is_floating(kind) for kind in kinds):
        kind = pa.float64()
    else:
        return typed_column(_values(name, tables))[0]
    try:
        parts = [
            table[name].cast(kind).combine_chunks()
            if name in table.column_names
            else pa.nulls(table.num_rows, kind)
            for table in tables
        ]
    except pa.ArrowInvalid:  # a whole number past 2^53 is no float: as text it stays what it is
        return as_text(_values(name, tables))
    return pa.concat_arrays([p for part in parts for p in _arrays(part)])


def _values(name: str, tables: Sequence[pa.Table]) -> list[Any]:
    return [
        value
        for table in tables
        for value in (
            table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
        )
    ]


def _arrays(part: Any) -> list[Any]:
    return part.chunks if hasattr(part, "chunks") else [part]


def content_hash(fields: Mapping[str, Any], leave_out: str = "") -> str:
    """The name of what a row says: the same for 1, 1.0 and "1", and without empty columns."""
    said = {
        name: canonical
        for name, value in fields.items()
        if name != leave_out and (canonical := _canonical(value)) is not None
    }
    return hash_json(said)


def _canonical(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, dict):
        inner = {name: _canonical(part) for name, part in value.items()}
        return {name: part for name, part in inner.items() if part is not None}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return to_json(value)
