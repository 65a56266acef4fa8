"""A region store in a directory, a block server on it, and an image to put there."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from linocut.blocks import CHUNK_BYTES, BlockServer, RegionStore


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{tmp_path_factory.mktemp('s')}/store"


@pytest.fixture(scope="module")
def store(store_url: str) -> Iterator[RegionStore]:
    with RegionStore.open(store_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockServer]:
    """One server for all, as on a host."""
    started = BlockServer.start(tmp_path_factory.mktemp("d"), store_url, memory_bytes=8 * 2**20)
    yield started
    started.stop()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A sparse raw disk of a few chunks: text, noise, holes, zeros that are written out, and an odd end."""
    path = tmp_path / "disk.raw"
    noise = random.Random(7).randbytes
    with path.open("wb") as file:
        file.write(b"boot" * 1024)
        file.seek(CHUNK_BYTES - 300)
        file.write(noise(CHUNK_BYTES + 1000))
        file.seek(4 * CHUNK_BYTES)
        file.write(bytes(CHUNK_BYTES))
        file.seek(7 * CHUNK_BYTES + 12345)
        file.write(noise(70000))
        file.truncate(9 * CHUNK_BYTES + 3 * 512)
    return path
