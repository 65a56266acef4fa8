"""Snapshots that have come to their deadline: they are deleted, unless something was made of them that needs them."""

from collections.abc import Sequence
from typing import Final

from linocut.cloud.context import Cloud
from linocut.model.records import Snapshot

_AT_A_TIME: Final = 1000


def due_snapshots(cloud: Cloud) -> tuple[tuple[Snapshot, ...], ...]:
    """Return snapshots whose deadline has passed, those of a group that is due together."""
    with cloud.catalog.read() as tx:
        alone = tx.snapshots.due(cloud.now(), _AT_A_TIME)
        groups = [tx.snapshots.of_group(group.group_id) for group in tx.snapshot_groups.due(cloud.now(), _AT_A_TIME)]
    return (*((one,) for one in alone), *(group for group in groups if group))


def delete_due(cloud: Cloud, snapshots: Sequence[Snapshot]) -> bool:
    """Delete snapshots together, and tell whether that was done: not where an image is made of one by now, or one is shared.

    Raises LostRace.
    """
    ids = [one.snapshot_id for one in snapshots]
    first = snapshots[0]
    with cloud.catalog.begin() as tx:
        held = tx.snapshot_shares.lock(first.owner, first.region, ids)
        kept_longer = {one.snapshot_id: one.deadline for one in held} != {one.snapshot_id: one.deadline for one in snapshots}
        if kept_longer or tx.snapshot_shares.shared_ones(ids) or any(tx.snapshots.images_of(one) for one in ids):
            return False
        tx.snapshots.remove(ids)
    return True
