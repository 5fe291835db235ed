"""Erasures under way and done: what was begun and not ended, and what each left behind.

The record is the audit. It holds the hash of a person, never the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select, update

from volano.core.hashing import SHORT
from volano.store import schema
from volano.store.audit import list_audit, record, record_within
from volano.store.subjects import Tombstone, hash_subject, list_tombstones, suppress_within

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from volano.store.ledger import Ledger

__all__ = [
    "Forgotten",
    "artifacts_of",
    "begin",
    "end",
    "is_buried",
    "list_forgotten",
    "marked_models",
    "replace_card",
    "tombstones_since",
    "unfinished",
]

_BEGUN, _ENDED, _ERASE = "forget-begun", "forget", "erase"


@dataclass(frozen=True)
class Forgotten:
    """One person who was erased: rows in each place, and whether they may come back."""

    subject: str
    at: float
    by: str
    reason: str
    places: dict[str, int]
    is_finished: bool
    is_suppressed: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return dict(vars(self))


def begin(ledger: Ledger, name: str, *, reason: str, by: str) -> float:
    """Suppress a person and say that erasing has begun; since when, if it had before."""
    known = unfinished(ledger)
    hashed = hash_subject(name)
    if hashed in known:
        return known[hashed]
    with ledger.write() as connection:
        suppress_within(connection, name, reason=reason, by=by)
        record_within(connection, by, _BEGUN, {"subject": hashed, "reason": reason})
    return unfinished(ledger)[hashed]


def end(ledger: Ledger, name: str, *, by: str) -> None:
    """Say that nothing of the person is left."""
    record(ledger, by, _ENDED, {"subject": hash_subject(name)})


def unfinished(ledger: Ledger) -> dict[str, float]:
    """Hashes of people whose erasure has begun and not ended, and since when."""
    deeds = [*list_audit(ledger, action=_BEGUN), *list_audit(ledger, action=_ENDED)]
    open_since: dict[str, float] = {}
    for deed in sorted(deeds, key=lambda deed: deed.id):
        subject = str(deed.detail["subject"])
        if deed.action == _BEGUN:
            open_since.setdefault(subject, deed.at)
        else:
            open_since.pop(subject, None)
    return open_since


def list_forgotten(ledger: Ledger) -> tuple[Forgotten, ...]:
    """Everybody who was erased or suppressed, the latest first."""
    still_open, marks = unfinished(ledger), list_tombstones(ledger)
    with ledger.read() as connection:
        suppressions = {
            row["subject"]: row
            for row in connection.execute(select(schema.suppressions)).mappings()
        }
    people = dict.fromkeys([*suppressions, *(mark.subject for mark in marks)])
    found = []
    for person in people:
        theirs = [mark for mark in marks if mark.subject == person]
        last: Any = suppressions.get(person) or vars(theirs[0])
        found.append(
            Forgotten(
                person,
                last["at"],
                last["by"],
                last["reason"],
                _places(theirs),
                person not in still_open,
                person in suppressions,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.at, one.subject)))


def _places(marks: list[Tombstone]) -> dict[str, int]:
    places: dict[str, int] = {}
    for mark in reversed(marks):
        places[mark.place] = places.get(mark.place, 0) + mark.count
    return places


def tombstones_since(ledger: Ledger, name: str, since: float) -> dict[str, int]:
    """Rows erased of a person in each place."""
    hashed = hash_subject(name)
    marks = [m for m in list_tombstones(ledger) if m.subject == hashed and m.at >= since]
    return _places(marks)


def is_buried(connection: Connection, name: str, place: str, since: float) -> bool:
    """Whether this erasure has left a tombstone for a place already."""
    marks = schema.tombstones
    query = select(marks.c.id).where(
        marks.c.subject == hash_subject(name), marks.c.place == place, marks.c.at >= since
    )
    return connection.execute(query).first() is not None


def artifacts_of(ledger: Ledger, name: str) -> set[str]:
    """The hashes of artifacts that held the person."""
    hashed = hash_subject(name)
    return {
        str(deed.detail["hash"])
        for deed in list_audit(ledger, action=_ERASE)
        if deed.detail.get("subject") == hashed and "hash" in deed.detail
    }


def replace_card(connection: Connection, old: str, new: str) -> None:
    """What the ledger says of an erased artifact from now on: what its successor's card says."""
    artifacts = schema.artifacts
    card = connection.execute(select(artifacts.c.card).where(artifacts.c.hash == new)).scalar()
    if card is not None:
        erased = {**card, "successor": new}
        connection.execute(update(artifacts).where(artifacts.c.hash == old).values(card=erased))


def marked_models(ledger: Ledger) -> dict[str, float]:
    """Models that were trained on an erased person, by short hash, and when that was erased.

    One that training gave again since, without the person, is marked no more.
    """
    marks: dict[str, float] = {}
    for mark in reversed(list_tombstones(ledger)):
        noun, _, short = mark.place.partition(":")
        if noun == "model":
            marks[short] = mark.at
    if not marks:
        return {}
    stages = schema.stages
    made = select(stages.c.output, stages.c.at).where(
        or_(stages.c.name.like("train.%"), stages.c.name.like("export.%")),
        stages.c.skipped.is_(False),
    )
    with ledger.read() as connection:
        for output, at in connection.execute(made):
            short = str(output.get("model", ""))[:SHORT]
            if at > marks.get(short, at):
                del marks[short]
    return marks
