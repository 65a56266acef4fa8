"""Copies of snapshots that are under way: which tree is to come to which region, and from where."""

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import SNAPSHOT_COPIES
from linocut.model.ids import Region, RootDigest, SnapshotId
from linocut.model.records import SnapshotCopy


class SnapshotCopies:
    """The copies of snapshots in one transaction. A copy is forgotten once it has come, or failed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, copy: SnapshotCopy) -> None:
        """Add a copy."""
        self._connection.execute(insert(SNAPSHOT_COPIES).values(values_of(copy, SNAPSHOT_COPIES)))

    def get(self, snapshot_id: SnapshotId) -> SnapshotCopy | None:
        """Return the copy that this snapshot is to be, or None where it is none, or has come."""
        return next(iter(self._records(SNAPSHOT_COPIES.c.snapshot_id == snapshot_id)), None)

    def of_source(self, source_snapshot: SnapshotId) -> tuple[SnapshotCopy, ...]:
        """Return the copies of this snapshot, in whatever region."""
        return self._records(SNAPSHOT_COPIES.c.source_snapshot == source_snapshot)

    def all(self) -> tuple[SnapshotCopy, ...]:
        """Return every copy that is under way."""
        return self._records()

    def roots_to_come(self, region: Region) -> set[RootDigest]:
        """Return the trees of which a region may have nothing yet."""
        query = select(SNAPSHOT_COPIES.c.root).where(SNAPSHOT_COPIES.c.region == region)
        return {RootDigest(root) for root in self._connection.scalars(query)}

    def remove(self, snapshot_id: SnapshotId) -> None:
        """Forget a copy; one that is gone is no error."""
        self._connection.execute(delete(SNAPSHOT_COPIES).where(SNAPSHOT_COPIES.c.snapshot_id == snapshot_id))

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[SnapshotCopy, ...]:
        copies = SNAPSHOT_COPIES.c
        query = select(SNAPSHOT_COPIES).where(*conditions).order_by(copies.created_at, copies.region, copies.snapshot_id)
        return tuple(record_of(SnapshotCopy, row) for row in self._connection.execute(query).mappings())
