"""Keeping snapshots: groups, names, deadlines that delete, and deletion that harms nothing else."""

from datetime import timedelta

import pytest
from cloud_bench import Bench

from linocut.cloud import imaging, new_snapshots, snapshot_groups, snapshot_sharing, snapshots, tags
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.listing import BlockQuery
from linocut.cloud.new_snapshots import GroupOrder, SnapshotOrder
from linocut.cloud.snapshots import SnapshotAttributes
from linocut.cloud.workflows.reconcile import reconcile
from linocut.model import errors
from linocut.model.ids import InstanceId, SnapshotId
from linocut.model.records import Disk, Tag

DAY = timedelta(days=1)


@pytest.fixture
def owner(bench: Bench) -> Caller:
    return bench.caller("owner")


@pytest.fixture
def instance_id(bench: Bench, owner: Caller) -> InstanceId:
    return bench.instance(owner, data_disks=(DataDiskOrder(10),))


def take(bench: Bench, owner: Caller, disk: Disk, **order: object) -> SnapshotId:
    return new_snapshots.create_snapshot(bench.cloud, owner, SnapshotOrder(disk.disk_id, **order))  # type: ignore[arg-type]


def group(bench: Bench, owner: Caller, instance_id: InstanceId, name: str = "nightly", **order: object) -> str:
    disks = tuple(disk.disk_id for disk in bench.disks_of(instance_id))
    made = GroupOrder(disks, name, **order)  # type: ignore[arg-type]
    return new_snapshots.create_snapshot_group(bench.cloud, owner, made)


def listed(bench: Bench, owner: Caller, **filters: tuple[str, ...]) -> list[snapshot_groups.ListedGroup]:
    named = {name.replace("_", "-"): values for name, values in filters.items()}
    return list(snapshot_groups.list_snapshot_groups(bench.cloud, owner, BlockQuery(None, named, 0, 100)).items)


def test_the_snapshots_of_a_group_are_named_for_it(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    group(bench, owner, instance_id)

    (found,) = listed(bench, owner)
    assert [one.name for one in found.snapshots] == ["nightly_0", "nightly_1"]
    assert (found.state, found.percent, found.has_system_disk) == ("NORMAL", 100, True)


def test_groups_are_found_by_what_they_are(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    nightly, weekly = group(bench, owner, instance_id), group(bench, owner, instance_id, "weekly")
    with bench.holding():
        under_way = group(bench, owner, instance_id, "hourly")
    member = listed(bench, owner, snapshot_group_id=(weekly,))[0].snapshots[0].snapshot_id

    def ids(**filters: tuple[str, ...]) -> set[str]:
        return {one.group.group_id for one in listed(bench, owner, **filters)}

    assert ids() == {nightly, weekly, under_way}
    assert ids(snapshot_group_name=("NIGHT", "week")) == {nightly, weekly}
    assert ids(snapshot_group_state=("CREATING",)) == {under_way}
    assert ids(snapshot_group_state=("NORMAL",)) == {nightly, weekly}
    assert ids(snapshot_group_state=("ROLLBACKING",)) == set()
    assert ids(snapshot_id=(member,)) == {weekly}
    for filters, kind in (({"snapshot_group_state": ("X",)}, errors.InvalidValue), ({"colour": ("red",)}, errors.FilterUnknown)):
        with pytest.raises(kind):
            ids(**filters)


def test_a_group_is_of_disks_of_one_instance(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    other = bench.disks_of(bench.instance(owner))[0]
    mine = bench.disks_of(instance_id)[0]
    with pytest.raises(errors.DisksOfSeveralInstances):
        new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder((mine.disk_id, other.disk_id)))
    with pytest.raises(errors.ParameterMissing):
        new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder(()))
    assert listed(bench, owner) == []


def test_a_group_goes_with_its_snapshots_or_with_the_last_of_them(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    group_id, other = group(bench, owner, instance_id), group(bench, owner, instance_id, "other")
    first, second = (one.snapshot_id for one in listed(bench, owner, snapshot_group_id=(other,))[0].snapshots)

    snapshot_groups.delete_snapshot_groups(bench.cloud, owner, [group_id], delete_images=False)
    snapshots.delete_snapshots(bench.cloud, owner, [first], delete_images=False)
    assert [one.group.group_id for one in listed(bench, owner)] == [other]
    snapshots.delete_snapshots(bench.cloud, owner, [second], delete_images=False)

    assert listed(bench, owner) == []
    assert bench.snapshots(owner) == set()


def test_a_group_that_something_needs_stays_whole(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    group_id = group(bench, owner, instance_id)
    system, data = sorted(listed(bench, owner)[0].snapshots, key=lambda one: one.usage, reverse=True)
    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", snapshot_ids=(system.snapshot_id,)))
    assert [one for one, _ in listed(bench, owner)[0].images] == [image_id]
    with pytest.raises(errors.SnapshotHasImages):
        snapshot_groups.delete_snapshot_groups(bench.cloud, owner, [group_id], delete_images=False)
    snapshot_sharing.share_snapshots(bench.cloud, owner, [data.snapshot_id], [bench.caller("friend").account.uin])
    with pytest.raises(errors.SnapshotInShared):
        snapshot_groups.delete_snapshot_groups(bench.cloud, owner, [group_id], delete_images=True)
    assert len(listed(bench, owner)[0].snapshots) == 2
    snapshot_sharing.unshare_snapshots(bench.cloud, owner, [data.snapshot_id], [bench.caller("friend").account.uin])
    snapshot_groups.delete_snapshot_groups(bench.cloud, owner, [group_id], delete_images=True)
    assert "golden" not in bench.image_names(owner)


def test_a_group_that_fails_leaves_nothing(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    def refuse(verb: str, _name: str) -> None:
        if verb == "take":
            raise OSError("upset")

    bench.machines.refused = refuse
    group(bench, owner, instance_id, tags=(Tag("a", "b"),))

    assert listed(bench, owner) == []
    assert bench.snapshots(owner) == set()


def test_a_snapshot_is_renamed_and_kept_as_long_as_it_is_said(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    snapshot_id = take(bench, owner, bench.disks_of(instance_id)[0])
    later = bench.clock.at + 2 * DAY

    def change(**new: object) -> None:
        snapshots.modify_snapshot(bench.cloud, owner, snapshot_id, SnapshotAttributes(**new))  # type: ignore[arg-type]

    bench.clock.advance(timedelta(minutes=5))
    change(name="before the upgrade", deadline=later)
    row = bench.snapshot_row(snapshot_id)
    assert (row.name, row.deadline, row.changed_at) == ("before the upgrade", later, bench.clock.at)
    change(is_permanent=True, deadline=later)
    assert bench.snapshot_row(snapshot_id).deadline is None
    change(is_permanent=False, deadline=later)
    assert bench.snapshot_row(snapshot_id).deadline == later
    for wrong, kind in (
        ({}, errors.ParameterMissing),
        ({"is_permanent": False}, errors.ParameterMissing),
        ({"deadline": bench.clock.at}, errors.InvalidValue),
        ({"name": "x" * 61}, errors.ValueTooLong),
    ):
        with pytest.raises(kind):
            change(**wrong)


def test_a_snapshot_that_something_needs_gets_no_deadline(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system, data = bench.disks_of(instance_id)
    of_system, of_data = take(bench, owner, system), take(bench, owner, data)
    imaging.create_image(bench.cloud, owner, CreateOrder("golden", snapshot_ids=(of_system,)))
    snapshot_sharing.share_snapshots(bench.cloud, owner, [of_data], [bench.caller("friend").account.uin])
    new = SnapshotAttributes(deadline=bench.clock.at + 2 * DAY)
    for snapshot_id, kind in ((of_system, errors.SnapshotHasImages), (of_data, errors.SnapshotInShared)):
        with pytest.raises(kind):
            snapshots.modify_snapshot(bench.cloud, owner, snapshot_id, new)
        snapshots.modify_snapshot(bench.cloud, owner, snapshot_id, SnapshotAttributes(name="still"))


def test_snapshots_and_groups_go_at_their_deadline_unless_something_needs_them(
    bench: Bench, owner: Caller, instance_id: InstanceId
) -> None:
    system, data = bench.disks_of(instance_id)
    due = bench.clock.at + 2 * DAY
    later = take(bench, owner, data, deadline=due + DAY)
    gone, kept = take(bench, owner, system, deadline=due), take(bench, owner, system)
    imaged, shared = take(bench, owner, system, deadline=due), take(bench, owner, data, deadline=due)
    imaging.create_image(bench.cloud, owner, CreateOrder("golden", snapshot_ids=(imaged,)))
    snapshot_sharing.share_snapshots(bench.cloud, owner, [shared], [bench.caller("friend").account.uin])
    group(bench, owner, instance_id, deadline=due)
    staying = group(bench, owner, instance_id, "staying", deadline=due)
    member = next(one for one in listed(bench, owner, snapshot_group_id=(staying,))[0].snapshots if one.usage == "DATA_DISK")
    snapshot_sharing.share_snapshots(bench.cloud, owner, [member.snapshot_id], [bench.caller("friend").account.uin])

    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]
    assert gone in bench.snapshots(owner)
    bench.clock.advance(2 * DAY)
    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]

    assert [one.group.group_id for one in listed(bench, owner)] == [staying]
    members = {one.snapshot_id for one in listed(bench, owner)[0].snapshots}
    assert bench.snapshots(owner) == {later, kept, shared, *members}
    assert bench.snapshot_row(imaged)


def test_a_disk_stands_on_a_snapshot_that_was_deleted(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    snapshot_id = take(bench, owner, bench.disks_of(instance_id)[1])
    root = bench.snapshot_row(snapshot_id).root
    twin = bench.instance(owner, data_disks=(DataDiskOrder(0, snapshot_id=snapshot_id),))

    snapshots.delete_snapshots(bench.cloud, owner, [snapshot_id], delete_images=False)

    assert bench.disks_of(twin)[1].base_root == root
    with bench.cloud.catalog.read() as tx:
        assert root in tx.snapshots.live_roots(owner.region)


def test_snapshots_have_tags(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    snapshot_id = take(bench, owner, bench.disks_of(instance_id)[0], tags=(Tag("team", "web"),))
    resource = f"qcs::cvm:ap-guangzhou:uin/{owner.account.uin}:snapshot/{snapshot_id}"

    tags.modify_tags(bench.cloud, owner, resource, replace=[Tag("stage", "test")], delete=[])

    (found,) = snapshots.list_snapshots(bench.cloud, owner, BlockQuery((snapshot_id,), {}, 0, 10)).items
    assert found.tags == (Tag("team", "web"), Tag("stage", "test"))
    with pytest.raises(errors.TaggedResourceNotFound):
        tags.modify_tags(bench.cloud, bench.caller("stranger"), resource.replace(owner.account.uin, ""), replace=[], delete=["a"])
