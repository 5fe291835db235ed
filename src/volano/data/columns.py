"""Columns of several sources as one table of raw fields, and the names of what rows say."""

from __future__ import annotations

import difflib
import hashlib
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError
from volano.core.hashing import hash_json, to_json
from volano.data.sources.jsonl import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "as_kinds",
    "content_hash",
    "hash_rows",
    "require_column",
    "settle_kinds",
    "unite",
    "unite_kinds",
]

_DIGEST = 32  # bytes of a SHA-256


def require_column(
    name: str, columns: Sequence[str], *, where: str, before: Iterable[str] = ()
) -> None:
    """Refuse a column that is not there, and name the nearest that is.

    Args:
        name: the column that is needed.
        columns: those that are there.
        where: the file and line, or the key of the project file.
        before: the columns of the last turn's data.

    Raises:
        DataError: ``columns`` lacks ``name``.
    """
    if name in columns:
        return
    same = [column for column in columns if column.casefold() == name.casefold()]
    nearest = same or difflib.get_close_matches(name, columns, n=1, cutoff=0.7)
    what = "there is no column {name!r}"
    if name in set(before):
        what = "there is no column {name!r}; the data of the last turn had it"
    raise DataError(
        what,
        where=where,
        fix="did you mean {nearest!r}?" if nearest else "the columns are {columns}",
        name=name,
        nearest=nearest[0] if nearest else "",
        columns=", ".join(columns),
    )


def unite(tables: Sequence[pa.Table]) -> pa.Array:
    """The rows of all tables as one struct column; a column that a table lacks is null there."""
    import pyarrow as pa

    kinds = settle_kinds(unite_kinds([table.schema for table in tables]), tables)
    if not kinds.names:
        raise DataError("no source has a column", where="data.sources", fix="check the files")
    # Arrow has no 64-bit struct of texts over 2 GB; callers of this have few rows.
    whole = pa.concat_tables([as_kinds(table, kinds) for table in tables]).combine_chunks()
    columns = [
        column.chunk(0) if column.num_chunks else pa.array([], column.type)
        for column in whole.columns
    ]
    return pa.StructArray.from_arrays(columns, fields=list(kinds))


def unite_kinds(schemas: Sequence[pa.Schema], *, is_whole: bool = True) -> pa.Schema:
    """The columns of all tables, each of a kind that can hold its values in every table.

    Args:
        schemas: of the tables.
        is_whole: no table will follow: a column without any value is one of texts, not null.
    """
    import pyarrow as pa

    kinds: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for name, kind in zip(schema.names, schema.types, strict=True):
            kinds.setdefault(name, []).append(kind)
    empty = (pa.list_(pa.null()), *([pa.null()] if is_whole else []))
    united = {name: _kind_of(found) for name, found in kinds.items()}
    return pa.schema({n: pa.string() if kind in empty else kind for n, kind in united.items()})


def _kind_of(found: Sequence[pa.DataType]) -> pa.DataType:
    """One kind for values of several: numbers as floats, all else that differs as JSON text."""
    import pyarrow as pa
    from pyarrow import types

    kinds = {kind for kind in found if not types.is_null(kind)} or {pa.null()}
    if len(kinds) == 1:
        return kinds.pop()
    if all(types.is_integer(kind) or types.is_floating(kind) for kind in kinds):
        return pa.float64()
    if all(types.is_struct(kind) for kind in kinds) or all(types.is_list(kind) for kind in kinds):
        schemas = [pa.schema([("_", kind)]) for kind in sorted(kinds, key=str)]
        try:
            return pa.unify_schemas(schemas, promote_options="permissive").types[0]
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return pa.string()
    return pa.string()


def settle_kinds(kinds: pa.Schema, tables: Iterable[pa.Table]) -> pa.Schema:
    """The same kinds, with text for numbers of which a float would lose digits."""
    import pyarrow as pa
    from pyarrow import types

    for table in tables:
        for name in table.column_names:
            kind, own = kinds.field(name).type, table.schema.field(name).type
            if types.is_floating(kind) and types.is_integer(own):
                try:
                    table[name].cast(kind)
                except pa.ArrowInvalid:
                    kinds = kinds.set(kinds.get_field_index(name), pa.field(name, pa.string()))
    return kinds


def as_kinds(table: pa.Table, kinds: pa.Schema) -> pa.Table:
    """The rows of a table with these columns; one that the table lacks is null."""
    import pyarrow as pa

    if table.schema == kinds:
        return table
    columns = [
        _cast(table[field.name], field.type)
        if field.name in table.column_names
        else pa.chunked_array([pa.nulls(table.num_rows, field.type)])
        for field in kinds
    ]
    return pa.Table.from_arrays(columns, schema=kinds)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> Any:
    import pyarrow as pa
    from pyarrow import types

    if column.type == kind:
        return column
    if types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if types.is_nested(kind):
        return pa.array(column.to_pylist(), kind)
    if types.is_string(kind) and not types.is_large_string(column.type):
        values = column.to_pylist()
        return as_text([v.hex() if isinstance(v, bytes) else v for v in values])
    return column.cast(kind)


def hash_rows(table: pa.Table, leave_out: str = "") -> NDArray[np.uint8]:
    """``content_hash`` of each row, as 32 bytes: (rows, 32)."""
    import numpy as np

    names = sorted(name for name in table.column_names if name != leave_out)
    parts = [_said_in(name, table[name]) for name in names]
    sha = hashlib.sha256
    if parts:
        pieces: Iterable[Any] = zip(*parts, strict=True)
    else:
        pieces = [()] * table.num_rows
    if any(None in part for part in parts):
        pieces = (filter(None, piece) for piece in pieces)
    digests = b"".join([sha(f"{{{','.join(piece)}}}".encode()).digest() for piece in pieces])
    return np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST)


def _said_in(name: str, column: pa.ChunkedArray) -> list[str | None]:
    """What each cell adds to the canonical JSON of its row; None for an empty one."""
    from pyarrow import types

    kind, quote = column.type, encode_basestring
    key = f"{quote(name)}:"
    values = column.to_pylist()
    if types.is_string(kind) and not column.null_count:
        return [key + quote(value) for value in values]
    if types.is_string(kind):
        return [None if value is None else key + quote(value) for value in values]
    canonical = (_canonical(value) for value in values)
    return [None if value is None else key + to_json(value) for value in canonical]


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
