"""The contract of a learner, and what passes through it.

``fit(lesson, config, log)`` gives a Fitted: the bundle's content, the training-time model's
own scores for parity, and scores on rows that the model which gave them had never seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from volano.models.predictor import join_text
from volano.models.rows import ArrowRows, table_of
from volano.train.targets import ArrowTargets, class_numbers, label_names, read_numbers, truth_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.core.nouns import Model
    from volano.models.bundle import Spec
    from volano.models.calibration import Floats, Labels
    from volano.models.column_kinds import Kind
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig

__all__ = ["Base", "Fitted", "HeldOut", "Learner", "Lesson", "TrainingSet"]


@dataclass(frozen=True)
class TrainingSet:
    """Rows with truth, as a learner gets them.

    Attributes:
        rows: raw fields; of tables, columns of Arrow, which never become Python objects at once.
        targets: the labels of each row, or its number as text.
        unit_N: rows of one unit (a person, near-duplicates) stay in one fold.
        weight_N: how much each row counts.
        text: the text columns, where a model reads texts.
        is_multiple: whether a row may carry several labels.
        unknown: the label that means "none of these", or empty.
        columns: the columns of a table that a model reads.
        kinds: what the project says of columns, where it says anything.
        answers: what an answer holds.
        task: the kind of work.
        costs: of mistakes, by the true label and the answer, where the project states any.
        alert_share: of rows, that may be called anomalies.
    """

    rows: Sequence[Mapping[str, object]]
    targets: Sequence[Sequence[str]]
    unit_N: NDArray[np.int64]
    weight_N: Floats
    text: tuple[str, ...] = ()
    is_multiple: bool = False
    unknown: str = ""
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    answers: Literal["labels", "number"] = "labels"
    task: str = "text-classification"
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    alert_share: float = 0.01

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, sorted; none where numbers are learnt."""
        return label_names(self.targets) if self.answers == "labels" else ()

    @cached_property
    def texts(self) -> list[str]:
        """The text of each row, as the Predictor will see it."""
        return [join_text(row, self.text) for row in self.rows]

    @cached_property
    def table(self) -> pa.Table:
        """The columns that a model reads."""
        return table_of(self.rows, self.columns)

    @cached_property
    def truth_NC(self) -> Labels:
        """Truth over ``labels``, shape (rows, labels)."""
        return truth_of(self.targets, self.labels)

    @cached_property
    def class_N(self) -> NDArray[np.int64]:
        """The place of each row's only label in ``labels``."""
        return class_numbers(self.targets, self.labels)

    @cached_property
    def number_N(self) -> Floats:
        """The number of each row, where numbers are learnt."""
        return read_numbers(self.targets)

    def with_rows_of(self, other: TrainingSet) -> TrainingSet:
        """These rows and then the other's; the units are numbered over both."""
        if not len(other):
            return self
        return replace(
            self,
            rows=_joined_rows(self.rows, other.rows),
            targets=_joined_targets(self.targets, other.targets),
            unit_N=np.concatenate([self.unit_N, other.unit_N]),
            weight_N=np.concatenate([self.weight_N, other.weight_N]),
        )


def _joined_rows(
    first: Sequence[Mapping[str, object]], second: Sequence[Mapping[str, object]]
) -> Sequence[Mapping[str, object]]:
    if isinstance(first, ArrowRows) and isinstance(second, ArrowRows):
        return ArrowRows(pa.concat_tables([first.table, second.table]))
    return [*first, *second]


def _joined_targets(
    first: Sequence[Sequence[str]], second: Sequence[Sequence[str]]
) -> Sequence[Sequence[str]]:
    if isinstance(first, ArrowTargets) and isinstance(second, ArrowTargets):
        return ArrowTargets(pa.chunked_array([*first.lists.chunks, *second.lists.chunks]))
    return [*first, *second]


@dataclass(frozen=True)
class Base:
    """A pretrained encoder on this machine.

    Attributes:
        name: as the project named it: a folder, or a name on the hub.
        folder: its ``config.json``, ``tokenizer.json`` and weights.
        hash: of everything in it that shapes what it computes.
    """

    name: str
    folder: Path
    hash: str


@dataclass(frozen=True)
class Lesson:
    """What a learner gets: rows to learn from, rows to choose by, and what it builds on.

    Attributes:
        train: rows to learn from.
        valid: rows to choose settings by.
        parts: models of the learners that it names as its parts.
        base: the pretrained encoder, for learners that start from one.
        scratch: a folder of this very training that outlives a kill; None keeps nothing.
        cache: a folder for what can be computed again, shared by all turns; None keeps nothing.
        is_forward: whether the validation rows are later than the others, as the test rows are: the
            future is to be foretold then, and only they may say how well.
    """

    train: TrainingSet
    valid: TrainingSet
    parts: Mapping[str, Model] = field(default_factory=dict)
    base: Base | None = None
    scratch: Path | None = None
    cache: Path | None = None
    is_forward: bool = False

    @cached_property
    def rows(self) -> TrainingSet:
        """Training rows, then validation rows."""
        return self.train.with_rows_of(self.valid)


@dataclass(frozen=True)
class HeldOut:
    """Answers to rows by models that had not seen them.

    ``row_H`` are places in the training rows followed by the validation rows.
    """

    row_H: NDArray[np.int64]
    outcomes: Outcomes


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes:
        spec: of the bundle.
        arrays: into the bundle.
        held_out: answers to rows that the model which gave them had not seen.
        reference: answers of the model as trained.
        told: what is worth telling of the training.
        files: into the bundle beside the arrays, by relative path.
        features: of tables, what each column was taken for: ``column``, ``kind``, ``because``.
    """

    spec: Spec
    arrays: Mapping[str, NDArray[Any]]
    held_out: HeldOut
    reference: ReferenceAnswers
    told: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    features: Sequence[Mapping[str, str]] = ()


class ReferenceAnswers(Protocol):
    """The training-time model's own answers to rows, by its own code path, with their truth."""

    def __call__(self, places: Sequence[int], /) -> Outcomes: ...


class Learner(Protocol):
    """A way to train."""

    @property
    def name(self) -> str:
        """Its name in ``volano.yaml``."""
        ...

    @property
    def input(self) -> Literal["text", "columns"]:
        """What it learns from, as the task's ``input``; learners of one name differ in this."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Learners whose models it builds on; they are trained before it, on the same rows."""
        ...

    @property
    def reads(self) -> frozenset[str]:
        """The settings of ``TrainConfig`` that shape what it makes; others leave it as it is.

        A section (``loop``) stands for all in it, ``loop.precision`` for one of its settings.
        """
        ...

    @property
    def needs_base(self) -> bool:
        """Whether it starts from a pretrained encoder."""
        ...

    def fits(self, task: Task) -> bool:
        """Whether it can do this task, whose input is its own."""
        ...

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Train on the lesson, choosing settings by its validation rows or held-out folds."""
        ...
