"""Snapshots of disks, alone or as a group of one moment; whoever asks for them, a caller or a policy.

A disk takes one snapshot at a time, and none while its content is about to become another: then its row is ahead of its machine.
The other way round, nothing gives a disk another content while a snapshot of it is being taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import tasks
from linocut.cloud.arrears import require_funds
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import owned_disks, require_settled, require_untaken
from linocut.cloud.guest_systems import system_of_disk
from linocut.model import errors, rules
from linocut.model.ids import PolicyId, SnapshotGroupId, SnapshotId, new_id
from linocut.model.records import Disk, DiskUsage, Snapshot, SnapshotGroup, Tag
from linocut.model.states import DiskState, InstanceState, OperationState, SnapshotState

__all__ = ["GroupOrder", "SnapshotOrder", "create_snapshot", "create_snapshot_group", "hold_untaken"]

_GIB: Final = 1024**3
_DEFAULT_NAME: Final = "未命名"
_SHORTEST_LIFE: Final = timedelta(days=1)
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
_GROUP_DISKS: Final = 21
"""A system disk, and as many data disks as an instance may have."""
_NO_CONTENT: Final = frozenset({InstanceState.PENDING, InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING})
"""States of an instance whose disks are not there yet, or not for long."""


@dataclass(frozen=True, slots=True)
class SnapshotOrder:
    """Of which disk to take a snapshot. Without a deadline it stays; an empty usage is the disk's."""

    disk_id: str
    name: str = ""
    deadline: datetime | None = None
    tags: tuple[Tag, ...] = ()
    usage: str = ""
    policy_id: PolicyId | None = None


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """Of which disks of one instance to take snapshots of one moment. Without a deadline they stay."""

    disk_ids: tuple[str, ...]
    name: str = ""
    deadline: datetime | None = None
    tags: tuple[Tag, ...] = ()
    policy_id: PolicyId | None = None


def create_snapshot(cloud: Cloud, caller: Caller, order: SnapshotOrder) -> SnapshotId:
    """Take a snapshot of what a disk holds, whether its instance runs, is off, or there is none; return its id at once.

    Raises DiskNotFound, DiskBusy, DiskRollingBack, SnapshotUnderWay, SnapshotQuotaExceeded, InvalidValue, ValueTooLong,
    TagInvalid, TagsDuplicate, AccountInArrears. Source: CBS CreateSnapshot.
    """
    with cloud.catalog.begin() as tx:
        snapshot_id = begin_snapshot(cloud, tx, caller, order)
    start_taking(cloud, snapshot_id)
    return snapshot_id


def create_snapshot_group(cloud: Cloud, caller: Caller, order: GroupOrder) -> SnapshotGroupId:
    """Take snapshots of several disks of one instance, all of one moment; return the group's id at once.

    They are named for the group, with a number each. Raises DisksOfSeveralInstances, ParameterMissing, TooManyValues, and what
    create_snapshot raises. Source: CBS CreateSnapshotGroup.
    """
    with cloud.catalog.begin() as tx:
        group_id = begin_snapshot_group(cloud, tx, caller, order)
    start_taking(cloud, group_id)
    return group_id


def start_taking(cloud: Cloud, resource: SnapshotId | SnapshotGroupId) -> None:
    """Start what a transaction has begun, after its commit."""
    cloud.workflows.start("create-snapshot", resource)


def begin_snapshot(cloud: Cloud, tx: Tx, caller: Caller, order: SnapshotOrder) -> SnapshotId:
    """Begin a snapshot within a transaction, under the rules of `create_snapshot`; `start_taking` is to follow."""
    name, tags = rules.snapshot_name("SnapshotName", order.name) or _DEFAULT_NAME, rules.tags(order.tags)
    deadline = check_deadline(cloud, order.deadline)
    require_funds(tx, caller.account.uin)
    (disk,) = _disks_to_take(tx, caller, [order.disk_id])
    take_snapshot_quota(cloud, tx, caller, 1)
    snapshot = _new_snapshot(cloud, caller, disk, name, _usage(order.usage, disk), deadline, order.policy_id)
    tx.snapshots.add(replace(snapshot, system=system_of_disk(tx, disk)), tags)
    tasks.begin(cloud, tx, caller, "CreateSnapshot", [snapshot.snapshot_id])
    return snapshot.snapshot_id


def begin_snapshot_group(cloud: Cloud, tx: Tx, caller: Caller, order: GroupOrder) -> SnapshotGroupId:
    """Begin a group within a transaction, under the rules of `create_snapshot_group`; `start_taking` is to follow."""
    name, tags = rules.snapshot_name("SnapshotGroupName", order.name) or _DEFAULT_NAME, rules.tags(order.tags)
    deadline = check_deadline(cloud, order.deadline)
    require_funds(tx, caller.account.uin)
    disks = _disks_to_take(tx, caller, order.disk_ids)
    instances = {disk.instance_id for disk in disks}
    (instance_id, *others) = instances
    if instance_id is None or others:
        raise errors.DisksOfSeveralInstances("The disks are not attached to one instance.")
    take_snapshot_quota(cloud, tx, caller, len(disks))
    group = SnapshotGroup(
        group_id=SnapshotGroupId(new_id("csnap", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=name,
        instance_id=instance_id,
        policy_id=order.policy_id,
        deadline=deadline,
        request_id=caller.request_id,
        created_at=cloud.now(),
        changed_at=cloud.now(),
        tags=tags,
    )
    tx.snapshot_groups.add(group)
    for number, disk in enumerate(disks):
        numbered = f"{name}_{number}"
        snapshot = _new_snapshot(cloud, caller, disk, numbered, disk.usage, None, order.policy_id, group.group_id)
        tx.snapshots.add(replace(snapshot, system=system_of_disk(tx, disk)))
    tasks.begin(cloud, tx, caller, "CreateSnapshotGroup", [group.group_id])
    return group.group_id


def check_deadline(cloud: Cloud, deadline: datetime | None) -> datetime | None:
    """Return when a snapshot is to be deleted. Raises InvalidValue where that is less than a day from now."""
    if deadline is not None and deadline < cloud.now() + _SHORTEST_LIFE - _CLOCKS_DIFFER:
        raise errors.InvalidValue("Deadline takes a time that is at least a day from now.")
    return deadline


def hold_untaken(tx: Tx, disks: Sequence[Disk]) -> None:
    """Raise SnapshotUnderWay where a snapshot of one of the disks is being taken; let none begin until the transaction ends."""
    for disk in disks[:1]:
        tx.disks.owned(disk.owner, disk.region, [one.disk_id for one in disks])
    require_untaken(tx, disks)


def require_at_rest(tx: Tx, disks: Sequence[Disk]) -> None:
    """Raise DiskRollingBack, DiskBusy, SnapshotUnderWay unless the disks, which are held, are at rest."""
    for disk in disks:
        if disk.state is DiskState.ROLLBACKING:
            raise errors.DiskRollingBack(f"Disk {disk.disk_id} is being rolled back.")
    require_settled(tx, disks)


def _disks_to_take(tx: Tx, caller: Caller, disk_ids: Sequence[str]) -> tuple[Disk, ...]:
    disks = owned_disks(tx, caller, disk_ids, most=_GROUP_DISKS)
    require_at_rest(tx, disks)
    for disk in disks:
        instance = None if disk.instance_id is None else tx.instances.find(disk.instance_id)
        if instance is None:
            continue
        if instance.state in _NO_CONTENT:
            raise errors.DiskBusy(f"Instance {instance.instance_id} is {instance.state}.")
        is_reset = instance.latest_operation == "ResetInstance" and instance.latest_operation_state is OperationState.OPERATING
        if instance.is_half_reinstalled or (is_reset and disk.usage is DiskUsage.SYSTEM_DISK):
            raise errors.DiskBusy(f"Instance {instance.instance_id} is being reinstalled, or was to be: start it first.")
    return disks


def take_snapshot_quota(cloud: Cloud, tx: Tx, caller: Caller, count: int) -> None:
    """Make sure of places for more snapshots until the transaction ends. Raises SnapshotQuotaExceeded."""
    uin, region = caller.account.uin, caller.region
    tx.snapshots.lock_quota(uin, region)
    quota = cloud.settings.snapshot_quota * (1 + tx.disks.count(uin, region))
    if tx.snapshots.count_own(uin, region) + count > quota:
        raise errors.SnapshotQuotaExceeded(f"You may have {quota} snapshots in {region}.")


def _usage(asked: str, disk: Disk) -> DiskUsage:
    if asked in {"", disk.usage, DiskUsage.DATA_DISK}:
        return DiskUsage(asked) if asked else disk.usage
    raise errors.InvalidValue("DiskUsage takes DATA_DISK, and SYSTEM_DISK of a system disk.")


def _new_snapshot(
    cloud: Cloud,
    caller: Caller,
    disk: Disk,
    name: str,
    usage: DiskUsage,
    deadline: datetime | None,
    policy_id: PolicyId | None,
    group_id: SnapshotGroupId | None = None,
) -> Snapshot:
    return Snapshot(
        snapshot_id=SnapshotId(new_id("snap", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=name,
        usage=usage,
        state=SnapshotState.CREATING,
        size_bytes=disk.size_gb * _GIB,
        root=None,
        disk_id=disk.disk_id,
        percent=0,
        created_at=cloud.now(),
        deadline=deadline,
        policy_id=policy_id,
        group_id=group_id,
        request_id=caller.request_id,
    )
