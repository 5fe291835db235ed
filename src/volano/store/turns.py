"""Turns: what was run, under which key, what came out and what it cost."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import insert, select, update

from volano.core.errors import UnknownNameError
from volano.core.events import Event
from volano.core.hashing import hash_json
from volano.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, RowMapping, Select

    from volano.store.ledger import Ledger

__all__ = [
    "ABANDONED",
    "RUNNING",
    "StageRecord",
    "TurnRecord",
    "add_events",
    "begin_turn",
    "find_stage",
    "find_turn",
    "finish_turn",
    "list_events",
    "list_turns",
    "record_stage",
]

RUNNING = "running"
ABANDONED = "abandoned"


@dataclass(frozen=True)
class StageRecord:
    """One stage of one turn; ``skipped`` when an earlier turn's output was used again."""

    turn: int
    name: str
    key: str
    output: Mapping[str, Any]
    seconds: float = 0.0
    peak_bytes: int = 0
    skipped: bool = False
    at: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON can carry it."""
        return asdict(self)


@dataclass(frozen=True)
class TurnRecord:
    """One turn as the ledger knows it; ``state`` is "running" until it is finished."""

    number: int
    config: Mapping[str, Any]
    config_hash: str
    seed: int
    state: str
    started_at: float
    ended_at: float | None
    result: Mapping[str, Any] | None
    stages: tuple[StageRecord, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON can carry it."""
        return asdict(self)


def begin_turn(ledger: Ledger, config: Mapping[str, Any], seed: int) -> int:
    """The number of the turn to run: an unfinished one with the same config, else a new one.

    Call it under the project lock: other unfinished turns are dead then, and become abandoned.
    """
    turns = schema.turns
    config_hash = hash_json({"config": dict(config), "seed": seed})
    now = time.time()
    with ledger.write() as connection:
        unfinished = connection.execute(
            select(turns.c.number, turns.c.config_hash)
            .where(turns.c.state == RUNNING)
            .order_by(turns.c.number.desc())
        ).all()
        resumed = next((n for n, found in unfinished if found == config_hash), None)
        connection.execute(
            update(turns)
            .where(turns.c.state == RUNNING, turns.c.number != (resumed or 0))
            .values(state=ABANDONED, ended_at=now)
        )
        if resumed is not None:
            return int(resumed)
        row = {
            "config_hash": config_hash,
            "config": dict(config),
            "seed": seed,
            "state": RUNNING,
            "started_at": now,
        }
        number = connection.execute(insert(turns).values(row).returning(turns.c.number))
        return int(number.scalar_one())


def record_stage(ledger: Ledger, stage: StageRecord) -> None:
    """Remember what a stage gave; from now on its key finds it."""
    with ledger.write() as connection:
        connection.execute(insert(schema.stages).values(stage.to_dict()))


def find_stage(ledger: Ledger, key: str) -> StageRecord | None:
    """The run that gave the output of this key, rather than one that used it again."""
    stages = schema.stages
    query = (
        select(stages)
        .where(stages.c.key == key)
        .order_by(stages.c.skipped, stages.c.id.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    return _stage(row) if row is not None else None


def finish_turn(ledger: Ledger, number: int, state: str, result: Mapping[str, Any]) -> None:
    """Close a turn as "done" or "failed", say; a finished one is never resumed.

    Raises:
        UnknownNameError: there is no such turn.
    """
    turns = schema.turns
    with ledger.write() as connection:
        changed = connection.execute(
            update(turns)
            .where(turns.c.number == number)
            .values(state=state, result=dict(result), ended_at=time.time())
        )
        if changed.rowcount == 0:
            raise UnknownNameError.among("turn", str(number), _numbers(connection))


def find_turn(
    ledger: Ledger, number: int | Literal["latest"], *, state: str | None = None
) -> TurnRecord | None:
    """One turn with its stages, if it is in that state; the latest is the one that began last."""
    query = _turns(state).limit(1)
    if number != "latest":
        query = query.where(schema.turns.c.number == number)
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
        return _turn(connection, row) if row is not None else None


def list_turns(
    ledger: Ledger, *, state: str | None = None, limit: int | None = None
) -> tuple[TurnRecord, ...]:
    """Turns with their stages, newest first: all, or those in one state."""
    with ledger.read() as connection:
        rows = connection.execute(_turns(state).limit(limit)).mappings().all()
        return tuple(_turn(connection, row) for row in rows)


def _turns(state: str | None) -> Select[Any]:
    query = select(schema.turns).order_by(schema.turns.c.number.desc())
    return query if state is None else query.where(schema.turns.c.state == state)


def add_events(ledger: Ledger, turn: int, events: Iterable[Event]) -> None:
    """Remember what was said during a turn; many at once cost one sync."""
    rows = [{"turn": turn, **event.to_dict()} for event in events]
    if rows:
        with ledger.write() as connection:
            connection.execute(insert(schema.events), rows)


def list_events(ledger: Ledger, turn: int) -> tuple[Event, ...]:
    """What was said during a turn, in order."""
    events = schema.events
    query = select(events).where(events.c.turn == turn).order_by(events.c.id)
    with ledger.read() as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(
        Event(**{name: found for name, found in row.items() if name not in ("id", "turn")})
        for row in rows
    )


def _turn(connection: Connection, row: RowMapping) -> TurnRecord:
    stages = schema.stages
    query = select(stages).where(stages.c.turn == row["number"]).order_by(stages.c.id)
    found = tuple(_stage(stage) for stage in connection.execute(query).mappings())
    return TurnRecord(**row, stages=found)


def _stage(row: RowMapping) -> StageRecord:
    return StageRecord(**{name: found for name, found in row.items() if name != "id"})


def _numbers(connection: Connection) -> list[str]:
    return [str(number) for number in connection.execute(select(schema.turns.c.number)).scalars()]
