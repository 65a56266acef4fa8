"""Snapshots, and which trees the catalog still needs."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, delete, exists, func, insert, or_, select, union, update
from sqlalchemy.exc import IntegrityError

from linocut.catalog.history import History, unmetered_roots
from linocut.catalog.page import Page
from linocut.catalog.rows import batches, guarded_update, lock_until_end, lost_race, record_of, values_of
from linocut.catalog.schema import (
    COPIES,
    DISKS,
    IMAGE_SNAPSHOTS,
    IMAGES,
    INSTANCES,
    SNAPSHOT_COPIES,
    SNAPSHOT_GROUPS,
    SNAPSHOT_SHARES,
    SNAPSHOTS,
    SPANS,
)
from linocut.catalog.snapshot_query import ListedSnapshot, SnapshotQuery, last_of_policy, matching, rolling_back, shares_seen
from linocut.catalog.tags import drop_tags, put_tags, tags_of
from linocut.model.ids import DiskId, ImageId, Region, RootDigest, SnapshotGroupId, SnapshotId, Uin
from linocut.model.records import DiskUsage, Snapshot, Tag
from linocut.model.states import ImageState, SnapshotState

_COMPLETE: Final = 100


class SnapshotChanges(TypedDict, total=False):
    """The fields of a snapshot that may change after it was taken."""

    name: str
    deadline: datetime | None
    changed_at: datetime


class Snapshots:
    """The snapshots in one transaction."""

    def __init__(self, connection: Connection, history: History) -> None:
        self._connection = connection
        self._history = history

    def add(self, snapshot: Snapshot, tags: tuple[Tag, ...] = ()) -> None:
        """Add a snapshot. One of a system disk descends from what its instance descends from, unless it says itself from what."""
        values = values_of(snapshot, SNAPSHOTS)
        if snapshot.windows_of is None and snapshot.disk_id is not None:
            values["windows_of"] = _windows_of_disk(snapshot.disk_id)
        self._connection.execute(insert(SNAPSHOTS).values(values))
        put_tags(self._connection, {snapshot.snapshot_id: tags})
        self._history.snapshots_changed([snapshot.snapshot_id])

    def get(self, snapshot_id: SnapshotId) -> Snapshot | None:
        """Return the snapshot, or None."""
        row = self._connection.execute(select(SNAPSHOTS).where(SNAPSHOTS.c.snapshot_id == snapshot_id)).mappings().first()
        return None if row is None else record_of(Snapshot, row)

    def finish(
        self,
        snapshot_id: SnapshotId,
        root: RootDigest,
        size_bytes: int,
        *,
        is_frozen: bool = False,
        created_at: datetime | None = None,
    ) -> None:
        """Say that the snapshot's content, of that moment if one is told, is in the region store.

        Raises LostRace unless it is CREATING.
        """
        creating = (SNAPSHOTS.c.snapshot_id == snapshot_id, SNAPSHOTS.c.state == SnapshotState.CREATING)
        done = {"state": SnapshotState.NORMAL, "root": root, "size_bytes": size_bytes, "percent": _COMPLETE}
        done["is_frozen"] = is_frozen
        if created_at is not None:
            done["created_at"] = created_at
        if self._connection.execute(update(SNAPSHOTS).where(*creating).values(**done)).rowcount != 1:
            raise lost_race(f"{snapshot_id} is not {SnapshotState.CREATING}")
        self._history.snapshots_changed([snapshot_id])

    def set_root(self, snapshot_id: SnapshotId, root: RootDigest | None) -> None:
        """Say which tree the snapshot is to hold, whose nodes are in the region store, or that it holds none after all.

        Raises LostRace unless it is CREATING.
        """
        creating = (SNAPSHOTS.c.snapshot_id == snapshot_id, SNAPSHOTS.c.state == SnapshotState.CREATING)
        if self._connection.execute(update(SNAPSHOTS).where(*creating).values(root=root)).rowcount != 1:
            raise lost_race(f"{snapshot_id} is not {SnapshotState.CREATING}")

    def set_percent(self, snapshot_ids: Iterable[SnapshotId], percent: int) -> None:
        """Show progress. It only goes forwards; less than before, or a snapshot that is gone, is no error."""
        forwards = (SNAPSHOTS.c.snapshot_id.in_(tuple(snapshot_ids)), SNAPSHOTS.c.percent < percent)
        self._connection.execute(update(SNAPSHOTS).where(*forwards).values(percent=percent))

    def change(self, snapshot: Snapshot, **changes: Unpack[SnapshotChanges]) -> None:
        """Change a snapshot. Raises LostRace when it is gone, or what is to change is not as it was read."""
        guarded_update(self._connection, SNAPSHOTS.c.snapshot_id, snapshot, changes, guards=changes)

    def remove(self, snapshot_ids: Iterable[SnapshotId]) -> None:
        """Remove snapshots, in whatever state, with their shares and tags, and groups of which none is left.

        One that is gone is no error. Raises LostRace when an image is made of one.
        """
        try:
            for batch in batches(snapshot_ids):
                self._history.snapshots_changed(batch)
                grouped = select(SNAPSHOTS.c.group_id).where(
                    SNAPSHOTS.c.snapshot_id.in_(batch), SNAPSHOTS.c.group_id.is_not(None)
                )
                groups = self._connection.scalars(grouped.distinct()).all()
                drop_tags(self._connection, batch)
                self._connection.execute(delete(SNAPSHOT_SHARES).where(SNAPSHOT_SHARES.c.snapshot_id.in_(batch)))
                self._connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.snapshot_id.in_(batch)))
                self._remove_empty(groups)
        except IntegrityError as error:
            raise lost_race("an image is made of one of the snapshots") from error

    def _remove_empty(self, group_ids: Iterable[str]) -> None:
        """Remove those of the groups that have no snapshot any more."""
        left = exists().where(SNAPSHOTS.c.group_id == SNAPSHOT_GROUPS.c.group_id)
        named = SNAPSHOT_GROUPS.c.group_id.in_(tuple(group_ids))
        empty = self._connection.scalars(select(SNAPSHOT_GROUPS.c.group_id).where(named, ~left)).all()
        drop_tags(self._connection, empty)
        self._connection.execute(delete(SNAPSHOT_GROUPS).where(SNAPSHOT_GROUPS.c.group_id.in_(empty)))

    def of_group(self, group_id: SnapshotGroupId) -> tuple[Snapshot, ...]:
        """Return the snapshots of a group."""
        query = select(SNAPSHOTS).where(SNAPSHOTS.c.group_id == group_id).order_by(SNAPSHOTS.c.name, SNAPSHOTS.c.snapshot_id)
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())

    def unfinished(self) -> tuple[Snapshot, ...]:
        """Return the snapshots of disks whose content is still to come, the oldest first; not those of images, nor copies."""
        asked = (SNAPSHOTS.c.state == SnapshotState.CREATING, SNAPSHOTS.c.request_id != "", SNAPSHOTS.c.is_copy.is_(False))
        query = select(SNAPSHOTS).where(*asked).order_by(SNAPSHOTS.c.created_at, SNAPSHOTS.c.snapshot_id)
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())

    def due(self, at: datetime, limit: int) -> tuple[Snapshot, ...]:
        """Return snapshots whose deadline has passed, the longest passed first.

        Not those that are in an image, shared, or the last that a policy has of a disk which is bound to it.
        """
        unbound = ~exists().where(IMAGE_SNAPSHOTS.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        unshared = ~exists().where(SNAPSHOT_SHARES.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        passed = (SNAPSHOTS.c.deadline <= at, SNAPSHOTS.c.state == SnapshotState.NORMAL, unbound, unshared, ~last_of_policy())
        query = select(SNAPSHOTS).where(*passed).order_by(SNAPSHOTS.c.deadline, SNAPSHOTS.c.snapshot_id).limit(limit)
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())

    def lock_quota(self, uin: Uin, region: Region) -> None:
        """Let only one transaction at a time count and add snapshots of this account and region."""
        lock_until_end(self._connection, f"snapshot quota of {uin} in {region}")

    def count_own(self, uin: Uin, region: Region) -> int:
        """Return how many snapshots the account has in the region, but for those that images are made of."""
        unbound = ~exists().where(IMAGE_SNAPSHOTS.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        mine = (SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.region == region, unbound)
        return self._connection.execute(select(func.count()).select_from(SNAPSHOTS).where(*mine)).scalar_one()

    def hold(self, uin: Uin, region: Region, snapshot_ids: Iterable[SnapshotId]) -> tuple[Snapshot, ...]:
        """Return those of the snapshots that the account has in the region, and keep them until the transaction ends."""
        mine = (SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.region == region, SNAPSHOTS.c.snapshot_id.in_(tuple(snapshot_ids)))
        query = select(SNAPSHOTS).where(*mine).order_by(SNAPSHOTS.c.snapshot_id).with_for_update(read=True)
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())

    def owned_ones(self, uin: Uin, region: Region, snapshot_ids: Iterable[SnapshotId]) -> tuple[Snapshot, ...]:
        """Return those of the snapshots that the account has in the region."""
        mine = (SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.region == region, SNAPSHOTS.c.snapshot_id.in_(tuple(snapshot_ids)))
        rows = self._connection.execute(select(SNAPSHOTS).where(*mine).order_by(SNAPSHOTS.c.snapshot_id)).mappings()
        return tuple(record_of(Snapshot, row) for row in rows)

    def bound(self, image_id: ImageId) -> tuple[SnapshotId, ...]:
        """Return the snapshots of an image that no other image is made of."""
        links, others = IMAGE_SNAPSHOTS, IMAGE_SNAPSHOTS.alias("others")
        elsewhere = exists().where(others.c.snapshot_id == links.c.snapshot_id, others.c.image_id != image_id)
        query = select(links.c.snapshot_id).where(links.c.image_id == image_id, ~elsewhere).order_by(links.c.position)
        return tuple(SnapshotId(snapshot_id) for snapshot_id in self._connection.scalars(query))

    def being_taken(self, disk_ids: Iterable[DiskId]) -> frozenset[DiskId]:
        """Return those of the disks of which a snapshot is being taken."""
        of = (SNAPSHOTS.c.disk_id.in_(tuple(disk_ids)), SNAPSHOTS.c.state == SnapshotState.CREATING, ~SNAPSHOTS.c.is_copy)
        return frozenset(self._connection.scalars(select(SNAPSHOTS.c.disk_id).where(*of, ~_never_comes())))

    def passing_of(self, disk_ids: Iterable[DiskId]) -> tuple[SnapshotId, ...]:
        """Return the snapshots of these disks that are not kept for ever, and hold them.

        Those that images are made of, or that are shared, are not among them.
        """
        of = (SNAPSHOTS.c.disk_id.in_(tuple(disk_ids)), SNAPSHOTS.c.deadline.is_not(None))
        of_image = exists().where(IMAGE_SNAPSHOTS.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        is_shared = exists().where(SNAPSHOT_SHARES.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        query = select(SNAPSHOTS.c.snapshot_id).where(*of, SNAPSHOTS.c.state == SnapshotState.NORMAL, ~of_image, ~is_shared)
        return tuple(self._connection.scalars(query.order_by(SNAPSHOTS.c.snapshot_id).with_for_update()))

    def images_of(self, snapshot_id: SnapshotId) -> tuple[ImageId, ...]:
        """Return the images that are made of this snapshot."""
        links = IMAGE_SNAPSHOTS.c
        query = select(links.image_id).where(links.snapshot_id == snapshot_id).order_by(links.image_id)
        return tuple(ImageId(image_id) for image_id in self._connection.scalars(query))

    def list(self, query: SnapshotQuery) -> Page[ListedSnapshot]:
        """Return a page of the snapshots that the account sees in the region, but for those that a failed image waited for."""
        query = replace(query, shared=query.shared and self._is_any_shared_with(query.owner))  # most have none: a simpler search
        conditions = [*matching(query), ~_never_comes()]
        total = self._connection.execute(select(func.count()).select_from(SNAPSHOTS).where(*conditions)).scalar_one()
        created = SNAPSHOTS.c.created_at.asc() if query.oldest_first else SNAPSHOTS.c.created_at.desc()
        source = SNAPSHOTS.outerjoin(DISKS, DISKS.c.disk_id == SNAPSHOTS.c.disk_id)
        is_rolled = rolling_back(query.owner).label("is_rolling_back")
        wanted = select(*SNAPSHOTS.c, DISKS.c.zone, is_rolled, *shares_seen(query.owner)).select_from(source)
        ordered = wanted.where(*conditions).order_by(created, SNAPSHOTS.c.snapshot_id)
        rows = self._connection.execute(ordered.offset(query.offset).limit(query.limit)).mappings().all()
        own = [row["snapshot_id"] for row in rows if row["owner"] == query.owner]
        images, going, tags = self._named_images(own), self._copying_to(own), tags_of(self._connection, own)
        listed = tuple(
            ListedSnapshot(
                record_of(Snapshot, row),
                images.get(row["snapshot_id"], ()),
                row["zone"],
                row["shared_with"],
                row["shared_since"],
                going.get(row["snapshot_id"], ()),
                tags.get(row["snapshot_id"], ()),
                bool(row["is_rolling_back"]),
            )
            for row in rows
        )
        return Page(listed, total)

    def _is_any_shared_with(self, account: Uin) -> bool:
        query = select(SNAPSHOT_SHARES.c.snapshot_id).where(SNAPSHOT_SHARES.c.account == account).limit(1)
        return self._connection.execute(query).first() is not None

    def _copying_to(self, snapshot_ids: Iterable[str]) -> dict[str, tuple[Region, ...]]:
        """Return the regions that each is being copied to."""
        found: dict[str, tuple[Region, ...]] = {}
        for batch in batches(snapshot_ids):
            copies = SNAPSHOT_COPIES.c
            query = select(copies.source_snapshot, copies.region).where(copies.source_snapshot.in_(batch)).order_by(copies.region)
            for source, region in self._connection.execute(query):
                found[source] = (*found.get(source, ()), Region(region))
        return found

    def _named_images(self, snapshot_ids: Iterable[str]) -> dict[str, tuple[tuple[ImageId, str], ...]]:
        found: dict[str, tuple[tuple[ImageId, str], ...]] = {}
        for batch in batches(snapshot_ids):
            links = IMAGE_SNAPSHOTS.c
            source = IMAGE_SNAPSHOTS.join(IMAGES, IMAGES.c.image_id == links.image_id)
            query = select(links.snapshot_id, IMAGES.c.image_id, IMAGES.c.name).select_from(source)
            for row in self._connection.execute(query.where(links.snapshot_id.in_(batch)).order_by(IMAGES.c.image_id)):
                found[row.snapshot_id] = (*found.get(row.snapshot_id, ()), (ImageId(row.image_id), row.name))
        return found

    def live_roots(self, region: Region) -> set[RootDigest]:
        """Return every tree of the region that garbage collection must keep.

        Those of its snapshots, those below its disks, and those of copies that come here or go from here; and those of snapshots
        that are gone, as long as hours in which they were there are not metered.
        """
        sources = (SNAPSHOTS.c.root, DISKS.c.base_root, DISKS.c.synced_root, COPIES.c.root, SNAPSHOT_COPIES.c.root)
        each = [select(root).where(root.table.c.region == region, root.is_not(None)) for root in sources]
        leaving = [select(table.c.root).where(table.c.source_region == region) for table in (COPIES, SNAPSHOT_COPIES)]
        is_unmetered, spans = unmetered_roots()
        gone = select(SPANS.c.root).select_from(spans).where(SPANS.c.region == region, is_unmetered)
        return {RootDigest(root) for root in self._connection.scalars(union(*each, *leaving, gone))}

    def regions_of_roots(self) -> set[Region]:
        """Return the regions whose stores hold a tree that garbage collection must keep."""
        snapshots = select(SNAPSHOTS.c.region).where(SNAPSHOTS.c.root.is_not(None))
        disks = select(DISKS.c.region).where(or_(DISKS.c.base_root.is_not(None), DISKS.c.synced_root.is_not(None)))
        copies = [select(region) for table in (COPIES, SNAPSHOT_COPIES) for region in (table.c.region, table.c.source_region)]
        is_unmetered, spans = unmetered_roots()
        gone = select(SPANS.c.region).select_from(spans).where(is_unmetered)
        each = union(snapshots, disks, *copies, gone)
        return {Region(region) for region in self._connection.scalars(each)}

    def of_owner(self, uin: Uin) -> tuple[Snapshot, ...]:
        """Return the account's snapshots of every region whose content is there, the oldest first."""
        mine = (SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.state == SnapshotState.NORMAL)
        query = select(SNAPSHOTS).where(*mine).order_by(SNAPSHOTS.c.created_at, SNAPSHOTS.c.snapshot_id)
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())

    def owned(self, uin: Uin, region: Region) -> tuple[Snapshot, ...]:
        """Return the account's snapshots in the region, the oldest first."""
        mine = (SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.region == region)
        query = select(SNAPSHOTS).where(*mine).order_by(SNAPSHOTS.c.created_at, SNAPSHOTS.c.snapshot_id)
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())


def _never_comes() -> ColumnElement[bool]:
    failed = IMAGES.c.state.in_((ImageState.CREATEFAILED, ImageState.IMPORTFAILED))
    link = IMAGE_SNAPSHOTS.join(IMAGES, IMAGES.c.image_id == IMAGE_SNAPSHOTS.c.image_id)
    waiting = select(IMAGE_SNAPSHOTS.c.snapshot_id).select_from(link).where(failed)
    return and_(SNAPSHOTS.c.state == SnapshotState.CREATING, SNAPSHOTS.c.snapshot_id.in_(waiting))


def _windows_of_disk(disk_id: DiskId) -> ScalarSelect[Any]:
    link = DISKS.join(INSTANCES, INSTANCES.c.instance_id == DISKS.c.instance_id)
    is_system = (DISKS.c.disk_id == disk_id, DISKS.c.usage == DiskUsage.SYSTEM_DISK)
    return select(INSTANCES.c.windows_of).select_from(link).where(*is_system).scalar_subquery()
