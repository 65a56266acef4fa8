"""Sharing of images between accounts. Source: CVM ModifyImageSharePermission, DescribeImageSharePermission."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import sharing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors

_PERMISSIONS: Final = {"SHARE": sharing.share_image, "CANCEL": sharing.unshare_image}


class ModifyImageSharePermission(Shape):
    """Which image, which accounts, and SHARE or CANCEL."""

    image_id: str
    account_ids: Ids
    permission: str


class DescribeImageSharePermission(Shape):
    """Which image."""

    image_id: str


class SharePermission(Shape):
    """An account that an image is shared with."""

    account_id: str
    created_time: str


class SharePermissions(Answer):
    """The answer of DescribeImageSharePermission."""

    share_permission_set: list[SharePermission]


def modify_image_share_permission(cloud: Cloud, caller: Caller, request: ModifyImageSharePermission) -> Answer:
    """Share an image with accounts, or cancel that."""
    modify = _PERMISSIONS.get(request.permission)
    if modify is None:
        raise errors.InvalidValue("Permission takes SHARE or CANCEL.")
    modify(cloud, caller, request.image_id, request.account_ids)
    return Answer()


def describe_image_share_permission(cloud: Cloud, caller: Caller, request: DescribeImageSharePermission) -> SharePermissions:
    """List the accounts that an image is shared with."""
    shares = sharing.list_shares(cloud, caller, request.image_id)
    return SharePermissions(
        share_permission_set=[
            SharePermission(account_id=share.account, created_time=wire_time(share.created_at)) for share in shares
        ]
    )


_OWN_IMAGE: Final = (errors.ImageIdMalformed, errors.ImageNotFound, errors.NotImageOwner)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="ModifyImageSharePermission",
        request=ModifyImageSharePermission,
        handle=modify_image_share_permission,
        is_mutating=True,
        codes=codes(
            *_OWN_IMAGE,
            errors.InvalidValue,
            errors.TooManyValues,
            errors.AccountNotFound,
            errors.ShareWithSelf,
            errors.ShareQuotaExceeded,
            errors.ByolImageShare,
            errors.ParameterMissing,
            errors.LostRace,
            special={
                errors.ImageStateForbids: "InvalidParameterValue.InvalidImageState",
                errors.ImageIsPublic: "InvalidParameterValue.InvalidImageId",
                errors.ImageIsRedHat: "FailedOperation.RImageShareFailed",
            },
        ),
    ),
    Action(
        name="DescribeImageSharePermission",
        request=DescribeImageSharePermission,
        handle=describe_image_share_permission,
        codes=codes(*_OWN_IMAGE),
    ),
)
