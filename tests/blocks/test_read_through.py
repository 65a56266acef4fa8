"""A tree that is still arriving is read, and built upon, as if it were here."""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nbd_peer import NbdFailure, NbdPeer
from small_s3 import small_s3

from linocut.blocks import (
    CHUNK_BYTES,
    BlockServer,
    ObjectMissing,
    RegionStore,
    RequestInvalid,
    StoreFull,
    StoreUnavailable,
)
from linocut.blocks.cache import ChunkCache
from linocut.blocks.objects import Objects
from linocut.blocks.shelf import Shelf
from linocut.model.ids import RootDigest

EIO = 5


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RegionStore]:
    with RegionStore.open(f"file://{tmp_path}/source") as opened:
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Iterator[RegionStore]:
    with RegionStore.open(f"file://{tmp_path}/target") as opened:
        yield opened


@pytest.fixture
def server(target: RegionStore, tmp_path: Path) -> Iterator[BlockServer]:
    """A block server of the target."""
    assert target.stat().chunks == 0
    started = BlockServer.start(tmp_path / "d", f"file://{tmp_path}/target", memory_bytes=8 * 2**20)
    yield started
    found = BlockServer.find(tmp_path / "d")
    if found is not None:
        found.stop()


@pytest.fixture
def arriving(source: RegionStore, target: RegionStore, image: Path) -> RootDigest:
    """A tree whose nodes are in the target, and whose chunks are not."""
    root = source.ingest_file(image)
    target.copy_nodes(source, [root])
    return root


def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/source"


def chunks_in(directory: Path) -> list[Path]:
    return sorted(path for path in (directory / "chunks").rglob("*") if path.is_file())


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_a_guest_reads_what_has_not_arrived_and_the_copy_finds_it(
    source: RegionStore, target: RegionStore, server: BlockServer, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    content = image.read_bytes()
    server.read_through(arriving, url(tmp_path))

    with NbdPeer(server.socket_path, f"tree/{arriving}") as peer:
        assert peer.read(0, 4096) == content[:4096]
        eventually(lambda: len(chunks_in(tmp_path / "target")) >= 1)
        assert peer.read(0, len(content)) == content

    eventually(lambda: len(chunks_in(tmp_path / "target")) == 4)
    assert server.stat()["through_reads"] == 4
    assert target.verify([arriving]).awaited == 0
    assert target.copy_trees(source, [arriving]).objects == 2, "its nodes"
    server.end_read_through(arriving)


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_server_that_was_killed_goes_on_reading_through(
    server: BlockServer, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    server.read_through(arriving, url(tmp_path))
    server.stop()

    again = BlockServer.start(tmp_path / "d", f"file://{tmp_path}/target")
    with NbdPeer(again.socket_path, f"tree/{arriving}") as peer:
        assert peer.read(0, 4096) == image.read_bytes()[:4096]
    assert (tmp_path / "d" / "sources.json").stat().st_mode & 0o077 == 0


def test_a_record_that_is_damaged_reads_through_nothing(server: BlockServer, arriving: RootDigest, tmp_path: Path) -> None:
    server.stop()
    (tmp_path / "d" / "sources.json").write_text('["what?"]')

    again = BlockServer.start(tmp_path / "d", f"file://{tmp_path}/target")
    with NbdPeer(again.socket_path, f"tree/{arriving}") as peer, pytest.raises(NbdFailure):
        peer.read(0, 4096)
    assert "sources.json" in again.log_path.read_text()


def test_reading_through_ends_when_it_is_told_to(server: BlockServer, arriving: RootDigest, tmp_path: Path) -> None:
    server.read_through(arriving, url(tmp_path))
    server.end_read_through(arriving)
    server.end_read_through(arriving)

    with NbdPeer(server.socket_path, f"tree/{arriving}") as peer, pytest.raises(NbdFailure) as failure:
        peer.read(0, 4096)
    assert failure.value.number == EIO


def test_a_source_that_is_gone_is_an_error_in_the_log_and_serves_again_when_it_is_back(
    server: BlockServer, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    server.read_through(arriving, url(tmp_path))
    (tmp_path / "source").rename(tmp_path / "elsewhere")

    with NbdPeer(server.socket_path, f"tree/{arriving}") as peer:
        with pytest.raises(NbdFailure) as failure:
            peer.read(0, 4096)
        (tmp_path / "elsewhere").rename(tmp_path / "source")
        assert peer.read(0, 4096) == image.read_bytes()[:4096]

    assert failure.value.number == EIO
    assert "chunk unreadable: ObjectMissing: chunks/" in server.log_path.read_text()


def test_damage_in_the_source_is_neither_served_nor_kept(
    server: BlockServer, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    content = image.read_bytes()
    for path in chunks_in(tmp_path / "source"):
        flip_a_bit(path)
    server.read_through(arriving, url(tmp_path))

    with NbdPeer(server.socket_path, f"tree/{arriving}") as peer:
        with pytest.raises(NbdFailure):
            peer.read(0, 4096)
        assert peer.read(4 * CHUNK_BYTES, 4096) == content[4 * CHUNK_BYTES :][:4096]

    assert chunks_in(tmp_path / "target") == []
    assert "ObjectCorrupt: in the source: chunks/" in server.log_path.read_text()


def test_what_has_rotted_here_is_read_from_the_source_and_mended(
    source: RegionStore, target: RegionStore, server: BlockServer, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    target.copy_trees(source, [arriving])
    for path in chunks_in(tmp_path / "target"):
        flip_a_bit(path)
    server.read_through(arriving, url(tmp_path))

    with NbdPeer(server.socket_path, f"tree/{arriving}") as peer:
        assert peer.read(0, image.stat().st_size) == image.read_bytes()

    eventually(lambda: target.verify([arriving]).is_sound)


def test_a_disk_built_on_an_arriving_tree_is_whole_when_it_is_sealed(
    target: RegionStore, server: BlockServer, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    expected = bytearray(image.read_bytes())
    server.read_through(arriving, url(tmp_path))
    ingest = server.ingest(len(expected), arriving)
    with NbdPeer(server.socket_path, ingest.export) as peer:
        peer.write(CHUNK_BYTES + 100, b"changed")
        expected[CHUNK_BYTES + 100 : CHUNK_BYTES + 107] = b"changed"
        same = bytes(expected[7 * CHUNK_BYTES : 8 * CHUNK_BYTES])
        peer.write(7 * CHUNK_BYTES, same)
        assert peer.read(0, 4096) == expected[:4096]

    child = ingest.seal()

    shutil.rmtree(tmp_path / "source")
    assert target.verify([child]).is_sound
    assert not target.is_arriving(child)
    assert target.tree(child).read(0, len(expected)) == bytes(expected)


def test_a_disk_built_on_an_arriving_tree_is_refused_where_its_chunks_cannot_be_had(
    target: RegionStore, arriving: RootDigest, image: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in (tmp_path / "target").rglob("*"))
    ingest = target.ingest(image.stat().st_size, arriving)
    ingest.write(7 * CHUNK_BYTES, image.read_bytes()[7 * CHUNK_BYTES : 8 * CHUNK_BYTES])

    with pytest.raises(ObjectMissing, match="has not arrived yet"):
        ingest.seal()

    assert sorted(path.name for path in (tmp_path / "target").rglob("*")) == before


def test_a_file_is_taken_in_on_an_arriving_tree(target: RegionStore, arriving: RootDigest, image: Path, tmp_path: Path) -> None:
    target.read_through(arriving, url(tmp_path))

    child = target.ingest_file(image, parent=arriving)

    assert target.verify([child]).is_sound
    assert target.tree(child).read(0, image.stat().st_size) == image.read_bytes()


def test_copy_and_guests_at_once_give_right_bytes_and_a_whole_tree(
    source: RegionStore, target: RegionStore, server: BlockServer, tmp_path: Path
) -> None:
    content = random.Random(5).randbytes(24 * CHUNK_BYTES)
    (tmp_path / "disk.raw").write_bytes(content)
    root = source.ingest_file(tmp_path / "disk.raw")
    target.copy_nodes(source, [root])
    server.read_through(root, url(tmp_path))

    def read_all(seed: int) -> bool:
        order = list(range(24))
        random.Random(seed).shuffle(order)
        with NbdPeer(server.socket_path, f"tree/{root}") as peer:
            return all(
                peer.read(index * CHUNK_BYTES, CHUNK_BYTES) == content[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
                for index in order
            )

    with ThreadPoolExecutor(4) as guests:
        reading = [guests.submit(read_all, seed) for seed in range(3)]
        copying = guests.submit(target.copy_trees, source, [root])
        assert all(future.result(timeout=30) for future in reading)
        copying.result(timeout=30)

    assert target.verify([root]).is_sound
    assert not target.is_arriving(root)


class Full(Objects):
    """A store that takes no more."""

    is_full = False

    def put(self, name: str, data: bytes) -> None:
        if self.is_full:
            raise StoreFull(f"cannot write {name}")
        super().put(name, data)


def test_a_full_store_still_serves_what_it_cannot_keep(source: RegionStore, image: Path, tmp_path: Path) -> None:
    objects = Full.open(f"file://{tmp_path}/full")
    root = source.ingest_file(image)
    with RegionStore(Shelf(objects, level=1, grace_s=86400.0)) as target:
        target.copy_nodes(source, [root])
        target.read_through(root, url(tmp_path))
        objects.is_full = True

        assert target.tree(root).read(0, image.stat().st_size) == image.read_bytes()
        assert target.stat().chunks == 0
        with pytest.raises(StoreFull):
            target.copy_trees(source, [root])


def test_guests_of_other_trees_do_not_wait_for_a_slow_source(image: Path, tmp_path: Path) -> None:
    gate = threading.Event()
    with small_s3() as (endpoint, objects), RegionStore.open(f"file://{tmp_path}/target") as target:
        far = f"s3://lab/far?endpoint={endpoint}&region=x&access_key_id=k&secret_access_key=s"
        with RegionStore.open(far) as source:
            (tmp_path / "far.raw").write_bytes(random.Random(6).randbytes(40 * CHUNK_BYTES))
            awaited = source.ingest_file(tmp_path / "far.raw")
            target.copy_nodes(source, [awaited])
        near = target.ingest_file(image)
        target.read_through(awaited, far)
        objects.before_get = gate.wait
        cache = ChunkCache(target.shelf, 64 * CHUNK_BYTES, None)
        arrived: list[object] = []
        try:
            for chunk in filter(None, target.tree(awaited).leaf(0)):
                cache.load(chunk.digest, arrived.append)
            for chunk in filter(None, target.tree(near).leaf(0)):
                cache.load(chunk.digest, arrived.append)
            eventually(lambda: len(arrived) == 4)
            gate.set()
            eventually(lambda: len(arrived) == 44)
        finally:
            gate.set()
            cache.close()
    assert all(isinstance(view, memoryview) for view in arrived)


def test_a_source_that_does_not_answer_is_asked_last(image: Path, tmp_path: Path) -> None:
    with small_s3() as (endpoint, objects), RegionStore.open(f"file://{tmp_path}/target") as target:
        good, refusing = (
            f"s3://{bucket}/far?endpoint={endpoint}&region=x&access_key_id=k&secret_access_key=s"
            for bucket in ("lab", "forbidden")
        )
        with RegionStore.open(good) as source:
            root = source.ingest_file(image)
            target.copy_nodes(source, [root])
        target.read_through(root, good)
        target.read_through(RootDigest("ab" * 32), refusing)

        assert target.tree(root).read(0, 4096) == image.read_bytes()[:4096]
        refused = objects.refused
        assert target.tree(root).read(0, image.stat().st_size) == image.read_bytes()

        assert objects.refused == refused > 0


def test_where_to_read_is_checked_when_it_is_told(server: BlockServer, arriving: RootDigest, tmp_path: Path) -> None:
    with pytest.raises(RequestInvalid):
        server.read_through(arriving, "ftp://elsewhere/")
    with pytest.raises(RequestInvalid):
        server.read_through(RootDigest("../etc"), url(tmp_path))
    with pytest.raises((StoreUnavailable, ObjectMissing)):
        server.read_through(arriving, f"file://{tmp_path}/nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "d" / "sources.json").exists()


def test_a_store_that_reads_through_does_not_call_a_copy_of_elsewhere_its_own(
    target: RegionStore, arriving: RootDigest, tmp_path: Path
) -> None:
    target.read_through(arriving, url(tmp_path))

    assert target.verify([arriving]).awaited == 4
