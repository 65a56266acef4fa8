"""Catalogs on both databases: each test that asks for one runs twice."""

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


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalog.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database that has the tables, and nothing in them."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalog.db'}"
        return
    postgres_url: str = request.getfixturevalue("migrated_url")
    yield postgres_url
    with psycopg.connect(postgres_url) as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = Catalog.open(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=BOTH)
def lasting_catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Yield a catalog for tests that roll back all they do."""
    if request.param == "sqlite":
        opened = Catalog.open(f"sqlite:///{tmp_path_factory.mktemp('lasting') / 'catalog.db'}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        opened = Catalog.open(server.url(server.new_database()))
    yield opened
    opened.close()
