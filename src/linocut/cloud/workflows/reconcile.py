"""Making rows and host agree: at the start of the service, when a machine ends, and once a minute.

Work that was decided but never started is started. Work that ended without moving its row on has failed. A machine that no row
knows is removed; a row whose machine has ended says so. What cannot be mended now is logged, and tried again the next time: it
keeps nothing else from being mended.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from linocut.cloud import tasks
from linocut.cloud.arrears import attend_to_arrears
from linocut.cloud.arrivals import wanted_elsewhere
from linocut.cloud.context import Cloud
from linocut.cloud.deadlines import delete_due, due_snapshots
from linocut.cloud.policy_runs import keep_amounts, mend_times
from linocut.cloud.rollbacks import ROLLBACKS
from linocut.cloud.uploads import remove_stale
from linocut.cloud.workflows.copies import fail_copy
from linocut.cloud.workflows.disks import MOVING, follow_rows, give_up, is_operation_on
from linocut.cloud.workflows.durable import Engine, Progress, key_again
from linocut.cloud.workflows.exports import end_export
from linocut.cloud.workflows.forwarding import follow_groups
from linocut.cloud.workflows.images import fail_image
from linocut.cloud.workflows.instances import is_alive, settle_row
from linocut.cloud.workflows.rollbacks import end_rollback
from linocut.cloud.workflows.snapshot_copies import fail_snapshot_copy
from linocut.cloud.workflows.snapshots import fail_snapshots
from linocut.machines import MachineState
from linocut.model.errors import LostRace
from linocut.model.ids import ImageId, InstanceId
from linocut.model.records import Instance
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState

_FAILED_LAUNCH_LIFE: Final = timedelta(hours=1)
_OWN_DISKS: Final = (InstanceState.PENDING, InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING)
"""States whose workflow sees to the instance's disks itself."""
_LOST: Final = "The service was interrupted."
_log = structlog.get_logger(__name__)


def reconcile(cloud: Cloud, engine: Engine) -> None:
    """Make rows and host agree. May run at any time, and again."""
    _reconcile_images(cloud, engine)
    _reconcile_snapshots(cloud, engine)
    _reconcile_copies(cloud, engine)
    _reconcile_snapshot_copies(cloud, engine)
    _reconcile_exports(cloud, engine)
    _reconcile_disks(cloud, engine)
    _reconcile_instances(cloud, engine)
    _reconcile_rollbacks(cloud, engine)
    _delete_due(cloud)
    _keep_policies(cloud)
    _remove_strange_machines(cloud)
    _reconcile_loose(cloud)
    _remove_strange_files(cloud)
    remove_stale(cloud)
    tasks.remove_old(cloud)
    attend_to_arrears(cloud)


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """Log what goes wrong with one thing, and go on with the others."""
    try:
        yield
    except LostRace:  # somebody else has moved it on
        _log.info("not mended: it is being changed", what=what)
    except Exception:  # the next time may be better
        _log.exception("not mended", what=what)


def machine_ended(cloud: Cloud, instance_id: InstanceId) -> None:
    """Say that an instance has stopped, unless an operation on it is under way, which will say so itself."""
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(instance_id)
    if instance is not None and _is_idle(instance) and not is_alive(cloud, instance_id):
        with suppress(LostRace):  # somebody else says it
            settle_row(cloud, instance_id)
            _log.info("instance powered off", instance=instance_id)


def _reconcile_images(cloud: Cloud, engine: Engine) -> None:
    names = {ImageState.IMPORTING: "import-image", ImageState.CREATING: "create-image"}
    with cloud.catalog.read() as tx:
        images = tx.images.in_states(names)
    for image in images:
        with _alone(image.image_id):
            match engine.progress(names[image.state], image.image_id):
                case Progress.UNKNOWN:
                    engine.start(names[image.state], image.image_id)
                case Progress.ENDED:
                    fail_image(cloud, image.image_id, _LOST)
                case Progress.UNDER_WAY:
                    pass


def _reconcile_snapshots(cloud: Cloud, engine: Engine) -> None:
    with cloud.catalog.read() as tx:
        resources = {one.group_id or one.snapshot_id for one in tx.snapshots.unfinished()}
    for resource in sorted(resources):
        with _alone(resource):
            match engine.progress("create-snapshot", resource):
                case Progress.UNKNOWN:
                    engine.start("create-snapshot", resource)
                case Progress.ENDED:
                    fail_snapshots(cloud, resource, _LOST)
                case Progress.UNDER_WAY:
                    pass


def _reconcile_rollbacks(cloud: Cloud, engine: Engine) -> None:
    """Start or end the rolling back of disks without an instance; those of instances go with them."""
    with cloud.catalog.read() as tx:
        disks = [disk for disk in tx.disks.in_states([DiskState.ROLLBACKING]) if disk.instance_id is None]
    for disk in disks:
        with _alone(disk.disk_id):
            match engine.progress("roll-back-disk", disk.disk_id, key=disk.request_id):
                case Progress.UNKNOWN:
                    engine.start("roll-back-disk", disk.disk_id, key=disk.request_id)
                case Progress.ENDED:
                    end_rollback(cloud, [disk], _LOST)
                case Progress.UNDER_WAY:
                    pass


def _delete_due(cloud: Cloud) -> None:
    """Delete the snapshots and groups whose deadline has passed."""
    for snapshots in due_snapshots(cloud):
        with _alone(snapshots[0].snapshot_id):
            if delete_due(cloud, snapshots):
                _log.info("deleted at the deadline", snapshots=[one.snapshot_id for one in snapshots])


def _reconcile_exports(cloud: Cloud, engine: Engine) -> None:
    with cloud.catalog.read() as tx:
        exports = tx.exports.all()
    for export in exports:
        with _alone(export.image_id):
            match engine.progress("export-image", export.image_id, key=export.request_id):
                case Progress.UNKNOWN:
                    engine.start("export-image", export.image_id, key=export.request_id)
                case Progress.ENDED:
                    end_export(cloud, export.image_id, export.request_id, _LOST)
                case Progress.UNDER_WAY:
                    pass


def _reconcile_copies(cloud: Cloud, engine: Engine) -> None:
    """Start the copies that wait to be, end those that were lost, and let trees on their way be read."""
    with cloud.catalog.read() as tx:
        under_way = {(f"{copy.region}/{copy.image_id}", copy.request_id) for copy in tx.copies.under_way()}
    for region, root, source in wanted_elsewhere(cloud):
        with _alone(f"tree {root} of {source} in {region}"):
            cloud.stores.read_through(region, root, source)
    for resource, key in sorted(under_way):
        with _alone(resource):
            match engine.progress("copy-image", resource, key=key):
                case Progress.UNKNOWN:
                    engine.start("copy-image", resource, key=key)
                case Progress.ENDED:
                    fail_copy(cloud, resource, _LOST)
                case Progress.UNDER_WAY:
                    pass


def _reconcile_snapshot_copies(cloud: Cloud, engine: Engine) -> None:
    with cloud.catalog.read() as tx:
        copies = tx.snapshot_copies.all()
    for copy in copies:
        with _alone(copy.snapshot_id):
            match engine.progress("copy-snapshot", copy.snapshot_id):
                case Progress.UNKNOWN:
                    engine.start("copy-snapshot", copy.snapshot_id)
                case Progress.ENDED:
                    fail_snapshot_copy(cloud, copy.snapshot_id, _LOST)
                case Progress.UNDER_WAY:
                    pass


def _reconcile_disks(cloud: Cloud, engine: Engine) -> None:
    """Start what disks in transition wait for, and put those back whose work was lost; a launch moves its own disks on."""
    with cloud.catalog.read() as tx:
        disks = tx.disks.in_states(MOVING)
        launched = {instance.instance_id for instance in tx.instances.in_states(_OWN_DISKS)}
    for disk in disks:
        if disk.instance_id is None or disk.instance_id in launched:
            continue
        with _alone(disk.disk_id):
            match engine.progress(MOVING[disk.state], disk.disk_id, key=disk.request_id):
                case Progress.UNKNOWN:
                    engine.start(MOVING[disk.state], disk.disk_id, key=disk.request_id)
                case Progress.ENDED:
                    give_up(cloud, disk.disk_id, disk.request_id, _LOST)
                case Progress.UNDER_WAY:
                    pass


def _reconcile_loose(cloud: Cloud) -> None:
    """Remove what the host keeps of disks that are no more, and give disks to the machines whose rows have them."""
    loose = cloud.machines.loose()
    with cloud.catalog.read() as tx:  # after the host: what it keeps of a new disk has a row
        rows = {disk_id: tx.disks.get(disk_id) for disk_id in loose}
    for disk_id, disk in rows.items():
        with _alone(disk_id):
            if disk is None:
                _log.warning("what is left of a disk is removed", disk=disk_id)
                cloud.machines.drop_disk(disk_id)
            elif disk.state is DiskState.ATTACHED and disk.instance_id is not None:
                _log.warning("disk is given to its machine again", disk=disk_id, instance=disk.instance_id)
                follow_rows(cloud, disk.instance_id)


def _keep_policies(cloud: Cloud) -> None:
    """Delete what policies have too much of, and bring back those that wait too long. What is due is done more often."""
    with _alone("snapshots of policies"):
        keep_amounts(cloud)
        mend_times(cloud)


def _reconcile_instances(cloud: Cloud, engine: Engine) -> None:
    with cloud.catalog.read() as tx:
        instances = tx.instances.in_states(InstanceState)
    for instance in instances:
        with _alone(instance.instance_id):
            match instance.state:
                case InstanceState.LAUNCH_FAILED:
                    _remove_failed_launch(cloud, instance)
                case InstanceState.RUNNING | InstanceState.STOPPED:
                    _reconcile_settled(cloud, engine, instance)
                case _:
                    _reconcile_moving(cloud, engine, instance)


def _reconcile_settled(cloud: Cloud, engine: Engine, instance: Instance) -> None:
    """Mend an instance that is RUNNING or STOPPED, if its machine is not or its operation was lost."""
    if not _is_idle(instance):
        if instance.latest_operation in ROLLBACKS:
            _reconcile_moving(cloud, engine, instance)
        elif not _is_being_imaged(cloud, instance, engine) and not _has_moving_disk(cloud, instance):
            settle_row(cloud, instance.instance_id, _LOST)
        return
    if is_alive(cloud, instance.instance_id) != (instance.state is InstanceState.RUNNING):
        if instance.state is InstanceState.STOPPED:
            cloud.machines.kill(instance.instance_id)
        settle_row(cloud, instance.instance_id)
    follow_groups(cloud, instance.instance_id)


def _is_being_imaged(cloud: Cloud, instance: Instance, engine: Engine) -> bool:
    """Tell whether the image of an instance is under way, or waits to be; a failed or finished image's workflow may be, too."""
    with cloud.catalog.read() as tx:
        images = tx.images.made_of(instance.instance_id)
    return any(
        image.state is ImageState.CREATING or engine.progress("create-image", image.image_id) is Progress.UNDER_WAY
        for image in images
    )


def _has_moving_disk(cloud: Cloud, instance: Instance) -> bool:
    """Tell whether the operation on an instance is one on a disk of its, which says how it ends."""
    with cloud.catalog.read() as tx:
        disks = tx.disks.of([instance.instance_id])[instance.instance_id]
    return any(disk.state in MOVING and is_operation_on(instance, disk) for disk in disks)


def _reconcile_moving(cloud: Cloud, engine: Engine, instance: Instance) -> None:
    """Start what an instance in transition waits for, or end it if that has ended."""
    candidates = _candidates(instance)
    progress = [engine.progress(name, instance.instance_id, key=key) for name, key in candidates]
    if Progress.UNDER_WAY in progress:
        return
    if Progress.ENDED not in progress or instance.state is InstanceState.TERMINATING or instance.latest_operation in ROLLBACKS:
        name, key = candidates[0]
        if Progress.ENDED not in progress:
            engine.start(name, instance.instance_id, key=key)
        elif not engine.is_under_way(name, instance.instance_id, key=key_again(key)):  # two at once would undo each other's work
            engine.start(name, instance.instance_id, key=key_again(key, f"{cloud.now():%s}"))
    elif instance.state is InstanceState.PENDING:
        with suppress(LostRace):  # it was launched just now
            _fail_launch(cloud, instance)
    else:
        settle_row(cloud, instance.instance_id, _LOST)


def _fail_launch(cloud: Cloud, instance: Instance) -> None:
    with cloud.catalog.begin() as tx:
        tx.instances.move(
            instance,
            InstanceState.LAUNCH_FAILED,
            latest_operation_state=OperationState.FAILED,
            latest_operation_error=_LOST,
        )
        tasks.fail(cloud, tx, instance.instance_id, instance.latest_request_id, _LOST)
    cloud.machines.destroy(instance.instance_id)


def _candidates(instance: Instance) -> tuple[tuple[str, str], ...]:
    """Return the workflows that may be moving an instance on, with their keys; the first is what to start if none is.

    How an instance was to be stopped is not known any more if no workflow of it is: then it is asked, which harms nobody.
    """
    request = instance.latest_request_id
    if instance.latest_operation in ROLLBACKS and instance.state is not InstanceState.TERMINATING:
        return (("roll-back", request),)
    match instance.state:
        case InstanceState.PENDING:
            return (("run-instance", ""),)
        case InstanceState.STARTING:
            return (("start-instance", request),)
        case InstanceState.STOPPING:
            return tuple((f"stop-instance-{how}", request) for how in ("soft", "soft_first", "hard"))
        case InstanceState.REBOOTING:
            insists = instance.latest_operation != "RebootInstances"  # it is restarted for a change, which must reach its machine
            hows = ("soft_first", "soft", "hard") if insists else ("soft", "soft_first", "hard")
            return tuple((f"reboot-instance-{how}", request) for how in hows)
        case _:
            return (("terminate-instance", ""),)


def _remove_failed_launch(cloud: Cloud, instance: Instance) -> None:
    if instance.created_at < cloud.now() - _FAILED_LAUNCH_LIFE:
        with cloud.catalog.begin() as tx:
            tx.disks.remove(disk.disk_id for disk in tx.disks.of([instance.instance_id])[instance.instance_id])
            tx.instances.remove(instance.instance_id)


def _remove_strange_machines(cloud: Cloud) -> None:
    for instance_id, state in cloud.machines.list().items():
        with cloud.catalog.read() as tx:
            instance = tx.instances.find(instance_id)
        if instance is None or instance.state is InstanceState.LAUNCH_FAILED:
            _log.warning("machine of no instance is removed", instance=instance_id, running=state is MachineState.RUNNING)
            with _alone(instance_id):
                cloud.machines.destroy(instance_id)


def _remove_strange_files(cloud: Cloud) -> None:
    strange = [entry for folder in ("imports", "exports") for entry in _entries(cloud.settings.state / folder)]
    with cloud.catalog.read() as tx:  # after the entries: what begins meanwhile is not strange
        under_way = {image.image_id for image in tx.images.in_states([ImageState.IMPORTING, ImageState.EXPORTING])}
    for entry in strange:
        if ImageId(entry.name) not in under_way:
            shutil.rmtree(entry, ignore_errors=True)


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _is_idle(instance: Instance) -> bool:
    return instance.latest_operation_state is not OperationState.OPERATING
