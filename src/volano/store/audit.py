"""Who did what, when: promotions, rollbacks, erasures, changed answers."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from volano.store import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from volano.store.ledger import Ledger

__all__ = ["AuditRecord", "list_audit", "record", "record_within"]


@dataclass(frozen=True)
class AuditRecord:
    """One deed of one actor."""

    id: int
    at: float
    actor: str
    action: str
    detail: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON can carry it."""
        return asdict(self)


def record(ledger: Ledger, actor: str, action: str, detail: Mapping[str, Any]) -> None:
    """Remember that ``actor`` did ``action``."""
    with ledger.write() as connection:
        record_within(connection, actor, action, detail)


def record_within(
    connection: Connection, actor: str, action: str, detail: Mapping[str, Any]
) -> None:
    """The same inside a transaction, so that the deed and its record stand or fall together."""
    row = {"at": time.time(), "actor": actor, "action": action, "detail": dict(detail)}
    connection.execute(insert(schema.audit).values(row))


def list_audit(
    ledger: Ledger, *, action: str | None = None, limit: int | None = None
) -> tuple[AuditRecord, ...]:
    """Deeds, newest first."""
    query = select(schema.audit).order_by(schema.audit.c.id.desc()).limit(limit)
    if action is not None:
        query = query.where(schema.audit.c.action == action)
    with ledger.read() as connection:
        return tuple(AuditRecord(**row) for row in connection.execute(query).mappings())
