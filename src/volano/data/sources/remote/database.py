"""Databases, by SQLAlchemy: the rows of one query, as JSON Lines; nothing is written there.

The transaction says that it only reads where the database knows that, and is rolled back. Rows come
in portions, so a large answer is never in memory whole.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.errors import ConfigError, DataError, MissingExtraError
from volano.data.sources.batch import check_columns, require_file
from volano.data.sources.remote.request import Fetched, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

    from volano.data.sources.remote.request import Request

__all__ = ["DIALECTS", "fetch_query"]

DIALECTS = (
    "sqlite",
    "postgresql",
    "mysql",
    "mariadb",
    "oracle",
    "mssql",
    "clickhouse",
    "duckdb",
    "snowflake",
    "bigquery",
    "redshift",
)
_ROWS = 5000
_TABLE = re.compile(r"\w+(?:\.\w+)?")
_SELECT = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:select|with|values)\b", re.I | re.S)
# What each driver calls the seconds in which a connection must stand.
_TIMEOUTS = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pg8000": "timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
}


def fetch_query(request: Request) -> Fetched | None:
    """Ask the query and write its rows; dates, decimals and identifiers become text.

    Raises:
        ConfigError: there is no query, or it is none that reads.
        MissingExtraError: the driver is not installed.
        DataError: the database refuses the query.
        UnreachableError: the database does not answer.
    """
    from sqlalchemy import exc

    engine = None
    try:
        engine = _engine(request)
        with engine.connect() as connection:
            _read_only(connection, engine.dialect.name)
            _end_in_time(connection, engine.dialect.name, request)
            request.write("rows.jsonl", _lines(connection, _query(request, connection), request))
            connection.rollback()
    except (exc.NoSuchModuleError, ImportError) as error:
        raise MissingExtraError(
            "{path!r} needs a driver that is not installed: {error}",
            fix="pip install the driver that the address names, such as psycopg or pymysql",
            path=request.source.path,
            error=request.hiding(error),
        ) from None
    except exc.ArgumentError as error:
        raise ConfigError(
            "this is no address of a database: {error}",
            where="data.sources",
            fix="postgresql+psycopg://USER@HOST/DATABASE, or sqlite:///FILE",
            error=request.hiding(error),
        ) from None
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError) as error:
        if engine is not None and engine.dialect.name == "sqlite":
            raise _refused(request, error) from None
        raise UnreachableError(
            "the database does not answer: {error}",
            where=request.source.path,
            fix="check the address, the query and the network",
            error=request.hiding(getattr(error, "orig", None) or error),
        ) from None
    except exc.SQLAlchemyError as error:
        raise _refused(request, error) from None
    finally:
        if engine is not None:
            engine.dispose()
    return Fetched()


def _refused(request: Request, error: Exception) -> DataError:
    return DataError(
        "the database refuses the query: {error}",
        where=request.source.path,
        fix="try the query in the database's own client",
        error=request.hiding(getattr(error, "orig", None) or error),
    )


def _engine(request: Request) -> Engine:
    import sqlalchemy as sql

    url = sql.make_url(request.source.path)
    if url.get_backend_name() == "sqlite":
        return _sqlite(request, url)
    if request.secret:
        url = url.set(password=request.secret)
    name = _TIMEOUTS.get(url.get_driver_name())
    arguments = {name: math.ceil(request.timeout_seconds)} if name else {}
    return sql.create_engine(url, poolclass=sql.NullPool, connect_args=arguments)


def _sqlite(request: Request, url: URL) -> Engine:
    """Opened to read only: a name that is wrong makes no empty database."""
    import sqlalchemy as sql

    path = request.root / Path(url.database or "")
    require_file(path)
    fresh = url.set(database=f"file:{path.resolve()}", query={"mode": "ro", "uri": "true"})
    return sql.create_engine(fresh, poolclass=sql.NullPool)


def _read_only(connection: Connection, dialect: str) -> None:
    """Say that nothing will be written, where the database understands it."""
    if dialect in ("postgresql", "mysql", "mariadb"):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _end_in_time(connection: Connection, dialect: str, request: Request) -> None:
    """A query that never ends is ended, where the database can be told so before."""
    if dialect == "postgresql":
        milliseconds = math.ceil(1000 * request.seconds_left)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
    elif dialect == "sqlite":
        plain: Any = connection.connection.driver_connection
        plain.set_progress_handler(lambda: int(request.seconds_left <= 0), 100_000)


def _query(request: Request, connection: Connection) -> str:
    import sqlalchemy as sql

    query = request.source.fetch.query.strip().rstrip(";")
    if not query:
        known = ", ".join(sorted(sql.inspect(connection).get_table_names())[:20])
        raise ConfigError(
            "a database holds many tables, and no query is said",
            where="data.sources",
            fix="fetch: {{query: TABLE}}, or a SELECT there; the tables are {known}",
            known=known,
        )
    if _TABLE.fullmatch(query):
        schema, _, table = query.rpartition(".")
        found = sql.table(table, schema=schema or None)
        return str(sql.select(sql.text("*")).select_from(found).compile(connection))
    if not _SELECT.match(query):
        raise ConfigError(
            "the query {query!r} does not begin with SELECT, and nothing else is asked",
            where="data.sources",
            fix="fetch: {{query: TABLE}}, or a SELECT there",
            query=query,
        )
    return query


def _lines(connection: Connection, query: str, request: Request) -> Iterator[bytes]:
    """One JSON object a row, some thousands at a time."""
    # As it stands: a colon or a percent sign in it is no place for a value. In portions only from
    # here on: to PostgreSQL that is a cursor, and a cursor can do nothing but this.
    as_asked = connection.execution_options(no_parameters=True, stream_results=True)
    result = as_asked.exec_driver_sql(query)
    names = list(result.keys())
    check_columns(names, Path(request.source.path))
    for rows in result.partitions(_ROWS):
        objects = (dict(zip(names, map(_plain, row), strict=True)) for row in rows)
        yield "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode(
            errors="replace"
        )


def _plain(value: Any) -> Any:
    """A value that a request in JSON could carry too."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return json.loads(json.dumps(value, default=str))
    return str(value)
