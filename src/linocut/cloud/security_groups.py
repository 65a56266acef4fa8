"""Security groups: create, list, change, delete, and the instances that have them. Their rules are in `security_rules`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from linocut.catalog import InstanceChanges, Page, Tx
from linocut.catalog import NetworkQuery as CatalogQuery
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.default_networks import ensure_defaults
from linocut.cloud.instance_changes import change_instances
from linocut.cloud.networks import NetworkQuery
from linocut.cloud.security_rules import RulesAsked, check_number, checked_rules, find_groups, forward_ports
from linocut.model import errors, networks, rules
from linocut.model.ids import GroupId, new_id
from linocut.model.networks import OpenPorts, SecurityGroup
from linocut.model.records import Instance, Tag

__all__ = ["SecurityGroup"]

_IDS: Final = 100
_FILTERS: Final = frozenset({"security-group-id", "project-id", "security-group-name", "tag-key"})
_NO_PROJECT: Final = "0"


def create_group(
    cloud: Cloud,
    caller: Caller,
    *,
    name: str,
    description: str,
    project_id: str,
    tags: Sequence[Tag],
    asked: RulesAsked | None = None,
) -> SecurityGroup:
    """Make a security group; without rules it lets nothing in.

    Raises InvalidValue, ValueTooLong, ProjectNotFound, NetworkQuotaExceeded, TagInvalid, TagsDuplicate, and of rules what
    add_rules raises. Source: VPC CreateSecurityGroup, CreateSecurityGroupWithPolicies.
    """
    if project_id not in {"", _NO_PROJECT}:
        raise errors.ProjectNotFound(f"There is no project {project_id}.")
    if asked is not None:
        check_number(asked)
    now = cloud.now()
    group = SecurityGroup(
        group_id=GroupId(new_id("sg", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=networks.network_name("GroupName", name),
        description=networks.group_description(description),
        is_default=False,
        version=0,
        ingress=(),
        egress=(),
        created_at=now,
        updated_at=now,
        tags=rules.tags(tags),
    )
    ensure_defaults(cloud, caller)
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        if len(tx.security_groups.all_of(caller.account.uin, caller.region)) >= networks.GROUPS:
            raise errors.NetworkQuotaExceeded(f"An account has up to {networks.GROUPS} security groups in a region.")
        if asked is not None:
            ingress, egress = (checked_rules(cloud, tx, caller, direction or ()) for direction in (asked.ingress, asked.egress))
            group = replace(group, ingress=ingress, egress=egress, version=1)
        tx.security_groups.add(group)
    return group


def list_groups(
    cloud: Cloud, caller: Caller, query: NetworkQuery, *, by_update: bool = False, descending: bool = False
) -> Page[SecurityGroup]:
    """Return a page of the caller's groups in the region, by the time of their creation or of their last change.

    Raises GroupIdMalformed, GroupNotFound (of ids asked for), IdsWithFilters, FilterUnknown, TooManyFilterValues,
    PageOutOfRange. Source: VPC DescribeSecurityGroups.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS)
    ensure_defaults(cloud, caller)
    if _NO_PROJECT not in filters.get("project-id", (_NO_PROJECT,)):
        return Page((), 0)
    with cloud.catalog.read() as tx:
        if query.ids is not None:
            find_groups(tx, caller, query.ids)
        return tx.security_groups.list(
            CatalogQuery(
                owner=caller.account.uin,
                region=caller.region,
                ids=query.ids if query.ids is not None else filters.get("security-group-id"),
                names=filters.get("security-group-name", ()),
                tag_keys=filters.get("tag-key", ()),
                tags=listing.tag_filters(filters),
                by_update=by_update,
                descending=descending,
                offset=query.offset,
                limit=query.limit,
            )
        )


def modify_group(cloud: Cloud, caller: Caller, group_id: str, *, name: str | None, description: str | None) -> None:
    """Rename or describe a group; None leaves a field as it is.

    Raises GroupIdMalformed, GroupNotFound, InvalidValue, ValueTooLong, LostRace. Source: VPC ModifySecurityGroupAttribute.
    """
    with cloud.catalog.begin() as tx:
        (group,) = find_groups(tx, caller, [group_id])
        tx.security_groups.describe(
            group,
            name=group.name if name is None else networks.network_name("GroupName", name),
            description=group.description if description is None else networks.group_description(description),
            at=cloud.now(),
        )


def delete_group(cloud: Cloud, caller: Caller, group_id: str) -> None:
    """Delete a group that no instance has and that no other group's rules name.

    Raises GroupIdMalformed, GroupNotFound, NetworkInUse, DefaultNetworkStays. Source: VPC DeleteSecurityGroup.
    """
    with cloud.catalog.begin() as tx:
        tx.networks.lock(caller.account.uin, caller.region)
        (group,) = find_groups(tx, caller, [group_id])
        if group.is_default:
            raise errors.DefaultNetworkStays("The default security group is not deleted.")
        if tx.security_groups.instances_of([group.group_id]):
            raise errors.NetworkInUse(f"Instances have security group {group_id}.")
        if _naming(tx, group):
            raise errors.NetworkInUse(f"Rules of other security groups name {group_id}.")
        tx.security_groups.remove(group.group_id)


def group_uses(cloud: Cloud, caller: Caller, group_ids: Sequence[str]) -> tuple[tuple[SecurityGroup, int, int], ...]:
    """Return each group with the number of instances that have it and of other groups whose rules name it.

    Raises GroupIdMalformed, GroupNotFound, TooManyValues. Source: VPC DescribeSecurityGroupAssociationStatistics.
    """
    listing.check_count("SecurityGroupIds", group_ids, _IDS)
    with cloud.catalog.read() as tx:
        groups = find_groups(tx, caller, group_ids)
        instances = tx.security_groups.instances_of([group.group_id for group in groups])
        return tuple((group, len(instances.get(group.group_id, ())), _naming(tx, group)) for group in groups)


def open_ports_of(tx: Tx, instance: Instance) -> OpenPorts:
    """Return the ports of an instance that its groups open. An instance of before networks is as open as the default group."""
    if not instance.group_ids:
        return networks.open_ports([networks.ACCEPT_ALL])
    groups = tx.security_groups.owned(instance.owner, instance.region, instance.group_ids)
    return networks.open_ports(rule for group in groups for rule in group.ingress)


def associate_group(cloud: Cloud, caller: Caller, group_ids: Sequence[str], instance_ids: Sequence[str]) -> None:
    """Give instances one more group, behind those they have; one that they have already stays where it is.

    Raises GroupIdMalformed, GroupNotFound, InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, TaskRunning,
    TooManyValues, GroupsOfInstanceExceeded, LostRace. Source: CVM AssociateSecurityGroups.
    """
    listing.check_count("SecurityGroupIds", group_ids, 1)
    _regroup(
        cloud,
        caller,
        group_ids,
        instance_ids,
        "AssociateSecurityGroups",
        lambda has, given: tuple(dict.fromkeys((*has, *given))),
    )


def disassociate_group(cloud: Cloud, caller: Caller, group_ids: Sequence[str], instance_ids: Sequence[str]) -> None:
    """Take a group from instances, which keep at least one; one that they do not have is no error.

    Raises as associate_group, and LastGroupStays. Source: CVM DisassociateSecurityGroups.
    """
    listing.check_count("SecurityGroupIds", group_ids, 1)
    _regroup(
        cloud,
        caller,
        group_ids,
        instance_ids,
        "DisassociateSecurityGroups",
        lambda has, given: tuple(group_id for group_id in has if group_id not in given),
    )


def replace_groups(cloud: Cloud, caller: Caller, group_ids: Sequence[str], instance_ids: Sequence[str]) -> None:
    """Give instances these groups, in this order, in place of those they have.

    Raises as disassociate_group. Source: CVM ModifyInstancesAttribute, SecurityGroups.
    """
    _regroup(cloud, caller, group_ids, instance_ids, "ModifyInstancesAttribute", lambda _has, given: given)


def _regroup(
    cloud: Cloud,
    caller: Caller,
    group_ids: Sequence[str],
    instance_ids: Sequence[str],
    operation: str,
    change: Callable[[tuple[GroupId, ...], tuple[GroupId, ...]], tuple[GroupId, ...]],
) -> None:
    if not group_ids:
        raise errors.ParameterMissing("Security groups are needed.")

    def regrouped(tx: Tx, instance: Instance) -> InstanceChanges:
        tx.networks.lock(caller.account.uin, caller.region)
        groups = change(instance.group_ids, tuple(group.group_id for group in find_groups(tx, caller, group_ids)))
        if not groups:
            raise errors.LastGroupStays(f"Instance {instance.instance_id} keeps at least one security group.")
        if len(groups) > networks.GROUPS_PER_INSTANCE:
            raise errors.GroupsOfInstanceExceeded(f"An instance has up to {networks.GROUPS_PER_INSTANCE} security groups.")
        return InstanceChanges(group_ids=groups)

    change_instances(cloud, caller, instance_ids, operation, regrouped, restarts=False)
    forward_ports(cloud, caller, instance_ids)


def _naming(tx: Tx, group: SecurityGroup) -> int:
    """Return how many other groups have a rule that names this one."""
    others = tx.security_groups.all_of(group.owner, group.region)
    return sum(
        any(rule.group_id == group.group_id for rule in (*other.ingress, *other.egress))
        for other in others
        if other.group_id != group.group_id
    )
