"""Attaching disks to instances, and detaching them, whether the instances run or not. Source: CBS AttachDisks, DetachDisks.

A call decides on all of its disks or on none, in one transaction; then each disk is moved on by itself, with a task of its own.
Instances do nothing else while disks of theirs come and go; several disks may come and go at once.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import tasks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import owned_disks, require_settled, require_unattached, require_untaken
from linocut.cloud.instances import quiet_instances
from linocut.model import errors
from linocut.model.records import Disk, DiskUsage, Instance
from linocut.model.states import DiskState, InstanceState

IN_A_CALL: Final = 10
OF_AN_INSTANCE: Final = 20
"""Data disks that an instance may have attached to it."""
_SETTLED: Final = frozenset({InstanceState.RUNNING, InstanceState.STOPPED})


def attach_disks(
    cloud: Cloud, caller: Caller, instance_id: str, disk_ids: Sequence[str], *, delete_with_instance: bool | None = None
) -> None:
    """Attach disks to an instance, all or none; a running guest gets them at once.

    Where `delete_with_instance` is None each stays as it is said of it. Raises ParameterMissing, TooManyValues, InvalidValue,
    InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, ReinstallFailed, TaskRunning, DiskNotFound, DiskBusy,
    SnapshotUnderWay, DiskIsAttached, DiskNotPortable, DiskInOtherZone, DisksOfInstanceExceeded, LostRace.
    Source: CBS AttachDisks.
    """
    with cloud.catalog.begin() as tx:
        instance = instance_for_disks(tx, caller, instance_id)
        disks = owned_disks(tx, caller, disk_ids, most=IN_A_CALL)
        require_settled(tx, disks)
        require_unattached(disks)
        for disk in disks:
            _require_attachable(disk, instance)
        present = tx.disks.of([instance.instance_id])[instance.instance_id]
        require_untaken(tx, present)
        if sum(disk.usage is DiskUsage.DATA_DISK for disk in present) + len(disks) > OF_AN_INSTANCE:
            raise errors.DisksOfInstanceExceeded(f"An instance has up to {OF_AN_INSTANCE} data disks.")
        for disk, position in zip(disks, _free_positions(present), strict=False):
            tx.disks.move(
                disk,
                DiskState.ATTACHING,
                instance_id=instance.instance_id,
                position=position,
                delete_with_instance=disk.delete_with_instance if delete_with_instance is None else delete_with_instance,
                request_id=caller.request_id,
            )
        tasks.begin(cloud, tx, caller, "AttachDisks", [disk.disk_id for disk in disks])
    for disk in disks:
        cloud.workflows.start("attach-disk", disk.disk_id, key=caller.request_id)


def detach_disks(cloud: Cloud, caller: Caller, disk_ids: Sequence[str], *, instance_id: str = "") -> None:
    """Detach disks from their instance, all or none; a running guest is asked to let go of them.

    One that does not let go keeps the disk, and the task says so. Where an `instance_id` is given it must be theirs.
    Raises ParameterMissing, TooManyValues, InvalidValue, DiskNotFound, DiskBusy, SnapshotUnderWay, DiskNotAttached,
    DiskNotPortable, InstanceStateForbids, ReinstallFailed, TaskRunning, LostRace. Source: CBS DetachDisks.
    """
    with cloud.catalog.begin() as tx:
        instance = _instance_of(tx, caller, disk_ids, instance_id)
        disks = owned_disks(tx, caller, disk_ids, most=IN_A_CALL)
        require_settled(tx, disks)
        for disk in disks:
            _require_attached(disk, instance.instance_id)  # still
            tx.disks.move(disk, DiskState.DETACHING, request_id=caller.request_id)
        tasks.begin(cloud, tx, caller, "DetachDisks", [disk.disk_id for disk in disks])
    for disk in disks:
        cloud.workflows.start("detach-disk", disk.disk_id, key=caller.request_id)


def instance_for_disks(tx: Tx, caller: Caller, instance_id: str) -> Instance:
    """Return an instance of the caller's whose disks may come, go and grow; nothing else begins on it meanwhile.

    Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, TaskRunning, ReinstallFailed.
    """
    (instance,) = quiet_instances(tx, caller, [instance_id], _SETTLED.__contains__)
    if instance.is_half_reinstalled:
        raise errors.ReinstallFailed(f"Instance {instance_id} has no whole system disk: start or reinstall it.")
    return instance


def _instance_of(tx: Tx, caller: Caller, disk_ids: Sequence[str], instance_id: str) -> Instance:
    """Return the instance that all of the disks are attached to, as instance_for_disks does; it is held before they are."""
    disks = owned_disks(tx, caller, disk_ids, most=IN_A_CALL, hold=False)
    for disk in disks:
        if not disk.portable:
            raise errors.DiskNotPortable(f"Disk {disk.disk_id} stays with its instance.")
        _require_attached(disk, instance_id or disk.instance_id or "")
    if len({disk.instance_id for disk in disks}) > 1:
        raise errors.DiskNotAttached("DiskIds names disks of several instances.")
    return instance_for_disks(tx, caller, disks[0].instance_id or "")


def _require_attached(disk: Disk, instance_id: str) -> None:
    if disk.instance_id is None:
        raise errors.DiskNotAttached(f"Disk {disk.disk_id} is attached to no instance.")
    if disk.instance_id != instance_id:
        raise errors.DiskNotAttached(f"Disk {disk.disk_id} is not attached to instance {instance_id}.")


def _require_attachable(disk: Disk, instance: Instance) -> None:
    if not disk.portable:
        raise errors.DiskNotPortable(f"Disk {disk.disk_id} stays with its instance.")
    if disk.zone != instance.zone:
        raise errors.DiskInOtherZone(
            f"Disk {disk.disk_id} is in {disk.zone}, instance {instance.instance_id} in {instance.zone}."
        )


def _free_positions(present: Sequence[Disk]) -> Iterator[int]:
    """Yield the positions that new disks take: the lowest ones first that no disk has."""
    taken = {disk.position for disk in present}
    return (position for position in count(1) if position not in taken)
