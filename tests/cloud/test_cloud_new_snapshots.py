"""Taking snapshots of disks: what is recorded, by which way content is taken, what excludes what, and clean failures."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cloud_bench import ELSEWHERE, Bench

from linocut.blocks import StoreFull
from linocut.cloud import images, imaging, instances, new_snapshots, reinstalling, rollbacks, snapshots, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.instances import StopHow
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.new_snapshots import GroupOrder, SnapshotOrder
from linocut.cloud.reinstalling import ResetOrder
from linocut.cloud.tasks import TasksAsked
from linocut.cloud.workflows import taking
from linocut.cloud.workflows.images import record_created
from linocut.cloud.workflows.reconcile import reconcile
from linocut.cloud.workflows.taking import Stored, TakenDisks
from linocut.machines import MachineBusy, NoSpace, SnapshotFailed
from linocut.model import errors
from linocut.model.ids import DiskId, InstanceId, SnapshotId
from linocut.model.records import Disk, DiskUsage, Tag, Task
from linocut.model.states import DiskState, ImageState, InstanceState, SnapshotState, TaskState

GIB = 1024**3


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "_PAUSES_S", (0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def owner(bench: Bench) -> Caller:
    return bench.caller("owner")


def take(bench: Bench, owner: Caller, disk: Disk, **order: object) -> SnapshotId:
    return new_snapshots.create_snapshot(bench.cloud, owner, SnapshotOrder(disk.disk_id, **order))  # type: ignore[arg-type]


def with_data_disk(bench: Bench, owner: Caller) -> tuple[InstanceId, Disk, Disk]:
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10),))
    system, data = bench.disks_of(instance_id)
    return instance_id, system, data


def latest_task(bench: Bench, owner: Caller) -> Task:
    return tasks.list_tasks(bench.cloud, owner, TasksAsked(None, {}, 0, 1)).items[0]


def failing(bench: Bench, error: Callable[[], Exception], *, times: int = 99, verb: str = "take") -> None:
    left = [times]

    def refuse(asked: str, _name: str) -> None:
        if asked == verb and left[0] > 0:
            left[0] -= 1
            raise error()

    bench.machines.refused = refuse


def test_an_image_that_is_recorded_again_after_a_crash_stays_what_became_of_it_since(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))
    assert image_id is not None
    with bench.cloud.catalog.begin() as tx:
        (snapshot,) = tx.images.snapshots_of(image_id)
        tx.images.move(bench.image_row(image_id), ImageState.SYNCING)
    assert snapshot.root is not None
    (disk,) = bench.disks_of(instance_id)
    stored = Stored(snapshot.snapshot_id, snapshot.root, snapshot.size_bytes, disk.disk_id, "older")

    record_created(image_id, TakenDisks([stored]))

    assert bench.image_row(image_id).state is ImageState.SYNCING
    assert bench.disk_row(disk.disk_id).synced_mark == disk.synced_mark


def test_a_snapshot_of_a_disk_holds_what_it_holds_and_says_so(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]

    snapshot_id = take(bench, owner, disk, tags=(Tag("team", "web"),))

    snapshot = bench.snapshot_row(snapshot_id)
    assert (snapshot.state, snapshot.percent, snapshot.name) == (SnapshotState.NORMAL, 100, "未命名")
    assert (snapshot.disk_id, snapshot.usage, snapshot.size_bytes) == (disk.disk_id, DiskUsage.SYSTEM_DISK, 50 * GIB)
    assert snapshot.root is not None
    tree = bench.cloud.stores.store(disk.region).tree(snapshot.root)
    assert tree.size_bytes == 50 * GIB
    assert bench.disk_row(disk.disk_id).synced_root == snapshot.root
    task = latest_task(bench, owner)
    assert (task.action, task.resource, task.state) == ("CreateSnapshot", snapshot_id, TaskState.SUCCESS)


def test_a_snapshot_that_was_taken_again_is_of_the_later_moment(bench: Bench, owner: Caller) -> None:
    _, system, data = with_data_disk(bench, owner)
    asked = bench.cloud.now()

    def refuse() -> Exception:
        bench.clock.at += timedelta(hours=1)
        return SnapshotFailed("the block server was away")

    failing(bench, refuse, times=1)
    single = take(bench, owner, data)
    failing(bench, refuse, times=1)
    group_id = new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder((system.disk_id, data.disk_id)))

    assert bench.snapshot_row(single).created_at == asked + timedelta(hours=1)
    with bench.cloud.catalog.read() as tx:
        group = tx.snapshot_groups.get(group_id)
        assert group is not None
        members = tx.snapshots.of_group(group_id)
    assert {one.created_at for one in (group, *members)} == {asked + timedelta(hours=2)}


def test_the_next_snapshot_goes_on_from_the_one_before(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]

    take(bench, owner, disk)
    take(bench, owner, disk)

    (first,), (second,) = bench.machines.taken
    assert (first.since, second.since) == (None, first.mark)


def test_what_was_written_is_found_in_the_overlay_where_the_mark_is_gone(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    disk = bench.disks_of(instance_id)[0]
    take(bench, owner, disk)
    bench.machines.crash(instance_id)

    snapshot_id = take(bench, owner, disk)

    assert [one.since is None for (one,) in bench.machines.taken] == [True, False, True]
    assert bench.snapshot_row(snapshot_id).state is SnapshotState.NORMAL


def test_a_disk_is_read_whole_where_no_tree_below_it_can_be(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    take(bench, owner, disk)
    with bench.cloud.catalog.begin() as tx:
        tx.disks.synced(disk.disk_id, type(bench.root)("0" * 64), bench.disk_row(disk.disk_id).synced_mark)
    failing(bench, lambda: SnapshotFailed("a part of the tree below cannot be read"), times=2)

    snapshot_id = take(bench, owner, disk)

    ways = [(one.since is not None, one.whole) for (one,) in bench.machines.taken[1:]]
    assert ways == [(False, False), (False, False), (False, True)]
    assert bench.snapshot_row(snapshot_id).state is SnapshotState.NORMAL


@pytest.mark.parametrize("error", [lambda: SnapshotFailed("it went away"), lambda: MachineBusy("it is being stopped")])
def test_a_machine_that_goes_away_meanwhile_is_taken_again(bench: Bench, owner: Caller, error: Callable[[], Exception]) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    failing(bench, error, times=3)

    assert bench.snapshot_row(take(bench, owner, disk)).state is SnapshotState.NORMAL


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: NoSpace("the store is full"), "the store is full"),
        (lambda: StoreFull("no room"), "no room"),
        (lambda: SnapshotFailed("it went away"), "it went away"),
        (lambda: OSError("upset"), "log says why"),
    ],
)
def test_a_snapshot_that_cannot_be_taken_leaves_a_failed_task_and_nothing_else(
    bench: Bench, owner: Caller, error: Callable[[], Exception], reason: str
) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    failing(bench, error)

    take(bench, owner, disk)

    assert bench.snapshots(owner) == set()
    task = latest_task(bench, owner)
    assert task.state is TaskState.FAILED
    assert reason in task.error
    failing(bench, error, times=0)
    take(bench, owner, disk)
    assert len(bench.snapshots(owner)) == 1


def test_a_disk_whose_instance_ends_meanwhile_gives_no_snapshot(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    with bench.holding():
        snapshot_id = take(bench, owner, bench.disks_of(instance_id)[0])
    instances.terminate_instances(bench.cloud, owner, [instance_id])

    bench.workflows.run(("create-snapshot", snapshot_id, ""))

    assert bench.snapshots(owner) == set()
    assert latest_task(bench, owner).action == "TerminateInstances"


def test_an_instance_that_stops_meanwhile_is_taken_as_it_then_is(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    with bench.holding():
        snapshot_id = take(bench, owner, bench.disks_of(instance_id)[0])
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)

    bench.workflows.run(("create-snapshot", snapshot_id, ""))

    assert bench.snapshot_row(snapshot_id).state is SnapshotState.NORMAL


def test_the_moment_at_which_file_systems_were_at_rest_is_marked_as_such(bench: Bench, owner: Caller) -> None:
    bench.machines._has_agent = True
    instance_id, system, data = with_data_disk(bench, owner)

    alone = take(bench, owner, system)
    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id, data_disk_ids=(data.disk_id,)))
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)
    off = take(bench, owner, system)

    assert image_id is not None
    with bench.cloud.catalog.read() as tx:
        assert [one.is_frozen for one in tx.images.snapshots_of(image_id)] == [True, True]
    assert bench.snapshot_row(alone).is_frozen
    assert not bench.snapshot_row(off).is_frozen


def test_all_disks_of_an_image_and_of_a_group_are_taken_in_one_go(bench: Bench, owner: Caller) -> None:
    instance_id, system, data = with_data_disk(bench, owner)

    imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id, data_disk_ids=(data.disk_id,)))
    new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder((data.disk_id, system.disk_id)))

    assert [{one.disk_id for one in takes} for takes in bench.machines.taken] == [{system.disk_id, data.disk_id}] * 2


def test_a_disk_takes_one_snapshot_at_a_time(bench: Bench, owner: Caller) -> None:
    instance_id, system, data = with_data_disk(bench, owner)
    with bench.holding():
        snapshot_id = take(bench, owner, system)

        with pytest.raises(errors.SnapshotUnderWay):
            take(bench, owner, system)
        with pytest.raises(errors.SnapshotUnderWay):
            new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder((system.disk_id, data.disk_id)))
        with pytest.raises(errors.SnapshotUnderWay):
            imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))
        with pytest.raises(errors.SnapshotUnderWay):
            reinstalling.reset_instance(bench.cloud, owner, ResetOrder(instance_id))
        with pytest.raises(errors.SnapshotUnfinished):
            snapshots.delete_snapshots(bench.cloud, owner, [snapshot_id], delete_images=True)
        take(bench, owner, data)
    bench.workflows.run(("create-snapshot", snapshot_id, ""))
    take(bench, owner, system)


def test_a_failed_image_does_not_keep_its_disks_from_snapshots(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    failing(bench, lambda: OSError("upset"))
    imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))
    failing(bench, lambda: OSError("upset"), times=0)

    assert bench.snapshot_row(take(bench, owner, bench.disks_of(instance_id)[0])).state is SnapshotState.NORMAL


@pytest.mark.parametrize("state", [one for one in DiskState if one not in {DiskState.ATTACHED, DiskState.UNATTACHED}])
def test_a_disk_in_transition_takes_no_snapshot(bench: Bench, owner: Caller, state: DiskState) -> None:
    instance_id, _, data = with_data_disk(bench, owner)
    with bench.cloud.catalog.begin() as tx:
        if state is DiskState.ATTACHING:
            data = tx.disks.move(data, DiskState.UNATTACHED)
        data = tx.disks.move(data, state)

    kind = errors.DiskRollingBack if state is DiskState.ROLLBACKING else errors.DiskBusy
    with pytest.raises(kind):
        take(bench, owner, data)
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


@pytest.mark.parametrize("state", [InstanceState.PENDING, InstanceState.TERMINATING])
def test_the_disks_of_an_instance_that_begins_or_ends_take_no_snapshot(bench: Bench, owner: Caller, state: InstanceState) -> None:
    instance_id = bench.instance_in(owner, state)
    with pytest.raises(errors.DiskBusy):
        take(bench, owner, bench.disks_of(instance_id)[0])


def test_a_system_disk_that_is_being_replaced_or_was_to_be_takes_no_snapshot(bench: Bench, owner: Caller) -> None:
    instance_id, system, data = with_data_disk(bench, owner)
    with bench.holding():
        reinstalling.reset_instance(bench.cloud, owner, ResetOrder(instance_id))
        with pytest.raises(errors.DiskBusy):
            take(bench, owner, system)
        take(bench, owner, data)
    failing(bench, lambda: OSError("upset"), verb="prepare")
    bench.workflows.run(bench.workflows.asked[-2])
    assert bench.instance_row(instance_id).is_half_reinstalled
    with pytest.raises(errors.DiskBusy):
        take(bench, owner, system)


def test_what_a_start_would_have_brought_about_is_there_before_a_disk_is_taken(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    disk = bench.disks_of(instance_id)[0]
    snapshot_id = take(bench, owner, disk)
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)
    failing(bench, lambda: OSError("upset"), verb="prepare")
    rollbacks.apply_snapshot(bench.cloud, owner, snapshot_id, disk.disk_id, rollbacks.Power())
    instances.start_instances(bench.cloud, owner, [instance_id])
    assert bench.instance_row(instance_id).latest_operation_error

    take(bench, owner, disk)

    assert len(bench.snapshots(owner)) == 1, "its row is ahead of its machine"
    failing(bench, lambda: OSError("upset"), times=0)
    again = take(bench, owner, disk)
    assert bench.machines.spec(instance_id).disks[0].generation == 1
    assert bench.snapshot_row(again).state is SnapshotState.NORMAL


def test_a_snapshot_of_a_system_disk_may_be_one_of_a_data_disk(bench: Bench, owner: Caller) -> None:
    _, system, data = with_data_disk(bench, owner)

    assert bench.snapshot_row(take(bench, owner, system, usage="DATA_DISK")).usage is DiskUsage.DATA_DISK
    for disk, usage in ((data, "SYSTEM_DISK"), (system, "ROOT")):
        with pytest.raises(errors.InvalidValue):
            take(bench, owner, disk, usage=usage)


def test_a_deadline_is_at_least_a_day_away(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    tomorrow = bench.clock.at + timedelta(days=1)

    assert bench.snapshot_row(take(bench, owner, disk, deadline=tomorrow)).deadline == tomorrow
    with pytest.raises(errors.InvalidValue):
        take(bench, owner, disk, deadline=tomorrow - timedelta(hours=1))


def test_the_last_place_of_the_quota_is_taken_once_and_grows_with_disks(bench: Bench, owner: Caller) -> None:
    bench.change(snapshot_quota=1)
    disk = bench.disks_of(bench.instance(owner))[0]
    take(bench, owner, disk)
    take(bench, owner, disk)
    with pytest.raises(errors.SnapshotQuotaExceeded):
        take(bench, owner, disk)
    _, system, data = with_data_disk(bench, owner)
    take(bench, owner, data)
    with pytest.raises(errors.SnapshotQuotaExceeded):
        new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder((system.disk_id, data.disk_id)))
    assert len(bench.snapshots(owner)) == 3
    take(bench, owner, data)


def test_names_have_a_length(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    assert bench.snapshot_row(take(bench, owner, disk, name="x" * 60)).name == "x" * 60
    with pytest.raises(errors.ValueTooLong):
        take(bench, owner, disk, name="x" * 61)


def test_a_disk_of_another_region_does_not_exist(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    for name in (disk.disk_id, "disk-00000000"):
        with pytest.raises(errors.DiskNotFound):
            new_snapshots.create_snapshot(bench.cloud, bench.caller("owner", ELSEWHERE), SnapshotOrder(name))
    with pytest.raises(errors.InvalidValue):
        take(bench, owner, replace(disk, disk_id=DiskId("web")))


def test_taking_a_snapshot_may_be_cancelled(bench: Bench, owner: Caller) -> None:
    disk = bench.disks_of(bench.instance(owner))[0]
    with bench.holding():
        snapshot_id = take(bench, owner, disk)
    tasks.cancel_task(bench.cloud, owner, latest_task(bench, owner).task_id)

    bench.workflows.run(("create-snapshot", snapshot_id, ""))

    assert latest_task(bench, owner).state is TaskState.CANCELLED
    assert bench.snapshots(owner) == set()


def test_a_snapshot_that_was_never_started_is_and_one_that_was_lost_leaves_nothing(bench: Bench, owner: Caller) -> None:
    _, system, data = with_data_disk(bench, owner)
    with bench.holding():
        forgotten, lost = take(bench, owner, system), take(bench, owner, data)
    bench.workflows.asked.remove(("create-snapshot", forgotten, ""))
    bench.workflows.ended.add(("create-snapshot", lost, ""))

    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]

    assert bench.snapshots(owner) == {forgotten}
    assert bench.snapshot_row(forgotten).state is SnapshotState.NORMAL


def test_a_snapshot_remembers_what_system_its_disk_held(bench: Bench, owner: Caller) -> None:
    image_id = bench.image(owner, os_type="Ubuntu", os_version="22")
    instance_id = bench.instance(owner, image_id)
    snapshot_id = take(bench, owner, bench.disks_of(instance_id)[0])
    origin = bench.image_row(image_id)
    instances.terminate_instances(bench.cloud, owner, [instance_id])
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)

    made = imaging.create_image(bench.cloud, owner, CreateOrder(name="again", snapshot_ids=(snapshot_id,)))

    assert made is not None
    again = bench.image_row(made)
    assert (again.platform, again.os_name, again.architecture) == (origin.platform, origin.os_name, origin.architecture)
    assert again.platform != "Other Linux"
