"""What is known of the operating system on an image, an instance's system disk, or a snapshot of one."""

from dataclasses import replace

from linocut.catalog import Tx
from linocut.model.records import Disk, DiskUsage, GuestSystem, Image, Instance, Snapshot
from linocut.model.systems import platform_of


def system_of_image(image: Image) -> GuestSystem:
    """Return what an image says of the system on it."""
    return GuestSystem(
        image.platform,
        image.os_name,
        image.architecture,
        image.license_type,
        image.boot_mode,
        image.supports_cloud_init,
        image.windows_licence,
    )


def system_of_instance(tx: Tx, instance: Instance) -> GuestSystem:
    """Return what runs on an instance: what its image says, or what it remembers of an image that is gone."""
    origin = tx.images.find(instance.image_id)
    if origin is not None:
        return replace(system_of_image(origin), os_name=instance.os_name, windows_of=instance.windows_of)
    return GuestSystem(
        platform_of(instance.os_name),
        instance.os_name,
        license_type=instance.license_type,
        boot_mode=instance.boot_mode,
        windows_of=instance.windows_of,
    )


def system_of_disk(tx: Tx, disk: Disk) -> GuestSystem | None:
    """Return what is on a disk now; None of a data disk."""
    if disk.usage is not DiskUsage.SYSTEM_DISK or disk.instance_id is None:
        return None
    instance = tx.instances.find(disk.instance_id)
    return None if instance is None else system_of_instance(tx, instance)


def system_of_snapshot(tx: Tx, snapshot: Snapshot) -> GuestSystem:
    """Return what is on a system disk: what the snapshot itself says, an image that is made of it, or the disk as it is now."""
    system = snapshot.system
    if system is None:
        images = (tx.images.find(image_id) for image_id in tx.snapshots.images_of(snapshot.snapshot_id))
        system = next((system_of_image(image) for image in images if image is not None), None)
    disk = tx.disks.get(snapshot.disk_id) if snapshot.disk_id and system is None else None
    system = system or (system_of_disk(tx, disk) if disk else None) or GuestSystem()
    return replace(system, windows_of=snapshot.windows_of or system.windows_of)
