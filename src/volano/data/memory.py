"""Which split rows had before, so that one that was away for some turns returns to its side.

A prepared Dataset holds the splits of its own rows; ``splits.parquet`` beside them holds those of
rows that had one and have none today. Of an erased person nothing is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.hashing import hash_bytes
from volano.core.subjects import subject_name
from volano.data.steps.texts import join_text, normalise
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Collection

    from volano.core.nouns import Dataset
    from volano.data.config import FieldsConfig

__all__ = ["SPLITS", "SUPPRESSED", "SplitMemory", "hash_text", "read_suppressed"]

SPLITS = "splits.parquet"
SUPPRESSED = "suppressed.json"
_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "split", "subject")])
_HASH = 32  # characters: 128 bits


def hash_text(normal: str) -> str:
    """The name under which a normalised text is remembered."""
    return hash_bytes(normal.encode())[:_HASH]


def read_suppressed(collected: Dataset) -> frozenset[str]:
    """The hashes of subjects of whom a collected Dataset, and what is made of it, holds nothing."""
    path = collected.folder / SUPPRESSED
    return frozenset(json.loads(path.read_bytes()) if path.exists() else ())


class SplitMemory:
    """The split of every row that ever had one: ``splits`` by id, ``of_texts`` by what it says."""

    def __init__(
        self, previous: Dataset | None, fields: FieldsConfig, suppressed: Collection[str]
    ) -> None:
        self._texts = fields.texts
        self._away: dict[str, dict[str, Any]] = {}
        self._previous: dict[str, dict[str, Any]] = {}
        if previous is None:
            self.splits: dict[str, str] = {}
            return
        path = previous.folder / SPLITS
        away = pq.read_table(path).to_pylist() if path.exists() else []
        self._away = {row["id"]: row for row in away if row["subject"] not in suppressed}
        names = ["id", "fields", "split", "subject"]
        for row in previous.examples.select(names).to_pylist():
            named = row["subject"] or subject_name(row["fields"].get(fields.subject))
            subject = None if named is None else hash_subject(named)
            if row["split"] is not None and subject not in suppressed:
                self._previous[row["id"]] = {**row, "subject": subject}
        rows = (self._away | self._previous).values()
        self.splits = {row["id"]: row["split"] for row in rows}

    def of_texts(self, here: Collection[str]) -> dict[str, str]:
        """The split that each text had whose rows are not ``here``, by the text's hash."""
        # What was trained on under any name is no test.
        rows = sorted(self._without(here), key=lambda row: bool(row["split"] == "train"))
        return {row["text"]: row["split"] for row in rows}

    def absent(self, here: Collection[str]) -> pa.Table:
        """What the next turn has to be told: rows that are not ``here``."""
        return pa.Table.from_pylist(sorted(self._without(here), key=lambda row: row["id"]), _SCHEMA)

    def _without(self, here: Collection[str]) -> list[dict[str, Any]]:
        return [
            row if "text" in row else self._with_text(row)
            for name, row in (self._away | self._previous).items()
            if name not in here
        ]

    def _with_text(self, row: dict[str, Any]) -> dict[str, Any]:
        text = hash_text(normalise(join_text(row["fields"], self._texts)))
        return {name: row[name] for name in ("id", "split", "subject")} | {"text": text}
