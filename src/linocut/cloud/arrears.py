"""Arrears: while an account's balance is below zero, its snapshots and images are isolated, and in the end deleted.

Isolated means that they stay as they are and that nothing is done with them. Whoever is isolated is warned each day of when they
will be deleted; a payment gives them back at once. Instances and disks stay. All of it only where a setting says so.
"""

from datetime import timedelta
from typing import Final

import structlog

from linocut.catalog import Tx
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.amounts import two_places
from linocut.model.ids import SnapshotId, Uin
from linocut.model.records import Account, Image
from linocut.model.states import ImageState
from linocut.model.usage import Balance

_WARN_AGAIN: Final = timedelta(days=1)
_UNDER_WAY: Final = frozenset({ImageState.CREATING, ImageState.IMPORTING, ImageState.SYNCING, ImageState.EXPORTING})
_log = structlog.get_logger(__name__)


def attend_to_arrears(cloud: Cloud) -> None:
    """Isolate whoever has got into arrears, warn whoever is, give back whoever has paid, and delete what was kept long enough."""
    with cloud.catalog.read() as tx:
        troubled = tx.balances.troubled()
        operator = tx.accounts.operator()
    for balance in troubled:
        if operator is None or balance.account != operator.uin:
            with cloud.catalog.begin() as tx:
                _attend(cloud, tx, tx.balances.get(balance.account))


def settle(cloud: Cloud, tx: Tx, account: Account) -> Balance:
    """Isolate an account whose balance is below zero, or give back what was isolated; return its balance as it then is."""
    balance = tx.balances.get(account.uin)
    is_owing = balance.amount < 0 and cloud.settings.arrears and not account.is_operator
    if is_owing != (balance.isolated_at is not None):
        tx.balances.isolate(account.uin, cloud.now() if is_owing else None)
    return tx.balances.get(account.uin)


def require_funds(tx: Tx, account: Uin) -> None:
    """Raise AccountInArrears where an account is isolated."""
    if tx.balances.get(account).isolated_at is not None:
        raise errors.AccountInArrears("Your balance is below zero: snapshots and images are isolated until it is topped up.")


def require_not_isolated(tx: Tx, image: Image) -> None:
    """Raise ImageStateForbids where an image is isolated with its owner's others."""
    if tx.balances.get(image.owner).isolated_at is not None:
        raise errors.ImageStateForbids(f"Image {image.image_id} is isolated: its owner's balance is below zero.")


def _attend(cloud: Cloud, tx: Tx, balance: Balance) -> None:
    now = cloud.now()
    if balance.amount >= 0 or not cloud.settings.arrears:
        if balance.isolated_at is not None:
            tx.balances.isolate(balance.account, None)
            _log.info("no longer isolated", account=balance.account)
        return
    since = balance.isolated_at
    if since is None:
        tx.balances.isolate(balance.account, now)
        since = now
    ends = since + timedelta(days=cloud.settings.arrears_days)
    if balance.isolated_at is None or (balance.warned_at or since) <= now - _WARN_AGAIN or ends <= now:
        _log.warning(
            "snapshots and images are isolated: the balance is below zero",
            account=balance.account,
            balance=str(two_places(balance.amount)),
            deleted_at=ends.isoformat(),
        )
        tx.balances.warned(balance.account, now)
    if ends <= now:
        _delete(tx, balance.account)


def _delete(tx: Tx, account: Uin) -> None:
    """Delete an account's custom images, with their shares, and its snapshots; what is under way is deleted the next time."""
    kept: set[SnapshotId] = set()
    for image in tx.images.of_owner(account):
        if image.state in _UNDER_WAY or image.is_public:
            kept.update(snapshot.snapshot_id for snapshot in tx.images.snapshots_of(image.image_id))
            continue
        tx.images.remove(image)
        _log.warning("deleted for arrears", account=account, image=image.image_id)
    gone = [one.snapshot_id for one in tx.snapshots.of_owner(account) if one.snapshot_id not in kept]
    tx.snapshots.remove(gone)
    if gone:
        _log.warning("deleted for arrears", account=account, snapshots=gone)
