"""Kinds of work that answer labels: what all of them share.

The label that means "none of these" (``labels.unknown``) is a label like any other in truth and in
scores; a model answers it also where it is not sure enough of any known one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa

from volano.core.cells import is_unlabelled
from volano.core.errors import ConfigError, DataError
from volano.tasks.costs import cost_matrix, cost_metric
from volano.tasks.guessing import commonest
from volano.tasks.scoring import CLASSIFICATION_METRICS, LabelOutcomes
from volano.tasks.task import LabelsConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from volano.core.nouns import Answer
    from volano.tasks.scoring import Metric

__all__ = ["Labelled"]


@dataclass(frozen=True)
class Labelled:
    """Reading, scoring and showing labels."""

    labels: LabelsConfig = field(default_factory=LabelsConfig)
    needs_target: bool = True
    answers: Literal["labels", "number"] = "labels"
    scored_by: ClassVar[Mapping[str, Metric]] = CLASSIFICATION_METRICS

    def __post_init__(self) -> None:
        if self.is_multiple and self.labels.costs:
            raise ConfigError(
                "costs are of answers with one label",
                where="labels.costs",
                fix="take out labels.costs, or labels.separator",
            )

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Those of its kind, and of costs where the project states them."""
        costs = self.labels.costs
        return {**self.scored_by, "cost": cost_metric(costs)} if costs else self.scored_by

    @property
    def is_multiple(self) -> bool:
        """Several labels where the project names a separator."""
        return bool(self.labels.separator)

    @property
    def target_type(self) -> pa.DataType:
        """A list of strings; one string long where there is one label."""
        return pa.list_(pa.string())

    def guess(self, targets: Iterable[Sequence[str]]) -> Answer:
        """The commonest labels, with their frequencies; of stated costs, the cheapest label."""
        found = commonest(targets)
        if not self.labels.costs:
            return found
        labels = tuple(found.scores)
        cost_C = np.array(list(found.scores.values())) @ cost_matrix(labels, self.labels.costs)
        cheapest = labels[int(cost_C.argmin())]
        return replace(found, labels=(cheapest,), confidence=found.scores[cheapest])

    def read_target(self, cell: object, names: Sequence[str] = ()) -> tuple[str, ...] | None:
        """Split, trim, look up in the names file, rename, remove; None where nothing is left.

        >>> Labelled(LabelsConfig(separator=",")).read_target("joy, love")
        ('joy', 'love')
        """
        parts = self._parts(cell)
        found = [_named(part, names) for part in parts]
        return self.today(found) or None

    def _leaves_open(self, cell: object) -> bool:
        """Whether a cell of a table says no label, unless the project names its text as one."""
        said = self.labels
        named = {said.unknown, said.normal, *said.rename, *said.costs}
        return is_unlabelled(cell) and str(cell).strip() not in named

    def _parts(self, cell: object) -> list[str]:
        if cell is None or (isinstance(cell, float) and cell != cell):
            return []
        if isinstance(cell, list | tuple):
            return [str(part).strip() for part in cell if str(part).strip()]
        if isinstance(cell, dict):
            raise DataError(
                "a label cannot be {cell}",
                fix="write it as a text or a number",
                cell=str(cell)[:80],
            )
        text = _whole(cell)
        pieces = text.split(self.labels.separator) if self.labels.separator else [text]
        return [piece.strip() for piece in pieces if piece.strip()]

    def today(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Renamed, merged, removed, sorted, each once."""
        renamed = {self.labels.rename.get(label, label) for label in labels}
        return tuple(sorted(renamed - set(self.labels.remove)))

    def answer_today(self, answer: Answer) -> Answer:
        """An answer under today's names; a removed label stays, since that is what was served."""
        rename = self.labels.rename
        if not rename or not any(label in rename for label in answer.scores):
            return answer
        scores: dict[str, float] = {}
        for label, score in answer.scores.items():
            today = rename.get(label, label)
            scores[today] = scores.get(today, 0.0) + score
        scores = {label: min(score, 1.0) for label, score in scores.items()}
        labels = tuple(sorted({rename.get(label, label) for label in answer.labels}))
        return replace(answer, labels=labels, scores=scores)

    def outcomes(self, truth: Sequence[Sequence[str]], answers: Sequence[Answer]) -> LabelOutcomes:
        """Truth and answers as arrays; a label that a model never heard of scores 0 there."""
        known = {label for labels in truth for label in labels}
        for answer in answers:
            known.update(answer.labels, answer.scores)
        labels = tuple(sorted(known))
        place = {label: column for column, label in enumerate(labels)}
        shape = (len(answers), len(labels))
        truth_NC, decided_NC = np.zeros(shape, bool), np.zeros(shape, bool)
        scores_NC = np.zeros(shape)
        for row, (true, answer) in enumerate(zip(truth, answers, strict=True)):
            truth_NC[row, [place[label] for label in true]] = True
            decided_NC[row, [place[label] for label in answer.labels]] = True
            scores_NC[row, [place[label] for label in answer.scores]] = list(answer.scores.values())
        return LabelOutcomes(labels, truth_NC, decided_NC, scores_NC, self.is_multiple)

    def output(self, answer: Answer) -> dict[str, object]:
        """``label`` or ``labels``, ``confidence``, ``unknown``, ``scores``, ``route`` and why.

        The route where the project names a precision, the reasons where they were asked for.

        Under today's names: a champion from before a renaming must answer as its report says.
        """
        answer = self.answer_today(answer)
        said: dict[str, object] = (
            {"labels": list(answer.labels)}
            if self.is_multiple
            else {"label": answer.labels[0] if answer.labels else None}
        )
        said |= {
            "confidence": answer.confidence,
            "unknown": answer.unknown,
            "scores": dict(answer.scores),
        }
        if answer.route is not None:
            said["route"] = answer.route
        if answer.reasons:
            said["reasons"] = [{"text": text, "weight": weight} for text, weight in answer.reasons]
        return said


def _whole(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _named(part: str, names: Sequence[str]) -> str:
    if not names:
        return part
    if part.isdecimal() and int(part) < len(names):
        return names[int(part)]
    if part in names:
        return part
    raise DataError(
        "label {label!r} is not in the label names file, which holds {count} names",
        fix="add it to that file, or give its line, counted from 0 to {last}",
        label=part[:80],
        count=len(names),
        last=len(names) - 1,
    )
