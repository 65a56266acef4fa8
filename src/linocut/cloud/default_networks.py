"""The networks that an account has without having made them.

The default VPC of an account in a region, its subnet in each zone and the default security group, which lets everything pass,
appear when somebody first asks for a network there, and stay.
"""

from dataclasses import dataclass, replace
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import places
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import networks
from linocut.model.ids import GroupId, Region, SubnetId, Uin, VpcId, Zone, new_id
from linocut.model.networks import SecurityGroup, Subnet, Vpc

_DEFAULT_VPC_NAME: Final = "Default-VPC"
_DEFAULT_SUBNET_NAME: Final = "Default-Subnet"
_DEFAULT_GROUP_NAME: Final = "default"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an account has in a region without having made it: subnets in the order of the zones."""

    vpc: Vpc
    subnets: tuple[Subnet, ...]
    group: SecurityGroup


def default_subnet(cloud: Cloud, caller: Caller, zone: str) -> tuple[Vpc, Subnet]:
    """Return the default VPC and its subnet in a zone, or in the first one. Raises ZoneNotFound. Source: VPC CreateDefaultVpc."""
    wanted = places.find_zone(caller, zone).zone if zone else places.list_zones(cloud, caller)[0].zone
    defaults = ensure_defaults(cloud, caller)
    return defaults.vpc, next(subnet for subnet in defaults.subnets if subnet.zone == wanted)


def ensure_defaults(cloud: Cloud, caller: Caller) -> Defaults:
    """Return the caller's default networks and group in the region, made now if this is the first time."""
    with cloud.catalog.read() as tx:
        found = _defaults(cloud, tx, caller)
    if found is not None:
        return found
    with cloud.catalog.begin() as tx:
        return make_defaults(cloud, tx, caller)


def make_defaults(cloud: Cloud, tx: Tx, caller: Caller) -> Defaults:
    """Do what ensure_defaults does, in a transaction that writes."""
    owner, region = caller.account.uin, caller.region
    tx.networks.lock(owner, region)
    found = _defaults(cloud, tx, caller)
    if found is not None:
        return found
    vpc = tx.networks.default_vpc(owner, region)
    if vpc is None:
        vpc = _new_default_vpc(cloud, owner, region)
        tx.networks.add_vpc(vpc)
    if tx.security_groups.default(owner, region) is None:
        tx.security_groups.add(_new_default_group(cloud, owner, region))
    present = {subnet.zone for subnet in tx.networks.subnets_of(vpc.vpc_id)}
    tx.networks.add_subnets(
        _new_default_subnet(cloud, vpc, zone.zone, cidr)
        for zone, cidr in zip(places.list_zones(cloud, caller), networks.default_subnet_cidrs(), strict=False)
        if zone.zone not in present
    )
    made = _defaults(cloud, tx, caller)
    if made is None:
        raise AssertionError("default networks were made and are not there")
    return made


def _defaults(cloud: Cloud, tx: Tx, caller: Caller) -> Defaults | None:
    """Return the defaults if they are there, with a subnet in every zone of the region."""
    vpc = tx.networks.default_vpc(caller.account.uin, caller.region)
    group = tx.security_groups.default(caller.account.uin, caller.region)
    if vpc is None or group is None:
        return None
    by_zone = {subnet.zone: subnet for subnet in tx.networks.subnets_of(vpc.vpc_id) if subnet.is_default}
    zones = [zone.zone for zone in places.list_zones(cloud, caller)]
    return Defaults(vpc, tuple(by_zone[zone] for zone in zones), group) if by_zone.keys() >= set(zones) else None


def _new_default_vpc(cloud: Cloud, owner: Uin, region: Region) -> Vpc:
    return Vpc(
        vpc_id=VpcId(new_id("vpc", cloud.randomness)),
        owner=owner,
        region=region,
        name=_DEFAULT_VPC_NAME,
        cidr=str(networks.DEFAULT_VPC_CIDR),
        is_default=True,
        multicast=False,
        route_table_id=new_id("rtb", cloud.randomness),
        created_at=cloud.now(),
    )


def _new_default_subnet(cloud: Cloud, vpc: Vpc, zone: Zone, cidr: str) -> Subnet:
    return Subnet(
        subnet_id=SubnetId(new_id("subnet", cloud.randomness)),
        vpc_id=vpc.vpc_id,
        owner=vpc.owner,
        region=vpc.region,
        zone=zone,
        name=_DEFAULT_SUBNET_NAME,
        cidr=cidr,
        is_default=True,
        broadcast=False,
        created_at=vpc.created_at,
    )


def _new_default_group(cloud: Cloud, owner: Uin, region: Region) -> SecurityGroup:
    now = cloud.now()
    return SecurityGroup(
        group_id=GroupId(new_id("sg", cloud.randomness)),
        owner=owner,
        region=region,
        name=_DEFAULT_GROUP_NAME,
        description="System created security group",
        is_default=True,
        version=1,
        ingress=(replace(networks.ACCEPT_ALL, modified_at=now),),
        egress=(replace(networks.ACCEPT_ALL, modified_at=now),),
        created_at=now,
        updated_at=now,
    )
