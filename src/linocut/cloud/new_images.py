"""What every way to a new image has in common: its snapshots, its place in the quota, its rows, and the dry run of all that."""

from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import SnapshotId, new_id
from linocut.model.records import DiskUsage, Image, Snapshot
from linocut.model.states import SnapshotState


class DryRunPassed(Exception):
    """Everything but the commit would have been done."""


def end_dry_run(*, dry_run: bool) -> None:
    """Take back the transaction of a dry run: raises DryRunPassed."""
    if dry_run:
        raise DryRunPassed


def take_quota(cloud: Cloud, caller: Caller, tx: Tx) -> None:
    """Make sure of a place for one more custom image until the transaction ends. Raises ImageQuotaExceeded."""
    tx.images.lock_quota(caller.account.uin, caller.region)
    if tx.images.count_owned(caller.account.uin, caller.region) >= cloud.settings.image_quota:
        raise errors.ImageQuotaExceeded(f"You have {cloud.settings.image_quota} images in {caller.region} already.")


def new_snapshot(cloud: Cloud, caller: Caller, image: Image, *, usage: DiskUsage, size_bytes: int) -> Snapshot:
    """Return the snapshot of one of a new image's disks, whose content is still to come."""
    return Snapshot(
        snapshot_id=SnapshotId(new_id("snap", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=image.name,
        usage=usage,
        state=SnapshotState.CREATING,
        size_bytes=size_bytes,
        root=None,
        disk_id=None,
        percent=0,
        created_at=image.created_at,
        windows_of=image.windows_of,
    )


def add_new_image(tx: Tx, image: Image, snapshots: tuple[Snapshot, ...]) -> None:
    """Write the rows of an image and its snapshots, the system disk's first.

    A failed image of that name makes room: it only says what came of an earlier attempt. Raises ImageNameTaken.
    """
    failed = tx.images.failed_named(image.owner, image.region, image.name)
    if failed is not None:
        unfinished = tx.snapshots.bound(failed.image_id)
        tx.images.remove(failed)
        tx.snapshots.remove(unfinished)
    for snapshot in snapshots:
        tx.snapshots.add(snapshot)
    tx.images.add(image, [snapshot.snapshot_id for snapshot in snapshots])
