"""How the tables came to be: Alembic migrations, run whenever a catalog is opened.

To change a table: change `schema.py`, add the next file to `versions/`, and let the test that compares the two say when they
agree. A migration that was released is never edited.
"""

import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from linocut.catalog.rows import lock_until_end

_ALEMBIC: Final = threading.Lock()
"""Alembic keeps the running migration in a variable of its module, so one thread of a process may migrate at a time."""


def migrate(connection: Connection) -> None:
    """Bring the tables up to date in the connection's transaction. Others who do the same wait, and then find it done.

    Raises ValueError when the tables are of a newer version than this one knows.
    """
    lock_until_end(connection, "migration")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ValueError("the catalog was written by a newer version of Linocut") from error
