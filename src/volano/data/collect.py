"""Collect: files and feedback become one Dataset of raw rows with stable names."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.encoding import decode
from volano.core.errors import ConfigError, DataError
from volano.core.hashing import hash_file, to_json
from volano.core.nouns import Dataset
from volano.core.subjects import subject_name
from volano.data.columns import require_column, unite
from volano.data.feeding import (
    cast_like,
    count_changes,
    fields_table,
    lay_over,
    restated,
    rows_of,
)
from volano.data.frame import DROPPED, Finding
from volano.data.memory import SUPPRESSED
from volano.data.rows import Row, name_rows, read_rows
from volano.data.sources import READERS, read_whole
from volano.data.sources.batch import require_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from volano.core.events import Events
    from volano.data.config import DataConfig, FieldsConfig, SourceConfig
    from volano.data.rows import Kept
    from volano.data.sources import BrokenRow, Reader
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import Task

__all__ = ["TURN_FACTS", "CollectFeed", "collect", "source_fingerprint"]

# What a card says about this turn rather than about the rows. The store keeps the first card of a
# content, so these are read from what ``collect`` and ``prepare`` return, never from an artifact
# that was opened again.
TURN_FACTS = ("changes", "feedback", "suppressed")
_MANY_BROKEN = 0.05
_SHOWN_BROKEN = 20
_COMPRESSION = "zstd"
_GUESSED = (
    "Rows of {path} were read as {encoding}, which is a guess: look at a few of them. If they are "
    "right, name it at the source: encoding: {encoding}"
)
_MISFITS = "{count} cells of feedback are no value of their column and are left empty: {names}"
_BROKEN = pa.schema(
    [("source", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())]
)


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


@dataclass
class _Gathered:
    """What the sources gave so far."""

    tables: list[pa.Table] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    broken: list[dict[str, Any]] = field(default_factory=list)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    misfits: dict[str, int] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """How many rows the tables hold: the place of the next."""
        return sum(table.num_rows for table in self.tables)

    def add_broken(self, source: str, row: BrokenRow) -> None:
        """Keep a row that could not be read."""
        self.broken.append({"source": source, **asdict(row)})


def source_fingerprint(config: DataConfig, root: Path, *, names: str = "") -> dict[str, str]:
    """The hash of each source file, and of the label names file: part of the stage's key.

    Raises:
        DataError: a file is missing, a folder or empty.
    """
    paths = [source.path for source in config.sources] + ([names] if names else [])
    for path in paths:
        require_file(root / path)
    return {path: hash_file(root / path) for path in paths}


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
        ConfigError: no text column, or no target where the task needs one.
        DataError: a file cannot be read, or lacks a column.
    """
    _require_fields(config.fields, task)
    names = _label_names(task, feed.root)
    gathered = _Gathered()
    for number, source in enumerate(config.sources):
        events.progress(f"reading {source.path}", number, len(config.sources))
        _gather(gathered, source, number, config.fields, feed)
    rows = name_rows(gathered.rows, config.fields.target)
    rows += _carried(gathered, rows, config, feed)
    kept = read_rows(rows, config.fields, task, names, feed.suppressed)
    for row, broken in kept.broken:
        gathered.add_broken(row.source, broken)
    feedback = _feedback_rows(gathered, config, feed)
    overlay = lay_over(kept.rows, feedback, config.fields, task, feed.suppressed)
    ordered = sorted(overlay.rows, key=lambda row: (row.order, row.line, row.id))
    _require_rows(ordered, gathered)
    findings = _findings(ordered, gathered)
    for finding in findings:
        events.warn(str(finding))
    card = _card(config, ordered, gathered, kept) | {
        "suppressed": kept.num_suppressed + overlay.num_suppressed,
        "changes": count_changes(ordered, feed.previous),
        "feedback": {
            "replaced": overlay.num_replaced,
            "added": overlay.num_added,
            "example-gone": overlay.num_gone,
        },
        "findings": [finding.to_dict() for finding in findings],
        "notes": [str(finding) for finding in findings],
    }
    dropped = [one.to_dict() for one in kept.dropped]
    tables = {
        "examples": _examples(ordered, gathered, config, task),
        "dropped": pa.Table.from_pylist(dropped, schema=DROPPED),
        "broken": pa.Table.from_pylist(gathered.broken, schema=_BROKEN),
    }
    return _keep(tables, feed.suppressed, card, store)


def _require_fields(fields: FieldsConfig, task: Task) -> None:
    for part, is_named in (("text", fields.texts), ("target", fields.target)):
        if not is_named and (part == "text" or task.needs_target):
            raise ConfigError(
                f"no column is named for the {part}",
                where=f"data.fields.{part}",
                fix=f"data: {{fields: {{{part}: COLUMN}}}}",
            )


def _label_names(task: Task, root: Path) -> tuple[str, ...]:
    """The names of labels that sources write as numbers: line n of a file names label n - 1."""
    if not task.labels.names:
        return ()
    path = root / task.labels.names
    require_file(path)
    text = decode(path.read_bytes(), str(path)).text.removeprefix("\ufeff")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _gather(
    gathered: _Gathered, source: SourceConfig, order: int, fields: FieldsConfig, feed: CollectFeed
) -> None:
    path = feed.paths.get(source.path, feed.root / source.path)
    batch = read_whole(path, source, feed.readers)
    named = [*fields.texts, fields.target, fields.group, fields.subject, fields.time, source.key]
    for column in filter(None, named):
        line = 1 if source.header or not len(batch.lines) else int(batch.lines[0])
        require_column(column, batch.table.column_names, where=f"{source.path}:{line}")
    first = gathered.num_rows
    for place, values in enumerate(batch.table.to_pylist()):
        gathered.rows.append(
            Row(
                place=first + place,
                fields=values,
                source=source.path,
                order=order,
                line=int(batch.lines[place]),
                split=source.split or None,
                key=subject_name(values[source.key]) if source.key else None,
            )
        )
    gathered.tables.append(batch.table)
    for broken in batch.broken:
        gathered.add_broken(source.path, broken)
    gathered.cards[source.path] = {
        **source.model_dump(mode="json", include={"path", "licence", "mode", "split", "key"}),
        **batch.facts,
        "sha256": hash_file(path),
        "read": batch.table.num_rows + len(batch.broken),
    }


def _carried(
    gathered: _Gathered, rows: Sequence[Row], config: DataConfig, feed: CollectFeed
) -> list[Row]:
    """Rows that have left the file of a source that only appends."""
    appending = {source.path for source in config.sources if source.mode == "append"}
    if feed.previous is None or not appending:
        return []
    fields = fields_table(feed.previous)
    before = rows_of(feed.previous, fields, gathered.num_rows, _order(config))
    here, known = {row.id for row in rows}, {row.id for row in before}
    kept = []
    for path in sorted(appending):
        left = [row for row in before if row.source == path and row.id not in here]
        new = [row for row in rows if row.source == path and row.id not in known]
        # What has got another column is in the file, and not another row.
        renamed = restated(left, new, config.fields)
        kept += [row for row in left if row.id not in renamed]
    if kept:
        gathered.tables.append(fields)
    given = {source.path: source.split or None for source in config.sources}
    return [
        replace(row, split=given[row.source], label_from="source", picked=None, weight=1.0)
        for row in kept
    ]


def _feedback_rows(gathered: _Gathered, config: DataConfig, feed: CollectFeed) -> list[Row]:
    if feed.feedback is None:
        return []
    kinds = unite(gathered.tables).type
    fields, gathered.misfits = cast_like(fields_table(feed.feedback), kinds)
    rows = rows_of(feed.feedback, fields, gathered.num_rows, _order(config))
    gathered.tables.append(fields)
    return rows


def _order(config: DataConfig) -> dict[str, int]:
    return {source.path: number for number, source in enumerate(config.sources)}


def _require_rows(rows: Sequence[Row], gathered: _Gathered) -> None:
    if rows:
        return
    first = gathered.broken[0] if gathered.broken else None
    raise DataError(
        f"no row can be used: {first['reason']}" if first else "no row can be used",
        where=f"{first['source']}:{first['line']}" if first else "data.sources",
        fix="check delimiter, quoting and labels of the source",
    )


def _findings(rows: Sequence[Row], gathered: _Gathered) -> list[Finding]:
    findings = []
    broken = Counter(one["source"] for one in gathered.broken)
    for path, card in gathered.cards.items():
        if broken[path]:
            share = broken[path] / max(card["read"], 1)
            values = {"count": broken[path], "path": path, "share": round(share, 4)}
            text = "{count} rows of {path} cannot be read ({share:.1%}); they are kept aside."
            findings.append(Finding("bad" if share > _MANY_BROKEN else "warn", text, values))
        if "mixed" in card:
            text = "Columns of {path} mix kinds of values and are kept as JSON text: {names}"
            findings.append(Finding("info", text, {"path": path, "names": card["mixed"]}))
        if "guessed_encoding" in card:
            values = {"path": path, "encoding": card["guessed_encoding"]}
            findings.append(Finding("warn", _GUESSED, values))
    if gathered.misfits:
        values = {"count": sum(gathered.misfits.values()), "names": ", ".join(gathered.misfits)}
        findings.append(Finding("warn", _MISFITS, values))
    unlabelled = sum(row.target is None for row in rows)
    if unlabelled:
        text = "{count} rows have no label; they are kept, and are in no split."
        findings.append(Finding("info", text, {"count": unlabelled}))
    return findings


def _card(
    config: DataConfig, rows: Sequence[Row], gathered: _Gathered, kept: Kept
) -> dict[str, Any]:
    broken = Counter(one["source"] for one in gathered.broken)
    collected = Counter(row.source for row in rows)
    read = sum(card["read"] for card in gathered.cards.values())
    return {
        "stage": "collected",
        "sources": [
            {**card, "broken": broken[path], "rows": collected[path]}
            for path, card in gathered.cards.items()
        ],
        "schema": {
            "fields": {**config.fields.model_dump(mode="json"), "text": list(config.fields.texts)},
            "columns": {one.name: str(one.type) for one in unite(gathered.tables).type},
        },
        "counts": {
            "read": read,
            "broken": len(gathered.broken),
            "rows": len(rows),
            "labelled": sum(row.target is not None for row in rows),
            "unlabelled": sum(row.target is None for row in rows),
        },
        "dropped": dict(sorted(Counter(one.reason for one in kept.dropped).items())),
        "broken": [{**one, "raw": one["raw"][:200]} for one in gathered.broken[:_SHOWN_BROKEN]],
    }


def _examples(rows: Sequence[Row], gathered: _Gathered, config: DataConfig, task: Task) -> pa.Table:
    places = pa.array([row.place for row in rows], pa.int64())
    columns: dict[str, Any] = {
        "id": pa.array([row.id for row in rows], pa.string()),
        "fields": unite(gathered.tables).take(places),
        "target": pa.array([row.target for row in rows], task.target_type),
        "split": pa.array([row.split for row in rows], pa.string()),
        "weight": pa.array([row.weight for row in rows], pa.float64()),
        "source": pa.array([row.source for row in rows], pa.string()),
        "line": pa.array([row.line for row in rows], pa.int64()),
    }
    for name in ("subject", "group", "time", "label_from", "picked"):
        columns[name] = pa.array([getattr(row, name) for row in rows], pa.string())
    # What alters the meaning of the rows is part of the file, and so of the Dataset's name.
    meaning = {"fields": config.fields.model_dump(mode="json"), "licences": _licences(config)}
    return pa.table(columns).replace_schema_metadata({"volano": to_json(meaning)})


def _licences(config: DataConfig) -> dict[str, str]:
    return {source.path: source.licence for source in config.sources}


def _keep(
    tables: Mapping[str, pa.Table],
    suppressed: frozenset[str],
    card: dict[str, Any],
    store: ArtifactStore,
) -> Dataset:
    with store.draft() as draft:
        for name, table in tables.items():
            pq.write_table(table, draft / f"{name}.parquet", compression=_COMPRESSION)
        if suppressed:
            # Part of the Dataset's name: an erasure makes what is built on it be made again.
            (draft / SUPPRESSED).write_text(to_json(sorted(suppressed)), "utf-8")
        return replace(store.keep(Dataset, draft, card), card=card)
