"""Prepare: mark, drop with a reason, and split; fields stay as the source wrote them.

What rows say is read from the collected Dataset some at a time; in memory are a few values a row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.core.errors import DataError, Term
from volano.core.nouns import Dataset
from volano.data.collect import TURN_FACTS
from volano.data.config import FieldsConfig
from volano.data.dividing import can_be_held, divide
from volano.data.frame import DROPPED, Frame
from volano.data.memory import SPLITS, SplitMemory, read_suppressed
from volano.data.moments import days_of
from volano.data.naming import digests_of
from volano.data.split import split_numbers
from volano.data.split_rows import FILLED
from volano.data.spool import Spool, examples_of, write_all
from volano.data.steps.duplicates import drop_duplicates
from volano.data.steps.equal_rows import find_equal_rows, mark_rows, note_equal_rows
from volano.data.steps.kinds import find_kinds, sample_rows
from volano.data.steps.leaks import note_leaks
from volano.data.steps.look_alikes import note_look_alikes
from volano.data.steps.near_duplicates import find_near_duplicates
from volano.data.steps.odd_cells import note_odd_cells
from volano.data.steps.old_skills import OLD_SKILLS, retire_tests
from volano.data.steps.rare_labels import drop_rare_labels
from volano.data.steps.table_leaks import note_table_leaks, note_times
from volano.data.steps.texts import drop_empty, mark_texts
from volano.data.steps.wording import KEY, Wording
from volano.data.targets import number_targets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.data.config import PrepareConfig
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import Task

__all__ = ["prepare"]

_COMPRESSION = "zstd"


def prepare(  # noqa: PLR0913 - the contract of a stage: settings, inputs, seed, store, events
    config: PrepareConfig,
    task: Task,
    collected: Dataset,
    previous: Dataset | None,
    seed: int,
    store: ArtifactStore,
    events: Events,
) -> Dataset:
    """Make a collected Dataset ready for training.

    Args:
        config: which rows are dropped and how the rest is split.
        task: the kind of work.
        collected: what ``collect`` made.
        previous: the prepared Dataset of the turn before: its rows keep their split.
        seed: of the project.
        store: where the Dataset is kept.
        events: told what was dropped.

    Raises:
        DataError: nothing is left to train on.
    """
    fields = FieldsConfig.model_validate(collected.card["schema"]["fields"])
    suppressed = read_suppressed(collected)
    wording = Wording(tuple(collected.card["schema"]["reads"]), is_table=task.input == "columns")
    memory = SplitMemory(previous, _known_wording(wording, previous), fields.subject, suppressed)
    frame = _begin(collected, memory, task)
    job = _Job(config, fields, task, wording, memory, collected.folder, store, events)
    frame, pairs = job.tables(frame) if wording.is_table else job.texts(frame)
    needs_target = task.needs_target
    frame = divide(frame, pairs, config.split, fields, seed, needs_target=needs_target)
    _require_rows(frame)
    card = _card(frame, collected, config, task)
    for reason, count in card["dropped"].items():
        events.note(f"{count} rows dropped: {reason}")
    for finding in frame.findings:
        if finding.kind in {"warn", "bad"}:
            events.warn(str(finding))
    retired = retire_tests(frame, previous, memory.wording, fields.subject, suppressed)
    card["counts"]["old_skills"] = retired.num_rows
    absent = memory.absent(frame["id"].filter(pc.is_valid(frame["split"])))
    with store.draft() as draft:
        _write(draft, frame, collected)
        for name, rows in {OLD_SKILLS: retired, SPLITS: absent}.items():
            if rows.num_rows:
                pq.write_table(rows, draft / name, compression=_COMPRESSION)
        return replace(store.keep(Dataset, draft, card), card=card)


@dataclass(frozen=True)
class _Job:
    """What is done to rows before they are split: to texts, and to rows of a table."""

    config: PrepareConfig
    fields: FieldsConfig
    task: Task
    wording: Wording
    memory: SplitMemory
    folder: Path
    store: ArtifactStore
    events: Events

    def texts(self, frame: Frame) -> tuple[Frame, NDArray[np.int64]]:
        """The rows that are left, and pairs of near-duplicates among them."""
        config, columns = self.config, self.wording.columns
        with self.store.draft() as scratch:
            keys = Spool(scratch)
            with self.events.running("reading texts"):
                frame = mark_texts(columns, keys)(frame)
            frame = _remember(frame, self.memory, frame["_key"])
            for step in (
                drop_empty,
                drop_duplicates(config.conflicts),
                note_look_alikes,
                drop_rare_labels(config.rare_labels if self.task.needs_target else 0),
                note_leaks(columns, self.fields.target),
            ):
                frame = step(frame)
            with self.events.running("looking for near-duplicates"):
                left = keys.mapped(frame.numbers("_place"))
                names = digests_of(frame["_key"])
                pairs = find_near_duplicates(left["key"], config.near_duplicates, names)
                del left  # the file goes with the scratch folder
        return frame, pairs

    def tables(self, frame: Frame) -> tuple[Frame, NDArray[np.int64]]:
        """The rows that are left, and pairs of rows that are equal in all that is read."""
        minimum = self.config.rare_labels
        with self.events.running("looking at columns"):
            sample = sample_rows(frame, self.wording.columns)
            kinds = find_kinds(self.folder, sample[1], self.fields.kinds)
            frame = note_table_leaks(sample, kinds)(frame)
            frame = note_odd_cells(sample, kinds, self.fields)(frame)
        frame = replace(frame, kinds=kinds)
        with self.events.running("reading rows"):
            # Ids are no features: rows that differ in them alone are equal.
            compared = tuple(name for name, one in kinds.items() if one.kind != "id")
            frame = mark_rows(compared)(frame)
            known = self.memory.wording.columns if self.memory else ()
            if set(known) == set(compared):
                keys = frame["_key"]
            elif known:
                keys = mark_rows(known)(frame)["_key"]
            else:
                keys = pa.chunked_array([pa.nulls(len(frame), KEY)])
        frame = _remember(frame, self.memory, keys)
        if not frame.has_numbers:
            frame = note_look_alikes(frame)
            frame = drop_rare_labels(minimum if self.task.needs_target else 0)(frame)
        frame = note_equal_rows(frame)
        return note_times(self.fields, self.config.split)(frame), find_equal_rows(frame)


def _known_wording(wording: Wording, previous: Dataset | None) -> Wording:
    before = previous.card.get("schema", {}) if previous is not None else {}
    reads = before.get("reads")
    return wording if reads is None else wording.within(reads)


def _begin(collected: Dataset, memory: SplitMemory, task: Task) -> Frame:
    schema = pq.read_schema(collected.folder / "examples.parquet")
    names = [name for name in schema.names if name != "fields"]
    parts = [table for _, table in examples_of(collected.folder, names)]
    table = pa.concat_tables(parts).replace_schema_metadata(None)
    numbers, targets = number_targets(table["target"], task)
    frame = Frame(table, examples_of(collected.folder, ["fields"]), targets)
    given, before = split_numbers(table["split"]), split_numbers(memory.splits_of(table["id"]))
    scratch = {
        "_place": np.arange(len(frame)),
        "_label": numbers,
        "_given": given,
        "_old": np.where(given > 0, 0, before).astype(np.int8),
        "_is_known": before > 0,
    }
    for name, column in scratch.items():
        frame = frame.with_column(name, pa.array(column))
    moved = int(((given > 0) & (before > 0) & (given != before)).sum())
    if moved:
        frame = frame.with_finding(
            "warn",
            "{count} rows changed their split because their file now says so; scores before and "
            "after do not compare.",
            count=moved,
        )
    return frame


def _remember(frame: Frame, memory: SplitMemory, keys: pa.ChunkedArray) -> Frame:
    """A row whose name changed (a column was added, a key was named) keeps the split it had.

    It is known by what it says. Else one more column in the file would shuffle what was trained on
    into the test.
    """
    frame = frame.with_column("_known_key", keys)
    gone = memory.of_texts(frame["id"])
    if not gone:
        return frame
    old = frame.numbers("_old").copy()
    is_new = ~frame.numbers("_is_known") & (frame.numbers("_given") == 0)
    texts = pa.array(list(gone), KEY)
    found = pc.index_in(frame["_known_key"], texts)
    splits = pa.array(gone.values(), pa.string())
    remembered = split_numbers(pa.chunked_array([splits]).take(found))
    remembered[np.isin(remembered, FILLED) & ~can_be_held(frame)] = 0
    old[is_new] = remembered[is_new]
    return frame.with_column("_old", pa.array(old))


def _counts(column: pa.ChunkedArray) -> Counter[str]:
    found = pc.value_counts(column).to_pylist()
    return Counter({one["values"]: one["counts"] for one in found})


def _require_rows(frame: Frame) -> None:
    if not _counts(frame["split"])["train"]:
        counts = ", ".join(f"{reason}: {n}" for reason, n in frame.count_dropped().items())
        raise DataError(
            "no labelled row is left for training ({counts})"
            if counts
            else "no labelled row is left for training (no row has a label)",
            where="prepare",
            fix="check data.fields.target, or loosen prepare.rare_labels and prepare.conflicts",
            counts=counts,
        )


def _card(frame: Frame, collected: Dataset, config: PrepareConfig, task: Task) -> dict[str, Any]:
    before = collected.card
    splits = _counts(frame["split"].fill_null("none"))
    kept = _counts(frame["source"])
    dropped = Counter(before.get("dropped", {}))
    dropped.update(frame.count_dropped())
    findings = [*before.get("findings", []), *(f.to_dict() for f in frame.findings)]
    return {
        **{name: before[name] for name in ("broken", *TURN_FACTS)},
        "stage": "prepared",
        "days": 0.0 if task.labels.alerts.per_day == "off" else days_of(frame),
        "collected": collected.hash,
        "settings": config.model_dump(mode="json"),
        "sources": [{**one, "prepared": kept[one["path"]]} for one in before["sources"]],
        "schema": {**before["schema"], **_kinds(frame)},
        "counts": {
            **before["counts"],
            "rows": len(frame),
            "labelled": int((frame.numbers("_label") >= 0).sum()),
            "splits": {name: splits[name] for name in ("train", "validation", "test", "none")},
        },
        "dropped": {reason: dropped[reason] for reason in sorted(dropped)},
        "findings": findings,
        "notes": [*before["notes"], *(str(finding) for finding in frame.findings)],
    }


def _kinds(frame: Frame) -> dict[str, Any]:
    """What the columns of a table hold, and why, for readers of both languages."""
    found = {
        name: {"kind": one.kind, "because": _in_both(one.because)}
        for name, one in frame.kinds.items()
    }
    return {"kinds": found} if found else {}


def _in_both(text: str) -> dict[str, str]:
    chinese = text.said("zh") if isinstance(text, Term) else text
    return {"en": str(text), "zh": chinese}


def _write(draft: Path, frame: Frame, collected: Dataset) -> None:
    """The rows that are left, with what they say, and those that are not, some at a time."""
    schema = pq.read_schema(collected.folder / "examples.parquet")
    sides = [
        field
        for field in frame.table.schema
        if not field.name.startswith("_") and field.name not in schema.names
    ]
    for side in sides:
        schema = schema.append(side)

    def tables() -> Iterator[pa.Table]:
        for window, fields in frame.fields.windows(frame.numbers("_place")):
            here = frame.table.slice(window.start, window.stop - window.start)
            columns = [(fields if n == "fields" else here)[n] for n in schema.names]
            yield pa.table(columns, schema=schema)

    with pq.ParquetWriter(draft / "examples.parquet", schema, compression=_COMPRESSION) as file:
        write_all(file, tables())
    earlier = pq.ParquetFile(collected.folder / "dropped.parquet")
    with pq.ParquetWriter(draft / "dropped.parquet", DROPPED, compression=_COMPRESSION) as file:
        for number in range(earlier.num_row_groups):
            file.write_table(earlier.read_row_group(number).cast(DROPPED))
        for rows in frame.all_dropped():
            file.write_table(rows)
