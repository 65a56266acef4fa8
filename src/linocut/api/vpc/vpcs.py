"""VPCs. Source: VPC CreateVpc, DescribeVpcs, DeleteVpc, ModifyVpcAttribute, CreateDefaultVpc, DescribeUsedIpAddress."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import field

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, PageRequest, Tag, beijing_time, filters_by_name, ids_asked, tag_list
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import AsksNothing, is_empty, never_asks
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
from linocut.cloud.default_networks import default_subnet
from linocut.cloud.networks import NetworkQuery
from linocut.model import errors
from linocut.model import networks as model

_INSTANCE: Final = "CVM"


class CreateVpc(Shape):
    """What to make."""

    vpc_name: str
    cidr_block: str
    enable_multicast: str = ""
    tags: tuple[Tag, ...] = ()


class DescribeVpcs(TextPageRequest):
    """Which VPCs: ids or filters, and a page."""

    vpc_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()


class DeleteVpc(Shape):
    """Which VPC."""

    vpc_id: str


class ModifyVpcAttribute(Shape):
    """Which VPC, and what it is to be."""

    vpc_id: str
    vpc_name: str = ""
    enable_multicast: str = ""


class CreateDefaultVpc(Shape):
    """The zone of the default subnet to tell of."""

    zone: str = ""


class DescribeUsedIpAddress(PageRequest, kw_only=True):
    """Which VPC or subnet, which addresses or filters, and a page."""

    vpc_id: str
    subnet_id: str = ""
    ip_addresses: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()


class AssistantCidr(Shape):
    """A further range of a VPC; none has one."""


class Vpc(Shape):
    """A VPC as its owner sees it. Guests ask the service's own resolver for names, and reach no other guest."""

    vpc_id: str
    vpc_name: str
    cidr_block: str
    is_default: bool
    enable_multicast: bool
    created_time: str
    tag_set: list[Tag]
    dns_server_set: tuple[str, ...] = ()
    domain_name: str = ""
    dhcp_options_id: str = ""
    enable_dhcp: bool = True
    ipv6_cidr_block: str = field(name="Ipv6CidrBlock", default="")
    assistant_cidr_set: tuple[AssistantCidr, ...] = ()
    enable_route_vpc_publish: bool = False
    enable_route_vpc_publish_ipv6: bool = field(name="EnableRouteVpcPublishIpv6", default=False)


class VpcCreated(Answer):
    """The answer of CreateVpc."""

    vpc: Vpc


class Vpcs(Answer):
    """The answer of DescribeVpcs."""

    total_count: int
    vpc_set: list[Vpc]


class DefaultVpcSubnet(Shape):
    """The default VPC and one of its subnets, of which CidrBlock is."""

    vpc_id: str
    subnet_id: str
    vpc_name: str
    subnet_name: str
    cidr_block: str


class DefaultVpcCreated(Answer):
    """The answer of CreateDefaultVpc."""

    vpc: DefaultVpcSubnet


class IpAddressStates(Shape):
    """An address, and what has it."""

    vpc_id: str
    subnet_id: str
    ip_address: str
    resource_type: str
    resource_id: str


class UsedIpAddresses(Answer):
    """The answer of DescribeUsedIpAddress."""

    ip_address_states: list[IpAddressStates]
    total_count: int


def create_vpc(cloud: Cloud, caller: Caller, request: CreateVpc) -> VpcCreated:
    """Make a VPC."""
    multicast = optional_truth("EnableMulticast", request.enable_multicast)
    made = networks.create_vpc(
        cloud,
        caller,
        name=request.vpc_name,
        cidr=request.cidr_block,
        multicast=bool(multicast),
        tags=plain_tags(request.tags),
    )
    return VpcCreated(vpc=_vpc(made))


def describe_vpcs(cloud: Cloud, caller: Caller, request: DescribeVpcs) -> Vpcs:
    """List VPCs."""
    page = networks.list_vpcs(cloud, caller, network_query(request.vpc_ids, request.filters, request))
    return Vpcs(total_count=page.total, vpc_set=[_vpc(vpc) for vpc in page.items])


def delete_vpc(cloud: Cloud, caller: Caller, request: DeleteVpc) -> Answer:
    """Delete a VPC."""
    networks.delete_vpc(cloud, caller, request.vpc_id)
    return Answer()


def modify_vpc_attribute(cloud: Cloud, caller: Caller, request: ModifyVpcAttribute) -> Answer:
    """Rename a VPC."""
    networks.modify_vpc(
        cloud,
        caller,
        request.vpc_id,
        name=request.vpc_name or None,
        multicast=optional_truth("EnableMulticast", request.enable_multicast),
    )
    return Answer()


def create_default_vpc(cloud: Cloud, caller: Caller, request: CreateDefaultVpc) -> DefaultVpcCreated:
    """Tell of the default VPC, which there always is."""
    vpc, subnet = default_subnet(cloud, caller, request.zone)
    return DefaultVpcCreated(
        vpc=DefaultVpcSubnet(
            vpc_id=vpc.vpc_id,
            subnet_id=subnet.subnet_id,
            vpc_name=vpc.name,
            subnet_name=subnet.name,
            cidr_block=subnet.cidr,
        )
    )


def describe_used_ip_address(cloud: Cloud, caller: Caller, request: DescribeUsedIpAddress) -> UsedIpAddresses:
    """List addresses that instances have."""
    query = NetworkQuery(
        ids=ids_asked(request.ip_addresses),
        filters=filters_by_name(request.filters),
        offset=request.offset,
        limit=request.limit,
    )
    page = networks.list_used_addresses(cloud, caller, request.vpc_id, request.subnet_id, query)
    states = [
        IpAddressStates(
            vpc_id=used.vpc_id,
            subnet_id=used.subnet_id,
            ip_address=used.address,
            resource_type=_INSTANCE,
            resource_id=used.instance_id,
        )
        for used in page.items
    ]
    return UsedIpAddresses(ip_address_states=states, total_count=page.total)


def _vpc(vpc: model.Vpc) -> Vpc:
    return Vpc(
        vpc_id=vpc.vpc_id,
        vpc_name=vpc.name,
        cidr_block=vpc.cidr,
        is_default=vpc.is_default,
        enable_multicast=vpc.multicast,
        created_time=beijing_time(vpc.created_at),
        tag_set=tag_list(vpc.tags),
    )


_ROUTES: Final[Mapping[str, AsksNothing]] = {"EnableRouteVpcPublish": is_empty, "EnableRouteVpcPublishIpv6": is_empty}
_NAMES: Final[Mapping[str, AsksNothing]] = {"DnsServers": is_empty, "DomainName": is_empty}

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateVpc",
        request=CreateVpc,
        handle=create_vpc,
        is_mutating=True,
        unsupported={"StackType": is_empty, "Ipv6CidrBlock": is_empty, "AddressType": is_empty, **_NAMES, **_ROUTES},
        codes=codes(
            errors.CidrMalformed,
            errors.CidrNotPrivate,
            errors.InvalidValue,
            errors.NetworkQuotaExceeded,
            errors.LostRace,
            special=NEW_CODES,
        ),
    ),
    Action(
        name="DescribeVpcs",
        request=DescribeVpcs,
        handle=describe_vpcs,
        codes=codes(
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
        name="DeleteVpc",
        request=DeleteVpc,
        handle=delete_vpc,
        is_mutating=True,
        codes=codes(errors.VpcIdMalformed, errors.VpcNotFound, errors.NetworkInUse, errors.DefaultNetworkStays, errors.LostRace),
    ),
    Action(
        name="ModifyVpcAttribute",
        request=ModifyVpcAttribute,
        handle=modify_vpc_attribute,
        is_mutating=True,
        unsupported={**_NAMES, **_ROUTES, "EnableCdcPublish": is_empty},
        codes=codes(errors.VpcIdMalformed, errors.VpcNotFound, errors.InvalidValue, errors.LostRace, special=NAME_CODES),
    ),
    Action(
        name="CreateDefaultVpc",
        request=CreateDefaultVpc,
        handle=create_default_vpc,
        is_mutating=True,
        unsupported={"Force": never_asks},  # there is no classic network that it could mean otherwise
        codes=codes(errors.LostRace, special={errors.ZoneNotFound: "ResourceNotFound"}),
    ),
    Action(
        name="DescribeUsedIpAddress",
        request=DescribeUsedIpAddress,
        handle=describe_used_ip_address,
        codes=codes(
            errors.VpcIdMalformed,
            errors.VpcNotFound,
            errors.SubnetIdMalformed,
            errors.SubnetNotFound,
            errors.InvalidValue,
            special={
                errors.AddressMalformed: "InvalidParameterValue.Malformed",
                errors.SubnetOfOtherVpc: "InvalidParameterValue.ParameterMismatch",
                errors.IdsWithFilters: "InvalidParameterValue.ParameterMismatch",
                errors.FilterUnknown: "InvalidParameterValue",
                errors.TooManyFilterValues: "InvalidParameterValue",
                errors.TooManyValues: "InvalidParameterValue",
                errors.PageOutOfRange: "InvalidParameterValue",
            },
        ),
    ),
)
