"""The rules of security groups: what a request words is checked, kept in the group, and carried out on its instances.

A change is recorded first; then a workflow for each instance has its ports opened and closed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors, networks
from linocut.model.ids import GroupId, is_id
from linocut.model.networks import Rule, SecurityGroup

__all__ = ["Direction", "RuleAsked", "RulesAsked", "SecurityGroup"]

_MY_PUBLIC_IP: Final = "MY_PUBLIC_IP"
_REPLACED: Final = "Replaced-From-MY_PUBLIC_IP"
_CLEAR: Final = "0"

Direction = tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class RuleAsked:
    """A rule as a request words it; empty texts are what it leaves out."""

    index: int | None = None
    protocol: str = ""
    port: str = ""
    cidr: str = ""
    ipv6_cidr: str = ""
    group_id: str = ""
    action: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class RulesAsked:
    """Rules of both directions as a request words them; None for a direction that it leaves out."""

    ingress: tuple[RuleAsked, ...] | None = None
    egress: tuple[RuleAsked, ...] | None = None
    version: str = ""


def find_group(cloud: Cloud, caller: Caller, group_id: str) -> SecurityGroup:
    """Return a group. Raises GroupIdMalformed, GroupNotFound. Source: VPC DescribeSecurityGroupPolicies."""
    with cloud.catalog.read() as tx:
        return find_groups(tx, caller, [group_id])[0]


def add_rules(cloud: Cloud, caller: Caller, group_id: str, asked: RulesAsked) -> None:
    """Add rules of one direction, at the place that they all name, or behind the others.

    Raises GroupIdMalformed, GroupNotFound, OneParameterNeeded, ParameterMissing, ParameterConflict, InvalidValue, ValueTooLong,
    CidrMalformed, PortsMalformed, RuleRepeated, RuleUnknown (the place), RulesOutdated, RuleQuotaExceeded, LostRace.
    Source: VPC CreateSecurityGroupPolicies.
    """

    def add(tx: Tx, present: Direction, given: tuple[RuleAsked, ...]) -> Direction:
        places = {rule.index for rule in given}
        if len(places) > 1:
            raise errors.ParameterConflict("PolicyIndex is the same in all rules of a request.")
        place = places.pop()
        if place is not None and not 0 <= place <= len(present):
            raise errors.RuleUnknown(f"There is no place {place} among {len(present)} rules.")
        added = _rules(cloud, tx, caller, given)
        at = len(present) if place is None else place
        return _unlike((*present[:at], *added, *present[at:]))

    _change_direction(cloud, caller, group_id, asked, add)


def delete_rules(cloud: Cloud, caller: Caller, group_id: str, asked: RulesAsked) -> None:
    """Delete rules of one direction, by their places or by what they say.

    Raises GroupIdMalformed, GroupNotFound, RuleUnknown, and what add_rules raises. Source: VPC DeleteSecurityGroupPolicies.
    """

    def delete(tx: Tx, present: Direction, given: tuple[RuleAsked, ...]) -> Direction:
        by_place = [rule.index for rule in given if rule.index is not None]
        if by_place and len(by_place) != len(given):
            raise errors.ParameterConflict("Rules are named by PolicyIndex or by what they say, in one request not by both.")
        doomed = set(by_place) if by_place else {_place_of(present, rule) for rule in _rules(cloud, tx, caller, given)}
        if not all(0 <= place < len(present) for place in doomed):
            raise errors.RuleUnknown("There is no rule at a PolicyIndex of the request.")
        return tuple(rule for place, rule in enumerate(present) if place not in doomed)

    _change_direction(cloud, caller, group_id, asked, delete)


def replace_rules(cloud: Cloud, caller: Caller, group_id: str, asked: RulesAsked, *, most: int = 100) -> None:
    """Put other rules in the places of rules of one direction; without a place, in that of the one which says the same.

    Raises as delete_rules, TooManyValues. Source: VPC ReplaceSecurityGroupPolicy, ReplaceSecurityGroupPolicies.
    """
    for direction in (asked.ingress, asked.egress):
        listing.check_count("SecurityGroupPolicySet", [rule.action for rule in direction or ()], most)

    def put(tx: Tx, present: Direction, given: tuple[RuleAsked, ...]) -> Direction:
        changed = list(present)
        for rule, new in zip(given, _rules(cloud, tx, caller, given), strict=True):
            place = _place_of(present, new) if rule.index is None else rule.index
            if not 0 <= place < len(present):
                raise errors.RuleUnknown(f"There is no rule at PolicyIndex {place}.")
            changed[place] = new
        return _unlike(tuple(changed))

    _change_direction(cloud, caller, group_id, asked, put)


def reset_rules(cloud: Cloud, caller: Caller, group_id: str, asked: RulesAsked) -> None:
    """Give a group these rules in place of all it has, in the directions that are given; version 0 drops all of both.

    Raises as add_rules. Source: VPC ModifySecurityGroupPolicies.
    """
    check_number(asked)

    def reset(tx: Tx, group: SecurityGroup) -> tuple[Direction, Direction]:
        if asked.version == _CLEAR:
            return (), ()
        if any(rule.index is not None for rule in (*(asked.ingress or ()), *(asked.egress or ()))):
            raise errors.ParameterConflict("Rules that replace all others are in their order and take no PolicyIndex.")
        ingress = group.ingress if asked.ingress is None else checked_rules(cloud, tx, caller, asked.ingress)
        egress = group.egress if asked.egress is None else checked_rules(cloud, tx, caller, asked.egress)
        return ingress, egress

    _change(cloud, caller, group_id, reset)


def find_groups(tx: Tx, caller: Caller, group_ids: Sequence[str]) -> tuple[SecurityGroup, ...]:
    """Return the caller's groups in the order of the ids. Raises GroupIdMalformed, GroupNotFound."""
    for group_id in group_ids:
        if not is_id("sg", group_id):
            raise errors.GroupIdMalformed(f"{group_id!r} is no security group id.")
    wanted = [GroupId(group_id) for group_id in dict.fromkeys(group_ids)]
    found = tx.security_groups.owned(caller.account.uin, caller.region, wanted)
    missing = set(wanted) - {group.group_id for group in found}
    if missing:
        raise errors.GroupNotFound(f"There is no security group {min(missing)}.")
    return found


def forward_ports(cloud: Cloud, caller: Caller, instance_ids: Iterable[str]) -> None:
    """Have the ports of instances follow their groups, after the transaction that changed these."""
    for instance_id in dict.fromkeys(instance_ids):
        cloud.workflows.start("forward-ports", instance_id, key=caller.request_id)


def _change_direction(
    cloud: Cloud,
    caller: Caller,
    group_id: str,
    asked: RulesAsked,
    change: Callable[[Tx, Direction, tuple[RuleAsked, ...]], Direction],
) -> None:
    if asked.ingress and asked.egress:
        raise errors.OneParameterNeeded("A request has rules of one direction: Ingress or Egress.")
    if not asked.ingress and not asked.egress:
        raise errors.ParameterMissing("SecurityGroupPolicySet has no rules.")
    check_number(asked)

    def both(tx: Tx, group: SecurityGroup) -> tuple[Direction, Direction]:
        if asked.version and asked.version != str(group.version):
            raise errors.RulesOutdated(f"The rules of {group_id} are of version {group.version}, not {asked.version}.")
        if asked.ingress:
            return change(tx, group.ingress, asked.ingress), group.egress
        return group.ingress, change(tx, group.egress, asked.egress or ())

    _change(cloud, caller, group_id, both)


def _change(
    cloud: Cloud,
    caller: Caller,
    group_id: str,
    change: Callable[[Tx, SecurityGroup], tuple[Direction, Direction]],
) -> None:
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        (group,) = find_groups(tx, caller, [group_id])
        ingress, egress = change(tx, group)
        _check_quota(ingress, egress)
        tx.security_groups.write_rules(group, ingress, egress, cloud.now())
        instances = tx.security_groups.instances_of([group.group_id]).get(group.group_id, ())
    forward_ports(cloud, caller, instances)


def check_number(asked: RulesAsked) -> None:
    """Check that no more rules are asked for than a group can have, before anybody waits for them. Raises RuleQuotaExceeded."""
    _check_quota(asked.ingress or (), asked.egress or ())


def _check_quota(ingress: Sequence[object], egress: Sequence[object]) -> None:
    if max(len(ingress), len(egress)) > networks.RULES_PER_DIRECTION:
        raise errors.RuleQuotaExceeded(f"A security group has up to {networks.RULES_PER_DIRECTION} rules of each direction.")


def checked_rules(cloud: Cloud, tx: Tx, caller: Caller, asked: Sequence[RuleAsked]) -> Direction:
    """Return rules as they are kept. Raises what add_rules raises."""
    return _unlike(_rules(cloud, tx, caller, asked))


def _rules(cloud: Cloud, tx: Tx, caller: Caller, asked: Sequence[RuleAsked]) -> Direction:
    return tuple(_rule(cloud, tx, caller, rule) for rule in asked)


def _rule(cloud: Cloud, tx: Tx, caller: Caller, asked: RuleAsked) -> Rule:
    sources = [text for text in (asked.cidr, asked.ipv6_cidr, asked.group_id) if text]
    if len(sources) > 1:
        raise errors.ParameterConflict("CidrBlock, Ipv6CidrBlock and SecurityGroupId exclude each other.")
    if not sources:
        raise errors.ParameterMissing("A rule takes one of CidrBlock, Ipv6CidrBlock and SecurityGroupId.")
    if asked.group_id:
        find_groups(tx, caller, [asked.group_id])
    protocol = networks.rule_protocol(asked.protocol)
    is_mine = _MY_PUBLIC_IP in sources
    return Rule(
        protocol=protocol,
        ports=networks.rule_ports(asked.port, protocol),
        action=networks.rule_action(asked.action),
        cidr=networks.rule_cidr(caller.source if is_mine else asked.cidr) if asked.cidr else "",
        ipv6_cidr=networks.rule_ipv6_cidr(caller.source if is_mine else asked.ipv6_cidr) if asked.ipv6_cidr else "",
        group_id=asked.group_id,
        description=networks.rule_description(asked.description or (_REPLACED if is_mine else "")),
        modified_at=cloud.now(),
    )


def _unlike(given: Direction) -> Direction:
    """Return rules of which no two say the same. Raises RuleRepeated."""
    seen = set()
    for rule in given:
        if rule.says in seen:
            raise errors.RuleRepeated(f"The rule {rule.action} {rule.protocol} {rule.ports} is there twice.")
        seen.add(rule.says)
    return given


def _place_of(present: Direction, rule: Rule) -> int:
    for place, other in enumerate(present):
        if other.says == rule.says:
            return place
    raise errors.RuleUnknown(f"There is no rule {rule.action} {rule.protocol} {rule.ports}.")
