import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from crash_world import World


@pytest.fixture(scope="session")
def worlds() -> Iterator[list[World]]:
    """Yield the worlds that were made; all of them end with the session."""
    made: list[World] = []
    yield made
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: list[World], tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a service at rest with one image and one running instance of it, the same one until a test spoils it."""
    if not worlds or worlds[-1].is_spoilt:
        for spoilt in worlds:
            spoilt.close()
        worlds.append(World(tmp_path_factory.mktemp("world")))
        worlds[-1].populate()
    worlds[-1].is_spoilt = True  # until the test says that it has left it in order
    return worlds[-1]
