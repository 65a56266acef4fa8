"""The application over a real catalog and store; machines are the ones in memory, and workflows are only noted."""

import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from asgi_http import Http, http_of
from signed_calls import Person
from structlog.typing import EventDict

from linocut.api.app import create_app
from linocut.catalog import Catalog
from linocut.cloud.accounts import create_account, ensure_operator
from linocut.cloud.context import Cloud
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.sealing import Seal
from linocut.machines.memory import MemoryMachines
from linocut.settings import Settings

_MEMORY = Path("/dev/shm")
_LOUD = {"undeclared refusal", "request failed", "audit entry lost"}


class NotedWorkflows:
    """Notes what is to be done; nothing is done, so that a resource stays as the wire left it."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []

    def start(self, name: str, resource: str, *, key: str = "") -> None:
        assert isinstance(key, str)
        self.started.append((name, resource))


@pytest.fixture(scope="session")
def state_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a directory in memory where there is one: thousands of small transactions need not reach a disk here."""
    if not _MEMORY.is_dir():
        yield tmp_path_factory.mktemp("state")
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def cloud(state_directory: Path) -> Iterator[Cloud]:
    (state_directory / "uploads").mkdir()
    settings = Settings(state=state_directory, host_vcpus=1000, host_memory_mb=1_000_000)
    catalog = Catalog.open(settings.database_url)
    stores = RegionStores(settings, run_as=None, now=time.time)
    yield Cloud(
        settings=settings,
        catalog=catalog,
        stores=stores,
        machines=MemoryMachines(),
        workflows=NotedWorkflows(),
        seal=Seal.of(settings),
        now=lambda: datetime.now(UTC),
        randomness=secrets.SystemRandom(),
        stopping=lambda: False,
    )
    stores.close()
    stores.stop_servers()
    catalog.close()


@pytest.fixture(scope="session")
def http(cloud: Cloud) -> Iterator[Http]:
    with http_of(create_app(cloud)) as client:
        yield client


@pytest.fixture
def new_person(cloud: Cloud, http: Http) -> Callable[[], Person]:
    return lambda: Person(http, create_account(cloud, f"person-{random.getrandbits(64):x}"))


@pytest.fixture
def person(new_person: Callable[[], Person]) -> Person:
    return new_person()


@pytest.fixture(scope="session")
def operator(cloud: Cloud, http: Http) -> Person:
    account = ensure_operator(cloud)
    assert account is not None
    return Person(http, account)


@pytest.fixture
def loud() -> Iterator[list[EventDict]]:
    """Give the log entries that must not be, and fail the test that has any left at its end."""
    heard: list[EventDict] = []

    def listen(_logger: object, _method: str, event: EventDict) -> EventDict:
        if event["event"] in _LOUD:
            heard.append(event)
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[listen])
    yield heard
    structlog.configure(processors=before)
    assert heard == []


@pytest.fixture(autouse=True)
def _no_surprises(request: pytest.FixtureRequest) -> None:
    """Every test here fails on an error that its action does not declare, and on one that nobody foresaw."""
    request.getfixturevalue("loud")
