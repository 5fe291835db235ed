"""A model's answers to the frozen test examples: what every part of a report is measured on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from volano.core.errors import DataError
from volano.core.seeds import derive_seed, unit_interval
from volano.evals.cells import row_text
from volano.models import Predictor
from volano.models.rows import ArrowRows
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.resampling import Draws, number_units
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from volano.core.events import Events
    from volano.core.nouns import Answer, Dataset, Model
    from volano.models.column_kinds import Kind
    from volano.models.rows import Row, Rows
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.task import Task

__all__ = ["Trial", "answer_text", "ask", "rows_of", "test_rows", "truth_text"]

_FEWEST = 5  # test examples of two labels each, below which figures say nothing
_TEXTS_AT_ONCE = 512
_ROWS_AT_ONCE = 16_384


def test_rows(data: Dataset, task: Task) -> pa.Table:
    """The frozen test examples that carry truth, in the order of their ids.

    Of a task that needs no truth all test examples where hardly any carries it. They come without
    it then: what five examples show is no proof of anything.
    """
    found = data.labelled("test")
    if not task.needs_target and not _is_enough(found.column("target")):
        found = data.rows_in("test")
        place, kind = found.column_names.index("target"), found.schema.field("target")
        found = found.set_column(place, kind, found.column("target").take(_nothing(found.num_rows)))
    if found.num_rows == 0:
        raise DataError(
            "no test example has a label, so nothing can be said about a model",
            where=data.ref,
            fix="label more rows, or give a test file (split: test at a source); where texts are "
            "alike only by a template, prepare.near_duplicates: 0.9 or 0 lets them part",
        )
    return found


def _is_enough(truth: pa.ChunkedArray) -> bool:
    """Whether there are enough examples of two labels each."""
    counts = Counter(tuple(labels) for labels in truth.to_pylist())
    return sum(count >= _FEWEST for count in counts.values()) >= 2


def _nothing(num: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(num, pa.int64())


def rows_of(examples: pa.Table, predictor: Predictor) -> Rows:
    """What the source said of each example; of a table the columns that the model reads."""
    fields = examples.column("fields")
    if not predictor.spec.columns:
        rows: list[Mapping[str, object]] = fields.to_pylist()
        return rows
    import pyarrow as pa

    return ArrowRows(pa.Table.from_struct_array(fields)).select(predictor.spec.columns)


def ask(predictor: Predictor, rows: Rows, said: str, events: Events) -> list[Answer]:
    """The answers to rows, in blocks, with progress under the name ``said``."""
    answers: list[Answer] = []
    size = _TEXTS_AT_ONCE if isinstance(rows, list) else _ROWS_AT_ONCE
    for start in range(0, len(rows), size):
        answers += predictor.predict(rows[start : start + size])
        events.progress(said, len(answers), len(rows))
    return answers


def answer_text(outcomes: Outcomes, place: int) -> list[str]:
    """What was answered to an example: its labels, or the number."""
    if isinstance(outcomes, NumberOutcomes):
        return [f"{outcomes.value_N[place]:.6g}"]
    return _labels_text(outcomes, "decided", place)


def truth_text(outcomes: Outcomes, place: int) -> list[str]:
    """What is true of an example."""
    if isinstance(outcomes, NumberOutcomes):
        return [f"{outcomes.truth_N[place]:.6g}"]
    return _labels_text(outcomes, "truth", place)


def _labels_text(outcomes: Outcomes, name: str, place: int) -> list[str]:
    is_one_C = outcomes.arrays()[name][place]
    return [label for label, is_one in zip(outcomes.labels, is_one_C, strict=True) if is_one]


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
        test = test_rows(data, task)
        predictor = Predictor.load(model.folder)
        asked = ask(predictor, rows_of(test, predictor), "test examples answered", events)
        return cls(task, predictor, test, asked, num_draws)

    @cached_property
    def ids(self) -> list[str]:
        """Of the examples."""
        ids: list[str] = self.test.column("id").to_pylist()
        return ids

    @cached_property
    def rows(self) -> Rows:
        """Raw fields of each example; of a table, those that the model reads."""
        return rows_of(self.test, self.predictor)

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What the model takes each column of a table for; nothing of texts."""
        featuriser = self.predictor.featuriser
        return {} if featuriser is None else {one.name: one.kind for one in featuriser.columns}

    @cached_property
    def is_proven(self) -> bool:
        """Whether there is truth to compare the answers with."""
        return bool(self.test.column("target").null_count == 0)

    @cached_property
    def truth(self) -> list[Sequence[str]]:
        """The truth of each example: its labels, or its number as text."""
        truth: list[Sequence[str]] = self.test.column("target").to_pylist()
        return truth

    @cached_property
    def answers(self) -> list[Answer]:
        """The answers under today's names of labels."""
        return [self.task.answer_today(answer) for answer in self.asked]

    @cached_property
    def outcomes(self) -> Outcomes:
        """Truth and answers as arrays."""
        outcomes: Outcomes = self.task.outcomes(self.truth, self.answers)
        return outcomes

    @property
    def labelled(self) -> LabelOutcomes:
        """The outcomes of a model that answers labels."""
        assert isinstance(self.outcomes, LabelOutcomes)
        return self.outcomes

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

    def sample(self, size: int, purpose: str) -> list[int]:
        """Places of at most so many examples, by their ids: a smaller sample is part of a larger.

        Samples for different purposes have nothing to do with each other.
        """
        seed = derive_seed(0, purpose)
        ids = self.ids
        by_chance = sorted(range(len(ids)), key=lambda row: unit_interval(seed, ids[row]))
        return sorted(by_chance[:size])

    def written(self, row: Row) -> str:
        """A row as a person reads it: its text, or its cells."""
        columns = self.predictor.spec.columns
        return row_text(row, columns) if columns else self.predictor.text_of(row)

    def take(self, places: Sequence[int]) -> Rows:
        """The rows at these places."""
        rows = self.rows
        return rows.take(places) if isinstance(rows, ArrowRows) else [rows[at] for at in places]
