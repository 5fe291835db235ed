from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from volano.core.errors import BusyError, ConfigError, StoreError, VolanoError
from volano.core.nouns import Prediction
from volano.store import ledger as ledger_module
from volano.store import predictions, schema
from volano.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]


def prediction(name: str) -> Prediction:
    return Prediction(name, time.time(), "a" * 64, {"text": "你好"}, {"label": "x"})


def test_a_new_ledger_is_made_with_its_folder_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "50% of 它" / "ledger.db"
    for number, place in enumerate((path, str(path), f"sqlite:///{quote(str(path))}")):
        with Ledger.open(place) as ledger:
            assert ledger.path == path
            predictions.add_predictions(ledger, [prediction(str(number))])
    with Ledger.open(path) as ledger:
        assert len(predictions.list_predictions(ledger)) == 3


@pytest.mark.slow
def test_opening_a_ledger_that_is_up_to_date_is_fast_and_needs_no_alembic(
    tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    code = """
        import sys, time
        import sqlalchemy
        from volano.store.ledger import Ledger

        began = time.perf_counter()
        with Ledger.open(sys.argv[1]) as ledger, ledger.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM turns").scalar_one()
        print(time.perf_counter() - began, "alembic" in sys.modules, "filelock" in sys.modules)
    """
    said = [start(code, path).communicate() for _ in range(3)]
    assert all(errors == "" for _, errors in said)
    assert all(out.split()[1:] == ["False", "False"] for out, _ in said)
    assert min(float(out.split()[0]) for out, _ in said) < 0.06


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="schema '9999'; this volano knows up to") as caught:
        Ledger.open(path)
    assert "upgrade" in caught.value.fix
    assert caught.value.where == str(path)


def test_what_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database" * 100, "utf-8")
    with pytest.raises(StoreError, match="not a database"):
        Ledger.open(text)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StoreError, match="not a ledger of volano"):
        Ledger.open(other)
    with pytest.raises(StoreError, match="cannot be used"):
        Ledger.open(text / "ledger.db")
    with pytest.raises(ConfigError, match="postgresql"):
        Ledger.open("postgresql://host/volano")
    assert text.read_text("utf-8").startswith("not a database")


def test_a_write_happens_whole_or_not_at_all(ledger: Ledger) -> None:
    row = {"at": 0.0, "actor": "me", "action": "try", "detail": {}}
    with pytest.raises(RuntimeError, match="stop"), ledger.write() as connection:
        connection.execute(insert(schema.audit).values(row))
        raise RuntimeError("stop")
    with ledger.read() as connection:
        assert connection.execute(select(schema.audit)).all() == []


def test_a_write_outside_of_write_is_refused(ledger: Ledger) -> None:
    row = {"at": 0.0, "actor": "me", "action": "try", "detail": {}}
    with pytest.raises(StoreError, match="readonly"), ledger.read() as connection:
        connection.execute(insert(schema.audit).values(row))


def test_a_read_is_one_consistent_look(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert connection.execute(select(schema.predictions)).all() == []
        predictions.add_predictions(ledger, [prediction("p1")])
        assert connection.execute(select(schema.predictions)).all() == []
    assert len(predictions.list_predictions(ledger)) == 1


def test_every_commit_is_synced(ledger: Ledger) -> None:
    with ledger.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_the_version_changes_when_anybody_writes_and_only_then(
    ledger: Ledger, start: Start
) -> None:
    first = ledger.version()
    predictions.list_predictions(ledger)
    assert ledger.version() == first
    predictions.add_predictions(ledger, [prediction("here")])
    second = ledger.version()
    assert second != first
    code = """
        import sys
        from volano.store import audit
        from volano.store.ledger import Ledger

        with Ledger.open(sys.argv[1]) as ledger:
            audit.record(ledger, "another process", "write", {})
    """
    assert start(code, ledger.path).communicate() == ("", "")
    assert ledger.version() != second


def test_many_threads_share_one_ledger(ledger: Ledger) -> None:
    failures: list[VolanoError | SQLAlchemyError] = []

    def work(number: int) -> None:
        try:
            for n in range(10):
                predictions.add_predictions(ledger, [prediction(f"{number}-{n}")])
                predictions.find_predictions(ledger, [f"{number}-{n}"])
                ledger.version()
        except (VolanoError, SQLAlchemyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(predictions.list_predictions(ledger)) == 160


WRITE_FOR_A_WHILE = """
    import sys, time
    from volano.core.nouns import Prediction
    from volano.store import predictions
    from volano.store.ledger import Ledger

    with Ledger.open(sys.argv[1]) as ledger:
        sys.stdin.readline()
        n, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            rows = [
                Prediction(f"{sys.argv[2]}-{n}-{i}", time.time(), "m", {"t": "x"}, {"label": "y"})
                for i in range(5)
            ]
            predictions.add_predictions(ledger, rows)
            n += 1
    print(n * 5)
"""


@pytest.mark.slow
def test_four_processes_write_at_once_and_every_row_is_there(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "ledger.db"
    processes = [start(WRITE_FOR_A_WHILE, path, number) for number in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate() for process in processes]
    assert [errors for _, errors in said] == [""] * 4
    written = [int(out) for out, _ in said]
    assert min(written) > 0
    with Ledger.open(path) as ledger:
        assert len(predictions.list_predictions(ledger)) == sum(written)


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "ledger.db"
    code = """
        import sys
        from volano.store import predictions
        from volano.store.ledger import Ledger

        ledger = Ledger.open(sys.argv[1])
        while True:
            kept = predictions.add_feedback(ledger, [{"prediction": "p", "score": 1}])
            print(kept[0].id, flush=True)
    """
    process = start(code, path)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    process.kill()
    process.wait()
    acknowledged += [int(line) for line in process.stdout.read().splitlines()]
    with Ledger.open(path) as ledger:
        kept = {feedback.id for feedback in predictions.list_feedback(ledger)}
    assert set(acknowledged) <= kept


def test_a_writer_that_never_ends_makes_others_busy_not_stuck(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "WAIT_SECONDS", 0.1)
    with Ledger.open(ledger.path) as hasty, ledger.write():
        with pytest.raises(BusyError, match="in use by others"):
            predictions.add_predictions(hasty, [prediction("p1")])
        assert predictions.list_predictions(hasty) == ()
    with (
        Ledger.open(ledger.path) as hasty,
        hasty.write(),
        pytest.raises(BusyError),
        hasty.write(),
    ):
        pass


def test_a_forgotten_ledger_closes_its_files(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    predictions.add_predictions(ledger, [prediction("p1")])
    ledger.version()
    assert (tmp_path / "ledger.db-wal").exists()
    del ledger
    gc.collect()
    # SQLite removes the log when the last connection is closed.
    assert not (tmp_path / "ledger.db-wal").exists()


@pytest.mark.slow
def test_two_processes_may_create_the_same_ledger_at_once(tmp_path: Path, start: Start) -> None:
    code = """
        import sys
        from volano.store.ledger import Ledger

        sys.stdin.readline()
        Ledger.open(sys.argv[1]).close()
    """
    processes = [start(code, tmp_path / "ledger.db") for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate() for process in processes] == [("", "")] * 2


@pytest.mark.slow
def test_eight_processes_write_and_read_at_once_and_nothing_is_missing() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "ledger_writers.py"
    command = [sys.executable, str(script), "--seconds", "8"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ", 0 missing" in ran.stdout


def test_the_log_stays_bounded_while_somebody_always_reads(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_LOG_BYTES", 200_000)
    monkeypatch.setattr(ledger_module, "_LOG_WAIT_MS", 20)
    log = ledger.path.with_name("ledger.db-wal")
    with ledger.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM predictions").scalar_one()
        for number in range(60):
            predictions.add_predictions(ledger, [prediction(f"{number}-{n}") for n in range(10)])
        assert log.stat().st_size > 200_000  # what a reader still needs is kept
    predictions.add_predictions(ledger, [prediction("after")])
    assert log.stat().st_size < 200_000
    assert len(predictions.list_predictions(ledger)) == 601
