"""Which store a region's trees are read from, and when each is swept."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench

from linocut.cloud.region_stores import RegionStores
from linocut.cloud.stores import Sweeper
from linocut.model.ids import Region, RootDigest
from linocut.settings import Settings

DAY_S = 86400.0
SEOUL, TOKYO = Region("ap-seoul"), Region("ap-tokyo")


@pytest.fixture
def own(bench: Bench, tmp_path: Path) -> Iterator[Bench]:
    """Yield a cloud with stores of its own."""
    stores = RegionStores(Settings(state=tmp_path / "own"), run_as=None, now=time.time)
    bench.cloud = replace(bench.cloud, stores=stores)
    yield bench
    stores.close()
    stores.stop_servers()


def leave_garbage(bench: Bench, region: Region, tmp_path: Path) -> Path:
    """Put a tree into a region's store that nothing names, two days ago; return the directory of its chunks."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(os.urandom(1 << 20))
    bench.cloud.stores.store(region).ingest_file(disk)
    store = tmp_path / "own" / "stores" / region
    for path in store.rglob("*"):
        os.utime(path, (time.time() - 2 * DAY_S,) * 2)
    return store / "chunks"


def has_garbage(chunks: Path) -> bool:
    return any(path.is_file() for path in chunks.rglob("*"))


def test_a_tree_is_read_through_from_another_region(stores: RegionStores, root: RootDigest) -> None:
    source, target = ELSEWHERE, SEOUL
    stores.store(target).copy_nodes(stores.store(source), [root])

    stores.read_through(target, root, source)
    assert stores.store(target).tree(root).read(0, 4) == b"disk"
    stores.end_read_through(target, root)
    stores.end_read_through(TOKYO, root)

    assert TOKYO not in stores.opened()


def test_a_region_without_a_block_server_is_swept_and_no_store_is_made_for_it(own: Bench, tmp_path: Path) -> None:
    chunks = leave_garbage(own, SEOUL, tmp_path)
    sweeper = Sweeper(0.0)

    sweeper.sweep_due(own.cloud, DAY_S - 1)
    assert has_garbage(chunks)
    sweeper.sweep_due(own.cloud, DAY_S)

    assert not has_garbage(chunks)
    assert [entry.name for entry in (tmp_path / "own" / "stores").iterdir()] == [SEOUL]


def test_a_region_that_cannot_be_swept_keeps_no_other_from_it_and_is_tried_again(own: Bench, tmp_path: Path) -> None:
    broken, sound = leave_garbage(own, REGION, tmp_path), leave_garbage(own, SEOUL, tmp_path)
    manifest = broken.parent / "store.toml"
    good = manifest.read_text()
    manifest.write_text("format = 99")
    own.cloud.stores._stores.clear()
    sweeper = Sweeper(0.0)

    sweeper.sweep_due(own.cloud, DAY_S)
    assert has_garbage(broken)
    assert not has_garbage(sound)
    manifest.write_text(good)
    sweeper.sweep_due(own.cloud, DAY_S + DAY_S / 24)

    assert not has_garbage(broken)


def test_the_catalog_tells_which_regions_must_have_a_store(bench: Bench) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        bench.importing(owner, "coming")
    with bench.cloud.catalog.read() as tx:
        assert tx.snapshots.regions_of_roots() == set()

    bench.image(owner)

    with bench.cloud.catalog.read() as tx:
        assert tx.snapshots.regions_of_roots() == {REGION}


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("file:///srv/stores", "file:///srv/stores/ap-seoul"),
        ("file:///srv/stores/", "file:///srv/stores/ap-seoul"),
        ("s3://bucket", "s3://bucket/ap-seoul"),
        ("s3://bucket/lab?endpoint=http://s3:9000&region=x", "s3://bucket/lab/ap-seoul?endpoint=http://s3:9000&region=x"),
    ],
)
def test_each_region_has_a_store_below_the_base_url(store: str, expected: str, tmp_path: Path) -> None:
    stores = RegionStores(Settings(state=tmp_path, store=store), run_as=None, now=time.time)

    assert stores._url(SEOUL) == expected
    stores.close()
