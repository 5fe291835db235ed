"""Whose data is where, what was erased, and whose data may not come back.

The index, the tombstones and the suppression list hold the hash of a subject, never the subject:
they answer "is this person here?" and outlive an erasure without naming anybody.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from volano.core.hashing import hash_bytes
from volano.core.subjects import subject_name
from volano.store import schema
from volano.store.audit import record_within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from volano.store.ledger import Ledger

__all__ = [
    "Tombstone",
    "allow",
    "bury_rows",
    "drop_index",
    "hash_subject",
    "index_subjects",
    "is_named_in",
    "list_tombstones",
    "move_index",
    "suppress_within",
    "suppressed",
    "suppressed_among",
    "suppressed_within",
]

_CELL_ENDS = re.compile(r"[,;\t|\r\n]+")
_WORD_ENDS = re.compile(r"[\s,;|\"'{}\[\]():<>=\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+")
_QUOTED = re.compile(r'"([^"]*)"')
_LATIN = re.compile(r"[A-Za-z0-9_.@+-]+")


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


def is_named_in(raw: str, hashes: Collection[str]) -> bool:
    """Whether a cell or a word of raw text is the name of one of these subjects (their hashes).

    >>> is_named_in("R1;no quote,customer-7", {hash_subject("customer-7")})
    True
    >>> is_named_in("R1;no quote,customer-77", {hash_subject("customer-7")})
    False
    """
    return any(hash_subject(name) in hashes for name in set(_names_in(raw)))


def _names_in(raw: str) -> Iterator[str]:
    pieces: list[object] = [
        *(cell.strip().strip("\"'") for cell in _CELL_ENDS.split(raw)),
        *_WORD_ENDS.split(raw),
        *_QUOTED.findall(raw),
        *_LATIN.findall(raw),
    ]
    if raw.lstrip().startswith("{"):
        pieces += _values_of(raw)
    for piece in set(pieces):
        name = subject_name(piece)
        if name is not None:
            yield name
            yield name.strip(".")


def _values_of(raw: str) -> Iterable[object]:
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):  # nested without end
        return ()
    return (cell for cell in row.values() if not isinstance(cell, dict | list))


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


def suppress_within(connection: Connection, subject: str, *, reason: str, by: str) -> None:
    """Keep a subject's data from being collected again."""
    suppressions, name = schema.suppressions, hash_subject(subject)
    present = select(suppressions.c.subject).where(suppressions.c.subject == name)
    if connection.execute(present).first() is None:
        row = {"subject": name, "reason": reason, "by": by, "at": time.time()}
        connection.execute(insert(suppressions).values(row))


def allow(ledger: Ledger, subject: str, *, by: str) -> bool:
    """Let a subject's data be collected again; whether it was suppressed."""
    name = hash_subject(subject)
    with ledger.write() as connection:
        suppressions = schema.suppressions
        gone = connection.execute(delete(suppressions).where(suppressions.c.subject == name))
        if gone.rowcount:
            record_within(connection, by, "allow", {"subject": name})
    return bool(gone.rowcount)


def suppressed_among(connection: Connection, subjects: Collection[str]) -> set[str]:
    """Those of the subjects whose data may not be kept; one look where nobody is suppressed."""
    hashes = suppressed_within(connection)
    return {name for name in subjects if hash_subject(name) in hashes} if hashes else set()


def suppressed_within(connection: Connection) -> dict[str, float]:
    """The hashes (``hash_subject``) whose data may not be collected, and since when."""
    query = select(schema.suppressions.c.subject, schema.suppressions.c.at)
    return {str(row.subject): float(row.at) for row in connection.execute(query)}


def drop_index(connection: Connection, subject: str) -> None:
    """Say that nothing of a subject is anywhere, pruned places included."""
    subjects = schema.subjects
    connection.execute(delete(subjects).where(subjects.c.subject == hash_subject(subject)))


def move_index(connection: Connection, old: str, new: str) -> None:
    """Say that what was in the place ``old`` is in ``new``."""
    subjects = schema.subjects
    known = select(subjects.c.subject).where(subjects.c.place == new)
    again = (subjects.c.place == old, subjects.c.subject.in_(known))
    connection.execute(delete(subjects).where(*again))
    connection.execute(update(subjects).where(subjects.c.place == old).values(place=new))


def suppressed(ledger: Ledger) -> set[str]:
    """The hashes (``hash_subject``) whose data may not be collected."""
    with ledger.read() as connection:
        return set(suppressed_within(connection))


def bury_rows(
    connection: Connection,
    subject: str,
    places: Mapping[str, int],
    *,
    reason: str,
    by: str,
    **detail: str,
) -> None:
    """Remember how many rows were erased in each place, and forget that they were there.

    These are the tombstones of one deed, within its transaction; ``detail``: for the audit.
    """
    subjects, now, name = schema.subjects, time.time(), hash_subject(subject)
    for place, count in places.items():
        erased = {"subject": name, "place": place, "count": count, "reason": reason}
        connection.execute(insert(schema.tombstones).values({**erased, "by": by, "at": now}))
        connection.execute(
            delete(subjects).where(subjects.c.subject == name, subjects.c.place == place)
        )
        record_within(connection, by, "erase", {**erased, **detail})


def list_tombstones(ledger: Ledger) -> tuple[Tombstone, ...]:
    """Every erasure, newest first."""
    query = select(schema.tombstones).order_by(schema.tombstones.c.id.desc())
    with ledger.read() as connection:
        return tuple(Tombstone(**row) for row in connection.execute(query).mappings())
