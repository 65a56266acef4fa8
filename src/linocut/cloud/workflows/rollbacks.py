"""Making a machine's disks what their rows say after they were rolled back, while it is off; or dropping what a loose one held.

The rows were decided before: should this fail half-way, the next start of the instance, or the next attachment of the disk,
brings about what they say.
"""

from collections.abc import Sequence

from linocut.cloud import tasks
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, asked_by, step, workflow
from linocut.cloud.workflows.instances import power_off, power_on, settle_row
from linocut.cloud.workflows.machine_specs import prepare_as_row_says, read_instance
from linocut.model.ids import DiskId, InstanceId
from linocut.model.records import Disk
from linocut.model.states import DiskState, InstanceState


@workflow("roll-back")
def roll_back(instance_id: str) -> None:
    """Roll disks of an instance back."""
    starts = plan_rollback(instance_id)
    outcome = starts if isinstance(starts, Failed) else power_off(instance_id, ask=True, insist=True)
    if not isinstance(outcome, Failed):
        outcome = power_on(instance_id) if starts is True else renew_disks(instance_id)
    settle_rollback(instance_id, outcome.reason if isinstance(outcome, Failed) else "")


@workflow("roll-back-disk")
def roll_back_disk(disk_id: str) -> None:
    """Roll a disk back that has no instance."""
    dropped = drop_content(disk_id)
    settle_disk(disk_id, dropped.reason if isinstance(dropped, Failed) else "")


@step("roll-back.plan")
def plan_rollback(cloud: Cloud, instance_id: str) -> bool:
    """Return whether the instance is to run afterwards."""
    instance, _ = read_instance(cloud, instance_id)
    return instance.state in {InstanceState.REBOOTING, InstanceState.STARTING}


@step("roll-back.renew")
def renew_disks(cloud: Cloud, instance_id: str) -> None:
    """Give the machine, which is off, its disks' new contents."""
    prepare_as_row_says(cloud, InstanceId(instance_id))


@step("roll-back.settle")
def settle_rollback(cloud: Cloud, instance_id: str, reason: str) -> None:
    """Say that the disks are at rest again, and what the instance is."""
    _, disks = read_instance(cloud, instance_id)
    end_rollback(cloud, disks, reason, request_id=asked_by())
    settle_row(cloud, InstanceId(instance_id), reason, request_id=asked_by())


@step("roll-back-disk.drop")
def drop_content(cloud: Cloud, disk_id: str) -> None:
    """Drop what the disk held: it is its tree again."""
    cloud.machines.drop_disk(DiskId(disk_id))


@step("roll-back-disk.settle")
def settle_disk(cloud: Cloud, disk_id: str, reason: str) -> None:
    """Say that the disk is at rest again."""
    with cloud.catalog.read() as tx:
        disk = tx.disks.get(DiskId(disk_id))
    end_rollback(cloud, [] if disk is None else [disk], reason, request_id=asked_by())


def end_rollback(cloud: Cloud, disks: Sequence[Disk], reason: str, *, request_id: str = "") -> None:
    """Let those of the disks be at rest that are being rolled back, for this request if one is named, and end their tasks."""
    with cloud.catalog.begin() as tx:
        for disk in disks:
            if disk.state is DiskState.ROLLBACKING and request_id in {"", disk.request_id}:
                tx.disks.move(disk, DiskState.UNATTACHED if disk.instance_id is None else DiskState.ATTACHED)
                tasks.end(cloud, tx, disk.disk_id, disk.request_id, reason)
