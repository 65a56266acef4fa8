"""Disks: list them. Source: CBS DescribeDisks."""

from typing import Final

from linocut.catalog import DiskQuery as CatalogQuery
from linocut.catalog import ListedDisk, Page
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.listing import BlockQuery
from linocut.model import errors
from linocut.model.ids import is_id

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
