"""The nouns: what every room, command, table and page calls the same.

An artifact (Dataset, Model, Report) is an immutable folder named by its content. These classes only
say where it is and what its card tells; rooms that need the rows read them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from volano.core.hashing import SHORT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.compute as pc

__all__ = [
    "Answer",
    "Artifact",
    "Dataset",
    "Decision",
    "Estimate",
    "Feedback",
    "Model",
    "Prediction",
    "Release",
    "Report",
    "Route",
    "Turn",
    "Verdict",
]

_SHOWN = 12  # labels on a screen
_TEACHERS = ("feedback", "review")

Decision = Literal["PROMOTE", "HOLD", "REJECT"]
Route = Literal["automatic", "person"]


@dataclass(frozen=True, repr=False)
class Artifact:
    """An immutable, content-addressed folder with a card."""

    noun: ClassVar[str] = "artifact"
    hash: str
    folder: Path
    card: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def short(self) -> str:
        """The first characters of the hash, as people see it."""
        return self.hash[:SHORT]

    @property
    def ref(self) -> str:
        """The reference a person can type: ``model:a1b2c3d4e5f6``."""
        return f"{self.noun}:{self.short}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.short!r})"

    def __str__(self) -> str:
        return self.ref

    def to_dict(self) -> dict[str, Any]:
        """Hash and card."""
        return {"noun": self.noun, "hash": self.hash, "card": dict(self.card)}


@dataclass(frozen=True, repr=False)
class Dataset(Artifact):
    """An immutable set of Examples in Parquet.

    Columns of ``examples.parquet``: ``id``, ``fields`` (struct: what the source said, raw),
    ``target``, ``split``, ``weight``, ``source``, ``line``, ``subject``, ``group``, ``time``,
    ``label_from``, ``picked``, and side columns that preparing added.
    """

    noun: ClassVar[str] = "dataset"

    @cached_property
    def examples(self) -> pa.Table:
        """All rows, as an Arrow table (memory-mapped)."""
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "examples.parquet", memory_map=True)

    def counts(self, column: str) -> Counter[str]:
        """How often each value of a column stands, or each label; empty cells are no value."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        table = pq.read_table(self.folder / "examples.parquet", columns=[column])
        cells = table.column(column)
        if pa.types.is_list(cells.type):
            cells = pc.list_flatten(cells)
        told = pc.value_counts(pc.drop_null(cells))
        pairs = zip(told.field("values").to_pylist(), told.field("counts").to_pylist(), strict=True)
        return Counter({value: count for value, count in pairs if value})

    def rows_in(self, *splits: str, columns: Sequence[str] = ()) -> pa.Table:
        """The examples of these splits, with truth or without, in the order of their ids.

        Only these are read, and only these columns besides the id; none named are all.
        """
        import pyarrow.compute as pc

        return self._read(pc.field("split").isin(list(splits)), columns)

    def labelled(
        self, *splits: str, columns: Sequence[str] = (), ids: Sequence[str] | None = None
    ) -> pa.Table:
        """The examples of these splits that carry truth, in the order of their ids.

        Args:
            splits: by name.
            columns: as of ``rows_in``.
            ids: of those that are asked for; None is all.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        is_asked = pc.field("split").isin(list(splits)) & pc.field("target").is_valid()
        if ids is not None:
            is_asked &= pc.field("id").isin(pa.array(ids, pa.string()))
        return self._read(is_asked, columns)

    def _read(self, kept: pc.Expression, columns: Sequence[str]) -> pa.Table:
        import pyarrow.parquet as pq

        names = list(dict.fromkeys(("id", *columns))) if columns else None
        table = pq.read_table(self.folder / "examples.parquet", columns=names, filters=kept)
        return table.sort_by("id")

    @property
    def dropped(self) -> dict[str, int]:
        """How many rows were dropped, by reason."""
        return dict(self.card.get("dropped", {}))

    def __str__(self) -> str:
        counts = {**self.card.get("counts", {})}
        splits = counts.pop("splits", {})
        rows = [f"{num:,} {name}" for name, num in splits.items() if num]
        lines = [f"{self.ref} ({self.card.get('stage', '?')}): {counts.get('rows', 0):,} rows"]
        if rows:
            lines.append(f"  splits    {', '.join(rows)}")
        for source in self.card.get("sources", ()):
            lines.append(f"  source    {source['path']}: {source.get('rows', 0):,} rows")
        if counts.get("broken"):
            lines.append(f"  broken    {counts['broken']:,} rows could not be read")
        lines += [f"  dropped   {num:,} {reason}" for reason, num in self.dropped.items()]
        lines += [f"  note      {note}" for note in self.card.get("notes", ())]
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Model(Artifact):
    """An immutable bundle: all that is needed to answer."""

    noun: ClassVar[str] = "model"

    @property
    def learner(self) -> str:
        """The name of the learner that made it."""
        return str(self.card.get("learner", ""))

    def __str__(self) -> str:
        card = self.card
        labels = list(card.get("labels", ()))
        told = ", ".join(map(str, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
        answers = f"  labels    {len(labels)}: {told}" if labels else "  answers   a number"
        lines = [f"{self.ref} ({self.learner})", answers]
        training = card.get("training", {})
        if "rows" in training:
            lines.append(f"  trained   on {training['rows']:,} rows of dataset:{_short(card)}")
        for name, value in training.get("settings", {}).items():
            lines.append(f"  chosen    {name} {value}")
        if "parity" in card:
            gap, agree = card["parity"]["score_gap"], card["parity"]["agreement"]
            told = f"scores within {gap:.2g} of training's, {agree:.1%} decided alike"
            if not labels:
                told = f"answers within {gap:.2g} standard deviations of training's"
            lines.append(f"  exported  as {card.get('form')}: {told}")
        else:
            lines.append("  exported  no: this is what training made, and it is not served")
        return "\n".join(lines)


def _short(card: Mapping[str, Any]) -> str:
    return str(card.get("dataset", ""))[:SHORT]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """``{"value": ..., "low": ..., "high": ...}``."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, repr=False)
class Report(Artifact):
    """What one Model, as served, scored on frozen examples."""

    noun: ClassVar[str] = "report"

    @cached_property
    def body(self) -> dict[str, Any]:
        """The whole report as JSON."""
        loaded: dict[str, Any] = json.loads((self.folder / "report.json").read_text("utf-8"))
        return loaded

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Each metric with its interval."""
        return {name: Estimate(**found) for name, found in self.body["metrics"].items()}

    def __str__(self) -> str:
        body = self.body
        guess = body.get("guess", {}).get("metrics", {})
        lines = [
            f"{self.ref}: model:{body['model'][:SHORT]} ({body.get('learner', '')}) "
            f"on {body['num_examples']:,} frozen examples of dataset:{body['dataset'][:SHORT]}"
        ]
        lines += _figures(self.metrics, guess)
        if not body.get("proven", True):
            lines.append(f"  unproven: {_unproven(body)}")
        cost = body.get("cost", {})
        if "p95_ms" in cost:
            lines.append(
                f"  answers in {cost['p50_ms']:.1f} ms (95th percentile {cost['p95_ms']:.1f}), "
                f"{cost['bytes'] / 1e6:.1f} MB"
            )
        return "\n".join(lines)


# Those of the metrics that stand on a screen, in this order; a plugin's come after them.
_ON_SCREEN = (
    "roc_auc", "average_precision", "precision_at_budget", "recall_at_budget", "accuracy",
    "macro_f1", "log_loss", "calibration_error", "cost", "rmse", "mae", "r2", "coverage",
)  # fmt: skip
_ON_PAGES = ("micro_f1", "macro_precision", "macro_recall", "brier", "pinball")  # and there alone
_IN_UNITS = ("rmse", "mae")  # of the number that is answered, large or tiny as it may be


def _unproven(body: Mapping[str, Any]) -> str:
    num = body.get("looked_at", {}).get("known", 0)
    if not num:
        return "there is no truth to compare its answers with"
    return f"{num:,} test examples have a label, too few to compare its answers with"


def _figures(metrics: Mapping[str, Estimate], guess: Mapping[str, float]) -> list[str]:
    lines = []
    known = [name for name in _ON_SCREEN if name in metrics]
    shown = (*known, *(name for name in metrics if name not in (*known, *_ON_PAGES)))
    width = max([18, *map(len, shown)])
    for name in shown:
        one = metrics[name]
        size = one.value if name in _IN_UNITS else 1.0
        value, low, high = (_figure(number, size) for number in (one.value, one.low, one.high))
        floor = f"   guessing {_figure(guess[name], size)}" if name in guess else ""
        lines.append(f"  {name:<{width}} {value} ({low} to {high}){floor}")
    return lines


def _figure(value: float, size: float) -> str:
    """Three decimals, or four digits of a number of another size."""
    if 0.01 <= abs(size) < 100 or size == 0:
        return f"{value:.3f}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(abs(size))))}f}"


@dataclass(frozen=True)
class Verdict:
    """PROMOTE, HOLD or REJECT, with its reasons and the figures behind them."""

    decision: Decision
    because: tuple[str, ...]
    candidate: str = ""
    champion: str = ""
    metric: str = ""
    effect: Estimate | None = None
    labels_needed: int | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def promotes(self) -> bool:
        """Whether the candidate takes over."""
        return self.decision == "PROMOTE"

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON can carry it."""
        return {**asdict(self), "because": list(self.because)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Verdict:
        """Read back what ``to_dict`` wrote."""
        effect = found.get("effect")
        return cls(
            **{
                **found,
                "because": tuple(found["because"]),
                "effect": Estimate(**effect) if effect else None,
            }
        )

    def __str__(self) -> str:
        return "\n".join([self.decision, *(f"  - {reason}" for reason in self.because)])


@dataclass(frozen=True)
class Release:
    """Which Model answers since when, and why; a rollback is a release of an earlier model."""

    id: int
    model: str
    role: Literal["champion", "challenger", "shadow"]
    share: float
    because: str
    forced: bool
    by: str
    at: float


@dataclass(frozen=True)
class Answer:
    """What a model says of one row: labels, or a number.

    Attributes:
        labels: the answer; empty for a number.
        confidence: probability of the likeliest label; 0 for a number.
        unknown: whether it takes the row for none of the labels it knows.
        scores: calibrated probabilities by label.
        reasons: pieces of the text, or columns, with their weight, where they were asked for.
        route: whether the answer may go out alone; None where the project names no precision.
        value: the number; None for labels.
        low: low end of the interval that holds the truth nine times in ten.
        high: its high end.
        explained: the label whose score the reasons add up to.
    """

    labels: tuple[str, ...]
    confidence: float
    unknown: bool
    scores: Mapping[str, float]
    reasons: tuple[tuple[str, float], ...] = ()
    route: Route | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    explained: str = ""

    @classmethod
    def of_number(
        cls, value: float, low: float, high: float, reasons: tuple[tuple[str, float], ...] = ()
    ) -> Answer:
        """A number and its interval."""
        return cls((), 0.0, False, {}, reasons, value=value, low=low, high=high)


@dataclass(frozen=True)
class Prediction:
    """One answer given to somebody, by one model, at one time."""

    id: str
    at: float
    model: str
    input: Mapping[str, Any] | None
    output: Mapping[str, Any]
    subject: str | None = None
    group: str | None = None
    latency_ms: float = 0.0


@dataclass(frozen=True)
class Feedback:
    """One signal about one Prediction; it may come late, twice, or for an id nobody knows."""

    id: int
    at: float
    prediction: str
    label: tuple[str, ...] | None = None
    score: float | None = None
    output: str | None = None
    comment: str | None = None
    by: str | None = None
    status: Literal["attached", "unknown-prediction"] = "attached"


@dataclass(frozen=True, repr=False)
class Turn:
    """One pass of the wheel: its artifacts, its verdict, what it skipped and what it cost.

    Attributes:
        number: of the turn; where nothing had changed, of the turn that made what still stands.
        dataset: hash of the prepared Dataset.
        model: hash of the candidate.
        learner: what made the candidate.
        verdict: on the candidate.
        metrics: of the candidate on the frozen examples.
        baseline: the cheapest learner's model, its metrics, and what guessing scores.
        skipped: stages that did not have to run.
        seconds: of each stage that ran; empty where nothing had changed.
        reports: where the pages are, by name.
        feedback: how many Examples have their label from users and reviewers.
    """

    number: int
    dataset: str
    model: str
    learner: str
    verdict: Verdict
    metrics: Mapping[str, Estimate]
    baseline: Mapping[str, Any]
    skipped: tuple[str, ...]
    seconds: Mapping[str, float]
    reports: Mapping[str, str] = field(default_factory=dict)
    feedback: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing had changed since this turn, so that nothing was done."""
        return not self.seconds

    @property
    def stages(self) -> tuple[str, ...]:
        """Every stage of the turn, those that were skipped first."""
        return (*self.skipped, *(name for name in self.seconds if name not in self.skipped))

    def to_dict(self) -> dict[str, Any]:
        """The object that ``volano turn --json`` prints."""
        return {
            "turn": self.number,
            "dataset": self.dataset,
            "model": self.model,
            "learner": self.learner,
            "verdict": self.verdict.to_dict(),
            "metrics": {name: found.to_dict() for name, found in self.metrics.items()},
            "baseline": dict(self.baseline),
            "feedback": dict(self.feedback),
            "skipped": list(self.skipped),
            "seconds": dict(self.seconds),
            "reports": dict(self.reports),
        }

    def __repr__(self) -> str:
        return f"Turn({self.number}, {self.verdict.decision}, model={self.model[:SHORT]!r})"

    def __str__(self) -> str:
        lines = [f"turn {self.number}: {self.verdict}", ""]
        if self.is_unchanged:
            lines.insert(0, f"nothing has changed since turn {self.number}; its result stands\n")
        figures = _figures(self.metrics, self.baseline["guess"]["metrics"])
        lines += [*figures, ""] if figures else []
        lines += [f"  model      model:{self.model[:SHORT]} ({self.learner})"]
        lines.append(f"  dataset    dataset:{self.dataset[:SHORT]}")
        taught = [f"{self.feedback.get(f'from_{who}', 0)} from {who}" for who in _TEACHERS]
        if any(self.feedback.get(f"from_{who}") for who in _TEACHERS):
            lines.append(f"  examples   {', '.join(taught)}")
        lines += [f"  {name + ' page':<10} {path}" for name, path in self.reports.items()]
        if self.skipped and not self.is_unchanged:
            lines.append(f"  unchanged  {', '.join(self.skipped)}")
        if self.seconds:
            spent = ", ".join(f"{name} {value:.1f}" for name, value in self.seconds.items())
            lines.append(f"  seconds    {spent}")
        return "\n".join(lines)
