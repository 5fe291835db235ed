"""The rows of a person in the ledger: counted, deleted, and the name struck out of what stays.

Predictions, the feedback on them and reviews go as whole rows. What others wrote (events, verdicts,
cards, reasons) stays, and where it names the person a mark stands instead.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, delete, func, or_, select, update

from volano.core.subjects import subject_name
from volano.store import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy import Column, Connection, Table

    from volano.store.ledger import Ledger

__all__ = ["MARK", "Rows", "count_rows", "delete_rows", "find_rows", "strike", "strike_out"]

MARK = "(erased)"
_FEWEST = 5  # characters: a shorter name is struck out only where it stands alone
_NUM_IDS = 500  # SQLite allows a limited number of parameters
_TALKED = ("comment-review", "change-review")
_NAMED: tuple[tuple[Table, str], ...] = (
    (schema.events, "text"),
    (schema.turns, "result"),
    (schema.stages, "output"),
    (schema.artifacts, "card"),
    (schema.releases, "because"),
    (schema.releases, "by"),
    (schema.feedback, "comment"),
    (schema.feedback, "output"),
    (schema.feedback, "by"),
    (schema.reviews, "by"),
    (schema.audit, "actor"),
    (schema.audit, "detail"),
    (schema.predictions, "group"),
    (schema.suppressions, "reason"),
    (schema.suppressions, "by"),
    (schema.tombstones, "reason"),
    (schema.tombstones, "by"),
)


@dataclass(frozen=True)
class Rows:
    """Ids of the rows that are a person's."""

    predictions: frozenset[str]
    feedback: frozenset[int]
    reviews: frozenset[int]


def find_rows(ledger: Ledger, name: str, columns: Collection[str], examples: Iterable[str]) -> Rows:
    """The rows of a person.

    Args:
        ledger: the project's ledger.
        name: the person, as ``subject_name`` writes it.
        columns: columns of an input that name a person.
        examples: ids of Examples that are theirs, which reviews may be about.
    """
    feedback, reviews = schema.feedback, schema.reviews
    with ledger.read() as connection:
        predictions = _predictions(connection, name, columns)
        said = {
            row
            for some in _some(predictions)
            for row in connection.execute(
                select(feedback.c.id).where(feedback.c.prediction.in_(some))
            ).scalars()
        }
        # Who gives feedback under the name of a person is that person.
        theirs = select(feedback.c.id).where(feedback.c.by == name)
        said.update(connection.execute(theirs).scalars())
        asked = {
            row
            for what, refs in (("prediction", predictions), ("example", set(examples)))
            for some in _some(refs)
            for row in connection.execute(
                select(reviews.c.id).where(reviews.c.what == what, reviews.c.ref.in_(some))
            ).scalars()
        }
    return Rows(frozenset(predictions), frozenset(said), frozenset(asked))


def _predictions(connection: Connection, name: str, columns: Collection[str]) -> set[str]:
    predictions = schema.predictions
    named = select(predictions.c.id).where(predictions.c.subject == name)
    found = set(connection.execute(named).scalars())
    # Answered before the project said which column names the person.
    unnamed = select(predictions.c.id, predictions.c.input).where(
        predictions.c.subject.is_(None), _holds(predictions.c.input, name)
    )
    for row, given in connection.execute(unnamed):
        if any(subject_name((given or {}).get(column)) == name for column in columns):
            found.add(row)
    return found


def count_rows(rows: Rows) -> dict[str, int]:
    """How many of each table, tables without any left out."""
    counts = {
        "predictions": len(rows.predictions),
        "feedback": len(rows.feedback),
        "reviews": len(rows.reviews),
    }
    return {table: count for table, count in counts.items() if count}


def delete_rows(connection: Connection, rows: Rows) -> None:
    """Delete them, and what the audit quotes of comments on them."""
    for table, ids in (
        (schema.predictions, rows.predictions),
        (schema.feedback, rows.feedback),
        (schema.reviews, rows.reviews),
    ):
        for some in _some(ids):
            connection.execute(delete(table).where(table.c.id.in_(some)))
    audit = schema.audit
    talked = select(audit.c.id, audit.c.detail).where(audit.c.action.in_(_TALKED))
    for row, detail in connection.execute(talked).all():
        if detail.get("item") in rows.reviews:
            quiet = {**detail, "comment": MARK} if "comment" in detail else detail
            connection.execute(update(audit).where(audit.c.id == row).values(detail=quiet))


def strike_out(connection: Connection, name: str, texts: Collection[str] = ()) -> None:
    """Put a mark where a text that stays names the person, or is one of ``texts`` as a whole."""
    for table, column in _NAMED:
        for told in (name, *texts):
            _strike_column(connection, table, table.c[column], told, is_name=told == name)


def _strike_column(
    connection: Connection, table: Table, column: Column[Any], told: str, *, is_name: bool
) -> None:
    (key,) = table.primary_key.columns
    found = select(key, column).where(_holds(column, told))
    for row, value in connection.execute(found).all():
        changed = strike(value, told, is_name=is_name)
        if changed != value:
            connection.execute(update(table).where(key == row).values({column.name: changed}))


def strike(value: Any, told: str, *, is_name: bool = True, fewest: int = _FEWEST) -> Any:
    """A value with a mark for each mention; ``is_name``: also as a word within longer texts.

    Within texts a name of fewer than ``fewest`` characters is left: 7 also stands in "7 days".

    >>> strike({"why": "customer-7 asked", "n": 7}, "customer-7")
    {'why': '(erased) asked', 'n': 7}
    >>> strike("7 days", "7"), strike("7", "7")
    ('7 days', '(erased)')
    """
    if isinstance(value, str):
        if value.strip() == told:
            return MARK
        if not is_name or len(told) < fewest:
            return value
        return re.sub(rf"(?<!\w){re.escape(told)}(?!\w)", MARK, value)
    if isinstance(value, dict):
        return {
            strike(key, told, is_name=is_name): strike(inner, told, is_name=is_name)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [strike(inner, told, is_name=is_name) for inner in value]
    return value


def _holds(column: Column[Any], text: str) -> Any:
    """Whether a column, as it is written, holds a text: plain, or as JSON escapes it."""
    written = cast(column, Text)
    escaped = {text, json.dumps(text, ensure_ascii=False)[1:-1]}
    return or_(*(func.instr(written, form) > 0 for form in sorted(escaped)))


def _some(ids: Collection[Any]) -> Iterator[list[Any]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _NUM_IDS):
        yield ordered[start : start + _NUM_IDS]
