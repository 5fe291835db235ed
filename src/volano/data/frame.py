"""Rows on their way through the steps: what is left, what was dropped and why, what was found.

A step is a function from Frame to Frame. It drops rows with a reason, or adds a column; it never
changes what the source said.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from volano.core.hashing import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["DROPPED", "Finding", "Frame", "Step", "plain"]

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
    """A table of Examples, the rows dropped from it, and findings; ``_`` columns are scratch."""

    table: pa.Table
    dropped: tuple[pa.Table, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> list[Any]:
        """A column as Python values."""
        values: list[Any] = self.table[name].to_pylist()
        return values

    def with_column(self, name: str, values: Sequence[Any] | NDArray[Any], kind: Any) -> Frame:
        """The frame with one column more, or replaced."""
        column = pa.array(values, kind)
        place = self.table.schema.get_field_index(name)
        table = (
            self.table.append_column(name, column)
            if place < 0
            else self.table.set_column(place, name, column)
        )
        return replace(self, table=table)

    def with_finding(self, kind: Any, text: str, **values: object) -> Frame:
        """The frame with one finding more."""
        return replace(self, findings=(*self.findings, Finding(kind, text, values)))

    def drop(self, reasons: Mapping[int, tuple[str, str]]) -> Frame:
        """Without the rows at these places, each with its reason and what it is about."""
        if not reasons:
            return self
        places = sorted(reasons)
        gone = self.table.take(pa.array(places, pa.int64()))
        why = [reasons[place] for place in places]
        dropped = pa.table(
            [
                gone["id"],
                gone["source"],
                gone["line"],
                pa.array([reason for reason, _ in why], pa.string()),
                pa.array([detail for _, detail in why], pa.string()),
                pa.array([_as_json(fields) for fields in gone["fields"].to_pylist()], pa.string()),
            ],
            schema=DROPPED,
        )
        is_kept = np.ones(len(self), bool)
        is_kept[places] = False
        table = self.table.filter(pa.array(is_kept))
        return replace(self, table=table, dropped=(*self.dropped, dropped))

    def all_dropped(self) -> pa.Table:
        """Every dropped row, in the order of the steps."""
        return pa.concat_tables(self.dropped) if self.dropped else DROPPED.empty_table()

    def count_dropped(self) -> dict[str, int]:
        """How many rows were dropped, by reason, in alphabetical order."""
        counts = Counter(self.all_dropped()["reason"].to_pylist())
        return {reason: counts[reason] for reason in sorted(counts)}


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
