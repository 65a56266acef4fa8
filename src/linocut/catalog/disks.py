"""Disks, of instances or of none, and what was last taken from each."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypedDict, Unpack

from sqlalchemy import Connection, delete, func, insert, select, update

from linocut.catalog.disk_query import DiskQuery, ListedDisk, matching
from linocut.catalog.history import History
from linocut.catalog.page import Page
from linocut.catalog.rows import batches, guarded_update, lock_until_end, lost_race, record_of, values_of
from linocut.catalog.schema import DISKS, INSTANCES, POLICY_DISKS, SNAPSHOTS
from linocut.catalog.tags import drop_tags, put_tags, tags_of
from linocut.model.ids import DiskId, InstanceId, Region, RootDigest, SnapshotId, Uin
from linocut.model.records import Disk, Tag
from linocut.model.states import DISK_MOVES, DiskState


class DiskChanges(TypedDict, total=False):
    """The fields of a disk that may change with its state."""

    instance_id: InstanceId | None
    last_instance: InstanceId | None
    position: int
    size_gb: int
    delete_with_instance: bool
    portable: bool
    request_id: str


class Disks:
    """The disks in one transaction."""

    def __init__(self, connection: Connection, history: History) -> None:
        self._connection = connection
        self._history = history

    def lock_quota(self, uin: Uin, region: Region) -> None:
        """Let only one transaction at a time count and add disks of this account and region."""
        lock_until_end(self._connection, f"disk quota of {uin} in {region}")

    def add_all(self, disks: Iterable[Disk], tags: tuple[Tag, ...] = ()) -> None:
        """Add disks, of instances that exist or of none, each with these tags."""
        rows = [values_of(disk, DISKS) for disk in disks]
        if rows:
            self._connection.execute(insert(DISKS), rows)
            self._history.disks_changed(row["disk_id"] for row in rows)
            put_tags(self._connection, {row["disk_id"]: tags for row in rows})

    def get(self, disk_id: DiskId) -> Disk | None:
        """Return the disk, whoever owns it; or None."""
        row = self._connection.execute(select(DISKS).where(DISKS.c.disk_id == disk_id)).mappings().first()
        return None if row is None else record_of(Disk, row)

    def owned(self, uin: Uin, region: Region, disk_ids: Iterable[DiskId], *, hold: bool = True) -> tuple[Disk, ...]:
        """Return those of the disks that the account has in the region; held, they stay so until the transaction ends."""
        mine = (DISKS.c.owner == uin, DISKS.c.region == region, DISKS.c.disk_id.in_(tuple(disk_ids)))
        query = select(DISKS).where(*mine).order_by(DISKS.c.disk_id)
        rows = self._connection.execute(query.with_for_update() if hold else query).mappings()
        return tuple(record_of(Disk, row) for row in rows)

    def in_states(self, states: Iterable[DiskState]) -> tuple[Disk, ...]:
        """Return the disks in one of the states, whoever owns them, the oldest first."""
        query = select(DISKS).where(DISKS.c.state.in_(tuple(states))).order_by(DISKS.c.created_at, DISKS.c.disk_id)
        return tuple(record_of(Disk, row) for row in self._connection.execute(query).mappings())

    def count(self, uin: Uin, region: Region) -> int:
        """Return how many disks the account has in the region."""
        mine = (DISKS.c.owner == uin, DISKS.c.region == region)
        return self._connection.execute(select(func.count()).select_from(DISKS).where(*mine)).scalar_one()

    def of(self, instance_ids: Iterable[InstanceId]) -> Mapping[InstanceId, tuple[Disk, ...]]:
        """Return the disks of each instance in the order of their positions; an instance without any has an empty tuple."""
        found: dict[InstanceId, list[Disk]] = {instance_id: [] for instance_id in instance_ids}
        for batch in batches(found):
            query = select(DISKS).where(DISKS.c.instance_id.in_(batch)).order_by(DISKS.c.instance_id, DISKS.c.position)
            for row in self._connection.execute(query).mappings():
                found[row["instance_id"]].append(record_of(Disk, row))
        return {instance_id: tuple(disks) for instance_id, disks in found.items()}

    def list(self, query: DiskQuery) -> Page[ListedDisk]:
        """Return a page of the account's disks in the region."""
        source = DISKS.outerjoin(INSTANCES, INSTANCES.c.instance_id == DISKS.c.instance_id)
        conditions = matching(query)
        total = self._connection.execute(select(func.count()).select_from(source).where(*conditions)).scalar_one()
        created = DISKS.c.created_at.asc() if query.oldest_first else DISKS.c.created_at.desc()
        wanted = select(*DISKS.c).select_from(source).where(*conditions)
        page = wanted.order_by(created, DISKS.c.position, DISKS.c.disk_id).offset(query.offset).limit(query.limit)
        rows = self._connection.execute(page).mappings().all()
        ids = [row["disk_id"] for row in rows]
        tags, taken = tags_of(self._connection, ids), self._snapshots_taken(ids)
        return Page(
            tuple(
                ListedDisk(record_of(Disk, row), tags.get(name, ()), *taken.get(name, (0, 0)))
                for name, row in zip(ids, rows, strict=True)
            ),
            total,
        )

    def _snapshots_taken(self, disk_ids: Iterable[str]) -> Mapping[str, tuple[int, int]]:
        """Return of each disk how many snapshots there are, and their size in bytes; a disk without any is absent."""
        taken: dict[str, tuple[int, int]] = {}
        for batch in batches(disk_ids):
            of = SNAPSHOTS.c.disk_id
            query = select(of, func.count(), func.sum(SNAPSHOTS.c.size_bytes)).where(of.in_(batch)).group_by(of)
            taken |= {str(name): (int(count), int(size)) for name, count, size in self._connection.execute(query)}
        return taken

    def move(self, disk: Disk, to: DiskState, **changes: Unpack[DiskChanges]) -> Disk:
        """Move the disk to another state, with other changes at once, and return it as it then is.

        Raises ValueError for a move that is not legal, and LostRace when the disk is not as it was read.
        """
        if to not in DISK_MOVES[disk.state]:
            raise ValueError(f"a disk does not move from {disk.state} to {to}")
        guarded_update(self._connection, DISKS.c.disk_id, disk, {"state": to, **changes}, guards=("state", *changes))
        self._history.disks_changed([disk.disk_id])
        return replace(disk, state=to, **changes)

    def change(
        self, disk: Disk, *, name: str | None = None, delete_with_instance: bool | None = None, portable: bool | None = None
    ) -> None:
        """Change what may be changed in any state; what is None stays. Raises LostRace when the disk is gone."""
        changes = {"name": name, "delete_with_instance": delete_with_instance, "portable": portable}
        guarded_update(
            self._connection,
            DISKS.c.disk_id,
            disk,
            {key: value for key, value in changes.items() if value is not None},
            guards=(),
        )

    def grow(self, disk: Disk, size_gb: int) -> Disk:
        """Make the disk larger, whose machine follows at its next start, and return it as it then is.

        Raises LostRace when it is not as it was read.
        """
        guarded_update(self._connection, DISKS.c.disk_id, disk, {"size_gb": size_gb}, guards=("state", "size_gb"))
        self._history.disks_changed([disk.disk_id])
        return replace(disk, size_gb=size_gb)

    def synced(self, disk_id: DiskId, root: RootDigest | None, mark: str | None) -> None:
        """Remember the last tree taken from the disk, and the mark since which writes are recorded.

        Raises LostRace when the disk is gone.
        """
        statement = update(DISKS).where(DISKS.c.disk_id == disk_id).values(synced_root=root, synced_mark=mark)
        if self._connection.execute(statement).rowcount != 1:
            raise lost_race(f"{disk_id} is gone")

    def replace_content(
        self, disk: Disk, base_root: RootDigest | None, size_gb: int, base_snapshot: SnapshotId | None = None
    ) -> Disk:
        """Begin a new generation of the disk on another tree, a snapshot's, of another size, and return it as it then is.

        What was taken from the content of before tells nothing of this one. Raises LostRace when the disk is not as it was read.
        """
        changed = replace(
            disk,
            base_root=base_root,
            base_snapshot=base_snapshot,
            size_gb=size_gb,
            generation=disk.generation + 1,
            synced_root=None,
            synced_mark=None,
        )
        names = ("base_root", "base_snapshot", "size_gb", "generation", "synced_root", "synced_mark")
        changes = {name: getattr(changed, name) for name in names}
        guarded_update(self._connection, DISKS.c.disk_id, disk, changes, guards=("state", "generation", "size_gb"))
        self._history.disks_changed([disk.disk_id])
        return changed

    def remove(self, disk_ids: Iterable[DiskId]) -> None:
        """Remove disks, their tags, and what binds them to policies. One that is gone is no error."""
        for batch in batches(disk_ids):
            self._history.disks_changed(batch)
            drop_tags(self._connection, batch)
            self._connection.execute(delete(POLICY_DISKS).where(POLICY_DISKS.c.disk_id.in_(batch)))
            self._connection.execute(delete(DISKS).where(DISKS.c.disk_id.in_(batch)))

    def leave(self, instance_id: InstanceId) -> None:
        """Take the disks from an instance that ends: those that end with it are removed, the others are of no instance then."""
        own = DISKS.c.instance_id == instance_id
        self.remove(self._connection.scalars(select(DISKS.c.disk_id).where(own, DISKS.c.delete_with_instance)).all())
        kept = {"instance_id": None, "last_instance": instance_id, "state": DiskState.UNATTACHED}
        self._connection.execute(update(DISKS).where(own).values(**kept))
