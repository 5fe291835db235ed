"""A model's answers to the frozen test examples: what every part of a report is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from volano.core.errors import DataError
from volano.core.seeds import derive_seed
from volano.models import Predictor
from volano.tasks.resampling import Draws, number_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from volano.core.events import Events
    from volano.core.nouns import Answer, Dataset, Model
    from volano.tasks.scoring import LabelOutcomes
    from volano.tasks.task import Task

__all__ = ["Trial", "ask", "test_rows"]

_BLOCK = 512  # rows asked at once


def test_rows(data: Dataset) -> pa.Table:
    """The frozen test examples that carry truth, in the order of their ids."""
    found = data.labelled("test")
    if found.num_rows == 0:
        raise DataError(
            "no test example has a label, so nothing can be said about a model",
            where=data.ref,
            fix="label more rows, or give a test file (split: test at a source); where texts are "
            "alike only by a template, prepare.near_duplicates: 0.9 or 0 lets them part",
        )
    return found


def ask(
    predictor: Predictor, rows: Sequence[dict[str, object]], said: str, events: Events
) -> list[Answer]:
    """The answers to rows, in blocks, with progress under the name ``said``."""
    answers: list[Answer] = []
    for start in range(0, len(rows), _BLOCK):
        answers += predictor.predict(rows[start : start + _BLOCK])
        events.progress(said, len(answers), len(rows))
    return answers


@dataclass(frozen=True)
class Trial:
    """Test examples and what the model, as served, said of them.

    Attributes:
        task: how answers are scored.
        predictor: the bundle that answered.
        test: the examples.
        asked: the answers as the bundle gave them.
        num_draws: draws behind each interval.
    """

    task: Task
    predictor: Predictor
    test: pa.Table
    asked: Sequence[Answer]
    num_draws: int

    @classmethod
    def of(cls, task: Task, model: Model, data: Dataset, num_draws: int, events: Events) -> Trial:
        """Ask the model every test example."""
        test = test_rows(data)
        predictor = Predictor.load(model.folder)
        asked = ask(predictor, test.column("fields").to_pylist(), "test examples answered", events)
        return cls(task, predictor, test, asked, num_draws)

    @cached_property
    def ids(self) -> list[str]:
        """Of the examples."""
        ids: list[str] = self.test.column("id").to_pylist()
        return ids

    @cached_property
    def rows(self) -> list[dict[str, object]]:
        """Raw fields of each example."""
        rows: list[dict[str, object]] = self.test.column("fields").to_pylist()
        return rows

    @cached_property
    def truth(self) -> list[Sequence[str]]:
        """The true labels of each example."""
        truth: list[Sequence[str]] = self.test.column("target").to_pylist()
        return truth

    @cached_property
    def answers(self) -> list[Answer]:
        """The answers under today's names of labels."""
        return [self.task.answer_today(answer) for answer in self.asked]

    @cached_property
    def outcomes(self) -> LabelOutcomes:
        """Truth and answers as arrays."""
        return self.task.outcomes(self.truth, self.answers)

    @cached_property
    def units(self) -> list[str]:
        """What is drawn again: a person's rows together, or near-duplicates, or a row."""
        subjects, clusters = (self.test.column(name).to_pylist() for name in ("subject", "cluster"))
        return [
            f"s:{subject}" if subject else f"c:{cluster}" if cluster else f"r:{row}"
            for subject, cluster, row in zip(subjects, clusters, self.ids, strict=True)
        ]

    @cached_property
    def draws(self) -> Draws:
        """How the examples are drawn again."""
        return Draws(number_units(self.units), self.num_draws, derive_seed(0, "report"))
