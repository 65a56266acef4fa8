"""What existed when: the spans of snapshots, disks and instances that hours are metered from.

Whoever changes such a row says so to the transaction's `History`. As the last thing before the commit, it compares the rows with
their open spans and writes what differs, at one moment: so a span begins and ends in the transaction of the change itself, by the
clock of the catalog, and no use case can forget it.

A snapshot counts once its content is in the store, a disk once it has been attached or was made on its own, an instance from its
first start until it is terminated, stopped or not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from linocut.catalog.rows import batches
from linocut.catalog.schema import DISKS, IMAGE_SNAPSHOTS, INSTANCES, METERS, SNAPSHOTS, SPANS
from linocut.model.ids import ImageId, Region, RootDigest, Uin, Zone
from linocut.model.states import DiskState, InstanceState, SnapshotState
from linocut.model.usage import DiskUse, InstanceUse, SnapshotUse, Span, Use, hour_of, start_of

Clock = Callable[[], datetime]

_NOT_YET: Final = frozenset({InstanceState.PENDING, InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING})
_RUNS: Final = frozenset({InstanceState.RUNNING, InstanceState.REBOOTING, InstanceState.STOPPING})
_BY_TRAFFIC: Final = "TRAFFIC_POSTPAID_BY_HOUR"


class History:
    """The spans in one transaction."""

    def __init__(self, connection: Connection, now: Clock) -> None:
        self._connection = connection
        self._now = now
        self._snapshots: set[str] = set()
        self._disks: set[str] = set()
        self._instances: set[str] = set()

    def snapshots_changed(self, ids: Iterable[str]) -> None:
        """Take note of snapshots that came, went or changed."""
        self._snapshots.update(ids)

    def disks_changed(self, ids: Iterable[str]) -> None:
        """Take note of disks that came, went or changed."""
        self._disks.update(ids)

    def instances_changed(self, ids: Iterable[str]) -> None:
        """Take note of instances that came, went or changed."""
        self._instances.update(ids)

    def settle(self) -> None:
        """End the spans of what is no longer as it was, and begin those of what it is now."""
        touched = sorted(self._snapshots | self._disks | self._instances)
        if not touched:
            return
        at = self._now()
        now = {str(key): (row, use) for key, row, use in self._as_they_are()}
        open_spans = {span["resource_id"]: span for span in self._open(touched)}
        begun = [row for each in touched if (row := _beginning(now.get(each), open_spans.get(each), at)) is not None]
        ended = [
            {"ended_span": span["span_id"], "at": max(at, span["began_at"]), "mark": _last_mark(span["began_at"], at)}
            for each, span in open_spans.items()
            if each not in now or not _same(now[each][1], span["use"])
        ]
        if ended:
            ending = update(SPANS).where(SPANS.c.span_id == bindparam("ended_span"))
            self._connection.execute(ending.values(ended_at=bindparam("at"), counts_until=bindparam("mark")), ended)
        if begun:
            self._connection.execute(insert(SPANS), begun)
        for names in (self._snapshots, self._disks, self._instances):
            names.clear()

    def touching(self, account: Uin, region: Region, begin: datetime, end: datetime) -> tuple[Span, ...]:
        """Return the account's spans in the region that lie, in part at least, between two moments."""
        mine = (SPANS.c.owner == account, SPANS.c.region == region, SPANS.c.began_at < end)
        query = select(SPANS).where(*mine, or_(SPANS.c.ended_at.is_(None), SPANS.c.ended_at > begin))
        return tuple(_span(row) for row in self._connection.execute(query.order_by(SPANS.c.span_id)).mappings())

    def of(self, resource_id: str) -> tuple[Span, ...]:
        """Return what a resource was, the oldest first."""
        query = select(SPANS).where(SPANS.c.resource_id == resource_id).order_by(SPANS.c.began_at, SPANS.c.span_id)
        return tuple(_span(row) for row in self._connection.execute(query).mappings())

    def behind(self, until: datetime) -> tuple[tuple[Region, Uin, datetime], ...]:
        """Return the regions and accounts that used something in hours before this one which are not closed, and since when."""
        unmetered = or_(METERS.c.closed_until.is_(None), SPANS.c.ended_at.is_(None), SPANS.c.ended_at > METERS.c.closed_until)
        open_hours = or_(METERS.c.closed_until.is_(None), METERS.c.closed_until < until)
        first = func.min(SPANS.c.began_at)
        source = SPANS.outerjoin(METERS, and_(METERS.c.account == SPANS.c.owner, METERS.c.region == SPANS.c.region))
        query = select(SPANS.c.region, SPANS.c.owner, METERS.c.closed_until, first).select_from(source)
        query = query.where(SPANS.c.began_at < until, unmetered, open_hours)
        grouped = query.group_by(SPANS.c.region, SPANS.c.owner, METERS.c.closed_until).order_by(SPANS.c.region, SPANS.c.owner)
        return tuple(
            (Region(region), Uin(owner), closed or start_of(hour_of(began)))
            for region, owner, closed, began in self._connection.execute(grouped)
        )

    def forget_before(self, moment: datetime) -> None:
        """Forget what ended before a moment."""
        self._connection.execute(delete(SPANS).where(SPANS.c.ended_at < moment))

    def _open(self, ids: Iterable[str]) -> Iterator[RowMapping]:
        for batch in batches(ids):
            query = select(SPANS).where(SPANS.c.resource_id.in_(batch), SPANS.c.ended_at.is_(None))
            yield from self._connection.execute(query).mappings()

    def _as_they_are(self) -> Iterator[tuple[str, RowMapping, Use]]:
        """Yield what there is of all that was touched, and counts."""
        links = IMAGE_SNAPSHOTS.c
        image = select(func.min(links.image_id)).where(links.snapshot_id == SNAPSHOTS.c.snapshot_id).scalar_subquery()
        snapshots = select(SNAPSHOTS, image.label("of_image")).where(SNAPSHOTS.c.state == SnapshotState.NORMAL)
        instances = select(INSTANCES).where(INSTANCES.c.state.not_in(_NOT_YET))
        yield from self._rows(snapshots, SNAPSHOTS.c.snapshot_id, self._snapshots, _of_snapshot)
        yield from self._rows(select(DISKS), DISKS.c.disk_id, self._disks, _of_disk)
        yield from self._rows(instances, INSTANCES.c.instance_id, self._instances, _of_instance)

    def _rows(
        self, query: Select[Any], key: Column[str], ids: Iterable[str], use_of: Callable[[RowMapping], Use]
    ) -> Iterator[tuple[str, RowMapping, Use]]:
        for batch in batches(sorted(ids)):
            for row in self._connection.execute(query.where(key.in_(batch))).mappings():
                yield row[key.name], row, use_of(row)


def unmetered_roots() -> tuple[ColumnElement[bool], Any]:
    """Return the condition that a span is of a snapshot that is gone but not metered yet, and what to select from."""
    source = SPANS.outerjoin(METERS, and_(METERS.c.account == SPANS.c.owner, METERS.c.region == SPANS.c.region))
    behind = or_(METERS.c.closed_until.is_(None), METERS.c.closed_until < SPANS.c.counts_until)
    return and_(SPANS.c.root.is_not(None), SPANS.c.counts_until.is_not(None), behind), source


def _last_mark(began_at: datetime, at: datetime) -> datetime | None:
    """Return the end of the last hour at whose end a span was there; None where there is no such hour."""
    mark = start_of(hour_of(max(at, began_at)))
    return mark if mark > began_at else None


def _beginning(now: tuple[RowMapping, Use] | None, before: RowMapping | None, at: datetime) -> Mapping[str, Any] | None:
    """Return the row of a span that begins, or None where none does: a disk that never was attached does not count yet."""
    if now is None:
        return None
    row, use = now
    if row["state"] is DiskState.ATTACHING if before is None else _same(use, before["use"]):
        return None
    return {
        "owner": row["owner"],
        "region": row["region"],
        "zone": row.get("zone", ""),
        "resource_id": row[{SnapshotUse: "snapshot_id", DiskUse: "disk_id", InstanceUse: "instance_id"}[type(use)]],
        "use": use,
        "root": use.root if isinstance(use, SnapshotUse) else None,
        "began_at": at if before is None else max(at, before["began_at"]),
        "ended_at": None,
        "counts_until": None,
    }


def _same(now: Use, before: Use) -> bool:
    """Tell whether something is what it was. Which image a snapshot was made for does not matter later."""
    if isinstance(now, SnapshotUse) and isinstance(before, SnapshotUse):
        return now.root == before.root
    return now == before


def _of_snapshot(row: RowMapping) -> Use:
    return SnapshotUse(RootDigest(row["root"]), None if row["of_image"] is None else ImageId(row["of_image"]))


def _of_disk(row: RowMapping) -> Use:
    return DiskUse(row["disk_type"], row["size_gb"])


def _of_instance(row: RowMapping) -> Use:
    by_hour = row["internet_charge_type"] != _BY_TRAFFIC
    return InstanceUse(
        row["instance_type"],
        row["vcpus"],
        is_running=row["state"] in _RUNS,
        windows_of=row["windows_of"],
        bandwidth_mbps=row["bandwidth_mbps"] if by_hour else 0,
    )


def _span(row: RowMapping) -> Span:
    return Span(
        Uin(row["owner"]),
        Region(row["region"]),
        Zone(row["zone"]),
        row["resource_id"],
        row["use"],
        row["began_at"],
        row["ended_at"],
    )
