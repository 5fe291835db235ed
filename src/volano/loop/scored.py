"""Two models on the same frozen examples, side by side: what the judge looks at.

Shape suffixes: N examples.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.errors import StoreError
from volano.core.nouns import Answer
from volano.evals.slices import SLICE_PREFIX
from volano.tasks.costs import cost_matrix
from volano.tasks.guessing import commonest
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.core.nouns import Report
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Floats
    from volano.tasks.task import Task

__all__ = ["Scored", "commonest", "guessing", "scored_pair"]

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
        guess: the best answer that can be given without reading.
        learner: what made the model.
        is_baseline: whether that is the task's cheapest learner.
        credit_N: credit of each answer where the project says what mistakes cost; None where the
            outcomes say it.
        fairness: the groups that the report compares, and the label that counts as positive.
    """

    name: str
    ids: tuple[str, ...]
    unit_N: NDArray[np.int64]
    outcomes: Outcomes
    known: frozenset[str] | None = None
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    p95_ms: float | None = None
    num_bytes: int | None = None
    parity: Mapping[str, Any] | None = None
    guess: Answer | None = None
    learner: str = ""
    is_baseline: bool = False
    credit_N: Floats | None = None
    fairness: Mapping[str, Any] | None = None

    @property
    def credit(self) -> Floats:
        """Credit of each answer, from 0 to 1."""
        return self.outcomes.credit_N if self.credit_N is None else self.credit_N


def scored_pair(
    task: Task, candidate: Report, champion: Report | None, guess: Answer | None = None
) -> tuple[Scored, Scored | None]:
    """Candidate and champion on the examples of their reports, over one list of labels.

    Truth, units and slices are the candidate's: its report is today's. Examples without truth,
    which a task may have that needs none, are left out.

    Args:
        task: says what older labels mean today, and what mistakes cost.
        candidate: report of the candidate.
        champion: report of the champion on the same examples; None for the first model.
        guess: from ``task.guess``, over the training rows; None takes what the report guessed.

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
    joint = _joint(task, truth * len(tables), answers, guess)
    shared: dict[str, Any] = {
        "ids": tuple(table.column("id").to_pylist()),
        "unit_N": _codes(table.column("unit").to_pylist()),
        "slices": _slices(table),
        "guess": guess,
    }
    parts = [joint.at(slice(place * num, (place + 1) * num)) for place in range(len(tables))]
    found = [
        Scored(
            outcomes=outcomes,
            credit_N=_cost_credit(task, outcomes),
            **shared,
            **_figures(report, task),
        )
        for report, outcomes in zip(reports, parts, strict=True)
    ]
    return found[0], found[1] if champion is not None else None


def _joint(
    task: Task, truth: Sequence[Sequence[str]], answers: Sequence[Answer], guess: Answer
) -> Outcomes:
    """Truth and answers of both models; labels that only the guess says are part of the list."""
    if task.answers == "number":
        outcomes: Outcomes = task.outcomes(truth, answers)
        return outcomes
    joint: Outcomes = task.outcomes([*truth, ()], [*answers, guess])
    return joint.at(slice(0, len(answers)))


def _cost_credit(task: Task, outcomes: Outcomes) -> Floats | None:
    """1 for what costs nothing, 0 for the dearest mistake; None where mistakes have no cost."""
    costs = task.labels.costs
    if not costs or not isinstance(outcomes, LabelOutcomes):
        return None
    cost_CC = cost_matrix(outcomes.labels, costs)
    dearest = float(cost_CC.max()) or 1.0
    true_N, said_N = outcomes.truth_NC.argmax(axis=1), outcomes.decided_NC.argmax(axis=1)
    credit_N: Floats = 1.0 - cost_CC[true_N, said_N] / dearest
    return credit_N


def guessing(guess: Answer, outcomes: Outcomes) -> Outcomes:
    """The same answer on every example, on the same truth."""
    if isinstance(outcomes, NumberOutcomes):
        told = (guess.value, guess.low, guess.high)
        value_N, low_N, high_N = np.repeat(np.array(told, np.float64)[:, None], len(outcomes), 1)
        return replace(outcomes, value_N=value_N, low_N=low_N, high_N=high_N)
    assert isinstance(outcomes, LabelOutcomes)
    decided_C = np.isin(outcomes.labels, guess.labels)
    scores_C = np.array([guess.scores.get(label, 0.0) for label in outcomes.labels])
    shape = outcomes.truth_NC.shape
    return replace(
        outcomes,
        decided_NC=np.broadcast_to(decided_C, shape),
        scores_NC=np.broadcast_to(scores_C, shape),
    )


def _answers(report: Report) -> pa.Table:
    import pyarrow.parquet as pq

    path = report.folder / "answers.parquet"
    if not path.exists():
        raise StoreError("{report} has no answers", where=str(path), fix=_AGAIN, report=report.ref)
    table = pq.read_table(path)
    table = table.filter(table.column("truth").is_valid()).sort_by("id")
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
    if "value" in table.column_names:
        numbers = zip(*(table.column(n).to_pylist() for n in ("value", "low", "high")), strict=True)
        return [Answer.of_number(*told) for told in numbers]
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
    if "value" in said:
        return Answer.of_number(said["value"], said["low"], said["high"])
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
        "fairness": body.get("fairness"),
    }
