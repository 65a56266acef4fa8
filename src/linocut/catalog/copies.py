"""Copies: the trees that a region gets, or got, from another one."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Select, delete, select, update

from linocut.catalog.rows import add_unless_taken, guarded_update, record_of, values_of
from linocut.catalog.schema import COPIES, DISKS, SNAPSHOTS
from linocut.model.ids import ImageId, Region, RootDigest
from linocut.model.records import TreeCopy
from linocut.model.states import COPY_MOVES, CopyState, SnapshotState


class Copies:
    """The copies in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, copy: TreeCopy) -> bool:
        """Add a copy; return whether the region had none of that snapshot yet."""
        return add_unless_taken(self._connection, COPIES, values_of(copy, COPIES), ["region", "snapshot_id"])

    def of(self, region: Region, image_id: ImageId) -> tuple[TreeCopy, ...]:
        """Return the copies of an image's trees in a region, in no order that means anything."""
        return self._records(COPIES.c.region == region, COPIES.c.image_id == image_id)

    def from_image(self, source_image: ImageId) -> tuple[TreeCopy, ...]:
        """Return the copies under way of this image, which are images of their own, in whatever region."""
        return self._records(COPIES.c.source_image == source_image, COPIES.c.image_id != source_image)

    def of_image(self, image_id: ImageId) -> tuple[TreeCopy, ...]:
        """Return what came, or comes, of this image to whatever region."""
        return self._records(COPIES.c.image_id == image_id)

    def of_root(self, region: Region, root: RootDigest) -> tuple[TreeCopy, ...]:
        """Return the copies that bring this tree to a region."""
        return self._records(COPIES.c.region == region, COPIES.c.root == root)

    def under_way(self) -> tuple[TreeCopy, ...]:
        """Return every copy that has not arrived whole."""
        return self._records(COPIES.c.state != CopyState.WHOLE)

    def waiting_roots(self, region: Region) -> set[RootDigest]:
        """Return the trees of which a region may have nothing yet."""
        query = select(COPIES.c.root).where(COPIES.c.region == region, COPIES.c.state == CopyState.WAITING)
        return {RootDigest(root) for root in self._connection.scalars(query)}

    def move(self, copy: TreeCopy, to: CopyState) -> None:
        """Move the copy to another state. Raises ValueError for a move that is not legal, LostRace."""
        if to not in COPY_MOVES[copy.state]:
            raise ValueError(f"a copy does not move from {copy.state} to {to}")
        guarded_update(self._connection, COPIES.c.snapshot_id, copy, {"state": to}, guards=["region", "state", "root"])

    def renew(self, copies: Iterable[TreeCopy], request_id: str) -> None:
        """Have copies be tried again: another try is told from this one by this id."""
        for copy in copies:
            self._connection.execute(update(COPIES).where(*_is(copy)).values(request_id=request_id))

    def is_used(self, copies: Iterable[TreeCopy]) -> bool:
        """Tell whether a disk was made of what one of the copies brings. The same tree may have come by another way, too."""
        return any(self._any(_made_of(copy)) for copy in copies)

    def is_needed(self, copies: Iterable[TreeCopy]) -> bool:
        """Tell whether a disk was made of what one of the copies brings, of a tree that the region has not got whole."""
        return any(self._any(_made_of(copy)) and not self.is_whole(copy.region, copy.root) for copy in copies)

    def is_whole(self, region: Region, root: RootDigest) -> bool:
        """Tell whether something in the region says that all of this tree is there."""
        there = select(SNAPSHOTS.c.snapshot_id).where(
            SNAPSHOTS.c.region == region, SNAPSHOTS.c.root == root, SNAPSHOTS.c.state == SnapshotState.NORMAL
        )
        came = select(COPIES.c.snapshot_id).where(
            COPIES.c.region == region, COPIES.c.root == root, COPIES.c.state == CopyState.WHOLE
        )
        return self._any(there) or self._any(came)

    def _any(self, query: Select[tuple[str]]) -> bool:
        return self._connection.execute(query.limit(1)).first() is not None

    def remove(self, copies: Iterable[TreeCopy]) -> None:
        """Forget copies; one that is gone is no error."""
        for copy in copies:
            self._connection.execute(delete(COPIES).where(*_is(copy)))

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[TreeCopy, ...]:
        query = select(COPIES).where(*conditions).order_by(COPIES.c.created_at, COPIES.c.region, COPIES.c.snapshot_id)
        return tuple(record_of(TreeCopy, row) for row in self._connection.execute(query).mappings())


def _made_of(copy: TreeCopy) -> Select[tuple[str]]:
    on = (DISKS.c.region == copy.region, DISKS.c.base_snapshot == copy.snapshot_id, DISKS.c.base_root == copy.root)
    return select(DISKS.c.disk_id).where(*on)


def _is(copy: TreeCopy) -> tuple[ColumnElement[bool], ...]:
    return (COPIES.c.region == copy.region, COPIES.c.snapshot_id == copy.snapshot_id)
