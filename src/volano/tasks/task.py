"""The contract of a kind of work: what an Example holds, what an Answer says, how both are scored.

A kind of work is one file in this room. Everything that differs between kinds of work is asked of
the task; stages never look at its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field

from volano.core.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from volano.core.nouns import Answer
    from volano.tasks.scoring import Metric

__all__ = ["AlertsConfig", "LabelsConfig", "Task"]


class AlertsConfig(Config):
    """How many rows may be called anomalies: what people can look at.

    Attributes:
        per_day: at most so many a day, by the days that the time column of the training rows spans
            (``data.fields.time`` must name it); ``off`` goes by the share.
        share: of all rows, where ``per_day`` is off.
    """

    per_day: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["off"] = "off"
    share: float = Field(0.01, gt=0, le=0.5)


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
        costs: what a wrong answer costs, by true label and answer; a mistake that is not named
            costs 1. The answer is then the one with the least expected cost.
        normal: where anomalies are looked for: the label of what is as it should be; every other
            label is an anomaly.
        alerts: where anomalies are looked for: how many rows may be called so.
    """

    separator: str = ""
    names: str = ""
    unknown: str = ""
    rename: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    normal: str = ""
    alerts: AlertsConfig = AlertsConfig()
    costs: dict[str, dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = {}


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
    def input(self) -> Literal["text", "columns"]:
        """What a model sees of a row: its texts, or the columns of a table."""
        ...

    @property
    def answers(self) -> Literal["labels", "number"]:
        """What an Answer holds."""
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

    def guess(self, targets: Iterable[Sequence[str]]) -> Answer:
        """The best that can be said without reading: the floor under every model."""
        ...

    def outcomes(self, truth: Sequence[Sequence[str]], answers: Sequence[Answer]) -> Any:
        """Truth and answers as arrays: ``LabelOutcomes`` over the union of labels, or numbers."""
        ...

    def output(self, answer: Answer) -> dict[str, object]:
        """The answer as HTTP, CLI and files show it."""
        ...
