"""Policies at work: each due time once, whoever looks and whenever; what is busy, what is full, and what is kept."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloud_bench import REGION, Bench

from linocut.cloud import (
    imaging,
    instances,
    new_snapshots,
    snapshot_policies,
    snapshot_sharing,
    snapshots,
    tasks,
)
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.instances import StopHow
from linocut.cloud.new_snapshots import SnapshotOrder
from linocut.cloud.ordered_disks import DataDiskOrder
from linocut.cloud.policy_runs import keep_amounts, mend_times, run_due
from linocut.cloud.snapshot_policies import PolicyOrder
from linocut.cloud.snapshots import SnapshotAttributes
from linocut.cloud.tasks import TasksAsked
from linocut.cloud.workflows import taking
from linocut.cloud.workflows.reconcile import reconcile
from linocut.model.ids import DiskId, InstanceId, PolicyId
from linocut.model.records import PolicyRule, Snapshot
from linocut.model.states import DiskState, SnapshotState, TaskState

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = (PolicyRule(tuple(range(24)), days_of_week=tuple(range(7))),)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "_PAUSES_S", (0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def owner(bench: Bench) -> Caller:
    return bench.caller("owner")


def policy_of(bench: Bench, owner: Caller, *disk_ids: str, **order: Any) -> PolicyId:
    asked = PolicyOrder(**{"rules": HOURLY, "name": "hourly"} | order)
    policy_id, _ = snapshot_policies.create_policy(bench.cloud, owner, asked)
    assert policy_id is not None
    snapshot_policies.bind_policy(bench.cloud, owner, policy_id, disk_ids)
    return policy_id


def disk_ids(bench: Bench, instance_id: InstanceId) -> list[DiskId]:
    return [disk.disk_id for disk in bench.disks_of(instance_id)]


def taken(bench: Bench, owner: Caller, disk_id: str | None = None) -> list[Snapshot]:
    """Return the snapshots that policies had taken, the oldest first."""
    with bench.cloud.catalog.read() as tx:
        found = tx.snapshots.owned(owner.account.uin, REGION)
    return [one for one in found if one.policy_id is not None and disk_id in {None, one.disk_id}]


def pass_time(bench: Bench, by: timedelta) -> None:
    """Let time go by, and the service look."""
    bench.clock.advance(by)
    run_due(bench.cloud)
    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]


def failed_tasks(bench: Bench, owner: Caller) -> list[str]:
    found = tasks.list_tasks(bench.cloud, owner, TasksAsked(None, {"state": ("FAILED",)}, 0, 100)).items
    return [task.error for task in found if task.action == "CreateSnapshot"]


def set_disk(bench: Bench, disk_id: str, state: DiskState) -> None:
    with bench.cloud.catalog.begin() as tx:
        disk = tx.disks.get(DiskId(disk_id))
        assert disk is not None
        tx.disks.move(disk, state)


def test_a_policy_takes_a_snapshot_each_hour_and_keeps_three(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_id = policy_of(bench, owner, disk_id)
    snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 3)
    start = bench.cloud.now()

    for _ in range(6):
        pass_time(bench, HOUR)

    found = taken(bench, owner)
    assert [one.created_at - start for one in found] == [4 * HOUR, 5 * HOUR, 6 * HOUR]
    for one in found:
        assert (one.state, one.policy_id, one.disk_id) == (SnapshotState.NORMAL, policy_id, disk_id)
        assert one.deadline == one.created_at + timedelta(days=7)
        assert one.name.startswith("hourly_2026112")


def test_nothing_is_taken_before_its_time_nor_twice(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_of(bench, owner, disk_id)

    pass_time(bench, HOUR - timedelta(seconds=1))
    assert taken(bench, owner) == []
    for _ in range(3):
        pass_time(bench, timedelta(seconds=1))
    assert len(taken(bench, owner)) == 1


def test_times_that_went_by_are_made_up_for_once(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_of(bench, owner, disk_id)

    pass_time(bench, 5 * HOUR + timedelta(minutes=20))
    assert len(taken(bench, owner)) == 1
    pass_time(bench, timedelta(minutes=39))
    assert len(taken(bench, owner)) == 1
    pass_time(bench, timedelta(minutes=1))
    assert len(taken(bench, owner)) == 2


def test_a_clock_that_was_ahead_makes_a_policy_neither_wait_nor_repeat(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_of(bench, owner, disk_id)
    pass_time(bench, HOUR)
    pass_time(bench, -timedelta(minutes=2))
    pass_time(bench, timedelta(minutes=2))
    assert len(taken(bench, owner)) == 1

    pass_time(bench, 365 * DAY)
    pass_time(bench, -365 * DAY)
    mend_times(bench.cloud)
    before = len(taken(bench, owner))
    pass_time(bench, HOUR)
    assert len(taken(bench, owner)) == before + 1


def test_several_that_look_at_once_take_each_snapshot_once(bench: Bench, owner: Caller) -> None:
    ids = [disk_ids(bench, bench.instance(owner))[0] for _ in range(4)]
    for disk_id in ids:
        policy_of(bench, owner, disk_id)
    bench.change(host_vcpus=100, host_memory_mb=100_000)

    for hour in range(1, 4):
        bench.clock.advance(HOUR)
        with bench.holding(), ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: run_due(bench.cloud), range(4)))
        run_due(bench.cloud)
        assert sorted(str(one.disk_id) for one in taken(bench, owner)) == sorted(ids * hour)
        for work in [work for work in bench.workflows.asked if work not in bench.workflows.ended]:
            bench.workflows.run(work)


@pytest.mark.parametrize("at", ["noticed", "begun"])
def test_who_is_killed_in_between_neither_forgets_nor_repeats(bench: Bench, owner: Caller, at: str) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_of(bench, owner, disk_id)
    bench.clock.advance(HOUR)
    ends = _Ending(bench, at)

    with pytest.raises(KeyboardInterrupt):
        run_due(replace(bench.cloud, workflows=ends, randomness=ends))
    run_due(bench.cloud)
    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]

    assert [one.state for one in taken(bench, owner)] == [SnapshotState.NORMAL]


class _Ending(random.Random):
    """Ends the process, as it were: before a snapshot's row is made, or when it is and its workflow is to start."""

    def __init__(self, bench: Bench, at: str) -> None:
        super().__init__()
        self._bench, self._at = bench, at

    def choices(self, *args: Any, **kwargs: Any) -> list[Any]:
        if self._at == "noticed":
            raise KeyboardInterrupt
        return super().choices(*args, **kwargs)

    def start(self, *_work: str, key: str = "") -> None:  # noqa: ARG002  the service's signature
        raise KeyboardInterrupt


def test_disks_of_one_instance_are_of_one_moment_and_others_for_themselves(bench: Bench, owner: Caller) -> None:
    first = bench.instance(owner, data_disks=(DataDiskOrder(10),))
    second = bench.instance(owner)
    policy_of(bench, owner, *disk_ids(bench, first), *disk_ids(bench, second))

    pass_time(bench, HOUR)

    groups = {one.disk_id: one.group_id for one in taken(bench, owner)}
    together = {groups[disk_id] for disk_id in disk_ids(bench, first)}
    assert len(together) == 1
    assert None not in together
    assert [groups[disk_id] for disk_id in disk_ids(bench, second)] == [None]


def test_a_disk_that_is_not_in_use_is_passed_over(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10),))
    system, data = disk_ids(bench, instance_id)
    policy_of(bench, owner, system, data)
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)

    pass_time(bench, HOUR)

    assert [one.disk_id for one in taken(bench, owner)] == [data]
    instances.terminate_instances(bench.cloud, owner, [instance_id])
    pass_time(bench, HOUR)
    assert len(taken(bench, owner)) == 1
    assert failed_tasks(bench, owner) == []


def test_a_busy_disk_is_tried_again_for_a_while(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10),))
    system, data = disk_ids(bench, instance_id)
    policy_of(bench, owner, system, data)
    set_disk(bench, data, DiskState.EXPANDING)

    bench.clock.advance(HOUR)
    run_due(bench.cloud)
    bench.clock.advance(timedelta(minutes=5))
    run_due(bench.cloud)
    assert taken(bench, owner) == []
    set_disk(bench, data, DiskState.ATTACHED)
    run_due(bench.cloud)
    assert {one.disk_id for one in taken(bench, owner)} == {system, data}

    set_disk(bench, data, DiskState.EXPANDING)
    bench.clock.advance(timedelta(minutes=55))
    run_due(bench.cloud)
    bench.clock.advance(timedelta(minutes=15))
    run_due(bench.cloud)
    assert [len(taken(bench, owner, one)) for one in (system, data)] == [2, 1]
    assert [f"Disk {data} is EXPANDING." in why for why in failed_tasks(bench, owner)] == [True]
    set_disk(bench, data, DiskState.ATTACHED)
    run_due(bench.cloud)
    assert len(taken(bench, owner, data)) == 1, "until the next time"


def test_two_policies_that_are_due_at_once_both_have_their_snapshot(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    both = {policy_of(bench, owner, disk_id), policy_of(bench, owner, disk_id)}
    bench.clock.advance(HOUR)
    with bench.holding():
        run_due(bench.cloud)
    assert len(taken(bench, owner)) == 1
    for work in [work for work in bench.workflows.asked if work[0] == "create-snapshot"]:
        bench.workflows.run(work)
    run_due(bench.cloud)
    assert {one.policy_id for one in taken(bench, owner)} == both


def test_a_full_quota_is_said_and_not_tried_again_until_the_next_time(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_of(bench, owner, disk_id)
    bench.change(snapshot_quota=0)
    bench.clock.advance(HOUR)
    for _ in range(3):
        run_due(bench.cloud)

    assert taken(bench, owner) == []
    assert len(failed_tasks(bench, owner)) == 1
    task = tasks.list_tasks(bench.cloud, owner, TasksAsked(None, {"resource": (disk_id,)}, 0, 1)).items[0]
    assert (task.state, task.action) == (TaskState.FAILED, "CreateSnapshot")
    bench.change(snapshot_quota=64)
    pass_time(bench, HOUR)
    assert len(taken(bench, owner)) == 1


def test_only_what_the_policy_had_taken_is_too_much_for_it(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10),))
    _, data = disk_ids(bench, instance_id)
    policy_id = policy_of(bench, owner, data)
    snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 1)
    own = new_snapshots.create_snapshot(bench.cloud, owner, SnapshotOrder(data))
    for _ in range(3):
        bench.clock.advance(HOUR)
        run_due(bench.cloud)
    first, second, third = taken(bench, owner)
    friend = bench.caller("friend")
    snapshot_sharing.share_snapshots(bench.cloud, owner, [first.snapshot_id], [friend.account.uin])
    snapshots.modify_snapshot(bench.cloud, owner, second.snapshot_id, SnapshotAttributes(is_permanent=True))

    keep_amounts(bench.cloud)
    assert taken(bench, owner) != []
    assert {first.snapshot_id, second.snapshot_id, third.snapshot_id} == {one.snapshot_id for one in taken(bench, owner)}
    snapshot_sharing.unshare_snapshots(bench.cloud, owner, [first.snapshot_id], [friend.account.uin])
    keep_amounts(bench.cloud)
    assert {second.snapshot_id, third.snapshot_id} == {one.snapshot_id for one in taken(bench, owner)}
    assert bench.snapshot_row(own).state is SnapshotState.NORMAL


def test_what_an_image_is_made_of_is_not_deleted(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_id = policy_of(bench, owner, disk_id, retention_days=1)
    snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 1)
    pass_time(bench, HOUR)
    [first] = taken(bench, owner)
    imaging.create_image(bench.cloud, owner, CreateOrder("golden", snapshot_ids=(first.snapshot_id,)))
    for _ in range(30):
        pass_time(bench, HOUR)
    assert taken(bench, owner)[0].snapshot_id == first.snapshot_id
    assert len(taken(bench, owner)) == 2


def test_the_last_snapshot_goes_only_when_there_is_a_newer_one_or_no_policy(bench: Bench, owner: Caller) -> None:
    instance_id = bench.instance(owner)
    [disk_id] = disk_ids(bench, instance_id)
    policy_id = policy_of(bench, owner, disk_id, retention_days=1)
    pass_time(bench, HOUR)
    [first] = taken(bench, owner)
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)
    pass_time(bench, 3 * DAY)
    assert taken(bench, owner) == [first], "it is the only one there is"

    instances.start_instances(bench.cloud, owner, [instance_id])
    pass_time(bench, HOUR)
    [second] = taken(bench, owner)
    assert second.snapshot_id != first.snapshot_id
    snapshot_policies.delete_policies(bench.cloud, owner, [policy_id])
    pass_time(bench, 2 * DAY)
    assert taken(bench, owner) == []


def test_a_policy_that_is_permanent_keeps_all(bench: Bench, owner: Caller) -> None:
    [disk_id] = disk_ids(bench, bench.instance(owner))
    policy_of(bench, owner, disk_id, is_permanent=True)
    for _ in range(3):
        pass_time(bench, 400 * DAY)
    assert [one.deadline for one in taken(bench, owner)] == [None] * 3


def test_a_policy_that_is_not_activated_takes_nothing(bench: Bench, owner: Caller) -> None:
    policy_of(bench, owner, *disk_ids(bench, bench.instance(owner)), is_activated=False)
    pass_time(bench, DAY)
    assert taken(bench, owner) == []
