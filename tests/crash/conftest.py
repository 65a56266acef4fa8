import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from crash_world import World, Worlds

AT_ONCE = 3


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Yield worlds to borrow; all of them end with the session."""
    found = Worlds(tmp_path_factory.mktemp("worlds"), AT_ONCE)
    yield found
    found.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    """Yield a service at rest with one image and one running instance of it; a test that leaves it in order says so."""
    with worlds.lend() as lent:
        yield lent
