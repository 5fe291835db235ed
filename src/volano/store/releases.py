"""Releases: which model answers since when, and why. The newest champion is the pointer.

Moving the pointer reads and writes in one transaction that excludes every other process, so two
promotions at once cannot both win.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import insert, select

from volano.core.errors import BusyError, Term, UserError
from volano.core.hashing import SHORT
from volano.core.nouns import Model, Release
from volano.store import schema
from volano.store.audit import record_within

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from volano.store.ledger import Ledger

__all__ = ["ANY", "Expected", "champion", "list_releases", "promote", "rollback"]


class _Whoever(Enum):
    ANY = "any"


ANY: Final = _Whoever.ANY
Expected = str | None | Literal[_Whoever.ANY]

_CHAMPION = "champion"


def champion(ledger: Ledger) -> Release | None:
    """The release that answers now."""
    with ledger.read() as connection:
        row = _current(connection)
    return _release(row) if row is not None else None


def promote(
    ledger: Ledger,
    model: Model | str,
    *,
    because: str,
    by: str,
    forced: bool = False,
    expected: Expected = ANY,
) -> Release:
    """Make a model the champion, if the champion is still the ``expected`` one.

    Args:
        ledger: the project's ledger.
        model: a Model, or its full hash.
        because: the reasons of the verdict, or what the person wrote.
        by: who asked for it.
        forced: whether it goes against a verdict.
        expected: the hash of the champion that was compared with; None: there was none;
            ANY: whichever it is.

    Returns:
        The new release; the present one when the model is the champion already, so that a turn
        that was killed right after promoting can promote again.

    Raises:
        BusyError: the champion changed meanwhile.
    """
    name = model.hash if isinstance(model, Model) else model
    with ledger.write() as connection:
        current = _current(connection)
        if current is not None and current["model"] == name:
            return _release(current)
        found = current["model"] if current is not None else None
        if expected is not ANY and expected != found:
            raise BusyError(
                "the champion changed from {expected} to {found} meanwhile",
                where="releases",
                fix="volano turn: it compares with the new champion",
                expected=_short(expected),
                found=_short(found),
            )
        row = {
            "model": name,
            "because": because,
            "forced": forced,
            "by": by,
            "before": current["id"] if current is not None else None,
        }
        return _add(connection, row, "promote")


def rollback(ledger: Ledger, *, because: str, by: str) -> Release:
    """Give the pointer back to the champion before; again goes one further back, never forth.

    Raises:
        UserError: there is no champion before.
    """
    releases = schema.releases
    with ledger.write() as connection:
        current = _current(connection)
        if current is None or current["before"] is None:
            raise UserError(
                "there is no earlier champion to go back to",
                where="releases",
                fix='volano promote model:... --because "..."',
            )
        query = select(releases).where(releases.c.id == current["before"])
        earlier = connection.execute(query).mappings().one()
        row = {
            "model": earlier["model"],
            "because": because,
            "forced": False,
            "by": by,
            "before": earlier["before"],
        }
        return _add(connection, row, "rollback")


def list_releases(ledger: Ledger) -> tuple[Release, ...]:
    """Every release, newest first."""
    query = select(schema.releases).order_by(schema.releases.c.id.desc())
    with ledger.read() as connection:
        return tuple(_release(row) for row in connection.execute(query).mappings())


def _current(connection: Connection) -> RowMapping | None:
    releases = schema.releases
    query = (
        select(releases).where(releases.c.role == _CHAMPION).order_by(releases.c.id.desc()).limit(1)
    )
    return connection.execute(query).mappings().first()


def _add(connection: Connection, row: dict[str, object], action: str) -> Release:
    full = {**row, "role": _CHAMPION, "share": 1.0, "at": time.time()}
    added = connection.execute(insert(schema.releases).values(full).returning(schema.releases))
    release = _release(added.mappings().one())
    detail = {
        "release": release.id,
        "model": release.model,
        "because": release.because,
        "forced": release.forced,
    }
    record_within(connection, release.by, action, detail)
    return release


def _release(row: RowMapping) -> Release:
    found = {name: found for name, found in row.items() if name != "before"}
    # SQLite answers a whole number where it has just stored 1.0.
    return Release(**{**found, "share": float(row["share"])})


def _short(name: str | None) -> str:
    return f"model:{name[:SHORT]}" if name else Term("none")
