"""Where a launch's instances go in networks: a subnet, security groups, and the address that each is reached by.

An instance takes one place of its subnet's range, and gets an address of the host's loopback network: that is what its owner
connects to, and what is shown as its private address, and as its public one where one was asked for.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.default_networks import make_defaults
from linocut.cloud.networks import check_address, find_subnet, find_vpc, subnet_id_of, vpc_id_of
from linocut.cloud.security_rules import find_groups
from linocut.model import errors, networks
from linocut.model.ids import GroupId
from linocut.model.networks import Subnet

_DEFAULT: Final = "DEFAULT"
_TRAFFIC: Final = "TRAFFIC_POSTPAID_BY_HOUR"
_CHARGE_TYPES: Final = frozenset({_TRAFFIC, "BANDWIDTH_POSTPAID_BY_HOUR"})
_OTHER_CHARGE_TYPES: Final = frozenset({"BANDWIDTH_PREPAID", "BANDWIDTH_PACKAGE"})
_MOST_BANDWIDTH_MBPS: Final = 2000
_SECOND_OCTETS: Final = (16, 254)
_LAST_OCTETS: Final = (2, 254)
_LOOPBACK: Final = 127


@dataclass(frozen=True, slots=True)
class NetworkOrder:
    """What a launch asks of networks. `public_address` is None where it does not say."""

    vpc_id: str = _DEFAULT
    subnet_id: str = _DEFAULT
    private_addresses: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    public_address: bool | None = None
    bandwidth_mbps: int = 0
    charge_type: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """A checked order. `address` is the one asked for, None for any."""

    subnet: Subnet
    group_ids: tuple[GroupId, ...]
    address: str | None
    has_public_address: bool
    bandwidth_mbps: int
    charge_type: str


def find_placement(cloud: Cloud, tx: Tx, caller: Caller, order: NetworkOrder, zone: str, count: int) -> Placement:
    """Return where a launch's instances go.

    Raises VpcIdMalformed, VpcNotFound, SubnetIdMalformed, SubnetNotFound, SubnetOfOtherVpc, SubnetInOtherZone, GroupIdMalformed,
    GroupNotFound, GroupsOfInstanceExceeded, ParameterUnsupported, ParameterConflict, AddressMalformed, AddressOutsidePool,
    AddressTaken, ValueOutOfRange, InvalidValue, PublicAddressWithoutBandwidth. Source: CVM RunInstances.
    """
    charge_type, has_public_address = _check_internet(order)
    tx.networks.lock(caller.account.uin, caller.region)
    if len(order.group_ids) > networks.GROUPS_PER_INSTANCE:
        raise errors.GroupsOfInstanceExceeded(f"An instance has up to {networks.GROUPS_PER_INSTANCE} security groups.")
    return Placement(
        subnet=_subnet(cloud, tx, caller, order, zone),
        group_ids=_groups(cloud, tx, caller, order),
        address=_address_asked(tx, order, count),
        has_public_address=has_public_address,
        bandwidth_mbps=order.bandwidth_mbps,
        charge_type=charge_type,
    )


def room(tx: Tx, placement: Placement) -> int:
    """Return how many instances the subnet still has a place for."""
    taken = tx.networks.taken([placement.subnet.subnet_id]).get(placement.subnet.subnet_id, 0)
    return max(0, placement.subnet.places - taken)


def draw_addresses(cloud: Cloud, tx: Tx, placement: Placement, count: int) -> tuple[str, ...]:
    """Return an address for each of some instances, which nobody has. The caller has the lock of the capacity."""
    if placement.address is not None:
        return (placement.address,)
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        second, last = cloud.randomness.randint(*_SECOND_OCTETS), cloud.randomness.randint(*_LAST_OCTETS)
        address = f"{_LOOPBACK}.{second}.{cloud.randomness.randrange(256)}.{last}"
        if not tx.instances.has_address(address):
            drawn[address] = None
    return tuple(drawn)


def _subnet(cloud: Cloud, tx: Tx, caller: Caller, order: NetworkOrder, zone: str) -> Subnet:
    vpc_id, subnet_id = order.vpc_id or _DEFAULT, order.subnet_id or _DEFAULT
    if vpc_id == subnet_id == _DEFAULT:
        defaults = make_defaults(cloud, tx, caller)
        return next(subnet for subnet in defaults.subnets if subnet.zone == zone)
    vpc_id_of(vpc_id)
    subnet_id_of(subnet_id)
    vpc, subnet = find_vpc(tx, caller, vpc_id), find_subnet(tx, caller, subnet_id)
    if subnet.vpc_id != vpc.vpc_id:
        raise errors.SubnetOfOtherVpc(f"Subnet {subnet_id} is not of VPC {vpc_id}.")
    if subnet.zone != zone:
        raise errors.SubnetInOtherZone(f"Subnet {subnet_id} is in zone {subnet.zone}.")
    return subnet


def _groups(cloud: Cloud, tx: Tx, caller: Caller, order: NetworkOrder) -> tuple[GroupId, ...]:
    if not order.group_ids:
        return (make_defaults(cloud, tx, caller).group.group_id,)
    return tuple(group.group_id for group in find_groups(tx, caller, order.group_ids))


def _address_asked(tx: Tx, order: NetworkOrder, count: int) -> str | None:
    if not order.private_addresses:
        return None
    if len(order.private_addresses) > 1:
        raise errors.ParameterUnsupported("VirtualPrivateCloud.PrivateIpAddresses takes one address.")
    if count > 1:
        raise errors.ParameterConflict("VirtualPrivateCloud.PrivateIpAddresses is for one instance.")
    address = check_address(order.private_addresses[0])
    if not _is_in_pool(address):
        raise errors.AddressOutsidePool(
            f"Instances are reached by addresses of 127.{_SECOND_OCTETS[0]}.0.0 to 127.{_SECOND_OCTETS[1]}.255.255 that end "
            f"with {_LAST_OCTETS[0]} to {_LAST_OCTETS[1]}; {address} is none of them."
        )
    if tx.instances.has_address(str(address)):
        raise errors.AddressTaken(f"An instance has the address {address}.")
    return str(address)


def _is_in_pool(address: IPv4Address) -> bool:
    first, second, _, last = address.packed
    in_second = _SECOND_OCTETS[0] <= second <= _SECOND_OCTETS[1]
    return first == _LOOPBACK and in_second and _LAST_OCTETS[0] <= last <= _LAST_OCTETS[1]


def _check_internet(order: NetworkOrder) -> tuple[str, bool]:
    """Return how traffic is charged, and whether there is a public address: there is with bandwidth, unless told otherwise."""
    if not 0 <= order.bandwidth_mbps <= _MOST_BANDWIDTH_MBPS:
        raise errors.ValueOutOfRange(f"InternetMaxBandwidthOut takes 0 to {_MOST_BANDWIDTH_MBPS} Mbps.")
    if order.charge_type in _OTHER_CHARGE_TYPES:
        raise errors.ParameterUnsupported(f"InternetChargeType {order.charge_type} is not supported: {_TRAFFIC} is.")
    if order.charge_type and order.charge_type not in _CHARGE_TYPES:
        raise errors.InvalidValue(f"InternetChargeType takes {', '.join(sorted(_CHARGE_TYPES))}.")
    if order.public_address and order.bandwidth_mbps == 0:
        raise errors.PublicAddressWithoutBandwidth("PublicIpAssigned needs an InternetMaxBandwidthOut above 0.")
    public = order.bandwidth_mbps > 0 if order.public_address is None else order.public_address
    return order.charge_type or _TRAFFIC, public
