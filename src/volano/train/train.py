"""Train: one learner on a prepared Dataset gives a native bundle and what parity and choice need.

Beside the bundle: ``reference.parquet`` (rows with the training-time model's own scores),
``held_out.safetensors`` (answers to rows that the answering model never saw) and
``suspects.parquet`` (likely label errors). None of these alters an answer, so none is part of the
model's identity.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.errors import DataError
from volano.core.nouns import Dataset, Model
from volano.models.bundle import write_bundle
from volano.models.calibration import Calibration
from volano.tasks.scoring import LabelOutcomes
from volano.train.calibrate import curve_of
from volano.train.held_out import HELD_OUT, Marked, write_held_out
from volano.train.learner import Lesson, TrainingSet
from volano.train.suspects import find_suspects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.store.artifacts import ArtifactStore
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Base, Fitted, Learner

__all__ = ["BESIDE", "Plan", "lesson_of", "train"]

BESIDE = frozenset({"reference.parquet", HELD_OUT, "suspects.parquet"})
_REFERENCE_ROWS = 512


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
    both = lesson.rows
    outcomes = LabelOutcomes(
        fitted.spec.labels,
        both.truth_NC[fitted.held_out.row_H],
        fitted.held_out.decided_HC,
        fitted.held_out.scores_HC,
        task.is_multiple,
    )
    row_H = fitted.held_out.row_H
    marked = Marked(outcomes, both.unit_N[row_H], row_H)
    held_out = {name: metric.of(outcomes) for name, metric in task.metrics.items()}
    with store.draft() as folder:
        arrays = {**fitted.arrays, **_curve(fitted, marked)}
        write_bundle(folder, fitted.spec, arrays, fitted.files)
        answered = _write_reference(folder, fitted, both)
        seen = {name: metric.of(answered) for name, metric in task.metrics.items()}
        write_held_out(folder, marked)
        ids = [
            name
            for split in ("train", "validation")
            for name in data.labelled(split).column("id").to_pylist()
        ]
        _write_suspects(folder, outcomes, [ids[row] for row in fitted.held_out.row_H])
        card = {
            "learner": plan.learner.name,
            "dataset": data.hash,
            "labels": list(fitted.spec.labels),
            "label_counts": dict(Counter(label for labels in both.targets for label in labels)),
            "training": {
                **fitted.told,
                "rows": len(both),
                "out_of_fold": held_out,
                "seen": seen,
            },
        }
        return store.keep(Model, folder, card, outside=BESIDE)


def lesson_of(task: Task, data: Dataset) -> Lesson:
    """The rows of a Dataset to learn from and to choose by.

    Raises:
        DataError: there are no labelled training rows, or only one label.
    """
    training = _rows(task, data, "train")
    _refuse_nothing_to_learn(training, data)
    return Lesson(training, _rows(task, data, "validation"))


def _rows(task: Task, data: Dataset, split: str) -> TrainingSet:
    table = data.labelled(split)
    subject, cluster, ids = (
        table.column(name).to_pylist() for name in ("subject", "cluster", "id")
    )
    units = [
        f"s:{who}" if who else f"c:{alike}" if alike else f"r:{row}"
        for who, alike, row in zip(subject, cluster, ids, strict=True)
    ]
    # Numbered by content, so that both splits number the same person alike.
    codes = np.array([hash_code(unit) for unit in units], dtype=np.int64)
    return TrainingSet(
        table.column("fields").to_pylist(),
        [tuple(labels) for labels in table.column("target").to_pylist()],
        codes,
        np.asarray(table.column("weight").to_pylist(), dtype=np.float64),
        _text_columns(data),
        task.is_multiple,
        task.labels.unknown,
    )


def _text_columns(data: Dataset) -> tuple[str, ...]:
    named = data.card["schema"]["fields"]["text"]
    return (named,) if isinstance(named, str) else tuple(named)


def hash_code(text: str) -> int:
    """A 63-bit number for a unit, the same in every process."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _refuse_nothing_to_learn(rows: TrainingSet, data: Dataset) -> None:
    if len(rows) == 0:
        raise DataError(
            "no training row has a label",
            where=data.ref,
            fix="name the label column: data.fields.target",
        )
    if len(rows.labels) < 2:
        raise DataError(
            "every training row has the same label, {label!r}: there is nothing to learn",
            where=data.ref,
            fix="add rows with other labels, or name another column: data.fields.target",
            label=rows.labels[0],
        )


def _curve(fitted: Fitted, marked: Marked) -> dict[str, Floats]:
    """For every learner alike: from which confidence on answers may be given alone."""
    spec = fitted.spec
    unknown = spec.labels.index(spec.unknown) if spec.unknown else None
    calibration = Calibration.load(spec.calibration, fitted.arrays)
    return curve_of(calibration, marked, unknown).arrays()


def _write_reference(folder: Path, fitted: Fitted, rows: TrainingSet) -> LabelOutcomes:
    """The outcomes of those reference rows that the model has learnt from."""
    size = min(len(rows), _REFERENCE_ROWS)
    places = np.linspace(0, len(rows) - 1, size).astype(np.int64).tolist()
    scores, decided = fitted.reference(places)
    table = pa.table(
        {
            "text": pa.array([rows.texts[place] for place in places], pa.string()),
            "scores": pa.array(list(scores), pa.list_(pa.float64())),
            "decided": pa.array(list(decided), pa.list_(pa.bool_())),
            "truth": pa.array(list(rows.truth_NC[places]), pa.list_(pa.bool_())),
        }
    )
    table = table.replace_schema_metadata({"labels": json.dumps(fitted.spec.labels)})
    pq.write_table(table, folder / "reference.parquet", compression="zstd")
    row_H = fitted.held_out.row_H
    # Held out in folds, every row has come into the last fit; else what was held out came in
    # late, if at all.
    learnt = np.arange(size) if len(row_H) == len(rows) else np.flatnonzero(~np.isin(places, row_H))
    answers = rows.truth_NC[places], np.asarray(decided), np.asarray(scores)
    return LabelOutcomes(fitted.spec.labels, *answers, rows.is_multiple).at(learnt)


def _write_suspects(folder: Path, outcomes: LabelOutcomes, ids: list[str]) -> None:
    """All of them, the likeliest first: how many are filed is a setting that alters no model."""
    scores: Floats = outcomes.scores_NC
    found = find_suspects(outcomes.labels, outcomes.truth_NC, scores, outcomes.is_multiple)
    table = pa.table(
        {
            "id": pa.array([ids[suspect.row] for suspect in found], pa.string()),
            "given": pa.array([list(s.given) for s in found], pa.list_(pa.string())),
            "likely": pa.array([suspect.likely for suspect in found], pa.string()),
            "gap": pa.array([suspect.gap for suspect in found], pa.float64()),
        }
    )
    pq.write_table(table, folder / "suspects.parquet", compression="zstd")
