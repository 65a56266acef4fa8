"""Connections to SQLite and PostgreSQL that behave alike.

Each database has three engines. The writer's transactions exclude each other where they touch the same rows: on SQLite all of
them do, and threads queue for the one connection rather than poll the file's lock. The reader's transactions see one snapshot
and cannot write. The asker has no transactions: what it is for is one statement long, and beginning and ending cost as much as
the statement does. Nor does it try a connection before using it, which would cost the same again: whoever asks, asks twice when
the connection turns out to be gone.

On SQLite a commit is on the disk when it returns (`synchronous=FULL`): what the service has answered survives a power cut.
"""

import sqlite3
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

_BUSY_TIMEOUT_MS: Final = 10_000
_BUSY_PAUSE_S: Final = 0.01
_READERS: Final = 8
_MORE_READERS: Final = 56
_ASKS: Final = "-c default_transaction_read_only=on -c plan_cache_mode=force_generic_plan"
"""The few statements that are asked find their rows by indexes, whatever is asked for: planning them again is lost time."""
_POSTGRES_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


@dataclass(frozen=True, slots=True)
class Engines:
    """The ways into one database."""

    writer: Engine
    reader: Engine
    asker: Engine

    def dispose(self) -> None:
        """Close every connection."""
        self.asker.dispose()
        self.reader.dispose()
        self.writer.dispose()


def connect(url: str) -> Engines:
    """Return the engines of a `sqlite:///file` or `postgresql://…` URL. Raises ValueError for any other."""
    parsed = make_url(url)
    if parsed.drivername in _POSTGRES_SCHEMES:
        return _postgres(parsed.set(drivername="postgresql+psycopg"))
    if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        reader = _sqlite(parsed, writes=False)
        return Engines(_sqlite(parsed, writes=True), reader, asker=reader)
    raise ValueError(f"the catalog is kept in sqlite:///FILE or postgresql://…, not in {parsed.render_as_string()}")


def _postgres(url: URL) -> Engines:
    writer = create_engine(url, pool_size=_READERS, max_overflow=_MORE_READERS, pool_pre_ping=True)
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    options = f"{url.query.get('options', '')} {_ASKS}".strip()
    asker = create_engine(
        url, pool_size=_READERS, max_overflow=_MORE_READERS, isolation_level="AUTOCOMMIT", connect_args={"options": options}
    )
    return Engines(writer, reader, asker)


def _sqlite(url: URL, *, writes: bool) -> Engine:
    size, more = (1, 0) if writes else (_READERS, _MORE_READERS)
    engine = create_engine(url, pool_size=size, max_overflow=more)
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver opens no transactions: `BEGIN` below does
        for pragma in (f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        if writes:
            _write_ahead(connection)
        else:
            connection.execute("PRAGMA query_only=ON")

    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", open_transaction)
    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging, which it then keeps.

    Two that switch a new file at once may both be told at once that it is busy, whatever the time-out: so try until it ends.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return
