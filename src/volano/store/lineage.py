"""What was made from what, and what it scored: both ways, by hash."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from volano.core.errors import StoreError
from volano.core.hashing import SHORT
from volano.core.nouns import Artifact, Estimate
from volano.store import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Select

    from volano.store.ledger import Ledger

__all__ = [
    "ArtifactRecord",
    "Edge",
    "children",
    "find_artifact",
    "link",
    "parents",
    "record_artifact",
    "record_metrics",
]


@dataclass(frozen=True)
class ArtifactRecord:
    """An artifact as the ledger knows it, even where its files are gone."""

    hash: str
    noun: str
    card: Mapping[str, Any]
    at: float


@dataclass(frozen=True)
class Edge:
    """``child`` was made from ``parent``, which played ``role`` (data, champion, report, ...)."""

    parent: str
    child: str
    role: str


def record_artifact(ledger: Ledger, artifact: Artifact) -> None:
    """Remember an artifact; one that is known already keeps its first card and time."""
    artifacts = schema.artifacts
    with ledger.write() as connection:
        present = select(artifacts.c.hash).where(artifacts.c.hash == artifact.hash)
        if connection.execute(present).first() is None:
            row = {
                "hash": artifact.hash,
                "noun": artifact.noun,
                "card": dict(artifact.card),
                "at": time.time(),
            }
            connection.execute(insert(artifacts).values(row))


def find_artifact(ledger: Ledger, name: str) -> ArtifactRecord | None:
    """The artifact with this full hash."""
    artifacts = schema.artifacts
    with ledger.read() as connection:
        row = (
            connection.execute(select(artifacts).where(artifacts.c.hash == name)).mappings().first()
        )
    return ArtifactRecord(**row) if row is not None else None


def link(ledger: Ledger, parent: Artifact | str, child: Artifact | str, role: str) -> None:
    """Remember that ``child`` was made from ``parent``; saying it twice changes nothing.

    Raises:
        StoreError: one of the two was never recorded.
    """
    row = {"parent": _name(parent), "child": _name(child), "role": role}
    edges = schema.edges
    with ledger.write() as connection:
        present = select(edges).where(*(edges.c[name] == found for name, found in row.items()))
        if connection.execute(present).first() is None:
            _require(connection, row["parent"], row["child"])
            connection.execute(insert(edges).values(row))


def parents(ledger: Ledger, child: Artifact | str) -> tuple[Edge, ...]:
    """What an artifact was made from."""
    edges = schema.edges
    return _edges(ledger, select(edges).where(edges.c.child == _name(child)))


def children(ledger: Ledger, parent: Artifact | str) -> tuple[Edge, ...]:
    """What was made from an artifact."""
    edges = schema.edges
    return _edges(ledger, select(edges).where(edges.c.parent == _name(parent)))


def record_metrics(
    ledger: Ledger,
    model: Artifact | str,
    report: Artifact | str,
    metrics: Mapping[str, Estimate],
) -> None:
    """Remember what a report says of a model; a report is immutable, so the first time counts.

    Raises:
        StoreError: the model or the report was never recorded.
    """
    table, now = schema.metrics, time.time()
    of_report = {"report": _name(report), "model": _name(model), "at": now}
    rows = [{**of_report, "name": name, **found.to_dict()} for name, found in metrics.items()]
    with ledger.write() as connection:
        _require(connection, _name(model), _name(report))
        present = select(table.c.name).where(table.c.report == _name(report))
        known = set(connection.execute(present).scalars())
        fresh = [row for row in rows if row["name"] not in known]
        if fresh:
            connection.execute(insert(table), fresh)


def _name(artifact: Artifact | str) -> str:
    return artifact.hash if isinstance(artifact, Artifact) else artifact


def _edges(ledger: Ledger, query: Select[Any]) -> tuple[Edge, ...]:
    edges = schema.edges
    ordered = query.order_by(edges.c.role, edges.c.parent, edges.c.child)
    with ledger.read() as connection:
        return tuple(Edge(**row) for row in connection.execute(ordered).mappings())


def _require(connection: Connection, *names: str) -> None:
    artifacts = schema.artifacts
    known = set(
        connection.execute(select(artifacts.c.hash).where(artifacts.c.hash.in_(names))).scalars()
    )
    for name in names:
        if name not in known:
            raise StoreError(
                "the ledger knows no artifact {hash!r}",
                where="lineage",
                fix="record_artifact(ledger, artifact) first",
                hash=name[:SHORT],
            )
