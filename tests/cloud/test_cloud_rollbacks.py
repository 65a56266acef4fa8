"""Rolling disks back: what the rows say at once, what becomes of the machine, what excludes what, and failures half-way."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from cloud_bench import Bench

from linocut.cloud import new_snapshots, rollbacks, snapshots, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.instances import StopHow, reboot_instances, start_instances, stop_instances
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.new_snapshots import GroupOrder, SnapshotOrder
from linocut.cloud.rollbacks import Power
from linocut.cloud.tasks import TasksAsked
from linocut.cloud.workflows import durable, taking
from linocut.cloud.workflows.reconcile import reconcile
from linocut.cloud.workflows.rollbacks import settle_disk, settle_rollback
from linocut.machines import MachineError, MachineState
from linocut.model import errors
from linocut.model.amounts import Amount
from linocut.model.ids import DiskId, InstanceId, SnapshotId
from linocut.model.records import Disk
from linocut.model.states import DiskState, InstanceState, OperationState, TaskState


@pytest.fixture
def owner(bench: Bench) -> Caller:
    return bench.caller("owner")


@pytest.fixture
def instance_id(bench: Bench, owner: Caller) -> InstanceId:
    return bench.instance(owner, data_disks=(DataDiskOrder(10),))


def take(bench: Bench, owner: Caller, disk: Disk) -> SnapshotId:
    return new_snapshots.create_snapshot(bench.cloud, owner, SnapshotOrder(disk.disk_id))


def apply(bench: Bench, _owner: Caller, snapshot_id: str, disk_id: str, *, stop: bool = False, start: bool = False) -> None:
    rollbacks.apply_snapshot(bench.cloud, bench.caller("owner"), snapshot_id, disk_id, Power(stop=stop, start=start))


def stop(bench: Bench, instance_id: InstanceId) -> None:
    stop_instances(bench.cloud, bench.caller("owner"), [instance_id], how=StopHow.HARD)


def loose(bench: Bench, disk: Disk) -> Disk:
    """Take a disk from its instance."""
    with bench.cloud.catalog.begin() as tx:
        return tx.disks.move(disk, DiskState.UNATTACHED, instance_id=None, last_instance=disk.instance_id)


@pytest.mark.parametrize("is_loose", [True, False])
def test_a_step_that_runs_again_ends_no_later_rollback(
    bench: Bench, owner: Caller, instance_id: InstanceId, monkeypatch: pytest.MonkeyPatch, *, is_loose: bool
) -> None:
    _, data = bench.disks_of(instance_id)
    snapshot_id = take(bench, owner, data)
    stop(bench, instance_id)
    if is_loose:
        loose(bench, data)
    apply(bench, owner, snapshot_id, data.disk_id)
    with bench.holding():
        apply(bench, owner, snapshot_id, data.disk_id)
    first, second = (":".join(work) for work in bench.workflows.asked[-2:])

    for workflow_id, state in ((first, {DiskState.ROLLBACKING}), (second, {DiskState.ATTACHED, DiskState.UNATTACHED})):
        monkeypatch.setattr(durable, "DBOS", SimpleNamespace(workflow_id=workflow_id))
        settle_disk(data.disk_id, "") if is_loose else settle_rollback(instance_id, "")
        with bench.cloud.catalog.read() as tx:
            (row,) = (disk for disk in [tx.disks.get(data.disk_id)] if disk is not None)
        assert row.state in state


@pytest.mark.parametrize(
    ("runs", "power", "state"),
    [
        (False, Power(), InstanceState.STOPPED),
        (False, Power(stop=True), InstanceState.STOPPED),
        (False, Power(stop=True, start=True), InstanceState.RUNNING),
        (True, Power(stop=True), InstanceState.STOPPED),
        (True, Power(stop=True, start=True), InstanceState.RUNNING),
    ],
)
def test_a_disk_goes_back_and_its_instance_is_as_was_asked_for(
    bench: Bench, owner: Caller, instance_id: InstanceId, *, runs: bool, power: Power, state: InstanceState
) -> None:
    system, data = bench.disks_of(instance_id)
    snapshot_id = take(bench, owner, system)
    root = bench.snapshot_row(snapshot_id).root
    if not runs:
        stop(bench, instance_id)

    rollbacks.apply_snapshot(bench.cloud, owner, snapshot_id, system.disk_id, power)

    disk = bench.disk_row(system.disk_id)
    assert (disk.state, disk.base_root, disk.base_snapshot, disk.generation) == (DiskState.ATTACHED, root, snapshot_id, 1)
    assert (disk.synced_root, disk.synced_mark) == (None, None)
    assert bench.disk_row(data.disk_id) == data
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation, row.latest_operation_state) == (state, "ApplySnapshot", OperationState.SUCCESS)
    of_machine = bench.machines.spec(instance_id).disks[0]
    assert of_machine.generation == 1
    assert of_machine.base is not None
    assert of_machine.base.export == f"tree/{root}"
    assert (bench.machines.state(instance_id) is MachineState.RUNNING) == (state is InstanceState.RUNNING)
    done = tasks.list_tasks(bench.cloud, owner, TasksAsked(None, {"resource": (system.disk_id,)}, 0, 1)).items[0]
    assert (done.action, done.state) == ("ApplySnapshot", TaskState.SUCCESS)


def test_a_running_instance_is_not_stopped_unasked(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system = bench.disks_of(instance_id)[0]
    snapshot_id = take(bench, owner, system)
    before = bench.disk_row(system.disk_id)
    with pytest.raises(errors.InstanceNotStopped):
        apply(bench, owner, snapshot_id, system.disk_id)
    with pytest.raises(errors.InvalidValue):
        apply(bench, owner, snapshot_id, system.disk_id, start=True)
    assert bench.disk_row(system.disk_id) == before
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_a_disk_goes_back_to_snapshots_of_its_own_alone(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system, data = bench.disks_of(instance_id)
    snapshot_id = take(bench, owner, system)
    stop(bench, instance_id)
    with pytest.raises(errors.SnapshotOfOtherDisk):
        apply(bench, owner, snapshot_id, data.disk_id)
    with pytest.raises(errors.DiskNotFound):
        apply(bench, owner, snapshot_id, "disk-00000000")
    with bench.cloud.catalog.begin() as tx:
        tx.disks.replace_content(bench.disk_row(system.disk_id), None, 10)
    with pytest.raises(errors.SnapshotLargerThanDisk):
        apply(bench, owner, snapshot_id, system.disk_id)


def test_a_disk_that_has_grown_since_keeps_its_size(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    data = bench.disks_of(instance_id)[1]
    snapshot_id = take(bench, owner, data)
    stop(bench, instance_id)
    with bench.cloud.catalog.begin() as tx:
        tx.disks.move(tx.disks.move(bench.disk_row(data.disk_id), DiskState.EXPANDING, size_gb=30), DiskState.ATTACHED)

    apply(bench, owner, snapshot_id, data.disk_id)

    assert bench.disk_row(data.disk_id).size_gb == 30
    assert bench.machines.spec(instance_id).disks[1].size_bytes == 30 << 30


def test_while_a_disk_goes_back_it_and_its_snapshot_say_so_and_nothing_else_is_done_with_it(
    bench: Bench, owner: Caller, instance_id: InstanceId
) -> None:
    system, data = bench.disks_of(instance_id)
    snapshot_id, other = take(bench, owner, system), take(bench, owner, data)
    stop(bench, instance_id)
    with bench.holding():
        apply(bench, owner, snapshot_id, system.disk_id)

        assert bench.disk_row(system.disk_id).state is DiskState.ROLLBACKING
        for state, found in (("ROLLBACKING", {snapshot_id}), ("NORMAL", {other}), ("CREATING", set())):
            query = snapshots.BlockQuery(None, {"snapshot-state": (state,), "disk-id": (system.disk_id, data.disk_id)}, 0, 100)
            listed = snapshots.list_snapshots(bench.cloud, owner, query).items
            assert {one.snapshot.snapshot_id for one in listed} == found
            assert all(one.is_rolling_back == (state == "ROLLBACKING") for one in listed)
        with pytest.raises(errors.DiskRollingBack):
            apply(bench, owner, snapshot_id, system.disk_id)
        with pytest.raises(errors.DiskRollingBack):
            take(bench, owner, system)
        with pytest.raises(errors.DiskBusy):
            apply(bench, owner, other, data.disk_id)
        with pytest.raises(errors.TaskRunning):
            start_instances(bench.cloud, owner, [instance_id])
        snapshots.delete_snapshots(bench.cloud, owner, [snapshot_id], delete_images=False)
    bench.workflows.run(bench.workflows.asked[-1])
    assert bench.disk_row(system.disk_id).state is DiskState.ATTACHED


def test_what_a_machine_still_runs_on_is_not_taken_for_what_its_disk_is_to_hold(
    bench: Bench, owner: Caller, instance_id: InstanceId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "_PAUSES_S", (0.0,))
    system = bench.disks_of(instance_id)[0]
    snapshot_id = take(bench, owner, system)

    def refuse(verb: str, _name: str) -> None:
        if verb in {"shut_down", "kill"}:
            raise MachineError("the machine does not end")

    bench.machines.refused = refuse
    apply(bench, owner, snapshot_id, system.disk_id, stop=True, start=True)
    reboot_instances(bench.cloud, bench.caller("owner"), [instance_id], how=StopHow.SOFT)  # fails too, and is the latest by now
    bench.machines.refused = lambda _verb, _name: None
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation) == (InstanceState.RUNNING, "RebootInstances")
    assert (bench.disk_row(system.disk_id).generation, bench.machines.spec(instance_id).disks[0].generation) == (1, 0)

    wrong = take(bench, owner, system)

    assert wrong not in bench.snapshots(owner)
    assert bench.disk_row(system.disk_id).synced_root is None
    stop(bench, instance_id)
    assert take(bench, owner, system) in bench.snapshots(owner)
    assert bench.machines.spec(instance_id).disks[0].generation == 1


def test_in_arrears_no_disk_is_taken_or_goes_back(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system = bench.disks_of(instance_id)[0]
    group_id, members = group_of(bench, owner, instance_id)
    before = bench.disk_row(system.disk_id)
    with bench.cloud.catalog.begin() as tx:
        tx.balances.add(owner.account.uin, Amount(-1))
        tx.balances.isolate(owner.account.uin, bench.clock.now())

    with pytest.raises(errors.AccountInArrears):
        apply(bench, owner, members[system.disk_id], system.disk_id, stop=True)
    with pytest.raises(errors.AccountInArrears):
        rollbacks.apply_snapshot_group(bench.cloud, owner, group_id, list(members.items()), Power(stop=True))
    with pytest.raises(errors.AccountInArrears):
        take(bench, owner, system)
    with pytest.raises(errors.AccountInArrears):
        group_of(bench, owner, instance_id)

    assert bench.disk_row(system.disk_id) == before


def test_a_group_takes_as_many_disks_as_an_instance_has(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    group_id, members = group_of(bench, owner, instance_id)
    many = [(f"disk-{number:08}", snapshot_id) for number in range(40_000) for snapshot_id in members.values()]
    with pytest.raises(errors.TooManyValues):
        rollbacks.apply_snapshot_group(bench.cloud, owner, group_id, many, Power(stop=True))


def test_no_disk_goes_back_while_a_snapshot_of_it_is_being_taken(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system = bench.disks_of(instance_id)[0]
    snapshot_id = take(bench, owner, system)
    stop(bench, instance_id)
    with bench.holding():
        unfinished = take(bench, owner, system)
        with pytest.raises(errors.SnapshotUnderWay):
            apply(bench, owner, snapshot_id, system.disk_id)
        with pytest.raises(errors.SnapshotUnfinished):
            apply(bench, owner, unfinished, system.disk_id)


def test_a_disk_is_not_thrown_away_for_content_that_is_lost(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system = bench.disks_of(instance_id)[0]
    with bench.holding():
        snapshot_id = take(bench, owner, system)
    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.finish(snapshot_id, type(bench.root)("0" * 64), 50 << 30)
    stop(bench, instance_id)
    before = bench.disk_row(system.disk_id)

    with pytest.raises(errors.SnapshotUnusable):
        apply(bench, owner, snapshot_id, system.disk_id)

    assert bench.disk_row(system.disk_id) == before


def test_what_failed_half_way_is_brought_about_by_the_next_start(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    system = bench.disks_of(instance_id)[0]
    snapshot_id = take(bench, owner, system)

    def refuse(verb: str, _name: str) -> None:
        if verb == "prepare":
            raise OSError("upset")

    bench.machines.refused = refuse
    apply(bench, owner, snapshot_id, system.disk_id, stop=True, start=True)
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.STOPPED, OperationState.FAILED)
    assert bench.disk_row(system.disk_id).state is DiskState.ATTACHED
    bench.machines.refused = lambda _verb, _name: None

    start_instances(bench.cloud, bench.caller("owner"), [instance_id])

    assert bench.machines.spec(instance_id).disks[0].generation == 1
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_a_disk_without_an_instance_goes_back(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    data = bench.disks_of(instance_id)[1]
    snapshot_id = take(bench, owner, data)
    loose(bench, bench.disk_row(data.disk_id))
    dropped: list[str] = []
    bench.machines.refused = lambda verb, name: dropped.append(name) if verb == "drop_disk" else None

    apply(bench, owner, snapshot_id, data.disk_id)

    assert dropped == [data.disk_id]
    disk = bench.disk_row(data.disk_id)
    assert (disk.state, disk.base_snapshot, disk.generation) == (DiskState.UNATTACHED, snapshot_id, 1)


@pytest.mark.parametrize("fate", ["never started", "lost"])
def test_rolling_back_that_was_interrupted_is_brought_to_its_end(
    bench: Bench, owner: Caller, instance_id: InstanceId, fate: str
) -> None:
    system, data = bench.disks_of(instance_id)
    of_system, of_data = take(bench, owner, system), take(bench, owner, data)
    loose(bench, bench.disk_row(data.disk_id))
    with bench.holding():
        apply(bench, owner, of_system, system.disk_id, stop=True, start=True)
        apply(bench, owner, of_data, data.disk_id)
    for work in bench.workflows.asked[-2:]:
        bench.workflows.asked.remove(work)
        if fate == "lost":
            bench.workflows.ended.add(work)
    bench.clock.advance(timedelta(minutes=1))

    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]

    assert bench.disk_row(system.disk_id).state is DiskState.ATTACHED
    assert bench.machines.spec(instance_id).disks[0].generation == 1
    assert bench.disk_row(data.disk_id).state is DiskState.UNATTACHED
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.RUNNING, OperationState.SUCCESS)


def test_rolling_back_that_was_lost_is_done_again_by_one_workflow_at_a_time(
    bench: Bench, owner: Caller, instance_id: InstanceId
) -> None:
    system = bench.disks_of(instance_id)[0]
    snapshot_id = take(bench, owner, system)
    with bench.holding():
        apply(bench, owner, snapshot_id, system.disk_id, stop=True, start=True)
        bench.workflows.ended.add(bench.workflows.asked[-1])
        before = len(bench.workflows.asked)
        for _ in range(3):
            bench.clock.advance(timedelta(minutes=1))
            reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]

    (again,) = bench.workflows.asked[before:]
    bench.workflows.run(again)
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING
    assert bench.machines.spec(instance_id).disks[0].generation == 1


def group_of(bench: Bench, _owner: Caller, instance_id: InstanceId) -> tuple[str, dict[DiskId, str]]:
    """Return a new group of the instance's disks, and the snapshot of each."""
    disks = tuple(disk.disk_id for disk in bench.disks_of(instance_id))
    group_id = new_snapshots.create_snapshot_group(bench.cloud, bench.caller("owner"), GroupOrder(disks, "nightly"))
    with bench.cloud.catalog.read() as tx:
        return group_id, {one.disk_id: one.snapshot_id for one in tx.snapshots.of_group(group_id) if one.disk_id is not None}


def test_a_group_goes_back_as_one(bench: Bench, owner: Caller, instance_id: InstanceId) -> None:
    group_id, members = group_of(bench, owner, instance_id)
    pairs = list(members.items())

    rollbacks.apply_snapshot_group(bench.cloud, bench.caller("owner"), group_id, pairs, Power(stop=True, start=True))

    assert [disk.generation for disk in bench.disks_of(instance_id)] == [1, 1]
    assert [disk.generation for disk in bench.machines.spec(instance_id).disks] == [1, 1]
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_a_group_goes_back_on_one_instance_or_none_and_with_its_own_snapshots(
    bench: Bench, owner: Caller, instance_id: InstanceId
) -> None:
    group_id, members = group_of(bench, owner, instance_id)
    system, data = bench.disks_of(instance_id)
    single = take(bench, owner, system)
    stop(bench, instance_id)

    def refused(pairs: list[tuple[str, str]], kind: type[errors.Refusal]) -> None:
        with pytest.raises(kind):
            rollbacks.apply_snapshot_group(bench.cloud, bench.caller("owner"), group_id, pairs, Power())

    refused([], errors.ParameterMissing)
    refused([(system.disk_id, single)], errors.SnapshotNotFound)
    refused([(system.disk_id, members[system.disk_id])] * 2, errors.InvalidValue)
    refused([(system.disk_id, members[data.disk_id])], errors.SnapshotOfOtherDisk)
    loose(bench, bench.disk_row(data.disk_id))
    refused(list(members.items()), errors.DisksOfSeveralInstances)
    rollbacks.apply_snapshot_group(bench.cloud, bench.caller("owner"), group_id, [(data.disk_id, members[data.disk_id])], Power())
    assert bench.disk_row(data.disk_id).generation == 1
    assert bench.disk_row(system.disk_id).generation == 0
