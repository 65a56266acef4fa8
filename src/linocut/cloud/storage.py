"""Storage truth: what accounts, images and snapshots hold in a region's store, share, and free when they are deleted.

The operator sees all of a store, by what the store says of sizes. An account sees what it has itself, counted over its own trees
alone, so that nothing it is told depends on what others store.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from linocut.blocks import Inventory, Ledger, Weight
from linocut.catalog import HolderKind, TreeHolder
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.stores import live_holders
from linocut.model import errors
from linocut.model.ids import Region, Uin


class UsageBy(StrEnum):
    """What the rows of an answer are."""

    ACCOUNT = "ACCOUNT"
    IMAGE = "IMAGE"
    SNAPSHOT = "SNAPSHOT"


class Group(NamedTuple):
    """Whose bytes a row tells: an account's, an image's or a snapshot's, or those of all that has no row of its own."""

    kind: str
    name: str = ""
    owner: Uin = Uin("")


DISKS: Final = Group("disks")
"""What the trees below disks hold, whoever has them: live, but nobody's image or snapshot."""
NO_IMAGE: Final = "snapshots of no image"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What a group holds."""

    group: Group
    logical_bytes: int
    """The sizes of its disks."""
    data_bytes: int
    """Its distinct chunks before compression, without holes."""
    stored_bytes: int
    """What it reaches in the store, chunks and nodes."""
    shared_bytes: int
    """What of that other groups reach, too."""
    freed_bytes: int
    """What of that is unique to it: free, a grace period after it alone is deleted."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Rows, those that free most first. What is unique to one of them and what several share is the total."""

    rows: tuple[UsageRow, ...]
    total: Weight
    shared: Weight


def store_usage(cloud: Cloud, region: Region, by: UsageBy) -> tuple[Usage, Inventory[TreeHolder]]:
    """Return who holds what of a region's store, and all that lies in it."""
    holders = live_holders(cloud, region)
    inventory = cloud.stores.store(region).inventory(holders)
    return _usage(inventory.ledger, by), inventory


def storage_usage(cloud: Cloud, caller: Caller, by: UsageBy, *, all_accounts: bool) -> Usage:
    """Return what the caller's snapshots of the region hold; the operator may ask for what everybody's hold.

    A snapshot that is still being made counts for nothing. Raises OperatorOnly.
    """
    store = cloud.stores.store(caller.region)
    if all_accounts:
        if not caller.account.is_operator:
            raise errors.OperatorOnly("Only the operator sees what other accounts store.")
        return _usage(store.ledger(live_holders(cloud, caller.region)), by)
    with cloud.catalog.read() as tx:
        mine = tx.tree_holders.owned(caller.account.uin, caller.region)
    return _usage(store.ledger({holder: holder.roots for holder in mine}), by)


def _usage(ledger: Ledger[TreeHolder], by: UsageBy) -> Usage:
    grouped = ledger.grouped(lambda holder: _groups(holder, by))
    rows = [
        UsageRow(
            group,
            logical_bytes=holding.logical_bytes,
            data_bytes=holding.held.plain_bytes,
            stored_bytes=holding.held.stored_bytes,
            shared_bytes=holding.shared.stored_bytes,
            freed_bytes=holding.freed.stored_bytes,
        )
        for group, holding in grouped.holdings().items()
    ]
    rows.sort(key=lambda row: (-row.freed_bytes, -row.stored_bytes, row.group))
    return Usage(tuple(rows), grouped.total(), grouped.shared())


def _groups(holder: TreeHolder, by: UsageBy) -> Iterable[Group]:
    if holder.kind is HolderKind.DISK:
        return [DISKS]
    match by:
        case UsageBy.ACCOUNT:
            return [Group("account", holder.owner, holder.owner)]
        case UsageBy.SNAPSHOT:
            return [Group("snapshot", holder.name, holder.owner)]
        case UsageBy.IMAGE:
            images = [Group("image", image_id, holder.owner) for image_id in holder.images]
            return images or [Group(NO_IMAGE, owner=holder.owner)]
