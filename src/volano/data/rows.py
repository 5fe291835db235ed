"""A row while it is being collected: its name, its parts, and whether it can be kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError
from volano.core.hashing import hash_json, to_json
from volano.core.subjects import subject_name
from volano.data.columns import content_hash
from volano.data.frame import plain
from volano.data.sources.batch import BrokenRow
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.data.config import FieldsConfig
    from volano.tasks import Task

__all__ = ["Dropped", "Kept", "Row", "name_rows", "read_rows"]


@dataclass(frozen=True)
class Row:
    """One row; ``place`` is where its fields stand among those of all sources."""

    place: int
    fields: dict[str, Any]
    source: str
    order: int
    line: int
    split: str | None = None
    key: str | None = None
    id: str = ""
    target: tuple[str, ...] | None = None
    subject: str | None = None
    group: str | None = None
    time: str | None = None
    weight: float = 1.0
    label_from: str = "source"
    picked: str | None = None
    is_about_example: bool = False  # a review of a row that must be there, no row of its own


@dataclass(frozen=True)
class Dropped:
    """A row that is left out, and why."""

    row: Row
    reason: str
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The row as ``dropped.parquet`` keeps it."""
        fields = {name: value for name, value in self.row.fields.items() if value is not None}
        return {
            "id": self.row.id,
            "source": self.row.source,
            "line": self.row.line,
            "reason": self.reason,
            "detail": self.detail,
            "fields": to_json(plain(fields)),
        }


@dataclass(frozen=True)
class Kept:
    """Rows that can be kept, and what became of the others."""

    rows: list[Row]
    dropped: list[Dropped] = field(default_factory=list)
    broken: list[tuple[Row, BrokenRow]] = field(default_factory=list)
    num_suppressed: int = 0


def name_rows(rows: Sequence[Row], target: str) -> list[Row]:
    """Give each row its id: by key where there is one, else by what it says.

    What it says leaves the label out, so a corrected label is an edit; equal rows are counted, so
    that rows added to a file never rename those that were there.
    """
    seen: Counter[str] = Counter()
    named = []
    for row in rows:
        if row.key is not None:
            name = hash_json(["key", row.source, row.key])
        else:
            content = content_hash(row.fields, leave_out=target)
            name = hash_json(["content", content, seen[content]])
            seen[content] += 1
        named.append(replace(row, id=name))
    return named


def read_rows(
    rows: Sequence[Row],
    config: FieldsConfig,
    task: Task,
    names: Sequence[str],
    suppressed: frozenset[str],
) -> Kept:
    """Fill in the parts of each row, and set aside what cannot or must not be kept."""
    last = {row.id: number for number, row in enumerate(rows)}
    labels = _LabelCells(task, names)
    kept: list[Row] = []
    dropped: list[Dropped] = []
    broken: list[tuple[Row, BrokenRow]] = []
    num_suppressed = 0
    for number, row in enumerate(rows):
        subject = subject_name(row.fields.get(config.subject))
        if subject is not None and hash_subject(subject) in suppressed:
            num_suppressed += 1
        elif last[row.id] != number:
            detail = f"key {row.key!r} stands again at {row.source}:{rows[last[row.id]].line}"
            dropped.append(Dropped(row, "duplicate-key", detail))
        elif isinstance(target := labels.read(row.fields.get(config.target)), DataError):
            reason = f"label: {target.what}"
            broken.append((row, BrokenRow(row.line, reason, to_json(plain(row.fields)))))
        else:
            group = subject_name(row.fields.get(config.group))
            time = subject_name(row.fields.get(config.time))
            kept.append(replace(row, target=target, subject=subject, group=group, time=time))
    return Kept(kept, dropped, broken, num_suppressed)


class _LabelCells:
    """Label cells are few and stand often: each is read once."""

    def __init__(self, task: Task, names: Sequence[str]) -> None:
        self.task = task
        self.names = names
        self.known: dict[tuple[type, str], tuple[str, ...] | None | DataError] = {}

    def read(self, cell: object) -> tuple[str, ...] | None | DataError:
        name = type(cell), repr(cell)  # null is no "None", and a list not its text
        if name not in self.known:
            try:
                self.known[name] = self.task.read_target(cell, self.names)
            except DataError as error:
                self.known[name] = error
        return self.known[name]
