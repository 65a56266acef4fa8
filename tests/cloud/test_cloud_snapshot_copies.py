"""Copying snapshots: who may, where to, what stands in the rows, and what moves between the stores."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, run_order

from linocut.blocks import RegionStore
from linocut.cloud import imaging, launches, snapshot_copies, snapshot_sharing, snapshots, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.listing import BlockQuery
from linocut.cloud.ordered_disks import DataDiskOrder
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.snapshot_copies import CopyBegun
from linocut.cloud.snapshots import ListedSnapshot
from linocut.cloud.stores import collect_store
from linocut.cloud.tasks import TasksAsked
from linocut.cloud.workflows.reconcile import reconcile
from linocut.cloud.workflows.snapshot_copies import fail_snapshot_copy, show_copied
from linocut.model import errors
from linocut.model.ids import Region, RootDigest, SnapshotId, new_id
from linocut.model.records import DiskUsage, Snapshot, Task
from linocut.model.states import SnapshotState, TaskState
from linocut.settings import Settings

BEIJING, TOKYO = Region("ap-beijing"), Region("ap-tokyo")
MIB = 1 << 20


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[RegionStores]:
    """Yield stores of the test's own, for some tests sweep them."""
    opened = RegionStores(Settings(state=tmp_path / "own", block_cache_mb=8), run_as=None, now=time.time)
    yield opened
    opened.close()
    opened.stop_servers()


@pytest.fixture
def root(stores: RegionStores, tmp_path: Path) -> RootDigest:
    """Return the root of a disk that both regions have."""
    disk = tmp_path / "common.raw"
    disk.write_bytes(b"disk" * (1 << 18))
    return [stores.store(region).ingest_file(disk) for region in (ELSEWHERE, REGION)][-1]


@pytest.fixture
def owner(bench: Bench) -> Caller:
    return bench.caller("owner")


@pytest.fixture
def source(bench: Bench, owner: Caller, tmp_path: Path) -> Snapshot:
    """Return a data disk's snapshot whose tree only its own region has."""
    file = tmp_path / "books.raw"
    file.write_bytes(random.randbytes(2 * MIB))
    snapshot = Snapshot(
        snapshot_id=SnapshotId(new_id("snap", bench.cloud.randomness)),
        owner=owner.account.uin,
        region=REGION,
        name="books",
        usage=DiskUsage.DATA_DISK,
        state=SnapshotState.NORMAL,
        size_bytes=2 * MIB,
        root=bench.cloud.stores.store(REGION).ingest_file(file),
        disk_id=None,
        percent=100,
        created_at=bench.cloud.now(),
        is_frozen=True,
    )
    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.add(snapshot)
    return snapshot


def copy(bench: Bench, caller: Caller, snapshot_id: str, *regions: Region, name: str = "") -> tuple[CopyBegun, ...]:
    return snapshot_copies.copy_snapshot(bench.cloud, caller, snapshot_id, regions, name)


def copied(begun: CopyBegun) -> SnapshotId:
    assert begun.snapshot_id is not None
    return begun.snapshot_id


def find(bench: Bench, snapshot_id: SnapshotId) -> Snapshot | None:
    with bench.cloud.catalog.read() as tx:
        return tx.snapshots.get(snapshot_id)


def seen(bench: Bench, caller: Caller, snapshot_id: str) -> ListedSnapshot:
    (found,) = snapshots.list_snapshots(bench.cloud, caller, BlockQuery((snapshot_id,), {}, 0, 1)).items
    return found


def task_of(bench: Bench, caller: Caller, snapshot_id: str) -> Task:
    (found,) = tasks.list_tasks(bench.cloud, caller, TasksAsked(None, {"resource": (snapshot_id,)}, 0, 10)).items
    return found


def run(bench: Bench, snapshot_id: str) -> None:
    (work,) = [work for work in bench.workflows.asked if work[:2] == ("copy-snapshot", snapshot_id)]
    bench.workflows.run(work)


def has_all_of(store: RegionStore, root: RootDigest) -> bool:
    return store.verify([root]).is_sound and not store.is_arriving(root)


def test_a_copy_is_a_snapshot_of_its_own_with_the_same_content(bench: Bench, owner: Caller, source: Snapshot) -> None:
    (begun,) = copy(bench, owner, source.snapshot_id, ELSEWHERE)

    made = find(bench, copied(begun))
    assert made is not None
    assert made.snapshot_id != source.snapshot_id
    assert (made.owner, made.region, made.state, made.percent) == (source.owner, ELSEWHERE, SnapshotState.NORMAL, 100)
    assert (made.name, made.is_copy) == (f"Copied {source.snapshot_id} from {REGION}", True)
    for field in ("usage", "size_bytes", "root"):
        assert getattr(made, field) == getattr(source, field), field
    assert made.root is not None
    assert has_all_of(bench.cloud.stores.store(ELSEWHERE), made.root)
    task = task_of(bench, owner, made.snapshot_id)
    assert (task.action, task.state) == ("CopySnapshotCrossRegions", TaskState.SUCCESS)
    assert task.bytes_done == task.bytes_total > 2 * MIB


def test_while_a_copy_is_under_way_it_says_so_and_its_source_says_where_to(bench: Bench, owner: Caller, source: Snapshot) -> None:
    with bench.holding():
        first, second = copy(bench, owner, source.snapshot_id, ELSEWHERE, BEIJING, name="far away")

    there = replace(owner, region=ELSEWHERE)
    assert seen(bench, owner, source.snapshot_id).copying_to == (BEIJING, ELSEWHERE)
    assert seen(bench, owner, source.snapshot_id).snapshot.state is SnapshotState.NORMAL
    arriving = seen(bench, there, copied(first)).snapshot
    assert (arriving.name, arriving.state, arriving.is_copy, arriving.percent) == ("far away", SnapshotState.CREATING, True, 0)
    with bench.cloud.catalog.read() as tx:
        coming = tx.snapshot_copies.get(copied(first))
    assert coming is not None
    show_copied(bench.cloud, coming, 1, 2)
    assert seen(bench, there, copied(first)).snapshot.percent == 50
    with pytest.raises(errors.SnapshotUnfinished):
        snapshots.delete_snapshots(bench.cloud, there, [copied(first)], delete_images=False)

    run(bench, copied(first))
    assert seen(bench, owner, source.snapshot_id).copying_to == (BEIJING,)
    run(bench, copied(second))
    assert seen(bench, owner, source.snapshot_id).copying_to == ()


def test_copies_take_places_in_the_quota_of_the_region_that_they_come_to(bench: Bench, owner: Caller, source: Snapshot) -> None:
    bench.change(snapshot_quota=1)
    copy(bench, owner, source.snapshot_id, ELSEWHERE)

    with pytest.raises(errors.SnapshotQuotaExceeded):
        copy(bench, owner, source.snapshot_id, ELSEWHERE)
    full, other = copy(bench, owner, source.snapshot_id, ELSEWHERE, BEIJING)

    assert (full.snapshot_id, type(full.refusal)) == (None, errors.SnapshotQuotaExceeded)
    assert copied(other)


def test_the_same_copy_is_begun_once_and_the_others_go_on(bench: Bench, owner: Caller, source: Snapshot) -> None:
    with bench.holding():
        copy(bench, owner, source.snapshot_id, ELSEWHERE)
        again, other = copy(bench, owner, source.snapshot_id, ELSEWHERE, BEIJING)
        with pytest.raises(errors.SnapshotCopied):
            copy(bench, owner, source.snapshot_id, ELSEWHERE, BEIJING)

    assert (again.snapshot_id, type(again.refusal)) == (None, errors.SnapshotCopied)
    assert copied(other)


def test_of_many_who_ask_at_once_one_copy_is_begun(bench: Bench, owner: Caller, source: Snapshot) -> None:
    def act(_: int) -> bool:
        try:
            copy(bench, owner, source.snapshot_id, ELSEWHERE)
        except (errors.SnapshotCopied, errors.LostRace):
            return False
        return True

    with bench.holding(), ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(act, range(4))) == 1
    assert seen(bench, owner, source.snapshot_id).copying_to == (ELSEWHERE,)


def test_what_is_not_copied_is_refused(bench: Bench, owner: Caller, source: Snapshot) -> None:
    friend = bench.caller("friend")
    snapshot_sharing.share_snapshots(bench.cloud, owner, [source.snapshot_id], [friend.account.uin])
    unfinished = replace(source, snapshot_id=SnapshotId("snap-unfinish"), state=SnapshotState.CREATING, root=None)
    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.add(unfinished)
    refused: list[tuple[Caller, str, tuple[Region, ...], type[errors.Refusal]]] = [
        (friend, source.snapshot_id, (ELSEWHERE,), errors.SnapshotNotFound),
        (replace(owner, region=BEIJING), source.snapshot_id, (ELSEWHERE,), errors.SnapshotNotFound),
        (owner, unfinished.snapshot_id, (ELSEWHERE,), errors.SnapshotUnfinished),
        (owner, source.snapshot_id, (ELSEWHERE, REGION), errors.RegionUnsuitable),
        (owner, source.snapshot_id, (ELSEWHERE, TOKYO), errors.RegionUnreachable),
        (owner, source.snapshot_id, (ELSEWHERE, Region("mars-north")), errors.RegionNotFound),
        (owner, source.snapshot_id, (), errors.ParameterMissing),
        (owner, "", (ELSEWHERE,), errors.ParameterMissing),
    ]
    for caller, snapshot_id, regions, refusal in refused:
        with pytest.raises(refusal):
            copy(bench, caller, snapshot_id, *regions)
    with pytest.raises(errors.ValueTooLong):
        copy(bench, owner, source.snapshot_id, ELSEWHERE, name="x" * 61)
    assert seen(bench, owner, source.snapshot_id).copying_to == ()


def test_what_becomes_of_the_source_does_not_harm_the_copy(bench: Bench, owner: Caller, source: Snapshot) -> None:
    with bench.holding():
        (begun,) = copy(bench, owner, source.snapshot_id, ELSEWHERE)
    snapshots.delete_snapshots(bench.cloud, owner, [source.snapshot_id], delete_images=False)
    for region in (REGION, ELSEWHERE):
        collect_store(bench.cloud, region, grace_s=0.0)

    run(bench, copied(begun))
    made = find(bench, copied(begun))
    assert made is not None
    assert made.state is SnapshotState.NORMAL
    assert made.root is not None
    collect_store(bench.cloud, ELSEWHERE, grace_s=0.0)
    assert has_all_of(bench.cloud.stores.store(ELSEWHERE), made.root)


def test_a_copy_that_fails_leaves_no_row_and_its_task_says_why(bench: Bench, owner: Caller, source: Snapshot) -> None:
    with bench.holding():
        (begun,) = copy(bench, owner, source.snapshot_id, ELSEWHERE)
    tree = next(Path(bench.cloud.settings.state).rglob(f"{source.root}"))
    tree.unlink()

    run(bench, copied(begun))

    assert find(bench, copied(begun)) is None
    assert seen(bench, owner, source.snapshot_id).copying_to == ()
    task = task_of(bench, owner, copied(begun))
    assert (task.state, "region store" in task.error) == (TaskState.FAILED, True)
    fail_snapshot_copy(bench.cloud, copied(begun), "again")


def test_a_copy_is_cancelled_and_leaves_nothing(bench: Bench, owner: Caller, source: Snapshot) -> None:
    with bench.holding():
        (begun,) = copy(bench, owner, source.snapshot_id, ELSEWHERE)
    tasks.cancel_task(bench.cloud, owner, task_of(bench, owner, copied(begun)).task_id)

    run(bench, copied(begun))

    assert find(bench, copied(begun)) is None
    assert task_of(bench, owner, copied(begun)).state is TaskState.CANCELLED


def test_a_copy_that_was_never_started_is_and_one_that_was_lost_has_failed(bench: Bench, owner: Caller, source: Snapshot) -> None:
    with bench.holding():
        first, second = copy(bench, owner, source.snapshot_id, ELSEWHERE, BEIJING)
    bench.workflows.asked.remove(("copy-snapshot", copied(first), ""))
    bench.workflows.ended.add(("copy-snapshot", copied(second), ""))

    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]

    made = find(bench, copied(first))
    assert made is not None
    assert made.state is SnapshotState.NORMAL
    assert find(bench, copied(second)) is None


def test_a_disk_is_made_of_a_copied_snapshot(bench: Bench, owner: Caller, source: Snapshot) -> None:
    (begun,) = copy(bench, owner, source.snapshot_id, ELSEWHERE)
    there = replace(owner, region=ELSEWHERE)
    image_id = bench.image(there)

    order = run_order(image_id, zone="ap-shanghai-2", data_disks=(DataDiskOrder(snapshot_id=copied(begun)),))
    (instance_id,) = launches.run_instances(bench.cloud, there, order)

    with bench.cloud.catalog.read() as tx:
        disks = tx.disks.of([instance_id])[instance_id]
    assert [disk.base_root for disk in disks if disk.usage is DiskUsage.DATA_DISK] == [source.root]


@pytest.mark.parametrize("is_image_gone", [False, True])
def test_an_image_of_a_copied_system_disk_knows_what_is_on_it(bench: Bench, owner: Caller, *, is_image_gone: bool) -> None:
    image_id = bench.image(owner, os_type="Ubuntu", os_version="22.04")
    origin = bench.image_row(image_id)
    with bench.cloud.catalog.read() as tx:
        (system,) = tx.images.snapshots_of(image_id)
    (begun,) = copy(bench, owner, system.snapshot_id, ELSEWHERE)
    if is_image_gone:
        snapshots.delete_snapshots(bench.cloud, owner, [system.snapshot_id], delete_images=True)

    there = replace(owner, region=ELSEWHERE)
    order = CreateOrder("golden", snapshot_ids=(copied(begun),))
    made_id = imaging.create_image(bench.cloud, there, order)

    assert made_id is not None
    made = bench.image_row(made_id)
    assert made.region == ELSEWHERE
    for field in ("platform", "os_name", "architecture", "license_type", "boot_mode", "supports_cloud_init"):
        assert getattr(made, field) == getattr(origin, field), field
    onwards = copy(bench, there, copied(begun), REGION)
    found = find(bench, copied(onwards[0]))
    assert found is not None
    assert found.system is not None
    assert found.system.os_name == origin.os_name


def test_makers_of_copies_are_told_apart_by_their_regions(bench: Bench, owner: Caller, source: Snapshot) -> None:
    make: Callable[[], tuple[CopyBegun, ...]] = lambda: copy(bench, owner, source.snapshot_id, ELSEWHERE)  # noqa: E731
    first, second = make()[0], make()[0]
    assert copied(first) != copied(second), "a copy that has come does not keep another from being begun"
