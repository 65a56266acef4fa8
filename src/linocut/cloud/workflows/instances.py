"""The lives of instances: run, start, stop, reboot, terminate.

Each workflow carries out one decision that an API call recorded: the row is in a state of transition, and its latest operation is
OPERATING. The workflow's last step moves the row on, with SUCCESS or FAILED. Undoing a launch is destroying the machine.
"""

import time
from typing import Final

from linocut.cloud import tasks
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, asked_by, step, workflow
from linocut.cloud.workflows.forwarding import follow_groups
from linocut.cloud.workflows.machine_specs import prepare_as_row_says, read_instance, require_trees, spec_of
from linocut.machines import MachineGone, MachineState
from linocut.model.ids import InstanceId
from linocut.model.records import DiskUsage
from linocut.model.states import DiskState, InstanceState, OperationState

_TEXT: Final = 1024
_REINSTALLED_S: Final = 20.0


@workflow("run-instance")
def run_instance(instance_id: str) -> None:
    """Launch a pending instance."""
    launched = launch(instance_id)
    if isinstance(launched, Failed):
        undo_launch(instance_id)
        record_launch_failed(instance_id, launched.reason)
    else:
        record_launched(instance_id, launched)


@workflow("start-instance")
def start_instance(instance_id: str) -> None:
    """Power a stopped instance on."""
    _settle(instance_id, power_on(instance_id))


@workflow("stop-instance-soft")
def stop_instance_soft(instance_id: str) -> None:
    """Ask an instance to power off; it stays on if it does not."""
    _settle(instance_id, power_off(instance_id, ask=True, insist=False))


@workflow("stop-instance-soft_first")
def stop_instance_soft_first(instance_id: str) -> None:
    """Ask an instance to power off, then pull the plug."""
    _settle(instance_id, power_off(instance_id, ask=True, insist=True))


@workflow("stop-instance-hard")
def stop_instance_hard(instance_id: str) -> None:
    """Pull an instance's plug."""
    _settle(instance_id, power_off(instance_id, ask=False, insist=True))


@workflow("reboot-instance-soft")
def reboot_instance_soft(instance_id: str) -> None:
    """Ask an instance to power off, and power it on again."""
    _reboot(instance_id, ask=True, insist=False)


@workflow("reboot-instance-soft_first")
def reboot_instance_soft_first(instance_id: str) -> None:
    """Ask an instance to power off, then pull the plug, and power it on again."""
    _reboot(instance_id, ask=True, insist=True)


@workflow("reboot-instance-hard")
def reboot_instance_hard(instance_id: str) -> None:
    """Pull an instance's plug, and power it on again."""
    _reboot(instance_id, ask=False, insist=True)


@workflow("terminate-instance")
def terminate_instance(instance_id: str) -> None:
    """End an instance, with those of its disks that end with it."""
    gone = destroy(instance_id)
    if not isinstance(gone, Failed):
        forget(instance_id)


def _reboot(instance_id: str, *, ask: bool, insist: bool) -> None:
    off = power_off(instance_id, ask=ask, insist=insist)
    _settle(instance_id, off if isinstance(off, Failed) else power_on(instance_id))


def _patience_s(cloud: Cloud, instance_id: InstanceId) -> float:
    """Return how long a guest may take to power off: not long where its system is about to be thrown away, broken or not."""
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(instance_id)
        disks = tx.disks.of([instance_id])[instance_id]
    is_rolled = any(disk.usage is DiskUsage.SYSTEM_DISK and disk.state is DiskState.ROLLBACKING for disk in disks)
    is_renewed = is_rolled or (instance is not None and instance.latest_operation == "ResetInstance")
    return min(cloud.settings.shutdown_timeout_s, _REINSTALLED_S) if is_renewed else cloud.settings.shutdown_timeout_s


def _settle(instance_id: str, outcome: Failed | None) -> None:
    settle(instance_id, outcome.reason if isinstance(outcome, Failed) else "")


@step("run-instance.launch")
def launch(cloud: Cloud, instance_id: str) -> dict[str, float]:
    """Make the machine and start it; return what each part took in milliseconds."""
    instance, disks = read_instance(cloud, instance_id)
    begun = time.monotonic()
    require_trees(cloud, instance.region, disks)
    cloud.machines.prepare(spec_of(cloud, instance, disks))
    prepared = time.monotonic()
    queued_s = (cloud.now() - instance.created_at).total_seconds() - (prepared - begun)
    started = cloud.machines.start(instance.instance_id)
    return {
        "queue": 1000 * max(queued_s, 0.0),
        "prepare": 1000 * (prepared - begun),
        "spawn": 1000 * started.spawn_s,
        "ready": 1000 * started.ready_s,
    }


@step("run-instance.undo-launch")
def undo_launch(cloud: Cloud, instance_id: str) -> None:
    """Remove the machine of a launch that failed."""
    cloud.machines.destroy(InstanceId(instance_id))


@step("run-instance.record-launched")
def record_launched(cloud: Cloud, instance_id: str, launch_ms: dict[str, float]) -> None:
    """Say that the instance runs."""
    instance, disks = read_instance(cloud, instance_id)
    if instance.state is not InstanceState.PENDING:
        return
    with cloud.catalog.begin() as tx:
        tx.instances.move(
            instance,
            InstanceState.RUNNING,
            latest_operation_state=OperationState.SUCCESS,
            started_at=cloud.now(),
            launch_ms=launch_ms,
        )
        tasks.succeed(cloud, tx, instance.instance_id, instance.latest_request_id)
        for disk in disks:
            if disk.state is DiskState.ATTACHING:
                tx.disks.move(disk, DiskState.ATTACHED)
    follow_groups(cloud, instance.instance_id)  # they may have changed while it was launched
    if not is_alive(cloud, instance.instance_id):  # it ended before there was a row to say so
        settle_row(cloud, instance.instance_id)


@step("run-instance.record-failed")
def record_launch_failed(cloud: Cloud, instance_id: str, reason: str) -> None:
    """Say that the instance did not start, and why."""
    instance, _ = read_instance(cloud, instance_id)
    if instance.state is InstanceState.PENDING:
        with cloud.catalog.begin() as tx:
            tx.instances.move(
                instance,
                InstanceState.LAUNCH_FAILED,
                latest_operation_state=OperationState.FAILED,
                latest_operation_error=reason[:_TEXT],
            )
            tasks.fail(cloud, tx, instance.instance_id, instance.latest_request_id, reason)


@step("instance.power-on")
def power_on(cloud: Cloud, instance_id: str) -> None:
    """Make the machine as its row now says, a fresh system disk included, and start it."""
    known = InstanceId(instance_id)
    prepare_as_row_says(cloud, known)
    cloud.machines.start(known)


@step("instance.power-off")
def power_off(cloud: Cloud, instance_id: str, *, ask: bool, insist: bool) -> Failed | None:
    """Power the machine off: ask it, or pull the plug, or the one after the other."""
    known = InstanceId(instance_id)
    if ask and cloud.machines.shut_down(known, timeout_s=_patience_s(cloud, known)):
        return None
    if not insist:
        return Failed("The guest did not power off in time.")
    cloud.machines.kill(known)
    return None


@step("instance.settle")
def settle(cloud: Cloud, instance_id: str, reason: str) -> None:
    """Move the row to what the machine is, and say how the operation ended."""
    settle_row(cloud, InstanceId(instance_id), reason, request_id=asked_by())


@step("terminate-instance.destroy")
def destroy(cloud: Cloud, instance_id: str) -> None:
    """Remove the machine with all its files, but for the disks that do not end with it."""
    known = InstanceId(instance_id)
    with cloud.catalog.read() as tx:
        stay = [disk.disk_id for disk in tx.disks.of([known])[known] if not disk.delete_with_instance]
    cloud.machines.destroy(known, keep=stay)


@step("terminate-instance.forget")
def forget(cloud: Cloud, instance_id: str) -> None:
    """Remove the rows of the instance and of its disks; those that do not end with it are attached to nothing then."""
    with cloud.catalog.begin() as tx:
        instance = tx.instances.find(InstanceId(instance_id))
        if instance is not None:
            tasks.succeed(cloud, tx, instance.instance_id, instance.latest_request_id)
        tx.instances.remove(InstanceId(instance_id))


def settle_row(cloud: Cloud, instance_id: InstanceId, reason: str = "", *, request_id: str = "") -> None:
    """Make an instance's row say what its machine is, and end its operation: FAILED where there is a reason, or SUCCESS.

    Harmless where the row is gone, still pending, or ending, and where a later request than this one has come, whose operation is
    not this one's to end: a step runs again when the service is killed right after it.
    """
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(instance_id)
    settled = {InstanceState.PENDING, InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING}
    if instance is None or instance.state in settled:
        return
    if request_id and instance.latest_request_id != request_id:
        return
    alive = is_alive(cloud, instance_id)
    to = InstanceState.RUNNING if alive else InstanceState.STOPPED
    ended = OperationState.FAILED if reason else OperationState.SUCCESS
    with cloud.catalog.begin() as tx:
        if instance.latest_operation_state is OperationState.OPERATING:
            instance = tx.instances.update(instance, latest_operation_state=ended, latest_operation_error=reason[:_TEXT])
            tasks.end(cloud, tx, instance.instance_id, instance.latest_request_id, reason)
        if instance.state is not to:
            tx.instances.move(instance, to)


def is_alive(cloud: Cloud, instance_id: InstanceId) -> bool:
    """Tell whether an instance's machine runs."""
    try:
        return cloud.machines.state(instance_id) is MachineState.RUNNING
    except MachineGone:
        return False
