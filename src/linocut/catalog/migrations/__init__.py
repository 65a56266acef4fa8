"""How the tables came to be: Alembic migrations, run whenever a catalog is opened.

To change a table: change `schema.py`, add the next file to `versions/`, and let the test that compares the two say when they
agree. A migration that was released is never edited.

Alembic changes a column on SQLite by making the table anew and dropping the old one, which other tables refer to. So references
are not enforced meanwhile, as SQLite's own procedure has it; that all of them hold is checked before the commit.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from linocut.catalog.rows import lock_until_end

_ALEMBIC: Final = threading.Lock()
"""Alembic keeps the running migration in a variable of its module, so one thread of a process may migrate at a time."""


def migrate(writer: Engine) -> None:
    """Bring the tables up to date in one transaction. Others who do the same wait, and then find it done.

    Raises ValueError when the tables are of a newer version than this one knows, or when rows refer to what is not there.
    """
    with writer.connect() as connection, _references_unenforced(connection), connection.begin():
        lock_until_end(connection, "migration")
        with _ALEMBIC:
            before = _version(connection)
            _upgrade(connection)
            if _version(connection) != before:
                _require_references(connection)


@contextmanager
def _references_unenforced(connection: Connection) -> Iterator[None]:
    """Let SQLite drop tables that others refer to. That is a matter of the connection, and cannot be changed in a transaction."""
    if connection.dialect.name != "sqlite":
        yield
        return
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


def _require_references(connection: Connection) -> None:
    """Raise ValueError unless every row refers to rows that are there. PostgreSQL sees to that by itself."""
    if connection.dialect.name == "sqlite":
        broken = {row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
        if broken:
            raise ValueError(f"the catalog was not brought up to date: it has lost what rows of {sorted(broken)} refer to")


def _version(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ValueError("the catalog was written by a newer version of Linocut") from error
