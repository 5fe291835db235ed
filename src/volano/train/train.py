"""Train: one learner on a prepared Dataset gives a native bundle and what parity and choice need.

Beside the bundle: ``reference.parquet`` (rows with the training-time model's own scores),
``held_out.safetensors`` (answers to rows that the answering model never saw), ``suspects.parquet``
(likely label errors) and ``statistics.json`` (what rows and answers were like). None of these
alters an answer, so none is part of the model's identity.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.core.errors import ConfigError, DataError
from volano.core.nouns import Dataset, Model
from volano.models.bundle import write_bundle
from volano.models.calibration import Calibration
from volano.models.rows import ArrowRows
from volano.models.statistics import STATISTICS
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.scoring import LabelOutcomes
from volano.train.anomalies.budget import alert_share
from volano.train.calibrate import curve_of
from volano.train.held_out import HELD_OUT, Marked, write_held_out
from volano.train.latest import hold_latest
from volano.train.learner import Lesson, TrainingSet
from volano.train.statistics import statistics_of
from volano.train.suspects import find_far_numbers, find_suspects
from volano.train.targets import ArrowTargets, count_labels, label_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.store.artifacts import ArtifactStore
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Base, Fitted, Learner
    from volano.train.suspects import Suspect

__all__ = ["BESIDE", "Plan", "lesson_of", "people_of", "train", "unit_code"]

BESIDE = frozenset({"reference.parquet", HELD_OUT, "suspects.parquet", STATISTICS})
_REFERENCE_ROWS = 512
_LEARNT = ("train", "validation")
_NEEDED = ("id", "target", "split", "weight", "subject", "cluster")
_LANGUAGE = "language"
_WINDOW = 100_000  # rows whose texts are Python objects at once


@dataclass(frozen=True)
class Plan:
    """A learner, and what it builds on; the fields are those of ``Lesson``."""

    learner: Learner
    parts: Mapping[str, Model] = field(default_factory=dict)
    base: Base | None = None
    scratch: Path | None = None
    cache: Path | None = None


def train(
    config: TrainConfig,
    task: Task,
    data: Dataset,
    plan: Plan,
    store: ArtifactStore,
    events: Events,
) -> Model:
    """Train the plan's learner on the training and validation rows.

    Raises:
        DataError: there are no labelled training rows, or only one label.
    """
    lesson = replace(
        lesson_of(task, data),
        parts=plan.parts,
        base=plan.base,
        scratch=plan.scratch,
        cache=plan.cache,
    )
    fitted = plan.learner.fit(lesson, config, events)
    rows, held_out = lesson.rows, fitted.held_out
    marked = Marked(held_out.outcomes, rows.unit_N[held_out.row_H], held_out.row_H)
    with store.draft() as folder:
        arrays = {**fitted.arrays, **_curve(fitted, marked)}
        write_bundle(folder, fitted.spec, arrays, fitted.files)
        about = (_LANGUAGE,) if rows.text else ()
        known = _read(data, (), needs_target=task.needs_target, about=about)
        ids = known.column("id")
        answered = _write_reference(folder, fitted, rows, ids)
        write_held_out(folder, marked)
        _write_suspects(folder, marked, ids)
        kinds = {feature["column"]: feature["kind"] for feature in fitted.features}
        languages = known.column(_LANGUAGE) if _LANGUAGE in known.column_names else None
        statistics_of(rows, kinds, marked, languages).write(folder)
        card: dict[str, Any] = {
            "learner": plan.learner.name,
            "dataset": data.hash,
            "labels": list(fitted.spec.labels),
            "label_counts": count_labels(rows.targets) if fitted.spec.labels else {},
            "training": {
                **fitted.told,
                "rows": len(rows),
                "out_of_fold": _figures(task, marked.outcomes),
                "seen": _figures(task, answered),
            },
        }
        if fitted.features:
            card["features"] = [dict(feature) for feature in fitted.features]
        return store.keep(Model, folder, card, outside=BESIDE)


def _figures(task: Task, outcomes: Outcomes) -> dict[str, float | None]:
    """What each metric says; None where it says nothing, as of an order where all is one label."""
    if not len(outcomes):
        return {}
    found = {name: metric.of(outcomes) for name, metric in task.metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def lesson_of(task: Task, data: Dataset) -> Lesson:
    """The rows of a Dataset to learn from and to choose by.

    Raises:
        DataError: there are no labelled training rows, or all have the same truth.
    """
    reads = _columns_read(data)
    table = _read(data, reads, needs_target=task.needs_target)
    training, validation = (_rows(task, data, reads, _of(table, split)) for split in _LEARNT)
    if task.needs_target:
        _refuse_nothing_to_learn(training, data)
    elif not len(training):
        raise DataError("there is no training row", where=data.ref, fix="add rows")
    else:
        # Test rows come on the same days: a budget by the day is of all of them.
        splits = data.card["counts"]["splits"]
        num = sum(splits[name] for name in (*_LEARNT, "test"))
        share = alert_share(task.labels.alerts, num, float(data.card.get("days", 0.0)))
        training = replace(training, alert_share=share)
    return Lesson(training, validation, is_forward=bool(_split(data).get("by_time")))


def _split(data: Dataset) -> Mapping[str, Any]:
    """How its rows were divided."""
    found: Mapping[str, Any] = data.card.get("settings", {}).get("split", {})
    return found


def people_of(task: Task, data: Dataset, fields: Sequence[str]) -> pa.Table:
    """Columns that say whose a row is, whether models read them or not, as ``Lesson.rows`` stand.

    Raises:
        ConfigError: the source has no such column.
    """
    struct = pq.read_schema(data.folder / "examples.parquet").field("fields").type
    names = [struct.field(place).name for place in range(struct.num_fields)]
    for name in fields:
        if name not in names:
            raise ConfigError.among("column", name, names, where="evaluate.fairness.fields")
    table = _read(data, fields, needs_target=task.needs_target)
    return _flattened(table.column("fields"), fields)


def _columns_read(data: Dataset) -> tuple[str, ...]:
    """What models read of a row: text columns, or columns of a table."""
    schema = data.card["schema"]
    named = schema.get("reads", schema["fields"]["text"])
    return (named,) if isinstance(named, str) else tuple(named)


def _read(
    data: Dataset,
    fields: Sequence[str],
    *,
    needs_target: bool = True,
    about: tuple[str, ...] = (),
) -> pa.Table:
    """The rows with truth, all of them where none is needed: training and then validation rows.

    Each come in the order of their ids. Only these fields are read, and columns that every learner
    needs: five million rows fit then. Where the split is by time and the training rows came as
    such, the latest of them are the validation rows. ``about`` names more columns; one that the
    data lacks is left out.
    """
    file = pq.ParquetFile(data.folder / "examples.parquet", memory_map=True)
    split = _split(data)
    dated = ("time", "label_from") if split.get("by_time") else ()
    table = file.read(columns=[*_NEEDED, *dated, *about, *(f"fields.{name}" for name in fields)])
    is_learnt = pc.is_in(table.column("split"), pa.array(_LEARNT, pa.string()))
    is_known = pc.is_valid(table.column("target"))
    table = table.filter(pc.and_(is_learnt, is_known) if needs_target else is_learnt)
    if dated:
        table = hold_latest(table, _units(table), split["validation"])
    # The names of the splits come in this order too.
    return table.sort_by([("split", "ascending"), ("id", "ascending")])


def _of(table: pa.Table, split: str) -> pa.Table:
    return table.filter(pc.equal(table.column("split"), split))


def _rows(task: Task, data: Dataset, reads: tuple[str, ...], table: pa.Table) -> TrainingSet:
    is_table = task.input == "columns"
    kinds = data.card["schema"]["fields"].get("kinds", {})
    fields = table.column("fields")
    return TrainingSet(
        rows=ArrowRows(_flattened(fields, reads)) if is_table else fields.to_pylist(),
        targets=ArrowTargets(table.column("target")),
        unit_N=_units(table),
        weight_N=table.column("weight").to_numpy().astype(np.float64),
        text=() if is_table else reads,
        is_multiple=task.is_multiple,
        unknown=task.labels.unknown,
        columns=reads if is_table else (),
        kinds={name: kind for name, kind in kinds.items() if name in reads},
        answers=task.answers,
        task=task.name,
        costs=task.labels.costs,
    )


def _flattened(fields: pa.ChunkedArray, reads: Sequence[str]) -> pa.Table:
    """The columns of a table; one that no row has is null throughout."""
    chunks = fields.chunks or [pa.array([], fields.type)]  # of a split without rows there is none
    table = pa.concat_tables([pa.Table.from_struct_array(chunk) for chunk in chunks])
    for name in reads:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    return table.select(list(reads))


def _units(table: pa.Table) -> NDArray[np.int64]:
    """A number for whose a row is, so that both splits number the same person alike."""
    codes = np.empty(table.num_rows, np.int64)
    for begin in range(0, table.num_rows, _WINDOW):
        window = table.slice(begin, _WINDOW)
        named = (window.column(name).to_pylist() for name in ("subject", "cluster", "id"))
        codes[begin : begin + _WINDOW] = [
            unit_code(who, alike, row) for who, alike, row in zip(*named, strict=True)
        ]
    return codes


def unit_code(subject: str | None, cluster: str | None, row: str) -> int:
    """A 63-bit number for whose a row is, the same in every process.

    That of its subject, else of its near-duplicates, else of the row itself.
    """
    from hashlib import blake2b

    text = f"s:{subject}" if subject else f"c:{cluster}" if cluster else f"r:{row}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _refuse_nothing_to_learn(rows: TrainingSet, data: Dataset) -> None:
    if len(rows) == 0:
        raise DataError(
            "no training row has a label",
            where=data.ref,
            fix="name the label column: data.fields.target",
        )
    kinds = label_names(rows.targets)
    if len(kinds) < 2 and rows.answers == "number":
        raise DataError(
            "every training row has the same number, {number}: there is nothing to learn",
            where=data.ref,
            fix="add rows with other numbers, or name another column: data.fields.target",
            number=kinds[0],
        )
    if len(kinds) < 2:
        raise DataError(
            "every training row has the same label, {label!r}: there is nothing to learn",
            where=data.ref,
            fix="add rows with other labels, or name another column: data.fields.target",
            label=kinds[0],
        )


def _curve(fitted: Fitted, marked: Marked) -> dict[str, Floats]:
    """For every learner of labels: from which confidence on answers may be given alone."""
    spec = fitted.spec
    if spec.answers != "labels":
        return {}
    unknown = spec.labels.index(spec.unknown) if spec.unknown else None
    calibration = Calibration.load(spec.calibration, fitted.arrays)
    return curve_of(calibration, marked, unknown).arrays()


def _write_reference(
    folder: Path, fitted: Fitted, rows: TrainingSet, ids: pa.ChunkedArray
) -> Outcomes:
    """The outcomes of those reference rows that the model has learnt from."""
    size = min(len(rows), _REFERENCE_ROWS)
    place_M = np.linspace(0, len(rows) - 1, size).astype(np.int64)
    places = place_M.tolist()
    outcomes = fitted.reference(places)
    if rows.columns:
        # By its id a row is found again when a person is forgotten; a text says itself whose it is.
        shown = {"row": _as_json(rows, places), "id": _at(ids, place_M)}
    else:
        shown = {"text": pa.array([rows.texts[place] for place in places], pa.string())}
    table = pa.table({**shown, **_told(outcomes)})
    table = table.replace_schema_metadata({"labels": json.dumps(fitted.spec.labels)})
    pq.write_table(table, folder / "reference.parquet", compression="zstd")
    row_H = fitted.held_out.row_H
    # Held out in folds, every row has come into the last fit; else what was held out came in
    # late, if at all.
    is_late = np.isin(place_M, row_H) & (len(row_H) < len(rows))
    places_F = np.flatnonzero(~is_late)
    if isinstance(outcomes, LabelOutcomes) and not outcomes.is_multiple:
        # Figures are of rows that somebody has looked at.
        places_F = places_F[outcomes.truth_NC[places_F].any(axis=1)]
    return outcomes.at(places_F)


def _at(ids: pa.ChunkedArray, places: NDArray[np.int64]) -> pa.ChunkedArray:
    return ids.take(pa.array(places)).cast(pa.string())


def _as_json(rows: TrainingSet, places: Sequence[int]) -> pa.Array:
    """What the model reads of each row; what JSON has no form for is text, as in a request."""
    found = [rows.rows[place] for place in places]
    told = [json.dumps(_plain(row), ensure_ascii=False, default=str) for row in found]
    return pa.array(told, pa.string())


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    """A row without numbers that JSON cannot write: they say nothing."""
    return {
        name: None if isinstance(cell, float) and not math.isfinite(cell) else cell
        for name, cell in row.items()
    }


def _told(outcomes: Outcomes) -> dict[str, pa.Array]:
    """Answers and truth: a list over labels each, or a number."""
    if isinstance(outcomes, NumberOutcomes):
        return {"value": pa.array(outcomes.value_N), "truth": pa.array(outcomes.truth_N)}
    assert isinstance(outcomes, LabelOutcomes)
    return {
        "scores": pa.array(list(outcomes.scores_NC), pa.list_(pa.float64())),
        "decided": pa.array(list(outcomes.decided_NC), pa.list_(pa.bool_())),
        "truth": pa.array(list(outcomes.truth_NC), pa.list_(pa.bool_())),
    }


def _write_suspects(folder: Path, marked: Marked, ids: pa.ChunkedArray) -> None:
    """All of them, the likeliest first: how many are filed is a setting that alters no model."""
    found = _suspects(marked.outcomes)
    rows = marked.row_N[np.array([suspect.row for suspect in found], np.int64)]
    written = pa.table(
        {
            "id": _at(ids, rows),
            "given": pa.array([list(s.given) for s in found], pa.list_(pa.string())),
            "likely": pa.array([suspect.likely for suspect in found], pa.string()),
            "gap": pa.array([suspect.gap for suspect in found], pa.float64()),
        }
    )
    pq.write_table(written, folder / "suspects.parquet", compression="zstd")


def _suspects(outcomes: Outcomes) -> list[Suspect]:
    if isinstance(outcomes, NumberOutcomes):
        return find_far_numbers(outcomes)
    assert isinstance(outcomes, LabelOutcomes)
    truth_NC, scores_NC = outcomes.truth_NC, outcomes.scores_NC
    return find_suspects(outcomes.labels, truth_NC, scores_NC, outcomes.is_multiple)
