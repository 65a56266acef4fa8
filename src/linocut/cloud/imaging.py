"""Making images: of an instance's disks at one moment, or of snapshots that are there."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import listing, tasks
from linocut.cloud.arrears import require_funds
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.guest_systems import system_of_instance, system_of_snapshot
from linocut.cloud.instances import require_settled_disks
from linocut.cloud.new_images import DryRunPassed, add_new_image, end_dry_run, new_snapshot, take_quota
from linocut.cloud.new_snapshots import hold_untaken
from linocut.model import errors, rules
from linocut.model.ids import DiskId, ImageId, InstanceId, SnapshotId, is_id, new_id
from linocut.model.records import Disk, DiskUsage, GuestSystem, Image, ImageSource, Instance, Snapshot, Tag
from linocut.model.states import ImageState, InstanceState, OperationState, SnapshotState

__all__ = ["CreateOrder", "create_image"]


_GIB: Final = 1024**3
_SNAPSHOTS: Final = 21
"""A system disk's, and as many data disks' as an instance may have."""


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Which instance, or which snapshots, to make an image of, and how to name it."""

    name: str
    instance_id: str = ""
    snapshot_ids: tuple[str, ...] = ()
    description: str = ""
    force_poweroff: bool = False
    sysprep: bool = False
    family: str = ""
    tags: tuple[Tag, ...] = ()
    data_disk_ids: tuple[str, ...] = ()
    dry_run: bool = False


def create_image(cloud: Cloud, caller: Caller, order: CreateOrder) -> ImageId | None:
    """Make an image of an instance, which may go on running, or of snapshots; return its id at once, or None on a dry run.

    Of an instance the system disk is taken, and those data disks that are named, all at one moment. An image of snapshots is made
    of those very snapshots: nothing is copied, and it is NORMAL at once. Raises InvalidValue, ValueTooLong, InstanceNotFound,
    InstanceStateForbids, TaskRunning, ReinstallFailed, SnapshotUnderWay, DiskIsSystemDisk, DiskNotOfInstance, OneParameterNeeded,
    ParameterConflict, DependsOnInstance, ImageSnapshotNotFound, SystemSnapshotMissing, SystemSnapshotsSeveral,
    SnapshotUnfinished, TooManyValues, ParameterUnsupported, ImageNameTaken, ImageQuotaExceeded, ImageFamilyInvalid, TagInvalid,
    TagsDuplicate.
    Source: CVM CreateImage.
    """
    order = replace(
        order,
        name=rules.image_name(order.name),
        description=rules.description(order.description),
        family=rules.image_family(order.family),
        tags=rules.tags(order.tags),
    )
    if order.instance_id and order.snapshot_ids:
        raise errors.ParameterConflict("InstanceId and SnapshotIds exclude each other.")
    with cloud.catalog.read() as tx:
        require_funds(tx, caller.account.uin)
    if order.snapshot_ids:
        return _create_of_snapshots(cloud, caller, order)
    if not order.instance_id:
        raise errors.OneParameterNeeded("InstanceId or SnapshotIds is needed.")
    return _create_of_instance(cloud, caller, order)


def _create_of_instance(cloud: Cloud, caller: Caller, order: CreateOrder) -> ImageId | None:
    if not is_id("ins", order.instance_id):
        raise errors.InstanceNotFound(f"There is no instance {order.instance_id!r}.")
    with suppress(DryRunPassed), cloud.catalog.begin() as tx:
        instance = _instance_to_image(tx, caller, order.instance_id)
        disks = _disks_to_image(tx, instance, order.data_disk_ids)
        hold_untaken(tx, disks)
        take_quota(cloud, caller, tx)
        system = system_of_instance(tx, instance)
        if order.sysprep:
            raise _sysprep_refused(system.platform)
        image = replace(
            _new_image(cloud, caller, order, system),
            state=ImageState.CREATING,
            size_gb=disks[0].size_gb,
            source_instance=instance.instance_id,
            force_poweroff=order.force_poweroff,
        )
        snapshots = tuple(
            replace(
                new_snapshot(cloud, caller, image, usage=disk.usage, size_bytes=disk.size_gb * 1024**3),
                disk_id=disk.disk_id,
                system=system if disk.usage is DiskUsage.SYSTEM_DISK else None,
            )
            for disk in disks
        )
        add_new_image(tx, image, snapshots)
        tasks.begin(cloud, tx, caller, "CreateImage", [image.image_id])
        tx.instances.update(
            instance,
            latest_operation="CreateImage",
            latest_operation_state=OperationState.OPERATING,
            latest_operation_error="",
            latest_request_id=caller.request_id,
        )
        end_dry_run(dry_run=order.dry_run)
    if order.dry_run:
        return None
    cloud.workflows.start("create-image", image.image_id)
    return image.image_id


def _create_of_snapshots(cloud: Cloud, caller: Caller, order: CreateOrder) -> ImageId | None:
    if order.data_disk_ids:
        raise errors.DependsOnInstance("DataDiskIds is for images of an instance.")
    listing.check_count("SnapshotIds", order.snapshot_ids, _SNAPSHOTS)
    with suppress(DryRunPassed), cloud.catalog.begin() as tx:
        snapshots = _snapshots_to_image(tx, caller, order.snapshot_ids)
        take_quota(cloud, caller, tx)
        system = system_of_snapshot(tx, snapshots[0])
        if order.sysprep:
            raise _sysprep_refused(system.platform)
        image = replace(
            _new_image(cloud, caller, order, system),
            state=ImageState.NORMAL,
            size_gb=-(-snapshots[0].size_bytes // _GIB),
            percent=100,
        )
        tx.images.add(image, [snapshot.snapshot_id for snapshot in snapshots])
        end_dry_run(dry_run=order.dry_run)
    return None if order.dry_run else image.image_id


def _new_image(cloud: Cloud, caller: Caller, order: CreateOrder, system: GuestSystem) -> Image:
    return Image(
        image_id=ImageId(new_id("img", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=order.name,
        description=order.description,
        state=ImageState.CREATING,
        source=ImageSource.CREATE_IMAGE,
        is_public=False,
        platform=system.platform,
        os_name=system.os_name,
        architecture=system.architecture,
        size_gb=0,
        license_type=system.license_type,
        boot_mode=system.boot_mode,
        family=order.family,
        deprecated=False,
        supports_cloud_init=system.supports_cloud_init,
        percent=0,
        failure="",
        source_url="",
        source_instance=None,
        force_poweroff=False,
        request_id=caller.request_id,
        created_at=cloud.now(),
        tags=order.tags,
        windows_of=system.windows_of,
    )


def _snapshots_to_image(tx: Tx, caller: Caller, snapshot_ids: tuple[str, ...]) -> tuple[Snapshot, ...]:
    """Return the snapshots, the system disk's first, and keep them from being removed until the transaction ends."""
    asked = [SnapshotId(snapshot_id) for snapshot_id in dict.fromkeys(snapshot_ids)]
    found = {one.snapshot_id: one for one in tx.snapshots.hold(caller.account.uin, caller.region, asked)}
    for snapshot_id in asked:
        if snapshot_id not in found:
            raise errors.ImageSnapshotNotFound(f"There is no snapshot {snapshot_id}.")
    snapshots = [found[snapshot_id] for snapshot_id in asked]
    systems = [snapshot for snapshot in snapshots if snapshot.usage is DiskUsage.SYSTEM_DISK]
    if not systems:
        raise errors.SystemSnapshotMissing("SnapshotIds names no snapshot of a system disk.")
    if len(systems) > 1:
        raise errors.SystemSnapshotsSeveral("SnapshotIds names more than one snapshot of a system disk.")
    for snapshot in snapshots:
        if snapshot.state is not SnapshotState.NORMAL:
            raise errors.SnapshotUnfinished(f"Snapshot {snapshot.snapshot_id} is {snapshot.state}.")
    return (systems[0], *(snapshot for snapshot in snapshots if snapshot is not systems[0]))


def _sysprep_refused(platform: str) -> errors.ParameterUnsupported:
    if platform == "Windows":
        return errors.ParameterUnsupported("Sysprep is not supported: run it in the guest before the image is taken.")
    return errors.ParameterUnsupported("Sysprep is for Windows alone.")


def _instance_to_image(tx: Tx, caller: Caller, instance_id: str) -> Instance:
    tx.instances.lock([InstanceId(instance_id)])
    found = tx.instances.owned(caller.account.uin, caller.region, [InstanceId(instance_id)])
    if not found:
        raise errors.InstanceNotFound(f"There is no instance {instance_id}.")
    instance = found[0]
    if instance.latest_operation_state is OperationState.OPERATING:
        raise errors.TaskRunning(f"{instance.latest_operation} is under way on instance {instance_id}.")
    if instance.state not in {InstanceState.RUNNING, InstanceState.STOPPED}:
        raise errors.InstanceStateForbids(f"Instance {instance_id} is {instance.state}.", state=instance.state)
    if instance.is_half_reinstalled:
        raise errors.ReinstallFailed(f"Instance {instance_id} has no whole system disk: start or reinstall it.")
    require_settled_disks(tx, [instance])
    return instance


def _disks_to_image(tx: Tx, instance: Instance, data_disk_ids: tuple[str, ...]) -> tuple[Disk, ...]:
    disks = {disk.disk_id: disk for disk in tx.disks.of([instance.instance_id])[instance.instance_id]}
    system = next(disk for disk in disks.values() if disk.usage is DiskUsage.SYSTEM_DISK)
    if system.disk_id in data_disk_ids:
        raise errors.DiskIsSystemDisk(f"{system.disk_id} is the system disk.")
    for disk_id in data_disk_ids:
        if DiskId(disk_id) not in disks:
            raise errors.DiskNotOfInstance(f"Disk {disk_id} is not attached to instance {instance.instance_id}.")
    return (system, *(disks[DiskId(disk_id)] for disk_id in dict.fromkeys(data_disk_ids)))
