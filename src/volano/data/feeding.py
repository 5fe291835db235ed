"""Rows that come from Datasets: those an appending source once had, and reviewed feedback."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.subjects import subject_name
from volano.data.columns import content_hash, hash_rows
from volano.data.frame import flat
from volano.data.rows import ROWS, Part
from volano.data.sources.jsonl import as_text
from volano.data.spool import examples_of
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Dataset
    from volano.data.config import FieldsConfig
    from volano.data.rows import LabelCells
    from volano.data.spool import Slices, Spool
    from volano.data.targets import Targets

__all__ = [
    "Opinions",
    "Overlay",
    "Said",
    "cast_like",
    "count_changes",
    "fields_table",
    "lay_over",
    "left_behind",
    "said_of",
]

# Arrow's own errors are among these.
_UNREADABLE = (ValueError, TypeError, NotImplementedError, OverflowError)


@dataclass(frozen=True)
class Said:
    """A row of feedback: what somebody said of an example, or of a prediction.

    ``place`` is where its fields lie in the spool.
    """

    place: int
    id: str
    fields: dict[str, Any]
    source: str
    line: int
    target: tuple[str, ...] | None
    subject: str | None
    group: str | None
    time: str | None
    weight: float
    label_from: str
    picked: str | None
    is_about_example: bool  # a review of a row that must be there, no row of its own


@dataclass(frozen=True)
class Opinions:
    """Feedback as it is laid over rows: the rows of it, and whose must not come back."""

    said: Sequence[Said] = ()
    suppressed: Collection[str] = frozenset()


class Overlay(NamedTuple):
    """Rows with feedback laid over them, and how much of it replaced a label, was added, was not.

    Reviews of rows that are no longer there are ``gone``.
    """

    rows: pa.Table
    num_replaced: int = 0
    num_added: int = 0
    num_gone: int = 0
    num_suppressed: int = 0


def said_of(dataset: Dataset, fields: pa.Table, offset: int, time: str) -> list[Said]:
    """The rows of feedback, whose fields lie in the spool from ``offset`` on.

    A row arose when its column ``time`` says, if it has one, else when it was answered.
    """
    table = dataset.examples.drop_columns("fields")
    pairs = zip(table.to_pylist(), fields.to_pylist(), strict=True)
    return [
        Said(
            place=offset + place,
            id=found["id"],
            fields={name: value for name, value in values.items() if value is not None},
            source=found["source"],
            line=found["line"] or 0,
            target=None if found.get("target") is None else tuple(found["target"]),
            subject=found.get("subject"),
            group=found.get("group"),
            time=found.get("time") if values.get(time) is None else str(values[time]),
            weight=1.0 if found.get("weight") is None else found["weight"],
            label_from=found.get("label_from") or "source",
            picked=found.get("picked"),
            is_about_example=found.get("about") == "example",
        )
        for place, (found, values) in enumerate(pairs)
    ]


def fields_table(dataset: Dataset) -> pa.Table:
    """The raw fields of a small Dataset, without columns that are empty in all rows."""
    table = flat(dataset.examples)
    used = [name for name in table.column_names if table[name].null_count < len(table)]
    return table.select(used)


def left_behind(
    previous: Dataset,
    part: Part,
    named: pa.Table,
    fields: FieldsConfig,
    spool: Spool,
    path: str,
) -> Part | None:
    """Rows that have left the file of a source that only appends, now in the spool.

    Args:
        previous: the Dataset that had them.
        part: the rows of the source today.
        named: the same with their ids.
        fields: which column plays which part.
        spool: where fields lie.
        path: of the source.
    """
    before = examples_of(previous.folder, ["fields"])
    names = _columns_of(previous, ["id", "source", "line"])
    is_of_source = pc.equal(names["source"], path)
    is_left = pc.and_(is_of_source, pc.invert(pc.is_in(names["id"], named["id"])))
    places = np.flatnonzero(is_left.to_numpy())
    if not len(places):
        return None
    # What has got another column is in the file, and not another row.
    fresh = np.flatnonzero(pc.invert(pc.is_in(named["id"], names["id"])).to_numpy())
    places = _without_restated(before, places, part, fresh, fields)
    if not len(places):
        return None
    kinds, first = _used(before, places), len(spool)
    for _, table in before.windows(places):
        spool.add(flat(table).select(kinds.names))
    taken = names.take(pa.array(places))
    return Part(
        first,
        spool.slices(kinds, first, len(spool)),
        kinds,
        taken["line"].fill_null(0).to_numpy(),
        part.source,
        part.split,
        ids=taken["id"],
    )


def _columns_of(dataset: Dataset, columns: Sequence[str]) -> pa.Table:
    return pa.concat_tables([table for _, table in examples_of(dataset.folder, columns)])


def _used(before: Slices, places: NDArray[np.int64]) -> pa.Schema:
    """The columns of raw fields that are not empty in all of these rows."""
    kinds, used = pa.schema([]), set()
    for _, table in before.windows(places):
        fields = flat(table)
        kinds = fields.schema
        used |= {name for name in kinds.names if fields[name].null_count < len(fields)}
    return pa.schema([one for one in kinds if one.name in used])


def _without_restated(
    before: Slices,
    left: NDArray[np.int64],
    part: Part,
    fresh: NDArray[np.int64],
    fields: FieldsConfig,
) -> NDArray[np.int64]:
    """Places of rows that stand in the source today under no other name."""
    if not len(fresh):
        return left
    shared = _shared(_used(before, left).names, part.kinds.names, fields)
    if not shared:
        return left
    old = [one for _, table in before.windows(left) for one in _digests(flat(table), shared)]
    new = (
        (window.start, _digests(table, shared))
        for window, table in part.slices.windows(fresh + part.first)
    )
    found = _copies(old, new)
    return np.array([place for n, place in enumerate(left.tolist()) if n not in found], np.int64)


def _shared(old: Iterable[str], new: Iterable[str], fields: FieldsConfig) -> set[str]:
    """Columns by which a row is known again: a text is among them, or most columns of a table.

    The label may differ.
    """
    before = set(old) - {fields.target}
    shared = before & set(new)
    is_enough = shared.intersection(fields.texts) or (
        not fields.texts and 2 * len(shared) > len(before)
    )
    return shared if is_enough else set()


def _digests(table: pa.Table, columns: Collection[str]) -> list[bytes]:
    table = table.select([name for name in table.column_names if name in columns])
    digests = hash_rows(table).tobytes()
    return [digests[place : place + 32] for place in range(0, len(digests), 32)]


def _copies(old: Sequence[bytes], new: Iterable[tuple[int, list[bytes]]]) -> dict[int, int]:
    """Rows that stand in a source today under another name, since it has other columns now.

    Numbers of old rows to numbers of new ones that say the same, each once.
    """
    wanted: dict[bytes, deque[int]] = {one: deque() for one in old}
    for start, digests in new:
        for number, one in enumerate(digests, start):
            if one in wanted:
                wanted[one].append(number)
    return {n: copies.popleft() for n, one in enumerate(old) if (copies := wanted[one])}


def lay_over(
    rows: pa.Table,
    opinions: Opinions,
    parts: Sequence[Part],
    fields: FieldsConfig,
    labels: LabelCells,
    names: list[str],
) -> Overlay:
    """Feedback on a row that is there replaces its label; other answers are new rows.

    A review of a row that has left, or whose subject was erased, does not bring it back.

    Args:
        rows: that are there, as `ROWS`.
        opinions: the feedback.
        parts: where what the rows say lies.
        fields: which column plays which part.
        labels: numbers the targets, under today's names.
        names: of sources; it grows by those of feedback that no source has.
    """
    if not opinions.said:
        return Overlay(rows)
    welcome = [
        one
        for one in opinions.said
        if (subject := subject_name(one.subject)) is None
        or hash_subject(subject) not in opinions.suppressed
    ]
    known = _places_of([one.id for one in welcome], rows)
    about = [one for one in welcome if one.is_about_example and one.id not in known]
    known |= _restated(about, rows, parts, fields) if about else {}
    said: dict[int | str, Said] = {known.get(one.id, one.id): one for one in welcome}
    fresh = [said[name] for name in sorted(name for name in said if isinstance(name, str))]
    added = [one for one in fresh if not one.is_about_example]
    known_said = {row: one for row, one in said.items() if isinstance(row, int)}
    corrected = _corrected(rows, known_said, labels)
    tables = [corrected, _added(added, labels, names)]
    return Overlay(
        pa.concat_tables(tables) if added else corrected,
        len(said) - len(fresh),
        len(added),
        len(fresh) - len(added),
        len(opinions.said) - len(welcome),
    )


def _places_of(ids: Sequence[str], rows: pa.Table) -> dict[str, int]:
    """The numbers of the rows with these ids; ids that no row has are left out."""
    found = pc.index_in(rows["id"], pa.array(sorted(set(ids)), pa.string()))
    hits = np.flatnonzero(found.is_valid().to_numpy())
    names = rows["id"].take(pa.array(hits)).to_pylist()
    return dict(zip(names, hits.tolist(), strict=True))


def _restated(
    about: Sequence[Said], rows: pa.Table, parts: Sequence[Part], fields: FieldsConfig
) -> dict[str, int]:
    """Reviews whose row stands there under another name, and the number of that row."""
    old_names = {name for one in about for name in one.fields}
    shared = _shared(old_names, {name for part in parts for name in part.kinds.names}, fields)
    if not shared:
        return {}
    said = ({name: one.fields[name] for name in shared & one.fields.keys()} for one in about)
    old = [bytes.fromhex(content_hash(one)) for one in said]
    found = _copies(old, _digests_of_rows(rows, parts, shared))
    return {about[n].id: row for n, row in found.items()}


def _digests_of_rows(
    rows: pa.Table, parts: Sequence[Part], columns: Collection[str]
) -> Iterator[tuple[int, list[bytes]]]:
    places = rows["place"].to_numpy()
    for part in parts:
        low, high = np.searchsorted(places, [part.first, part.first + len(part)])
        for window, table in part.slices.windows(places[low:high]):
            yield int(low) + window.start, _digests(table, columns)


def _corrected(rows: pa.Table, said: dict[int, Said], labels: LabelCells) -> pa.Table:
    kept = {row: one for row, one in said.items() if labels.today(one.target) >= 0}
    if not kept:
        return rows
    numbers = sorted(kept)
    mask = np.zeros(rows.num_rows, bool)
    mask[numbers] = True
    values = {
        "label": [labels.today(kept[n].target) for n in numbers],
        "label_from": [kept[n].label_from for n in numbers],
        "picked": [kept[n].picked for n in numbers],
        "weight": [kept[n].weight for n in numbers],
    }
    for name, found in values.items():
        place = rows.schema.get_field_index(name)
        given = pa.array(found, ROWS.types[place])
        column = pc.replace_with_mask(rows[name].combine_chunks(), pa.array(mask), given)
        rows = rows.set_column(place, ROWS[place], column)
    return rows


def _added(said: Sequence[Said], labels: LabelCells, names: list[str]) -> pa.Table:
    """Answers as rows; ``names`` of sources grows by those that no source has."""
    sources = len(names)
    numbers = {name: number for number, name in reversed(list(enumerate(names)))}
    rows = []
    for one in said:
        if one.source not in numbers:
            numbers[one.source] = len(names)
            names.append(one.source)
        rows.append(
            {
                **{name: getattr(one, name) for name in ROWS.names if hasattr(one, name)},
                "order": min(numbers[one.source], sources),
                "source": numbers[one.source],
                "label": labels.today(one.target),
            }
        )
    return pa.Table.from_pylist(rows, ROWS)


def cast_like(table: pa.Table, kinds: pa.Schema) -> tuple[pa.Table, dict[str, int]]:
    """Cells of feedback as the kind of value that the source's column holds.

    A form or a spreadsheet knows only text; it must not turn a column of numbers into one of texts.

    Returns:
        The table, and for each column how many cells fit no such value and are null now.
    """
    misfits: dict[str, int] = {}
    for place, name in enumerate(table.column_names):
        number = kinds.get_field_index(name)
        if number < 0 or kinds.types[number] == table.schema.field(name).type:
            continue
        given = table[name].to_pylist()
        cells = _cells_as(given, kinds.types[number])
        table = table.set_column(place, name, cells)
        lost = sum(
            cell not in (None, "") and not kept
            for cell, kept in zip(given, cells.is_valid().to_pylist(), strict=True)
        )
        misfits |= {name: lost} if lost else {}
    return table, misfits


def _cells_as(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return as_text(values).cast(kind)
    return pa.array([_cell_as(value, kind) for value in values], kind)


def _cell_as(value: Any, kind: pa.DataType) -> Any:
    """The value that a text stands for: as Arrow reads it (times), or as JSON (lists, objects)."""
    with suppress(*_UNREADABLE):
        return pa.scalar(value).cast(kind)
    with suppress(*_UNREADABLE):
        if pa.types.is_nested(kind):
            return pa.scalar(json.loads(value), kind)
        return pa.scalar(json.loads(value)).cast(kind)  # a cast refuses to make 3 of 3.7
    return None


def count_changes(
    rows: pa.Table, said: NDArray[np.uint8] | None, targets: Targets, previous: Dataset | None
) -> dict[str, int]:
    """How many rows are new, edited, deleted and kept, against the Dataset before.

    Args:
        rows: of today, as `ROWS`.
        said: what the row at each place says, hashed: (places, 32).
        targets: that the rows' labels are numbers of.
        previous: the Dataset before.
    """
    if previous is None or said is None:
        return {"new": rows.num_rows, "edited": 0, "deleted": 0, "kept": 0}
    ids = _columns_of(previous, ["id"])["id"]
    found = pc.index_in(ids, rows["id"].combine_chunks())
    is_there = found.is_valid().to_numpy()
    here = found.fill_null(0).to_numpy()
    places, labels = rows["place"].to_numpy(), rows["label"].to_numpy()
    edited, start = 0, 0
    for _, table in examples_of(previous.folder, ["target", "fields"]):
        window = slice(start, start + table.num_rows)
        start = window.stop
        numbers, known = here[window], is_there[window]
        is_same = (hash_rows(flat(table)) == said[places[numbers]]).all(axis=1)
        is_same &= targets.numbers(table["target"]) == labels[numbers]
        edited += int((known & ~is_same).sum())
    there = int(is_there.sum())
    return {
        "new": rows.num_rows - there,
        "edited": edited,
        "deleted": len(ids) - there,
        "kept": there - edited,
    }
