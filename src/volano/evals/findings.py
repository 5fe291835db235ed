"""What the model report tells of, and the words and cells that its parts share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from volano.core.pages import Interval
from volano.evals.automatic import reading_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Dataset, Report, Verdict
    from volano.core.pages import Translate
    from volano.models.routing import Target

__all__ = ["Findings", "interval", "metric_name", "one_line", "said", "slice_name"]

_METRICS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "precision_at_budget": "Precision at the budget of alerts",
    "recall_at_budget": "Recall at the budget of alerts",
    "cost": "Cost of an answer",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "pinball": "Pinball loss of the interval",
    "coverage": "Truth inside its interval",
}
_FIELDS = {
    "group": "Group",
    "label": "Label",
    "language": "Language",
    "length": "Characters",
    "near_train": "Close to a training text",
    "source": "Source",
    "truth": "Truth",
}
_VALUES = {"yes": "yes", "no": "no", "(rest)": "all others", "(none)": "no value"}
_SHORT = 80


@dataclass(frozen=True)
class Findings:
    """What a page tells of: the candidate, whom it was compared with, and what was decided.

    Attributes:
        candidate: report of the candidate.
        verdict: what the judge said.
        baseline: report of the task's cheapest learner; the candidate's own where that one won.
        champion: report of the model that answered until now.
        metric: the one that decides.
        choice: which learners were tried: ``candidate``, ``baseline``, ``figures``, ``gains``.
        because: the verdict's reasons in the reader's language.
        data: where texts of test examples are looked up.
        target: the precision that the project asks of automatic answers.
    """

    candidate: Report
    verdict: Verdict
    baseline: Report
    champion: Report | None = None
    metric: str = "accuracy"
    choice: Mapping[str, Any] = field(default_factory=dict)
    because: tuple[str, ...] = ()
    data: Dataset | None = None
    target: Target = "off"

    @property
    def body(self) -> dict[str, Any]:
        """The candidate's report."""
        return self.candidate.body

    @property
    def is_baseline(self) -> bool:
        """Whether the candidate is the baseline."""
        return bool(self.body["model"] == self.baseline.body["model"])

    @property
    def is_table(self) -> bool:
        """Whether the model reads rows of a table."""
        return bool(self.body.get("input", "text") == "columns")

    @property
    def is_number(self) -> bool:
        """Whether the model answers numbers."""
        return bool(self.body.get("answers", "labels") == "number")

    def is_higher_better(self, metric: str) -> bool:
        """Whether more of a metric is better; older reports do not say, and had few others."""
        known = self.body.get("better", {"log_loss": "lower", "brier": "lower"})
        return bool(known.get(metric, "higher") == "higher")

    def unit(self, metric: str) -> float:
        """What differences of a metric are measured by: 1, or what guessing is off in its unit."""
        if not self.is_number or self.is_higher_better(metric):
            return 1.0
        return float(self.body["guess"]["metrics"].get(metric, 1.0)) or 1.0

    @cached_property
    def automatic(self) -> dict[str, Any] | None:
        """What the project's target comes to; None where it names none."""
        return reading_of(self.candidate, self.target)

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """What each test example says, by id: a text, or a cell a line; empty without the data."""
        if self.data is None:
            return {}
        test, schema = self.data.labelled("test"), self.data.card["schema"]
        named = schema["reads"] if self.is_table else schema["fields"]["text"]
        columns = [named] if isinstance(named, str) else list(named)
        rows = zip(test.column("id").to_pylist(), test.column("fields").to_pylist(), strict=True)
        return {
            row: ("\n" if self.is_table else " ").join(
                f"{name}: {fields[name]}" if self.is_table else str(fields[name])
                for name in columns
                if fields.get(name) is not None
            )
            for row, fields in rows
        }


def interval(figure: Mapping[str, float], *, signed: bool = False) -> Interval:
    """A figure with its interval, as a cell."""
    return Interval(figure["value"], figure["low"], figure["high"], signed)


def metric_name(say: Translate, metric: str) -> str:
    """A metric as people call it."""
    return say(_METRICS.get(metric, metric))


def slice_name(say: Translate, row: Mapping[str, Any]) -> str:
    """``Language: en``; a column of the project keeps its own name."""
    field_name, value = str(row["field"]), str(row["value"])
    name = say(_FIELDS[field_name]) if field_name in _FIELDS else field_name
    if field_name == "source":
        value = value.rpartition("/")[2]
    return f"{name}: {say(_VALUES[value]) if value in _VALUES else value}"


def said(labels: Sequence[str]) -> str:
    """Labels as a person writes them down; a dash where there is none."""
    return ", ".join(labels) or "–"


def one_line(text: str, most: int = _SHORT, *, is_table: bool = False) -> str:
    r"""A text in one line, cut where it is long; of a row each line is a cell.

    >>> one_line("two\n  lines"), one_line("age: 40\njob: cook", is_table=True)
    ('two lines', 'age: 40 · job: cook')
    """
    parts = text.splitlines() if is_table else [text]
    line = " · ".join(" ".join(part.split()) for part in parts)
    return line if len(line) <= most else line[: most - 1] + "…"
