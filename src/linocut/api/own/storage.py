"""Storage truth: what snapshots and images of the region store, share, and free."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import storage
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.storage import UsageBy
from linocut.model import errors


class DescribeStorageUsage(Shape):
    """What to tell of each: SNAPSHOT, IMAGE or ACCOUNT; of the caller's own, or, if the operator asks, of all accounts'."""

    by: str = UsageBy.SNAPSHOT.value
    all_accounts: bool = False


class StorageUsage(Shape):
    """What a snapshot, an image or an account holds; one kind more for what disks stand on, one for snapshots of no image.

    Bytes: its disks' sizes; their distinct chunks before compression, without holes; what it reaches in the store; what of that
    others of the answer reach, too; and what deleting it alone would free in the end.
    """

    kind: str
    name: str
    owner: str
    logical_bytes: int
    data_bytes: int
    stored_bytes: int
    shared_bytes: int
    freed_bytes: int


class StorageUsages(Answer):
    """The answer of DescribeStorageUsage: what is unique to one and what several share is the total."""

    storage_usage_set: list[StorageUsage]
    total_data_bytes: int
    total_stored_bytes: int
    shared_stored_bytes: int


def describe_storage_usage(cloud: Cloud, caller: Caller, request: DescribeStorageUsage) -> StorageUsages:
    """Return what snapshots, images or accounts hold in the region, those first that free most."""
    if request.by not in set(UsageBy):
        raise errors.InvalidValue(f"By takes {', '.join(UsageBy)}.")
    usage = storage.storage_usage(cloud, caller, UsageBy(request.by), all_accounts=request.all_accounts)
    return StorageUsages(
        storage_usage_set=[
            StorageUsage(
                kind=row.group.kind,
                name=row.group.name,
                owner=row.group.owner,
                logical_bytes=row.logical_bytes,
                data_bytes=row.data_bytes,
                stored_bytes=row.stored_bytes,
                shared_bytes=row.shared_bytes,
                freed_bytes=row.freed_bytes,
            )
            for row in usage.rows
        ],
        total_data_bytes=usage.total.plain_bytes,
        total_stored_bytes=usage.total.stored_bytes,
        shared_stored_bytes=usage.shared.stored_bytes,
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeStorageUsage",
        request=DescribeStorageUsage,
        handle=describe_storage_usage,
        codes=codes(errors.OperatorOnly, errors.InvalidValue),
    ),
)
