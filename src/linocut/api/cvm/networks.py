"""The networks of instances: what launches ask of them, and the security groups of instances that are there.

Source: CVM RunInstances (VirtualPrivateCloud, InternetAccessible, SecurityGroupIds), AssociateSecurityGroups,
DisassociateSecurityGroups.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.batches import BATCH, BUSY
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import AsksNothing, Int, is_empty
from linocut.api.table import Action
from linocut.cloud import security_groups
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.placements import NetworkOrder
from linocut.model import errors
from linocut.model.states import InstanceState


class VirtualPrivateCloud(Shape):
    """The subnet to go into; both ids may be DEFAULT."""

    vpc_id: str
    subnet_id: str
    private_ip_addresses: tuple[str, ...] = ()


class InternetAccessible(Shape):
    """The bandwidth to have, and whether to have a public address."""

    internet_charge_type: str = ""
    internet_max_bandwidth_out: Int = 0
    public_ip_assigned: bool | None = None


class GroupsOfInstances(Shape):
    """A security group, and instances."""

    security_group_ids: Ids
    instance_ids: Ids


UNSUPPORTED_IN_NETWORKS: Final[Mapping[str, AsksNothing]] = {
    "VirtualPrivateCloud.AsVpcGateway": is_empty,
    "VirtualPrivateCloud.Ipv6AddressCount": is_empty,
    "InternetAccessible.BandwidthPackageId": is_empty,
    "InternetAccessible.InternetServiceProvider": is_empty,
    "InternetAccessible.IPv4AddressType": is_empty,
    "InternetAccessible.IPv6AddressType": is_empty,
    "InternetAccessible.AntiDDoSPackageId": is_empty,
}
NETWORK_CODES: Final[Mapping[type[errors.Refusal], str]] = {
    errors.VpcIdMalformed: "InvalidParameterValue.VpcIdMalformed",
    errors.VpcNotFound: "InvalidParameterValue.VpcIdNotExist",
    errors.SubnetIdMalformed: "InvalidParameterValue.SubnetIdMalformed",
    errors.SubnetNotFound: "InvalidParameterValue.SubnetNotExist",
    errors.SubnetOfOtherVpc: "InvalidParameterValue.VpcIdSubnetIdNotMatch",
    errors.SubnetInOtherZone: "InvalidParameterValue.SubnetIdZoneIdNotMatch",
    errors.SubnetFull: "FailedOperation.NoAvailableIpAddressCountInSubnet",
    errors.GroupIdMalformed: "InvalidSecurityGroupId.NotFound",
    errors.GroupNotFound: "InvalidSecurityGroupId.NotFound",
    errors.GroupsOfInstanceExceeded: "LimitExceeded.SingleUSGQuota",
    errors.AddressMalformed: "InvalidParameterValue.IPAddressMalformed",
    errors.AddressOutsidePool: "VpcAddrNotInSubNet",
    errors.AddressTaken: "VpcIpIsUsed",
    errors.PublicAddressWithoutBandwidth: "InvalidParameterCombination",
}
"""What a launch's networks may be refused with."""


def network_order(vpc: VirtualPrivateCloud | None, internet: InternetAccessible | None, group_ids: Sequence[str]) -> NetworkOrder:
    """Return what a launch asks of networks."""
    vpc = vpc or VirtualPrivateCloud(vpc_id="", subnet_id="")
    internet = internet or InternetAccessible()
    return NetworkOrder(
        vpc_id=vpc.vpc_id,
        subnet_id=vpc.subnet_id,
        private_addresses=tuple(vpc.private_ip_addresses),
        group_ids=tuple(group_ids),
        public_address=internet.public_ip_assigned,
        bandwidth_mbps=internet.internet_max_bandwidth_out,
        charge_type=internet.internet_charge_type,
    )


def associate_security_groups(cloud: Cloud, caller: Caller, request: GroupsOfInstances) -> Answer:
    """Give instances one more group."""
    security_groups.associate_group(cloud, caller, request.security_group_ids, request.instance_ids)
    return Answer()


def disassociate_security_groups(cloud: Cloud, caller: Caller, request: GroupsOfInstances) -> Answer:
    """Take a group from instances."""
    security_groups.disassociate_group(cloud, caller, request.security_group_ids, request.instance_ids)
    return Answer()


_GROUP_CODES: Final[Mapping[type[errors.Refusal], str]] = {
    **BUSY,
    errors.GroupIdMalformed: "InvalidSgId.Malformed",
    errors.GroupNotFound: "InvalidSecurityGroupId.NotFound",
    errors.ReinstallFailed: "UnsupportedOperation",
}

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="AssociateSecurityGroups",
        request=GroupsOfInstances,
        handle=associate_security_groups,
        is_mutating=True,
        codes=codes(*BATCH, errors.GroupsOfInstanceExceeded, special=_GROUP_CODES, states=(InstanceState.PENDING,)),
    ),
    Action(
        name="DisassociateSecurityGroups",
        request=GroupsOfInstances,
        handle=disassociate_security_groups,
        is_mutating=True,
        codes=codes(*BATCH, errors.LastGroupStays, special=_GROUP_CODES),
    ),
)
