"""Auto snapshot policies. Source: CBS CreateAutoSnapshotPolicy and its kin."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec

from linocut.api.cbs.shapes import LIST_CODES, OrderedPageRequest, block_query
from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, Tag, beijing_time
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import snapshot_policies
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.snapshot_policies import PolicyOrder
from linocut.model import errors
from linocut.model.records import PolicyRule, SnapshotPolicy

_ORDER_FIELDS: Final = frozenset({"CREATE_TIME"})


class Policy(Shape):
    """When a policy is due: at these hours of these days."""

    hour: tuple[Int, ...] = ()
    day_of_week: tuple[Int, ...] = ()
    day_of_month: tuple[Int, ...] = ()
    interval_days: Int = 0


_Policies = Annotated[list[Policy], msgspec.Meta(min_length=1)]


class CreateAutoSnapshotPolicy(Shape):
    """When to take snapshots, and how long to keep them."""

    policy: _Policies
    dry_run: bool = False
    is_activated: bool | None = None
    auto_snapshot_policy_name: str = ""
    is_permanent: bool | None = None
    retention_days: Int | None = None


class CreatedPolicy(Answer):
    """The answer of CreateAutoSnapshotPolicy; the id is empty on a dry run."""

    auto_snapshot_policy_id: str
    next_trigger_time: str


class ModifyAutoSnapshotPolicyAttribute(Shape):
    """Which policy, and what to change of it."""

    auto_snapshot_policy_id: str
    policy: tuple[Policy, ...] | None = None
    is_activated: bool | None = None
    auto_snapshot_policy_name: str | None = None
    is_permanent: bool | None = None
    retention_days: Int | None = None


class DeleteAutoSnapshotPolicies(Shape):
    """Which policies."""

    auto_snapshot_policy_ids: Ids


class DescribeAutoSnapshotPolicies(OrderedPageRequest):
    """Which policies."""

    auto_snapshot_policy_ids: tuple[str, ...] = ()


class BindAutoSnapshotPolicy(Shape):
    """Which policy, and which disks."""

    auto_snapshot_policy_id: str
    disk_ids: tuple[str, ...] = ()


class UnbindAutoSnapshotPolicy(Shape):
    """Which policy, and which disks, or all disks of which instances."""

    auto_snapshot_policy_id: str
    disk_ids: tuple[str, ...] = ()
    instance_ids: tuple[str, ...] = ()


class DescribeDiskAssociatedAutoSnapshotPolicy(Shape):
    """Which disk."""

    disk_id: str


class AdvancedRetentionPolicy(Shape):
    """How many snapshots to keep of the latest days, weeks, months and years; no policy here has one."""

    days: int
    weeks: int
    months: int
    years: int


class AutoSnapshotPolicy(Shape):
    """A policy and what is bound to it. `RetentionAmount` is 0 where it keeps any number."""

    auto_snapshot_policy_id: str
    auto_snapshot_policy_name: str
    policy: list[Policy]
    is_activated: bool
    is_permanent: bool
    retention_days: int
    retention_amount: int
    next_trigger_time: str
    create_time: str
    disk_id_set: list[str]
    instance_id_set: list[str]
    tags: tuple[Tag, ...] = ()
    auto_snapshot_policy_state: str = "NORMAL"
    is_copy_to_remote: int = 0
    copy_to_account_uin: str | None = None
    copy_from_account_uin: str | None = None
    retention_months: int = 0
    advanced_retention_policy: AdvancedRetentionPolicy | None = None


class AutoSnapshotPolicies(Answer):
    """The answer of DescribeAutoSnapshotPolicies, and of DescribeDiskAssociatedAutoSnapshotPolicy."""

    total_count: int
    auto_snapshot_policy_set: list[AutoSnapshotPolicy]


def create_auto_snapshot_policy(cloud: Cloud, caller: Caller, request: CreateAutoSnapshotPolicy) -> CreatedPolicy:
    """Make a policy."""
    order = PolicyOrder(
        rules=_rules(request.policy),
        name=request.auto_snapshot_policy_name,
        is_activated=request.is_activated,
        is_permanent=request.is_permanent,
        retention_days=request.retention_days,
    )
    policy_id, first_at = snapshot_policies.create_policy(cloud, caller, order, dry_run=request.dry_run)
    return CreatedPolicy(auto_snapshot_policy_id=policy_id or "", next_trigger_time=beijing_time(first_at))


def modify_auto_snapshot_policy_attribute(cloud: Cloud, caller: Caller, request: ModifyAutoSnapshotPolicyAttribute) -> Answer:
    """Change a policy."""
    order = PolicyOrder(
        rules=None if request.policy is None else _rules(request.policy),
        name=request.auto_snapshot_policy_name,
        is_activated=request.is_activated,
        is_permanent=request.is_permanent,
        retention_days=request.retention_days,
    )
    snapshot_policies.modify_policy(cloud, caller, request.auto_snapshot_policy_id, order)
    return Answer()


def delete_auto_snapshot_policies(cloud: Cloud, caller: Caller, request: DeleteAutoSnapshotPolicies) -> Answer:
    """Delete policies."""
    snapshot_policies.delete_policies(cloud, caller, request.auto_snapshot_policy_ids)
    return Answer()


def describe_auto_snapshot_policies(cloud: Cloud, caller: Caller, request: DescribeAutoSnapshotPolicies) -> AutoSnapshotPolicies:
    """List policies."""
    query = block_query(request, request.auto_snapshot_policy_ids, _ORDER_FIELDS)
    page = snapshot_policies.list_policies(cloud, caller, query)
    return AutoSnapshotPolicies(
        total_count=page.total,
        auto_snapshot_policy_set=[_policy(one.policy, one.disk_ids, one.instance_ids) for one in page.items],
    )


def bind_auto_snapshot_policy(cloud: Cloud, caller: Caller, request: BindAutoSnapshotPolicy) -> Answer:
    """Have a policy take snapshots of disks."""
    snapshot_policies.bind_policy(cloud, caller, request.auto_snapshot_policy_id, request.disk_ids)
    return Answer()


def unbind_auto_snapshot_policy(cloud: Cloud, caller: Caller, request: UnbindAutoSnapshotPolicy) -> Answer:
    """Have a policy take no more snapshots of disks."""
    snapshot_policies.unbind_policy(cloud, caller, request.auto_snapshot_policy_id, request.disk_ids, request.instance_ids)
    return Answer()


def describe_disk_associated_auto_snapshot_policy(
    cloud: Cloud, caller: Caller, request: DescribeDiskAssociatedAutoSnapshotPolicy
) -> AutoSnapshotPolicies:
    """List the policies of a disk; as documented, without the disks that are bound to each."""
    found = snapshot_policies.policies_of_disk(cloud, caller, request.disk_id)
    return AutoSnapshotPolicies(total_count=len(found), auto_snapshot_policy_set=[_policy(policy, (), ()) for policy in found])


def _rules(given: Iterable[Policy]) -> tuple[PolicyRule, ...]:
    return tuple(PolicyRule(rule.hour, rule.day_of_week, rule.day_of_month, rule.interval_days) for rule in given)


def _policy(policy: SnapshotPolicy, disk_ids: Iterable[str], instance_ids: Iterable[str]) -> AutoSnapshotPolicy:
    return AutoSnapshotPolicy(
        auto_snapshot_policy_id=policy.policy_id,
        auto_snapshot_policy_name=policy.name,
        policy=[
            Policy(
                hour=rule.hours,
                day_of_week=rule.days_of_week,
                day_of_month=rule.days_of_month,
                interval_days=rule.interval_days,
            )
            for rule in policy.rules
        ],
        is_activated=policy.is_activated,
        is_permanent=not policy.retention_days,
        retention_days=policy.retention_days,
        retention_amount=policy.retention_amount,
        next_trigger_time="" if policy.next_at is None else beijing_time(policy.next_at),
        create_time=beijing_time(policy.created_at),
        disk_id_set=list(disk_ids),
        instance_id_set=list(instance_ids),
    )


_TERMS: Final = {
    errors.ParameterConflict: "InvalidParameterValue",
    errors.ValueTooLong: "InvalidParameterValue",
    errors.ValueOutOfRange: "InvalidParameterValue",
    errors.TooManyValues: "InvalidParameterValue.LimitExceeded",
    errors.LostRace: "ResourceBusy",
}

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateAutoSnapshotPolicy",
        request=CreateAutoSnapshotPolicy,
        handle=create_auto_snapshot_policy,
        is_mutating=True,
        codes=codes(errors.ParameterMissing, errors.InvalidValue, errors.PolicyQuotaExceeded, special=_TERMS),
    ),
    Action(
        name="ModifyAutoSnapshotPolicyAttribute",
        request=ModifyAutoSnapshotPolicyAttribute,
        handle=modify_auto_snapshot_policy_attribute,
        is_mutating=True,
        codes=codes(errors.PolicyNotFound, errors.ParameterMissing, errors.InvalidValue, special=_TERMS),
    ),
    Action(
        name="DeleteAutoSnapshotPolicies",
        request=DeleteAutoSnapshotPolicies,
        handle=delete_auto_snapshot_policies,
        is_mutating=True,
        codes=codes(errors.PolicyNotFound, errors.TooManyValues, special={errors.LostRace: "ResourceBusy"}),
    ),
    Action(
        name="DescribeAutoSnapshotPolicies",
        request=DescribeAutoSnapshotPolicies,
        handle=describe_auto_snapshot_policies,
        codes=LIST_CODES,
    ),
    Action(
        name="BindAutoSnapshotPolicy",
        request=BindAutoSnapshotPolicy,
        handle=bind_auto_snapshot_policy,
        is_mutating=True,
        codes=codes(
            errors.ParameterMissing,
            errors.PolicyNotFound,
            errors.DiskNotFound,
            errors.DiskIsBound,
            special={
                errors.TooManyValues: "InvalidParameterValue.BindDiskLimitExceeded",
                errors.LostRace: "ResourceBusy",
            },
        ),
    ),
    Action(
        name="UnbindAutoSnapshotPolicy",
        request=UnbindAutoSnapshotPolicy,
        handle=unbind_auto_snapshot_policy,
        is_mutating=True,
        codes=codes(
            errors.ParameterMissing,
            errors.PolicyNotFound,
            errors.DiskNotFound,
            errors.InstanceNotFound,
            errors.TooManyValues,
            special={errors.LostRace: "ResourceBusy"},
        ),
    ),
    Action(
        name="DescribeDiskAssociatedAutoSnapshotPolicy",
        request=DescribeDiskAssociatedAutoSnapshotPolicy,
        handle=describe_disk_associated_auto_snapshot_policy,
        codes=codes(errors.DiskNotFound),
    ),
)
