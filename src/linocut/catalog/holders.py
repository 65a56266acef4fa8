"""Who needs the trees of a region: its snapshots, its disks, and copies that come or go.

Together they name every tree that garbage collection must keep (`Snapshots.live_roots`).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from linocut.catalog.schema import COPIES, DISKS, IMAGE_SNAPSHOTS, IMAGES, SNAPSHOT_COPIES, SNAPSHOTS
from linocut.model.ids import ImageId, Region, RootDigest, Uin
from linocut.model.states import SnapshotState


class HolderKind(StrEnum):
    """What needs a tree."""

    SNAPSHOT = "snapshot"
    DISK = "disk"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class TreeHolder:
    """A snapshot, a disk, or a copy of a snapshot on its way, with its trees.

    `images` are those that are made of the snapshot, or, of a copy, the image that it brings or takes away.
    """

    kind: HolderKind
    name: str
    owner: Uin
    roots: frozenset[RootDigest]
    images: tuple[ImageId, ...] = ()
    created_at: datetime | None = None


class TreeHolders:
    """Who holds trees, as one transaction sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, region: Region) -> tuple[TreeHolder, ...]:
        """Return all that hold a tree of the region: snapshots, the oldest first, then disks, then copies.

        A copy that goes from, or comes to, a snapshot which is in the region and holds its tree is no holder beside it.
        """
        snapshots = self._snapshots(SNAPSHOTS.c.region == region)
        held = {snapshot.name: snapshot.roots for snapshot in snapshots}
        copies = (*self._copies(region), *self._moving(region))
        return (
            *snapshots,
            *self._disks(region),
            *(copy for copy in copies if not copy.roots <= held.get(copy.name, frozenset())),
        )

    def owned(self, uin: Uin, region: Region) -> tuple[TreeHolder, ...]:
        """Return the account's finished snapshots of the region, the oldest first, with its own images of them."""
        mine = and_(SNAPSHOTS.c.region == region, SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.state == SnapshotState.NORMAL)
        return tuple(self._snapshots(mine, IMAGES.c.owner == uin))

    def _snapshots(self, which: ColumnElement[bool], images_too: ColumnElement[bool] | None = None) -> list[TreeHolder]:
        images = self._images_of(which if images_too is None else and_(which, images_too))
        columns = (SNAPSHOTS.c.snapshot_id, SNAPSHOTS.c.owner, SNAPSHOTS.c.root, SNAPSHOTS.c.created_at)
        query = select(*columns).where(which, SNAPSHOTS.c.root.is_not(None))
        return [
            TreeHolder(
                HolderKind.SNAPSHOT,
                row.snapshot_id,
                Uin(row.owner),
                frozenset({RootDigest(row.root)}),
                tuple(images.get(row.snapshot_id, ())),
                row.created_at,
            )
            for row in self._connection.execute(query.order_by(SNAPSHOTS.c.created_at, SNAPSHOTS.c.snapshot_id))
        ]

    def _images_of(self, which: ColumnElement[bool]) -> dict[str, list[ImageId]]:
        of_snapshot = IMAGE_SNAPSHOTS.join(SNAPSHOTS, SNAPSHOTS.c.snapshot_id == IMAGE_SNAPSHOTS.c.snapshot_id)
        links = of_snapshot.join(IMAGES, IMAGES.c.image_id == IMAGE_SNAPSHOTS.c.image_id)
        query = select(IMAGE_SNAPSHOTS.c.snapshot_id, IMAGE_SNAPSHOTS.c.image_id).select_from(links).where(which)
        images: dict[str, list[ImageId]] = {}
        for row in self._connection.execute(query.order_by(IMAGE_SNAPSHOTS.c.image_id)):
            images.setdefault(row.snapshot_id, []).append(ImageId(row.image_id))
        return images

    def _disks(self, region: Region) -> list[TreeHolder]:
        columns = (DISKS.c.disk_id, DISKS.c.owner, DISKS.c.base_root, DISKS.c.synced_root, DISKS.c.created_at)
        on_trees = or_(DISKS.c.base_root.is_not(None), DISKS.c.synced_root.is_not(None))
        query = select(*columns).where(DISKS.c.region == region, on_trees).order_by(DISKS.c.created_at, DISKS.c.disk_id)
        return [
            TreeHolder(
                HolderKind.DISK,
                row.disk_id,
                Uin(row.owner),
                frozenset(RootDigest(root) for root in (row.base_root, row.synced_root) if root is not None),
                created_at=row.created_at,
            )
            for row in self._connection.execute(query)
        ]

    def _copies(self, region: Region) -> list[TreeHolder]:
        """Return one holder for each snapshot that comes or goes, to however many regions."""
        columns = (COPIES.c.snapshot_id, COPIES.c.image_id, COPIES.c.root, SNAPSHOTS.c.owner.label("owner"), IMAGES.c.owner)
        of_snapshot = COPIES.outerjoin(SNAPSHOTS, SNAPSHOTS.c.snapshot_id == COPIES.c.snapshot_id)
        source = of_snapshot.outerjoin(IMAGES, IMAGES.c.image_id == COPIES.c.image_id)
        query = select(*columns).select_from(source).where(or_(COPIES.c.region == region, COPIES.c.source_region == region))
        found: dict[str, TreeHolder] = {}
        for name, image_id, root, owner, image_owner in self._connection.execute(query.order_by(COPIES.c.snapshot_id)):
            known = found.get(name)
            roots = frozenset({RootDigest(root), *(known.roots if known else ())})
            images = tuple(dict.fromkeys((*(known.images if known else ()), ImageId(image_id))))
            found[name] = TreeHolder(HolderKind.COPY, name, Uin(owner or image_owner or ""), roots, images)
        return list(found.values())

    def _moving(self, region: Region) -> list[TreeHolder]:
        """Return the snapshots that come or go by themselves; those that they are of may be gone."""
        copies = SNAPSHOT_COPIES.c
        source = SNAPSHOT_COPIES.join(SNAPSHOTS, SNAPSHOTS.c.snapshot_id == copies.snapshot_id)
        query = select(copies.snapshot_id, copies.root, SNAPSHOTS.c.owner).select_from(source)
        here = or_(copies.region == region, copies.source_region == region)
        return [
            TreeHolder(HolderKind.COPY, row.snapshot_id, Uin(row.owner), frozenset({RootDigest(row.root)}))
            for row in self._connection.execute(query.where(here).order_by(copies.snapshot_id))
        ]
