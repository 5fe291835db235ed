"""Columns of several sources as one table of raw fields, and the names of what rows say."""

from __future__ import annotations

import difflib
import hashlib
from functools import reduce
from itertools import pairwise
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError
from volano.core.hashing import hash_json, to_json
from volano.data.sources.jsonl import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
_ESCAPED = r'["\\\x00-\x1f]'  # what JSON writes in another way


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
    import pyarrow as pa
    import pyarrow.compute as pc

    names = sorted(name for name in table.column_names if name != leave_out)
    opens, closes, empty = (pa.scalar(one, pa.large_string()) for one in ("{", "}", ""))
    parts = [_said_in(name, table[name]) for name in names]
    said = join_cells(parts, ",", table.num_rows)
    sha = hashlib.sha256
    rows = pieces_of(pc.binary_join_element_wise(opens, said, closes, empty))
    digests = b"".join([sha(row).digest() for row in rows])
    return np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST)


def join_cells(parts: Sequence[pa.Array], between: str, num: int) -> pa.Array:
    """The cells of each of ``num`` rows as one large string, without those that are null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    empty = pa.scalar("", pa.large_string())
    if not parts:
        return pa.repeat(empty, num)
    first, *others = parts
    if all(part.null_count for part in parts):
        # Arrow leaves a row out of which all cells are null.
        is_bare = reduce(pc.and_, [part.is_null() for part in parts])
        first = pc.if_else(is_bare, empty, first)
    mark = pa.scalar(between, pa.large_string())
    return pc.binary_join_element_wise(first, *others, mark, null_handling="skip")


def pieces_of(texts: pa.Array | pa.ChunkedArray) -> Iterator[memoryview]:
    """The bytes of each of these large strings, none of which is null."""
    import numpy as np
    import pyarrow as pa

    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        _, offsets, content = chunk.buffers()
        ends = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        whole = memoryview(content or b"")
        for start, end in pairwise(ends.tolist()):
            yield whole[start:end]


def _said_in(name: str, column: pa.ChunkedArray) -> pa.Array:
    """What each cell adds to the canonical JSON of its row, as large strings; null where empty."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    column = column.combine_chunks()
    kind, key = column.type, f"{encode_basestring(name)}:"
    if types.is_string(kind):
        cells = column.cast(pa.large_string())
        is_odd = pc.match_substring_regex(cells, _ESCAPED).fill_null(False)
        if pc.any(is_odd).as_py():
            odd = cells.filter(is_odd).to_pylist()
            escaped = pa.array([encode_basestring(cell)[1:-1] for cell in odd], pa.large_string())
            cells = pc.replace_with_mask(cells, is_odd, escaped)
    elif types.is_integer(kind) or types.is_boolean(kind):
        cells = column.cast(pa.large_string())
    elif types.is_floating(kind):
        cells = float_texts(column)
    else:
        values = [_canonical(value) for value in column.to_pylist()]
        return pa.array(
            [None if v is None else key + to_json(v) for v in values], pa.large_string()
        )
    before, after = (pa.scalar(one, pa.large_string()) for one in (f'{key}"', '"'))
    empty = pa.scalar("", pa.large_string())
    return pc.binary_join_element_wise(before, cells, after, empty)


def float_texts(column: pa.Array) -> pa.Array:
    """Floats as large strings: whole ones as whole numbers, others as Python writes them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.float64())
    size = pc.abs(column)
    # Arrow writes these as Python does; outside, it turns to exponents sooner or later.
    is_plain = pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e10))
    is_whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(size, 2.0**53))
    nothing = pa.scalar(None, pa.float64())
    whole = pc.if_else(is_whole, column, nothing).cast(pa.int64()).cast(pa.large_string())
    texts = pc.coalesce(whole, pc.if_else(is_plain, column, nothing).cast(pa.large_string()))
    is_odd = pc.and_(column.is_valid(), texts.is_null())
    if pc.any(is_odd).as_py():
        odd = [_canonical(value) for value in column.filter(is_odd).to_pylist()]
        texts = pc.replace_with_mask(texts, is_odd, pa.array(odd, pa.large_string()))
    return texts


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
