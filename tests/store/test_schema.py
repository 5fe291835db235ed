from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from volano.store import ledger as ledger_module
from volano.store import migrations
from volano.store.ledger import Ledger
from volano.store.schema import KNOWN_REVISIONS, METADATA, REVISION

if TYPE_CHECKING:
    from pathlib import Path

TABLES = [
    "alembic_version",
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


def definitions(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in rows}


def test_migrating_an_empty_file_gives_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "migrated.db").close()
    engine = create_engine(f"sqlite:///{tmp_path}/direct.db")
    METADATA.create_all(engine)
    engine.dispose()
    migrated, direct = definitions(tmp_path / "migrated.db"), definitions(tmp_path / "direct.db")
    assert migrated.pop("alembic_version").startswith("CREATE TABLE")
    assert migrated == direct


def test_the_tables_are_these(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "ledger.db").close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        assert sorted(name for (name,) in names) == TABLES
        version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert version == [(REVISION,)]


def test_alembic_sees_nothing_left_to_migrate(ledger: Ledger) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with ledger.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_known_revisions_are_those_of_the_folder_in_order() -> None:
    from alembic.script import ScriptDirectory

    folder = ScriptDirectory.from_config(migrations.configure())
    steps = [step.revision for step in folder.walk_revisions("base", "heads")]
    assert tuple(reversed(steps)) == KNOWN_REVISIONS


def test_a_migration_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate = migrations.migrate

    def interrupted(connection: object) -> None:
        migrate(connection)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    path = tmp_path / "ledger.db"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "migrate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Ledger.open(path)
    assert definitions(path) == {}
    Ledger.open(path).close()
    assert ledger_module._revision_of(path) == REVISION
