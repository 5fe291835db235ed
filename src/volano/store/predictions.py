"""Predictions that were given, and the feedback that came for them.

Feedback is never refused for being late, repeated, or for an id nobody knows (yet): it is kept, and
attaches to its prediction whenever that is there.
"""

from __future__ import annotations

import time
from dataclasses import replace
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

_SIGNALS = ("label", "score", "output")
_KINDS: dict[str, tuple[type, ...]] = {
    "prediction": (str,),
    "label": (str, list, tuple),
    "score": (int, float),
    "output": (str,),
    "comment": (str,),
    "by": (str,),
}
_READABLE = dict.fromkeys(_KINDS, "text") | {
    "label": "a label or a list of labels",
    "score": "a number",
}
_GIVEN = frozenset(_KINDS)
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
    """Keep signals: each with ``prediction`` and at least one of label, score, output, comment.

    Returns:
        What was recorded; ``status`` tells whether the prediction is known now.

    Raises:
        DataError: a row has unknown keys or no signal; none of the rows is kept.
    """
    values = [_checked(row, number) for number, row in enumerate(rows)]
    if not values:
        return []
    feedback = schema.feedback
    with ledger.write() as connection:
        known = {row["id"] for row in _with_ids(connection, [v["prediction"] for v in values])}
        recorded = []
        for value in values:
            added = connection.execute(insert(feedback).values(value).returning(feedback))
            row = added.mappings().one()
            recorded.append(_feedback(dict(row), known=row["prediction"] in known))
    return recorded


def _checked(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    where = f"feedback {number}"
    unknown = sorted(row.keys() - _GIVEN)
    if unknown:
        raise DataError(
            f"{unknown[0]!r} is not a part of feedback",
            where=where,
            fix="one of " + ", ".join(sorted(_GIVEN)),
        )
    if not row.get("prediction"):
        raise DataError("no prediction is named", where=where, fix='"prediction": "<id>"')
    if all(row.get(name) is None for name in (*_SIGNALS, "comment")):
        raise DataError(
            "it says nothing about the prediction",
            where=where,
            fix="give a label, a score, an output or a comment",
        )
    for name, kinds in _KINDS.items():
        given = row.get(name)
        if given is not None and (not isinstance(given, kinds) or isinstance(given, bool)):
            raise DataError(
                f"{name!r} is {given!r}",
                where=where,
                fix=f"{name!r} takes {_READABLE[name]}",
            )
    return {**dict.fromkeys(_GIVEN), **row, "label": _labels(row, where), "at": time.time()}


def _labels(row: Mapping[str, Any], where: str) -> list[str] | None:
    label = row.get("label")
    if label is None:
        return None
    labels = [label] if isinstance(label, str) else list(label)
    if not all(isinstance(each, str) for each in labels):
        raise DataError(
            f"'label' is {label!r}", where=where, fix=f"'label' takes {_READABLE['label']}"
        )
    return labels


def list_feedback(
    ledger: Ledger,
    *,
    since: float = 0.0,
    prediction: str | None = None,
    replaced: bool = False,
    limit: int | None = None,
) -> tuple[Feedback, ...]:
    """Signals as they stand now, newest first.

    Args:
        ledger: the project's ledger.
        since: seconds since 1970.
        prediction: only those for this id.
        replaced: also show what the same person later replaced, as it was sent.
        limit: at most so many.
    """
    feedback, predictions = schema.feedback, schema.predictions
    query = (
        select(feedback, predictions.c.id.is_not(None).label("known"))
        .outerjoin(predictions, predictions.c.id == feedback.c.prediction)
        .where(feedback.c.at >= since)
        .order_by(feedback.c.id.desc())
    )
    if prediction is not None:
        query = query.where(feedback.c.prediction == prediction)
    with ledger.read() as connection:
        rows = connection.execute(query).mappings().all()
    found = [
        _feedback({n: v for n, v in row.items() if n != "known"}, known=row["known"])
        for row in rows
    ]
    return tuple(found if replaced else _standing(found))[:limit]


def _standing(newest_first: Iterable[Feedback]) -> Iterator[Feedback]:
    """Leave out what the same person said again later; an anonymous voice replaces nobody."""
    said: set[tuple[str, str, str]] = set()
    for signal in newest_first:
        given = [name for name in _SIGNALS if getattr(signal, name) is not None]
        if signal.by is None or not given:
            yield signal
            continue
        stands = [n for n in given if (signal.prediction, signal.by, n) not in said]
        said.update((signal.prediction, signal.by, name) for name in given)
        if stands:
            yield replace(
                signal,
                label=signal.label if "label" in stands else None,
                score=signal.score if "score" in stands else None,
                output=signal.output if "output" in stands else None,
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
