"""The tables of the ledger.

Times are seconds since 1970; JSON columns hold what a noun's ``to_dict`` gives. Who a row is about
is kept as a hash wherever only "the same person" matters. A change here needs a migration beside it
(``migrations/versions``), and a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

__all__ = [
    "KNOWN_REVISIONS",
    "METADATA",
    "REVISION",
    "artifacts",
    "audit",
    "edges",
    "events",
    "feedback",
    "metrics",
    "predictions",
    "releases",
    "reviews",
    "stages",
    "subjects",
    "suppressions",
    "tombstones",
    "turns",
]

# Tables whose numbers people see use AUTOINCREMENT: a number is never given twice.
KNOWN_REVISIONS = ("0001",)  # oldest first; here so that opening a ledger needs no alembic
REVISION = KNOWN_REVISIONS[-1]

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _json(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


turns = Table(
    "turns",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("config_hash", String(64), nullable=False, index=True),
    _json("config"),
    Column("seed", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    _json("result", nullable=True),
    sqlite_autoincrement=True,
)

stages = Table(
    "stages",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("turn", Integer, ForeignKey("turns.number"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("key", String(64), nullable=False, index=True),
    _json("output"),
    Column("seconds", Float, nullable=False),
    Column("peak_bytes", Integer, nullable=False),
    Column("skipped", Boolean, nullable=False),
    Column("at", Float, nullable=False),
)

events = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("turn", Integer, ForeignKey("turns.number"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("stage", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("value", Float),
)

artifacts = Table(
    "artifacts",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("noun", String(16), nullable=False, index=True),
    _json("card"),
    Column("at", Float, nullable=False),
)

edges = Table(
    "edges",
    METADATA,
    Column("parent", String(64), ForeignKey("artifacts.hash"), nullable=False),
    Column("child", String(64), ForeignKey("artifacts.hash"), nullable=False, index=True),
    Column("role", String(64), nullable=False),
    PrimaryKeyConstraint("parent", "child", "role"),
)

metrics = Table(
    "metrics",
    METADATA,
    Column("report", String(64), ForeignKey("artifacts.hash"), nullable=False),
    Column("model", String(64), ForeignKey("artifacts.hash"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("value", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("at", Float, nullable=False),
    PrimaryKeyConstraint("report", "name"),
)

releases = Table(
    "releases",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("model", String(64), nullable=False),
    Column("role", String(16), nullable=False, index=True),
    Column("share", Float, nullable=False),
    Column("because", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", Float, nullable=False),
    # The release to return to on a rollback; a rollback points further back, never forth again.
    Column("before", Integer, ForeignKey("releases.id")),
    CheckConstraint("share >= 0 AND share <= 1", name="share"),
    sqlite_autoincrement=True,
)

predictions = Table(
    "predictions",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("model", String(64), nullable=False),
    _json("input", nullable=True),
    Column("input_hash", String(64)),
    _json("output"),
    Column("subject", String(500), index=True),
    Column("group", String(500)),
    Column("latency_ms", Float, nullable=False),
)

# No foreign key: feedback may come before its prediction is written, or for an id nobody knows.
feedback = Table(
    "feedback",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("prediction", String(200), nullable=False, index=True),
    _json("label", nullable=True),
    Column("score", Float),
    Column("output", Text),
    Column("comment", Text),
    Column("by", String(200)),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("what", String(16), nullable=False),
    Column("ref", String(64), nullable=False),
    _json("fields"),
    _json("target", nullable=True),
    Column("why", String(32), nullable=False),
    Column("probability", Float, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    _json("label", nullable=True),
    Column("by", String(200)),
    Column("at", Float, nullable=False),
    Column("answered_at", Float),
    CheckConstraint("probability > 0 AND probability <= 1", name="probability"),
    Index(
        "uq_reviews_open",
        "what",
        "ref",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    sqlite_autoincrement=True,
)

subjects = Table(
    "subjects",
    METADATA,
    Column("subject", String(64), nullable=False),
    Column("place", String(200), nullable=False),
    Column("count", Integer, nullable=False),
    Column("at", Float, nullable=False),
    PrimaryKeyConstraint("subject", "place"),
)

tombstones = Table(
    "tombstones",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("place", String(200), nullable=False),
    Column("count", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", Float, nullable=False),
    sqlite_autoincrement=True,
)

suppressions = Table(
    "suppressions",
    METADATA,
    Column("subject", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", Float, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False, index=True),
    _json("detail"),
    sqlite_autoincrement=True,
)
