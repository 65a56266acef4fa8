"""Who holds what of a region's store, and who suffers where it is damaged: by real stores, through the catalog."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench

from linocut.blocks import CHUNK_BYTES
from linocut.cloud import images, storage, stores
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.storage import Group, UsageBy
from linocut.model import errors
from linocut.model.ids import ImageId, Region, RootDigest
from linocut.model.records import TreeCopy
from linocut.model.states import CopyState
from linocut.settings import Settings

GB = 1024**3


@pytest.fixture
def own_stores(tmp_path: Path) -> Iterator[RegionStores]:
    """Yield stores for one test, to be filled and damaged."""
    opened = RegionStores(Settings(state=tmp_path / "own"), run_as=None, now=lambda: 0.0)
    yield opened
    opened.close()
    opened.stop_servers()


@pytest.fixture
def bench(bench: Bench, own_stores: RegionStores) -> Bench:
    bench.cloud = replace(bench.cloud, stores=own_stores)
    bench.change()
    return bench


def tree(bench: Bench, *seeds: int, region: Region = REGION) -> RootDigest:
    """Store a disk with a chunk for each seed."""
    store = bench.cloud.stores.store(region)
    ingest = store.ingest(GB)
    for at, seed in enumerate(seeds):
        ingest.write(at * CHUNK_BYTES, random.Random(seed).randbytes(CHUNK_BYTES))
    return ingest.seal()


def files(bench: Bench, region: Region = REGION) -> list[Path]:
    """Return the files of a store, but for its manifest."""
    directory = bench.cloud.settings.state / "own" / "stores" / region
    return sorted(path for path in directory.glob("*/*/*") if path.is_file())


def owner_images(bench: Bench) -> None:
    """Have two accounts with three images that share chunks, and a disk that keeps a tree alive."""
    anna, bert = bench.caller("anna"), bench.caller("bert")
    for caller, name, seeds in ((anna, "web", (1, 2, 3)), (anna, "web2", (1, 2, 4)), (bert, "db", (1, 5, 6, 7))):
        bench.root = tree(bench, *seeds)
        image_id = bench.image(caller, name)
    bench.instance(bert, image_id)


@pytest.mark.parametrize("by", UsageBy)
def test_what_is_unique_and_what_is_shared_adds_up_to_the_files_of_the_store(bench: Bench, by: UsageBy) -> None:
    owner_images(bench)
    tree(bench, 8)
    held = sum(path.stat().st_size for path in files(bench))

    usage, inventory = storage.store_usage(bench.cloud, REGION, by)

    assert sum(row.freed_bytes for row in usage.rows) + usage.shared.stored_bytes == inventory.live.stored_bytes
    assert usage.total == inventory.live
    assert inventory.total.stored_bytes == held
    assert inventory.young.chunks == 1, "what is not referred to yet"
    assert [row.freed_bytes for row in usage.rows] == sorted((row.freed_bytes for row in usage.rows), reverse=True)
    rows = {row.group.name or row.group.kind: row for row in usage.rows}
    assert rows["disks"].data_bytes == 4 * CHUNK_BYTES
    if by is UsageBy.ACCOUNT:
        anna = rows[bench.caller("anna").account.uin]
        assert (anna.logical_bytes, anna.data_bytes) == (2 * GB, 4 * CHUNK_BYTES)
        assert anna.shared_bytes < 2 * CHUNK_BYTES < anna.freed_bytes
        assert rows[bench.caller("bert").account.uin].freed_bytes == 0, "a disk keeps it"


def test_deleting_an_image_frees_what_was_said(bench: Bench) -> None:
    owner_images(bench)
    anna = bench.caller("anna")
    usage, before = storage.store_usage(bench.cloud, REGION, UsageBy.IMAGE)
    (said,) = (row for row in usage.rows if row.group.name and bench.image_row(row.group.name).name == "web2")

    images.delete_images(bench.cloud, anna, [said.group.name], delete_snapshots=True, dry_run=False)

    _, after = storage.store_usage(bench.cloud, REGION, UsageBy.IMAGE)
    assert before.live.stored_bytes - after.live.stored_bytes == said.freed_bytes > CHUNK_BYTES
    assert after.young.stored_bytes == said.freed_bytes


def test_snapshots_that_outlive_their_image_are_a_row_of_their_own(bench: Bench) -> None:
    anna = bench.caller("anna")
    bench.root = tree(bench, 1)
    images.delete_images(bench.cloud, anna, [bench.image(anna)], delete_snapshots=False, dry_run=False)

    usage, _ = storage.store_usage(bench.cloud, REGION, UsageBy.IMAGE)

    assert [row.group for row in usage.rows] == [Group(storage.NO_IMAGE, owner=anna.account.uin)]


@pytest.mark.parametrize("by", UsageBy)
def test_a_snapshot_whose_tree_went_to_another_region_counts_once_in_its_own(bench: Bench, by: UsageBy) -> None:
    anna = bench.caller("anna")
    bench.root = tree(bench, 1)
    image_id = ImageId(bench.image(anna))
    before, _ = storage.store_usage(bench.cloud, REGION, by)
    with bench.cloud.catalog.begin() as tx:
        (snapshot,) = tx.snapshots.owned(anna.account.uin, REGION)
        went = (ELSEWHERE, snapshot.snapshot_id, image_id, image_id, REGION, bench.root)
        assert tx.copies.add(TreeCopy(*went, CopyState.WHOLE, "request", snapshot.created_at))
    tree(bench, 1, region=ELSEWHERE)

    here, _ = storage.store_usage(bench.cloud, REGION, by)
    there, _ = storage.store_usage(bench.cloud, ELSEWHERE, by)

    assert here == before
    assert [row.logical_bytes for row in (*here.rows, *there.rows)] == [GB, GB]


def test_what_an_account_is_told_does_not_depend_on_what_others_store(bench: Bench) -> None:
    anna, bert = bench.caller("anna"), bench.caller("bert")
    bench.root = tree(bench, 1, 2)
    bench.image(anna)
    before = [storage.storage_usage(bench.cloud, anna, by, all_accounts=False) for by in UsageBy]

    bench.image(bert, "the same")
    bench.root = tree(bench, 1, 3)
    bench.instance(bert, bench.image(bert, "alike"))

    assert [storage.storage_usage(bench.cloud, anna, by, all_accounts=False) for by in UsageBy] == before
    (row,) = before[0].rows
    assert (row.freed_bytes, row.shared_bytes) == (before[0].total.stored_bytes, 0)
    with pytest.raises(errors.OperatorOnly):
        storage.storage_usage(bench.cloud, anna, UsageBy.ACCOUNT, all_accounts=True)


def test_an_account_without_snapshots_holds_nothing_and_one_under_way_counts_for_nothing(bench: Bench) -> None:
    anna = bench.caller("anna")
    bench.importing(anna)

    usage = storage.storage_usage(bench.cloud, anna, UsageBy.IMAGE, all_accounts=False)

    assert (usage.rows, usage.total.stored_bytes) == ((), 0)


def test_the_operator_sees_all_accounts(bench: Bench) -> None:
    owner_images(bench)

    usage = storage.storage_usage(bench.cloud, bench.operator, UsageBy.ACCOUNT, all_accounts=True)

    uins = {bench.caller(name).account.uin for name in ("anna", "bert")}
    assert {row.group.name for row in usage.rows} == {*uins, ""}
    assert usage.total.chunks == 7


def test_damage_is_named_by_the_images_snapshots_and_disks_that_suffer_and_repaired_from_another_region(bench: Bench) -> None:
    owner_images(bench)
    for seeds in ((1, 2, 3), (1, 2, 4), (1, 5, 6, 7)):
        tree(bench, *seeds, region=ELSEWHERE)
    of_bert = bench.cloud.stores.store(REGION).tree(bench.root).chunk(3)
    assert of_bert is not None
    (victim,) = (path for path in files(bench) if path.name == of_bert.digest.hex())
    victim.unlink()

    report = stores.verify_store(bench.cloud, REGION)

    (found,) = report.damages
    assert (found.damage.name.rpartition("/")[2], found.damage.problem, report.is_sound) == (victim.name, "missing", False)
    assert {holder.kind.value for holder in found.sufferers} == {"snapshot", "disk"}
    assert {bench.image_row(image).name for holder in found.sufferers for image in holder.images} == {"db"}

    report = stores.verify_store(bench.cloud, REGION, repair_from=[REGION, ELSEWHERE])

    assert (report.is_sound, report.damages[0].damage.repaired_from) == (True, ELSEWHERE)
    assert stores.verify_store(bench.cloud, REGION).damages == ()
    assert set(stores.regions_with_stores(bench.cloud)) == {REGION, ELSEWHERE}


def test_what_was_deleted_while_it_was_read_is_not_missed(bench: Bench) -> None:
    anna = bench.caller("anna")
    bench.root = tree(bench, 1, 2)
    image_id = bench.image(anna)
    deleted = []

    def delete_and_sweep(_done: int, _total: int) -> None:
        if not deleted:
            deleted.append(image_id)
            images.delete_images(bench.cloud, anna, [image_id], delete_snapshots=True, dry_run=False)

    files(bench)[0].unlink()

    assert stores.verify_store(bench.cloud, REGION, delete_and_sweep).damages == ()
