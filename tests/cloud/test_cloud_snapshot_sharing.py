"""Sharing snapshots: who makes disks of them, what nobody else may do, and what their owner may not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cloud_bench import ELSEWHERE, Bench, run_order

from linocut.cloud import images, imaging, launches, snapshot_sharing, snapshots
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.listing import BlockQuery
from linocut.cloud.ordered_disks import DataDiskOrder
from linocut.cloud.snapshots import ListedSnapshot
from linocut.model import errors
from linocut.model.ids import SnapshotId, Uin, new_id
from linocut.model.records import DiskUsage, Snapshot
from linocut.model.states import DiskState, SnapshotState

NewSnapshot = Callable[..., SnapshotId]


@pytest.fixture
def new_snapshot(bench: Bench) -> NewSnapshot:
    """Return a maker of whole snapshots of data disks."""

    def make(owner: Caller, **fields: object) -> SnapshotId:
        snapshot = Snapshot(
            snapshot_id=SnapshotId(new_id("snap", bench.cloud.randomness)),
            owner=owner.account.uin,
            region=owner.region,
            name="books",
            usage=DiskUsage.DATA_DISK,
            state=SnapshotState.NORMAL,
            size_bytes=1 << 30,
            root=bench.root,
            disk_id=None,
            percent=100,
            created_at=bench.cloud.now(),
        )
        with bench.cloud.catalog.begin() as tx:
            tx.snapshots.add(replace(snapshot, **fields))  # type: ignore[arg-type]
        return snapshot.snapshot_id

    return make


def share(bench: Bench, owner: Caller, snapshot_id: str, *friends: Caller) -> None:
    snapshot_sharing.share_snapshots(bench.cloud, owner, [snapshot_id], [friend.account.uin for friend in friends])


def seen(bench: Bench, caller: Caller, **filters: str) -> dict[str, ListedSnapshot]:
    named = {name.replace("_", "-"): (value,) for name, value in filters.items()}
    found = snapshots.list_snapshots(bench.cloud, caller, BlockQuery(None, named, 0, 100))
    assert found.total == len(found.items)
    return {listed.snapshot.snapshot_id: listed for listed in found.items}


def start_with(bench: Bench, caller: Caller, snapshot_id: str) -> None:
    order = run_order(bench.image(caller, bench.caller("any").request_id), data_disks=(DataDiskOrder(snapshot_id=snapshot_id),))
    launches.run_instances(bench.cloud, caller, order)


def test_nobody_but_its_owner_is_told_that_a_disk_goes_back_to_its_snapshot(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    disk = bench.disks_of(bench.instance(owner))[0]
    snapshot_id = new_snapshot(owner)
    share(bench, owner, snapshot_id, friend)
    with bench.cloud.catalog.begin() as tx:
        tx.disks.move(tx.disks.replace_content(disk, bench.root, disk.size_gb, snapshot_id), DiskState.ROLLBACKING)

    assert set(seen(bench, owner, snapshot_state="ROLLBACKING")) == {snapshot_id}
    assert seen(bench, friend, snapshot_state="ROLLBACKING") == {}
    assert not seen(bench, friend, snapshot_state="NORMAL")[snapshot_id].is_rolling_back


def test_those_a_snapshot_is_shared_with_see_it_and_make_disks_of_it_and_nobody_else(
    bench: Bench, new_snapshot: NewSnapshot
) -> None:
    owner, friend, stranger = (bench.caller(name) for name in ("owner", "friend", "stranger"))
    snapshot_id = new_snapshot(owner)
    share(bench, owner, snapshot_id, friend)

    assert set(seen(bench, friend)) == {snapshot_id}
    assert seen(bench, stranger) == {}
    start_with(bench, friend, snapshot_id)
    with pytest.raises(errors.ImageSnapshotNotFound):
        start_with(bench, stranger, snapshot_id)

    snapshot_sharing.unshare_snapshots(bench.cloud, owner, [snapshot_id], [friend.account.uin])
    assert snapshot_id not in seen(bench, friend)
    with pytest.raises(errors.ImageSnapshotNotFound):
        start_with(bench, friend, snapshot_id)


def test_a_shared_snapshot_is_for_disks_and_nothing_else(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend, third = (bench.caller(name) for name in ("owner", "friend", "third"))
    snapshot_id = new_snapshot(owner)
    share(bench, owner, snapshot_id, friend)

    with pytest.raises(errors.SnapshotNotFound):
        snapshots.delete_snapshots(bench.cloud, friend, [snapshot_id], delete_images=True)
    with pytest.raises(errors.SnapshotNotFound):
        share(bench, friend, snapshot_id, third)
    with pytest.raises(errors.SnapshotNotFound):
        snapshot_sharing.list_snapshot_shares(bench.cloud, friend, snapshot_id)
    with pytest.raises(errors.ImageSnapshotNotFound):
        imaging.create_image(bench.cloud, friend, CreateOrder("golden", snapshot_ids=(snapshot_id,)))


def test_a_list_tells_own_snapshots_from_shared_ones(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend, other = (bench.caller(name) for name in ("owner", "friend", "other"))
    theirs, mine = new_snapshot(owner, name="theirs"), new_snapshot(friend, name="mine")
    share(bench, owner, theirs, friend)
    bench.clock.advance(timedelta(hours=1))
    share(bench, owner, theirs, other)

    assert set(seen(bench, friend)) == {theirs, mine}
    assert set(seen(bench, friend, snapshot_type="SHARED_SNAPSHOT")) == {theirs}
    assert set(seen(bench, friend, snapshot_type="PRIVATE_SNAPSHOT")) == {mine}
    assert set(seen(bench, owner, snapshot_type="SHARED_SNAPSHOT")) == set()
    assert set(seen(bench, friend, snapshot_name="the")) == {theirs}
    as_owner, as_other = seen(bench, owner)[theirs], seen(bench, other)[theirs]
    assert (as_owner.shared_with, as_owner.shared_since) == (2, bench.cloud.now() - timedelta(hours=1))
    assert (as_other.shared_with, as_other.shared_since) == (0, bench.cloud.now())


def test_a_snapshot_is_shared_in_its_own_region_alone(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    snapshot_id = new_snapshot(owner)
    share(bench, owner, snapshot_id, friend)

    assert seen(bench, bench.caller("friend", ELSEWHERE)) == {}
    with pytest.raises(errors.SnapshotNotFound):
        share(bench, bench.caller("owner", ELSEWHERE), snapshot_id, friend)


def test_what_is_not_shared_is_refused_and_then_none_of_the_snapshots_is(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    fine = new_snapshot(owner)
    refused: dict[str, type[errors.Refusal]] = {
        new_snapshot(owner, usage=DiskUsage.SYSTEM_DISK): errors.SnapshotUnsuitable,
        new_snapshot(owner, state=SnapshotState.CREATING, root=None): errors.SnapshotUnfinished,
        new_snapshot(friend): errors.SnapshotNotFound,
        "snap-00000000": errors.SnapshotNotFound,
        "books": errors.SnapshotNotFound,
    }
    for snapshot_id, refusal in refused.items():
        with pytest.raises(refusal):
            snapshot_sharing.share_snapshots(bench.cloud, owner, [fine, snapshot_id], [friend.account.uin])
    for accounts, kind in (
        ([], errors.ParameterMissing),
        ([owner.account.uin], errors.ShareWithSelf),
        ([friend.account.uin, "100000000000"], errors.AccountNotFound),
        ([str(number) for number in range(51)], errors.TooManyValues),
    ):
        with pytest.raises(kind):
            snapshot_sharing.share_snapshots(bench.cloud, owner, [fine], accounts)
    assert snapshot_sharing.list_snapshot_shares(bench.cloud, owner, fine) == ()


def test_sharing_and_cancelling_twice_is_harmless(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    snapshot_id = new_snapshot(owner)
    for _ in range(2):
        share(bench, owner, snapshot_id, friend, friend)
    assert [one.account for one in snapshot_sharing.list_snapshot_shares(bench.cloud, owner, snapshot_id)] == [friend.account.uin]
    for _ in range(2):
        snapshot_sharing.unshare_snapshots(bench.cloud, owner, [snapshot_id], [friend.account.uin, "100000000000"])
    assert snapshot_sharing.list_snapshot_shares(bench.cloud, owner, snapshot_id) == ()


def test_a_snapshot_is_not_deleted_while_it_is_shared_nor_with_its_image(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    system, data = new_snapshot(owner, usage=DiskUsage.SYSTEM_DISK), new_snapshot(owner)
    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", snapshot_ids=(system, data)))
    assert image_id is not None
    share(bench, owner, data, friend)

    with pytest.raises(errors.SnapshotInShared):
        snapshots.delete_snapshots(bench.cloud, owner, [system, data], delete_images=True)
    with pytest.raises(errors.ImageInShared):
        images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    assert set(seen(bench, owner)) == {system, data}

    snapshot_sharing.unshare_snapshots(bench.cloud, owner, [data], [friend.account.uin])
    snapshots.delete_snapshots(bench.cloud, owner, [system, data], delete_images=True)
    assert seen(bench, owner) == {}


def test_no_race_shares_a_snapshot_with_too_many_or_after_its_end(bench: Bench, new_snapshot: NewSnapshot) -> None:
    owner = bench.caller("owner")
    snapshot_id = new_snapshot(owner)
    uins = [Uin(bench.caller(f"friend-{number}").account.uin) for number in range(60)]

    def act(number: int) -> None:
        try:
            snapshot_sharing.share_snapshots(bench.cloud, owner, [snapshot_id], uins[number * 10 : number * 10 + 10])
        except (errors.ShareQuotaExceeded, errors.LostRace):
            return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(6)))
    assert len(snapshot_sharing.list_snapshot_shares(bench.cloud, owner, snapshot_id)) == 50

    snapshot_sharing.unshare_snapshots(bench.cloud, owner, [snapshot_id], uins[:50])
    snapshot_sharing.unshare_snapshots(bench.cloud, owner, [snapshot_id], uins[50:])
    with ThreadPoolExecutor(2) as pool:
        sharing = pool.submit(lambda: share(bench, owner, snapshot_id, bench.caller("friend-1")))
        deleting = pool.submit(lambda: snapshots.delete_snapshots(bench.cloud, owner, [snapshot_id], delete_images=False))
    failed = [type(each.exception()) for each in (sharing, deleting) if each.exception()]
    assert failed in ([errors.SnapshotNotFound], [errors.SnapshotInShared], [errors.LostRace])
