"""JSON Lines: one object on each line; a line that is not one is set aside."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from volano.core.encoding import find_encoding
from volano.core.errors import DataError
from volano.core.hashing import to_json
from volano.data.sources.batch import Batch, BrokenRow, check_columns, require_file
from volano.data.sources.files import cut_row, read_pieces, read_windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from volano.core.encoding import Encoding
    from volano.data.config import SourceConfig

__all__ = ["as_text", "read_jsonl", "table_of", "typed_column"]

_DEEPEST = 64  # lists and objects within each other
_MOST_CELLS = 2**20  # of a batch: rows that each have keys of their own must not be a table


def read_jsonl(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a JSON Lines file; a column that mixes kinds of values becomes JSON text.

    Raises:
        DataError: the file is missing or empty, no line of it is a JSON object, or its objects
            have more keys than a table has columns.
    """
    require_file(path)
    encoding = find_encoding(lambda: read_pieces(path), str(path), config.encoding)
    facts = {"format": "JSON Lines", **encoding.facts()}
    names: dict[str, None] = {}
    first_broken: BrokenRow | None = None
    mixed: dict[str, None] = {}
    for rows, lines, broken in _batches(path, encoding):
        names |= dict.fromkeys(name for row in rows for name in row)
        check_columns(tuple(names), path)
        first_broken = first_broken or next(iter(broken), None)
        table, mixing = table_of(rows)
        mixed |= dict.fromkeys(mixing)
        if mixed:
            facts["mixed"] = ", ".join(mixed)
        yield Batch(table, lines, tuple(broken), dict(facts))
    if not names:
        raise DataError(
            "no line of the file is a JSON object ({reason})",
            where=f"{path}:{first_broken.line if first_broken else 1}",
            fix='write one object on each line: {{"text": "...", "label": "..."}}',
            reason=first_broken.reason if first_broken else "only empty lines",
        )


def _batches(path: Path, encoding: Encoding) -> Iterator[tuple[list[dict[str, Any]], Any, Any]]:
    """Rows, the lines on which they stand (int64), and lines that are no rows."""
    import numpy as np

    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    broken: list[BrokenRow] = []
    names: set[str] = set()
    number = 0
    for window in read_windows(path, encoding):
        for line in window.lines:
            number += 1
            text = line.strip("\ufeff \t\r\n") if number == 1 else line
            if not text or text.isspace():
                continue
            found = _parse(text, is_damaged=encoding.is_damaged)
            if isinstance(found, str):
                broken.append(BrokenRow(number, found, line.rstrip("\r\n")))
                continue
            names.update(found)
            rows.append(found)
            lines.append(number)
            if len(rows) * len(names) > _MOST_CELLS:
                yield rows, np.array(lines, np.int64), broken
                rows, lines, broken, names = [], [], [], set()
        if window.cut:
            number += 1
            broken.append(cut_row(number, window.cut))
        if rows or broken:
            yield rows, np.array(lines, np.int64), broken
            rows, lines, broken, names = [], [], [], set()


def _parse(line: str, *, is_damaged: bool) -> dict[str, Any] | str:
    """The object, or why there is none."""
    if line.count("[") + line.count("{") > _DEEPEST and _depth(line) > _DEEPEST:
        return f"not JSON of rows: more than {_DEEPEST} lists and objects within each other"
    try:
        found = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at column {error.colno}"
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(found, dict):
        return f"a {type(found).__name__}, not an object"
    if not found:
        return "an object without keys"
    if is_damaged and "\ufffd" in line:
        return "bytes that are not text in the file's encoding"
    if "\\u" in line and not _is_text(found):
        return "half of a character (a lone surrogate)"
    return found


def _depth(line: str) -> int:
    """At least as deep as the lists and objects of a line stand within each other."""
    depth = deepest = 0
    for character in line:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _is_text(found: object) -> bool:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is larger than any number here")
    return number


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r} stands twice")
    return found


_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_each_once
)


def table_of(rows: Sequence[dict[str, Any]]) -> tuple[pa.Table, list[str]]:
    """Rows as a table, and the columns whose values had to become JSON text."""
    import pyarrow as pa

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns, mixed = [], []
    for name in names:
        column, is_mixed = typed_column([row.get(name) for row in rows])
        columns.append(column)
        if is_mixed:
            mixed.append(name)
    return pa.table(columns, names=names), mixed


def typed_column(values: list[Any]) -> tuple[pa.Array, bool]:
    """An Arrow column, and whether its values had to become JSON text to stand together.

    Without a value, or with empty lists alone, its kind stays open: other rows of it may say more.
    """
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if len(kinds - {int, float}) > (0 if kinds & {int, float} else 1):
        return as_text(values), True
    if not kinds:
        return pa.nulls(len(values)), False
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return as_text(values), True
    is_open = column.type == pa.list_(pa.null())
    return (as_text(values), True) if _is_hollow(column.type) and not is_open else (column, False)


def _is_hollow(kind: pa.DataType) -> bool:
    """Whether there is a place in it that no value fills, which a file cannot hold."""
    from pyarrow import types

    inner = [kind.field(place).type for place in range(kind.num_fields)]
    is_empty = types.is_null(kind) or (types.is_struct(kind) and not inner)
    return is_empty or any(map(_is_hollow, inner))


def as_text(values: list[Any]) -> pa.Array:
    """Values of several kinds as one column: texts as they are, all else as JSON."""
    import pyarrow as pa

    texts = [v if isinstance(v, str) or v is None else to_json(v) for v in values]
    return pa.array(texts, pa.string())
