"""Reinstalling: an instance gets a fresh system disk, of its image or of another one. All else of it stays.

The row says at once what the machine is to be; its next generation of the system disk is a fresh overlay on the image's tree. The
machine is then restarted as its row says. So whatever breaks in between, starting the instance again brings the same about.
"""

from dataclasses import dataclass, field

from linocut.catalog import InstanceChanges, Tx
from linocut.cloud import tasks
from linocut.cloud.arrears import require_funds
from linocut.cloud.arrivals import bring, require_launchable, start_bringing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import visible_image
from linocut.cloud.instances import idle_instances
from linocut.cloud.logins import LoginOrder, check_login
from linocut.cloud.new_snapshots import hold_untaken
from linocut.cloud.ordered_disks import check_system_size, require_runnable
from linocut.model import errors, rules
from linocut.model.records import Disk, DiskUsage, Image, Instance
from linocut.model.states import InstanceState, OperationState

__all__ = ["LoginOrder", "ResetOrder", "reset_instance"]

_WORK = {
    InstanceState.RUNNING: (InstanceState.REBOOTING, "reboot-instance-soft_first"),
    InstanceState.STOPPED: (InstanceState.STARTING, "start-instance"),
}
"""What becomes of an instance in a state, and by which workflow."""


@dataclass(frozen=True, slots=True)
class ResetOrder:
    """What to reinstall; what is empty or None stays as it is."""

    instance_id: str
    image_id: str = ""
    system_disk_gb: int | None = None
    system_disk_type: str = ""
    login: LoginOrder = field(default_factory=LoginOrder)
    host_name: str = ""
    user_data: str | None = None


def reset_instance(cloud: Cloud, caller: Caller, order: ResetOrder) -> None:
    """Give an instance a fresh system disk; it runs afterwards, and data disks keep their content.

    Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, TaskRunning, ImageIdMalformed, ImageNotFound,
    ImageStateForbids, ArchitectureMismatch, LicenseTypeStays, DiskTooSmall, ValueOutOfRange, InvalidValue, HostNameInvalid,
    UserDataInvalid, SnapshotUnderWay, and what check_login raises. Source: CVM ResetInstance.
    """
    with cloud.catalog.begin() as tx:
        (instance,) = idle_instances(tx, caller, [order.instance_id], _WORK.__contains__)
        image = visible_image(tx, caller, order.image_id or instance.image_id)
        if image.owner == caller.account.uin:
            require_funds(tx, image.owner)
        require_launchable(cloud, tx, image)
        tx.images.hold(image)
        _check_image(instance, image)
        changes = InstanceChanges(
            image_id=image.image_id,
            os_name=image.os_name,
            boot_mode=image.boot_mode,
            license_type=image.license_type,
            windows_of=image.windows_licence,
            latest_operation="ResetInstance",
            latest_operation_state=OperationState.OPERATING,
            latest_operation_error="",
            latest_request_id=caller.request_id,
        )
        changes |= _login(tx, caller, order.login, instance, image) | _identity(order, image)
        _replace_system_disk(tx, order, instance, image)
        state, workflow = _WORK[instance.state]
        tx.instances.move(instance, state, **changes)
        tasks.begin(cloud, tx, caller, "ResetInstance", [instance.instance_id])
        must_come = bring(cloud, tx, caller, image)
    if must_come:
        start_bringing(cloud, caller, image)
    cloud.workflows.start(workflow, instance.instance_id, key=caller.request_id)


def _check_image(instance: Instance, image: Image) -> None:
    require_runnable(image)
    if instance.license_type != image.license_type:
        raise errors.LicenseTypeStays(f"Image {image.image_id} has the licence type {image.license_type}.")


def _login(tx: Tx, caller: Caller, order: LoginOrder, instance: Instance, image: Image) -> InstanceChanges:
    """Return the login to have: what was ordered, or else what was before, as far as the image takes it."""
    generation = instance.login_generation + 1
    if order.asks_nothing:
        changes = InstanceChanges(login_generation=generation)
        if image.is_public:
            changes["keep_image_login"] = False
        if image.platform == "Windows":
            changes["key_ids"] = ()
        return changes
    login = check_login(tx, caller, order, image)
    return InstanceChanges(
        login_generation=generation,
        password_hash=login.password_hash,
        key_ids=login.key_ids,
        keep_image_login=login.keep_image_login,
    )


def _identity(order: ResetOrder, image: Image) -> InstanceChanges:
    changes = InstanceChanges()
    if order.host_name:
        changes["host_name"] = rules.host_name(order.host_name, is_windows=image.platform == "Windows")
    if order.user_data is not None:
        changes["user_data"] = rules.user_data(order.user_data)
    return changes


def _replace_system_disk(tx: Tx, order: ResetOrder, instance: Instance, image: Image) -> None:
    disk = next(one for one in tx.disks.of([instance.instance_id])[instance.instance_id] if one.usage is DiskUsage.SYSTEM_DISK)
    hold_untaken(tx, [disk])
    if order.system_disk_type not in {"", disk.disk_type}:
        raise errors.InvalidValue(f"SystemDisk.DiskType stays {disk.disk_type}.")
    snapshot = next(one for one in tx.images.snapshots_of(image.image_id) if one.usage is DiskUsage.SYSTEM_DISK)
    tx.disks.replace_content(disk, snapshot.root, _size(order, disk, image), snapshot.snapshot_id)


def _size(order: ResetOrder, disk: Disk, image: Image) -> int:
    size_gb = check_system_size(disk.size_gb if order.system_disk_gb is None else order.system_disk_gb, image)
    if size_gb < disk.size_gb:
        raise errors.DiskTooSmall(f"SystemDisk.DiskSize is below the {disk.size_gb} GB that the disk has.")
    return size_gb
