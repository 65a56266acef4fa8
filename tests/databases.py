"""Databases that have the catalog's tables and nothing in them, of both kinds: each test that asks for one runs twice.

The tables are made once a session: by now that takes longer than most tests do.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from linocut.catalog import Catalog
from linocut.catalog.schema import METADATA
from postgres_server import PostgresServer

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def migrated_url(postgres_server: PostgresServer) -> str:
    """Return the URL of a PostgreSQL database that has the tables."""
    url = postgres_server.url(postgres_server.new_database())
    Catalog.open(url).close()
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file that has the tables."""
    file = tmp_path_factory.mktemp("tables") / "catalog.db"
    Catalog.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database that has the tables, and nothing in them."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "catalog.db")
        yield f"sqlite:///{file}"
        return
    postgres_url: str = request.getfixturevalue("migrated_url")
    yield postgres_url
    with psycopg.connect(postgres_url) as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
