"""Predictions that were given, and the feedback that came for them.

Feedback is never refused for being late, repeated, or for an id nobody knows (yet): it is kept, and
attaches to its prediction whenever that is there.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from volano.core.errors import DataError
from volano.core.hashing import hash_json
from volano.core.nouns import Feedback, Prediction
from volano.store import schema
from volano.store.audit import record_within
from volano.store.ids import seconds_of
from volano.store.subjects import is_named_in, suppressed_among, suppressed_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, RowMapping, Table

    from volano.store.ledger import Ledger

__all__ = [
    "PredictionRow",
    "add_feedback",
    "add_predictions",
    "append_predictions",
    "are_known",
    "count_routes",
    "find_predictions",
    "list_feedback",
    "list_predictions",
    "purge_predictions",
]

_NUM_IDS_PER_QUERY = 500  # SQLite allows a limited number of parameters
# Rows of one INSERT: the interpreter's lock is given back once for all of them, not once a row,
# and few sizes keep the statements compiled.
_ROWS_PER_INSERT = (256, 32, 4, 1)
# What is left of an answer to somebody who was erased, and the mark that it has in its output.
_BARE: dict[str, Any] = dict.fromkeys(("input", "input_hash", "subject", "group"))
_ERASED = "erased"
_WORDS = ("output", "comment")  # of a signal: what somebody wrote freely


class PredictionRow(NamedTuple):
    """A Prediction as the table holds it: input and output are JSON texts."""

    id: str
    at: float
    model: str
    input: str | None
    input_hash: str | None
    output: str
    subject: str | None
    group: str | None
    latency_ms: float


def append_predictions(ledger: Ledger, rows: Sequence[PredictionRow]) -> None:
    """Remember answers given just now, in one transaction that waits for no disk.

    They outlive this process at once, and a power cut as soon as anything else is written to the
    ledger. A row that is there already is left as it is, so a group may be sent again.
    """
    with ledger.append() as connection:
        rows = _unnamed(connection, rows)
        start = 0
        for size in _ROWS_PER_INSERT:
            while len(rows) - start >= size:
                values = tuple(cell for row in rows[start : start + size] for cell in row)
                connection.exec_driver_sql(_insert_sql(size), values)
                start += size


def _unnamed(connection: Connection, rows: Sequence[PredictionRow]) -> Sequence[PredictionRow]:
    """Answers to people who were erased are kept as answers to nobody, without what was asked.

    Looked up within the transaction that writes: what waited in a queue during an erasure is bare.
    """
    people = {row.subject for row in rows if row.subject is not None}
    erased = suppressed_among(connection, people) if people else people
    if not erased:
        return rows
    return [_bare(row) if row.subject in erased else row for row in rows]


def _bare(row: PredictionRow) -> PredictionRow:
    output = {**json.loads(row.output), _ERASED: True}
    return row._replace(**_BARE, output=json.dumps(output, ensure_ascii=False))


@lru_cache
def _insert_sql(num_rows: int) -> str:
    columns = ", ".join(f'"{name}"' for name in PredictionRow._fields)
    one = "(" + ", ".join("?" * len(PredictionRow._fields)) + ")"
    rows = ", ".join([one] * num_rows)
    return f"INSERT OR IGNORE INTO predictions ({columns}) VALUES {rows}"


def add_predictions(ledger: Ledger, rows: Sequence[Prediction]) -> None:
    """Remember answers; many at once cost one sync.

    Raises:
        DataError: an id was used before; none of the rows is kept.
    """
    if not rows:
        return
    values = [_values(row) for row in rows]
    with ledger.write() as connection:
        erased = suppressed_among(connection, {row.subject for row in rows if row.subject})
        for value in values:
            if value["subject"] in erased:
                value |= {**_BARE, "output": {**value["output"], _ERASED: True}}
        try:
            connection.execute(insert(schema.predictions), values)
        except IntegrityError as error:
            raise DataError(
                "predictions were not recorded: {error}",
                where="predictions",
                fix="give every prediction an id of its own",
                error=error.orig,
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


def are_known(ledger: Ledger, ids: Iterable[str]) -> bool:
    """Whether every one of the ids is the id of a prediction."""
    predictions, wanted = schema.predictions, sorted(set(ids))
    with ledger.read() as connection:
        for start in range(0, len(wanted), _NUM_IDS_PER_QUERY):
            some = wanted[start : start + _NUM_IDS_PER_QUERY]
            query = select(func.count()).where(predictions.c.id.in_(some))
            if connection.execute(query).scalar_one() < len(some):
                return False
    return True


def count_routes(ledger: Ledger, model: str) -> dict[str, int]:
    """How many answers of a model went which way; those that were not routed are left out."""
    predictions = schema.predictions
    route = predictions.c.output["route"].as_string()
    query = (
        select(route, func.count())
        .where(predictions.c.model == model, route.is_not(None))
        .group_by(route)
    )
    with ledger.read() as connection:
        return {str(name): int(count) for name, count in connection.execute(query)}


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
    """Erase what people wrote before ``older_than``; hashes, labels, scores and counts stay.

    The inputs of predictions go, and whose they were; comments and corrected outputs of feedback;
    and what reviews show of those inputs. A review that nobody answered is closed, since there is
    nothing left to look at.

    Returns:
        How many predictions were changed.
    """
    predictions, reviews, feedback = schema.predictions, schema.reviews, schema.feedback
    with ledger.write() as connection:
        # JSON columns hold SQL NULL for None, so this finds only what is still there.
        erased = _blank(connection, predictions, ("input", "subject", "group"), older_than)
        said = _blank(connection, feedback, _WORDS, older_than)
        if erased:
            old = select(predictions.c.id).where(predictions.c.at < older_than)
            copies = (reviews.c.what == "prediction", reviews.c.ref.in_(old))
            connection.execute(update(reviews).where(*copies).values(fields={}))
            unanswered = update(reviews).where(*copies, reviews.c.state == "open")
            connection.execute(unanswered.values(state="skipped"))
        if erased or said:
            detail = {"inputs": erased, "feedback": said, "older_than": older_than}
            record_within(connection, by, "purge-predictions", detail)
    return erased


def _blank(connection: Connection, table: Table, names: Sequence[str], older_than: float) -> int:
    is_there = or_(*(table.c[name].is_not(None) for name in names))
    emptied = update(table).where(table.c.at < older_than, is_there)
    return connection.execute(emptied.values(dict.fromkeys(names))).rowcount


def add_feedback(ledger: Ledger, rows: Sequence[Mapping[str, Any]]) -> list[Feedback]:
    """Keep signals as ``feedback.intake`` has read them: ``prediction`` and what is said of it.

    On an answer to somebody who was erased, or that went with them, words are not kept, nor words
    that name them anywhere; labels and scores are.

    Returns:
        What was recorded; ``status`` tells whether the prediction is known now.
    """
    feedback, now = schema.feedback, time.time()
    values = [{**row, "label": _listed(row.get("label")), "at": now} for row in rows]
    if not values:
        return []
    with ledger.write() as connection:
        known = {row["id"]: row for row in _with_ids(connection, [v["prediction"] for v in values])}
        erased = suppressed_within(connection)
        recorded = []
        for value in values:
            if erased:
                value |= _unsaid(value, known.get(value["prediction"]), erased)
            added = connection.execute(insert(feedback).values(value).returning(feedback))
            row = added.mappings().one()
            recorded.append(_feedback(dict(row), known=row["prediction"] in known))
    return recorded


def _unsaid(
    value: Mapping[str, Any], answer: RowMapping | None, erased: Mapping[str, float]
) -> dict[str, None]:
    """The parts of a signal that are not kept; ``erased``: hashes of people, and since when.

    An unknown answer that was given before the latest erasure went with somebody: what is only on
    its way is younger.
    """
    if answer is not None:
        is_theirs = answer["output"].get(_ERASED, False)
    else:
        given = seconds_of(value["prediction"])
        is_theirs = given is not None and given < max(erased.values())
    return {
        part: None
        for part in (*_WORDS, "by")
        if value.get(part) is not None
        and ((is_theirs and part in _WORDS) or is_named_in(value[part], erased))
    }


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
