"""Old skills: test examples of earlier turns that have left the data, kept to be asked again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from volano.core.nouns import Dataset

__all__ = ["OLD_SKILLS", "retire_tests"]

OLD_SKILLS = "old_skills.parquet"
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("fields", pa.string()),
        ("target", pa.list_(pa.string())),
        ("subject", pa.string()),
    ]
)


def retire_tests(current: pa.Table, previous: Dataset | None) -> pa.Table:
    """Test examples that were there before and are gone now, with those that went earlier.

    Fields are JSON, since the columns of a source change over the years. A row that comes back is
    a test example again, or training data, and no longer an old skill.
    """
    if previous is None:
        return _SCHEMA.empty_table()
    here = set(current.column("id").to_pylist())
    gone: dict[str, dict[str, Any]] = {row["id"]: row for row in _earlier(previous)}
    for row in previous.labelled("test").select(list(_SCHEMA.names)).to_pylist():
        fields = json.dumps(row["fields"], ensure_ascii=False, sort_keys=True, default=str)
        gone[row["id"]] = {**row, "fields": fields}
    kept = [gone[name] for name in sorted(gone) if name not in here]
    return pa.Table.from_pylist(kept, _SCHEMA)


def _earlier(previous: Dataset) -> list[dict[str, Any]]:
    path = previous.folder / OLD_SKILLS
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.exists() else []
    return found
