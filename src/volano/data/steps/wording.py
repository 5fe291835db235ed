"""By what two rows are known to say the same: by their text, or by the columns of a table.

A cell of a table has a normal form: no case or width of letters, no space around it, a number in
one spelling, and every spelling of "missing" as nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import is_missing
from volano.data.columns import float_texts, join_cells, pieces_of
from volano.data.sources.jsonl import as_text
from volano.data.steps.texts import hash_text, join_text, normalise, texts_of
from volano.models.rows import table_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["KEY", "Wording", "hash_cells", "normal_cells"]

_SIZE = 16  # bytes of a key
KEY = pa.binary(_SIZE)
_BETWEEN = "\x1f"
_LONGEST_MISSING = 8  # characters
_NUMBER = r"^[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?$"


@dataclass(frozen=True)
class Wording:
    """What of a row counts as what it says.

    Attributes:
        columns: the text columns, or those of a table that a model reads.
        is_table: whether they are those of a table.
    """

    columns: tuple[str, ...]
    is_table: bool = False

    def within(self, columns: Collection[str]) -> Wording:
        """Of a table, only columns that are there as well; nothing where most are not.

        A row is to be known again though its file has a column more today.
        """
        if not self.is_table:
            return self
        shared = tuple(name for name in self.columns if name in columns)
        return Wording(shared if 2 * len(shared) > len(self.columns) else (), is_table=True)

    def keys(self, fields: pa.Table) -> pa.Array:
        """The name of what each of these rows of raw fields says, 16 bytes each."""
        if self.is_table:
            return hash_cells(fields, *self.columns)["_key"].chunk(0)
        texts = texts_of(fields, self.columns)
        return pa.array([hash_text(normalise(text)) for text in texts], KEY)

    def keys_of(self, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
        """The same of rows that are mappings."""
        if self.is_table:
            return self.keys(table_of(rows, self.columns))
        texts = (join_text(row, self.columns) for row in rows)
        return pa.array([hash_text(normalise(text)) for text in texts], KEY)


def hash_cells(fields: pa.Table, *columns: str) -> pa.Table:
    """The name of what these columns of each row say, as the column ``_key``."""
    # By name: the order of columns in a file says nothing.
    cells = [_cells(fields, name) for name in sorted(columns)]
    rows = pieces_of(join_cells(cells, _BETWEEN, fields.num_rows))
    keys = b"".join([hashlib.sha256(row).digest()[:_SIZE] for row in rows])
    column = pa.FixedSizeBinaryArray.from_buffers(KEY, fields.num_rows, [None, pa.py_buffer(keys)])
    return pa.table({"_key": column})


def _cells(fields: pa.Table, name: str) -> pa.Array:
    if name not in fields.column_names:
        return pa.repeat(pa.scalar("", pa.large_string()), fields.num_rows)
    return normal_cells(fields[name]).fill_null("")


def normal_cells(column: pa.ChunkedArray) -> pa.Array:
    """The normal form of each cell, as large strings; null where it holds nothing."""
    cells, kind = column.combine_chunks(), column.type
    if pa.types.is_floating(kind):
        is_none = pc.is_null(cells, nan_is_null=True)
        return float_texts(pc.if_else(is_none, pa.scalar(None, kind), cells))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return cells.cast(pa.large_string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        cells = as_text([v.hex() if isinstance(v, bytes) else v for v in cells.to_pylist()])
    coded = cells.cast(pa.large_string()).dictionary_encode()
    return _normal_texts(coded.dictionary).take(coded.indices)


def _normal_texts(texts: pa.Array) -> pa.Array:
    """Texts that each stand once, in their normal form."""
    nothing = pa.scalar(None, pa.large_string())
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        texts = pc.utf8_normalize(texts, form="NFKC")
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    is_number = pc.match_substring_regex(texts, _NUMBER)
    # Arrow reads no plus sign.
    numbers = pc.replace_substring_regex(pc.if_else(is_number, texts, nothing), r"^\+", "")
    # A word for "missing" is short, so few texts have to become Python objects.
    maybe = pc.and_(pc.invert(is_number), pc.less_equal(pc.utf8_length(texts), _LONGEST_MISSING))
    absent = [text for text in texts.filter(maybe).to_pylist() if is_missing(text)]
    is_absent = pc.is_in(texts, pa.array(absent, texts.type))
    words = pc.if_else(is_absent, nothing, texts)
    return pc.coalesce(float_texts(numbers.cast(pa.float64())), words)
