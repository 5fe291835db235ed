"""Two models on the same frozen examples, side by side: what the judge looks at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.errors import StoreError
from volano.core.nouns import Answer
from volano.evals.slices import SLICE_PREFIX
from volano.tasks.guessing import commonest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.core.nouns import Report
    from volano.tasks.scoring import LabelOutcomes
    from volano.tasks.task import Task

__all__ = ["Scored", "commonest", "scored_pair"]

_AGAIN = "score it again: volano turn"


@dataclass(frozen=True)
class Scored:
    """One model's results; a pair shares ids, units, slices and the labels of its outcomes.

    Attributes:
        name: hash of the model.
        ids: of the examples, sorted.
        unit_N: number of each example's resampling unit, from 0 without gaps.
        outcomes: truth and answers.
        known: labels the model can answer, under today's names; None where nobody said.
        slices: for each field, the value of every example; an empty value belongs to none.
        p95_ms: 95th percentile of one request's latency.
        num_bytes: size of the bundle.
        parity: what export measured; None where the model was never exported.
        guess: what always answering the commonest training labels says.
        learner: what made the model.
        is_baseline: whether that is the task's cheapest learner.
    """

    name: str
    ids: tuple[str, ...]
    unit_N: NDArray[np.int64]
    outcomes: LabelOutcomes
    known: frozenset[str] | None = None
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    p95_ms: float | None = None
    num_bytes: int | None = None
    parity: Mapping[str, Any] | None = None
    guess: Answer | None = None
    learner: str = ""
    is_baseline: bool = False


def scored_pair(
    task: Task, candidate: Report, champion: Report | None, guess: Answer | None = None
) -> tuple[Scored, Scored | None]:
    """Candidate and champion on the examples of their reports, over one list of labels.

    Truth, units and slices are the candidate's: its report is today's.

    Args:
        task: says what older labels mean today.
        candidate: report of the candidate.
        champion: report of the champion on the same examples; None for the first model.
        guess: from ``commonest``, over the training rows; None takes what the report guessed.

    Raises:
        StoreError: the reports are not about the same examples.
    """
    guess = _guess(candidate) if guess is None else guess
    reports = [candidate] if champion is None else [candidate, champion]
    tables = [_answers(report) for report in reports]
    if champion is not None:
        _refuse_other_examples(champion, *tables)
    table, num = tables[0], tables[0].num_rows
    truth = [task.today(labels) for labels in table.column("truth").to_pylist()]
    answers = [answer for found in tables for answer in _read_answers(found, task)]
    # The guess is scored as one more row, so that its labels are part of the list.
    joint = task.outcomes([*truth * len(tables), ()], [*answers, guess])
    shared: dict[str, Any] = {
        "ids": tuple(table.column("id").to_pylist()),
        "unit_N": _codes(table.column("unit").to_pylist()),
        "slices": _slices(table),
        "guess": guess,
    }
    found = [
        Scored(
            outcomes=joint.at(slice(place * num, (place + 1) * num)),
            **shared,
            **_figures(report, task),
        )
        for place, report in enumerate(reports)
    ]
    return found[0], found[1] if champion is not None else None


def _answers(report: Report) -> pa.Table:
    import pyarrow.parquet as pq

    path = report.folder / "answers.parquet"
    if not path.exists():
        raise StoreError("{report} has no answers", where=str(path), fix=_AGAIN, report=report.ref)
    table = pq.read_table(path).sort_by("id")
    ids = table.column("id").to_pylist()
    if len(set(ids)) < len(ids):
        raise StoreError(
            "{report} holds {count} examples twice",
            where=str(path),
            fix=_AGAIN,
            report=report.ref,
            count=len(ids) - len(set(ids)),
        )
    return table


def _refuse_other_examples(champion: Report, ours: pa.Table, theirs: pa.Table) -> None:
    mine, other = set(ours.column("id").to_pylist()), set(theirs.column("id").to_pylist())
    if mine != other:
        raise StoreError(
            "the champion was scored on other examples: {missing} of today's {today} test examples "
            "are missing, and {gone} are no test examples any more",
            where=champion.ref,
            fix="score the champion again on today's test set: volano turn",
            missing=len(mine - other),
            today=len(mine),
            gone=len(other - mine),
        )


def _read_answers(table: pa.Table, task: Task) -> list[Answer]:
    labels = json.loads((table.schema.metadata or {}).get(b"labels", b"[]"))
    columns = ("labels", "confidence", "unknown", "scores")
    rows = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    answers = [
        Answer(tuple(said), sure, unknown, dict(zip(labels, scores, strict=True)))
        for said, sure, unknown, scores in rows
    ]
    rename = task.labels.rename
    if set(rename) & set(rename.values()):
        # A chain or a swap of names must not be followed twice, and evaluating has done it once.
        return answers
    return [task.answer_today(answer) for answer in answers]


def _guess(report: Report) -> Answer:
    said = report.body.get("guess", {})
    labels = tuple(said.get("labels", ()))
    return Answer(labels, 1.0, False, said.get("scores") or dict.fromkeys(labels, 1.0))


def _slices(table: pa.Table) -> dict[str, list[str]]:
    return {
        name.removeprefix(SLICE_PREFIX): [value or "" for value in table.column(name).to_pylist()]
        for name in table.column_names
        if name.startswith(SLICE_PREFIX)
    }


def _codes(units: Sequence[str]) -> NDArray[np.int64]:
    place = {unit: code for code, unit in enumerate(dict.fromkeys(units))}
    return np.array([place[unit] for unit in units], dtype=np.int64)


def _figures(report: Report, task: Task) -> dict[str, Any]:
    body = report.body
    cost = body.get("cost", {})
    learner = str(body.get("learner", ""))
    return {
        "name": str(body.get("model", "")),
        "known": frozenset(task.today(body["labels"])) if "labels" in body else None,
        "p95_ms": cost.get("p95_ms"),
        "num_bytes": cost.get("bytes"),
        "parity": body.get("parity", {}),
        "learner": learner,
        "is_baseline": bool(task.learners) and learner == task.learners[0],
    }
