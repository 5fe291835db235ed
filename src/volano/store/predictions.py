"""Predictions that were given, and the feedback that came for them.

Feedback is never refused for being late, repeated, or for an id nobody knows (yet): it is kept, and
attaches to its prediction whenever that is there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from volano.core.errors import DataError
from volano.core.hashing import hash_json
from volano.core.nouns import Feedback, Prediction
from volano.store import schema
from volano.store.audit import record_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, RowMapping

    from volano.store.ledger import Ledger

__all__ = [
    "add_feedback",
    "add_predictions",
    "find_predictions",
    "list_feedback",
    "list_predictions",
    "purge_predictions",
]

_NUM_IDS_PER_QUERY = 500  # SQLite allows a limited number of parameters


def add_predictions(ledger: Ledger, rows: Sequence[Prediction]) -> None:
    """Remember answers; many at once cost one sync.

    Raises:
        DataError: an id was used before; none of the rows is kept.
    """
    if not rows:
        return
    values = [_values(row) for row in rows]
    with ledger.write() as connection:
        try:
            connection.execute(insert(schema.predictions), values)
        except IntegrityError as error:
            raise DataError(
                f"predictions were not recorded: {error.orig}",
                where="predictions",
                fix="give every prediction an id of its own",
            ) from error


def _values(row: Prediction) -> dict[str, Any]:
    given = None if row.input is None else dict(row.input)
    return {
        **vars(row),
        "input": given,
        "input_hash": None if given is None else hash_json(given),
        "output": dict(row.output),
    }


def find_predictions(ledger: Ledger, ids: Iterable[str]) -> dict[str, Prediction]:
    """Those of the ids that are known, with their predictions."""
    with ledger.read() as connection:
        rows = _with_ids(connection, ids)
        return {row["id"]: _prediction(row) for row in rows}


def list_predictions(
    ledger: Ledger, *, since: float = 0.0, limit: int | None = None
) -> tuple[Prediction, ...]:
    """Predictions from ``since`` (seconds since 1970) on, newest first."""
    predictions = schema.predictions
    query = (
        select(predictions)
        .where(predictions.c.at >= since)
        .order_by(predictions.c.at.desc(), predictions.c.id)
        .limit(limit)
    )
    with ledger.read() as connection:
        return tuple(_prediction(row) for row in connection.execute(query).mappings())


def purge_predictions(ledger: Ledger, older_than: float, *, by: str = "retention") -> int:
    """Erase the inputs of predictions given before ``older_than``; their hash stays.

    Reviews hold a copy of the input, which goes too; one that nobody answered is closed, since
    there is nothing left to look at.

    Returns:
        How many inputs were erased.
    """
    predictions, reviews = schema.predictions, schema.reviews
    with ledger.write() as connection:
        # JSON columns hold SQL NULL for None, so this finds only what is still there.
        erased = connection.execute(
            update(predictions)
            .where(predictions.c.at < older_than, predictions.c.input.is_not(None))
            .values(input=None)
        ).rowcount
        if erased:
            old = select(predictions.c.id).where(predictions.c.at < older_than)
            copies = (reviews.c.what == "prediction", reviews.c.ref.in_(old))
            connection.execute(update(reviews).where(*copies).values(fields={}))
            unanswered = update(reviews).where(*copies, reviews.c.state == "open")
            connection.execute(unanswered.values(state="skipped"))
            detail = {"inputs": erased, "older_than": older_than}
            record_within(connection, by, "purge-predictions", detail)
    return erased


def add_feedback(ledger: Ledger, rows: Sequence[Mapping[str, Any]]) -> list[Feedback]:
    """Keep signals as ``feedback.intake`` has read them: ``prediction`` and what is said of it.

    Returns:
        What was recorded; ``status`` tells whether the prediction is known now.
    """
    feedback, now = schema.feedback, time.time()
    values = [{**row, "label": _listed(row.get("label")), "at": now} for row in rows]
    if not values:
        return []
    with ledger.write() as connection:
        known = {row["id"] for row in _with_ids(connection, [v["prediction"] for v in values])}
        recorded = []
        for value in values:
            added = connection.execute(insert(feedback).values(value).returning(feedback))
            row = added.mappings().one()
            recorded.append(_feedback(dict(row), known=row["prediction"] in known))
    return recorded


def _listed(label: str | Sequence[str] | None) -> list[str] | None:
    if label is None:
        return None
    return [label] if isinstance(label, str) else list(label)


def list_feedback(
    ledger: Ledger,
    *,
    since: float = 0.0,
    prediction: str | None = None,
    limit: int | None = None,
) -> tuple[Feedback, ...]:
    """Signals as they were sent, newest first; what counts of them, ``feedback`` decides.

    Args:
        ledger: the project's ledger.
        since: seconds since 1970.
        prediction: only those for this id.
        limit: at most so many.
    """
    feedback, predictions = schema.feedback, schema.predictions
    query = (
        select(feedback, predictions.c.id.is_not(None).label("known"))
        .outerjoin(predictions, predictions.c.id == feedback.c.prediction)
        .where(feedback.c.at >= since)
        .order_by(feedback.c.id.desc())
        .limit(limit)
    )
    if prediction is not None:
        query = query.where(feedback.c.prediction == prediction)
    with ledger.read() as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(
        _feedback({n: v for n, v in row.items() if n != "known"}, known=row["known"])
        for row in rows
    )


def _with_ids(connection: Connection, ids: Iterable[str]) -> Iterator[RowMapping]:
    predictions = schema.predictions
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _NUM_IDS_PER_QUERY):
        some = wanted[start : start + _NUM_IDS_PER_QUERY]
        query = select(predictions).where(predictions.c.id.in_(some))
        yield from connection.execute(query).mappings()


def _prediction(row: RowMapping) -> Prediction:
    return Prediction(**{name: found for name, found in row.items() if name != "input_hash"})


def _feedback(row: dict[str, Any], *, known: bool) -> Feedback:
    label = row["label"]
    return Feedback(
        **{
            **row,
            "label": None if label is None else tuple(label),
            # SQLite answers a whole number where it has just stored 1.0.
            "score": None if row["score"] is None else float(row["score"]),
            "status": "attached" if known else "unknown-prediction",
        }
    )
