"""A clock that may be wrong: what erases by age asks here how late it is.

A machine that comes up with its clock a year ahead would make all that is kept look old. So a leap
of the clock past what the ledger has seen counts only when it has lasted for a day; until then age
is measured from before the leap. What is erased is erased a day later at worst.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from volano.store import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Select

    from volano.store.ledger import Ledger

__all__ = ["LEAP_SECONDS", "confirm_now", "leapt_from", "trusted_now"]

_DAY = 86_400.0
LEAP_SECONDS = 30 * _DAY  # a project that nobody used for a month is no wrong clock
_ACTION = "see-clock"
_ACTOR = "volano"


def trusted_now(ledger: Ledger, now: float | None = None) -> float:
    """The time to measure ages from: ``now`` in seconds since 1970, or before a leap of the clock.

    Call it at least daily where something is erased by age; each call remembers the time.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from volano.store.ledger import Ledger
    >>> with Ledger.open(Path(tempfile.mkdtemp()) / "ledger.db") as ledger:
    ...     [trusted_now(ledger, now) / 86_400 for now in (1e4 * _DAY, 1e4 * _DAY + 60)]
    ...     trusted_now(ledger, (1e4 + 365) * _DAY) == 1e4 * _DAY + 60
    [10000.0, 10000.000694444445]
    True
    """
    now = time.time() if now is None else now
    with ledger.write() as connection:
        row = connection.execute(_seen()).mappings().first()
        seen = _after(row["detail"] if row is not None else None, now)
        _keep(connection, seen, now)
    return seen["trusted"]


def leapt_from(ledger: Ledger) -> float | None:
    """The time before a leap that has not lasted for a day yet; None: the clock is trusted."""
    with ledger.read() as connection:
        row = connection.execute(_seen()).mappings().first()
    waits = row is not None and "leapt_at" in row["detail"]
    return float(row["detail"]["trusted"]) if row is not None and waits else None


def confirm_now(ledger: Ledger) -> None:
    """Trust the clock as it is: a person has looked at it."""
    now = time.time()
    with ledger.write() as connection:
        _keep(connection, {"last": now, "trusted": now}, now)


def _after(seen: Mapping[str, float] | None, now: float) -> dict[str, float]:
    """What is known once the clock has said ``now``."""
    trusted = {"last": now, "trusted": now}
    if seen is None or now - seen["trusted"] <= LEAP_SECONDS:
        return trusted  # as it should be, or set back to it
    has_leapt = not 0 <= now - seen["last"] <= LEAP_SECONDS
    since = now if has_leapt else seen.get("leapt_at", seen["last"])
    if now - since >= _DAY:
        return trusted
    return {"last": now, "trusted": seen["trusted"], "leapt_at": since}


def _seen() -> Select[Any]:
    return select(schema.audit).where(schema.audit.c.action == _ACTION)


def _keep(connection: Connection, seen: dict[str, float], now: float) -> None:
    # One row that is replaced, not one an hour.
    audit = schema.audit
    row = {"actor": _ACTOR, "action": _ACTION, "at": now, "detail": seen}
    changed = connection.execute(update(audit).where(audit.c.action == _ACTION).values(row))
    if changed.rowcount == 0:
        connection.execute(insert(audit).values(row))
