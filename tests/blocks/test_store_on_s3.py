"""A region store in a bucket: the same layout and the same promises, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nbd_peer import NbdPeer
from small_s3 import Objects, small_s3

from linocut.blocks import BlockServer, ObjectCorrupt, ObjectMissing, RegionStore, StoreUnavailable


@pytest.fixture
def bucket() -> Iterator[tuple[str, Objects]]:
    with small_s3() as (endpoint, objects):
        yield f"s3://images/lab?endpoint={endpoint}&region=x&access_key_id=k&secret_access_key=s", objects


def test_a_bucket_holds_trees_under_its_prefix(bucket: tuple[str, Objects], image: Path) -> None:
    url, objects = bucket
    with RegionStore.open(url) as store:
        root = store.ingest_file(image)

        assert store.tree(root).read(0, image.stat().st_size) == image.read_bytes()
        assert store.verify([root]).is_sound
        assert (store.stat().chunks, store.stat().nodes) == (4, 2)
    assert {key.split("/")[0] for key in objects} == {"lab"}
    assert {key.split("/")[1] for key in objects} == {"store.toml", "chunks", "trees"}
    with RegionStore.open(url) as again:
        assert again.ingest_file(image) == root


def test_a_bucket_is_swept(bucket: tuple[str, Objects], image: Path) -> None:
    url, objects = bucket
    with RegionStore.open(url) as store:
        root = store.ingest_file(image)

        assert store.collect([]).deleted_chunks == 0
        assert store.collect([], grace_s=-60).deleted_chunks == 4
        with pytest.raises(ObjectMissing):
            store.tree(root)
    assert list(objects) == ["lab/store.toml"]


def test_a_damaged_object_in_a_bucket_is_never_data(bucket: tuple[str, Objects], image: Path) -> None:
    url, objects = bucket
    with RegionStore.open(url) as store:
        root = store.ingest_file(image)
        for key, (data, changed) in list(objects.items()):
            if "/chunks/" in key:
                objects[key] = (data[:-1] + bytes([data[-1] ^ 1]) if len(data) % 2 else b"", changed)

        with pytest.raises(ObjectCorrupt):
            store.tree(root).read(0, 1)


def test_the_block_server_reads_and_writes_a_bucket(bucket: tuple[str, Objects], image: Path, tmp_path: Path) -> None:
    url, objects = bucket
    content = image.read_bytes()
    server = BlockServer.start(tmp_path / "d", url, cache_bytes=64 * 2**20)
    try:
        ingest = server.ingest(len(content))
        with NbdPeer(server.socket_path, ingest.export) as peer:
            peer.write(0, content)
        with NbdPeer(server.socket_path, f"tree/{ingest.seal()}") as peer:
            assert peer.read(0, len(content)) == content
            objects.clear()
            server.clear_cache()
            assert peer.read(0, 4096) == content[:4096], "from the cache on disk"
    finally:
        server.stop()


def test_a_bucket_that_refuses_is_unavailable(bucket: tuple[str, Objects]) -> None:
    url, _ = bucket
    with pytest.raises(StoreUnavailable, match=r"store\.toml"):
        RegionStore.open(url.replace("images", "forbidden"))
