"""Which split rows had before, so that one that was away for some turns returns to its side.

A prepared Dataset holds the splits of its own rows; ``splits.parquet`` beside them holds those of
rows that had one and have none today. Of an erased person nothing is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.data.frame import flat
from volano.data.rows import names_in
from volano.data.spool import examples_of
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from volano.core.nouns import Dataset
    from volano.data.steps.wording import Wording

__all__ = ["SPLITS", "SUPPRESSED", "SplitMemory", "read_suppressed"]

SPLITS = "splits.parquet"
SUPPRESSED = "suppressed.json"
_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "split", "subject")])
_KNOWN = pa.schema([*_SCHEMA, ("place", pa.int64())])


def read_suppressed(collected: Dataset) -> frozenset[str]:
    """The hashes of subjects of whom a collected Dataset, and what is made of it, holds nothing."""
    path = collected.folder / SUPPRESSED
    return frozenset(json.loads(path.read_bytes()) if path.exists() else ())


class SplitMemory:
    """The split of every row that ever had one: by its id, and by what it says.

    Args:
        previous: the prepared Dataset of the turn before.
        wording: by what a row is known to say the same.
        subject: the column that names a person, if any.
        suppressed: hashes of subjects of whom nothing is remembered.
    """

    def __init__(
        self,
        previous: Dataset | None,
        wording: Wording,
        subject: str,
        suppressed: Collection[str],
    ) -> None:
        self.wording = wording
        self._previous = previous
        # A row's text is hashed only once the row is away: ``text`` is null, ``place`` is where.
        self._known = _KNOWN.empty_table()
        if previous is not None:
            path = previous.folder / SPLITS
            away = pq.read_table(path) if path.exists() else _SCHEMA.empty_table()
            away = away.select(_SCHEMA.names).cast(_SCHEMA)
            away = away.append_column("place", pa.nulls(away.num_rows, pa.int64()))
            here = _had_a_split(previous, subject)
            away = away.filter(pc.invert(pc.is_in(away["id"], here["id"].combine_chunks())))
            known = pa.concat_tables([away, here])
            erased = pa.array(sorted(suppressed), pa.string())
            self._known = known.filter(pc.invert(pc.is_in(known["subject"], erased)))

    def __bool__(self) -> bool:
        return bool(self._known.num_rows)

    def splits_of(self, ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """The split that each of these rows had; null for a row that had none."""
        return self._known["split"].take(pc.index_in(ids, self._known["id"].combine_chunks()))

    def of_texts(self, here: pa.ChunkedArray) -> dict[bytes, str]:
        """The split that each text had whose rows are not ``here``, by the text's hash."""
        rows = self._away(here)
        pairs = zip(rows["text"].to_pylist(), rows["split"].to_pylist(), strict=True)
        # What was trained on under any name is no test.
        ranked = sorted(pairs, key=lambda pair: bool(pair[1] == "train"))
        return {bytes.fromhex(text): split for text, split in ranked}

    def absent(self, here: pa.ChunkedArray) -> pa.Table:
        """What the next turn has to be told: rows that are not ``here``."""
        return self._away(here).sort_by("id")

    def _away(self, here: pa.ChunkedArray) -> pa.Table:
        if not self._known.num_rows:
            return _SCHEMA.empty_table()
        rows = self._known.filter(pc.invert(pc.is_in(self._known["id"], here.combine_chunks())))
        texts = rows["text"].to_pylist()
        unread = np.flatnonzero(rows["text"].is_null().to_numpy())
        places = rows["place"].take(pa.array(unread)).to_numpy()
        for window, keys in self._keys(places):
            for number, key in zip(unread[window].tolist(), keys.to_pylist(), strict=True):
                texts[number] = key.hex()
        column = pa.array(texts, pa.string())
        return rows.set_column(1, "text", column).select(_SCHEMA.names)

    def _keys(self, places: NDArray[np.int64]) -> Iterator[tuple[slice, pa.Array]]:
        """The names of what rows of the previous Dataset say, some at a time."""
        if self._previous is None:
            return
        folder = self._previous.folder
        schema = pq.read_schema(folder / "examples.parquet")
        columns = [f"fields.{name}" for name in self.wording.columns if _has_field(schema, name)]
        if not columns:  # the text column is another one now
            yield slice(0, len(places)), self.wording.keys_of([{}] * len(places))
            return
        for window, table in examples_of(folder, columns).windows(places):
            yield window, self.wording.keys(flat(table))


def _had_a_split(previous: Dataset, subject: str) -> pa.Table:
    """The rows of a prepared Dataset that are in a split, with the hashes of their subjects."""
    kinds = previous.folder / "examples.parquet"
    names = ["id", "split", "subject"]
    if subject and _has_field(pq.read_schema(kinds), subject):
        names.append(f"fields.{subject}")
    tables = []
    for first, table in examples_of(previous.folder, names):
        subjects = table["subject"]
        if "fields" in table.column_names:
            subjects = pc.coalesce(subjects, names_in(flat(table), subject))
        coded = subjects.combine_chunks().dictionary_encode()
        hashes = [hash_subject(name) for name in coded.dictionary.to_pylist()]
        columns = {
            "id": table["id"],
            "text": pa.nulls(table.num_rows, pa.string()),
            "split": table["split"],
            "subject": pa.array(hashes, pa.string()).take(coded.indices),
            "place": pa.array(np.arange(first, first + table.num_rows)),
        }
        rows = pa.table([columns[name] for name in _KNOWN.names], schema=_KNOWN)
        tables.append(rows.filter(pc.is_valid(rows["split"])))
    return pa.concat_tables(tables) if tables else _KNOWN.empty_table()


def _has_field(schema: pa.Schema, name: str) -> bool:
    return bool(schema.field("fields").type.get_field_index(name) >= 0)
