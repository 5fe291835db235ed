"""Rows that come from Datasets: those an appending source once had, and reviewed feedback."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from volano.core.hashing import hash_bytes
from volano.data.columns import content_hash
from volano.data.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from volano.core.nouns import Dataset
    from volano.tasks import Task

__all__ = ["Overlay", "count_changes", "fields_table", "lay_over", "rows_of"]


class Overlay(NamedTuple):
    """Rows with feedback laid over them: how many labels it replaced, how many rows it added."""

    rows: list[Row]
    num_replaced: int
    num_added: int
    num_suppressed: int


def rows_of(dataset: Dataset, offset: int, order: dict[str, int]) -> list[Row]:
    """The rows of a Dataset; their fields will stand from ``offset`` on."""
    table = dataset.examples
    last = len(order)
    rows = []
    for place, found in enumerate(table.to_pylist()):
        target = found.get("target")
        rows.append(
            Row(
                place=offset + place,
                fields={name: v for name, v in (found["fields"] or {}).items() if v is not None},
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


def lay_over(
    rows: Sequence[Row], feedback: Sequence[Row], task: Task, suppressed: frozenset[str]
) -> Overlay:
    """Feedback on a row that is there replaces its label; all other feedback is a new row."""
    welcome = [
        row
        for row in feedback
        if row.subject is None or hash_bytes(row.subject.encode()) not in suppressed
    ]
    said = {row.id: replace(row, target=_today(row.target, task)) for row in welcome}
    known = {row.id for row in rows}
    laid = [_corrected(row, said[row.id]) if row.id in said else row for row in rows]
    added = [said[name] for name in sorted(said) if name not in known]
    return Overlay(
        [*laid, *(replace(row, split=None) for row in added)],
        len(said) - len(added),
        len(added),
        len(feedback) - len(welcome),
    )


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
        before = {row.id: _said(row) for row in rows_of(previous, 0, {})}
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
