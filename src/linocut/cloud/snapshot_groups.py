"""Groups of snapshots of one moment: list and delete them. Source: CBS DescribeSnapshotGroups, DeleteSnapshotGroup."""

from collections.abc import Sequence
from typing import Final

from linocut.catalog import GroupQuery as CatalogQuery
from linocut.catalog import ListedGroup, Page
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.listing import BlockQuery
from linocut.cloud.snapshots import delete_within
from linocut.model import errors
from linocut.model.ids import SnapshotGroupId

__all__ = ["ListedGroup", "Page"]

_FILTERS: Final = frozenset({"snapshot-group-id", "snapshot-group-state", "snapshot-group-name", "snapshot-id"})
_STATES: Final = frozenset({"NORMAL", "CREATING", "ROLLBACKING"})
_DELETED: Final = 100


def list_snapshot_groups(cloud: Cloud, caller: Caller, query: BlockQuery) -> Page[ListedGroup]:
    """Return a page of the caller's groups of snapshots in the region, the newest first.

    Raises InvalidValue, FilterUnknown, TooManyFilterValues, PageOutOfRange. Source: CBS DescribeSnapshotGroups.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS, values=listing.BLOCK_VALUES)
    if listing.tag_filters(filters):
        raise errors.FilterUnknown("Snapshot groups are not filtered by tags.")
    states = filters.get("snapshot-group-state", ())
    if not _STATES.issuperset(states):
        raise errors.InvalidValue(f"The filter snapshot-group-state takes {', '.join(sorted(_STATES))}.")
    with cloud.catalog.read() as tx:
        return tx.snapshot_groups.list(
            CatalogQuery(
                owner=caller.account.uin,
                region=caller.region,
                ids=filters.get("snapshot-group-id"),
                states=states,
                names=filters.get("snapshot-group-name", ()),
                snapshot_ids=filters.get("snapshot-id", ()),
                offset=query.offset,
                limit=query.limit,
            )
        )


def delete_snapshot_groups(cloud: Cloud, caller: Caller, group_ids: Sequence[str], *, delete_images: bool) -> None:
    """Delete own groups with all their snapshots, all or none, with `delete_images` also the images that are made of them.

    Raises ParameterMissing, TooManyValues, SnapshotGroupNotFound, and what delete_snapshots raises.
    Source: CBS DeleteSnapshotGroup.
    """
    if not group_ids:
        raise errors.ParameterMissing("SnapshotGroupId or SnapshotGroupIds is needed.")
    listing.check_count("SnapshotGroupIds", group_ids, _DELETED)
    asked = [SnapshotGroupId(group_id) for group_id in dict.fromkeys(group_ids)]
    with cloud.catalog.begin() as tx:
        found = {group.group_id for group in tx.snapshot_groups.owned(caller.account.uin, caller.region, asked)}
        for group_id in asked:
            if group_id not in found:
                raise errors.SnapshotGroupNotFound(f"There is no snapshot group {group_id}.")
        members = [one.snapshot_id for group_id in asked for one in tx.snapshots.of_group(group_id)]
        delete_within(tx, caller, members, delete_images=delete_images)
