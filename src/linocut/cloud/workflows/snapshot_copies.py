"""How a snapshot comes to another region.

The nodes of its tree come first, so that a sweep there knows what belongs together, and then what the region's store lacks of
its chunks. A copy that was killed goes on where it was. One that fails or is cancelled leaves no row behind, only its task, which
says why.
"""

import threading
from typing import Final

from linocut.cloud import tasks
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, step, workflow
from linocut.cloud.workflows.pacing import paced, turn
from linocut.model.ids import SnapshotId
from linocut.model.records import SnapshotCopy

_CONCURRENT_COPIES: Final = threading.BoundedSemaphore(2)
"""Each copy has threads and a list of all its chunks; the rest wait their turn."""
_ALMOST: Final = 99
"""Percent, until the snapshot may be used."""


@workflow("copy-snapshot")
def copy_snapshot(resource: str) -> None:
    """Bring a snapshot to its region."""
    begun = copy_snapshot_nodes(resource)
    copied = begun if isinstance(begun, Failed) else copy_snapshot_chunks(resource)
    recorded = copied if isinstance(copied, Failed) else record_snapshot_copied(resource)
    if isinstance(recorded, Failed):
        undo_snapshot_copy(resource, recorded.reason)


@step("copy-snapshot.nodes")
def copy_snapshot_nodes(cloud: Cloud, resource: str) -> None:
    """Have the tree arrive: copy what says which chunks it has."""
    copy = _find(cloud, resource)
    if copy is not None:
        tasks.require_wanted(cloud, copy.snapshot_id, copy.request_id)
        cloud.stores.store(copy.region).copy_nodes(cloud.stores.store(copy.source_region), [copy.root])


@step("copy-snapshot.chunks")
def copy_snapshot_chunks(cloud: Cloud, resource: str) -> None:
    """Copy what the region lacks of the tree."""
    copy = _find(cloud, resource)
    if copy is None:
        return
    cancelled = tasks.canceller(cloud, copy.snapshot_id, copy.request_id)
    with turn(_CONCURRENT_COPIES, cancelled):
        cloud.stores.store(copy.region).copy_trees(
            cloud.stores.store(copy.source_region),
            [copy.root],
            progress=paced(lambda done, total: show_copied(cloud, copy, done, total)),
            cancelled=cancelled,
        )


@step("copy-snapshot.record")
def record_snapshot_copied(cloud: Cloud, resource: str) -> None:
    """Say that the snapshot has come."""
    with cloud.catalog.begin() as tx:
        copy = tx.snapshot_copies.get(SnapshotId(resource))
        snapshot = tx.snapshots.get(SnapshotId(resource))
        if copy is None or snapshot is None:
            return
        tx.snapshots.finish(snapshot.snapshot_id, copy.root, snapshot.size_bytes)
        tx.snapshot_copies.remove(snapshot.snapshot_id)
        tasks.succeed(cloud, tx, resource, copy.request_id)


@step("copy-snapshot.undo")
def undo_snapshot_copy(cloud: Cloud, resource: str, reason: str) -> None:
    """Remove the row of a snapshot that does not come, and say why."""
    fail_snapshot_copy(cloud, resource, reason)


def fail_snapshot_copy(cloud: Cloud, resource: str, reason: str) -> None:
    """Remove a snapshot that is still to come; harmless where it has come."""
    with cloud.catalog.begin() as tx:
        copy = tx.snapshot_copies.get(SnapshotId(resource))
        if copy is not None:
            tx.snapshot_copies.remove(copy.snapshot_id)
            tx.snapshots.remove([copy.snapshot_id])
            tasks.fail(cloud, tx, resource, copy.request_id, reason)


def show_copied(cloud: Cloud, copy: SnapshotCopy, done: int, total: int) -> None:
    """Show how far a copy is, by its bytes."""
    percent = min(100 * done // total, _ALMOST) if total else 0
    with cloud.catalog.begin() as tx:
        tx.snapshots.set_percent([copy.snapshot_id], percent)
        tasks.report(tx, copy.snapshot_id, copy.request_id, percent=percent, bytes_done=done, bytes_total=total)


def _find(cloud: Cloud, resource: str) -> SnapshotCopy | None:
    with cloud.catalog.read() as tx:
        return tx.snapshot_copies.get(SnapshotId(resource))
