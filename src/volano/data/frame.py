"""Rows on their way through the steps: what is left, what was dropped and why, what was found.

A step is a function from Frame to Frame. It drops rows with a reason, or adds a column; it never
changes what the source said, which stays on disk.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.hashing import to_json
from volano.data.targets import NumberTargets, count_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from volano.data.spool import Slices
    from volano.models.column_kinds import ColumnKind

__all__ = [
    "DROPPED",
    "Finding",
    "Frame",
    "Step",
    "dropped_table",
    "flat",
    "plain",
]

Step: TypeAlias = "Callable[[Frame], Frame]"

DROPPED = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("fields", pa.string()),
    ]
)


@dataclass(frozen=True)
class Finding:
    """Something a person should know about the data: an English text with ``{names}`` to fill.

    It stays unfilled so that the report can say it in the reader's language.
    """

    kind: Literal["good", "info", "warn", "bad"]
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.format(**self.values) if self.values else self.text

    def to_dict(self) -> dict[str, Any]:
        """The finding as the card keeps it."""
        return {"kind": self.kind, "text": self.text, "values": dict(self.values)}


@dataclass(frozen=True)
class Frame:
    """Examples but what they say, the rows dropped from them, and findings.

    ``_`` columns are scratch: ``_place`` is where a row stands in the collected Dataset, whose raw
    fields are read from there, some at a time; ``_label`` is the number of its target in
    ``targets``, -1 for none; ``_given`` and ``_old`` are numbers of splits. ``kinds`` say what the
    columns of a table hold.
    """

    table: pa.Table
    fields: Slices
    targets: Sequence[tuple[str, ...]]
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    dropped: tuple[pa.Table, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self.table[name]

    def numbers(self, name: str) -> NDArray[Any]:
        """A column of numbers or of flags, none of them null."""
        found: NDArray[Any] = self.table[name].to_numpy()
        return found

    def said(self, places: NDArray[np.int64]) -> pa.Table:
        """The raw fields of the rows at these places of the frame."""
        return flat(self.fields.take(self.numbers("_place")[places]))

    def with_column(self, name: str, column: pa.Array | pa.ChunkedArray) -> Frame:
        """The frame with one column more, or replaced."""
        place = self.table.schema.get_field_index(name)
        table = (
            self.table.append_column(name, column)
            if place < 0
            else self.table.set_column(place, name, column)
        )
        return replace(self, table=table)

    @property
    def has_numbers(self) -> bool:
        """Whether targets are numbers, not labels."""
        return isinstance(self.targets, NumberTargets)

    def count_labels(self) -> Counter[str]:
        """How many rows carry each label."""
        return count_targets(self.numbers("_label"), self.targets)

    def with_finding(self, kind: Any, text: str, **values: object) -> Frame:
        """The frame with one finding more."""
        return replace(self, findings=(*self.findings, Finding(kind, text, values)))

    def drop(self, places: NDArray[np.int64], reasons: pa.Array, details: pa.Array) -> Frame:
        """Without the rows at these places, each with its reason and what it is about.

        Args:
            places: of the rows in the frame, ascending, each once.
            reasons: of each, as text.
            details: of each, as text; empty where there is nothing to say.
        """
        if not len(places):
            return self
        gone = self.table.select(["id", "source", "line", "_place"]).take(pa.array(places))
        gone = gone.append_column("reason", reasons).append_column("detail", details)
        is_kept = np.ones(len(self), bool)
        is_kept[places] = False
        table = self.table.filter(pa.array(is_kept))
        return replace(self, table=table, dropped=(*self.dropped, gone))

    def count_dropped(self) -> dict[str, int]:
        """How many rows were dropped, by reason, in alphabetical order."""
        counts: Counter[str] = Counter()
        for gone in self.dropped:
            found = pc.value_counts(gone["reason"]).to_pylist()
            counts.update({one["values"]: one["counts"] for one in found})
        return {reason: counts[reason] for reason in sorted(counts)}

    def all_dropped(self) -> Iterator[pa.Table]:
        """Every dropped row with what it said, in the order of the steps, some at a time."""
        for gone in self.dropped:
            for window, rows in self.fields.windows(gone["_place"].to_numpy()):
                here = gone.slice(window.start, window.stop - window.start)
                yield dropped_table(here, here["reason"], here["detail"], flat(rows))


def flat(table: pa.Table) -> pa.Table:
    """The raw fields of Examples, one column each."""
    fields = table["fields"]
    chunks = fields.chunks or [pa.array([], fields.type)]
    return pa.concat_tables([pa.Table.from_struct_array(chunk) for chunk in chunks])


def dropped_table(
    rows: pa.Table, reasons: Sequence[str], details: Sequence[str], fields: pa.Table
) -> pa.Table:
    """Dropped rows as ``dropped.parquet`` keeps them.

    Args:
        rows: their ``id``, ``source`` and ``line``.
        reasons: of each.
        details: of each.
        fields: what they said, a column each.
    """
    said = pa.array([_as_json(one) for one in fields.to_pylist()], pa.string())
    columns = [rows["id"], rows["source"], rows["line"], reasons, details, said]
    return pa.table(columns, schema=DROPPED)


def _as_json(fields: Mapping[str, Any]) -> str:
    return to_json(plain({name: v for name, v in fields.items() if v is not None}))


def plain(value: Any) -> Any:
    """A value as JSON can carry it: bytes by their length, NaN as null."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return f"({len(value)} bytes)" if isinstance(value, bytes) else value
