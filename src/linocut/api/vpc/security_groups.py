"""Security groups.

Source: VPC CreateSecurityGroup, CreateSecurityGroupWithPolicies, CreateDefaultSecurityGroup, DescribeSecurityGroups,
DeleteSecurityGroup, ModifySecurityGroupAttribute, DescribeSecurityGroupAssociationStatistics.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import field

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, Ids, Tag, beijing_time, tag_list
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.api.vpc.policies import RULE_CODES, RULES, UNSUPPORTED_IN_SET, SecurityGroupPolicySet, asked_rules
from linocut.api.vpc.shapes import (
    LIST_CODES,
    NAME_CODES,
    NEW_CODES,
    TextPageRequest,
    network_query,
    plain_tags,
)
from linocut.cloud import security_groups
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.default_networks import ensure_defaults
from linocut.model import errors, networks

_NO_PROJECT: Final = "0"
_ORDERS: Final = ("", "CreatedTime", "UpdateTime")
_DIRECTIONS: Final = ("", "ASC", "DESC")


class CreateSecurityGroup(Shape):
    """What to make."""

    group_name: str
    group_description: str
    project_id: str = ""
    tags: tuple[Tag, ...] = ()


class CreateSecurityGroupWithPolicies(Shape):
    """What to make, with its rules."""

    group_name: str
    group_description: str
    project_id: str = ""
    security_group_policy_set: SecurityGroupPolicySet | None = None
    tags: tuple[Tag, ...] = ()


class CreateDefaultSecurityGroup(Shape):
    """The project of the default group."""

    project_id: str = ""


class DescribeSecurityGroups(TextPageRequest):
    """Which groups: ids or filters, their order, and a page."""

    security_group_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    order_field: str = ""
    order_direction: str = ""


class DeleteSecurityGroup(Shape):
    """Which group."""

    security_group_id: str


class ModifySecurityGroupAttribute(Shape):
    """Which group, and what it is to be."""

    security_group_id: str
    group_name: str | None = None
    group_description: str | None = None


class DescribeSecurityGroupAssociationStatistics(Shape):
    """Which groups."""

    security_group_ids: Ids


class SecurityGroup(Shape):
    """A security group as its owner sees it."""

    security_group_id: str
    security_group_name: str
    security_group_desc: str
    is_default: bool
    created_time: str
    update_time: str
    tag_set: list[Tag]
    project_id: str = _NO_PROJECT


class SecurityGroupCreated(Answer):
    """The answer of the actions that make a group."""

    security_group: SecurityGroup


class SecurityGroups(Answer):
    """The answer of DescribeSecurityGroups."""

    security_group_set: list[SecurityGroup]
    total_count: int


class InstanceStatistic(Shape):
    """How many resources of one kind have a group."""

    instance_type: str
    instance_count: int


class SecurityGroupAssociationStatistics(Shape):
    """How many resources have a group; here only instances do."""

    security_group_id: str
    cvm: int = field(name="CVM")
    sg: int = field(name="SG")
    total_count: int
    instance_statistics: list[InstanceStatistic]
    cdb: int = field(name="CDB", default=0)
    eni: int = field(name="ENI", default=0)
    clb: int = field(name="CLB", default=0)


class AssociationStatistics(Answer):
    """The answer of DescribeSecurityGroupAssociationStatistics."""

    security_group_association_statistics_set: list[SecurityGroupAssociationStatistics]


def create_security_group(cloud: Cloud, caller: Caller, request: CreateSecurityGroup) -> SecurityGroupCreated:
    """Make a group that lets nothing in."""
    made = security_groups.create_group(
        cloud,
        caller,
        name=request.group_name,
        description=request.group_description,
        project_id=request.project_id,
        tags=plain_tags(request.tags),
    )
    return SecurityGroupCreated(security_group=_group(made))


def create_security_group_with_policies(
    cloud: Cloud, caller: Caller, request: CreateSecurityGroupWithPolicies
) -> SecurityGroupCreated:
    """Make a group with rules."""
    given = request.security_group_policy_set
    made = security_groups.create_group(
        cloud,
        caller,
        name=request.group_name,
        description=request.group_description,
        project_id=request.project_id,
        tags=plain_tags(request.tags),
        asked=None if given is None else asked_rules(given),
    )
    return SecurityGroupCreated(security_group=_group(made))


def create_default_security_group(cloud: Cloud, caller: Caller, request: CreateDefaultSecurityGroup) -> SecurityGroupCreated:
    """Tell of the default group, which there always is."""
    if request.project_id not in {"", _NO_PROJECT}:
        raise errors.ProjectNotFound(f"There is no project {request.project_id}.")
    return SecurityGroupCreated(security_group=_group(ensure_defaults(cloud, caller).group))


def describe_security_groups(cloud: Cloud, caller: Caller, request: DescribeSecurityGroups) -> SecurityGroups:
    """List groups."""
    if request.order_field not in _ORDERS or request.order_direction not in _DIRECTIONS:
        raise errors.InvalidValue("OrderField takes CreatedTime or UpdateTime, OrderDirection ASC or DESC.")
    page = security_groups.list_groups(
        cloud,
        caller,
        network_query(request.security_group_ids, request.filters, request),
        by_update=request.order_field == "UpdateTime",
        descending=request.order_direction == "DESC",
    )
    return SecurityGroups(security_group_set=[_group(group) for group in page.items], total_count=page.total)


def delete_security_group(cloud: Cloud, caller: Caller, request: DeleteSecurityGroup) -> Answer:
    """Delete a group."""
    security_groups.delete_group(cloud, caller, request.security_group_id)
    return Answer()


def modify_security_group_attribute(cloud: Cloud, caller: Caller, request: ModifySecurityGroupAttribute) -> Answer:
    """Rename or describe a group."""
    security_groups.modify_group(
        cloud, caller, request.security_group_id, name=request.group_name, description=request.group_description
    )
    return Answer()


def describe_association_statistics(
    cloud: Cloud, caller: Caller, request: DescribeSecurityGroupAssociationStatistics
) -> AssociationStatistics:
    """Count what has groups."""
    uses = security_groups.group_uses(cloud, caller, request.security_group_ids)
    return AssociationStatistics(
        security_group_association_statistics_set=[
            SecurityGroupAssociationStatistics(
                security_group_id=group.group_id,
                cvm=instances,
                sg=groups,
                total_count=instances,
                instance_statistics=[InstanceStatistic(instance_type="CVM", instance_count=instances)] if instances else [],
            )
            for group, instances, groups in uses
        ]
    )


def _group(group: networks.SecurityGroup) -> SecurityGroup:
    return SecurityGroup(
        security_group_id=group.group_id,
        security_group_name=group.name,
        security_group_desc=group.description,
        is_default=group.is_default,
        created_time=beijing_time(group.created_at),
        update_time=beijing_time(group.updated_at),
        tag_set=tag_list(group.tags),
    )


_GROUP: Final = (errors.GroupIdMalformed, errors.GroupNotFound)
_NO_SUCH_PROJECT: Final[Mapping[type[errors.Refusal], str]] = {errors.ProjectNotFound: "ResourceNotFound"}

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateSecurityGroup",
        request=CreateSecurityGroup,
        handle=create_security_group,
        is_mutating=True,
        codes=codes(errors.InvalidValue, errors.NetworkQuotaExceeded, errors.LostRace, special={**NEW_CODES, **_NO_SUCH_PROJECT}),
    ),
    Action(
        name="CreateSecurityGroupWithPolicies",
        request=CreateSecurityGroupWithPolicies,
        handle=create_security_group_with_policies,
        is_mutating=True,
        unsupported=UNSUPPORTED_IN_SET,
        codes=codes(
            *RULES,
            *_GROUP,
            errors.NetworkQuotaExceeded,
            errors.TagsDuplicate,
            errors.TagInvalid,
            special={**NAME_CODES, **RULE_CODES, **_NO_SUCH_PROJECT, errors.RuleRepeated: "InvalidParameterValue"},
        ),
    ),
    Action(
        name="CreateDefaultSecurityGroup",
        request=CreateDefaultSecurityGroup,
        handle=create_default_security_group,
        is_mutating=True,
        codes=codes(errors.LostRace, special=_NO_SUCH_PROJECT),
    ),
    Action(
        name="DescribeSecurityGroups",
        request=DescribeSecurityGroups,
        handle=describe_security_groups,
        codes=codes(
            *_GROUP,
            errors.TooManyValues,
            errors.PageOutOfRange,
            errors.InvalidValue,
            errors.LostRace,
            special=LIST_CODES,
        ),
    ),
    Action(
        name="DeleteSecurityGroup",
        request=DeleteSecurityGroup,
        handle=delete_security_group,
        is_mutating=True,
        codes=codes(*_GROUP, errors.NetworkInUse, errors.DefaultNetworkStays, errors.LostRace),
    ),
    Action(
        name="ModifySecurityGroupAttribute",
        request=ModifySecurityGroupAttribute,
        handle=modify_security_group_attribute,
        is_mutating=True,
        codes=codes(*_GROUP, errors.InvalidValue, errors.LostRace, special=NAME_CODES),
    ),
    Action(
        name="DescribeSecurityGroupAssociationStatistics",
        request=DescribeSecurityGroupAssociationStatistics,
        handle=describe_association_statistics,
        codes=codes(*_GROUP, errors.TooManyValues),
    ),
)
