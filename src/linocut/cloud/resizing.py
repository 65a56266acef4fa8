"""Making disks larger: alone, or as an instance's. Source: CBS ResizeDisk, CVM ResizeInstanceDisks.

The row says at once how large a disk is to be; its machine follows. A data disk grows while its guest runs, which sees it. A
system disk grows while the machine is off, so a running instance is restarted for it where that is allowed.
"""

from dataclasses import dataclass
from typing import Final

from linocut.catalog import InstanceChanges, Tx
from linocut.cloud import tasks
from linocut.cloud.attaching import instance_for_disks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import owned_disks, require_settled
from linocut.cloud.instances import require_settled_disks
from linocut.cloud.new_snapshots import hold_untaken
from linocut.cloud.ordered_disks import LARGEST_SYSTEM_GB, check_data_size
from linocut.model import errors
from linocut.model.records import Disk, DiskUsage, Instance
from linocut.model.states import DiskState, InstanceState, OperationState

__all__ = ["InstanceDiskSize", "check_growth", "resize_disk", "resize_instance_disk"]

_OPERATION: Final = "ResizeInstanceDisks"


@dataclass(frozen=True, slots=True)
class InstanceDiskSize:
    """Which disk of an instance is to have what size: its system disk, or a data disk, which is named where there are several."""

    size_gb: int
    disk_id: str = ""
    disk_type: str = ""
    is_system: bool = False


def resize_disk(cloud: Cloud, caller: Caller, disk_id: str, size_gb: int) -> None:
    """Make a disk that may be detached larger, attached or not.

    Raises InvalidValue, DiskNotFound, DiskUnsuitable, DiskBusy, SnapshotUnderWay, DiskTooSmall, ValueOutOfRange,
    InstanceStateForbids, ReinstallFailed, TaskRunning, LostRace. Source: CBS ResizeDisk.
    """
    with cloud.catalog.begin() as tx:
        (seen,) = owned_disks(tx, caller, [disk_id], most=1, hold=False)
        if seen.instance_id is not None:
            instance_for_disks(tx, caller, seen.instance_id)
        (disk,) = owned_disks(tx, caller, [disk_id], most=1)
        if disk.instance_id != seen.instance_id:
            raise errors.DiskBusy(f"Disk {disk_id} is {disk.state}.")
        require_settled(tx, [disk])
        check_growth(disk, size_gb)
        if disk.instance_id is None:
            tx.disks.grow(disk, size_gb)
            return
        tx.disks.move(disk, DiskState.EXPANDING, size_gb=size_gb, request_id=caller.request_id)
        tasks.begin(cloud, tx, caller, "ResizeDisk", [disk.disk_id])
    cloud.workflows.start("expand-disk", disk.disk_id, key=caller.request_id)


def check_growth(disk: Disk, size_gb: int) -> None:
    """Check a size for a disk that may be detached. Raises DiskUnsuitable, DiskTooSmall, ValueOutOfRange."""
    if not disk.portable:
        raise errors.DiskUnsuitable(f"Disk {disk.disk_id} stays with its instance: ResizeInstanceDisks makes it larger.")
    _check_larger(disk, size_gb, "")


def resize_instance_disk(
    cloud: Cloud, caller: Caller, instance_id: str, wanted: InstanceDiskSize, *, online: bool = False, force_stop: bool = False
) -> None:
    """Make a disk of an instance larger.

    The instance is stopped; or it runs and `online` has a data disk grow under it, or `force_stop` has it restarted for any disk.
    Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, ReinstallFailed, TaskRunning, DiskNotOfInstance,
    InvalidValue, SnapshotUnderWay, DiskTooSmall, ValueOutOfRange, LostRace. Source: CVM ResizeInstanceDisks.
    """
    with cloud.catalog.begin() as tx:
        instance = instance_for_disks(tx, caller, instance_id)
        require_settled_disks(tx, [instance])
        present = tx.disks.of([instance.instance_id])[instance.instance_id]
        disk = _disk_meant(present, wanted)
        hold_untaken(tx, present)
        _check_larger(disk, wanted.size_gb, "SystemDisk." if wanted.is_system else "DataDisks.0.")
        restarts = instance.state is InstanceState.RUNNING and (wanted.is_system or not online)
        if restarts and not force_stop:
            raise errors.InstanceStateForbids(f"Instance {instance_id} is {instance.state}.", state=instance.state)
        _decide(cloud, tx, caller, instance, disk, wanted.size_gb, restarts=restarts)
    if restarts:
        cloud.workflows.start("reboot-instance-soft_first", instance.instance_id, key=caller.request_id)
    else:
        cloud.workflows.start("expand-disk", disk.disk_id, key=caller.request_id)


def _decide(cloud: Cloud, tx: Tx, caller: Caller, instance: Instance, disk: Disk, size_gb: int, *, restarts: bool) -> None:
    """Write the operation on the instance down, and what becomes of the disk: at its next start, or at once."""
    changes = InstanceChanges(
        latest_operation=_OPERATION,
        latest_operation_state=OperationState.OPERATING,
        latest_operation_error="",
        latest_request_id=caller.request_id,
    )
    if restarts:
        tx.disks.grow(disk, size_gb)
        tx.instances.move(instance, InstanceState.REBOOTING, **changes)
        tasks.begin(cloud, tx, caller, _OPERATION, [instance.instance_id])
        return
    tx.disks.move(disk, DiskState.EXPANDING, size_gb=size_gb, request_id=caller.request_id)
    tx.instances.update(instance, **changes)
    tasks.begin(cloud, tx, caller, _OPERATION, [disk.disk_id])


def _disk_meant(present: tuple[Disk, ...], wanted: InstanceDiskSize) -> Disk:
    usage = DiskUsage.SYSTEM_DISK if wanted.is_system else DiskUsage.DATA_DISK
    candidates = [disk for disk in present if disk.usage is usage and wanted.disk_id in {"", disk.disk_id}]
    if not candidates:
        raise errors.DiskNotOfInstance("The instance has no such disk.")
    if len(candidates) > 1:
        raise errors.DiskNotOfInstance("The instance has several data disks: DataDisks.0.DiskId says which.")
    (disk,) = candidates
    if wanted.disk_type not in {"", disk.disk_type}:
        raise errors.InvalidValue(f"The disk's type stays {disk.disk_type}.")
    return disk


def _check_larger(disk: Disk, size_gb: int, prefix: str) -> None:
    if size_gb <= disk.size_gb:
        raise errors.DiskTooSmall(f"{prefix}DiskSize is not above the {disk.size_gb} GB that the disk has.")
    if disk.usage is DiskUsage.DATA_DISK:
        check_data_size(size_gb, prefix)
    elif size_gb > LARGEST_SYSTEM_GB:
        raise errors.ValueOutOfRange(f"SystemDisk.DiskSize is above {LARGEST_SYSTEM_GB} GB.")
