"""Catalogs on both databases: each test that asks for one runs twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import BOTH
from linocut.catalog import Catalog


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalog.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def url(database_url: str) -> str:
    """Return the URL of a database that has the tables, and nothing in them."""
    return database_url


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
        server = request.getfixturevalue("postgres_server")
        opened = Catalog.open(server.url(server.new_database()))
    yield opened
    opened.close()
