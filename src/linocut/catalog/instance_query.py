"""Which of its instances an account asks for, filtered and paged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, exists

from linocut.catalog.rows import contains_any
from linocut.catalog.schema import INSTANCE_GROUPS, INSTANCES
from linocut.catalog.tags import tagged
from linocut.model.ids import Region, Uin

DEFAULT_LIMIT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceQuery:
    """What a caller asks for. Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing.

    `ids` is None when not asked for, and matches nothing when empty. `names` match any part of the name, whatever its case.
    `created_from` and `created_until` are inclusive.
    """

    owner: Uin
    region: Region
    ids: tuple[str, ...] | None = None
    instance_ids: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    charge_types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    private_addresses: tuple[str, ...] = ()
    public_addresses: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    image_ids: tuple[str, ...] = ()
    vpc_ids: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    tag_keys: tuple[str, ...] = ()
    tag_values: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    created_from: datetime | None = None
    created_until: datetime | None = None
    offset: int = 0
    limit: int = DEFAULT_LIMIT


def matching(query: InstanceQuery) -> list[ColumnElement[bool]]:
    """Return the conditions that an instance meets which the query asks for."""
    exact: list[tuple[Column[str], tuple[str, ...]]] = [
        (INSTANCES.c.instance_id, query.instance_ids),
        (INSTANCES.c.zone, query.zones),
        (INSTANCES.c.charge_type, query.charge_types),
        (INSTANCES.c.state, query.states),
        (INSTANCES.c.address, query.private_addresses),
        (INSTANCES.c.uuid, query.uuids),
        (INSTANCES.c.image_id, query.image_ids),
        (INSTANCES.c.vpc_id, query.vpc_ids),
        (INSTANCES.c.subnet_id, query.subnet_ids),
    ]
    conditions = [INSTANCES.c.owner == query.owner, INSTANCES.c.region == query.region]
    conditions += [column.in_(values) for column, values in exact if values]
    if query.ids is not None:
        conditions.append(INSTANCES.c.instance_id.in_(query.ids))
    if query.public_addresses:
        conditions += [INSTANCES.c.has_public_address, INSTANCES.c.address.in_(query.public_addresses)]
    if query.group_ids:
        links = (INSTANCE_GROUPS.c.instance_id == INSTANCES.c.instance_id, INSTANCE_GROUPS.c.group_id.in_(query.group_ids))
        conditions.append(exists().where(*links))
    if query.names:
        conditions.append(contains_any(INSTANCES.c.name_folded, query.names))
    if query.created_from is not None:
        conditions.append(INSTANCES.c.created_at >= query.created_from)
    if query.created_until is not None:
        conditions.append(INSTANCES.c.created_at <= query.created_until)
    return conditions + tagged(INSTANCES.c.instance_id, query.tag_keys, query.tag_values, query.tags)
