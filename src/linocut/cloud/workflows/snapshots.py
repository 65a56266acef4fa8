"""How snapshots of disks come to be: one alone, or a group of several disks' of one moment.

The resource is the snapshot's id, or the group's. What failed or was cancelled leaves no row behind, only its task, which says
why.
"""

from linocut.catalog import Tx
from linocut.cloud import tasks
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, step, workflow
from linocut.cloud.workflows.pacing import paced
from linocut.cloud.workflows.taking import TakenDisks, Watch, record_taken, take_disks
from linocut.model.ids import SnapshotGroupId, SnapshotId, is_id
from linocut.model.records import Snapshot
from linocut.model.states import SnapshotState

_ALMOST: int = 99


@workflow("create-snapshot")
def create_snapshot(resource: str) -> None:
    """Take a snapshot, or the snapshots of a group."""
    taken = take_snapshots(resource)
    recorded = taken if isinstance(taken, Failed) else record_snapshots(resource, taken)
    if isinstance(recorded, Failed):
        undo_snapshots(resource, recorded.reason)


@step("create-snapshot.take")
def take_snapshots(cloud: Cloud, resource: str) -> TakenDisks:
    """Take what the disks hold at one moment."""
    with cloud.catalog.read() as tx:
        snapshots = snapshots_of(tx, resource)
    if not snapshots:
        raise LookupError(f"there is no row of {resource}")
    first = snapshots[0]
    watch = Watch(
        paced(lambda done, total: _show(cloud, resource, done, total)), tasks.canceller(cloud, resource, first.request_id)
    )
    return take_disks(cloud, first.region, snapshots, watch)


@step("create-snapshot.record")
def record_snapshots(cloud: Cloud, resource: str, taken: TakenDisks) -> None:
    """Name the trees in the catalog: the snapshots are there."""
    with cloud.catalog.begin() as tx:
        snapshots = snapshots_of(tx, resource)
        if all(snapshot.state is SnapshotState.NORMAL for snapshot in snapshots):
            return
        record_taken(tx, snapshots, taken)
        tasks.succeed(cloud, tx, resource, snapshots[0].request_id)


@step("create-snapshot.undo")
def undo_snapshots(cloud: Cloud, resource: str, reason: str) -> None:
    """Remove the rows of snapshots that did not come to be, and say why."""
    fail_snapshots(cloud, resource, reason)


def fail_snapshots(cloud: Cloud, resource: str, reason: str) -> None:
    """Remove the rows of snapshots that are under way; harmless where they are not."""
    with cloud.catalog.begin() as tx:
        snapshots = [one for one in snapshots_of(tx, resource) if one.state is SnapshotState.CREATING]
        if snapshots:
            tx.snapshots.remove(one.snapshot_id for one in snapshots)
            tasks.fail(cloud, tx, resource, snapshots[0].request_id, reason)


def snapshots_of(tx: Tx, resource: str) -> tuple[Snapshot, ...]:
    """Return the snapshot of this id, or those of the group of this id."""
    if is_id("csnap", resource):
        return tx.snapshots.of_group(SnapshotGroupId(resource))
    found = tx.snapshots.get(SnapshotId(resource))
    return () if found is None else (found,)


def _show(cloud: Cloud, resource: str, done: int, total: int) -> None:
    percent = min(100 * done // total, _ALMOST) if total else 0
    with cloud.catalog.begin() as tx:
        snapshots = snapshots_of(tx, resource)
        tx.snapshots.set_percent((one.snapshot_id for one in snapshots), percent)
        for one in snapshots[:1]:
            tasks.report(tx, resource, one.request_id, percent=percent, bytes_done=done, bytes_total=total)
