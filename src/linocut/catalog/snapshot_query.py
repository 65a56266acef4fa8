"""Which of its snapshots an account asks for, filtered and paged; and what a list says of each beyond its record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, and_, exists, false, func, not_, or_, select

from linocut.catalog.schema import DISKS, POLICY_DISKS, SNAPSHOT_SHARES, SNAPSHOTS
from linocut.model.ids import ImageId, Region, Uin, Zone
from linocut.model.records import Snapshot, Tag
from linocut.model.states import DiskState, SnapshotState

DEFAULT_LIMIT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotQuery:
    """What a caller asks for. Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing.

    `own` asks for the account's own snapshots, `shared` for those that are shared with it. `ids` is None when not asked for, and
    matches nothing when empty. `names` match any part of the name, whatever its case; `zones` are those of disks that are still
    there. The newest come first, unless `oldest_first`.
    """

    owner: Uin
    region: Region
    own: bool = True
    shared: bool = True
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    disk_ids: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    oldest_first: bool = False
    offset: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class ListedSnapshot:
    """A snapshot, the images that are made of it with their names, and its disk's zone if there is the disk.

    `shared_with` is the number of accounts that it is shared with, `shared_since` when the first share of it was made. Whoever it
    is shared with is told of none of that but when that was done. `is_rolling_back` tells that its disk is being rolled back to
    it.
    """

    snapshot: Snapshot
    images: tuple[tuple[ImageId, str], ...]
    zone: Zone | None
    shared_with: int = 0
    shared_since: datetime | None = None
    copying_to: tuple[Region, ...] = ()
    tags: tuple[Tag, ...] = ()
    is_rolling_back: bool = False


def matching(query: SnapshotQuery) -> list[ColumnElement[bool]]:
    """Return the conditions that a snapshot meets which the query asks for."""
    exact: list[tuple[Column[str], tuple[str, ...]]] = [
        (SNAPSHOTS.c.usage, query.usages),
        (SNAPSHOTS.c.disk_id, query.disk_ids),
    ]
    seen = [SNAPSHOTS.c.owner == query.owner] if query.own else []
    seen += [_shared_with(query.owner)] if query.shared and not query.disk_ids else []
    conditions = [or_(false(), *seen), SNAPSHOTS.c.region == query.region]
    conditions += [column.in_(values) for column, values in exact if values]
    if query.states:
        conditions.append(or_(*(_in_state(state, query.owner) for state in query.states)))
    if query.ids is not None:
        conditions.append(SNAPSHOTS.c.snapshot_id.in_(query.ids))
    if query.zones:
        conditions.append(_of_disk_in(query.zones))
    if query.names:
        conditions.append(or_(*(SNAPSHOTS.c.name.icontains(name, autoescape=True) for name in query.names)))
    return conditions


def _of_disk_in(zones: tuple[str, ...]) -> ColumnElement[bool]:
    disk = DISKS.alias("placed")
    return exists().where(disk.c.disk_id == SNAPSHOTS.c.disk_id, disk.c.zone.in_(zones))


def shares_seen(account: Uin) -> tuple[ColumnElement[int], ColumnElement[datetime]]:
    """Return what an account is told of a snapshot's shares: of an own one how many there are and since when, else of its own."""
    shares = SNAPSHOT_SHARES.c
    told = shares.snapshot_id == SNAPSHOTS.c.snapshot_id, or_(SNAPSHOTS.c.owner == account, shares.account == account)
    count = select(func.count()).where(*told, SNAPSHOTS.c.owner == account).scalar_subquery()
    since = select(func.min(shares.created_at)).where(*told).scalar_subquery()
    return count.label("shared_with"), since.label("shared_since")


def _shared_with(account: Uin) -> ColumnElement[bool]:
    shares = SNAPSHOT_SHARES.c
    return SNAPSHOTS.c.snapshot_id.in_(select(shares.snapshot_id).where(shares.account == account))


def last_of_policy() -> ColumnElement[bool]:
    """Return the condition that a policy has no later whole snapshot of the same disk, which is still bound to it."""
    later = SNAPSHOTS.alias("later")
    bound = exists().where(POLICY_DISKS.c.policy_id == SNAPSHOTS.c.policy_id, POLICY_DISKS.c.disk_id == SNAPSHOTS.c.disk_id)
    followed = exists().where(
        later.c.policy_id == SNAPSHOTS.c.policy_id,
        later.c.disk_id == SNAPSHOTS.c.disk_id,
        later.c.created_at > SNAPSHOTS.c.created_at,
        later.c.state == SnapshotState.NORMAL,
    )
    return and_(bound, ~followed)


def rolling_back(account: Uin) -> ColumnElement[bool]:
    """Return the condition that the disk of a snapshot is being rolled back to it, which its owner alone may know."""
    disk = DISKS.alias("rolled")
    is_own = disk.c.owner == account
    return exists().where(disk.c.base_snapshot == SNAPSHOTS.c.snapshot_id, disk.c.state == DiskState.ROLLBACKING, is_own)


def _in_state(state: str, account: Uin) -> ColumnElement[bool]:
    """Return the condition that a snapshot is in a state as the wire tells them apart: a copy is not CREATING but COPYING."""
    match state:
        case "COPYING_FROM_REMOTE":
            return and_(SNAPSHOTS.c.state == SnapshotState.CREATING, SNAPSHOTS.c.is_copy)
        case SnapshotState.CREATING:
            return and_(SNAPSHOTS.c.state == SnapshotState.CREATING, not_(SNAPSHOTS.c.is_copy))
        case DiskState.ROLLBACKING:
            return rolling_back(account)
        case SnapshotState.NORMAL:
            return and_(SNAPSHOTS.c.state == SnapshotState.NORMAL, not_(rolling_back(account)))
        case _:
            return SNAPSHOTS.c.state == state
