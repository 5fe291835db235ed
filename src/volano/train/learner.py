"""The contract of a learner, and what passes through it.

``fit(lesson, config, log)`` gives a Fitted: the bundle's content, the training-time model's
own scores for parity, and scores on rows that the model which gave them had never seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from volano.models.predictor import join_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.core.nouns import Model
    from volano.models.bundle import Spec
    from volano.models.calibration import Floats, Labels
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig

__all__ = ["Base", "Fitted", "HeldOut", "Learner", "Lesson", "TrainingSet"]


@dataclass(frozen=True)
class TrainingSet:
    """Rows with truth, as a learner gets them.

    Attributes:
        rows: raw fields.
        targets: the labels of each row.
        unit_N: rows of one unit (a person, near-duplicates) stay in one fold.
        weight_N: how much each row counts.
        text: the text columns.
        is_multiple: whether a row may carry several labels.
        unknown: the label that means "none of these", or empty.
    """

    rows: Sequence[Mapping[str, object]]
    targets: Sequence[Sequence[str]]
    unit_N: NDArray[np.int64]
    weight_N: Floats
    text: tuple[str, ...]
    is_multiple: bool = False
    unknown: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({label for labels in self.targets for label in labels}))

    @cached_property
    def texts(self) -> list[str]:
        """The text of each row, as the Predictor will see it."""
        return [join_text(row, self.text) for row in self.rows]

    @cached_property
    def truth_NC(self) -> Labels:
        """Truth over ``labels``, shape (rows, labels)."""
        place = {label: column for column, label in enumerate(self.labels)}
        truth = np.zeros((len(self), len(place)), bool)
        for row, labels in enumerate(self.targets):
            truth[row, [place[label] for label in labels]] = True
        return truth

    def with_rows_of(self, other: TrainingSet) -> TrainingSet:
        """These rows and then the other's; the units are numbered over both."""
        return TrainingSet(
            [*self.rows, *other.rows],
            [*self.targets, *other.targets],
            np.concatenate([self.unit_N, other.unit_N]),
            np.concatenate([self.weight_N, other.weight_N]),
            self.text,
            self.is_multiple,
            self.unknown,
        )


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
    """

    train: TrainingSet
    valid: TrainingSet
    parts: Mapping[str, Model] = field(default_factory=dict)
    base: Base | None = None
    scratch: Path | None = None
    cache: Path | None = None

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
    scores_HC: Floats
    decided_HC: Labels


@dataclass(frozen=True)
class Fitted:
    """What training leaves; ``files`` go into the bundle beside the arrays, by relative path."""

    spec: Spec
    arrays: Mapping[str, NDArray[Any]]
    held_out: HeldOut
    reference: ReferenceAnswers
    told: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class ReferenceAnswers(Protocol):
    """The training-time model's own scores and decisions on rows, by its own code path."""

    def __call__(self, places: Sequence[int], /) -> tuple[Floats, Labels]: ...


class Learner(Protocol):
    """A way to train."""

    @property
    def name(self) -> str:
        """Its name in ``volano.yaml``."""
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
        """Whether it can do this task."""
        ...

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Train on the lesson, choosing settings by its validation rows or held-out folds."""
        ...
