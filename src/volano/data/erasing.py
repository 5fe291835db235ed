"""What a Dataset holds of one person, and the same Dataset without it.

A person is found by the subject column, by the columns that name one today, and by the ids of rows
known to be theirs from another Dataset: a row that was dropped keeps no subject of its own. Rows
that could not be read stay as places, and what stood there goes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.core.subjects import subject_name
from volano.data.frame import Finding
from volano.data.memory import SPLITS
from volano.data.steps.old_skills import OLD_SKILLS
from volano.data.steps.texts import join_text
from volano.store.subjects import hash_subject, is_named_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from volano.core.nouns import Dataset
    from volano.data.config import SourceConfig
    from volano.data.sources.batch import Batch, Reader

__all__ = ["Holding", "Person", "find_person", "readers_without", "write_without"]

_EXAMPLES, _DROPPED, _BROKEN = "examples.parquet", "dropped.parquet", "broken.parquet"
_REASON = "erased"
_COMPRESSION = "zstd"
_QUOTED_WORD = re.compile(r"'([^']+)' →")


@dataclass(frozen=True)
class Person:
    """Who is looked for.

    Attributes:
        name: as ``subject_name`` writes it.
        columns: columns that name a person.
        ids: rows that are known to be theirs.
    """

    name: str
    columns: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Holding:
    """What one Dataset holds of a person.

    Attributes:
        counts: rows in each file.
        ids: of Examples that are theirs.
        texts: what those say, white space as single spaces.
        num_learned: how many of them a model was trained on.
        notes: sentences of the card that name the person or quote their words.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    num_learned: int = 0
    notes: frozenset[str] = frozenset()

    @property
    def num_rows(self) -> int:
        """Rows of every kind."""
        return sum(self.counts.values())


def readers_without(
    readers: Mapping[str, Reader], suppressed: Collection[str]
) -> Mapping[str, Reader]:
    """The same readers; what stands in rows that they cannot read is blank where it names a person.

    Rows that can be read are left to ``collect``. ``suppressed`` holds hashes of subjects.
    """
    if not suppressed:
        return readers

    def without(reader: Reader) -> Reader:
        def read(path: Path, config: SourceConfig) -> Iterator[Batch]:
            for batch in reader(path, config):
                broken = (
                    replace(row, raw="", reason=_REASON)
                    if is_named_in(row.raw, suppressed)
                    else row
                    for row in batch.broken
                )
                yield replace(batch, broken=tuple(broken))

        return read

    return {ending: without(reader) for ending, reader in readers.items()}


def find_person(dataset: Dataset, person: Person) -> Holding:
    """What a Dataset of any stage holds of a person; it is only read."""
    texts_of = _text_columns(dataset)
    masks = {file: mask for file, _, mask in _masked(dataset, person)}
    counts = {file: count for file, mask in masks.items() if (count := _count(mask))}
    ids: set[str] = set()
    texts: set[str] = set()
    num_learned = 0
    if _EXAMPLES in counts:
        theirs = dataset.examples.filter(masks[_EXAMPLES])
        ids.update(theirs["id"].to_pylist())
        texts.update(_squeezed(join_text(row, texts_of)) for row in theirs["fields"].to_pylist())
        learned = pc.is_in(theirs["split"], pa.array(["train", "validation"]))
        num_learned = _count(pc.and_(learned, pc.is_valid(theirs["target"])))
    for file in (_DROPPED, OLD_SKILLS):
        if file in counts:
            rows = pq.read_table(dataset.folder / file).filter(masks[file])
            ids.update(rows["id"].to_pylist())
            said = [json.loads(fields) for fields in rows["fields"].to_pylist()]
            texts.update(_squeezed(join_text(row, texts_of)) for row in said)
    texts.discard("")  # a row of a table is no text, and is known by its id alone
    notes = _notes(dataset.card, person, texts)
    shown = sum(_is_theirs(one["raw"], person) for one in dataset.card.get("broken", ()))
    if _BROKEN not in counts and shown + len(notes):
        counts["card.json"] = shown + len(notes)
    return Holding(counts, frozenset(ids), frozenset(texts), num_learned, notes)


def write_without(dataset: Dataset, person: Person, held: Holding, draft: Path) -> dict[str, Any]:
    """Write every file of a Dataset but for the person's rows into ``draft``; its card."""
    tables: dict[str, pa.Table] = {}
    for file, table, mask in _masked(dataset, person):
        if file == _BROKEN:
            tables[file] = _blanked(table, mask)
        else:
            tables[file] = table.filter(pc.invert(mask)).combine_chunks()
        pq.write_table(tables[file], draft / file, compression=_COMPRESSION)
    return _card(dataset.card, tables, person, held)


def _masked(dataset: Dataset, person: Person) -> Iterable[tuple[str, pa.Table, Any]]:
    """Each table of a Dataset that is there, with the rows that are the person's."""
    columns = _columns(dataset, person)
    examples = dataset.examples
    yield _EXAMPLES, examples, _in_examples(examples, person, columns)
    for file in (_DROPPED, OLD_SKILLS, SPLITS, _BROKEN):
        path = dataset.folder / file
        if not path.exists():
            continue
        table = pq.read_table(path)
        if file == _BROKEN:
            found = [_is_theirs(raw, person) for raw in table["raw"].to_pylist()]
            yield file, table, pa.array(found, pa.bool_())
            continue
        mask = _equals(table["id"], person.ids)
        if file in (OLD_SKILLS, SPLITS):
            known = hash_subject(person.name) if file == SPLITS else person.name
            mask = pc.or_(mask, _equals(table["subject"], {known}))
        if "fields" in table.column_names:
            mask = pc.or_(mask, _in_json(table["fields"], person.name, columns))
        yield file, table, mask


def _in_examples(table: pa.Table, person: Person, columns: Collection[str]) -> Any:
    mask = pc.or_(_equals(table["subject"], {person.name}), _equals(table["id"], person.ids))
    kind = table.schema.field("fields").type
    for column in columns:
        if kind.get_field_index(column) >= 0:
            cells = pc.struct_field(table["fields"], column)
            same = [v for v in pc.unique(cells).to_pylist() if subject_name(v) == person.name]
            found = pc.is_in(cells, pa.array(same, cells.type))
            mask = pc.or_(mask, pc.fill_null(found, False))
    return mask


def _in_json(cells: Any, name: str, columns: Collection[str]) -> Any:
    """Rows kept as JSON; only those that hold the name anywhere are read."""
    written = json.dumps(name, ensure_ascii=False)[1:-1]
    maybe = pc.fill_null(pc.match_substring(cells, written), False).to_pylist()
    found = [
        is_maybe and any(subject_name(json.loads(cell).get(name_)) == name for name_ in columns)
        for is_maybe, cell in zip(maybe, cells.to_pylist(), strict=True)
    ]
    return pa.array(found, pa.bool_())


def _equals(cells: Any, names: Collection[str]) -> Any:
    return pc.fill_null(pc.is_in(cells, pa.array(sorted(names), pa.string())), False)


def _counted(column: pa.ChunkedArray) -> Counter[str]:
    found = pc.value_counts(column).to_pylist()
    return Counter({one["values"]: one["counts"] for one in found})


def _count(mask: Any) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _columns(dataset: Dataset, person: Person) -> tuple[str, ...]:
    named = dataset.card.get("schema", {}).get("fields", {}).get("subject", "")
    return tuple(dict.fromkeys(filter(None, (*person.columns, named))))


def _text_columns(dataset: Dataset) -> tuple[str, ...]:
    named = dataset.card.get("schema", {}).get("fields", {}).get("text", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _is_theirs(raw: str, person: Person) -> bool:
    return is_named_in(raw, {hash_subject(person.name)})


def _blanked(table: pa.Table, mask: Any) -> pa.Table:
    """The places of rows that could not be read, without what stands there."""
    for column, instead in (("raw", ""), ("reason", _REASON)):
        place = table.schema.get_field_index(column)
        table = table.set_column(place, column, pc.if_else(mask, instead, table[column]))
    return table


def _notes(card: Mapping[str, Any], person: Person, texts: Collection[str]) -> frozenset[str]:
    said = "\n".join(texts).lower()
    return frozenset(
        note
        for note in card.get("notes", ())
        if is_named_in(note, {hash_subject(person.name)})
        or any(word.lower() in said for word in _QUOTED_WORD.findall(note))
    )


def _card(
    card: Mapping[str, Any], tables: Mapping[str, pa.Table], person: Person, held: Holding
) -> dict[str, Any]:
    """The card, its counts as the tables are now; what was erased counts as left out."""
    examples = tables[_EXAMPLES]
    counts = {**card["counts"], "rows": examples.num_rows}
    counts["labelled"] = examples.num_rows - examples["target"].null_count
    if "unlabelled" in counts and card["stage"] == "collected":
        counts["unlabelled"] = examples["target"].null_count
    if "splits" in counts:
        splits = _counted(examples["split"].fill_null("none"))
        counts["splits"] = {name: splits[name] for name in counts["splits"]}
    left = _counted(examples["source"])
    kind = "prepared" if card["stage"] == "prepared" else "rows"
    num_out = held.counts.get(_EXAMPLES, 0) + held.counts.get(_DROPPED, 0)
    dropped = _counted(tables[_DROPPED]["reason"]) if _DROPPED in tables else Counter[str]()
    shown = [
        {**one, "raw": "", "reason": _REASON} if _is_theirs(one["raw"], person) else one
        for one in card.get("broken", ())
    ]
    return {
        **card,
        "counts": counts,
        "sources": [{**one, kind: left[one["path"]]} for one in card["sources"]],
        "dropped": {reason: dropped[reason] for reason in sorted(dropped)},
        "broken": shown,
        "findings": [
            one for one in card.get("findings", ()) if str(Finding(**one)) not in held.notes
        ],
        "notes": [note for note in card.get("notes", ()) if note not in held.notes],
        "suppressed": card.get("suppressed", 0) + num_out,
        "erased": card.get("erased", 0) + held.num_rows,
    }
