"""Snapshots: list, change and delete them. Source: CBS DescribeSnapshots, ModifySnapshotAttribute, DeleteSnapshots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from linocut.catalog import ListedSnapshot, Page, SnapshotChanges, Tx
from linocut.catalog import SnapshotQuery as CatalogQuery
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import delete_held
from linocut.cloud.listing import BlockQuery
from linocut.cloud.new_snapshots import check_deadline
from linocut.cloud.snapshot_sharing import require_unshared
from linocut.model import errors, rules
from linocut.model.ids import SnapshotId, is_id
from linocut.model.records import Snapshot
from linocut.model.states import SnapshotState

__all__ = ["ListedSnapshot", "Page", "SnapshotAttributes"]

_FILTERS: Final = frozenset(
    {
        *("snapshot-id", "snapshot-name", "snapshot-state", "disk-usage", "project-id", "disk-id", "encrypt", "snapshot-type"),
        "zone",  # of the API's earlier documentation; Terraform sends it
    }
)
_DISK_IDS: Final = 10
_DELETED: Final = 100
_TYPES: Final = frozenset({"PRIVATE_SNAPSHOT", "SHARED_SNAPSHOT"})
_TRUTHS: Final = frozenset({"true", "false"})


@dataclass(frozen=True, slots=True)
class SnapshotAttributes:
    """What to change of a snapshot; what is None stays. A deadline counts for nothing beside `is_permanent`."""

    name: str | None = None
    is_permanent: bool | None = None
    deadline: datetime | None = None


def list_snapshots(cloud: Cloud, caller: Caller, query: BlockQuery) -> Page[ListedSnapshot]:
    """Return a page of the caller's snapshots in the region, and those shared with it, the newest first unless asked otherwise.

    An image that is shared with the caller, or public, does not bring its snapshots with it: they are its owner's.
    Raises InvalidValue, IdsWithFilters, FilterUnknown, TooManyFilterValues, TooManyValues, PageOutOfRange.
    Source: CBS DescribeSnapshots.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS, values=listing.BLOCK_VALUES)
    if listing.tag_filters(filters):
        raise errors.FilterUnknown("Snapshots are not filtered by tags.")
    listing.check_count("The filter disk-id", filters.get("disk-id", ()), _DISK_IDS)
    encrypted = _words(filters.get("encrypt", ()), _TRUTHS, "encrypt", lower=True)
    types = _words(filters.get("snapshot-type", ()), _TYPES, "snapshot-type")
    ids = query.ids if query.ids is not None else filters.get("snapshot-id")
    for snapshot_id in ids or ():
        if not is_id("snap", snapshot_id):
            raise errors.InvalidValue(f"{snapshot_id!r} is no snapshot id.")
    if "0" not in filters.get("project-id", ("0",)) or encrypted == {"true"}:
        return Page((), 0)
    with cloud.catalog.read() as tx:
        return tx.snapshots.list(
            CatalogQuery(
                owner=caller.account.uin,
                region=caller.region,
                own=types != {"SHARED_SNAPSHOT"},
                shared=types != {"PRIVATE_SNAPSHOT"},
                ids=ids,
                names=filters.get("snapshot-name", ()),
                states=filters.get("snapshot-state", ()),
                usages=filters.get("disk-usage", ()),
                disk_ids=filters.get("disk-id", ()),
                zones=filters.get("zone", ()),
                oldest_first=query.oldest_first,
                offset=query.offset,
                limit=query.limit,
            )
        )


def own_snapshots(cloud: Cloud, caller: Caller, snapshot_ids: Sequence[str]) -> tuple[Snapshot, ...]:
    """Return own snapshots of the region, as asked. Raises SnapshotNotFound, TooManyValues."""
    listing.check_count("SnapshotIds", snapshot_ids, _DELETED)
    asked = [SnapshotId(snapshot_id) for snapshot_id in dict.fromkeys(snapshot_ids)]
    with cloud.catalog.read() as tx:
        found = {one.snapshot_id: one for one in tx.snapshots.owned_ones(caller.account.uin, caller.region, asked)}
    for snapshot_id in asked:
        if snapshot_id not in found:
            raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
    return tuple(found[snapshot_id] for snapshot_id in asked)


def delete_snapshots(cloud: Cloud, caller: Caller, snapshot_ids: Sequence[str], *, delete_images: bool) -> None:
    """Delete own snapshots of the region, all or none of them, with `delete_images` also the images that are made of them.

    Such an image goes under the rules of DeleteImages; those of its snapshots that are not named stay. Instances run on.

    Raises InvalidValue, TooManyValues, SnapshotNotFound, SnapshotUnfinished, SnapshotHasImages, SnapshotInShared,
    ImageStateForbids, ImageInShared, ImageIsPublic, LostRace.
    Source: CBS DeleteSnapshots.
    """
    listing.check_count("SnapshotIds", snapshot_ids, _DELETED)
    wanted = tuple(SnapshotId(snapshot_id) for snapshot_id in dict.fromkeys(snapshot_ids))
    for snapshot_id in wanted:
        if not is_id("snap", snapshot_id):
            raise errors.InvalidValue(f"{snapshot_id!r} is no snapshot id.")
    with cloud.catalog.begin() as tx:
        delete_within(tx, caller, wanted, delete_images=delete_images)


def delete_within(tx: Tx, caller: Caller, wanted: Sequence[SnapshotId], *, delete_images: bool) -> None:
    """Delete own snapshots within a transaction, under the rules of `delete_snapshots`, and raise what it raises.

    Disks that stand on one of them go on: what they hold stays in the store. A group goes with the last of its snapshots.
    """
    held = {snapshot.snapshot_id: snapshot for snapshot in tx.snapshots.hold(caller.account.uin, caller.region, wanted)}
    images: list[str] = []
    for snapshot_id in wanted:
        if snapshot_id not in held:
            raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
        if held[snapshot_id].state is SnapshotState.CREATING:
            raise errors.SnapshotUnfinished(f"Snapshot {snapshot_id} is {held[snapshot_id].state}.")
        made = tx.snapshots.images_of(snapshot_id)
        if made and not delete_images:
            raise errors.SnapshotHasImages(f"Images are made of snapshot {snapshot_id}: {', '.join(made)}.")
        images += made
    require_unshared(tx, wanted)
    delete_held(tx, caller, images, delete_snapshots=False)
    tx.snapshots.remove(wanted)


def modify_snapshot(cloud: Cloud, caller: Caller, snapshot_id: str, new: SnapshotAttributes) -> None:
    """Change the name of an own snapshot, or how long it is kept: for good, or until a deadline, at which it is deleted.

    One that an image is made of, or that is shared, gets no deadline. Raises SnapshotNotFound, InvalidValue, ValueTooLong,
    ParameterMissing, SnapshotHasImages, SnapshotInShared, LostRace. Source: CBS ModifySnapshotAttribute.
    """
    changes = SnapshotChanges(changed_at=cloud.now())
    if new.name is not None:
        changes["name"] = rules.snapshot_name("SnapshotName", new.name)
    if new.is_permanent:
        changes["deadline"] = None
    elif new.deadline is not None:
        changes["deadline"] = check_deadline(cloud, new.deadline)
    elif new.is_permanent is False:
        raise errors.ParameterMissing("Deadline is needed where IsPermanent is false.")
    elif new.name is None:
        raise errors.ParameterMissing("One of SnapshotName, IsPermanent and Deadline is needed.")
    with cloud.catalog.begin() as tx:
        held = tx.snapshot_shares.lock(caller.account.uin, caller.region, [SnapshotId(snapshot_id)])
        if not held:
            raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
        if changes.get("deadline") is not None:
            made = tx.snapshots.images_of(held[0].snapshot_id)
            if made:
                raise errors.SnapshotHasImages(f"Images are made of snapshot {snapshot_id}: {', '.join(made)}.")
            require_unshared(tx, [held[0].snapshot_id])
        tx.snapshots.change(held[0], **changes)


def _words(values: tuple[str, ...], known: frozenset[str], name: str, *, lower: bool = False) -> set[str]:
    words = {value.lower() if lower else value for value in values}
    if not words <= known:
        raise errors.InvalidValue(f"The filter {name} takes {' and '.join(sorted(known))}.")
    return words
