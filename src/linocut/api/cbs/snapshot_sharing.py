"""Sharing of snapshots. Source: CBS ModifySnapshotsSharePermission, DescribeSnapshotSharePermission."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, beijing_time
from linocut.api.cvm.sharing import SharePermission, SharePermissions
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import snapshot_sharing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors

_PERMISSIONS: Final = {"SHARE": snapshot_sharing.share_snapshots, "CANCEL": snapshot_sharing.unshare_snapshots}


class ModifySnapshotsSharePermission(Shape):
    """Which snapshots, which accounts, and SHARE or CANCEL."""

    snapshot_ids: Ids
    account_ids: Ids
    permission: str


class DescribeSnapshotSharePermission(Shape):
    """Which snapshot."""

    snapshot_id: str


def modify_snapshots_share_permission(cloud: Cloud, caller: Caller, request: ModifySnapshotsSharePermission) -> Answer:
    """Share snapshots with accounts, or cancel that."""
    modify = _PERMISSIONS.get(request.permission)
    if modify is None:
        raise errors.InvalidValue("Permission takes SHARE or CANCEL.")
    modify(cloud, caller, request.snapshot_ids, request.account_ids)
    return Answer()


def describe_snapshot_share_permission(
    cloud: Cloud, caller: Caller, request: DescribeSnapshotSharePermission
) -> SharePermissions:
    """List the accounts that a snapshot is shared with."""
    shares = snapshot_sharing.list_snapshot_shares(cloud, caller, request.snapshot_id)
    return SharePermissions(
        share_permission_set=[
            SharePermission(account_id=share.account, created_time=beijing_time(share.created_at)) for share in shares
        ]
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="ModifySnapshotsSharePermission",
        request=ModifySnapshotsSharePermission,
        handle=modify_snapshots_share_permission,
        is_mutating=True,
        codes=codes(
            errors.SnapshotNotFound,
            errors.SnapshotUnsuitable,
            errors.ParameterMissing,
            special={
                errors.InvalidValue: "InvalidParameter",
                errors.TooManyValues: "InvalidParameter",
                errors.AccountNotFound: "InvalidParameter",
                errors.ShareWithSelf: "InvalidParameter",
                errors.SnapshotUnfinished: "InvalidSnapshot.NotSupported",
                errors.ShareQuotaExceeded: "ResourceInsufficient.OverQuota",
                errors.LostRace: "ResourceBusy",
            },
        ),
    ),
    Action(
        name="DescribeSnapshotSharePermission",
        request=DescribeSnapshotSharePermission,
        handle=describe_snapshot_share_permission,
        codes=codes(errors.SnapshotNotFound),
    ),
)
