"""Prepare: mark, drop with a reason, and split; fields stay as the source wrote them.

What rows say is read from the collected Dataset some at a time; in memory are a few values a row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.core.errors import DataError
from volano.core.nouns import Dataset
from volano.data.collect import TURN_FACTS
from volano.data.columns import require_column
from volano.data.config import FieldsConfig
from volano.data.frame import DROPPED, Frame, flat, number_targets
from volano.data.memory import SPLITS, SplitMemory, read_suppressed
from volano.data.moments import read_moments
from volano.data.naming import digests_of
from volano.data.split import assign, number_groups, split_numbers, star
from volano.data.split_rows import FILLED, TEST, TRAIN, SplitRows
from volano.data.split_rows import SPLITS as SPLIT_NAMES
from volano.data.spool import Spool, examples_of, write_all
from volano.data.steps.duplicates import drop_duplicates, drop_for
from volano.data.steps.leaks import note_leaks
from volano.data.steps.look_alikes import note_look_alikes
from volano.data.steps.near_duplicates import find_near_duplicates, name_clusters
from volano.data.steps.old_skills import OLD_SKILLS, retire_tests
from volano.data.steps.rare_labels import drop_rare_labels
from volano.data.steps.texts import drop_empty, mark_texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.data.config import PrepareConfig
    from volano.data.frame import Step
    from volano.data.split import Assignment
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
    with store.draft() as scratch:
        keys = Spool(scratch)
        with events.running("reading texts"):
            frame = mark_texts(fields.texts, keys)(frame)
        frame = _remember_texts(frame, memory)
        for step in _steps(config, fields, task):
            frame = step(frame)
        with events.running("looking for near-duplicates"):
            left = keys.mapped(frame.numbers("_place"))
            names = digests_of(frame["_key"])
            pairs = find_near_duplicates(left["key"], config.near_duplicates, names)
            del left  # the file goes with the scratch folder
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
    absent = memory.absent(frame["id"].filter(pc.is_valid(frame["split"])))
    with store.draft() as draft:
        _write(draft, frame, collected)
        for name, rows in {OLD_SKILLS: retired, SPLITS: absent}.items():
            if rows.num_rows:
                pq.write_table(rows, draft / name, compression=_COMPRESSION)
        return replace(store.keep(Dataset, draft, card), card=card)


def _steps(config: PrepareConfig, fields: FieldsConfig, task: Task) -> tuple[Step, ...]:
    return (
        drop_empty,
        drop_duplicates(config.conflicts),
        note_look_alikes,
        drop_rare_labels(config.rare_labels if task.needs_target else 0),
        note_leaks(fields.texts, fields.target),
    )


def _begin(collected: Dataset, memory: SplitMemory) -> Frame:
    schema = pq.read_schema(collected.folder / "examples.parquet")
    names = [name for name in schema.names if name != "fields"]
    parts = [table for _, table in examples_of(collected.folder, names)]
    table = pa.concat_tables(parts).replace_schema_metadata(None)
    numbers, targets = number_targets(table["target"])
    frame = Frame(table, examples_of(collected.folder, ["fields"]), tuple(targets))
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


def _remember_texts(frame: Frame, memory: SplitMemory) -> Frame:
    """A row whose name changed (a column was added, a key was named) keeps the split of its text.

    Else one more column in the file would shuffle what was trained on into the test.
    """
    gone = memory.of_texts(frame["id"])
    if not gone:
        return frame
    old = frame.numbers("_old").copy()
    is_new = ~frame.numbers("_is_known") & (frame.numbers("_given") == 0)
    texts = pa.array(list(gone), frame["_key"].type)
    found = pc.index_in(frame["_key"], texts)
    splits = pa.array(gone.values(), pa.string())
    remembered = split_numbers(pa.chunked_array([splits]).take(found))
    remembered[np.isin(remembered, FILLED) & ~_can_be_held(frame)] = 0
    old[is_new] = remembered[is_new]
    return frame.with_column("_old", pa.array(old))


def _split(
    frame: Frame, pairs: NDArray[np.int64], config: PrepareConfig, fields: FieldsConfig, seed: int
) -> Frame:
    """Divide the rows by the law, drop those without a place, and name the clusters."""
    rows = _split_rows(frame, config, fields)
    assigned = assign(rows, pairs, config.split, seed)
    is_gone = np.zeros(len(rows), bool)
    is_gone[list(assigned.dropped)] = True
    group = np.full(len(rows), -1)
    paired = np.unique(pairs)
    group[paired] = number_groups(pairs, len(rows))[paired]  # through rows that are dropped too
    names = pa.array(SPLIT_NAMES, pa.string())
    splits = names.take(pa.array(assigned.splits, mask=assigned.splits == 0))
    clusters = pa.array(
        name_clusters(frame["id"].combine_chunks(), star(group, ~is_gone)), pa.string()
    )
    is_near = _near_training(rows, assigned, pairs, is_gone)
    frame = (
        frame.with_column("split", splits)
        .with_column("cluster", clusters)
        .with_column("near_train", pa.array(is_near))
    )
    frame = _note_split(frame, assigned.splits)
    frame = _note_units(frame, rows, assigned.splits, config)
    return drop_for(frame, assigned.dropped)


def _split_rows(frame: Frame, config: PrepareConfig, fields: FieldsConfig) -> SplitRows:
    return SplitRows(
        ids=frame["id"],
        labels=frame.numbers("_label"),
        targets=frame.targets,
        given=frame.numbers("_given"),
        old=frame.numbers("_old"),
        can_be_held=_can_be_held(frame),
        is_from_source=pc.equal(frame["label_from"], "source").to_numpy(),
        units=_units(frame, config.split.together, fields),
        moments=_moments(frame, by_time=config.split.by_time),
    )


def _moments(frame: Frame, *, by_time: bool) -> NDArray[np.float64]:
    if not by_time:
        return np.full(len(frame), np.nan)
    times = frame["time"].to_pylist()
    if not any(times):
        raise DataError(
            "the split is by time, and no row has a time",
            where="prepare.split.by_time",
            fix="name the column: data.fields.time",
        )
    lines = list(zip(frame["source"].to_pylist(), frame["line"].to_pylist(), strict=True))
    return np.array(read_moments(times, lines), np.float64)


def _can_be_held(frame: Frame) -> NDArray[np.bool_]:
    """What users or an active learner chose is no fair sample; a random pick is."""
    came, picked = frame["label_from"], frame["picked"].fill_null("")
    is_chosen = pc.or_(pc.equal(picked, "informative"), pc.equal(came, "feedback"))
    is_fair = pc.or_(pc.equal(came, "source"), pc.equal(picked, "random"))
    found: NDArray[np.bool_] = pc.and_(is_fair, pc.invert(is_chosen)).to_numpy()
    return found


def _units(frame: Frame, together: str, fields: FieldsConfig) -> NDArray[np.int64]:
    """The number of what each row stands together with others for; -1 for nothing."""
    if together == "none" or (together == "auto" and not fields.subject):
        return np.full(len(frame), -1)
    column = "subject" if together == "auto" else together
    if column in {"subject", "group"}:
        values = frame[column].combine_chunks()
    else:
        values = _values_of(frame, column)
    coded = values.dictionary_encode()
    numbers: NDArray[np.int64] = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(pc.equal(values.fill_null(""), "").to_numpy(zero_copy_only=False), -1, numbers)


def _values_of(frame: Frame, column: str) -> pa.Array:
    """A column of raw fields, as text."""
    found: list[str | None] = []
    for _, rows in frame.fields.windows(frame.numbers("_place")):
        fields = flat(rows)
        require_column(column, fields.column_names, where="prepare.split.together")
        found += [None if value is None else str(value) for value in fields[column].to_pylist()]
    return pa.array(found, pa.string())


def _near_training(
    rows: SplitRows, assigned: Assignment, pairs: NDArray[np.int64], is_gone: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Test rows of a given file that have a near-duplicate in training."""
    is_near = np.zeros(len(rows), bool)
    is_trained = (assigned.splits == TRAIN) & ~is_gone
    for one, other in (pairs.T, pairs.T[::-1]):
        is_near[one[(rows.given[one] == TEST) & is_trained[other]]] = True
    return is_near


def _note_split(frame: Frame, splits: NDArray[np.int8]) -> Frame:
    num_near = int(frame.numbers("near_train").sum())
    if num_near:
        frame = frame.with_finding(
            "warn",
            "{count} rows of the test file are near-duplicates of training rows; they stay, marked "
            "near_train, and the report can leave them out.",
            count=num_near,
        )
    num_test = int((splits == TEST).sum())
    if num_test < _SMALL_TEST:
        frame = frame.with_finding(
            "warn" if num_test else "bad",
            "The test set has {count} rows: intervals will be wide, and small gains go unseen.",
            count=num_test,
        )
    numbers = frame.numbers("_label")
    tested = {
        label
        for number in np.unique(numbers[(splits == TEST) & (numbers >= 0)]).tolist()
        for label in frame.targets[number]
    }
    untested = sorted(set(frame.count_labels()) - tested)
    if untested and num_test:
        frame = frame.with_finding(
            "info",
            "{count} labels have no test row: {names}",
            count=len(untested),
            names=", ".join(untested[:10]) + (" …" if len(untested) > 10 else ""),
        )
    return frame


def _note_units(
    frame: Frame, rows: SplitRows, splits: NDArray[np.int8], config: PrepareConfig
) -> Frame:
    clusters = pc.value_counts(frame["cluster"].drop_null()).field("counts").to_pylist()
    is_unit = rows.units >= 0
    units = np.bincount(rows.units[is_unit]).tolist()
    largest = max([*clusters, *units], default=0)
    if largest > max(10, _LARGE_UNIT * len(rows)):
        frame = frame.with_finding(
            "warn",
            "One unit that must stay together holds {count} of {total} rows, so the split cannot "
            "have the shares asked for.",
            count=largest,
            total=len(rows),
        )
    trained = rows.units[is_unit & (splits == TRAIN)]
    held = rows.units[is_unit & np.isin(splits, FILLED)]
    both = len(np.intersect1d(trained, held))
    if both and (rows.given > 0).any():
        frame = frame.with_finding(
            "warn",
            "{count} values of {together} stand in training and in a given test or "
            "validation file.",
            count=both,
            together=config.split.together,
        )
    return frame


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


def _card(frame: Frame, collected: Dataset, config: PrepareConfig) -> dict[str, Any]:
    before = collected.card
    splits = _counts(frame["split"].fill_null("none"))
    kept = _counts(frame["source"])
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
            "labelled": int((frame.numbers("_label") >= 0).sum()),
            "splits": {name: splits[name] for name in ("train", "validation", "test", "none")},
        },
        "dropped": {reason: dropped[reason] for reason in sorted(dropped)},
        "findings": findings,
        "notes": [*before["notes"], *(str(finding) for finding in frame.findings)],
    }


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
