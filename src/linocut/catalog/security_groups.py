"""Security groups, and the instances that have them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select

from linocut.catalog.networks import NetworkQuery, matching
from linocut.catalog.page import Page
from linocut.catalog.rows import folded, guarded_update, record_of, values_of
from linocut.catalog.schema import INSTANCE_GROUPS, INSTANCES, SECURITY_GROUPS
from linocut.catalog.tags import drop_tags, put_tags, tags_of
from linocut.model.ids import GroupId, InstanceId, Region, Uin
from linocut.model.networks import Rule, SecurityGroup
from linocut.model.states import InstanceState


class SecurityGroups:
    """The security groups in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, group: SecurityGroup) -> None:
        """Add a security group; the caller has the lock of its networks."""
        values = values_of(group, SECURITY_GROUPS) | {"name_folded": folded(group.name)}
        self._connection.execute(insert(SECURITY_GROUPS).values(values))
        put_tags(self._connection, {group.group_id: group.tags})

    def owned(self, owner: Uin, region: Region, ids: Iterable[GroupId]) -> tuple[SecurityGroup, ...]:
        """Return those of the groups that the account has in the region, in the order of the ids."""
        asked = tuple(dict.fromkeys(ids))
        mine = (SECURITY_GROUPS.c.owner == owner, SECURITY_GROUPS.c.region == region)
        found = {group.group_id: group for group in self._records(*mine, SECURITY_GROUPS.c.group_id.in_(asked))}
        return tuple(found[group_id] for group_id in asked if group_id in found)

    def default(self, owner: Uin, region: Region) -> SecurityGroup | None:
        """Return the account's default group in the region, or None."""
        mine = (SECURITY_GROUPS.c.owner == owner, SECURITY_GROUPS.c.region == region)
        found = self._records(*mine, SECURITY_GROUPS.c.is_default)
        return found[0] if found else None

    def all_of(self, owner: Uin, region: Region) -> tuple[SecurityGroup, ...]:
        """Return all of the account's groups in the region, the oldest first."""
        return self._records(SECURITY_GROUPS.c.owner == owner, SECURITY_GROUPS.c.region == region)

    def list(self, query: NetworkQuery) -> Page[SecurityGroup]:
        """Return a page of the account's groups."""
        conditions = matching(query, SECURITY_GROUPS, SECURITY_GROUPS.c.group_id)
        total = self._connection.execute(select(func.count()).select_from(SECURITY_GROUPS).where(*conditions)).scalar_one()
        time = SECURITY_GROUPS.c.updated_at if query.by_update else SECURITY_GROUPS.c.created_at
        order = (time.desc() if query.descending else time, SECURITY_GROUPS.c.group_id)
        chosen = select(SECURITY_GROUPS).where(*conditions).order_by(*order).offset(query.offset).limit(query.limit)
        return Page(self._of(chosen), total)

    def instances_of(self, ids: Iterable[GroupId]) -> Mapping[GroupId, tuple[InstanceId, ...]]:
        """Return the instances that have each of these groups, but for failed launches; a group that none has is absent."""
        query = (
            select(INSTANCE_GROUPS.c.group_id, INSTANCE_GROUPS.c.instance_id)
            .join(INSTANCES, INSTANCES.c.instance_id == INSTANCE_GROUPS.c.instance_id)
            .where(INSTANCE_GROUPS.c.group_id.in_(tuple(ids)), INSTANCES.c.state != InstanceState.LAUNCH_FAILED)
            .order_by(INSTANCES.c.created_at, INSTANCES.c.instance_id)
        )
        found: dict[GroupId, list[InstanceId]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.group_id, []).append(row.instance_id)
        return {group_id: tuple(instance_ids) for group_id, instance_ids in found.items()}

    def describe(self, group: SecurityGroup, *, name: str, description: str, at: datetime) -> SecurityGroup:
        """Rename or describe a group and return it as it then is. Raises LostRace when it is not as it was read."""
        values = {"name": name, "name_folded": folded(name), "description": description, "updated_at": at}
        guarded_update(self._connection, SECURITY_GROUPS.c.group_id, group, values, guards=["name", "description", "updated_at"])
        return replace(group, name=name, description=description, updated_at=at)

    def write_rules(
        self, group: SecurityGroup, ingress: tuple[Rule, ...], egress: tuple[Rule, ...], at: datetime
    ) -> SecurityGroup:
        """Give a group other rules and return it as it then is, one version on. Raises LostRace when its rules have changed."""
        values = {"ingress": ingress, "egress": egress, "version": group.version + 1, "updated_at": at}
        guarded_update(self._connection, SECURITY_GROUPS.c.group_id, group, values, guards=["version"])
        return replace(group, ingress=ingress, egress=egress, version=group.version + 1, updated_at=at)

    def remove(self, group_id: GroupId) -> None:
        """Remove a group with its tags, and from failed launches. One that is gone is no error."""
        self._connection.execute(delete(INSTANCE_GROUPS).where(INSTANCE_GROUPS.c.group_id == group_id))
        self._connection.execute(delete(SECURITY_GROUPS).where(SECURITY_GROUPS.c.group_id == group_id))
        drop_tags(self._connection, [group_id])

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[SecurityGroup, ...]:
        order = (SECURITY_GROUPS.c.created_at, SECURITY_GROUPS.c.group_id)
        return self._of(select(SECURITY_GROUPS).where(*conditions).order_by(*order))

    def _of(self, query: Select[Any]) -> tuple[SecurityGroup, ...]:
        rows = self._connection.execute(query).mappings().all()
        tags = tags_of(self._connection, [row["group_id"] for row in rows])
        return tuple(record_of(SecurityGroup, row, tags=tags.get(row["group_id"], ())) for row in rows)
