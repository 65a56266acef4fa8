"""VPCs and subnets: create, list, change, delete, and what of their address ranges instances take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from linocut.catalog import NetworkQuery as CatalogQuery
from linocut.catalog import Page, Tx
from linocut.cloud import listing, places
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.default_networks import ensure_defaults
from linocut.model import errors, networks, rules
from linocut.model.ids import InstanceId, SubnetId, VpcId, is_id, new_id
from linocut.model.networks import Subnet, Vpc
from linocut.model.records import Tag

__all__ = ["NetworkQuery", "SubnetView", "UsedAddress"]

_IDS: Final = 100
_VPC_FILTERS: Final = frozenset(
    {
        *("vpc-id", "vpc-name", "is-default", "cidr-block", "tag-key"),
        *("ipv6-cidr-block", "isp-type", "address-type"),
    }
)
_SUBNET_FILTERS: Final = frozenset(
    {
        *("subnet-id", "vpc-id", "cidr-block", "is-default", "subnet-name", "zone", "tag-key"),
        *("is-remote-vpc-snat", "cdc-id", "is-cdc-subnet", "ipv6-cidr-block", "isp-type"),
    }
)
_NOTHING_HAS: Final = frozenset({"ipv6-cidr-block", "isp-type", "address-type", "cdc-id"})
"""Documented filters by what no network here has."""
_ADDRESS_FILTERS: Final = frozenset({"ip-addresses", "resource-id"})
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class NetworkQuery:
    """Which VPCs, subnets or security groups to list: ids or filters, and a page."""

    ids: tuple[str, ...] | None
    filters: Mapping[str, tuple[str, ...]]
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class SubnetView:
    """A subnet of a VPC, and how many instances still have a place in it."""

    subnet: Subnet
    vpc: Vpc
    free: int


@dataclass(frozen=True, slots=True)
class UsedAddress:
    """An address that an instance has."""

    vpc_id: VpcId
    subnet_id: SubnetId
    address: str
    instance_id: InstanceId


def create_vpc(cloud: Cloud, caller: Caller, *, name: str, cidr: str, multicast: bool, tags: Sequence[Tag]) -> Vpc:
    """Make a VPC.

    Raises InvalidValue, ValueTooLong, CidrMalformed, CidrNotPrivate, NetworkQuotaExceeded, TagInvalid,
    TagsDuplicate. Source: VPC CreateVpc.
    """
    vpc = Vpc(
        vpc_id=VpcId(new_id("vpc", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=networks.network_name("VpcName", name),
        cidr=networks.vpc_cidr(cidr),
        is_default=False,
        multicast=multicast,
        route_table_id=new_id("rtb", cloud.randomness),
        created_at=cloud.now(),
        tags=rules.tags(tags),
    )
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        if tx.networks.count_vpcs(caller.account.uin, caller.region) >= networks.VPCS:
            raise errors.NetworkQuotaExceeded(f"An account has up to {networks.VPCS} VPCs in a region.")
        tx.networks.add_vpc(vpc)
    return vpc


def create_subnet(
    cloud: Cloud, caller: Caller, vpc_id: str, *, name: str, cidr: str, zone: str, tags: Sequence[Tag]
) -> SubnetView:
    """Make a subnet of a VPC.

    Raises VpcIdMalformed, VpcNotFound, ZoneNotFound, InvalidValue, ValueTooLong, CidrMalformed,
    SubnetOutsideVpc, SubnetsOverlap, NetworkQuotaExceeded, TagInvalid, TagsDuplicate. Source: VPC CreateSubnet.
    """
    checked_name, checked_tags = networks.network_name("SubnetName", name), rules.tags(tags)
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        vpc = find_vpc(tx, caller, vpc_id)
        others = tx.networks.subnets_of(vpc.vpc_id)
        if len(others) >= networks.SUBNETS_PER_VPC:
            raise errors.NetworkQuotaExceeded(f"A VPC has up to {networks.SUBNETS_PER_VPC} subnets.")
        subnet = Subnet(
            subnet_id=SubnetId(new_id("subnet", cloud.randomness)),
            vpc_id=vpc.vpc_id,
            owner=vpc.owner,
            region=vpc.region,
            zone=places.find_zone(caller, zone).zone,
            name=checked_name,
            cidr=networks.subnet_cidr(cidr, vpc, others),
            is_default=False,
            broadcast=False,
            created_at=cloud.now(),
            tags=checked_tags,
        )
        tx.networks.add_subnets([subnet])
    return SubnetView(subnet, vpc, subnet.places)


def list_vpcs(cloud: Cloud, caller: Caller, query: NetworkQuery) -> Page[Vpc]:
    """Return a page of the caller's VPCs in the region.

    Raises VpcIdMalformed, VpcNotFound (of ids asked for), IdsWithFilters, FilterUnknown, TooManyFilterValues, InvalidValue,
    PageOutOfRange. Source: VPC DescribeVpcs.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _VPC_FILTERS)
    ensure_defaults(cloud, caller)
    ids = tuple(vpc_id_of(text) for text in query.ids) if query.ids is not None else None
    if filters.keys() & _NOTHING_HAS:
        return Page((), 0)
    with cloud.catalog.read() as tx:
        for vpc_id in ids or ():
            find_vpc(tx, caller, vpc_id)
        return tx.networks.list_vpcs(
            _catalog_query(caller, replace(query, filters=filters), ids or filters.get("vpc-id"), filters.get("vpc-name", ()))
        )


def list_subnets(cloud: Cloud, caller: Caller, query: NetworkQuery) -> Page[SubnetView]:
    """Return a page of the caller's subnets in the region. Raises as list_vpcs, of subnets. Source: VPC DescribeSubnets."""
    listing.check_page(query.offset, query.limit)
    filters = dict(listing.check_filters(query.ids, query.filters, _SUBNET_FILTERS))
    ensure_defaults(cloud, caller)
    ids = tuple(subnet_id_of(text) for text in query.ids) if query.ids is not None else None
    dedicated = [truth_filter(filters.pop(name)) for name in ("is-remote-vpc-snat", "is-cdc-subnet") if name in filters]
    if filters.keys() & _NOTHING_HAS or True in dedicated:
        return Page((), 0)
    with cloud.catalog.read() as tx:
        for subnet_id in ids or ():
            find_subnet(tx, caller, subnet_id)
        asked = replace(
            _catalog_query(
                caller, replace(query, filters=filters), ids or filters.get("subnet-id"), filters.get("subnet-name", ())
            ),
            vpc_ids=filters.get("vpc-id", ()),
            zones=filters.get("zone", ()),
        )
        page = tx.networks.list_subnets(asked)
        taken = tx.networks.taken([subnet.subnet_id for subnet in page.items])
        vpcs = {vpc_id: find_vpc(tx, caller, vpc_id) for vpc_id in {subnet.vpc_id for subnet in page.items}}
    views = tuple(
        SubnetView(subnet, vpcs[subnet.vpc_id], max(0, subnet.places - taken.get(subnet.subnet_id, 0))) for subnet in page.items
    )
    return Page(views, page.total)


def list_used_addresses(cloud: Cloud, caller: Caller, vpc_id: str, subnet_id: str, query: NetworkQuery) -> Page[UsedAddress]:
    """Return a page of the addresses that instances have in a VPC, or in one subnet of it; `ids` are addresses.

    Raises VpcIdMalformed, VpcNotFound, SubnetIdMalformed, SubnetNotFound, SubnetOfOtherVpc, AddressMalformed, IdsWithFilters,
    FilterUnknown, TooManyFilterValues, PageOutOfRange. Source: VPC DescribeUsedIpAddress.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _ADDRESS_FILTERS)
    wanted = query.ids or filters.get("ip-addresses", ())
    for address in wanted:
        check_address(address)
    resources = filters.get("resource-id", ())
    with cloud.catalog.read() as tx:
        vpc = find_vpc(tx, caller, vpc_id)
        subnet = find_subnet(tx, caller, subnet_id) if subnet_id else None
        if subnet is not None and subnet.vpc_id != vpc.vpc_id:
            raise errors.SubnetOfOtherVpc(f"Subnet {subnet_id} is not of VPC {vpc_id}.")
        found = [
            UsedAddress(vpc.vpc_id, of, address, instance_id)
            for of, address, instance_id in tx.networks.addresses(vpc.vpc_id, subnet.subnet_id if subnet else None)
            if (not wanted or address in wanted) and (not resources or instance_id in resources)
        ]
    return Page(tuple(found[query.offset : query.offset + query.limit]), len(found))


def modify_vpc(cloud: Cloud, caller: Caller, vpc_id: str, *, name: str | None, multicast: bool | None) -> None:
    """Rename a VPC; None leaves a field as it is.

    Raises VpcIdMalformed, VpcNotFound, InvalidValue, ValueTooLong, LostRace. Source: VPC ModifyVpcAttribute.
    """
    with cloud.catalog.begin() as tx:
        vpc = find_vpc(tx, caller, vpc_id)
        tx.networks.update_vpc(
            vpc,
            name=vpc.name if name is None else networks.network_name("VpcName", name),
            multicast=vpc.multicast if multicast is None else multicast,
        )


def modify_subnet(cloud: Cloud, caller: Caller, subnet_id: str, *, name: str | None, broadcast: bool | None) -> None:
    """Rename a subnet; None leaves a field as it is.

    Raises SubnetIdMalformed, SubnetNotFound, InvalidValue, ValueTooLong, LostRace. Source: VPC ModifySubnetAttribute.
    """
    with cloud.catalog.begin() as tx:
        subnet = find_subnet(tx, caller, subnet_id)
        tx.networks.update_subnet(
            subnet,
            name=subnet.name if name is None else networks.network_name("SubnetName", name),
            broadcast=subnet.broadcast if broadcast is None else broadcast,
        )


def delete_vpc(cloud: Cloud, caller: Caller, vpc_id: str) -> None:
    """Delete a VPC that has no subnets. Raises VpcIdMalformed, VpcNotFound, NetworkInUse, DefaultNetworkStays.

    Source: VPC DeleteVpc.
    """
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        vpc = find_vpc(tx, caller, vpc_id)
        if vpc.is_default:
            raise errors.DefaultNetworkStays("The default VPC is not deleted.")
        if tx.networks.subnets_of(vpc.vpc_id):
            raise errors.NetworkInUse(f"VPC {vpc_id} has subnets.")
        tx.networks.remove_vpc(vpc.vpc_id)


def delete_subnet(cloud: Cloud, caller: Caller, subnet_id: str) -> None:
    """Delete a subnet that no instance is in. Raises SubnetIdMalformed, SubnetNotFound, NetworkInUse, DefaultNetworkStays.

    Source: VPC DeleteSubnet.
    """
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        subnet = find_subnet(tx, caller, subnet_id)
        if subnet.is_default:
            raise errors.DefaultNetworkStays("A default subnet is not deleted.")
        if tx.networks.taken([subnet.subnet_id]):
            raise errors.NetworkInUse(f"There are instances in subnet {subnet_id}.")
        tx.networks.remove_subnet(subnet.subnet_id)


def find_vpc(tx: Tx, caller: Caller, vpc_id: str) -> Vpc:
    """Return the caller's VPC. Raises VpcIdMalformed, VpcNotFound."""
    vpc = tx.networks.vpc(caller.account.uin, caller.region, vpc_id_of(vpc_id))
    if vpc is None:
        raise errors.VpcNotFound(f"There is no VPC {vpc_id}.")
    return vpc


def find_subnet(tx: Tx, caller: Caller, subnet_id: str) -> Subnet:
    """Return the caller's subnet. Raises SubnetIdMalformed, SubnetNotFound."""
    subnet = tx.networks.subnet(caller.account.uin, caller.region, subnet_id_of(subnet_id))
    if subnet is None:
        raise errors.SubnetNotFound(f"There is no subnet {subnet_id}.")
    return subnet


def vpc_id_of(text: str) -> VpcId:
    """Return a VPC's id. Raises VpcIdMalformed."""
    if not is_id("vpc", text):
        raise errors.VpcIdMalformed(f"{text!r} is no VPC id.")
    return VpcId(text)


def subnet_id_of(text: str) -> SubnetId:
    """Return a subnet's id. Raises SubnetIdMalformed."""
    if not is_id("subnet", text):
        raise errors.SubnetIdMalformed(f"{text!r} is no subnet id.")
    return SubnetId(text)


def check_address(text: str) -> IPv4Address:
    """Return an IPv4 address. Raises AddressMalformed."""
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise errors.AddressMalformed(f"{text!r} is no IPv4 address.") from error


def truth_filter(values: Iterable[str]) -> bool | None:
    """Return what a filter by truth asks for, None for both. Raises InvalidValue."""
    wanted = set()
    for value in values:
        if value.lower() not in _TRUTHS:
            raise errors.InvalidValue("A filter by truth takes TRUE or FALSE.")
        wanted.add(_TRUTHS[value.lower()])
    return wanted.pop() if len(wanted) == 1 else None


def _catalog_query(caller: Caller, query: NetworkQuery, ids: tuple[str, ...] | None, names: tuple[str, ...]) -> CatalogQuery:
    filters = query.filters
    return CatalogQuery(
        owner=caller.account.uin,
        region=caller.region,
        ids=ids,
        names=names,
        cidrs=filters.get("cidr-block", ()),
        is_default=truth_filter(filters.get("is-default", ())),
        tag_keys=filters.get("tag-key", ()),
        tags=listing.tag_filters(filters),
        offset=query.offset,
        limit=query.limit,
    )
