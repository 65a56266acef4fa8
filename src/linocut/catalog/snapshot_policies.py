"""Auto snapshot policies, the disks that are bound to them, and what is due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select, update

from linocut.catalog.page import Page
from linocut.catalog.rows import batches, insert_or_skip, lock_until_end, record_of, values_of
from linocut.catalog.schema import (
    DISKS,
    IMAGE_SNAPSHOTS,
    POLICY_DISKS,
    SNAPSHOT_GROUPS,
    SNAPSHOT_POLICIES,
    SNAPSHOT_SHARES,
    SNAPSHOTS,
)
from linocut.model.ids import DiskId, InstanceId, PolicyId, Region, SnapshotId, Uin
from linocut.model.records import PolicyRule, SnapshotPolicy
from linocut.model.states import SnapshotState

DEFAULT_LIMIT: Final = 20
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before anything is owed. That it is at any time at all finds by an index what is owed; that it is known at all does not."""


class PolicyChanges(TypedDict, total=False):
    """The fields of a policy that change."""

    name: str
    is_activated: bool
    rules: tuple[PolicyRule, ...]
    retention_days: int
    retention_amount: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyQuery:
    """What a caller asks for. Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing.

    `ids` is None when not asked for, and matches nothing when empty. `names` match any part of the name, whatever its case.
    The newest come first, unless `oldest_first`.
    """

    owner: Uin
    region: Region
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    oldest_first: bool = False
    offset: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class ListedPolicy:
    """A policy, the disks that are bound to it, and the instances that those are attached to."""

    policy: SnapshotPolicy
    disk_ids: tuple[DiskId, ...]
    instance_ids: tuple[InstanceId, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """A disk of which a policy owes a snapshot since a time that it was due, or that the time was noticed."""

    policy_id: PolicyId
    disk_id: DiskId
    instance_id: InstanceId | None
    owed_at: datetime


class SnapshotPolicies:
    """The policies in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, policy: SnapshotPolicy) -> None:
        """Add a policy."""
        self._connection.execute(insert(SNAPSHOT_POLICIES).values(values_of(policy, SNAPSHOT_POLICIES)))

    def get(self, policy_id: PolicyId) -> SnapshotPolicy | None:
        """Return the policy, whoever owns it; or None."""
        return next(iter(self._records(SNAPSHOT_POLICIES.c.policy_id == policy_id)), None)

    def lock_quota(self, uin: Uin, region: Region) -> None:
        """Keep others from adding policies of the account in the region until the transaction ends."""
        lock_until_end(self._connection, f"policies:{uin}:{region}")

    def count(self, uin: Uin, region: Region) -> int:
        """Return how many policies the account has in the region."""
        mine = (SNAPSHOT_POLICIES.c.owner == uin, SNAPSHOT_POLICIES.c.region == region)
        return self._connection.execute(select(func.count()).select_from(SNAPSHOT_POLICIES).where(*mine)).scalar_one()

    def lock(self, uin: Uin, region: Region, policy_ids: Iterable[PolicyId]) -> tuple[SnapshotPolicy, ...]:
        """Return those of the policies that the account has in the region, and let nobody else change them meanwhile."""
        table = SNAPSHOT_POLICIES.c
        mine = (table.owner == uin, table.region == region, table.policy_id.in_(tuple(policy_ids)))
        query = select(SNAPSHOT_POLICIES).where(*mine).order_by(table.policy_id).with_for_update()
        return tuple(record_of(SnapshotPolicy, row) for row in self._connection.execute(query).mappings())

    def update(self, policy_id: PolicyId, **changes: Unpack[PolicyChanges]) -> None:
        """Change a locked policy."""
        self._connection.execute(update(SNAPSHOT_POLICIES).where(SNAPSHOT_POLICIES.c.policy_id == policy_id).values(**changes))

    def remove(self, policy_ids: Iterable[PolicyId]) -> None:
        """Remove policies, and what binds disks to them. One that is gone is no error; the snapshots that they had taken stay."""
        for batch in batches(policy_ids):
            self._connection.execute(delete(POLICY_DISKS).where(POLICY_DISKS.c.policy_id.in_(batch)))
            self._connection.execute(delete(SNAPSHOT_POLICIES).where(SNAPSHOT_POLICIES.c.policy_id.in_(batch)))

    def bound(self, policy_id: PolicyId, disk_ids: Iterable[DiskId]) -> frozenset[DiskId]:
        """Return those of the disks that are bound to the policy."""
        found: set[DiskId] = set()
        for batch in batches(disk_ids):
            of = (POLICY_DISKS.c.policy_id == policy_id, POLICY_DISKS.c.disk_id.in_(batch))
            found.update(DiskId(disk_id) for disk_id in self._connection.scalars(select(POLICY_DISKS.c.disk_id).where(*of)))
        return frozenset(found)

    def bind(self, policy_id: PolicyId, disk_ids: Iterable[DiskId]) -> None:
        """Bind disks to a locked policy; one that is bound already is no error."""
        rows = [{"policy_id": policy_id, "disk_id": disk_id} for disk_id in disk_ids]
        if rows:
            self._connection.execute(insert_or_skip(self._connection, POLICY_DISKS, ["policy_id", "disk_id"]).values(rows))

    def unbind(self, policy_id: PolicyId, disk_ids: Iterable[DiskId]) -> None:
        """Unbind disks from a locked policy; one that is not bound is no error."""
        for batch in batches(disk_ids):
            of = (POLICY_DISKS.c.policy_id == policy_id, POLICY_DISKS.c.disk_id.in_(batch))
            self._connection.execute(delete(POLICY_DISKS).where(*of))

    def list(self, query: PolicyQuery) -> Page[ListedPolicy]:
        """Return a page of the account's policies in the region."""
        table, conditions = SNAPSHOT_POLICIES.c, _matching(query)
        total = self._connection.execute(select(func.count()).select_from(SNAPSHOT_POLICIES).where(*conditions)).scalar_one()
        created = table.created_at.asc() if query.oldest_first else table.created_at.desc()
        ordered = select(SNAPSHOT_POLICIES).where(*conditions).order_by(created, table.policy_id)
        rows = self._connection.execute(ordered.offset(query.offset).limit(query.limit)).mappings().all()
        policies = [record_of(SnapshotPolicy, row) for row in rows]
        bound = self._bound_to([policy.policy_id for policy in policies])
        return Page(tuple(ListedPolicy(policy, *bound.get(policy.policy_id, ((), ()))) for policy in policies), total)

    def of_disk(self, disk_id: DiskId) -> tuple[SnapshotPolicy, ...]:
        """Return the policies that a disk is bound to, the oldest first."""
        bound = select(POLICY_DISKS.c.policy_id).where(POLICY_DISKS.c.disk_id == disk_id)
        return self._records(SNAPSHOT_POLICIES.c.policy_id.in_(bound))

    def of_disks(self, disk_ids: Iterable[DiskId]) -> Mapping[DiskId, tuple[PolicyId, ...]]:
        """Return the policies that each of the disks is bound to; a disk that is bound to none is not there."""
        found: dict[DiskId, tuple[PolicyId, ...]] = {}
        for batch in batches(disk_ids):
            query = select(POLICY_DISKS).where(POLICY_DISKS.c.disk_id.in_(batch)).order_by(POLICY_DISKS.c.policy_id)
            for row in self._connection.execute(query):
                found[DiskId(row.disk_id)] = (*found.get(DiskId(row.disk_id), ()), PolicyId(row.policy_id))
        return found

    def due(self, at: datetime, limit: int) -> tuple[PolicyId, ...]:
        """Return policies that are due, the longest due first."""
        table = SNAPSHOT_POLICIES.c
        query = select(table.policy_id).where(table.next_at <= at).order_by(table.next_at, table.policy_id).limit(limit)
        return tuple(PolicyId(policy_id) for policy_id in self._connection.scalars(query))

    def due_later_than(self, at: datetime) -> tuple[SnapshotPolicy, ...]:
        """Return policies that are due after this time."""
        return self._records(SNAPSHOT_POLICIES.c.next_at > at)

    def lock_due(self, policy_id: PolicyId, at: datetime) -> SnapshotPolicy | None:
        """Return the policy if it is due, and let nobody else change it meanwhile; None where somebody has seen to it."""
        due = (SNAPSHOT_POLICIES.c.policy_id == policy_id, SNAPSHOT_POLICIES.c.next_at <= at)
        row = self._connection.execute(select(SNAPSHOT_POLICIES).where(*due).with_for_update()).mappings().first()
        return None if row is None else record_of(SnapshotPolicy, row)

    def owe(self, policy_id: PolicyId, at: datetime) -> None:
        """Say that a locked policy owes a snapshot of each disk that is bound to it, as of this time."""
        self._connection.execute(update(POLICY_DISKS).where(POLICY_DISKS.c.policy_id == policy_id).values(owed_at=at))

    def owed(self) -> tuple[Owed, ...]:
        """Return every snapshot that is owed, those of one policy together, and of one instance."""
        source = POLICY_DISKS.join(DISKS, DISKS.c.disk_id == POLICY_DISKS.c.disk_id)
        columns = (POLICY_DISKS.c.policy_id, POLICY_DISKS.c.disk_id, DISKS.c.instance_id, POLICY_DISKS.c.owed_at)
        query = select(*columns).select_from(source).where(POLICY_DISKS.c.owed_at >= _EVER)
        ordered = query.order_by(POLICY_DISKS.c.policy_id, DISKS.c.instance_id, DISKS.c.position, DISKS.c.disk_id)
        return tuple(Owed(**row) for row in self._connection.execute(ordered).mappings())

    def settle(self, policy_id: PolicyId, disk_ids: Iterable[DiskId]) -> frozenset[DiskId]:
        """Say that nothing is owed of these disks any more; return those of which something was."""
        settled: set[DiskId] = set()
        for batch in batches(disk_ids):
            of = (POLICY_DISKS.c.policy_id == policy_id, POLICY_DISKS.c.disk_id.in_(batch), POLICY_DISKS.c.owed_at.is_not(None))
            nothing = update(POLICY_DISKS).where(*of).values(owed_at=None).returning(POLICY_DISKS.c.disk_id)
            settled.update(DiskId(disk_id) for disk_id in self._connection.scalars(nothing))
        return frozenset(settled)

    def overfull(self) -> tuple[tuple[SnapshotPolicy, DiskId], ...]:
        """Return the policies that have more whole snapshots of a disk than they are to keep, and the disk."""
        table = SNAPSHOT_POLICIES.c
        source = SNAPSHOTS.join(SNAPSHOT_POLICIES, table.policy_id == SNAPSHOTS.c.policy_id)
        counted = (
            select(SNAPSHOTS.c.policy_id, SNAPSHOTS.c.disk_id)
            .select_from(source)
            .where(table.retention_amount > 0, SNAPSHOTS.c.state == SnapshotState.NORMAL, SNAPSHOTS.c.disk_id.is_not(None))
            .group_by(SNAPSHOTS.c.policy_id, SNAPSHOTS.c.disk_id, table.retention_amount)
            .having(func.count() > table.retention_amount)
        )
        rows = self._connection.execute(counted).all()
        policies = {one.policy_id: one for one in self._records(table.policy_id.in_({row.policy_id for row in rows}))}
        return tuple((policies[row.policy_id], DiskId(row.disk_id)) for row in rows)

    def beyond_amount(self, policy: SnapshotPolicy, disk_id: DiskId) -> tuple[SnapshotId, ...]:
        """Return the whole snapshots of a disk that are older than those that the policy is to keep, save what must stay.

        That is what somebody keeps for ever, has made an image of, or shares.
        """
        of = (
            SNAPSHOTS.c.policy_id == policy.policy_id,
            SNAPSHOTS.c.disk_id == disk_id,
            SNAPSHOTS.c.state == SnapshotState.NORMAL,
        )
        newest = (SNAPSHOTS.c.created_at.desc(), SNAPSHOTS.c.snapshot_id)
        older = select(SNAPSHOTS.c.snapshot_id).where(*of).order_by(*newest).offset(policy.retention_amount)
        group = select(SNAPSHOT_GROUPS.c.deadline).where(SNAPSHOT_GROUPS.c.group_id == SNAPSHOTS.c.group_id)
        passing = func.coalesce(SNAPSHOTS.c.deadline, group.scalar_subquery()).is_not(None)
        unbound = ~exists().where(IMAGE_SNAPSHOTS.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        unshared = ~exists().where(SNAPSHOT_SHARES.c.snapshot_id == SNAPSHOTS.c.snapshot_id)
        query = select(SNAPSHOTS.c.snapshot_id).where(SNAPSHOTS.c.snapshot_id.in_(older), passing, unbound, unshared)
        return tuple(SnapshotId(snapshot_id) for snapshot_id in self._connection.scalars(query))

    def _bound_to(self, policy_ids: Iterable[PolicyId]) -> dict[str, tuple[tuple[DiskId, ...], tuple[InstanceId, ...]]]:
        """Return the disks that are bound to each policy, and their instances."""
        found: dict[str, tuple[tuple[DiskId, ...], tuple[InstanceId, ...]]] = {}
        for batch in batches(policy_ids):
            source = POLICY_DISKS.join(DISKS, DISKS.c.disk_id == POLICY_DISKS.c.disk_id)
            query = select(POLICY_DISKS.c.policy_id, DISKS.c.disk_id, DISKS.c.instance_id).select_from(source)
            for row in self._connection.execute(query.where(POLICY_DISKS.c.policy_id.in_(batch)).order_by(DISKS.c.disk_id)):
                disks, instances = found.get(row.policy_id, ((), ()))
                is_new = row.instance_id is not None and row.instance_id not in instances
                found[row.policy_id] = ((*disks, row.disk_id), (*instances, row.instance_id) if is_new else instances)
        return found

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[SnapshotPolicy, ...]:
        table = SNAPSHOT_POLICIES.c
        query = select(SNAPSHOT_POLICIES).where(and_(*conditions)).order_by(table.created_at, table.policy_id)
        return tuple(record_of(SnapshotPolicy, row) for row in self._connection.execute(query).mappings())


def _matching(query: PolicyQuery) -> list[ColumnElement[bool]]:
    table = SNAPSHOT_POLICIES.c
    conditions: list[ColumnElement[bool]] = [table.owner == query.owner, table.region == query.region]
    if query.ids is not None:
        conditions.append(table.policy_id.in_(query.ids))
    if query.names:
        conditions.append(or_(*(table.name.icontains(name, autoescape=True) for name in query.names)))
    return conditions
