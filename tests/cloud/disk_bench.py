"""Short words for what tests do with disks."""

from dataclasses import replace
from typing import Any

from cloud_bench import ZONE, Bench

from linocut.cloud import attaching, new_disks, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.new_disks import NewDisks
from linocut.cloud.tasks import Task, TasksAsked
from linocut.model.ids import DiskId, InstanceId, SnapshotId, new_id
from linocut.model.records import Disk, DiskUsage, Snapshot
from linocut.model.states import DiskState, SnapshotState

GIB = 1 << 30


def new_disk(bench: Bench, owner: Caller, **order: Any) -> DiskId:
    """Return a blank disk of 10 GB, or what else is ordered."""
    [disk_id] = new_disks.create_disks(bench.cloud, owner, replace(NewDisks(ZONE, "CLOUD_SSD", size_gb=10), **order))
    return disk_id


def attached_disk(bench: Bench, owner: Caller, instance_id: str, **order: Any) -> DiskId:
    """Return a disk that is attached to an instance."""
    disk_id = new_disk(bench, owner, **order)
    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, [disk_id])
    assert disk_row(bench, disk_id).state is DiskState.ATTACHED
    return disk_id


def disk_row(bench: Bench, disk_id: str) -> Disk:
    """Return a disk as the catalog has it."""
    with bench.cloud.catalog.read() as tx:
        found = tx.disks.get(DiskId(disk_id))
    assert found is not None
    return found


def is_gone(bench: Bench, disk_id: str) -> bool:
    """Tell whether the catalog has no such disk."""
    with bench.cloud.catalog.read() as tx:
        return tx.disks.get(DiskId(disk_id)) is None


def disks_of(bench: Bench, instance_id: str) -> tuple[Disk, ...]:
    """Return the disks of an instance, as the catalog has them."""
    with bench.cloud.catalog.read() as tx:
        return tx.disks.of([InstanceId(instance_id)])[InstanceId(instance_id)]


def machine_disks(bench: Bench, instance_id: str) -> dict[str, int]:
    """Return the disks that the machine of an instance has, with their sizes in GB."""
    return {disk.disk_id: disk.size_bytes // GIB for disk in bench.machines.spec(InstanceId(instance_id)).disks}


def next_call(bench: Bench, owner: Caller) -> Caller:
    """Return the same account with the id of another call."""
    return replace(owner, request_id=bench.caller(owner.account.name).request_id)


def snapshot(
    bench: Bench, owner: Caller, *, usage: DiskUsage = DiskUsage.DATA_DISK, disk_id: str | None = None, **changes: Any
) -> SnapshotId:
    """Return a snapshot of 20 GB that is whole."""
    made = Snapshot(
        snapshot_id=SnapshotId(new_id("snap", bench.cloud.randomness)),
        owner=owner.account.uin,
        region=owner.region,
        name="books",
        usage=usage,
        state=SnapshotState.NORMAL,
        size_bytes=20 * GIB,
        root=bench.root,
        disk_id=None if disk_id is None else DiskId(disk_id),
        percent=100,
        created_at=bench.cloud.now(),
    )
    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.add(replace(made, **changes))
    return made.snapshot_id


def task_of(bench: Bench, owner: Caller, disk_id: str, action: str) -> Task:
    """Return the latest task on a disk."""
    asked = TasksAsked(None, {"resource": (disk_id,), "action": (action,)}, 0, 1)
    return tasks.list_tasks(bench.cloud, owner, asked).items[0]
