"""Auto snapshot policies: when snapshots of disks are taken by themselves, and how long they are kept.

Source: CBS CreateAutoSnapshotPolicy and its kin. What a policy has to do is done in `policy_runs`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from linocut.catalog import ListedPolicy, Page, PolicyChanges, PolicyQuery, Tx
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.listing import BlockQuery
from linocut.model import errors, rules
from linocut.model.ids import DiskId, InstanceId, PolicyId, is_id, new_id
from linocut.model.records import PolicyRule, SnapshotPolicy
from linocut.model.schedules import check_rules, next_time

__all__ = ["ListedPolicy", "Page", "PolicyOrder"]

_DEFAULT_NAME: Final = "未命名"
_DEFAULT_DAYS: Final = 7
_LONGEST_DAYS: Final = 36_500
_LARGEST_AMOUNT: Final = 1000
_BOUND: Final = 80
"""Disks that one call binds."""
_NAMED: Final = 100
_FILTERS: Final = frozenset({"auto-snapshot-policy-id", "auto-snapshot-policy-state", "auto-snapshot-policy-name"})
_STATES: Final = frozenset({"NORMAL", "ISOLATED"})


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """A new policy, or what to change of one: None leaves it as it is, or as it is by default."""

    rules: tuple[PolicyRule, ...] | None = None
    name: str | None = None
    is_activated: bool | None = None
    is_permanent: bool | None = None
    retention_days: int | None = None


def create_policy(cloud: Cloud, caller: Caller, order: PolicyOrder, *, dry_run: bool = False) -> tuple[PolicyId | None, datetime]:
    """Make a policy; return its id, or None on a dry run, and when it is due first.

    It is activated, and its snapshots are kept for seven days, unless asked otherwise. Raises ParameterMissing, InvalidValue,
    ParameterConflict, ValueTooLong, ValueOutOfRange, TooManyValues, PolicyQuotaExceeded. Source: CBS CreateAutoSnapshotPolicy.
    """
    now = cloud.now()
    schedule = check_rules(order.rules or ())
    first_at = next_time(schedule, now, now)
    policy = SnapshotPolicy(
        policy_id=PolicyId(new_id("asp", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=rules.policy_name(order.name or _DEFAULT_NAME),
        is_activated=order.is_activated is not False,
        rules=schedule,
        retention_days=_retention_days(order, before=_DEFAULT_DAYS),
        next_at=None if order.is_activated is False else first_at,
        created_at=now,
    )
    with cloud.catalog.begin() as tx:
        tx.snapshot_policies.lock_quota(policy.owner, policy.region)
        if tx.snapshot_policies.count(policy.owner, policy.region) >= cloud.settings.policy_quota:
            raise errors.PolicyQuotaExceeded(f"You have {cloud.settings.policy_quota} policies in {caller.region} already.")
        if not dry_run:
            tx.snapshot_policies.add(policy)
    return None if dry_run else policy.policy_id, first_at


def modify_policy(cloud: Cloud, caller: Caller, policy_id: str, order: PolicyOrder) -> None:
    """Change an own policy. One that is activated, or has other rules, is due next as if it began now.

    Raises PolicyNotFound, ParameterMissing, InvalidValue, ParameterConflict, ValueTooLong, ValueOutOfRange, TooManyValues.
    Source: CBS ModifyAutoSnapshotPolicyAttribute.
    """
    changes: PolicyChanges = {}
    if order.name is not None:
        changes["name"] = rules.policy_name(order.name or _DEFAULT_NAME)
    if order.rules is not None:
        changes["rules"] = check_rules(order.rules)
    with cloud.catalog.begin() as tx:
        (policy,) = _own(tx, caller, [policy_id])
        changes["retention_days"] = _retention_days(order, before=policy.retention_days)
        if not changes["retention_days"] and policy.retention_amount:
            raise errors.ParameterConflict("A policy that keeps a number of snapshots keeps none of them for ever.")
        activated = policy.is_activated if order.is_activated is None else order.is_activated
        schedule = changes.get("rules", policy.rules)
        if (activated, schedule) != (policy.is_activated, policy.rules):
            changes["is_activated"] = activated
            changes["next_at"] = next_time(schedule, cloud.now(), policy.created_at) if activated else None
        tx.snapshot_policies.update(policy.policy_id, **changes)


def keep_amount(cloud: Cloud, caller: Caller, policy_id: str, amount: int) -> None:
    """Have an own policy keep no more than so many snapshots of each disk; 0 sets no such limit.

    Raises PolicyNotFound, ValueOutOfRange, and ParameterConflict where its snapshots are kept for ever.
    """
    if not 0 <= amount <= _LARGEST_AMOUNT:
        raise errors.ValueOutOfRange(f"RetentionAmount takes 0 to {_LARGEST_AMOUNT}.")
    with cloud.catalog.begin() as tx:
        (policy,) = _own(tx, caller, [policy_id])
        if amount and not policy.retention_days:
            raise errors.ParameterConflict("A policy that keeps a number of snapshots keeps none of them for ever.")
        tx.snapshot_policies.update(policy.policy_id, retention_amount=amount)


def delete_policies(cloud: Cloud, caller: Caller, policy_ids: Sequence[str]) -> None:
    """Delete own policies, all or none of them. The snapshots that they had taken stay as long as they were to.

    Raises PolicyNotFound, TooManyValues. Source: CBS DeleteAutoSnapshotPolicies.
    """
    listing.check_count("AutoSnapshotPolicyIds", policy_ids, _NAMED)
    with cloud.catalog.begin() as tx:
        tx.snapshot_policies.remove(policy.policy_id for policy in _own(tx, caller, policy_ids))


def list_policies(cloud: Cloud, caller: Caller, query: BlockQuery) -> Page[ListedPolicy]:
    """Return a page of the caller's policies in the region, the newest first unless asked otherwise.

    Raises InvalidValue, IdsWithFilters, FilterUnknown, TooManyFilterValues, TooManyValues, PageOutOfRange.
    Source: CBS DescribeAutoSnapshotPolicies.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS, values=listing.BLOCK_VALUES)
    if listing.tag_filters(filters):
        raise errors.FilterUnknown("Policies are not filtered by tags.")
    states = filters.get("auto-snapshot-policy-state", ("NORMAL",))
    if not _STATES.issuperset(states):
        raise errors.InvalidValue("The filter auto-snapshot-policy-state takes NORMAL and ISOLATED.")
    ids = query.ids if query.ids is not None else filters.get("auto-snapshot-policy-id")
    for policy_id in ids or ():
        if not is_id("asp", policy_id):
            raise errors.InvalidValue(f"{policy_id!r} is no policy id.")
    if "NORMAL" not in states:  # none is ever isolated
        return Page((), 0)
    with cloud.catalog.read() as tx:
        return tx.snapshot_policies.list(
            PolicyQuery(
                owner=caller.account.uin,
                region=caller.region,
                ids=ids,
                names=filters.get("auto-snapshot-policy-name", ()),
                oldest_first=query.oldest_first,
                offset=query.offset,
                limit=query.limit,
            )
        )


def bind_policy(cloud: Cloud, caller: Caller, policy_id: str, disk_ids: Sequence[str]) -> None:
    """Have an own policy take snapshots of own disks from now on, all of them or none.

    Raises ParameterMissing, TooManyValues, PolicyNotFound, DiskNotFound, DiskIsBound. Source: CBS BindAutoSnapshotPolicy.
    """
    if not disk_ids:
        raise errors.ParameterMissing("DiskIds is empty.")
    listing.check_count("DiskIds", disk_ids, _BOUND)
    with cloud.catalog.begin() as tx:
        (policy,) = _own(tx, caller, [policy_id])
        disks = _own_disks(tx, caller, disk_ids)
        bound = tx.snapshot_policies.bound(policy.policy_id, disks)
        if bound:
            raise errors.DiskIsBound(f"Disk {min(bound)} is bound to policy {policy_id} already.")
        tx.snapshot_policies.bind(policy.policy_id, disks)


def unbind_policy(
    cloud: Cloud, caller: Caller, policy_id: str, disk_ids: Sequence[str], instance_ids: Sequence[str] = ()
) -> None:
    """Have an own policy take no more snapshots of own disks, or of any disk of own instances; others it takes as before.

    A disk that is not bound to it is passed over. Raises ParameterMissing, TooManyValues, PolicyNotFound, DiskNotFound,
    InstanceNotFound. Source: CBS UnbindAutoSnapshotPolicy.
    """
    if not disk_ids and not instance_ids:
        raise errors.ParameterMissing("DiskIds or InstanceIds is needed.")
    listing.check_count("DiskIds", disk_ids, _NAMED)
    listing.check_count("InstanceIds", instance_ids, _NAMED)
    with cloud.catalog.begin() as tx:
        (policy,) = _own(tx, caller, [policy_id])
        disks = _own_disks(tx, caller, disk_ids)
        asked = [InstanceId(instance_id) for instance_id in dict.fromkeys(instance_ids)]
        instances = {one.instance_id for one in tx.instances.owned(caller.account.uin, caller.region, asked)}
        for instance_id in asked:
            if instance_id not in instances:
                raise errors.InstanceNotFound(f"There is no instance {instance_id}.")
        attached = [disk.disk_id for of_one in tx.disks.of(asked).values() for disk in of_one]
        tx.snapshot_policies.unbind(policy.policy_id, [*disks, *attached])


def policies_of_disk(cloud: Cloud, caller: Caller, disk_id: str) -> tuple[SnapshotPolicy, ...]:
    """Return the policies that an own disk is bound to, the oldest first. Raises DiskNotFound.

    Source: CBS DescribeDiskAssociatedAutoSnapshotPolicy.
    """
    with cloud.catalog.read() as tx:
        disk = tx.disks.get(DiskId(disk_id))
        if disk is None or (disk.owner, disk.region) != (caller.account.uin, caller.region):
            raise errors.DiskNotFound(f"There is no disk {disk_id}.")
        return tx.snapshot_policies.of_disk(disk.disk_id)


def policies_of_disks(cloud: Cloud, disk_ids: Iterable[DiskId]) -> Mapping[DiskId, tuple[PolicyId, ...]]:
    """Return the policies that each of the disks is bound to; a disk that is bound to none is not there."""
    with cloud.catalog.read() as tx:
        return tx.snapshot_policies.of_disks(disk_ids)


def _own(tx: Tx, caller: Caller, policy_ids: Sequence[str]) -> tuple[SnapshotPolicy, ...]:
    asked = [PolicyId(policy_id) for policy_id in dict.fromkeys(policy_ids)]
    found = tx.snapshot_policies.lock(caller.account.uin, caller.region, asked)
    missing = set(asked) - {policy.policy_id for policy in found}
    if missing:
        raise errors.PolicyNotFound(f"There is no policy {min(missing)}.")
    return found


def _own_disks(tx: Tx, caller: Caller, disk_ids: Sequence[str]) -> tuple[DiskId, ...]:
    asked = [DiskId(disk_id) for disk_id in dict.fromkeys(disk_ids)]
    missing = set(asked) - {disk.disk_id for disk in tx.disks.owned(caller.account.uin, caller.region, asked)}
    if missing:
        raise errors.DiskNotFound(f"There is no disk {min(missing)}.")
    return tuple(asked)


def _retention_days(order: PolicyOrder, *, before: int) -> int:
    """Return how long snapshots are to be kept, 0 for ever. Raises ParameterConflict, ValueOutOfRange."""
    if order.retention_days is None:
        if order.is_permanent is None:
            return before
        return 0 if order.is_permanent else before or _DEFAULT_DAYS
    if order.is_permanent or (order.is_permanent is None and not before):
        raise errors.ParameterConflict("RetentionDays and IsPermanent exclude each other.")
    if not 1 <= order.retention_days <= _LONGEST_DAYS:
        raise errors.ValueOutOfRange(f"RetentionDays takes 1 to {_LONGEST_DAYS}.")
    return order.retention_days
