"""Taking images of instances."""

from contextlib import suppress
from dataclasses import dataclass, replace

from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.new_images import DryRunPassed, add_new_image, end_dry_run, new_snapshot, take_quota
from linocut.model import errors, rules
from linocut.model.ids import DiskId, ImageId, InstanceId, is_id, new_id
from linocut.model.records import Disk, DiskUsage, Image, ImageSource, Instance, Tag
from linocut.model.states import ImageState, InstanceState, OperationState

__all__ = ["CreateOrder", "create_image"]


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Which instance to take an image of, and how to name it."""

    name: str
    instance_id: str
    description: str = ""
    force_poweroff: bool = False
    family: str = ""
    tags: tuple[Tag, ...] = ()
    data_disk_ids: tuple[str, ...] = ()
    dry_run: bool = False


def create_image(cloud: Cloud, caller: Caller, order: CreateOrder) -> ImageId | None:
    """Take an image of an instance, which may go on running; return its id at once, or None on a dry run.

    The system disk is taken, and those data disks that are named. Raises InvalidValue, ValueTooLong, InstanceIdMalformed,
    InstanceNotFound, InstanceStateForbids, TaskRunning, ImageNameTaken, ImageQuotaExceeded, ImageFamilyInvalid, InvalidValue.
    Source: CVM CreateImage.
    """
    name, description = rules.image_name(order.name), rules.description(order.description)
    family, tags = rules.image_family(order.family), rules.tags(order.tags)
    if not is_id("ins", order.instance_id):
        raise errors.InstanceNotFound(f"There is no instance {order.instance_id!r}.")
    with suppress(DryRunPassed), cloud.catalog.begin() as tx:
        instance = _instance_to_image(tx, caller, order.instance_id)
        disks = _disks_to_image(tx, instance, order.data_disk_ids)
        take_quota(cloud, caller, tx)
        origin = tx.images.find(instance.image_id)
        image = Image(
            image_id=ImageId(new_id("img", cloud.randomness)),
            owner=caller.account.uin,
            region=caller.region,
            name=name,
            description=description,
            state=ImageState.CREATING,
            source=ImageSource.CREATE_IMAGE,
            is_public=False,
            platform=origin.platform if origin else "Other Linux",
            os_name=instance.os_name,
            architecture=origin.architecture if origin else "x86_64",
            size_gb=disks[0].size_gb,
            license_type=origin.license_type if origin else "TencentCloud",
            boot_mode=origin.boot_mode if origin else "Legacy BIOS",
            family=family,
            deprecated=False,
            supports_cloud_init=origin.supports_cloud_init if origin else True,
            percent=0,
            failure="",
            source_url="",
            source_instance=instance.instance_id,
            force_poweroff=order.force_poweroff,
            request_id=caller.request_id,
            created_at=cloud.now(),
            tags=tags,
        )
        snapshots = tuple(
            replace(new_snapshot(cloud, caller, image, usage=disk.usage, size_bytes=disk.size_gb * 1024**3), disk_id=disk.disk_id)
            for disk in disks
        )
        add_new_image(tx, image, snapshots)
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


def _instance_to_image(tx: Tx, caller: Caller, instance_id: str) -> Instance:
    found = tx.instances.owned(caller.account.uin, caller.region, [InstanceId(instance_id)])
    if not found:
        raise errors.InstanceNotFound(f"There is no instance {instance_id}.")
    instance = found[0]
    if instance.latest_operation_state is OperationState.OPERATING:
        raise errors.TaskRunning(f"{instance.latest_operation} is under way on instance {instance_id}.")
    if instance.state not in {InstanceState.RUNNING, InstanceState.STOPPED}:
        raise errors.InstanceStateForbids(f"Instance {instance_id} is {instance.state}.", state=instance.state)
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
