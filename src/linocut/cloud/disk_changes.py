"""Changing disks: names and what becomes of them with their instance; giving them back; making them as they were made.

Source: CBS ModifyDiskAttributes, TerminateDisks, InitializeDisks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import owned_disks, require_settled, require_unattached
from linocut.cloud.new_disks import disk_name
from linocut.model import errors
from linocut.model.ids import RootDigest
from linocut.model.records import Disk, DiskUsage
from linocut.model.states import InstanceState

__all__ = ["DiskAttributes", "initialize_disks", "modify_disks", "terminate_disks"]

_IN_A_CALL: Final = 100
_INITIALIZED: Final = 20


@dataclass(frozen=True, slots=True)
class DiskAttributes:
    """What to change; what is None stays."""

    name: str | None = None
    portable: bool | None = None
    project_id: int | None = None
    delete_with_instance: bool | None = None
    disk_type: str | None = None


def modify_disks(cloud: Cloud, caller: Caller, disk_ids: Sequence[str], new: DiskAttributes) -> None:
    """Change attributes of disks, of all or none.

    Whether a disk ends with its instance is settled once the instance ends. Raises ParameterMissing, TooManyValues, InvalidValue,
    ValueTooLong, DiskNotFound, DiskUnsuitable, DiskBusy, ProjectNotFound, ParameterUnsupported, LostRace.
    Source: CBS ModifyDiskAttributes.
    """
    if new == DiskAttributes():
        raise errors.ParameterMissing("An attribute to change is needed.")
    if new.name is not None:
        disk_name(new.name)
    if new.project_id:
        raise errors.ProjectNotFound(f"There is no project {new.project_id}.")
    if new.portable is False:
        raise errors.InvalidValue("Portable takes TRUE: a disk that may be detached stays so.")
    with cloud.catalog.begin() as tx:
        if new.delete_with_instance is not None:
            _hold_living_instances(tx, owned_disks(tx, caller, disk_ids, most=_IN_A_CALL, hold=False))
        for disk in owned_disks(tx, caller, disk_ids, most=_IN_A_CALL):
            _require_changeable(disk, new)
            tx.disks.change(disk, name=new.name, delete_with_instance=new.delete_with_instance, portable=new.portable)


def terminate_disks(cloud: Cloud, caller: Caller, disk_ids: Sequence[str], *, delete_snapshots: bool = False) -> None:
    """Give disks back that are attached to nothing, all or none; what they hold is lost.

    With `delete_snapshots` those snapshots of them go that are not kept for ever, are not shared, and no images are made of.
    Raises ParameterMissing, TooManyValues, InvalidValue, DiskNotFound, DiskBusy, SnapshotUnderWay, DiskIsAttached, LostRace.
    Source: CBS TerminateDisks.
    """
    with cloud.catalog.begin() as tx:
        disks = owned_disks(tx, caller, disk_ids, most=_IN_A_CALL)
        require_settled(tx, disks)
        require_unattached(disks)
        ids = [disk.disk_id for disk in disks]
        if delete_snapshots:
            tx.snapshots.remove(tx.snapshots.passing_of(ids))
        tx.disks.remove(ids)
    for disk in disks:
        cloud.workflows.start("drop-disk", disk.disk_id)


def initialize_disks(cloud: Cloud, caller: Caller, disk_ids: Sequence[str]) -> None:
    """Make data disks that are attached to nothing what they were when they were made, of their snapshot or blank, all or none.

    So they are, whatever they were rolled back to since. Raises ParameterMissing, TooManyValues, InvalidValue, DiskNotFound,
    DiskBusy, SnapshotUnderWay, DiskIsAttached, DiskSnapshotGone, LostRace. Source: CBS InitializeDisks.
    """
    with cloud.catalog.begin() as tx:
        disks = owned_disks(tx, caller, disk_ids, most=_INITIALIZED)
        require_settled(tx, disks)
        require_unattached(disks)
        for disk in disks:
            tx.disks.replace_content(disk, _origin_root(tx, disk), disk.size_gb, disk.origin_snapshot)


def _hold_living_instances(tx: Tx, disks: Sequence[Disk]) -> None:
    """Keep the disks' instances from ending until the transaction does. Raises DiskBusy where one is about to end."""
    ids = sorted({disk.instance_id for disk in disks if disk.instance_id is not None})
    tx.instances.lock(ids)
    for instance in filter(None, map(tx.instances.find, ids)):
        if instance.state is InstanceState.TERMINATING:
            raise errors.DiskBusy(f"Instance {instance.instance_id} is {instance.state}.")


def _require_changeable(disk: Disk, new: DiskAttributes) -> None:
    if disk.usage is DiskUsage.SYSTEM_DISK and (new.portable is not None or new.delete_with_instance is not None):
        raise errors.DiskUnsuitable(f"Disk {disk.disk_id} is a system disk: it stays with its instance, and ends with it.")
    if new.disk_type not in {None, disk.disk_type}:
        raise errors.ParameterUnsupported(f"The type of disk {disk.disk_id} stays {disk.disk_type}.")


def _origin_root(tx: Tx, disk: Disk) -> RootDigest | None:
    """Return the tree that a disk was made of, None of a blank one, and keep it until the transaction ends.

    Its snapshot may be another account's, and not be shared any more. Raises DiskSnapshotGone.
    """
    if disk.origin_snapshot is None:
        return None
    known = tx.snapshots.get(disk.origin_snapshot)
    held = () if known is None else tx.snapshots.hold(known.owner, known.region, [known.snapshot_id])
    if not held or held[0].root is None:
        raise errors.DiskSnapshotGone(f"Snapshot {disk.origin_snapshot}, of which disk {disk.disk_id} was made, is gone.")
    return held[0].root
