"""Rows that come from Datasets: those an appending source once had, and reviewed feedback."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from volano.core.subjects import subject_name
from volano.data.columns import content_hash
from volano.data.rows import Row
from volano.data.sources.jsonl import as_text
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from volano.core.nouns import Dataset
    from volano.data.config import FieldsConfig
    from volano.tasks import Task

__all__ = [
    "Overlay",
    "cast_like",
    "count_changes",
    "fields_table",
    "lay_over",
    "restated",
    "rows_of",
]

# Arrow's own errors are among these.
_UNREADABLE = (ValueError, TypeError, NotImplementedError, OverflowError)


class Overlay(NamedTuple):
    """Rows with feedback laid over them, and how much of it replaced a label, was added, was not.

    Reviews of rows that are no longer there are ``gone``.
    """

    rows: list[Row]
    num_replaced: int
    num_added: int
    num_gone: int
    num_suppressed: int


def rows_of(dataset: Dataset, fields: pa.Table, offset: int, order: Mapping[str, int]) -> list[Row]:
    """The rows of a Dataset with these fields, which will stand from ``offset`` on."""
    table = dataset.examples.drop_columns("fields")
    last = len(order)
    rows = []
    pairs = zip(table.to_pylist(), fields.to_pylist(), strict=True)
    for place, (found, values) in enumerate(pairs):
        target = found.get("target")
        rows.append(
            Row(
                place=offset + place,
                fields={name: value for name, value in values.items() if value is not None},
                source=found["source"],
                order=order.get(found["source"], last),
                line=found["line"] or 0,
                split=found.get("split"),
                id=found["id"],
                target=None if target is None else tuple(target),
                subject=found.get("subject"),
                group=found.get("group"),
                time=found.get("time"),
                weight=1.0 if found.get("weight") is None else found["weight"],
                label_from=found.get("label_from") or "source",
                picked=found.get("picked"),
                is_about_example=found.get("about") == "example",
            )
        )
    return rows


def fields_table(dataset: Dataset) -> pa.Table:
    """The raw fields of a Dataset as a table, without columns that are empty in all rows."""
    import pyarrow as pa

    fields = dataset.examples["fields"].combine_chunks()
    flat = pa.Table.from_struct_array(fields)
    used = [name for name in flat.column_names if flat[name].null_count < len(flat)]
    return flat.select(used)


def cast_like(table: pa.Table, kinds: pa.StructType) -> tuple[pa.Table, dict[str, int]]:
    """Cells of feedback as the kind of value that the source's column holds.

    A form or a spreadsheet knows only text; it must not turn a column of numbers into one of texts.

    Returns:
        The table, and for each column how many cells fit no such value and are null now.
    """
    misfits: dict[str, int] = {}
    for place, name in enumerate(table.column_names):
        number = kinds.get_field_index(name)
        if number < 0 or kinds[number].type == table.schema.field(name).type:
            continue
        given = table[name].to_pylist()
        cells = _cells_as(given, kinds[number].type)
        table = table.set_column(place, name, cells)
        lost = sum(
            cell not in (None, "") and not kept
            for cell, kept in zip(given, cells.is_valid().to_pylist(), strict=True)
        )
        misfits |= {name: lost} if lost else {}
    return table, misfits


def _cells_as(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return as_text(values).cast(kind)
    return pa.array([_cell_as(value, kind) for value in values], kind)


def _cell_as(value: Any, kind: pa.DataType) -> Any:
    """The value that a text stands for: as Arrow reads it (times), or as JSON (lists, objects)."""
    import pyarrow as pa

    with suppress(*_UNREADABLE):
        return pa.scalar(value).cast(kind)
    with suppress(*_UNREADABLE):
        if pa.types.is_nested(kind):
            return pa.scalar(json.loads(value), kind)
        return pa.scalar(json.loads(value)).cast(kind)  # a cast refuses to make 3 of 3.7
    return None


def lay_over(
    rows: Sequence[Row],
    feedback: Sequence[Row],
    fields: FieldsConfig,
    task: Task,
    suppressed: frozenset[str],
) -> Overlay:
    """Feedback on a row that is there replaces its label; other answers are new rows.

    A review of a row that has left, or whose subject was erased, does not bring it back.
    """
    welcome = [
        row
        for row in feedback
        if (subject := subject_name(row.subject)) is None or hash_subject(subject) not in suppressed
    ]
    known = {row.id for row in rows}
    about = [row for row in welcome if row.is_about_example and row.id not in known]
    renamed = restated(about, rows, fields)
    said = {
        renamed.get(row.id, row.id): replace(row, target=_today(row.target, task))
        for row in welcome
    }
    laid = [_corrected(row, said[row.id]) if row.id in said else row for row in rows]
    fresh = [said[name] for name in sorted(said) if name not in known]
    added = [replace(row, split=None) for row in fresh if not row.is_about_example]
    return Overlay(
        [*laid, *added],
        len(said) - len(fresh),
        len(added),
        len(fresh) - len(added),
        len(feedback) - len(welcome),
    )


def restated(old: Sequence[Row], new: Sequence[Row], fields: FieldsConfig) -> dict[str, str]:
    """Rows that stand in a source today under another name, since it has other columns now.

    Old ids to new ones: what both hold says the same, a text among it. The label may differ.
    """
    columns = {name for row in old for name in row.fields} - {fields.target}
    shared = columns & {name for row in new for name in row.fields}
    if not shared.intersection(fields.texts):
        return {}
    copies: dict[str, list[str]] = defaultdict(list)
    for row in reversed(new):
        copies[_said_in(row, shared)].append(row.id)
    return {row.id: copies[said].pop() for row in old if copies[said := _said_in(row, shared)]}


def _said_in(row: Row, columns: set[str]) -> str:
    return content_hash({name: v for name, v in row.fields.items() if name in columns})


def _today(target: tuple[str, ...] | None, task: Task) -> tuple[str, ...] | None:
    return (task.today(target) or None) if target is not None else None


def _corrected(row: Row, said: Row) -> Row:
    if said.target is None:
        return row
    return replace(
        row,
        target=said.target,
        label_from=said.label_from,
        picked=said.picked,
        weight=said.weight,
    )


def count_changes(rows: Sequence[Row], previous: Dataset | None) -> dict[str, int]:
    """How many rows are new, edited, deleted and kept, against the Dataset before."""
    before: dict[str, Any] = {}
    if previous is not None:
        rows_before = rows_of(previous, fields_table(previous), 0, {})
        before = {row.id: _said(row) for row in rows_before}
    now = {row.id: row for row in rows}
    there = [row for name, row in now.items() if name in before]
    edited = sum(before[row.id] != _said(row) for row in there)
    return {
        "new": len(now) - len(there),
        "edited": edited,
        "deleted": len(before) - len(there),
        "kept": len(there) - edited,
    }


def _said(row: Row) -> tuple[str, tuple[str, ...] | None]:
    return content_hash(row.fields), row.target
