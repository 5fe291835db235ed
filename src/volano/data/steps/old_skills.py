"""Old skills: frozen test examples that have left the data, kept to be asked again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.core.subjects import subject_name
from volano.data.spool import examples_of
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Collection

    from volano.core.nouns import Dataset
    from volano.data.frame import Frame
    from volano.data.steps.wording import Wording

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

_SCHEMA_ROWS = ["id", "target", "subject"]


def retire_tests(
    frame: Frame,
    previous: Dataset | None,
    wording: Wording,
    subject: str,
    suppressed: Collection[str],
) -> pa.Table:
    """Test examples that were there before and are gone now, with those that went earlier.

    Fields are JSON, since the columns of a source change over the years. A row that comes back, by
    name or by text, is a test example again, or training data, and no longer an old skill. Nothing
    of an erased person is kept, and nothing that came in through feedback: a Prediction that was
    purged is to be forgotten.
    """
    if previous is None:
        return _SCHEMA.empty_table()
    gone = {row["id"]: row for row in (*_earlier(previous), *_tested(previous, frame["id"]))}
    names = sorted(gone)
    ids = pc.is_in(pa.array(names, pa.string()), frame["id"].combine_chunks()).to_pylist()
    said = [json.loads(gone[name]["fields"]) for name in names]
    keys = wording.keys_of(said)
    texts = pc.is_in(keys, frame["_known_key"].combine_chunks()).to_pylist()
    kept = []
    for name, one, *is_here in zip(names, said, ids, texts, strict=True):
        person = gone[name]["subject"] or subject_name(one.get(subject))
        is_erased = person is not None and hash_subject(person) in suppressed
        if not any(is_here) and not is_erased:
            kept.append(gone[name])
    return pa.Table.from_pylist(kept, _SCHEMA)


def _earlier(previous: Dataset) -> list[dict[str, Any]]:
    path = previous.folder / OLD_SKILLS
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.exists() else []
    return found


def _tested(previous: Dataset, here: pa.ChunkedArray) -> list[dict[str, Any]]:
    """Test rows of the turn before, from files, that are not ``here``."""
    files = pa.array([source["path"] for source in previous.card["sources"]], pa.string())
    names = ["id", "target", "subject", "source", "split"]
    parts = [table for _, table in examples_of(previous.folder, names)]
    rows = pa.concat_tables(parts)
    is_gone = pc.and_(pc.equal(rows["split"], "test"), pc.is_valid(rows["target"]))
    is_gone = pc.and_(is_gone, pc.is_in(rows["source"], files))
    is_gone = pc.and_(is_gone, pc.invert(pc.is_in(rows["id"], here.combine_chunks())))
    places = np.flatnonzero(is_gone.fill_null(False).to_numpy())
    examples = examples_of(previous.folder, ["fields"])
    said = [one for _, table in examples.windows(places) for one in table["fields"].to_pylist()]
    found = rows.select(_SCHEMA_ROWS).take(pa.array(places)).to_pylist()
    return [{**row, "fields": _as_json(fields)} for row, fields in zip(found, said, strict=True)]


def _as_json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str)
