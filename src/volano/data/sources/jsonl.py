"""JSON Lines: one object on each line; a line that is not one is set aside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from volano.core.encoding import decode
from volano.core.errors import DataError
from volano.core.hashing import to_json
from volano.data.sources.batch import Batch, BrokenRow, require_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from volano.data.config import SourceConfig

__all__ = ["as_text", "read_jsonl", "typed_column"]


def read_jsonl(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a JSON Lines file; a column that mixes kinds of values becomes JSON text.

    Raises:
        DataError: the file is missing or empty, or no line of it is a JSON object.
    """
    import numpy as np
    import pyarrow as pa

    require_file(path)
    decoded = decode(path.read_bytes(), str(path), config.encoding)
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    broken: list[BrokenRow] = []
    for number, line in enumerate(decoded.text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        found = _parse(line, is_damaged=decoded.is_damaged)
        if isinstance(found, str):
            broken.append(BrokenRow(number, found, line))
        else:
            rows.append(found)
            lines.append(number)
    if not rows:
        reason = broken[0].reason if broken else "only empty lines"
        raise DataError(
            f"no line of the file is a JSON object ({reason})",
            where=f"{path}:{broken[0].line if broken else 1}",
            fix='write one object on each line: {"text": "...", "label": "..."}',
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns, mixed = [], []
    for name in names:
        column, is_mixed = typed_column([row.get(name) for row in rows])
        columns.append(column)
        if is_mixed:
            mixed.append(name)
    facts = {"format": "JSON Lines", **decoded.facts()}
    if mixed:
        facts["mixed"] = ", ".join(mixed)
    yield Batch(pa.table(columns, names=names), np.array(lines, np.int64), tuple(broken), facts)


def _parse(line: str, *, is_damaged: bool) -> dict[str, Any] | str:
    """The object, or why there is none."""
    try:
        found = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(found, dict):
        return f"a {type(found).__name__}, not an object"
    if is_damaged and "\ufffd" in line:
        return "bytes that are not text in the file's encoding"
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON value")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


def typed_column(values: list[Any]) -> tuple[pa.Array, bool]:
    """An Arrow column, and whether its values had to become JSON text to stand together."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if len(kinds - {int, float}) > (0 if kinds & {int, float} else 1):
        return as_text(values), True
    if not kinds:
        return pa.array(values, pa.string()), False
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return as_text(values), True
    is_hollow = pa.types.is_null(column.type) or "null" in str(column.type)
    is_hollow = is_hollow or column.type == pa.struct([])
    return (as_text(values), True) if is_hollow else (column, False)


def as_text(values: list[Any]) -> pa.Array:
    """Values of several kinds as one column: texts as they are, all else as JSON."""
    import pyarrow as pa

    texts = [v if isinstance(v, str) or v is None else to_json(v) for v in values]
    return pa.array(texts, pa.string())
