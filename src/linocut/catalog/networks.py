"""VPCs and their subnets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Select, Table, delete, func, insert, select

from linocut.catalog.page import Page
from linocut.catalog.rows import contains_any, folded, guarded_update, lock_until_end, record_of, values_of
from linocut.catalog.schema import INSTANCES, SUBNETS, VPCS
from linocut.catalog.tags import drop_tags, put_tags, tagged, tags_of
from linocut.model.ids import InstanceId, Region, SubnetId, Uin, VpcId
from linocut.model.networks import Subnet, Vpc
from linocut.model.records import Tag
from linocut.model.states import InstanceState

DEFAULT_LIMIT: Final = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkQuery:
    """Which VPCs, subnets or security groups an account asks for.

    Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing. `ids` is None when not asked
    for, and matches nothing when empty. `names` match any part of the name, whatever its case. What a noun lacks is ignored, and
    `by_update` and `descending` are for security groups: the others come oldest first.
    """

    owner: Uin
    region: Region
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    vpc_ids: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    is_default: bool | None = None
    tag_keys: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_update: bool = False
    descending: bool = False
    offset: int = 0
    limit: int = DEFAULT_LIMIT


def matching(query: NetworkQuery, table: Table, key: Column[Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that a row meets which the query asks for."""
    conditions: list[ColumnElement[bool]] = [table.c.owner == query.owner, table.c.region == query.region]
    conditions += tagged(key, query.tag_keys, (), query.tags)
    if query.ids is not None:
        conditions.append(key.in_(query.ids))
    if query.names:
        conditions.append(contains_any(table.c.name_folded, query.names))
    if query.is_default is not None:
        conditions.append(table.c.is_default == query.is_default)
    exact = {"cidr": query.cidrs, "vpc_id": query.vpc_ids, "zone": query.zones}
    return conditions + [table.c[name].in_(values) for name, values in exact.items() if values and name in table.c]


class Networks:
    """The VPCs and subnets in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, owner: Uin, region: Region) -> None:
        """Let only one transaction at a time decide about the account's networks and security groups in the region."""
        lock_until_end(self._connection, f"networks of {owner} in {region}")

    def add_vpc(self, vpc: Vpc) -> None:
        """Add a VPC; the caller has the lock."""
        self._connection.execute(insert(VPCS).values(values_of(vpc, VPCS) | {"name_folded": folded(vpc.name)}))
        put_tags(self._connection, {vpc.vpc_id: vpc.tags})

    def add_subnets(self, subnets: Iterable[Subnet]) -> None:
        """Add subnets; the caller has the lock."""
        added = tuple(subnets)
        rows = [values_of(subnet, SUBNETS) | {"name_folded": folded(subnet.name)} for subnet in added]
        if rows:
            self._connection.execute(insert(SUBNETS), rows)
            put_tags(self._connection, {subnet.subnet_id: subnet.tags for subnet in added})

    def vpc(self, owner: Uin, region: Region, vpc_id: VpcId) -> Vpc | None:
        """Return the account's VPC in the region, or None."""
        return _first(self._vpcs(VPCS.c.owner == owner, VPCS.c.region == region, VPCS.c.vpc_id == vpc_id))

    def subnet(self, owner: Uin, region: Region, subnet_id: SubnetId) -> Subnet | None:
        """Return the account's subnet in the region, or None."""
        mine = (SUBNETS.c.owner == owner, SUBNETS.c.region == region)
        return _first(self._subnets(*mine, SUBNETS.c.subnet_id == subnet_id))

    def default_vpc(self, owner: Uin, region: Region) -> Vpc | None:
        """Return the account's default VPC in the region, or None."""
        return _first(self._vpcs(VPCS.c.owner == owner, VPCS.c.region == region, VPCS.c.is_default))

    def subnets_of(self, vpc_id: VpcId) -> tuple[Subnet, ...]:
        """Return the subnets of a VPC, the oldest first."""
        return self._subnets(SUBNETS.c.vpc_id == vpc_id)

    def count_vpcs(self, owner: Uin, region: Region) -> int:
        """Return how many VPCs the account has in the region."""
        return _count(self._connection, VPCS, VPCS.c.owner == owner, VPCS.c.region == region)

    def list_vpcs(self, query: NetworkQuery) -> Page[Vpc]:
        """Return a page of the account's VPCs, the oldest first."""
        conditions = matching(query, VPCS, VPCS.c.vpc_id)
        page = self._vpcs(*conditions, offset=query.offset, limit=query.limit)
        return Page(page, _count(self._connection, VPCS, *conditions))

    def list_subnets(self, query: NetworkQuery) -> Page[Subnet]:
        """Return a page of the account's subnets, the oldest first."""
        conditions = matching(query, SUBNETS, SUBNETS.c.subnet_id)
        page = self._subnets(*conditions, offset=query.offset, limit=query.limit)
        return Page(page, _count(self._connection, SUBNETS, *conditions))

    def taken(self, subnet_ids: Iterable[SubnetId]) -> dict[SubnetId, int]:
        """Return how many instances have a place in each of these subnets; one without any is absent."""
        query = (
            select(INSTANCES.c.subnet_id, func.count())
            .where(INSTANCES.c.subnet_id.in_(tuple(subnet_ids)), _HAS_A_PLACE)
            .group_by(INSTANCES.c.subnet_id)
        )
        return {SubnetId(subnet_id): count for subnet_id, count in self._connection.execute(query)}

    def addresses(self, vpc_id: VpcId, subnet_id: SubnetId | None) -> tuple[tuple[SubnetId, str, InstanceId], ...]:
        """Return the addresses that instances have in the VPC, or in one of its subnets: subnet, address, instance."""
        conditions = [INSTANCES.c.vpc_id == vpc_id, _HAS_A_PLACE]
        if subnet_id is not None:
            conditions.append(INSTANCES.c.subnet_id == subnet_id)
        columns = (INSTANCES.c.subnet_id, INSTANCES.c.address, INSTANCES.c.instance_id)
        query = select(*columns).where(*conditions).order_by(INSTANCES.c.created_at, INSTANCES.c.instance_id)
        return tuple((row.subnet_id, row.address, row.instance_id) for row in self._connection.execute(query))

    def update_vpc(self, vpc: Vpc, *, name: str, multicast: bool) -> Vpc:
        """Change a VPC and return it as it then is. Raises LostRace when it is not as it was read."""
        values = {"name": name, "name_folded": folded(name), "multicast": multicast}
        guarded_update(self._connection, VPCS.c.vpc_id, vpc, values, guards=["name", "multicast"])
        return replace(vpc, name=name, multicast=multicast)

    def update_subnet(self, subnet: Subnet, *, name: str, broadcast: bool) -> Subnet:
        """Change a subnet and return it as it then is. Raises LostRace when it is not as it was read."""
        values = {"name": name, "name_folded": folded(name), "broadcast": broadcast}
        guarded_update(self._connection, SUBNETS.c.subnet_id, subnet, values, guards=["name", "broadcast"])
        return replace(subnet, name=name, broadcast=broadcast)

    def remove_vpc(self, vpc_id: VpcId) -> None:
        """Remove a VPC, which has no subnets any more, with its tags. One that is gone is no error."""
        self._connection.execute(delete(VPCS).where(VPCS.c.vpc_id == vpc_id))
        drop_tags(self._connection, [vpc_id])

    def remove_subnet(self, subnet_id: SubnetId) -> None:
        """Remove a subnet with its tags. One that is gone is no error."""
        self._connection.execute(delete(SUBNETS).where(SUBNETS.c.subnet_id == subnet_id))
        drop_tags(self._connection, [subnet_id])

    def _vpcs(self, *conditions: ColumnElement[bool], offset: int = 0, limit: int | None = None) -> tuple[Vpc, ...]:
        query = select(VPCS).where(*conditions).order_by(VPCS.c.created_at, VPCS.c.vpc_id).offset(offset).limit(limit)
        rows, tags = self._with_tags(query, "vpc_id")
        return tuple(record_of(Vpc, row, tags=tags.get(row["vpc_id"], ())) for row in rows)

    def _subnets(self, *conditions: ColumnElement[bool], offset: int = 0, limit: int | None = None) -> tuple[Subnet, ...]:
        query = select(SUBNETS).where(*conditions).order_by(SUBNETS.c.created_at, SUBNETS.c.cidr, SUBNETS.c.subnet_id)
        rows, tags = self._with_tags(query.offset(offset).limit(limit), "subnet_id")
        return tuple(record_of(Subnet, row, tags=tags.get(row["subnet_id"], ())) for row in rows)

    def _with_tags(self, query: Select[Any], key: str) -> tuple[Sequence[RowMapping], dict[str, tuple[Tag, ...]]]:
        rows = self._connection.execute(query).mappings().all()
        return rows, tags_of(self._connection, [row[key] for row in rows])


_HAS_A_PLACE: Final = INSTANCES.c.state != InstanceState.LAUNCH_FAILED
"""True of instances that are, or will be, or were until now on the host; a failed launch has left nothing."""


def _first(found: Sequence[T]) -> T | None:
    return found[0] if found else None


def _count(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
