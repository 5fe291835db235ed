"""A real PostgreSQL server, started for these tests in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sql

from volano.core.errors import DataError
from volano.core.events import Events
from volano.data.config import DataConfig, FetchConfig, SourceConfig
from volano.data.sources import read_whole
from volano.data.sources.snapshots import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROWS = 12_000  # more than come in one portion
SECRET = "a word & a sign: 100%"


def _programs() -> Path | None:
    found = shutil.which("initdb")
    here = [Path(found).resolve().parent] if found else []
    return next(iter([*here, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]), None)


def _run(folder: Path, *command: str) -> None:
    """PostgreSQL refuses to run as root; then it runs as the user that its package made."""
    user = "postgres" if os.geteuid() == 0 else None
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(
        command,
        cwd=folder,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sql.URL]:
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path("/tmp") / f"volano-pg-{os.getpid()}"  # its socket's path must be short
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    password = tmp_path_factory.mktemp("pg") / "password"
    password.write_text(SECRET)
    readable = folder / "password"
    shutil.copy(password, readable)
    readable.chmod(0o644)
    cluster, log = str(folder / "cluster"), str(folder / "log")
    try:
        init = (str(programs / "initdb"), "-D", cluster, "-U", "owner", "-A", "scram-sha-256")
        _run(folder, *init, f"--pwfile={readable}", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
        control = str(programs / "pg_ctl")
        _run(folder, control, "-D", cluster, "-l", log, "-o", options, "-w", "start")
        try:
            url = sql.URL.create(
                "postgresql+pg8000", "owner", host="127.0.0.1", port=port, database="postgres"
            )
            _fill(url.set(password=SECRET))
            yield url
        finally:
            _run(folder, control, "-D", cluster, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(url: sql.URL) -> None:
    engine = sql.create_engine(url, poolclass=sql.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE tickets (n int, body text, topic text, at timestamptz, cost numeric)"
        )
        connection.exec_driver_sql(
            "INSERT INTO tickets SELECT n, '第 ' || n || ' 张卡在哪 100%', 'topic ' || mod(n, 7), "
            f"now(), n / 4.0 FROM generate_series(1, {ROWS}) AS n"
        )


@pytest.fixture
def source(server: sql.URL, monkeypatch: pytest.MonkeyPatch) -> SourceConfig:
    monkeypatch.setenv("TICKETS_PASSWORD", SECRET)
    path = server.render_as_string(hide_password=False)
    return SourceConfig(path=path, fetch=FetchConfig(query="tickets", secret="TICKETS_PASSWORD"))


def rows_of(source: SourceConfig, folder: Path) -> list[dict[str, object]]:
    config = DataConfig(sources=(source,))
    paths = fetch(config, folder, folder / "cache", os.environ, Events())
    rows: list[dict[str, object]] = read_whole(paths[source.path], source).table.to_pylist()
    return rows


def asking(source: SourceConfig, query: str, **settings: object) -> SourceConfig:
    fresh = source.fetch.model_dump() | {"query": query, **settings}
    return SourceConfig(path=source.path, fetch=FetchConfig.model_validate(fresh))


def test_a_table_and_a_query_come_whole(source: SourceConfig, tmp_path: Path) -> None:
    rows = rows_of(source, tmp_path)
    assert len(rows) == ROWS
    assert rows[-1]["body"] == f"第 {ROWS} 张卡在哪 100%"
    assert rows[1]["cost"] == "0.50000000000000000000"
    query = "SELECT body, topic FROM tickets WHERE body LIKE '%12 张%' ORDER BY n"
    assert [row["topic"] for row in rows_of(asking(source, query), tmp_path)][:2] == [
        "topic 5",
        "topic 0",
    ]


def test_nothing_can_be_written_there(source: SourceConfig, tmp_path: Path) -> None:
    query = "WITH gone AS (DELETE FROM tickets RETURNING n) SELECT * FROM gone"
    with pytest.raises(DataError, match="the database refuses"):
        rows_of(asking(source, query), tmp_path)
    assert len(rows_of(source, tmp_path)) == ROWS


def test_a_query_without_end_is_ended(source: SourceConfig, tmp_path: Path) -> None:
    query = "SELECT count(*) FROM tickets a, tickets b, tickets c"
    with pytest.raises(DataError, match="does not answer|refuses"):
        rows_of(asking(source, query, timeout_seconds=0.05), tmp_path)


def test_a_wrong_password_is_not_shown(
    source: SourceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETS_PASSWORD", "another secret word")
    with pytest.raises(DataError) as refused:
        rows_of(source, tmp_path)
    assert "another secret word" not in str(refused.value) + repr(refused.value)
