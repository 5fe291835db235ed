"""Prepare: mark, drop with a reason, and split; fields stay as the source wrote them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.errors import DataError
from volano.core.nouns import Dataset
from volano.data.collect import TURN_FACTS
from volano.data.config import FieldsConfig
from volano.data.frame import Frame
from volano.data.memory import SPLITS, SplitMemory, hash_text, read_suppressed
from volano.data.moments import read_moments
from volano.data.split import HELD, SplitRow, assign
from volano.data.steps.duplicates import drop_duplicates
from volano.data.steps.leaks import note_leaks
from volano.data.steps.look_alikes import note_look_alikes
from volano.data.steps.near_duplicates import find_near_duplicates, name_clusters
from volano.data.steps.old_skills import OLD_SKILLS, retire_tests
from volano.data.steps.rare_labels import drop_rare_labels
from volano.data.steps.texts import drop_empty, mark_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.events import Events
    from volano.data.config import PrepareConfig
    from volano.data.frame import Step
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import Task

__all__ = ["prepare"]

_SMALL_TEST = 100
_LARGE_UNIT = 0.1
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
    memory = SplitMemory(previous, fields, suppressed)
    frame = _begin(collected, memory)
    frame = mark_texts(fields.texts)(frame)
    frame = _remember_texts(frame, memory)
    for step in _steps(config, fields, task):
        frame = step(frame)
    with events.running("looking for near-duplicates"):
        pairs = find_near_duplicates(frame.column("_key"), config.near_duplicates)
    frame = _split(frame, pairs, config, fields, seed)
    _require_rows(frame)
    card = _card(frame, collected, config)
    for reason, count in card["dropped"].items():
        events.note(f"{count} rows dropped: {reason}")
    for finding in frame.findings:
        if finding.kind in {"warn", "bad"}:
            events.warn(str(finding))
    retired = retire_tests(frame, previous, fields, suppressed)
    card["counts"]["old_skills"] = retired.num_rows
    placed = zip(frame.column("id"), frame.column("split"), strict=True)
    absent = memory.absent({name for name, split in placed if split is not None})
    return _keep(frame, collected, card, {OLD_SKILLS: retired, SPLITS: absent}, store)


def _steps(config: PrepareConfig, fields: FieldsConfig, task: Task) -> tuple[Step, ...]:
    return (
        drop_empty,
        drop_duplicates(config.conflicts),
        note_look_alikes,
        drop_rare_labels(config.rare_labels if task.needs_target else 0),
        note_leaks(fields.texts, fields.target),
    )


def _begin(collected: Dataset, memory: SplitMemory) -> Frame:
    table = collected.examples
    ids = table["id"].to_pylist()
    before = memory.splits
    given = [split or "" for split in table["split"].to_pylist()]
    old = ["" if now else before.get(name) or "" for name, now in zip(ids, given, strict=True)]
    frame = Frame(table.replace_schema_metadata(None))
    moved = sum(
        bool(now and before.get(name) and before[name] != now)
        for name, now in zip(ids, given, strict=True)
    )
    frame = frame.with_column("_given", given, pa.string()).with_column("_old", old, pa.string())
    if moved:
        frame = frame.with_finding(
            "warn",
            "{count} rows changed their split because their file now says so; scores before and "
            "after do not compare.",
            count=moved,
        )
    return frame


def _remember_texts(frame: Frame, memory: SplitMemory) -> Frame:
    """A row whose name changed (a column was added, a key was named) keeps the split of its text.

    Else one more column in the file would shuffle what was trained on into the test.
    """
    gone = memory.of_texts(set(frame.column("id")))
    if not gone:
        return frame
    names = ("id", "_key", "_given", "_old", "label_from", "picked")
    rows = zip(*(frame.column(name) for name in names), strict=True)
    old = []
    for name, key, given, kept, came, picked in rows:
        is_new = name not in memory.splits and not given
        split = gone.get(hash_text(key), "") if is_new else kept
        old.append("" if split in HELD and not kept and not _can_be_held(came, picked) else split)
    return frame.with_column("_old", old, pa.string())


def _split(
    frame: Frame,
    pairs: Sequence[tuple[int, int]],
    config: PrepareConfig,
    fields: FieldsConfig,
    seed: int,
) -> Frame:
    """Divide the rows by the law, drop those without a place, and name the clusters."""
    rows = _split_rows(frame, config, fields)
    assigned = assign(rows, pairs, config.split, seed)
    splits = assigned.splits
    is_near = _near_training(rows, splits, pairs, assigned.dropped)
    kept = [pair for pair in pairs if not any(place in assigned.dropped for place in pair)]
    frame = (
        frame.with_column("split", splits, pa.string())
        .with_column("cluster", name_clusters(frame.column("id"), kept), pa.string())
        .with_column("near_train", is_near, pa.bool_())
    )
    frame = _note_split(frame, rows, config)
    return frame.drop(assigned.dropped)


def _split_rows(frame: Frame, config: PrepareConfig, fields: FieldsConfig) -> list[SplitRow]:
    units = _units(frame, config.split.together, fields)
    times: list[str | None] = frame.column("time")
    lines = list(zip(frame.column("source"), frame.column("line"), strict=True))
    moments = read_moments(times, lines) if config.split.by_time else [None] * len(frame)
    if config.split.by_time and not any(times):
        raise DataError(
            "the split is by time, and no row has a time",
            where="prepare.split.by_time",
            fix="name the column: data.fields.time",
        )
    names = ("id", "target", "_given", "_old", "label_from", "picked")
    columns = (frame.column(name) for name in names)
    return [
        SplitRow(
            id=name,
            labels=tuple(target or ()),
            given=given,
            old=old,
            can_be_held=_can_be_held(came, picked),
            is_from_source=came == "source",
            unit=units[place],
            moment=moments[place],
        )
        for place, (name, target, given, old, came, picked) in enumerate(zip(*columns, strict=True))
    ]


def _can_be_held(label_from: str, picked: str | None) -> bool:
    """What users or an active learner chose is no fair sample; a random pick is."""
    if picked == "informative" or label_from == "feedback":
        return False
    return label_from == "source" or picked == "random"


def _units(frame: Frame, together: str, fields: FieldsConfig) -> list[str]:
    if together == "none" or (together == "auto" and not fields.subject):
        return [""] * len(frame)
    column = "subject" if together == "auto" else together
    if column in {"subject", "group"}:
        return [value or "" for value in frame.column(column)]
    from volano.data.columns import require_column

    rows = frame.column("fields")
    require_column(column, tuple(rows[0]) if rows else (), where="prepare.split.together")
    return ["" if row[column] is None else str(row[column]) for row in rows]


def _near_training(
    rows: Sequence[SplitRow],
    splits: Sequence[str | None],
    pairs: Sequence[tuple[int, int]],
    dropped: Mapping[int, Any],
) -> list[bool]:
    """Test rows of a given file that have a near-duplicate in training."""
    is_near = [False] * len(rows)
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            if rows[one].given == "test" and splits[other] == "train" and other not in dropped:
                is_near[one] = True
    return is_near


def _note_split(frame: Frame, rows: Sequence[SplitRow], config: PrepareConfig) -> Frame:
    splits = frame.column("split")
    num_near = sum(frame.column("near_train"))
    if num_near:
        frame = frame.with_finding(
            "warn",
            "{count} rows of the test file are near-duplicates of training rows; they stay, marked "
            "near_train, and the report can leave them out.",
            count=num_near,
        )
    num_test = splits.count("test")
    if num_test < _SMALL_TEST:
        frame = frame.with_finding(
            "warn" if num_test else "bad",
            "The test set has {count} rows: intervals will be wide, and small gains go unseen.",
            count=num_test,
        )
    tested = {
        label
        for row, split in zip(rows, splits, strict=True)
        if split == "test"
        for label in row.labels
    }
    untested = sorted({label for row in rows for label in row.labels} - tested)
    if untested and num_test:
        frame = frame.with_finding(
            "info",
            "{count} labels have no test row: {names}",
            count=len(untested),
            names=", ".join(untested[:10]) + (" …" if len(untested) > 10 else ""),
        )
    return _note_units(frame, rows, splits, config)


def _note_units(
    frame: Frame, rows: Sequence[SplitRow], splits: Sequence[str | None], config: PrepareConfig
) -> Frame:
    clusters = Counter(name for name in frame.column("cluster") if name)
    units = Counter(row.unit for row in rows if row.unit)
    largest = max([*clusters.values(), *units.values()], default=0)
    if largest > max(10, _LARGE_UNIT * len(rows)):
        frame = frame.with_finding(
            "warn",
            "One unit that must stay together holds {count} of {total} rows, so the split cannot "
            "have the shares asked for.",
            count=largest,
            total=len(rows),
        )
    held: dict[str, set[str]] = {split: set() for split in ("train", *HELD)}
    for row, split in zip(rows, splits, strict=True):
        if row.unit and split:
            held[split].add(row.unit)
    both = len(held["train"] & (held["test"] | held["validation"]))
    if both and any(row.given for row in rows):
        frame = frame.with_finding(
            "warn",
            "{count} values of {together} stand in training and in a given test or "
            "validation file.",
            count=both,
            together=config.split.together,
        )
    return frame


def _require_rows(frame: Frame) -> None:
    if "train" not in frame.column("split"):
        counts = ", ".join(f"{reason}: {n}" for reason, n in frame.count_dropped().items())
        raise DataError(
            f"no labelled row is left for training ({counts or 'no row has a label'})",
            where="prepare",
            fix="check data.fields.target, or loosen prepare.rare_labels and prepare.conflicts",
        )


def _card(frame: Frame, collected: Dataset, config: PrepareConfig) -> dict[str, Any]:
    before = collected.card
    splits = Counter(split or "none" for split in frame.column("split"))
    kept = Counter(frame.column("source"))
    dropped = Counter(before.get("dropped", {}))
    dropped.update(frame.count_dropped())
    findings = [*before.get("findings", []), *(f.to_dict() for f in frame.findings)]
    return {
        **{name: before[name] for name in ("broken", *TURN_FACTS)},
        "stage": "prepared",
        "collected": collected.hash,
        "settings": config.model_dump(mode="json"),
        "sources": [{**one, "prepared": kept[one["path"]]} for one in before["sources"]],
        "schema": before["schema"],
        "counts": {
            **before["counts"],
            "rows": len(frame),
            "labelled": sum(bool(target) for target in frame.column("target")),
            "splits": {name: splits[name] for name in ("train", "validation", "test", "none")},
        },
        "dropped": {reason: dropped[reason] for reason in sorted(dropped)},
        "findings": findings,
        "notes": [*before["notes"], *(str(finding) for finding in frame.findings)],
    }


def _keep(
    frame: Frame,
    collected: Dataset,
    card: dict[str, Any],
    past: Mapping[str, pa.Table],
    store: ArtifactStore,
) -> Dataset:
    scratch = [name for name in frame.table.column_names if name.startswith("_")]
    table = frame.table.drop_columns(scratch).combine_chunks()
    table = table.replace_schema_metadata(collected.examples.schema.metadata)
    earlier = pq.read_table(collected.folder / "dropped.parquet")
    dropped = pa.concat_tables([earlier, frame.all_dropped()]).combine_chunks()
    with store.draft() as draft:
        pq.write_table(table, draft / "examples.parquet", compression=_COMPRESSION)
        pq.write_table(dropped, draft / "dropped.parquet", compression=_COMPRESSION)
        for name, rows in past.items():
            if rows.num_rows:
                pq.write_table(rows, draft / name, compression=_COMPRESSION)
        return replace(store.keep(Dataset, draft, card), card=card)
