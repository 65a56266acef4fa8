"""Rolling disks back to what their snapshots hold.

A disk's row says at once what it is to be: a new generation, a fresh overlay on the snapshot's tree, which takes as long as a
launch does however large the disk is. Its machine is then made so while it is off. So whatever breaks in between, starting the
instance brings the same about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linocut.blocks import ObjectUnreadable
from linocut.catalog import InstanceChanges, Tx
from linocut.cloud import listing, tasks
from linocut.cloud.arrears import require_funds
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import owned_disks
from linocut.cloud.new_snapshots import require_at_rest
from linocut.model import errors
from linocut.model.ids import DiskId, InstanceId, SnapshotGroupId, SnapshotId
from linocut.model.records import Disk, Snapshot
from linocut.model.states import DiskState, InstanceState, OperationState, SnapshotState

__all__ = ["ROLLBACKS", "Power", "apply_snapshot", "apply_snapshot_group"]

ROLLBACKS: Final = frozenset({"ApplySnapshot", "ApplySnapshotGroup"})
"""The operations on instances that the workflow `roll-back` carries out."""
_GIB: Final = 1024**3
_DISKS: Final = 21
"""A system disk, and as many data disks as an instance may have."""


@dataclass(frozen=True, slots=True)
class Power:
    """Whether the instance is to be stopped first where it runs, and to run afterwards."""

    stop: bool = False
    start: bool = False


@dataclass(frozen=True, slots=True)
class _Rollback:
    """A disk, and the snapshot of it that it goes back to."""

    disk: Disk
    snapshot: Snapshot


def apply_snapshot(cloud: Cloud, caller: Caller, snapshot_id: str, disk_id: str, power: Power) -> None:
    """Roll a disk back to a snapshot of it; what was written since is lost. A disk that has grown since keeps its size.

    Its instance is off, or is stopped for it; or there is none. Raises SnapshotNotFound, SnapshotUnfinished, SnapshotUnusable,
    SnapshotOfOtherDisk, SnapshotLargerThanDisk, DiskNotFound, DiskBusy, DiskRollingBack, SnapshotUnderWay, InstanceNotStopped,
    InvalidValue, AccountInArrears, LostRace. Source: CBS ApplySnapshot.
    """
    _check(power)
    _require_readable(cloud, caller, [SnapshotId(snapshot_id)])
    with cloud.catalog.begin() as tx:
        (rollback,) = _rollbacks(tx, caller, {disk_id: snapshot_id})
        _roll_back(cloud, tx, caller, "ApplySnapshot", [rollback], power)
    _start(cloud, caller, [rollback])


def apply_snapshot_group(cloud: Cloud, caller: Caller, group_id: str, pairs: Sequence[tuple[str, str]], power: Power) -> None:
    """Roll disks back to snapshots of a group, given as pairs of a disk and its snapshot; all of them or none.

    The disks are those of one instance, or of none. Raises SnapshotGroupNotFound, DisksOfSeveralInstances, ParameterMissing,
    TooManyValues, and what apply_snapshot raises. Source: CBS ApplySnapshotGroup.
    """
    _check(power)
    listing.check_count("ApplyDisks", pairs, _DISKS)
    chosen = dict(pairs)
    if not pairs:
        raise errors.ParameterMissing("ApplyDisks is empty.")
    if len(chosen) != len(pairs):
        raise errors.InvalidValue("ApplyDisks names a disk twice.")
    _require_readable(cloud, caller, [SnapshotId(snapshot_id) for snapshot_id in chosen.values()])
    with cloud.catalog.begin() as tx:
        if not tx.snapshot_groups.owned(caller.account.uin, caller.region, [SnapshotGroupId(group_id)]):
            raise errors.SnapshotGroupNotFound(f"There is no snapshot group {group_id}.")
        members = {one.snapshot_id for one in tx.snapshots.of_group(SnapshotGroupId(group_id))}
        for snapshot_id in chosen.values():
            if snapshot_id not in members:
                raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id} in group {group_id}.")
        rollbacks = _rollbacks(tx, caller, chosen)
        if len({one.disk.instance_id for one in rollbacks}) > 1:
            raise errors.DisksOfSeveralInstances("The disks are not attached to one instance.")
        _roll_back(cloud, tx, caller, "ApplySnapshotGroup", rollbacks, power)
    _start(cloud, caller, rollbacks)


def _check(power: Power) -> None:
    if power.start and not power.stop:
        raise errors.InvalidValue("AutoStartInstance is for AutoStopInstance alone.")


def _require_readable(cloud: Cloud, caller: Caller, snapshot_ids: Sequence[SnapshotId]) -> None:
    """Raise SnapshotUnusable where a disk would be thrown away for a tree that cannot be opened."""
    with cloud.catalog.read() as tx:
        snapshots = tx.snapshots.owned_ones(caller.account.uin, caller.region, snapshot_ids)
    for snapshot in snapshots:
        try:
            if snapshot.root is not None:
                cloud.stores.store(snapshot.region).tree(snapshot.root)
        except ObjectUnreadable as error:
            raise errors.SnapshotUnusable(f"The content of snapshot {snapshot.snapshot_id} cannot be read.") from error


def _rollbacks(tx: Tx, caller: Caller, chosen: dict[str, str]) -> tuple[_Rollback, ...]:
    """Return what is to be done, with all of it held until the transaction ends."""
    require_funds(tx, caller.account.uin)
    wanted = [SnapshotId(snapshot_id) for snapshot_id in chosen.values()]
    snapshots = {one.snapshot_id: one for one in tx.snapshots.hold(caller.account.uin, caller.region, wanted)}
    for snapshot_id in wanted:
        if snapshot_id not in snapshots:
            raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
    disks = _hold_disks(tx, caller, list(chosen))
    rollbacks = tuple(_Rollback(disk, snapshots[SnapshotId(chosen[disk.disk_id])]) for disk in disks)
    for one in rollbacks:
        _require_fitting(one)
    require_at_rest(tx, disks)
    return rollbacks


def _hold_disks(tx: Tx, caller: Caller, disk_ids: Sequence[str]) -> tuple[Disk, ...]:
    """Return disks with them and their instances held until the transaction ends, the instances first."""
    seen = owned_disks(tx, caller, disk_ids, most=_DISKS, hold=False)
    tx.instances.lock(sorted({disk.instance_id for disk in seen if disk.instance_id is not None}))
    disks = owned_disks(tx, caller, disk_ids, most=_DISKS)
    for before, disk in zip(seen, disks, strict=True):
        if disk.instance_id != before.instance_id:
            raise errors.DiskBusy(f"Disk {disk.disk_id} is {disk.state}.")
    return disks


def _require_fitting(one: _Rollback) -> None:
    snapshot, disk = one.snapshot, one.disk
    if snapshot.disk_id != disk.disk_id:
        raise errors.SnapshotOfOtherDisk(f"Snapshot {snapshot.snapshot_id} is not of disk {disk.disk_id}.")
    if snapshot.state is not SnapshotState.NORMAL:
        raise errors.SnapshotUnfinished(f"Snapshot {snapshot.snapshot_id} is {snapshot.state}.")
    if snapshot.size_bytes > disk.size_gb * _GIB:
        raise errors.SnapshotLargerThanDisk(f"Disk {disk.disk_id} is smaller than snapshot {snapshot.snapshot_id}.")


def _roll_back(cloud: Cloud, tx: Tx, caller: Caller, operation: str, rollbacks: Sequence[_Rollback], power: Power) -> None:
    """Write down what the disks and their instance are to be."""
    instance_id = rollbacks[0].disk.instance_id
    if instance_id is not None:
        _move_instance(tx, caller, operation, instance_id, power)
    for one in rollbacks:
        renewed = tx.disks.replace_content(one.disk, one.snapshot.root, one.disk.size_gb, one.snapshot.snapshot_id)
        tx.disks.move(renewed, DiskState.ROLLBACKING, request_id=caller.request_id)
    tasks.begin(cloud, tx, caller, operation, [one.disk.disk_id for one in rollbacks])


def _move_instance(tx: Tx, caller: Caller, operation: str, instance_id: InstanceId, power: Power) -> None:
    """Keep an instance from other operations, and say what becomes of it. Raises InstanceNotStopped, DiskBusy."""
    (instance,) = tx.instances.owned(caller.account.uin, caller.region, [instance_id])
    if instance.latest_operation_state is OperationState.OPERATING:
        raise errors.DiskBusy(f"{instance.latest_operation} is under way on instance {instance_id}.")
    changes = InstanceChanges(
        latest_operation=operation,
        latest_operation_state=OperationState.OPERATING,
        latest_operation_error="",
        latest_request_id=caller.request_id,
    )
    match instance.state:
        case InstanceState.RUNNING if power.stop:
            tx.instances.move(instance, InstanceState.REBOOTING if power.start else InstanceState.STOPPING, **changes)
        case InstanceState.STOPPED if power.start:
            tx.instances.move(instance, InstanceState.STARTING, **changes)
        case InstanceState.STOPPED:
            tx.instances.update(instance, **changes)
        case _:
            raise errors.InstanceNotStopped(f"Instance {instance_id} is {instance.state}: stop it, or ask for AutoStopInstance.")


def _start(cloud: Cloud, caller: Caller, rollbacks: Sequence[_Rollback]) -> None:
    instance_id = rollbacks[0].disk.instance_id
    if instance_id is not None:
        cloud.workflows.start("roll-back", instance_id, key=caller.request_id)
        return
    for one in rollbacks:
        cloud.workflows.start("roll-back-disk", DiskId(one.disk.disk_id), key=caller.request_id)
