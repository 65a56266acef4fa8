"""The policies of security groups, which are their rules.

Source: VPC CreateSecurityGroupPolicies, DescribeSecurityGroupPolicies, DeleteSecurityGroupPolicies, ReplaceSecurityGroupPolicy,
ReplaceSecurityGroupPolicies, ModifySecurityGroupPolicies.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import field

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, beijing_time, filters_by_name
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import AsksNothing, Int, is_empty, is_one_of, never_asks
from linocut.api.table import Action
from linocut.api.vpc.shapes import NAME_CODES
from linocut.cloud import listing, security_rules
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.security_rules import RuleAsked, RulesAsked
from linocut.model import errors
from linocut.model.networks import Rule, SecurityGroup

_FILTERS: Final = frozenset(
    {
        *("security-group-id", "ip", "protocol-type", "port", "poly", "direction", "description"),
        *("address-module", "service-module"),
    }
)
_TEMPLATES: Final = frozenset({"address-module", "service-module"})
_ALL: Final = "ALL"


class SecurityGroupPolicy(Shape):
    """One rule of a request."""

    policy_index: Int | None = None
    protocol: str = ""
    port: str = ""
    cidr_block: str = ""
    ipv6_cidr_block: str = field(name="Ipv6CidrBlock", default="")
    security_group_id: str = ""
    action: str = ""
    policy_description: str = ""


class SecurityGroupPolicySet(Shape):
    """Rules of a request, and the version of those that it was made from."""

    version: str = ""
    ingress: tuple[SecurityGroupPolicy, ...] | None = None
    egress: tuple[SecurityGroupPolicy, ...] | None = None


class ChangeSecurityGroupPolicies(Shape):
    """Which group, and which rules."""

    security_group_id: str
    security_group_policy_set: SecurityGroupPolicySet


class DescribeSecurityGroupPolicies(Shape):
    """Which group, and which of its rules."""

    security_group_id: str
    filters: tuple[Filter, ...] = ()


class PresentPolicy(Shape):
    """One rule of a group."""

    policy_index: int
    protocol: str
    port: str
    cidr_block: str
    ipv6_cidr_block: str = field(name="Ipv6CidrBlock")
    security_group_id: str
    action: str
    policy_description: str
    modify_time: str


class PresentPolicySet(Shape):
    """The rules of a group."""

    version: str
    egress: list[PresentPolicy]
    ingress: list[PresentPolicy]


class SecurityGroupPolicies(Answer):
    """The answer of DescribeSecurityGroupPolicies."""

    security_group_policy_set: PresentPolicySet


def create_policies(cloud: Cloud, caller: Caller, request: ChangeSecurityGroupPolicies) -> Answer:
    """Add rules."""
    security_rules.add_rules(cloud, caller, request.security_group_id, asked_rules(request.security_group_policy_set))
    return Answer()


def describe_policies(cloud: Cloud, caller: Caller, request: DescribeSecurityGroupPolicies) -> SecurityGroupPolicies:
    """List the rules of a group, each with its place among all of its direction."""
    filters = listing.check_filters(None, filters_by_name(request.filters), _FILTERS)
    group = security_rules.find_group(cloud, caller, request.security_group_id)
    return SecurityGroupPolicies(
        security_group_policy_set=PresentPolicySet(
            version=str(group.version),
            egress=_present("egress", group.egress, filters, group),
            ingress=_present("ingress", group.ingress, filters, group),
        )
    )


def delete_policies(cloud: Cloud, caller: Caller, request: ChangeSecurityGroupPolicies) -> Answer:
    """Delete rules."""
    security_rules.delete_rules(cloud, caller, request.security_group_id, asked_rules(request.security_group_policy_set))
    return Answer()


def replace_policy(cloud: Cloud, caller: Caller, request: ChangeSecurityGroupPolicies) -> Answer:
    """Put another rule in the place of one."""
    asked = asked_rules(request.security_group_policy_set)
    security_rules.replace_rules(cloud, caller, request.security_group_id, asked, most=1)
    return Answer()


def replace_policies(cloud: Cloud, caller: Caller, request: ChangeSecurityGroupPolicies) -> Answer:
    """Put other rules in the places of some."""
    security_rules.replace_rules(cloud, caller, request.security_group_id, asked_rules(request.security_group_policy_set))
    return Answer()


def modify_policies(cloud: Cloud, caller: Caller, request: ChangeSecurityGroupPolicies) -> Answer:
    """Put rules in the place of all."""
    security_rules.reset_rules(cloud, caller, request.security_group_id, asked_rules(request.security_group_policy_set))
    return Answer()


def asked_rules(given: SecurityGroupPolicySet) -> RulesAsked:
    """Return the rules of a request."""
    return RulesAsked(
        ingress=None if given.ingress is None else tuple(map(_asked, given.ingress)),
        egress=None if given.egress is None else tuple(map(_asked, given.egress)),
        version=given.version,
    )


def _asked(policy: SecurityGroupPolicy) -> RuleAsked:
    return RuleAsked(
        index=policy.policy_index,
        protocol=policy.protocol,
        port=policy.port,
        cidr=policy.cidr_block,
        ipv6_cidr=policy.ipv6_cidr_block,
        group_id=policy.security_group_id,
        action=policy.action,
        description=policy.policy_description,
    )


def _present(
    direction: str, rules: Iterable[Rule], filters: Mapping[str, tuple[str, ...]], group: SecurityGroup
) -> list[PresentPolicy]:
    wanted = {value.upper() for value in filters.get("direction", ())} - {_ALL}
    if filters.keys() & _TEMPLATES or (wanted and direction.upper() not in wanted):
        return []
    return [
        PresentPolicy(
            policy_index=place,
            protocol=rule.protocol.value,
            port=rule.ports,
            cidr_block=rule.cidr,
            ipv6_cidr_block=rule.ipv6_cidr,
            security_group_id=rule.group_id,
            action=rule.action.value,
            policy_description=rule.description,
            modify_time=beijing_time(rule.modified_at or group.updated_at),
        )
        for place, rule in enumerate(rules)
        if _matches(rule, filters)
    ]


def _matches(rule: Rule, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether a rule passes all filters; a protocol, port or action asked for as ALL is any."""
    parts = {"ip": rule.cidr + rule.ipv6_cidr, "port": rule.ports, "description": rule.description}
    exact = {"security-group-id": rule.group_id, "protocol-type": rule.protocol.value, "poly": rule.action.value}
    any_is_all = {"port", "protocol-type", "poly"}
    for name, values in filters.items():
        if name in any_is_all and _ALL in {value.upper() for value in values}:
            continue
        if name in parts and not any(value in parts[name] for value in values):
            return False
        if name in exact and exact[name] not in {value if name == "security-group-id" else value.upper() for value in values}:
            return False
    return True


def _unsupported_in(name: str) -> dict[str, AsksNothing]:
    """Return what is refused in a set of rules; what only answers have is let through, for clients send answers back."""
    refused: dict[str, AsksNothing] = {f"{name}.PolicyStatistics": never_asks}
    for direction in ("Ingress", "Egress"):
        policy = f"{name}.{direction}"
        refused |= {
            f"{policy}.ServiceTemplate": is_empty,
            f"{policy}.ServiceTemplate.ServiceId": is_empty,
            f"{policy}.ServiceTemplate.ServiceGroupId": is_empty,
            f"{policy}.AddressTemplate": is_empty,
            f"{policy}.AddressTemplate.AddressId": is_empty,
            f"{policy}.AddressTemplate.AddressGroupId": is_empty,
            f"{policy}.Priority": is_empty,
            f"{policy}.ModifyTime": never_asks,
        }
    return refused


UNSUPPORTED_IN_SET: Final = _unsupported_in("SecurityGroupPolicySet")
RULES: Final = (
    errors.CidrMalformed,
    errors.PortsMalformed,
    errors.InvalidValue,
    errors.ParameterMissing,
    errors.RuleQuotaExceeded,
    errors.LostRace,
)
RULE_CODES: Final[Mapping[type[errors.Refusal], str]] = {
    errors.ParameterConflict: "InvalidParameter.Coexist",
    errors.RuleQuotaExceeded: "LimitExceeded",
}
_CHANGE: Final = (*RULES, errors.GroupIdMalformed, errors.GroupNotFound, errors.RuleUnknown)
_CHANGE_CODES: Final[Mapping[type[errors.Refusal], str]] = {
    **RULE_CODES,
    **NAME_CODES,
    errors.OneParameterNeeded: "InvalidParameter.Coexist",
    errors.ParameterMissing: "InvalidParameterValue.Empty",
}

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateSecurityGroupPolicies",
        request=ChangeSecurityGroupPolicies,
        handle=create_policies,
        is_mutating=True,
        unsupported=UNSUPPORTED_IN_SET,
        codes=codes(
            *_CHANGE,
            errors.RuleRepeated,
            errors.RulesOutdated,
            special={**_CHANGE_CODES, errors.RuleQuotaExceeded: "LimitExceeded.SecurityGroupPolicySet"},
        ),
    ),
    Action(
        name="DescribeSecurityGroupPolicies",
        request=DescribeSecurityGroupPolicies,
        handle=describe_policies,
        codes=codes(
            errors.GroupIdMalformed,
            errors.GroupNotFound,
            errors.InvalidValue,
            special={
                errors.FilterUnknown: "InvalidParameter.FilterInvalidKey",
                errors.TooManyFilterValues: "InvalidParameterValue.LimitExceeded",
            },
        ),
    ),
    Action(
        name="DeleteSecurityGroupPolicies",
        request=ChangeSecurityGroupPolicies,
        handle=delete_policies,
        is_mutating=True,
        unsupported=UNSUPPORTED_IN_SET,
        codes=codes(*_CHANGE, errors.RulesOutdated, special={**_CHANGE_CODES, errors.ValueTooLong: "InvalidParameterValue"}),
    ),
    Action(
        name="ReplaceSecurityGroupPolicy",
        request=ChangeSecurityGroupPolicies,
        handle=replace_policy,
        is_mutating=True,
        unsupported={**UNSUPPORTED_IN_SET, "OriginalSecurityGroupPolicySet": never_asks},  # for the product's own log
        codes=codes(*_CHANGE, errors.RuleRepeated, errors.RulesOutdated, errors.TooManyValues, special=_CHANGE_CODES),
    ),
    Action(
        name="ReplaceSecurityGroupPolicies",
        request=ChangeSecurityGroupPolicies,
        handle=replace_policies,
        is_mutating=True,
        unsupported={
            **UNSUPPORTED_IN_SET,
            "OriginalSecurityGroupPolicySet": never_asks,  # for changes of the order, which UpdateType asks for
            "UpdateType": is_one_of("Policy"),
        },
        codes=codes(*_CHANGE, errors.RuleRepeated, errors.RulesOutdated, errors.TooManyValues, special=_CHANGE_CODES),
    ),
    Action(
        name="ModifySecurityGroupPolicies",
        request=ChangeSecurityGroupPolicies,
        handle=modify_policies,
        is_mutating=True,
        unsupported={**UNSUPPORTED_IN_SET, "SortPolicys": never_asks},  # the order of the request is kept either way
        codes=codes(*_CHANGE, errors.RuleRepeated, special=_CHANGE_CODES),
    ),
)
