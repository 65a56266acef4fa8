"""Subnets. Source: VPC CreateSubnet, DescribeSubnets, DeleteSubnet, ModifySubnetAttribute."""

from typing import Any, Final

from msgspec import field

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, Tag, beijing_time, tag_list
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import is_empty
from linocut.api.table import Action
from linocut.api.vpc.shapes import (
    LIST_CODES,
    NAME_CODES,
    NEW_CODES,
    TextPageRequest,
    network_query,
    optional_truth,
    plain_tags,
)
from linocut.cloud import networks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.networks import SubnetView
from linocut.model import errors


class CreateSubnet(Shape):
    """What to make, in which VPC and zone."""

    vpc_id: str
    subnet_name: str
    zone: str
    cidr_block: str
    tags: tuple[Tag, ...] = ()


class DescribeSubnets(TextPageRequest):
    """Which subnets: ids or filters, and a page."""

    subnet_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()


class DeleteSubnet(Shape):
    """Which subnet."""

    subnet_id: str


class ModifySubnetAttribute(Shape):
    """Which subnet, and what it is to be."""

    subnet_id: str
    subnet_name: str = ""
    enable_broadcast: str = ""


class Subnet(Shape):
    """A subnet as its owner sees it."""

    vpc_id: str
    subnet_id: str
    subnet_name: str
    cidr_block: str
    is_default: bool
    enable_broadcast: bool
    zone: str
    route_table_id: str
    created_time: str
    available_ip_address_count: int
    total_ip_address_count: int
    tag_set: list[Tag]
    ipv6_cidr_block: str = field(name="Ipv6CidrBlock", default="")
    network_acl_id: str = ""
    is_remote_vpc_snat: bool = False
    cdc_id: str = ""
    is_cdc_subnet: int = 0


class SubnetCreated(Answer):
    """The answer of CreateSubnet."""

    subnet: Subnet


class Subnets(Answer):
    """The answer of DescribeSubnets."""

    total_count: int
    subnet_set: list[Subnet]
    next_token: str | None = None


def create_subnet(cloud: Cloud, caller: Caller, request: CreateSubnet) -> SubnetCreated:
    """Make a subnet."""
    made = networks.create_subnet(
        cloud,
        caller,
        request.vpc_id,
        name=request.subnet_name,
        cidr=request.cidr_block,
        zone=request.zone,
        tags=plain_tags(request.tags),
    )
    return SubnetCreated(subnet=_subnet(made))


def describe_subnets(cloud: Cloud, caller: Caller, request: DescribeSubnets) -> Subnets:
    """List subnets."""
    page = networks.list_subnets(cloud, caller, network_query(request.subnet_ids, request.filters, request))
    return Subnets(total_count=page.total, subnet_set=[_subnet(view) for view in page.items])


def delete_subnet(cloud: Cloud, caller: Caller, request: DeleteSubnet) -> Answer:
    """Delete a subnet."""
    networks.delete_subnet(cloud, caller, request.subnet_id)
    return Answer()


def modify_subnet_attribute(cloud: Cloud, caller: Caller, request: ModifySubnetAttribute) -> Answer:
    """Rename a subnet."""
    networks.modify_subnet(
        cloud,
        caller,
        request.subnet_id,
        name=request.subnet_name or None,
        broadcast=optional_truth("EnableBroadcast", request.enable_broadcast),
    )
    return Answer()


def _subnet(view: SubnetView) -> Subnet:
    subnet = view.subnet
    return Subnet(
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.subnet_id,
        subnet_name=subnet.name,
        cidr_block=subnet.cidr,
        is_default=subnet.is_default,
        enable_broadcast=subnet.broadcast,
        zone=subnet.zone,
        route_table_id=view.vpc.route_table_id,
        created_time=beijing_time(subnet.created_at),
        available_ip_address_count=view.free,
        total_ip_address_count=subnet.places,
        tag_set=tag_list(subnet.tags),
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateSubnet",
        request=CreateSubnet,
        handle=create_subnet,
        is_mutating=True,
        unsupported={"StackType": is_empty, "Ipv6CidrBlock": is_empty, "CdcId": is_empty},
        codes=codes(
            errors.VpcIdMalformed,
            errors.VpcNotFound,
            errors.CidrMalformed,
            errors.SubnetOutsideVpc,
            errors.SubnetsOverlap,
            errors.InvalidValue,
            errors.NetworkQuotaExceeded,
            errors.LostRace,
            special={**NEW_CODES, errors.ZoneNotFound: "InvalidParameterValue"},
        ),
    ),
    Action(
        name="DescribeSubnets",
        request=DescribeSubnets,
        handle=describe_subnets,
        unsupported={"MaxResults": is_empty, "NextToken": is_empty},
        codes=codes(
            errors.SubnetIdMalformed,
            errors.SubnetNotFound,
            errors.VpcIdMalformed,
            errors.VpcNotFound,
            errors.TooManyValues,
            errors.PageOutOfRange,
            errors.InvalidValue,
            errors.LostRace,
            special=LIST_CODES,
        ),
    ),
    Action(
        name="DeleteSubnet",
        request=DeleteSubnet,
        handle=delete_subnet,
        is_mutating=True,
        codes=codes(
            errors.SubnetIdMalformed, errors.SubnetNotFound, errors.NetworkInUse, errors.DefaultNetworkStays, errors.LostRace
        ),
    ),
    Action(
        name="ModifySubnetAttribute",
        request=ModifySubnetAttribute,
        handle=modify_subnet_attribute,
        is_mutating=True,
        codes=codes(errors.SubnetIdMalformed, errors.SubnetNotFound, errors.InvalidValue, errors.LostRace, special=NAME_CODES),
    ),
)
