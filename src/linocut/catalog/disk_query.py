"""Which of its disks an account asks for, filtered and paged; and what a list says of each beyond its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Column, ColumnElement, or_

from linocut.catalog.rows import contains_any
from linocut.catalog.schema import DISKS, INSTANCES
from linocut.catalog.tags import tagged
from linocut.model.ids import Region, Uin
from linocut.model.records import Disk, Tag

DEFAULT_LIMIT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskQuery:
    """What a caller asks for. Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing.

    `ids` is None when not asked for, and matches nothing when empty. `names` match any part of a disk's name, and
    `instance_names` any part of its instance's, whatever the case. The newest come first, unless `oldest_first`.
    """

    owner: Uin
    region: Region
    ids: tuple[str, ...] | None = None
    usages: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    charge_types: tuple[str, ...] = ()
    portable: bool | None = None
    instance_ids: tuple[str, ...] = ()
    instance_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    tag_keys: tuple[str, ...] = ()
    tag_values: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    oldest_first: bool = False
    offset: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class ListedDisk:
    """A disk, its tags, and how many snapshots of it there are, with their size in all."""

    disk: Disk
    tags: tuple[Tag, ...]
    snapshot_count: int
    snapshot_bytes: int


def matching(query: DiskQuery) -> list[ColumnElement[bool]]:
    """Return the conditions, on disks joined with their instances, that a disk meets which the query asks for."""
    exact: list[tuple[Column[str], tuple[str, ...]]] = [
        (DISKS.c.usage, query.usages),
        (DISKS.c.disk_type, query.types),
        (DISKS.c.state, query.states),
        (DISKS.c.zone, query.zones),
        (DISKS.c.instance_id, query.instance_ids),
        (DISKS.c.charge_type, query.charge_types),
        (INSTANCES.c.address, query.addresses),
    ]
    conditions = [DISKS.c.owner == query.owner, DISKS.c.region == query.region]
    conditions += [column.in_(values) for column, values in exact if values]
    if query.ids is not None:
        conditions.append(DISKS.c.disk_id.in_(query.ids))
    if query.portable is not None:
        conditions.append(DISKS.c.portable == query.portable)
    if query.names:
        conditions.append(or_(*(DISKS.c.name.icontains(name, autoescape=True) for name in query.names)))
    if query.instance_names:
        conditions.append(contains_any(INSTANCES.c.name_folded, query.instance_names))
    return conditions + tagged(DISKS.c.disk_id, query.tag_keys, query.tag_values, query.tags)
