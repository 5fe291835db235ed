"""Labelled answers as a Dataset that ``collect`` reads: what users saw, and what it should be.

The same ledger content gives the same hash: rows are sorted by id, and nothing of today goes in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from volano.core.hashing import to_json
from volano.core.nouns import Dataset
from volano.feedback.rules import Settled, Settlement, Signals, settle
from volano.store.predictions import find_predictions, list_feedback
from volano.store.reviews import answered_reviews

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from volano.core.events import Events
    from volano.core.nouns import Prediction
    from volano.feedback.config import FeedbackConfig
    from volano.store.artifacts import ArtifactStore
    from volano.store.ledger import Ledger
    from volano.store.reviews import ReviewItem
    from volano.tasks.task import Task

__all__ = ["Usable", "feedback_dataset", "read_signals", "usable_examples"]


@dataclass(frozen=True)
class Usable:
    """Rows that may be learned from, what was settled, and why the rest is no row."""

    rows: tuple[dict[str, Any], ...]
    settlement: Settlement
    not_usable: Mapping[str, int]


def read_signals(ledger: Ledger) -> Signals:
    """All Feedback, all answered reviews, and their Predictions."""
    sent = list_feedback(ledger)
    reviews = answered_reviews(ledger)
    ids = {signal.prediction for signal in sent}
    ids |= {review.ref for review in reviews if review.what == "prediction"}
    return Signals(find_predictions(ledger, ids), sent, reviews)


def feedback_dataset(
    config: FeedbackConfig,
    task: Task,
    ledger: Ledger,
    store: ArtifactStore,
    events: Events,
    labels: Collection[str] = (),
) -> Dataset | None:
    """Write what people said as a Dataset; None where nothing of it is an Example.

    Args:
        config: which signals make a label.
        task: today's labels.
        ledger: Predictions, Feedback and reviews.
        store: where the Dataset is kept.
        events: hears how many signals met which fate.
        labels: those of today's data and champion, so that none of them counts as new.
    """
    usable = usable_examples(config, task, read_signals(ledger), labels)
    fates = usable.settlement.fates
    if fates:
        said = ", ".join(f"{fate} {num}" for fate, num in fates.items())
        events.note(f"{sum(fates.values())} signals: {said}")
    for reason, num in usable.not_usable.items():
        events.note(f"{num} labelled answers cannot be learned from: {reason}")
    num_conflicts = len(usable.settlement.conflicts)
    if num_conflicts:
        events.note(f"{num_conflicts} answers go to review: people disagree, or the label is new")
    if not usable.rows:
        return None
    with store.draft() as draft:
        _write(usable.rows, draft / "examples.parquet")
        return store.keep(Dataset, draft, _card(usable, config))


def usable_examples(
    config: FeedbackConfig, task: Task, signals: Signals, labels: Collection[str] = ()
) -> Usable:
    """The rows, before they are written."""
    settlement = settle(config, task, signals, labels)
    reviews = {(review.what, review.ref): review for review in signals.reviews}
    rows: list[dict[str, Any]] = []
    not_usable: Counter[str] = Counter()
    for settled in settlement.labelled:
        prediction = signals.predictions.get(settled.ref)
        review = reviews.get((settled.what, settled.ref))
        fields = _fields(prediction, review)
        if isinstance(fields, str):
            not_usable[fields] += 1
        else:
            rows.append(_row(settled, fields, prediction, review))
    rows.sort(key=lambda row: str(row["id"]))
    numbered = tuple({**row, "line": line} for line, row in enumerate(rows, 1))
    return Usable(numbered, settlement, dict(sorted(not_usable.items())))


def _fields(prediction: Prediction | None, review: ReviewItem | None) -> Mapping[str, Any] | str:
    """The raw input, or the reason why there is none."""
    if prediction is not None:
        if prediction.output.get("input_masked"):
            return "input-masked"
        # Where retention erased the input, what a review item still shows of it is no way around.
        return prediction.input if prediction.input is not None else "input-not-kept"
    if review is not None and review.fields:
        return review.fields
    return "input-not-kept"


def _row(
    settled: Settled,
    fields: Mapping[str, Any],
    prediction: Prediction | None,
    review: ReviewItem | None,
) -> dict[str, Any]:
    at = prediction.at if prediction is not None else None
    return {
        "id": settled.ref,
        # A label for an Example says nothing once its row is gone; only a Prediction is a new row.
        "about": settled.what,
        "fields": {name: _as_written(value) for name, value in fields.items()},
        "target": list(settled.labels),
        "split": None,
        "weight": 1.0,
        "source": "feedback",
        "subject": prediction.subject if prediction is not None else None,
        "group": prediction.group if prediction is not None else None,
        "time": None if at is None else datetime.fromtimestamp(at, UTC).isoformat(),
        "label_from": settled.label_from,
        "picked": settled.picked,
    }


def _as_written(value: object) -> str | None:
    """A value of JSON as a cell of a CSV file would hold it."""
    if value is None or isinstance(value, str):
        return value
    return to_json(value)


def _write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_table(rows), path, compression="zstd")


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    names = sorted({name for row in rows for name in row["fields"]})
    text = pa.string()
    schema = pa.schema(
        [
            ("id", text),
            ("about", text),
            ("fields", pa.struct([(name, text) for name in names])),
            ("target", pa.list_(text)),
            ("split", text),
            ("weight", pa.float64()),
            ("source", text),
            ("line", pa.int64()),
            ("subject", text),
            ("group", text),
            ("time", text),
            ("label_from", text),
            ("picked", text),
        ]
    )
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def _card(usable: Usable, config: FeedbackConfig) -> dict[str, Any]:
    rows = usable.rows
    return {
        "stage": "feedback",
        "sources": [{"path": "feedback", "licence": "own", "rows": len(rows)}],
        "counts": {
            "rows": len(rows),
            "from_review": sum(row["label_from"] == "review" for row in rows),
            "from_feedback": sum(row["label_from"] == "feedback" for row in rows),
            "picked_at_random": sum(row["picked"] == "random" for row in rows),
        },
        "signals": dict(usable.settlement.fates),
        "not_usable": dict(usable.not_usable),
        "conflicts": len(usable.settlement.conflicts),
        "rules": config.model_dump(mode="json"),
    }
