"""Collect: files and feedback become one Dataset of raw rows with stable names.

What rows say goes through a scratch file, some rows at a time; in memory is what `ROWS` lists.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from volano.compute import in_order, workers_for
from volano.core.encoding import decode
from volano.core.errors import DataError
from volano.core.hashing import to_json
from volano.core.nouns import Dataset
from volano.data.columns import hash_rows, require_column, settle_kinds, unite_kinds
from volano.data.feeding import (
    Opinions,
    cast_like,
    count_changes,
    fields_table,
    lay_over,
    left_behind,
    said_of,
)
from volano.data.frame import DROPPED, Finding, dropped_table
from volano.data.memory import SUPPRESSED
from volano.data.naming import Read, hash_part, hashes_of, name_rows
from volano.data.reads import columns_read, require_fields
from volano.data.rows import LabelCells, Part, broken_rows, keep_rows, read_part
from volano.data.sources import READERS, read_source
from volano.data.sources.batch import require_file
from volano.data.sources.files import hash_source, size_of
from volano.data.sources.snapshots import facts_about
from volano.data.spool import Spool, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.data.config import DataConfig, SourceConfig
    from volano.data.rows import Kept
    from volano.data.sources import BrokenRow, Reader
    from volano.data.targets import Targets
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import Task

__all__ = ["TURN_FACTS", "CollectFeed", "collect"]

# What a card says about this turn rather than about the rows. The store keeps the first card of a
# content, so these are read from what ``collect`` and ``prepare`` return, never from an artifact
# that was opened again.
TURN_FACTS = ("changes", "feedback", "suppressed", "days")
_NO_LABEL = "{count} rows have no label; they are kept, and are in no split."
_NO_LABEL_NEEDED = (
    "{count} rows have no label; none is needed, and they are learnt from like others."
)
_MANY_BROKEN = 0.05
_SHOWN_BROKEN = 20
_SHOWN_RAW = 200
_COMPRESSION = "zstd"
_GUESSED = (
    "Rows of {path} were read as {encoding}, which is a guess: look at a few of them. If they are "
    "right, name it at the source: encoding: {encoding}"
)
_MISFITS = "{count} cells of feedback are no value of their column and are left empty: {names}"
_LACKING = "{path} lacks columns that other sources have, so its rows have no value there: {names}"
_COLUMNS = (
    "The columns are not those of the last turn. Came: {came}. Went: {went}. Of another kind: "
    "{kinds}."
)
_BROKEN = pa.schema(
    [("source", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())]
)
_BROKEN_AT_ONCE = 4_000_000  # characters
_ROW_BYTES = 128  # of a short row in a file


@dataclass(frozen=True)
class CollectFeed:
    """What collecting takes in besides the files.

    Attributes:
        root: the project folder, which paths are relative to.
        previous: the Dataset collected in the turn before.
        feedback: reviewed feedback, as a Dataset.
        suppressed: SHA-256 of the subjects whose rows must not come back.
        readers: the reader for each ending of a file name.
        paths: the local copy of each source that is no file of the project folder.
    """

    root: Path
    previous: Dataset | None = None
    feedback: Dataset | None = None
    suppressed: frozenset[str] = frozenset()
    readers: Mapping[str, Reader] = field(default_factory=lambda: READERS)
    paths: Mapping[str, Path] = field(default_factory=dict)


class _Broken:
    """Rows that cannot be read, on their way to ``broken.parquet``: the first, and counts."""

    def __init__(self, path: Path) -> None:
        self.first: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._size = 0
        self._file = pq.ParquetWriter(path, _BROKEN, compression=_COMPRESSION)

    def add(self, source: str, rows: Iterable[BrokenRow]) -> None:
        """Keep rows of a source that could not be read."""
        for row in rows:
            self._rows.append({"source": source, **asdict(row)})
            self._size += len(row.raw) + 100
            self.counts[source] += 1
            if len(self.first) < _SHOWN_BROKEN:
                self.first.append({**self._rows[-1], "raw": row.raw[:_SHOWN_RAW]})
            if self._size > _BROKEN_AT_ONCE:
                self._write()

    def _write(self) -> None:
        self._file.write_table(pa.Table.from_pylist(self._rows, _BROKEN))
        self._rows, self._size = [], 0

    def close(self) -> None:
        """Write what is left."""
        if self._rows or not self.counts:
            self._write()
        self._file.close()


class _Gathered:
    """What the sources gave so far: rows in the spool, and what is told of them."""

    def __init__(self, config: DataConfig, scratch: Path, draft: Path) -> None:
        self.config = config
        self.spool = Spool(scratch)
        self.broken = _Broken(draft / "broken.parquet")
        self.dropped = pq.ParquetWriter(
            draft / "dropped.parquet", DROPPED, compression=_COMPRESSION
        )
        self.names = [source.path for source in config.sources]
        self.parts: list[Part] = []
        self.cards: dict[str, dict[str, Any]] = {}
        self.misfits: dict[str, int] = {}
        self.of_feedback: tuple[pa.Schema, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """The columns that some source has today."""
        today = self.parts[: len(self.config.sources)]
        return tuple(dict.fromkeys(name for part in today for name in part.kinds.names))

    def kinds(self) -> pa.Schema:
        """The columns of all that was gathered."""
        schemas = [*(part.kinds for part in self.parts), *self.of_feedback]
        kinds = unite_kinds(schemas)
        if not kinds.names:
            raise DataError("no source has a column", where="data.sources", fix="check the files")
        return _settled(kinds, schemas, self.spool)


def collect(
    config: DataConfig, task: Task, feed: CollectFeed, store: ArtifactStore, events: Events
) -> Dataset:
    """Read every source into one Dataset.

    Args:
        config: the sources and what their columns mean.
        task: reads the label cells.
        feed: the project folder, the Dataset before, feedback, suppressed subjects.
        store: where the Dataset is kept.
        events: told of progress and of broken rows.

    Raises:
        ConfigError: no text column, no target where the task needs one, or fields of another kind
            of work.
        DataError: a file cannot be read, or lacks a column.
    """
    require_fields(config.fields, task)
    cells = LabelCells(task, _label_names(task, feed.root))
    with store.draft() as scratch, store.draft() as draft:
        gathered = _Gathered(config, scratch, draft)
        for number, source in enumerate(config.sources):
            events.progress(f"reading {source.path}", number, len(config.sources))
            gathered.parts.append(_gather(gathered, source, number, feed))
        keys = {source.key for source in config.sources}
        reads = columns_read(config.fields, task, gathered.columns(), keys)
        rows, said, kept = _read_rows(gathered, cells, feed, events)
        opinions, said = _opinions(gathered, feed, said)
        overlay = lay_over(rows, opinions, gathered.parts, config.fields, cells, gathered.names)
        ordered = _in_order(overlay.rows)
        _require_rows(ordered, gathered)
        card = _card(ordered, gathered, kept, reads)
        findings = _findings(ordered, gathered, card, feed.previous, task)
        for finding in findings:
            is_plain = finding.kind == "info" and not task.needs_target
            (events.note if is_plain else events.warn)(str(finding))
        card |= {
            "suppressed": kept.num_suppressed + overlay.num_suppressed,
            "days": 0.0,  # they are counted over training rows, once there are any
            "changes": count_changes(ordered, said, cells.targets, feed.previous),
            "feedback": {
                "replaced": overlay.num_replaced,
                "added": overlay.num_added,
                "example-gone": overlay.num_gone,
            },
            "findings": [finding.to_dict() for finding in findings],
            "notes": [str(finding) for finding in findings],
        }
        _write_examples(draft / "examples.parquet", ordered, gathered, cells.targets, task)
        gathered.broken.close()
        gathered.dropped.close()
        if feed.suppressed:
            # Part of the Dataset's name: an erasure makes what is built on it be made again.
            (draft / SUPPRESSED).write_text(to_json(sorted(feed.suppressed)), "utf-8")
        return replace(store.keep(Dataset, draft, card), card=card)


def _label_names(task: Task, root: Path) -> tuple[str, ...]:
    """The names of labels that sources write as numbers: line n of a file names label n - 1."""
    if not task.labels.names:
        return ()
    path = root / task.labels.names
    require_file(path)
    text = decode(path.read_bytes(), str(path)).text.removeprefix("\ufeff")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _gather(gathered: _Gathered, source: SourceConfig, order: int, feed: CollectFeed) -> Part:
    """Put the rows of a source into the spool."""
    path = feed.paths.get(source.path, feed.root / source.path)
    first = len(gathered.spool)
    schemas: dict[pa.Schema, None] = {}  # a set that keeps its order
    lines: list[NDArray[np.int64]] = []
    facts: dict[str, str] = {}
    broken: list[int] = []

    def tables() -> Iterator[pa.Table]:
        for batch in read_source(path, source, feed.readers):
            gathered.spool.add(batch.table)
            schemas[batch.table.schema.remove_metadata()] = None
            lines.append(batch.lines)
            facts.update(batch.facts)
            gathered.broken.add(source.path, batch.broken)
            broken.append(len(batch.broken))
            yield batch.table

    # While this process reads, others name what was read.
    wanted = hashes_of(source.key, said=feed.previous is not None)
    workers = workers_for(size_of(path) // _ROW_BYTES if path.exists() else 0)
    target = gathered.config.fields.target
    hashes = list(in_order(hash_part, tables(), target, *wanted, workers=workers))
    kinds = _kinds_of(list(schemas), gathered.spool, first)
    all_lines = np.concatenate(lines) if lines else np.zeros(0, np.int64)
    _require_columns(gathered, source, kinds, all_lines, feed.previous)
    mixed = [facts["mixed"]] if "mixed" in facts else []
    mixed += [name for name in kinds.names if _is_mixed(name, kinds, list(schemas))]
    gathered.cards[source.path] = {
        **source.model_dump(mode="json", include={"path", "licence", "mode", "split", "key"}),
        **facts,
        **({"mixed": ", ".join(dict.fromkeys(mixed))} if mixed else {}),
        **facts_about(path),
        "sha256": hash_source(path),
        "read": len(all_lines) + sum(broken),
    }
    slices = gathered.spool.slices(kinds, first, len(gathered.spool))
    # What a row says has one hash in whatever order its columns come; another kind may say it anew.
    is_cast = any(
        one.type != kinds.field(one.name).type and not types.is_null(one.type)
        for schema in schemas
        for one in schema
    )
    return Part(
        first,
        slices,
        kinds,
        all_lines,
        order,
        source.split or None,
        source.key,
        hashes=None if is_cast else tuple(hashes),
    )


def _kinds_of(schemas: Sequence[pa.Schema], spool: Spool, first: int) -> pa.Schema:
    """The columns of one source, whose batches may differ; other sources may fill empty ones."""
    return _settled(unite_kinds(schemas, is_whole=False), schemas, spool, first)


def _settled(
    kinds: pa.Schema, schemas: Sequence[pa.Schema], spool: Spool, first: int = 0
) -> pa.Schema:
    """Look at the rows only where whole numbers are to become floats."""
    is_risky = any(
        types.is_integer(kind) and types.is_floating(kinds.field(name).type)
        for schema in schemas
        for name, kind in zip(schema.names, schema.types, strict=True)
    )
    if not is_risky:
        return kinds
    rows = spool.slices(None, first, len(spool))
    return settle_kinds(kinds, (table for _, table in rows))


def _is_mixed(name: str, kinds: pa.Schema, schemas: Sequence[pa.Schema]) -> bool:
    """Whether values had to become JSON text to stand together."""
    found = {schema.field(name).type for schema in schemas if name in schema.names}
    return types.is_string(kinds.field(name).type) and not all(
        types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)
        for kind in found
    )


def _require_columns(
    gathered: _Gathered,
    source: SourceConfig,
    kinds: pa.Schema,
    lines: NDArray[np.int64],
    previous: Dataset | None,
) -> None:
    fields = gathered.config.fields
    before = previous.card.get("schema", {}).get("columns", {}) if previous else {}
    line = 1 if source.header or not len(lines) else int(lines[0])
    named = [*fields.texts, *fields.columns, fields.target, fields.group, fields.subject]
    named += [fields.time, source.key]
    for column in filter(None, named):
        require_column(column, kinds.names, where=f"{source.path}:{line}", before=before)


def _read_rows(
    gathered: _Gathered, cells: LabelCells, feed: CollectFeed, events: Events
) -> tuple[pa.Table, NDArray[np.uint8] | None, Kept]:
    """The rows that can be kept, what each place says, and what became of the others."""
    config, is_asked = gathered.config, feed.previous is not None

    def read(part: Part) -> Read:
        name = gathered.names[part.source]

        def tell(done: int) -> None:
            events.progress(f"naming rows of {name}", done, len(part))

        return read_part(part, config.fields, cells, tell, said=is_asked)

    found = [read(part) for part in gathered.parts]
    paths = [gathered.names[part.source] for part in gathered.parts]
    tables = name_rows(found, paths)
    if feed.previous is not None:
        before = feed.previous
        pairs = list(zip(gathered.parts, tables, config.sources, strict=True))
        for part, table, source in sorted(pairs, key=lambda one: one[2].path):
            if source.mode == "append":
                args = (config.fields, gathered.spool, source.path)
                left = left_behind(before, part, table, *args)
                if left is not None:
                    gathered.parts.append(left)
                    found.append(read(left))
                    tables.append(found[-1].rows)
    rows = pa.concat_tables(tables)
    has_key = np.concatenate([one.has_key for one in found])
    kept = keep_rows(rows, has_key, feed.suppressed)
    _set_aside(gathered, rows, kept, found, cells)
    said = [one.said for one in found if one.said is not None]
    return kept.rows, np.concatenate(said) if said else None, kept


def _set_aside(
    gathered: _Gathered, rows: pa.Table, kept: Kept, found: Sequence[Read], cells: LabelCells
) -> None:
    """Write down rows whose key stands again, and rows whose label cannot be read."""
    start = 0
    for part, one in zip(gathered.parts, found, strict=True):
        end, name = start + len(part), gathered.names[part.source]
        low, high = np.searchsorted(kept.twice, [start, end])
        twice, again = kept.twice[low:high], kept.stands_again[low:high]
        for window, fields in part.slices.windows(twice - start + part.first):
            here = rows.take(pa.array(twice[window]))
            lines = rows["line"].take(pa.array(again[window])).to_pylist()
            keys = one.keys.take(pa.array(twice[window] - start)).to_pylist() if one.keys else []
            details = [
                f"key {key!r} stands again at {name}:{line}"
                for key, line in zip(keys, lines, strict=True)
            ]
            reasons = ["duplicate-key"] * len(here)
            here = here.set_column(2, "source", pa.repeat(name, len(here)))
            gathered.dropped.write_table(dropped_table(here, reasons, details, fields))
        low, high = np.searchsorted(kept.broken, [start, end])
        broken = kept.broken[low:high]
        for window, fields in part.slices.windows(broken - start + part.first):
            here = rows.take(pa.array(broken[window]))
            gathered.broken.add(name, broken_rows(here, fields, cells.faults))
        start = end


def _opinions(
    gathered: _Gathered, feed: CollectFeed, said: NDArray[np.uint8] | None
) -> tuple[Opinions, NDArray[np.uint8] | None]:
    """Feedback, its fields in the spool, and what each place says now that they are there."""
    if feed.feedback is None:
        return Opinions(), said
    fields, gathered.misfits = cast_like(fields_table(feed.feedback), gathered.kinds())
    rows = said_of(feed.feedback, fields, len(gathered.spool), gathered.config.fields.time)
    gathered.spool.add(fields)
    gathered.of_feedback = (fields.schema,)
    if said is not None:
        said = np.concatenate([said, hash_rows(fields)])
    return Opinions(rows, feed.suppressed), said


def _in_order(rows: pa.Table) -> pa.Table:
    """By source, line and id; files are read in that order, so mostly nothing moves."""
    order, line = (rows[name].to_numpy() for name in ("order", "line"))
    is_next = (order[1:] > order[:-1]) | (order[1:] == order[:-1]) & (line[1:] > line[:-1])
    if is_next.all():
        return rows
    return rows.sort_by([(name, "ascending") for name in ("order", "line", "id")])


def _require_rows(rows: pa.Table, gathered: _Gathered) -> None:
    if rows.num_rows:
        return
    first = gathered.broken.first[0] if gathered.broken.first else None
    raise DataError(
        "no row can be used: {reason}" if first else "no row can be used",
        where=f"{first['source']}:{first['line']}" if first else "data.sources",
        fix="check delimiter, quoting and labels of the source",
        reason=first["reason"] if first else "",
    )


def _findings(
    rows: pa.Table,
    gathered: _Gathered,
    card: Mapping[str, Any],
    previous: Dataset | None,
    task: Task,
) -> list[Finding]:
    findings = []
    broken = gathered.broken.counts
    for path, one in gathered.cards.items():
        if broken[path]:
            share = broken[path] / max(one["read"], 1)
            values = {"count": broken[path], "path": path, "share": round(share, 4)}
            text = "{count} rows of {path} cannot be read ({share:.1%}); they are kept aside."
            findings.append(Finding("bad" if share > _MANY_BROKEN else "warn", text, values))
        if "mixed" in one:
            text = "Columns of {path} mix kinds of values and are kept as JSON text: {names}"
            findings.append(Finding("info", text, {"path": path, "names": one["mixed"]}))
        if "guessed_encoding" in one:
            values = {"path": path, "encoding": one["guessed_encoding"]}
            findings.append(Finding("warn", _GUESSED, values))
    for part in gathered.parts[: len(gathered.config.sources)]:
        lacking = [name for name in card["schema"]["reads"] if name not in part.kinds.names]
        if lacking:
            values = {"path": gathered.names[part.source], "names": ", ".join(lacking)}
            findings.append(Finding("warn", _LACKING, values))
    if previous is not None:
        findings += _other_columns(card["schema"]["columns"], previous)
    if gathered.misfits:
        values = {"count": sum(gathered.misfits.values()), "names": ", ".join(gathered.misfits)}
        findings.append(Finding("warn", _MISFITS, values))
    unlabelled = card["counts"]["unlabelled"]
    if unlabelled:
        text = _NO_LABEL if task.needs_target else _NO_LABEL_NEEDED
        findings.append(Finding("info", text, {"count": unlabelled}))
    return findings


def _other_columns(now: Mapping[str, str], previous: Dataset) -> list[Finding]:
    """What became of the columns of the turn before; a spare column is easily renamed unseen."""
    before = previous.card.get("schema", {}).get("columns")
    if before is None or before == now:
        return []
    kinds = [
        f"{name} ({before[name]} → {kind})"
        for name, kind in now.items()
        if before.get(name, kind) != kind
    ]
    came, went = (
        [n for n in one if n not in other] for one, other in ((now, before), (before, now))
    )
    if not (came or went or kinds):
        return []
    values = {"came": came, "went": went, "kinds": kinds}
    return [Finding("warn", _COLUMNS, {k: ", ".join(v) or "–" for k, v in values.items()})]


def _card(rows: pa.Table, gathered: _Gathered, kept: Kept, reads: Sequence[str]) -> dict[str, Any]:
    config, broken = gathered.config, gathered.broken.counts
    collected = np.bincount(rows["source"].to_numpy(), minlength=len(gathered.names)).tolist()
    labelled = int((rows["label"].to_numpy() >= 0).sum())
    return {
        "stage": "collected",
        "sources": [
            {**card, "broken": broken[path], "rows": collected[gathered.names.index(path)]}
            for path, card in gathered.cards.items()
        ],
        "schema": {
            "fields": {**config.fields.model_dump(mode="json"), "text": list(config.fields.texts)},
            "columns": {one.name: str(one.type) for one in gathered.kinds()},
            "reads": list(reads),
        },
        "counts": {
            "read": sum(card["read"] for card in gathered.cards.values()),
            "broken": broken.total(),
            "rows": rows.num_rows,
            "labelled": labelled,
            "unlabelled": rows.num_rows - labelled,
        },
        "dropped": {"duplicate-key": len(kept.twice)} if len(kept.twice) else {},
        "broken": gathered.broken.first,
    }


def _write_examples(
    path: Path, rows: pa.Table, gathered: _Gathered, targets: Targets, task: Task
) -> None:
    """The rows with what they say, some at a time."""
    config = gathered.config
    # What alters the meaning of the rows is part of the file, and so of the Dataset's name.
    licences = {source.path: source.licence for source in config.sources}
    meaning = {"fields": config.fields.model_dump(mode="json"), "licences": licences}
    kinds, names = gathered.kinds(), pa.array(gathered.names, pa.string())
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("fields", pa.struct(list(kinds))),
            ("target", task.target_type),
            ("split", pa.string()),
            ("weight", pa.float64()),
            ("source", pa.string()),
            ("line", pa.int64()),
            *((n, pa.string()) for n in ("subject", "group", "time", "label_from", "picked")),
        ],
        metadata={"volano": to_json(meaning)},
    )

    def tables() -> Iterator[pa.Table]:
        slices = gathered.spool.slices(kinds)
        for window, fields in slices.windows(rows["place"].to_numpy()):
            here = rows.slice(window.start, window.stop - window.start)
            given = {name: here[name] for name in schema.names if name in here.column_names}
            columns = given | {
                "fields": fields.to_struct_array(),
                "target": targets.column(here["label"].to_numpy(), task.target_type),
                "source": names.take(here["source"].combine_chunks()),
            }
            yield pa.table([columns[name] for name in schema.names], schema=schema)

    with pq.ParquetWriter(path, schema, compression=_COMPRESSION) as file:
        write_all(file, tables())
