"""The disks that are ordered: a launch's system disk on the image's, and data disks of snapshots or blank ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.snapshot_sharing import visible_snapshot
from linocut.model import errors, rules
from linocut.model.ids import DiskId, SnapshotId, is_id, new_id
from linocut.model.places import DISK_TYPES
from linocut.model.records import Disk, DiskUsage, Image, Instance, Snapshot
from linocut.model.states import DiskState, SnapshotState

_DEFAULT_SYSTEM_GB: Final = 50
LARGEST_SYSTEM_GB: Final = 2048
LARGEST_DATA_GB: Final = 32_000
DATA_STEP_GB: Final = 10
_DATA_DISKS: Final = 21
_DEFAULT_TYPE: Final = "CLOUD_PREMIUM"
_ARCHITECTURES: Final = frozenset({"x86_64", "i386"})
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class SystemDiskOrder:
    """A system disk: None is the usual size, or the image's if that is larger."""

    size_gb: int | None = None
    disk_type: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class DataDiskOrder:
    """A data disk: of a snapshot, or blank. A size of 0 is the snapshot's, and no disk without one."""

    size_gb: int = 0
    disk_type: str = ""
    snapshot_id: str = ""
    name: str = ""
    delete_with_instance: bool = True


@dataclass(frozen=True, slots=True)
class PlannedDisk:
    """A disk to make: of a snapshot, or blank."""

    usage: DiskUsage
    size_gb: int
    disk_type: str
    name: str
    snapshot: Snapshot | None
    delete_with_instance: bool = True


def plan_disks(
    tx: Tx, caller: Caller, image: Image, system: SystemDiskOrder, data: Sequence[DataDiskOrder]
) -> tuple[PlannedDisk, ...]:
    """Return the disks of an instance, the system disk first; without an order of data disks, those of the image.

    The caller holds the image; snapshots named here are held with it. Raises InvalidValue, ValueTooLong, DiskTooSmall,
    ValueOutOfRange, TooManyValues, SnapshotIdMalformed, ImageSnapshotNotFound, SnapshotUnfinished, SnapshotLargerThanDisk.
    Source: CVM RunInstances, SystemDisk and DataDisks.
    """
    snapshots = tx.images.snapshots_of(image.image_id)
    of_image = {one.snapshot_id: one for one in snapshots if one.usage is DiskUsage.DATA_DISK}
    of_system = next(one for one in snapshots if one.usage is DiskUsage.SYSTEM_DISK)
    if len(data) > _DATA_DISKS:
        raise errors.TooManyValues(f"DataDisks takes up to {_DATA_DISKS} disks.")
    if not data:
        data = [DataDiskOrder(disk_type=system.disk_type, snapshot_id=snapshot_id) for snapshot_id in of_image]
    named = _named_snapshots(tx, caller, [one.snapshot_id for one in data if one.snapshot_id], of_image)
    planned = [
        plan_data_disk(one, named.get(one.snapshot_id), f"DataDisks.{position}.")
        for position, one in enumerate(data)
        if one.size_gb or one.snapshot_id
    ]
    return (_plan_system_disk(system, image, of_system), *planned)


def plan_data_disk(order: DataDiskOrder, snapshot: Snapshot | None, prefix: str = "") -> PlannedDisk:
    """Return the data disk that an order means, whose parameters begin with `prefix`.

    Raises SnapshotLargerThanDisk, ValueOutOfRange, InvalidValue, ValueTooLong.
    """
    least_gb = 0 if snapshot is None else -(-snapshot.size_bytes // _GIB)
    size_gb = order.size_gb or least_gb
    if snapshot is not None and 0 < size_gb < least_gb:
        raise errors.SnapshotLargerThanDisk(f"{prefix}DiskSize is below the snapshot's {least_gb} GB.")
    if size_gb != least_gb or not size_gb:
        check_data_size(size_gb, prefix)
    return PlannedDisk(
        DiskUsage.DATA_DISK,
        size_gb,
        _disk_type(f"{prefix}DiskType", order.disk_type),
        rules.disk_name(f"{prefix}DiskName", order.name),
        snapshot,
        order.delete_with_instance,
    )


def check_data_size(size_gb: int, prefix: str = "") -> None:
    """Raise ValueOutOfRange unless a data disk may have this size."""
    if size_gb % DATA_STEP_GB or not DATA_STEP_GB <= size_gb <= LARGEST_DATA_GB:
        raise errors.ValueOutOfRange(
            f"{prefix}DiskSize takes {DATA_STEP_GB} to {LARGEST_DATA_GB} GB in steps of {DATA_STEP_GB}, or its snapshot's size."
        )


def disks_of(cloud: Cloud, instance: Instance, planned: Sequence[PlannedDisk]) -> tuple[Disk, ...]:
    """Return the records of an instance's disks."""
    return tuple(
        Disk(
            disk_id=DiskId(new_id("disk", cloud.randomness)),
            owner=instance.owner,
            region=instance.region,
            zone=instance.zone,
            instance_id=instance.instance_id,
            usage=disk.usage,
            position=position,
            name=disk.name,
            disk_type=disk.disk_type,
            size_gb=disk.size_gb,
            state=DiskState.ATTACHING,
            base_root=None if disk.snapshot is None else disk.snapshot.root,
            base_snapshot=None if disk.snapshot is None else disk.snapshot.snapshot_id,
            origin_snapshot=None if disk.snapshot is None else disk.snapshot.snapshot_id,
            synced_root=None,
            synced_mark=None,
            delete_with_instance=disk.delete_with_instance,
            created_at=instance.created_at,
            portable=disk.usage is DiskUsage.DATA_DISK,
            charge_type=instance.charge_type,
        )
        for position, disk in enumerate(planned)
    )


def take_disk_quota(cloud: Cloud, caller: Caller, tx: Tx, count: int) -> None:
    """Make sure of a place for so many more disks until the transaction ends. Raises DiskQuotaExceeded."""
    tx.disks.lock_quota(caller.account.uin, caller.region)
    present = tx.disks.count(caller.account.uin, caller.region)
    if present + count > cloud.settings.disk_quota:
        raise errors.DiskQuotaExceeded(
            f"You have {present} disks in {caller.region} already, of {cloud.settings.disk_quota} that you may have."
        )


def require_runnable(image: Image) -> None:
    """Raise ArchitectureMismatch where no instance type runs the image."""
    if image.architecture not in _ARCHITECTURES:
        raise errors.ArchitectureMismatch(f"Image {image.image_id} is for {image.architecture}.")


def check_system_size(size_gb: int, image: Image) -> int:
    """Return the size of a system disk of this image. Raises DiskTooSmall, ValueOutOfRange."""
    if size_gb < image.size_gb:
        raise errors.DiskTooSmall(f"SystemDisk.DiskSize is below the image's {image.size_gb} GB.")
    if size_gb > LARGEST_SYSTEM_GB:
        raise errors.ValueOutOfRange(f"SystemDisk.DiskSize is above {LARGEST_SYSTEM_GB} GB.")
    return size_gb


def _plan_system_disk(order: SystemDiskOrder, image: Image, snapshot: Snapshot) -> PlannedDisk:
    size_gb = max(_DEFAULT_SYSTEM_GB, image.size_gb) if order.size_gb is None else check_system_size(order.size_gb, image)
    return PlannedDisk(
        DiskUsage.SYSTEM_DISK,
        size_gb,
        _disk_type("SystemDisk.DiskType", order.disk_type),
        rules.disk_name("SystemDisk.DiskName", order.name),
        snapshot,
    )


def _named_snapshots(
    tx: Tx, caller: Caller, snapshot_ids: Sequence[str], of_image: dict[SnapshotId, Snapshot]
) -> dict[str, Snapshot]:
    """Return snapshots that are the image's, the caller's own or shared with it; but for the image's they are held here."""
    for snapshot_id in snapshot_ids:
        if not is_id("snap", snapshot_id):
            raise errors.SnapshotIdMalformed(f"{snapshot_id!r} is no snapshot id.")
    others = [SnapshotId(one) for one in dict.fromkeys(snapshot_ids) if SnapshotId(one) not in of_image]
    found: dict[str, Snapshot] = {one.snapshot_id: one for one in of_image.values()}
    for snapshot_id in sorted(others):
        try:
            found[snapshot_id] = visible_snapshot(tx, caller, snapshot_id)
        except errors.SnapshotNotFound as error:
            raise errors.ImageSnapshotNotFound(str(error)) from error
    for snapshot_id in snapshot_ids:
        if found[snapshot_id].root is None or (snapshot_id in others and found[snapshot_id].state is not SnapshotState.NORMAL):
            raise errors.SnapshotUnfinished(f"Snapshot {snapshot_id} is {found[snapshot_id].state}.")
    return found


def _disk_type(parameter: str, text: str) -> str:
    if text and text not in DISK_TYPES:
        raise errors.InvalidValue(f"{parameter} takes {', '.join(sorted(DISK_TYPES))}.")
    return text or _DEFAULT_TYPE
