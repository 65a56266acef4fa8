"""Disks that come, go and grow, and what becomes of those that are given back.

Each workflow carries out what an API call decided on one disk, whose row is ATTACHING, DETACHING or EXPANDING with the call's
request id. One step has the machine be what the rows say, and moves the row on, in one turn of the instance: so nobody makes the
machine what it was between the two. Where that fails, the row goes back, and so does the machine. Of other disks on their way to
the machine no step says anything: each has one of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from linocut.cloud import tasks
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, step, workflow
from linocut.cloud.workflows.machine_specs import read_instance, require_trees, spec_of
from linocut.machines import DiskInUse, MachineError, MachineGone
from linocut.model.ids import DiskId, InstanceId
from linocut.model.records import Disk, Instance
from linocut.model.states import DiskState, OperationState

_TEXT: Final = 1024
MOVING: Final = {
    DiskState.ATTACHING: "attach-disk",
    DiskState.DETACHING: "detach-disk",
    DiskState.EXPANDING: "expand-disk",
}
"""The workflow that a disk in transition waits for."""
_log = structlog.get_logger(__name__)


@workflow("attach-disk")
def attach_disk(disk_id: str) -> None:
    """Give a disk to its instance's machine."""
    _carry_out(disk_id, plug)


@workflow("detach-disk")
def detach_disk(disk_id: str) -> None:
    """Take a disk from its instance's machine."""
    _carry_out(disk_id, unplug)


@workflow("expand-disk")
def expand_disk(disk_id: str) -> None:
    """Make a disk as large as its row says."""
    _carry_out(disk_id, grow)


@workflow("drop-disk")
def drop_disk(disk_id: str) -> None:
    """Remove what a host keeps of a disk that is no more."""
    drop(disk_id)


def _carry_out(disk_id: str, change: Callable[[str, str], Failed | None]) -> None:
    request_id = plan(disk_id)
    if isinstance(request_id, Failed):
        return
    done = change(disk_id, request_id)
    if isinstance(done, Failed):
        put_back(disk_id, request_id, done.reason)


@step("disk.plan")
def plan(cloud: Cloud, disk_id: str) -> str:
    """Return the call that decided on the disk: another one's decision is another workflow's."""
    with cloud.catalog.read() as tx:
        disk = tx.disks.get(DiskId(disk_id))
    return "" if disk is None else disk.request_id


@step("attach-disk.plug")
def plug(cloud: Cloud, disk_id: str, request_id: str) -> None:
    """Have the machine have the disk, and say so."""
    with _turn(cloud, disk_id, request_id, DiskState.ATTACHING) as disk:
        if disk is not None:
            require_trees(cloud, disk.region, [disk])
            _prepare(cloud, disk, lambda one: one.state is not DiskState.ATTACHING or one.disk_id == disk.disk_id)
            _settle(cloud, disk, DiskState.ATTACHED)


@step("detach-disk.unplug")
def unplug(cloud: Cloud, disk_id: str, request_id: str) -> Failed | None:
    """Have the machine be without the disk, and say so."""
    with _turn(cloud, disk_id, request_id, DiskState.DETACHING) as disk:
        if disk is not None:
            try:
                _prepare(cloud, disk, lambda one: one.state is not DiskState.ATTACHING and one.disk_id != disk.disk_id)
            except DiskInUse:
                return Failed("The guest does not let go of the disk: unmount it there, or stop the instance.")
            _settle(cloud, disk, DiskState.UNATTACHED)
    return None


@step("expand-disk.grow")
def grow(cloud: Cloud, disk_id: str, request_id: str) -> None:
    """Have the machine's disk be as large as its row says, and say so."""
    with _turn(cloud, disk_id, request_id, DiskState.EXPANDING) as disk:
        if disk is not None:
            _prepare(cloud, disk, lambda one: one.state is not DiskState.ATTACHING)
            _settle(cloud, disk, DiskState.ATTACHED)


@step("disk.put-back")
def put_back(cloud: Cloud, disk_id: str, request_id: str, reason: str) -> None:
    """Say that the disk did not come, go or grow, and why."""
    give_up(cloud, DiskId(disk_id), request_id, reason)


@step("drop-disk.drop")
def drop(cloud: Cloud, disk_id: str) -> None:
    """Remove the disk's overlay; reconciling tries again where that fails."""
    cloud.machines.drop_disk(DiskId(disk_id))


def give_up(cloud: Cloud, disk_id: DiskId, request_id: str, reason: str) -> None:
    """Say of a disk in transition that it did not come, go or grow, and why; harmless where it is in none.

    A disk that could not come is taken from the machine again; where even that fails it stays, for the machine may have it. One
    that could not grow does so when its machine is next started.
    """
    with _turn(cloud, disk_id, request_id, *MOVING) as disk:
        if disk is not None:
            back = disk.state is DiskState.ATTACHING and _is_withdrawn(cloud, disk)
            _settle(cloud, disk, DiskState.UNATTACHED if back else DiskState.ATTACHED, reason)


def follow_rows(cloud: Cloud, instance_id: InstanceId) -> None:
    """Have the machine of an instance that is doing nothing else have the disks that its rows say."""
    with cloud.turns.of(instance_id):
        instance, disks = read_instance(cloud, instance_id)
        if instance.latest_operation_state is not OperationState.OPERATING:
            cloud.machines.state(instance_id)  # one that is gone is not made anew
            settled = tuple(disk for disk in disks if disk.state is not DiskState.ATTACHING)
            cloud.machines.prepare(spec_of(cloud, instance, settled))


def _is_withdrawn(cloud: Cloud, disk: Disk) -> bool:
    """Have the machine be without a disk that could not come, and tell whether it is."""
    try:
        _prepare(cloud, disk, lambda one: one.state is not DiskState.ATTACHING)
    except MachineGone:
        return True
    except MachineError as error:
        _log.warning("disk stays with its machine", disk=disk.disk_id, why=str(error), detail=error.detail)
        return False
    return True


@contextmanager
def _turn(cloud: Cloud, disk_id: str, request_id: str, *states: DiskState) -> Iterator[Disk | None]:
    """Have the turn of the disk's instance, and yield the disk as it then is; None where this call's decision has come about."""
    with cloud.catalog.read() as tx:
        disk = tx.disks.get(DiskId(disk_id))
    if disk is None or disk.instance_id is None:
        yield None
        return
    with cloud.turns.of(disk.instance_id):
        with cloud.catalog.read() as tx:
            disk = tx.disks.get(DiskId(disk_id))
        is_still = disk is not None and disk.state in states and disk.request_id == request_id
        yield disk if is_still else None


def _prepare(cloud: Cloud, disk: Disk, has: Callable[[Disk], bool]) -> None:
    """Have the machine of the disk's instance have these of the instance's disks, as their rows say."""
    if disk.instance_id is None:
        raise LookupError(f"{disk.disk_id} is of no instance")
    instance, disks = read_instance(cloud, disk.instance_id)
    cloud.machines.state(instance.instance_id)  # one that is gone is not made anew: what its disks held is gone
    cloud.machines.prepare(spec_of(cloud, instance, tuple(filter(has, disks))))


def _settle(cloud: Cloud, disk: Disk, to: DiskState, reason: str = "") -> None:
    """Move the row on, end its task, and the operation on its instance where it is one."""
    with cloud.catalog.begin() as tx:
        instance = None
        if disk.instance_id is not None:
            tx.instances.lock([disk.instance_id])
            instance = tx.instances.find(disk.instance_id)
        if to is DiskState.UNATTACHED:
            tx.disks.move(disk, to, instance_id=None, last_instance=disk.instance_id, position=0)
        else:
            tx.disks.move(disk, to)
        if instance is not None and is_operation_on(instance, disk):
            state = OperationState.FAILED if reason else OperationState.SUCCESS
            tx.instances.update(instance, latest_operation_state=state, latest_operation_error=reason[:_TEXT])
        tasks.end(cloud, tx, disk.disk_id, disk.request_id, reason)


def is_operation_on(instance: Instance, disk: Disk) -> bool:
    """Tell whether what is under way on the disk is the operation that is under way on its instance."""
    return instance.latest_operation_state is OperationState.OPERATING and instance.latest_request_id == disk.request_id
