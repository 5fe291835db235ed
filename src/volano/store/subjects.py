"""Whose data is where, what was erased, and whose data may not come back.

The index, the tombstones and the suppression list hold the hash of a subject, never the subject:
they answer "is this person here?" and outlive an erasure without naming anybody.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from volano.core.hashing import hash_bytes
from volano.store import schema
from volano.store.audit import record_within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from volano.store.ledger import Ledger

__all__ = [
    "Tombstone",
    "add_tombstone",
    "hash_subject",
    "index_subjects",
    "list_tombstones",
    "suppress",
    "suppressed",
    "where_is",
]


@dataclass(frozen=True)
class Tombstone:
    """That something of a subject was here and was erased."""

    id: int
    subject: str
    place: str
    count: int
    reason: str
    by: str
    at: float

    def to_dict(self) -> dict[str, Any]:
        """The tombstone as JSON can carry it."""
        return asdict(self)


def hash_subject(subject: str) -> str:
    """How a subject is named where only "the same person" matters.

    >>> hash_subject("customer-7")[:12]
    'acade5fe58d0'
    """
    return hash_bytes(subject.encode())


def index_subjects(ledger: Ledger, subjects_to_count: Mapping[str, int], where: str) -> None:
    """Say how many rows of each subject are in a place, such as ``dataset:<hash>``.

    What was said of that place before is replaced.
    """
    subjects = schema.subjects
    now = time.time()
    rows = [
        {"subject": hash_subject(subject), "place": where, "count": count, "at": now}
        for subject, count in subjects_to_count.items()
    ]
    with ledger.write() as connection:
        connection.execute(delete(subjects).where(subjects.c.place == where))
        if rows:
            connection.execute(insert(subjects), rows)


def where_is(ledger: Ledger, subject: str) -> dict[str, int]:
    """How many rows of a subject are in each place; "predictions" are counted as they are now."""
    subjects, predictions = schema.subjects, schema.predictions
    indexed = (
        select(subjects.c.place, subjects.c["count"])
        .where(subjects.c.subject == hash_subject(subject))
        .order_by(subjects.c.place)
    )
    given = select(func.count()).select_from(predictions).where(predictions.c.subject == subject)
    with ledger.read() as connection:
        found = {place: int(count) for place, count in connection.execute(indexed)}
        num_predictions = connection.execute(given).scalar_one()
    return {**found, "predictions": num_predictions} if num_predictions else found


def suppress(ledger: Ledger, subject: str, *, reason: str, by: str) -> None:
    """Keep a subject's data from being collected again."""
    with ledger.write() as connection:
        _suppress(connection, hash_subject(subject), reason, by)


def suppressed(ledger: Ledger) -> set[str]:
    """The hashes (``hash_subject``) whose data may not be collected."""
    with ledger.read() as connection:
        return set(connection.execute(select(schema.suppressions.c.subject)).scalars())


def add_tombstone(
    ledger: Ledger, subject: str, *, where: str, count: int, reason: str, by: str
) -> None:
    """Remember that ``count`` rows were erased, forget that they were there, and suppress."""
    subjects = schema.subjects
    name = hash_subject(subject)
    erased = {"subject": name, "place": where, "count": count, "reason": reason}
    with ledger.write() as connection:
        connection.execute(
            insert(schema.tombstones).values({**erased, "by": by, "at": time.time()})
        )
        connection.execute(
            delete(subjects).where(subjects.c.subject == name, subjects.c.place == where)
        )
        _suppress(connection, name, reason, by)
        record_within(connection, by, "erase", erased)


def list_tombstones(ledger: Ledger) -> tuple[Tombstone, ...]:
    """Every erasure, newest first."""
    query = select(schema.tombstones).order_by(schema.tombstones.c.id.desc())
    with ledger.read() as connection:
        return tuple(Tombstone(**row) for row in connection.execute(query).mappings())


def _suppress(connection: Connection, name: str, reason: str, by: str) -> None:
    suppressions = schema.suppressions
    present = select(suppressions.c.subject).where(suppressions.c.subject == name)
    if connection.execute(present).first() is None:
        row = {"subject": name, "reason": reason, "by": by, "at": time.time()}
        connection.execute(insert(suppressions).values(row))
