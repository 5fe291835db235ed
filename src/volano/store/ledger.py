"""The ledger: one SQLite file that remembers everything that happened to a project.

WAL, so that readers never wait for the writer; one writer at a time (BEGIN IMMEDIATE), so that two
processes queue instead of colliding; ``synchronous=FULL``, because feedback that was acknowledged
must survive a power cut, and in WAL mode only FULL syncs at each commit. Many rows in one ``write``
cost one sync.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import unquote

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from volano.core.errors import BusyError, ConfigError, StoreError, VolanoError
from volano.store.disk import DiskError, disk_fault, full_disk
from volano.store.schema import KNOWN_REVISIONS, REVISION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["Ledger", "LedgerBusyError", "start_log", "telling_ledger"]

WAIT_SECONDS = 30.0
_NUM_KEPT_READERS = 8
# The log is written again from its start when no reader needs it. Readers that always overlap would
# let it grow for ever; past this size the writer waits a moment for them.
_LOG_BYTES = 32 * 2**20
_LOG_WAIT_MS = 200


class LedgerBusyError(BusyError):
    """Others kept the ledger: nothing is wrong with what was asked, and later it goes through."""

    http_status = 503


class Ledger:
    """An open ledger, for any number of threads; ``close`` it, or use it in a ``with``.

    >>> import tempfile
    >>> with Ledger.open(Path(tempfile.mkdtemp()) / "ledger.db") as ledger:
    ...     with ledger.read() as connection:
    ...         connection.exec_driver_sql("SELECT count(*) FROM turns").scalar_one()
    0
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # One connection writes: threads queue for it in the pool, in order, where SQLite would
        # make them poll. Readers cannot write, so a forgotten ``write()`` fails at once.
        self._writer = _engine(path, "BEGIN IMMEDIATE", query_only=False)
        self._readers = _engine(path, "BEGIN", query_only=True)
        self._appender = _engine(path, "BEGIN IMMEDIATE", query_only=False, synchronous="NORMAL")
        self._watch: Any = None
        self._watch_lock = threading.Lock()
        self._closing = ExitStack()
        self._closing.callback(self._writer.dispose)
        self._closing.callback(self._readers.dispose)
        self._closing.callback(self._appender.dispose)
        self._finalizer = weakref.finalize(self, self._closing.close)

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """The ledger in a file (or at ``sqlite:///file``), created or migrated where needed.

        Raises:
            StoreError: a later volano wrote it, or the file is no ledger or cannot be used.
            ConfigError: the url is of a database this version does not know.
        """
        path = _path_of(place)
        if _revision_of(path) != REVISION:
            _migrate(path)
        return cls(path)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write: everything in it happens, or nothing does.

        Raises:
            LedgerBusyError: others kept the ledger for half a minute.
        """
        with self._telling():
            with self._writer.begin() as connection:
                yield connection
            self._bound_log()

    @contextmanager
    def append(self) -> Iterator[Connection]:
        """Like ``write``, without a sync: a killed process loses nothing, a power cut may.

        Later ``write``s sync the same file, and with it whatever was appended before.
        """
        with self._telling():
            with self._appender.begin() as connection:
                yield connection
            self._bound_log()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look; what others commit meanwhile is not seen."""
        with self._telling(), self._readers.connect() as connection:
            yield connection

    def version(self) -> int:
        """A number that changes when anybody has written; compare it with an earlier one."""
        with self._watch_lock, self._telling():
            if self._watch is None:
                # data_version speaks of other connections' writes, so this one never writes and
                # is never given back to the pool.
                self._watch = self._readers.raw_connection()
                self._closing.callback(self._watch.close)
            found = self._watch.driver_connection.execute("PRAGMA data_version").fetchone()
            return int(found[0])

    def fold_log(self) -> bool:
        """Bring what the log holds into the file, and empty it; False where a reader needs it."""
        with self._telling(), closing(self._writer.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            connection.execute(f"PRAGMA busy_timeout={_LOG_WAIT_MS}")
            try:
                is_held = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError:
                return False
            finally:
                connection.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000:.0f}")
            return not is_held

    def _bound_log(self) -> None:
        log = self.path.with_name(self.path.name + "-wal")
        try:
            is_long = log.stat().st_size > _LOG_BYTES
        except OSError:
            return
        if is_long:  # a long reader (a backup) is not waited for: the next write tries again
            self.fold_log()

    def close(self) -> None:
        """Close every connection."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what SQLite says into what a person can act on."""
        try:
            yield
        except PoolTimeoutError as error:
            raise _busy(self.path) from error
        except DatabaseError as error:
            raise _translated(error.orig, self.path) from error
        except sqlite3.DatabaseError as error:
            raise _translated(error, self.path) from error


def _engine(
    path: Path, begin: str, *, query_only: bool, synchronous: Literal["FULL", "NORMAL"] = "FULL"
) -> Engine:
    writer = {"pool_size": 1, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
    readers = {"pool_size": _NUM_KEPT_READERS, "max_overflow": -1}
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False},
        json_serializer=_to_json,
        **(readers if query_only else writer),
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        # Python's own transaction control would begin late, and as a reader.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA fullfsync=ON")  # macOS: fsync alone leaves data in the drive
        connection.execute("PRAGMA secure_delete=ON")  # what is erased leaves no trace in the file
        connection.execute(f"PRAGMA query_only={'ON' if query_only else 'OFF'}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _to_json(value: object) -> str:
    import json

    # Order is kept: the scores of a prediction are read best first.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _path_of(place: str | Path) -> Path:
    text = str(place)
    if "://" not in text:
        return Path(place)
    scheme, _, rest = text.partition(":///")
    if scheme == "sqlite" and rest:
        return Path(unquote(rest))
    raise ConfigError(
        "{kind!r} is not a database that the ledger can use yet",
        fix="sqlite:///path/to/ledger.db, or leave it out",
        kind=text.partition("://")[0],
    )


def _revision_of(path: Path) -> str | None:
    """The schema of the file, None when there is none yet, by one plain query."""
    try:
        if not path.exists() or path.stat().st_size == 0:
            return None
        with closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if not tables:
                return None
            if "alembic_version" not in tables:
                raise StoreError(
                    "this database is not a ledger of volano",
                    where=str(path),
                    fix="move it elsewhere; a new ledger is made in its place",
                )
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise _translated(error, path) from error
    revision = str(found[0]) if found else None
    if revision is not None and revision not in KNOWN_REVISIONS:
        raise StoreError(
            "the ledger has schema {found!r}; this volano knows up to {known!r}",
            where=str(path),
            fix="pip install --upgrade volano",
            found=revision,
            known=REVISION,
        )
    return revision


def _migrate(path: Path) -> None:
    from filelock import FileLock, Timeout

    from volano.store.migrations import migrate

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock"), timeout=WAIT_SECONDS):
            start_log(path)
            engine = _engine(path, "BEGIN IMMEDIATE", query_only=False)
            try:
                with engine.begin() as transaction:
                    migrate(transaction)
            finally:
                engine.dispose()
    except Timeout as error:
        raise _busy(path) from error
    except DatabaseError as error:
        raise _translated(error.orig, path) from error
    except (OSError, sqlite3.Error) as error:
        raise _translated(error, path) from error


def start_log(path: Path) -> None:
    """Give the file at ``path`` a write-ahead log; the file keeps that it has one.

    Raises:
        StoreError: SQLite can keep none there, or the file is no ledger.
    """
    with telling_ledger(path), closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as connection:
        # Not allowed inside a transaction, so it is set before the first.
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(
            "the ledger needs a write-ahead log, and here SQLite offers {mode!r}",
            where=str(path),
            fix="keep the state of the project on a local disk: volano move NEWPLACE",
            mode=str(mode),
        )


@contextmanager
def telling_ledger(path: Path) -> Iterator[None]:
    """Turn what SQLite says of the file at ``path`` into what a person can act on."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _busy(path: Path) -> LedgerBusyError:
    return LedgerBusyError(
        "the ledger was in use by others for {seconds} seconds",
        where=str(path),
        fix="try again when the other process has finished",
        seconds=round(WAIT_SECONDS),
    )


def _translated(error: BaseException | None, path: Path) -> VolanoError:
    if isinstance(error, OSError):
        return disk_fault(error, path) or _unusable(error, path, "volano doctor")
    code = getattr(error, "sqlite_errorcode", None) or 0
    kind = code & 0xFF  # the rest says more exactly where in SQLite it came up
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(path)
    if kind == sqlite3.SQLITE_FULL:
        return full_disk(path)
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _unusable(
            error, path, "volano doctor --repair; if that cannot mend it: volano restore FILE"
        )
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return DiskError(
            "the ledger cannot be used: {error}",
            where=str(path),
            fix="the file and its folder must be on a local disk and writable for the user who "
            "runs volano",
            error=str(error),
        )
    return _unusable(error, path, "volano doctor")


def _unusable(error: BaseException | None, path: Path, fix: str) -> StoreError:
    return StoreError("the ledger cannot be used: {error}", where=str(path), fix=fix, error=error)
