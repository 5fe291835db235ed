"""The contract of a kind of work: what an Example holds, what an Answer says, how both are scored.

A kind of work is one file in this room. Everything that differs between kinds of work is asked of
the task; stages never look at its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from volano.core.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from volano.core.nouns import Answer
    from volano.tasks.scoring import LabelOutcomes, Metric

__all__ = ["LabelsConfig", "Task"]


class LabelsConfig(Config):
    """How labels are read, and what became of old ones.

    Attributes:
        separator: what stands between the labels of one cell; naming one means that a row may
            carry several labels.
        names: a file with one label name on each line, for sources that write labels as numbers
            counted from 0.
        unknown: the label that means "none of these"; empty where there is none.
        rename: today's name of an old label; two old labels with one name are merged.
        remove: labels that are no more; a row that carried nothing else has no label now.
    """

    separator: str = ""
    names: str = ""
    unknown: str = ""
    rename: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Task(Protocol):
    """One kind of work, with its label settings bound."""

    @property
    def name(self) -> str:
        """The name in ``volano.yaml``: ``text-classification``."""
        ...

    @property
    def labels(self) -> LabelsConfig:
        """The label settings of this project."""
        ...

    @property
    def needs_target(self) -> bool:
        """Whether truth is needed; without it promotion rests on checks and is marked unproven."""
        ...

    @property
    def is_multiple(self) -> bool:
        """Whether one Example may carry several labels."""
        ...

    @property
    def target_type(self) -> pa.DataType:
        """The Arrow type of the ``target`` column."""
        ...

    @property
    def learners(self) -> tuple[str, ...]:
        """Learners that can serve it, cheapest first; the first is the baseline."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """How it is scored."""
        ...

    @property
    def default_metric(self) -> str:
        """The gate metric where the project names none."""
        ...

    def read_target(self, cell: object, names: Sequence[str] = ()) -> tuple[str, ...] | None:
        """The labels that a cell of a source means; None where there is no label.

        Raises:
            DataError: the cell cannot be a label (says why; the caller knows where).
        """
        ...

    def today(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Labels of another day under today's names: renamed and merged; removed ones are gone."""
        ...

    def answer_today(self, answer: Answer) -> Answer:
        """What an older model's answer means under today's labels (scores of merged ones added)."""
        ...

    def outcomes(self, truth: Sequence[Sequence[str]], answers: Sequence[Answer]) -> LabelOutcomes:
        """Truth and answers as arrays over the union of their labels, sorted."""
        ...

    def output(self, answer: Answer) -> dict[str, object]:
        """The answer as HTTP, CLI and files show it."""
        ...
