"""Sharing: letting other accounts of the same region start instances from a custom image."""

from collections.abc import Sequence
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import listing
from linocut.cloud.arrears import require_not_isolated
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import visible_image
from linocut.model import errors
from linocut.model.ids import Uin
from linocut.model.records import Image, Share
from linocut.model.states import ImageState

_SHARED_STATES: Final = frozenset({ImageState.NORMAL, ImageState.SYNCING, ImageState.EXPORTING})


def share_image(cloud: Cloud, caller: Caller, image_id: str, accounts: Sequence[str]) -> None:
    """Let other accounts start instances from a custom image. Sharing twice is harmless.

    Raises ImageIdMalformed, ImageNotFound, NotImageOwner, ImageIsPublic, ImageStateForbids, ByolImageShare, ShareWithSelf,
    ImageIsRedHat, AccountNotFound, ShareQuotaExceeded, TooManyValues. Source: CVM ModifyImageSharePermission.
    """
    wanted = _accounts(cloud, accounts)
    with cloud.catalog.begin() as tx:
        image = _own(tx, caller, image_id, wanted)
        if image.state is not ImageState.NORMAL:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        require_not_isolated(tx, image)
        if image.license_type == "BYOL":
            raise errors.ByolImageShare(f"Image {image_id} carries its own licence and cannot be shared.")
        if image.platform == "RedHat":
            raise errors.ImageIsRedHat(f"Image {image_id} holds Red Hat Enterprise Linux and cannot be shared.")
        missing = tx.accounts.missing(wanted)
        if missing:
            raise errors.AccountNotFound(f"There is no account {missing[0]}.")
        tx.shares.add(image.image_id, wanted, cloud.now())
        if tx.shares.count(image.image_id) > cloud.settings.share_quota:
            raise errors.ShareQuotaExceeded(f"An image is shared with up to {cloud.settings.share_quota} accounts.")


def unshare_image(cloud: Cloud, caller: Caller, image_id: str, accounts: Sequence[str]) -> None:
    """Take a custom image back from accounts; their running instances go on. Cancelling twice is harmless.

    An image that is being copied or exported is taken back at once, too. Raises ImageIdMalformed, ImageNotFound, NotImageOwner,
    ImageIsPublic, ImageStateForbids, ShareWithSelf, ParameterMissing, TooManyValues. Source: CVM ModifyImageSharePermission.
    """
    wanted = _accounts(cloud, accounts)
    with cloud.catalog.begin() as tx:
        image = _own(tx, caller, image_id, wanted)
        if image.state not in _SHARED_STATES:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        tx.shares.remove(image.image_id, wanted)


def list_shares(cloud: Cloud, caller: Caller, image_id: str) -> tuple[Share, ...]:
    """Return the accounts that an own image is shared with.

    Raises ImageIdMalformed, ImageNotFound, NotImageOwner. Source: CVM DescribeImageSharePermission.
    """
    with cloud.catalog.read() as tx:
        image = visible_image(tx, caller, image_id)
        _require_owner(caller, image)
        return tx.shares.of(image.image_id)


def _accounts(cloud: Cloud, accounts: Sequence[str]) -> tuple[Uin, ...]:
    if not accounts:
        raise errors.ParameterMissing("AccountIds is empty.")
    listing.check_count("AccountIds", accounts, cloud.settings.share_quota)
    return tuple(Uin(account) for account in dict.fromkeys(accounts))


def _own(tx: Tx, caller: Caller, image_id: str, accounts: Sequence[Uin]) -> Image:
    image = visible_image(tx, caller, image_id)
    _require_owner(caller, image)
    if caller.account.uin in accounts:
        raise errors.ShareWithSelf("An image is not shared with its owner.")
    if image.is_public:
        raise errors.ImageIsPublic(f"Image {image_id} is public.")
    return image


def _require_owner(caller: Caller, image: Image) -> None:
    if image.owner != caller.account.uin:
        raise errors.NotImageOwner(f"Image {image.image_id} is not yours.")
