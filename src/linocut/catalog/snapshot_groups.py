"""Groups of snapshots of one moment: their rows, and how an account lists them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, exists, func, insert, not_, or_, select, update

from linocut.catalog.page import Page
from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import IMAGE_SNAPSHOTS, IMAGES, SNAPSHOT_GROUPS, SNAPSHOT_SHARES, SNAPSHOTS
from linocut.catalog.snapshot_query import last_of_policy, rolling_back
from linocut.catalog.tags import put_tags, tags_of
from linocut.model.ids import ImageId, Region, SnapshotGroupId, Uin
from linocut.model.records import DiskUsage, Snapshot, SnapshotGroup
from linocut.model.states import DiskState, SnapshotState

DEFAULT_LIMIT: Final = 20
STATES: Final = (SnapshotState.NORMAL.value, SnapshotState.CREATING.value, DiskState.ROLLBACKING.value)
"""The states of a group, which are those of its snapshots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuery:
    """What a caller asks for. Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing.

    `ids` is None when not asked for. `names` match any part of the name, whatever its case. The newest come first.
    """

    owner: Uin
    region: Region
    ids: tuple[str, ...] | None = None
    states: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    snapshot_ids: tuple[str, ...] = ()
    offset: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group, its snapshots, and the images that are made of them with their names; `state` is one of STATES."""

    group: SnapshotGroup
    snapshots: tuple[Snapshot, ...]
    images: tuple[tuple[ImageId, str], ...]
    state: str

    @property
    def percent(self) -> int:
        """How far all of its snapshots are."""
        return min((snapshot.percent for snapshot in self.snapshots), default=0)

    @property
    def has_system_disk(self) -> bool:
        """Tell whether one of its snapshots is of a system disk."""
        return any(snapshot.usage is DiskUsage.SYSTEM_DISK for snapshot in self.snapshots)


class SnapshotGroups:
    """The groups of snapshots in one transaction. A group is removed with the last of its snapshots."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, group: SnapshotGroup) -> None:
        """Add a group, whose snapshots are to follow in the same transaction."""
        self._connection.execute(insert(SNAPSHOT_GROUPS).values(values_of(group, SNAPSHOT_GROUPS)))
        put_tags(self._connection, {group.group_id: group.tags})

    def get(self, group_id: SnapshotGroupId) -> SnapshotGroup | None:
        """Return the group, whoever owns it; or None."""
        return next(iter(self._records(SNAPSHOT_GROUPS.c.group_id == group_id)), None)

    def owned(self, uin: Uin, region: Region, group_ids: Iterable[SnapshotGroupId]) -> tuple[SnapshotGroup, ...]:
        """Return those of the groups that the account has in the region."""
        named = SNAPSHOT_GROUPS.c.group_id.in_(tuple(group_ids))
        return self._records(SNAPSHOT_GROUPS.c.owner == uin, SNAPSHOT_GROUPS.c.region == region, named)

    def taken_at(self, group_id: SnapshotGroupId, moment: datetime) -> None:
        """Say of which moment the group's snapshots are. Harmless where it is gone."""
        this = SNAPSHOT_GROUPS.c.group_id == group_id
        self._connection.execute(update(SNAPSHOT_GROUPS).where(this).values(created_at=moment))

    def due(self, at: datetime, limit: int) -> tuple[SnapshotGroup, ...]:
        """Return groups whose deadline has passed.

        Not those of which a snapshot is in an image, shared, still to come, or the last that a policy has of a disk bound to it.
        """
        own = SNAPSHOTS.c.group_id == SNAPSHOT_GROUPS.c.group_id
        of = SNAPSHOTS.c.snapshot_id
        kept = or_(
            SNAPSHOTS.c.state != SnapshotState.NORMAL,
            exists().where(IMAGE_SNAPSHOTS.c.snapshot_id == of),
            exists().where(SNAPSHOT_SHARES.c.snapshot_id == of),
            last_of_policy(),
        )
        return self._records(SNAPSHOT_GROUPS.c.deadline <= at, ~exists().where(own, kept), limit=limit)

    def list(self, query: GroupQuery) -> Page[ListedGroup]:
        """Return a page of the account's groups in the region, the newest first."""
        conditions = _matching(query)
        total = self._connection.execute(select(func.count()).select_from(SNAPSHOT_GROUPS).where(*conditions)).scalar_one()
        newest = (SNAPSHOT_GROUPS.c.created_at.desc(), SNAPSHOT_GROUPS.c.group_id)
        wanted = select(SNAPSHOT_GROUPS.c.group_id).where(*conditions).order_by(*newest)
        ids = self._connection.scalars(wanted.offset(query.offset).limit(query.limit)).all()
        groups = {group.group_id: group for group in self._records(SNAPSHOT_GROUPS.c.group_id.in_(ids))}
        return Page(tuple(self._listed(groups[SnapshotGroupId(group_id)]) for group_id in ids), total)

    def _listed(self, group: SnapshotGroup) -> ListedGroup:
        own = SNAPSHOTS.c.group_id == group.group_id
        query = select(*SNAPSHOTS.c, rolling_back(group.owner).label("is_rolling_back")).where(own)
        rows = self._connection.execute(query.order_by(SNAPSHOTS.c.name, SNAPSHOTS.c.snapshot_id)).mappings().all()
        links = IMAGE_SNAPSHOTS.join(IMAGES, IMAGES.c.image_id == IMAGE_SNAPSHOTS.c.image_id)
        named = select(IMAGES.c.image_id, IMAGES.c.name).select_from(links).distinct()
        made = named.where(IMAGE_SNAPSHOTS.c.snapshot_id.in_([row["snapshot_id"] for row in rows])).order_by(IMAGES.c.image_id)
        images = tuple((ImageId(row.image_id), row.name) for row in self._connection.execute(made))
        snapshots = tuple(record_of(Snapshot, row) for row in rows)
        return ListedGroup(group, snapshots, images, _state(snapshots, is_rolled=any(row["is_rolling_back"] for row in rows)))

    def _records(self, *conditions: ColumnElement[bool], limit: int | None = None) -> tuple[SnapshotGroup, ...]:
        query = select(SNAPSHOT_GROUPS).where(*conditions).order_by(SNAPSHOT_GROUPS.c.created_at, SNAPSHOT_GROUPS.c.group_id)
        rows = self._connection.execute(query.limit(limit)).mappings().all()
        tags = tags_of(self._connection, [row["group_id"] for row in rows])
        return tuple(record_of(SnapshotGroup, row, tags=tags.get(row["group_id"], ())) for row in rows)


def _state(snapshots: tuple[Snapshot, ...], *, is_rolled: bool) -> str:
    if any(snapshot.state is SnapshotState.CREATING for snapshot in snapshots):
        return SnapshotState.CREATING
    return DiskState.ROLLBACKING if is_rolled else SnapshotState.NORMAL


def _matching(query: GroupQuery) -> list[ColumnElement[bool]]:
    groups = SNAPSHOT_GROUPS.c
    own = SNAPSHOTS.c.group_id == groups.group_id
    conditions = [groups.owner == query.owner, groups.region == query.region]
    if query.ids is not None:
        conditions.append(groups.group_id.in_(query.ids))
    if query.names:
        conditions.append(or_(*(groups.name.icontains(name, autoescape=True) for name in query.names)))
    if query.snapshot_ids:
        conditions.append(exists().where(own, SNAPSHOTS.c.snapshot_id.in_(query.snapshot_ids)))
    if query.states:
        creating = exists().where(own, SNAPSHOTS.c.state == SnapshotState.CREATING)
        rolled = exists().where(own, rolling_back(query.owner))
        by_state = {
            SnapshotState.CREATING.value: creating,
            DiskState.ROLLBACKING.value: rolled,
            SnapshotState.NORMAL.value: not_(or_(creating, rolled)),
        }
        conditions.append(or_(*(by_state[state] for state in query.states)))
    return conditions
