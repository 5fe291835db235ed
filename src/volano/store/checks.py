"""Looking through a ledger for what ``volano doctor`` should tell, and mending what can be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, inspect, select, update

from volano.store import schema
from volano.store.turns import ABANDONED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from volano.store.ledger import Ledger

__all__ = [
    "abandon_stopped",
    "find_damage",
    "gone_on_purpose",
    "hashes_in",
    "indexed_rows",
    "mend_indexes",
    "mentioned",
    "newest_time",
    "recorded",
]

_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_PURGES = ("prune", "erase", "forget")  # deeds whose record names what they took away
_SHOWN = 10


def find_damage(ledger: Ledger) -> list[str]:
    """What SQLite finds wrong with the file, and indexes that should be there."""
    with ledger.read() as connection:
        said = connection.exec_driver_sql(f"PRAGMA integrity_check({_SHOWN})").scalars().all()
        found = [str(line) for line in said if line != "ok"]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        found += [f"a row of {row[0]} refers to none of {row[2]}" for row in broken[:_SHOWN]]
        there = {
            index["name"]
            for table in schema.METADATA.tables
            for index in inspect(connection).get_indexes(table)
        }
    wanted = {index.name for table in schema.METADATA.tables.values() for index in table.indexes}
    return found + [f"the index {name} is missing" for name in sorted(map(str, wanted - there))]


def mend_indexes(ledger: Ledger) -> None:
    """Build every index anew from the rows; rows are never touched."""
    with ledger.write() as connection:
        for table in schema.METADATA.tables.values():
            for index in table.indexes:
                index.create(connection, checkfirst=True)
        connection.exec_driver_sql("REINDEX")


def abandon_stopped(ledger: Ledger) -> int:
    """Close turns that were stopped and that no turn will continue: all but the newest.

    Hold the project's lock, so that none of them is running.
    """
    turns = schema.turns
    with ledger.write() as connection:
        newest = connection.execute(
            select(func.max(turns.c.number)).where(turns.c.state == RUNNING)
        ).scalar_one()
        stopped = update(turns).where(turns.c.state == RUNNING, turns.c.number != (newest or 0))
        return connection.execute(stopped.values(state=ABANDONED)).rowcount


def recorded(ledger: Ledger) -> dict[str, str]:
    """The noun of every artifact that turns recorded, by its hash."""
    artifacts = schema.artifacts
    with ledger.read() as connection:
        rows = connection.execute(select(artifacts.c.hash, artifacts.c.noun)).all()
        return {row.hash: row.noun for row in rows}


def mentioned(ledger: Ledger) -> set[str]:
    """Every hash that a turn, a stage, a release or the lineage speaks of."""
    columns = (
        schema.artifacts.c.hash,
        schema.stages.c.output,
        schema.turns.c.result,
        schema.releases.c.model,
    )
    found: set[str] = set()
    with ledger.read() as connection:
        for column in columns:
            texts = connection.execute(select(cast(column, Text))).scalars()
            found.update(*(hashes_in(text) for text in texts))
    return found


def gone_on_purpose(ledger: Ledger) -> set[str]:
    """Every hash that was pruned or erased, as the audit and the tombstones tell."""
    audit, tombstones = schema.audit, schema.tombstones
    deeds = select(cast(audit.c.detail, Text)).where(audit.c.action.in_(_PURGES))
    with ledger.read() as connection:
        texts: Iterable[str | None] = [
            *connection.execute(deeds).scalars(),
            *connection.execute(select(tombstones.c.place)).scalars(),
        ]
    return set().union(*(hashes_in(text) for text in texts))


def indexed_rows(ledger: Ledger, place: str) -> int:
    """How many rows of any subject the index knows in a place."""
    subjects = schema.subjects
    query = select(func.sum(subjects.c["count"])).where(subjects.c.place == place)
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one() or 0)


def hashes_in(text: str | None) -> set[str]:
    """Everything in a text that could be the name of an artifact."""
    return set(_HASH.findall(text or ""))


def newest_time(ledger: Ledger) -> float:
    """The latest moment that any row was written at, in seconds since 1970; 0.0: there is none."""
    columns = (
        schema.turns.c.started_at,
        schema.turns.c.ended_at,
        schema.stages.c.at,
        schema.releases.c.at,
        schema.predictions.c.at,
        schema.feedback.c.at,
        schema.audit.c.at,
    )
    with ledger.read() as connection:
        found = [connection.execute(select(func.max(column))).scalar_one() for column in columns]
    return max((moment for moment in found if moment is not None), default=0.0)
