"""What may be tried with another account's networks: each function of the cloud that takes their ids."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloud_bench import ZONE, Bench

from linocut.cloud import networks, security_groups, security_rules
from linocut.cloud.caller import Caller
from linocut.cloud.networks import NetworkQuery
from linocut.cloud.security_rules import RuleAsked, RulesAsked


@dataclass(frozen=True)
class Owned:
    """A VPC with a subnet, a security group, and an instance in them."""

    vpc_id: str
    subnet_id: str
    group_id: str
    instance_id: str


NOBODYS = Owned("vpc-00000000", "subnet-00000000", "sg-00000000", "ins-00000000")
ANY_RULE = RulesAsked(ingress=(RuleAsked(cidr="0.0.0.0/0", action="ACCEPT"),))
Act = Callable[[Bench, Caller, Owned], Any]


def everything(**filters: tuple[str, ...]) -> NetworkQuery:
    return NetworkQuery(None, {name.replace("_", "-"): values for name, values in filters.items()}, 0, 100)


def named(*ids: str) -> NetworkQuery:
    return NetworkQuery(ids, {}, 0, 100)


REFUSED: dict[str, Act] = {
    "list_vpcs": lambda bench, caller, of: networks.list_vpcs(bench.cloud, caller, named(of.vpc_id)),
    "list_subnets": lambda bench, caller, of: networks.list_subnets(bench.cloud, caller, named(of.subnet_id)),
    "find_vpc": lambda bench, caller, of: networks.modify_vpc(bench.cloud, caller, of.vpc_id, name="new", multicast=None),
    "modify_vpc": lambda bench, caller, of: networks.modify_vpc(bench.cloud, caller, of.vpc_id, name="new", multicast=None),
    "delete_vpc": lambda bench, caller, of: networks.delete_vpc(bench.cloud, caller, of.vpc_id),
    "create_subnet": lambda bench, caller, of: networks.create_subnet(
        bench.cloud, caller, of.vpc_id, name="new", cidr="10.0.9.0/24", zone=ZONE, tags=()
    ),
    "find_subnet": lambda bench, caller, of: networks.modify_subnet(
        bench.cloud, caller, of.subnet_id, name="new", broadcast=None
    ),
    "modify_subnet": lambda bench, caller, of: networks.modify_subnet(
        bench.cloud, caller, of.subnet_id, name="new", broadcast=None
    ),
    "delete_subnet": lambda bench, caller, of: networks.delete_subnet(bench.cloud, caller, of.subnet_id),
    "list_used_addresses": lambda bench, caller, of: networks.list_used_addresses(
        bench.cloud, caller, of.vpc_id, of.subnet_id, everything()
    ),
    "list_groups": lambda bench, caller, of: security_groups.list_groups(bench.cloud, caller, named(of.group_id)),
    "modify_group": lambda bench, caller, of: security_groups.modify_group(
        bench.cloud, caller, of.group_id, name="new", description=None
    ),
    "delete_group": lambda bench, caller, of: security_groups.delete_group(bench.cloud, caller, of.group_id),
    "group_uses": lambda bench, caller, of: security_groups.group_uses(bench.cloud, caller, [of.group_id]),
    "find_group": lambda bench, caller, of: security_rules.find_group(bench.cloud, caller, of.group_id),
    "find_groups": lambda bench, caller, of: security_rules.find_group(bench.cloud, caller, of.group_id),
    "checked_rules": lambda bench, caller, of: security_groups.create_group(
        bench.cloud,
        caller,
        name="new",
        description="",
        project_id="",
        tags=(),
        asked=RulesAsked(ingress=(RuleAsked(group_id=of.group_id, action="ACCEPT"),)),
    ),
    "add_rules": lambda bench, caller, of: security_rules.add_rules(bench.cloud, caller, of.group_id, ANY_RULE),
    "delete_rules": lambda bench, caller, of: security_rules.delete_rules(bench.cloud, caller, of.group_id, ANY_RULE),
    "replace_rules": lambda bench, caller, of: security_rules.replace_rules(bench.cloud, caller, of.group_id, ANY_RULE),
    "reset_rules": lambda bench, caller, of: security_rules.reset_rules(bench.cloud, caller, of.group_id, ANY_RULE),
    "associate_group": lambda bench, caller, of: security_groups.associate_group(
        bench.cloud, caller, [of.group_id], [of.instance_id]
    ),
    "disassociate_group": lambda bench, caller, of: security_groups.disassociate_group(
        bench.cloud, caller, [of.group_id], [of.instance_id]
    ),
    "replace_groups": lambda bench, caller, of: security_groups.replace_groups(
        bench.cloud, caller, [of.group_id], [of.instance_id]
    ),
}
"""Each refuses what it cannot find."""

NAMES_NO_NETWORK = {
    *("create_vpc", "create_group", "default_subnet", "ensure_defaults", "make_defaults"),
    "find_placement",  # through launches: test_a_launch_goes_into_own_networks_only
    "forward_ports",  # of the instances that a change has found
}
