"""Shares of snapshots: which accounts may make disks of a data disk's snapshot."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from linocut.catalog.rows import batches, insert_or_skip, record_of
from linocut.catalog.schema import SNAPSHOT_SHARES, SNAPSHOTS
from linocut.model.ids import Region, SnapshotId, Uin
from linocut.model.records import Snapshot, SnapshotShare


class SnapshotShares:
    """The shares of snapshots in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, uin: Uin, region: Region, snapshot_ids: Iterable[SnapshotId]) -> tuple[Snapshot, ...]:
        """Return those of the snapshots that the account owns; until the transaction ends nobody else shares or removes them."""
        mine = (SNAPSHOTS.c.owner == uin, SNAPSHOTS.c.region == region, SNAPSHOTS.c.snapshot_id.in_(tuple(snapshot_ids)))
        query = select(SNAPSHOTS).where(*mine).order_by(SNAPSHOTS.c.snapshot_id).with_for_update()
        return tuple(record_of(Snapshot, row) for row in self._connection.execute(query).mappings())

    def add(self, snapshot_id: SnapshotId, accounts: Iterable[Uin], at: datetime) -> int:
        """Share a locked snapshot with the accounts, and return with how many it is shared then. Sharing twice is harmless."""
        rows = [{"snapshot_id": snapshot_id, "account": account, "created_at": at} for account in dict.fromkeys(accounts)]
        if rows:
            self._connection.execute(insert_or_skip(self._connection, SNAPSHOT_SHARES, ["snapshot_id", "account"]).values(rows))
        return self._connection.execute(select(func.count()).where(SNAPSHOT_SHARES.c.snapshot_id == snapshot_id)).scalar_one()

    def remove(self, snapshot_id: SnapshotId, accounts: Iterable[Uin]) -> None:
        """Stop sharing the snapshot with the accounts; one that it is not shared with is no error."""
        shares = SNAPSHOT_SHARES.c
        self._connection.execute(
            delete(SNAPSHOT_SHARES).where(shares.snapshot_id == snapshot_id, shares.account.in_(tuple(accounts)))
        )

    def of(self, snapshot_id: SnapshotId) -> tuple[SnapshotShare, ...]:
        """Return the snapshot's shares, the oldest first."""
        shares = SNAPSHOT_SHARES.c
        query = select(SNAPSHOT_SHARES).where(shares.snapshot_id == snapshot_id).order_by(shares.created_at, shares.account)
        return tuple(record_of(SnapshotShare, row) for row in self._connection.execute(query).mappings())

    def shared_ones(self, snapshot_ids: Iterable[SnapshotId]) -> frozenset[SnapshotId]:
        """Return those of the snapshots that are shared with somebody."""
        found: set[SnapshotId] = set()
        for batch in batches(snapshot_ids):
            query = select(SNAPSHOT_SHARES.c.snapshot_id).where(SNAPSHOT_SHARES.c.snapshot_id.in_(batch)).distinct()
            found.update(SnapshotId(one) for one in self._connection.scalars(query))
        return frozenset(found)

    def hold(self, account: Uin, region: Region, snapshot_ids: Iterable[SnapshotId]) -> tuple[Snapshot, ...]:
        """Return those of the snapshots that are shared with the account, and keep them until the transaction ends."""
        source = SNAPSHOTS.join(SNAPSHOT_SHARES, SNAPSHOT_SHARES.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        theirs = (
            SNAPSHOT_SHARES.c.account == account,
            SNAPSHOTS.c.region == region,
            SNAPSHOTS.c.snapshot_id.in_(tuple(snapshot_ids)),
        )
        query = select(*SNAPSHOTS.c).select_from(source).where(*theirs).order_by(SNAPSHOTS.c.snapshot_id)
        rows = self._connection.execute(query.with_for_update(read=True, of=SNAPSHOTS)).mappings()
        return tuple(record_of(Snapshot, row) for row in rows)
