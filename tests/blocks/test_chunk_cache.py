"""The cache of chunks: bounded, shared, and never the cause of wrong bytes."""

import random
import threading
from collections.abc import Iterator

import pytest

from linocut.blocks import CHUNK_BYTES, BlockError, ObjectMissing, RegionStore
from linocut.blocks.cache import ChunkCache


@pytest.fixture
def store() -> Iterator[RegionStore]:
    with RegionStore.open("memory:///") as opened:
        yield opened


@pytest.fixture
def cache(store: RegionStore) -> Iterator[ChunkCache]:
    cached = ChunkCache(store.shelf, 8 * CHUNK_BYTES, None)
    yield cached
    cached.close()


def chunks_of(store: RegionStore, count: int) -> dict[bytes, bytes]:
    content = random.Random(1).randbytes(count * CHUNK_BYTES)
    ingest = store.ingest(len(content))
    ingest.write(0, content)
    tree = store.tree(ingest.seal())
    return {
        chunk.digest: content[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        for index in range(count)
        if (chunk := tree.chunk(index)) is not None
    }


def loaded(cache: ChunkCache, digest: bytes) -> memoryview | BlockError:
    arrived: list[memoryview | BlockError] = []
    done = threading.Event()
    cache.load(digest, lambda outcome: (arrived.append(outcome), done.set()))
    assert done.wait(5)
    return arrived[0]


def test_a_reply_keeps_its_bytes_while_its_chunk_falls_out(store: RegionStore, cache: ChunkCache) -> None:
    chunks = chunks_of(store, 40)
    held = {}
    for digest in chunks:
        view = loaded(cache, digest)
        assert isinstance(view, memoryview)
        if len(held) < 12:
            held[digest] = view[1000:5000]
        del view

    assert len(cache.views) == 8
    for digest, part in held.items():
        assert bytes(part) == chunks[digest][1000:5000]


def test_what_was_used_last_stays(store: RegionStore, cache: ChunkCache) -> None:
    digests = list(chunks_of(store, 12))
    for digest in digests[:8]:
        loaded(cache, digest)
    assert cache.hit(digests[0]) is not None
    for digest in digests[8:]:
        loaded(cache, digest)

    assert cache.hit(digests[0]) is not None
    assert cache.hit(digests[1]) is None


def test_a_chunk_that_many_want_is_loaded_once(store: RegionStore, cache: ChunkCache) -> None:
    (digest,) = chunks_of(store, 1)
    arrived: list[memoryview | BlockError] = []
    done = threading.Semaphore(0)
    for _ in range(20):
        cache.load(digest, lambda outcome: (arrived.append(outcome), done.release()))
    for _ in range(20):
        assert done.acquire(timeout=5)

    assert cache.counters.misses == 1
    assert len({id(view) for view in arrived}) == 1


def test_a_failure_reaches_all_who_wait_and_is_not_kept(cache: ChunkCache) -> None:
    for _ in range(2):
        assert isinstance(loaded(cache, bytes(32)), ObjectMissing)
    assert cache.counters.corrupt_reads == 2
    assert len(cache.views) == 0
