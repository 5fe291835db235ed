"""Old skills: frozen test examples that have left the data, kept to be asked again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.subjects import subject_name
from volano.data.steps.texts import join_text, normalise
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Collection

    from volano.core.nouns import Dataset
    from volano.data.config import FieldsConfig
    from volano.data.frame import Frame

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


def retire_tests(
    frame: Frame, previous: Dataset | None, fields: FieldsConfig, suppressed: Collection[str]
) -> pa.Table:
    """Test examples that were there before and are gone now, with those that went earlier.

    Fields are JSON, since the columns of a source change over the years. A row that comes back, by
    name or by text, is a test example again, or training data, and no longer an old skill. Nothing
    of an erased person is kept, and nothing that came in through feedback: a Prediction that was
    purged is to be forgotten.
    """
    if previous is None:
        return _SCHEMA.empty_table()
    ids, texts = set(frame.column("id")), set(frame.column("_key"))
    gone = {row["id"]: row for row in (*_earlier(previous), *_tested(previous))}
    kept = []
    for name in sorted(gone):
        said = json.loads(gone[name]["fields"])
        subject = gone[name]["subject"] or subject_name(said.get(fields.subject))
        is_erased = subject is not None and hash_subject(subject) in suppressed
        is_here = name in ids or normalise(join_text(said, fields.texts)) in texts
        if not is_here and not is_erased:
            kept.append(gone[name])
    return pa.Table.from_pylist(kept, _SCHEMA)


def _earlier(previous: Dataset) -> list[dict[str, Any]]:
    path = previous.folder / OLD_SKILLS
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.exists() else []
    return found


def _tested(previous: Dataset) -> list[dict[str, Any]]:
    files = {source["path"] for source in previous.card["sources"]}
    rows = previous.labelled("test").select([*_SCHEMA.names, "source"]).to_pylist()
    return [{**row, "fields": _as_json(row["fields"])} for row in rows if row["source"] in files]


def _as_json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str)
