"""What people are asked to label: why it was picked, with what probability, and what they said.

The probability is that of being picked, so that figures over randomly picked items can be corrected
for how they were picked. One prediction or example has one open item at a time.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import insert, select, update

from volano.core.errors import DataError
from volano.store import schema
from volano.store.audit import record_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, RowMapping

    from volano.store.ledger import Ledger

__all__ = [
    "RANDOM",
    "ReviewAnswer",
    "ReviewItem",
    "ReviewState",
    "ReviewTopic",
    "ReviewWhy",
    "answer_reviews",
    "answered_reviews",
    "file_reviews",
    "open_reviews",
]

ReviewTopic = Literal["prediction", "example"]
ReviewWhy = Literal["person", "random", "unsure", "suspect-label", "conflict"]
ReviewState = Literal["open", "answered", "skipped"]
RANDOM: ReviewWhy = "random"


@dataclass(frozen=True)
class ReviewItem:
    """One thing to label; ``id`` is given when it is filed."""

    what: ReviewTopic
    ref: str
    fields: Mapping[str, Any]
    target: tuple[str, ...] | None
    why: ReviewWhy
    probability: float = 1.0
    id: int = 0
    state: ReviewState = "open"
    label: tuple[str, ...] | None = None
    by: str | None = None
    at: float = 0.0
    answered_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The item as JSON can carry it."""
        return asdict(self)


@dataclass(frozen=True)
class ReviewAnswer:
    """What a person says of one item; without a label they skip it.

    Attributes:
        id: the item.
        label: what they say.
        by: who says it.
        comment: kept in the audit, once however often it is sent.
        is_beside: another person answered the item; this is kept as an item of its own, picked the
            same way.
    """

    id: int
    label: tuple[str, ...] | None
    by: str
    comment: str = ""
    is_beside: bool = False


def file_reviews(ledger: Ledger, items: Sequence[ReviewItem]) -> tuple[ReviewItem, ...]:
    """Ask about these; what is open already is not asked twice.

    A random pick of something that is open for another reason makes that item random: it was
    picked at random, and leaving it out would bias what is estimated from random picks.

    Returns:
        The items that were filed or became random, with their ids.

    Raises:
        DataError: a probability is not above 0 and at most 1; nothing is filed.
    """
    for number, given in enumerate(items):
        if not 0 < given.probability <= 1:
            raise DataError(
                "the probability of being picked is {probability!r}",
                where=f"review item {number}, {given.ref!r}",
                fix="give one above 0 and at most 1",
                probability=given.probability,
            )
    with ledger.write() as connection:
        filed = [_file(connection, given) for given in items]
    return tuple(found for found in filed if found is not None)


def _file(connection: Connection, given: ReviewItem) -> ReviewItem | None:
    reviews = schema.reviews
    is_same = (reviews.c.what == given.what, reviews.c.ref == given.ref)
    query = select(reviews).where(*is_same, reviews.c.state == "open")
    present = connection.execute(query).mappings().first()
    if present is None:
        row = {**vars(given), "fields": dict(given.fields), "target": _listed(given.target)}
        return _item(_insert(connection, row))
    if given.why != RANDOM or present["why"] == RANDOM:
        return None
    changed = connection.execute(
        update(reviews)
        .where(reviews.c.id == present["id"])
        .values(why=RANDOM, probability=given.probability)
        .returning(reviews)
    )
    return _item(changed.mappings().one())


def _insert(connection: Connection, asked: Mapping[str, Any] | RowMapping) -> RowMapping:
    """A new open item that asks the same as ``asked``."""
    reviews = schema.reviews
    names = ("what", "ref", "fields", "target", "why", "probability")
    row = {**{name: asked[name] for name in names}, "state": "open", "at": time.time()}
    return connection.execute(insert(reviews).values(row).returning(reviews)).mappings().one()


def open_reviews(ledger: Ledger) -> tuple[ReviewItem, ...]:
    """What waits for an answer, oldest first."""
    return _list(ledger, ("open",))


def answered_reviews(ledger: Ledger, *, skipped: bool = False) -> tuple[ReviewItem, ...]:
    """What was answered with a label, and, if asked for, what was skipped; oldest first."""
    return _list(ledger, ("answered", "skipped") if skipped else ("answered",))


def answer_reviews(ledger: Ledger, answers: Sequence[ReviewAnswer]) -> tuple[ReviewItem, ...]:
    """Close items in one transaction; a later answer replaces the first, which the audit keeps.

    Raises:
        DataError: an id was never filed; nothing is recorded.
    """
    reviews = schema.reviews
    changed = []
    with ledger.write() as connection:
        for answer in answers:
            query = select(reviews).where(reviews.c.id == answer.id)
            present = connection.execute(query).mappings().first()
            if present is None:
                raise DataError(
                    "there is no review item {id}",
                    where="review",
                    fix="volano review --export FILE writes those that are open",
                    id=answer.id,
                )
            if answer.is_beside:
                present = _insert(connection, present)
            changed.append(_answer(connection, present, answer))
            if answer.comment:
                detail = {"item": present["id"], "comment": answer.comment}
                _record_once(connection, answer.by, "comment-review", detail)
    return tuple(changed)


def _record_once(connection: Connection, by: str, action: str, detail: Mapping[str, Any]) -> None:
    audit = schema.audit
    is_same = (audit.c.action == action, audit.c.actor == by, audit.c.detail == dict(detail))
    if connection.execute(select(audit.c.id).where(*is_same)).first() is None:
        record_within(connection, by, action, detail)


def _answer(connection: Connection, present: RowMapping, answer: ReviewAnswer) -> ReviewItem:
    label = _listed(answer.label)
    if present["state"] != "open":
        if present["label"] == label:
            return _item(present)  # the same sheet was sent in twice
        detail = {
            "item": present["id"],
            "label": label,
            "was": present["label"],
            "from": present["by"],
        }
        record_within(connection, answer.by, "change-review", detail)
    reviews = schema.reviews
    changed = connection.execute(
        update(reviews)
        .where(reviews.c.id == present["id"])
        .values(
            state="skipped" if label is None else "answered",
            label=label,
            by=answer.by,
            answered_at=time.time(),
        )
        .returning(reviews)
    )
    return _item(changed.mappings().one())


def _list(ledger: Ledger, states: tuple[str, ...]) -> tuple[ReviewItem, ...]:
    reviews = schema.reviews
    query = select(reviews).where(reviews.c.state.in_(states)).order_by(reviews.c.id)
    with ledger.read() as connection:
        return tuple(_item(row) for row in connection.execute(query).mappings())


def _item(row: RowMapping) -> ReviewItem:
    return ReviewItem(
        **{
            **row,
            "target": _tuple(row["target"]),
            "label": _tuple(row["label"]),
            # SQLite answers a whole number where it has just stored 1.0.
            "probability": float(row["probability"]),
        }
    )


def _listed(labels: tuple[str, ...] | None) -> list[str] | None:
    return None if labels is None else list(labels)


def _tuple(labels: list[str] | None) -> tuple[str, ...] | None:
    return None if labels is None else tuple(labels)
