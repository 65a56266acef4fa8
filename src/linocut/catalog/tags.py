"""Tags of any resource: stored in one table, so that a filter on them is SQL."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, delete, exists, insert, select

from linocut.catalog.rows import batches, lost_race
from linocut.catalog.schema import DISKS, IMAGES, INSTANCES, KEYS, SECURITY_GROUPS, SNAPSHOTS, SUBNETS, TAGS, VPCS
from linocut.model.ids import Region, Uin
from linocut.model.records import Tag

TAGGED: Final[Mapping[tuple[str, str], Column[str]]] = {
    ("cvm", "image"): IMAGES.c.image_id,
    ("cvm", "instance"): INSTANCES.c.instance_id,
    ("cvm", "keypair"): KEYS.c.key_id,
    ("cvm", "volume"): DISKS.c.disk_id,
    ("cvm", "snapshot"): SNAPSHOTS.c.snapshot_id,
    ("cvm", "sg"): SECURITY_GROUPS.c.group_id,
    ("vpc", "vpc"): VPCS.c.vpc_id,
    ("vpc", "subnet"): SUBNETS.c.subnet_id,
}
"""The kinds of resources that take tags, by service and by the prefix in their description; and where their ids are."""


class Tags:
    """The tags of resources of any kind in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def owned(self, service: str, prefix: str, owner: Uin, region: Region, resource_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the ids that are resources of this owner, in this region where their kind belongs to one."""
        column = TAGGED[service, prefix]
        conditions = [column.table.c.owner == owner]
        if "region" in column.table.c:
            conditions.append(column.table.c.region == region)
        found: set[str] = set()
        for batch in batches(resource_ids):
            found.update(self._connection.scalars(select(column).where(column.in_(batch), *conditions)))
        return frozenset(found)

    def of(self, resource_ids: Iterable[str]) -> dict[str, tuple[Tag, ...]]:
        """Return the tags of these resources in the order they were given; a resource without tags is absent."""
        return tags_of(self._connection, resource_ids)

    def replace(self, service: str, prefix: str, resource_id: str, read: tuple[Tag, ...], new: tuple[Tag, ...]) -> None:
        """Give the resource other tags. Raises LostRace when it is gone, or its tags are not as read."""
        column = TAGGED[service, prefix]
        if self._connection.execute(select(column).where(column == resource_id).with_for_update()).first() is None:
            raise lost_race(f"{resource_id} is gone")
        replace_tags(self._connection, resource_id, read, new)


def tags_of(connection: Connection, resource_ids: Iterable[str]) -> dict[str, tuple[Tag, ...]]:
    """Return the tags of these resources in the order they were given; a resource without tags is absent."""
    found: dict[str, list[Tag]] = {}
    for batch in batches(resource_ids):
        query = select(TAGS).where(TAGS.c.resource_id.in_(batch)).order_by(TAGS.c.resource_id, TAGS.c.position)
        for row in connection.execute(query):
            found.setdefault(row.resource_id, []).append(Tag(row.key, row.value))
    return {resource: tuple(tags) for resource, tags in found.items()}


def put_tags(connection: Connection, tags: Mapping[str, tuple[Tag, ...]]) -> None:
    """Add tags to resources that have none."""
    rows = [
        {"resource_id": resource, "key": tag.key, "value": tag.value, "position": position}
        for resource, its_tags in tags.items()
        for position, tag in enumerate(its_tags)
    ]
    if rows:
        connection.execute(insert(TAGS), rows)


def drop_tags(connection: Connection, resource_ids: Iterable[str]) -> None:
    """Remove every tag of these resources."""
    for batch in batches(resource_ids):
        connection.execute(delete(TAGS).where(TAGS.c.resource_id.in_(batch)))


def replace_tags(connection: Connection, resource_id: str, read: tuple[Tag, ...], new: tuple[Tag, ...]) -> None:
    """Give the resource other tags. The caller holds the resource's row. Raises LostRace when its tags are not as read."""
    if tags_of(connection, [resource_id]).get(resource_id, ()) != read:
        raise lost_race(f"the tags of {resource_id} are not as they were read")
    drop_tags(connection, [resource_id])
    put_tags(connection, {resource_id: new})


def tagged(
    resource_id: Column[Any], keys: tuple[str, ...], values: tuple[str, ...], tags: Mapping[str, tuple[str, ...]]
) -> list[ColumnElement[bool]]:
    """Return the conditions of the filters tag-key, tag-value and tag:<key>; an empty filter asks for nothing."""
    conditions: list[ColumnElement[bool]] = []
    own = TAGS.c.resource_id == resource_id
    if keys:
        conditions.append(exists().where(own, TAGS.c.key.in_(keys)))
    if values:
        conditions.append(exists().where(own, TAGS.c.value.in_(values)))
    conditions += [exists().where(own, TAGS.c.key == key, TAGS.c.value.in_(wanted)) for key, wanted in tags.items() if wanted]
    return conditions
