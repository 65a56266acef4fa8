"""Disks: list them, and find those that an operation may begin on. Source: CBS DescribeDisks."""

from collections.abc import Sequence
from typing import Final

from linocut.catalog import DiskQuery as CatalogQuery
from linocut.catalog import ListedDisk, Page, Tx
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.listing import BlockQuery
from linocut.model import errors
from linocut.model.ids import DiskId, is_id
from linocut.model.records import Disk
from linocut.model.states import DiskState

__all__ = ["BlockQuery", "ListedDisk", "Page"]

_FILTERS: Final = frozenset(
    {
        *("disk-usage", "disk-charge-type", "portable", "project-id", "disk-id", "disk-name", "disk-type", "disk-state"),
        *("instance-id", "zone", "instance-ip-address", "instance-name", "tag-key", "tag-value"),
    }
)
_NOTHING_HAS: Final = frozenset({"dedicated-cluster-id", "cluster-group-id"})
"""Documented filters by what no disk here has."""


def list_disks(cloud: Cloud, caller: Caller, query: BlockQuery) -> Page[ListedDisk]:
    """Return a page of the caller's disks in the region, the newest first unless asked otherwise.

    Raises InvalidValue, IdsWithFilters, FilterUnknown, TooManyFilterValues, TooManyValues, PageOutOfRange.
    Source: CBS DescribeDisks.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS | _NOTHING_HAS, values=listing.BLOCK_VALUES)
    portable = {value.upper() for value in filters.get("portable", ())}
    if not portable <= {"TRUE", "FALSE"}:
        raise errors.InvalidValue("The filter portable takes TRUE and FALSE.")
    nothing = "0" not in filters.get("project-id", ("0",)) or filters.keys() & _NOTHING_HAS
    ids = query.ids if query.ids is not None else filters.get("disk-id")
    for disk_id in ids or ():
        if not is_id("disk", disk_id):
            raise errors.InvalidValue(f"{disk_id!r} is no disk id.")
    if nothing:
        return Page((), 0)
    with cloud.catalog.read() as tx:
        return tx.disks.list(
            CatalogQuery(
                owner=caller.account.uin,
                region=caller.region,
                ids=ids,
                usages=filters.get("disk-usage", ()),
                types=filters.get("disk-type", ()),
                states=filters.get("disk-state", ()),
                names=filters.get("disk-name", ()),
                zones=filters.get("zone", ()),
                portable=portable == {"TRUE"} if len(portable) == 1 else None,
                charge_types=filters.get("disk-charge-type", ()),
                instance_ids=filters.get("instance-id", ()),
                instance_names=filters.get("instance-name", ()),
                addresses=filters.get("instance-ip-address", ()),
                tag_keys=filters.get("tag-key", ()),
                tag_values=filters.get("tag-value", ()),
                tags=listing.tag_filters(filters),
                oldest_first=query.oldest_first,
                offset=query.offset,
                limit=query.limit,
            )
        )


def owned_disks(tx: Tx, caller: Caller, disk_ids: Sequence[str], *, most: int, hold: bool = True) -> tuple[Disk, ...]:
    """Return disks of the caller's, each once, in their order; held, they stay as they are until the transaction ends.

    Raises ParameterMissing, TooManyValues, InvalidValue, DiskNotFound.
    """
    if not disk_ids:
        raise errors.ParameterMissing("DiskIds is empty.")
    listing.check_count("DiskIds", disk_ids, most)
    for disk_id in disk_ids:
        if not is_id("disk", disk_id):
            raise errors.InvalidValue(f"{disk_id!r} is no disk id.")
    wanted = tuple(DiskId(disk_id) for disk_id in dict.fromkeys(disk_ids))
    found = {disk.disk_id: disk for disk in tx.disks.owned(caller.account.uin, caller.region, wanted, hold=hold)}
    for disk_id in wanted:
        if disk_id not in found:
            raise errors.DiskNotFound(f"There is no disk {disk_id}.")
    return tuple(found[disk_id] for disk_id in wanted)


def require_settled(tx: Tx, disks: Sequence[Disk]) -> None:
    """Raise DiskBusy where a disk is in transition, and SnapshotUnderWay where a snapshot of one is being taken."""
    for disk in disks:
        if disk.state not in {DiskState.ATTACHED, DiskState.UNATTACHED}:
            raise errors.DiskBusy(f"Disk {disk.disk_id} is {disk.state}.")
    require_untaken(tx, disks)


def require_untaken(tx: Tx, disks: Sequence[Disk]) -> None:
    """Raise SnapshotUnderWay where a snapshot of one of the disks is being taken."""
    for disk_id in sorted(tx.snapshots.being_taken([disk.disk_id for disk in disks])):
        raise errors.SnapshotUnderWay(f"A snapshot of disk {disk_id} is being taken.")


def require_unattached(disks: Sequence[Disk]) -> None:
    """Raise DiskIsAttached where a disk is attached to an instance."""
    for disk in disks:
        if disk.state is DiskState.ATTACHED:
            raise errors.DiskIsAttached(f"Disk {disk.disk_id} is attached to instance {disk.instance_id}.")
