"""Instances: list, start, stop, reboot, terminate, console; and which of them an operation may begin on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from linocut.catalog import InstanceQuery as CatalogQuery
from linocut.catalog import Page, Tx
from linocut.cloud import listing, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.machines import ConsoleChunk, MachineGone
from linocut.model import errors
from linocut.model.ids import InstanceId, is_id
from linocut.model.records import Disk, Instance
from linocut.model.states import DiskState, InstanceState, OperationState

__all__ = ["ConsoleChunk", "InstanceQuery", "InstanceView", "StopHow"]

_IDS: Final = 100
_CONSOLE_BYTES: Final = 1024**2
_FILTERS: Final = frozenset(
    {
        "zone",
        "project-id",
        "instance-id",
        "instance-name",
        "instance-charge-type",
        "instance-state",
        "private-ip-address",
        "public-ip-address",
        "uuid",
        "image-id",
        "vpc-id",
        "subnet-id",
        "security-group-id",
        "tag-key",
        "tag-value",
        "creation-start-time",
        "creation-end-time",
    }
)


_NOTHING_HAS: Final = frozenset({"host-id", "dedicated-cluster-id", "ipv6-address"})
"""Documented filters by what no instance here has."""


class StopHow(StrEnum):
    """How to power off: ask the guest, ask and then pull the plug, or pull the plug."""

    SOFT = "SOFT"
    SOFT_FIRST = "SOFT_FIRST"
    HARD = "HARD"


@dataclass(frozen=True, slots=True)
class InstanceQuery:
    """Which instances to list: ids or filters, and a page."""

    ids: tuple[str, ...] | None
    filters: Mapping[str, tuple[str, ...]]
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance and its disks, the system disk first."""

    instance: Instance
    disks: tuple[Disk, ...]


def list_instances(cloud: Cloud, caller: Caller, query: InstanceQuery) -> Page[InstanceView]:
    """Return a page of the caller's instances in the region, the newest first.

    Raises InstanceIdMalformed, IdsWithFilters, FilterUnknown, TooManyFilterValues, PageOutOfRange. Source: CVM DescribeInstances.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS | _NOTHING_HAS)
    ids = query.ids if query.ids is not None else filters.get("instance-id")
    if "0" not in filters.get("project-id", ("0",)) or filters.keys() & _NOTHING_HAS:
        return Page((), 0)
    with cloud.catalog.read() as tx:
        page = tx.instances.list(
            CatalogQuery(
                owner=caller.account.uin,
                region=caller.region,
                ids=_instance_ids(ids) if ids is not None else None,
                zones=filters.get("zone", ()),
                names=filters.get("instance-name", ()),
                charge_types=filters.get("instance-charge-type", ()),
                states=filters.get("instance-state", ()),
                private_addresses=filters.get("private-ip-address", ()),
                public_addresses=filters.get("public-ip-address", ()),
                uuids=filters.get("uuid", ()),
                image_ids=filters.get("image-id", ()),
                vpc_ids=filters.get("vpc-id", ()),
                subnet_ids=filters.get("subnet-id", ()),
                group_ids=filters.get("security-group-id", ()),
                tag_keys=filters.get("tag-key", ()),
                tag_values=filters.get("tag-value", ()),
                tags=listing.tag_filters(filters),
                created_from=listing.time_filter(filters, "creation-start-time"),
                created_until=listing.time_filter(filters, "creation-end-time"),
                offset=query.offset,
                limit=query.limit,
            )
        )
        disks = tx.disks.of([instance.instance_id for instance in page.items])
    views = tuple(InstanceView(instance, disks.get(instance.instance_id, ())) for instance in page.items)
    return Page(views, page.total)


def start_instances(cloud: Cloud, caller: Caller, ids: Sequence[str]) -> None:
    """Power stopped instances on, all or none. Raises as stop_instances. Source: CVM StartInstances."""
    _begin(cloud, caller, ids, "StartInstances", InstanceState.STARTING, lambda state: state is InstanceState.STOPPED)
    for instance_id in dict.fromkeys(ids):
        cloud.workflows.start("start-instance", instance_id, key=caller.request_id)


def stop_instances(cloud: Cloud, caller: Caller, ids: Sequence[str], *, how: StopHow) -> None:
    """Power running instances off, all or none.

    Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, TaskRunning, TooManyValues, ParameterMissing.
    Source: CVM StopInstances.
    """
    _begin(cloud, caller, ids, "StopInstances", InstanceState.STOPPING, lambda state: state is InstanceState.RUNNING)
    for instance_id in dict.fromkeys(ids):
        cloud.workflows.start(f"stop-instance-{how.lower()}", instance_id, key=caller.request_id)


def reboot_instances(cloud: Cloud, caller: Caller, ids: Sequence[str], *, how: StopHow) -> None:
    """Power running instances off and on, all or none. Raises as stop_instances. Source: CVM RebootInstances."""
    _begin(cloud, caller, ids, "RebootInstances", InstanceState.REBOOTING, lambda state: state is InstanceState.RUNNING)
    for instance_id in dict.fromkeys(ids):
        cloud.workflows.start(f"reboot-instance-{how.lower()}", instance_id, key=caller.request_id)


def terminate_instances(cloud: Cloud, caller: Caller, ids: Sequence[str]) -> None:
    """End instances, with those of their disks that end with them, all or none. Raises as stop_instances, and InstanceProtected.

    Source: CVM TerminateInstances.
    """
    endable = {InstanceState.RUNNING, InstanceState.STOPPED}
    _begin(
        cloud,
        caller,
        ids,
        "TerminateInstances",
        InstanceState.TERMINATING,
        lambda state: state in endable,
        unless_protected=True,
    )
    for instance_id in dict.fromkeys(ids):
        cloud.workflows.start("terminate-instance", instance_id)


def console(cloud: Cloud, caller: Caller, instance_id: str, *, offset: int, limit: int) -> ConsoleChunk:
    """Return what an instance wrote to its serial console, from an offset on.

    Raises InstanceIdMalformed, InstanceNotFound, PageOutOfRange.
    """
    if offset < 0 or not 1 <= limit <= _CONSOLE_BYTES:
        raise errors.PageOutOfRange(f"Offset is at least 0, Limit takes 1 to {_CONSOLE_BYTES}.")
    with cloud.catalog.read() as tx:
        instance = _owned(tx, caller, [instance_id])[0]
    try:
        return cloud.machines.console(instance.instance_id, offset, limit)
    except MachineGone:  # not made yet, or not any more
        return ConsoleChunk(b"", 0, 0, 0)


def _begin(
    cloud: Cloud,
    caller: Caller,
    ids: Sequence[str],
    operation: str,
    to: InstanceState,
    allowed: Callable[[InstanceState], bool],
    *,
    unless_protected: bool = False,
) -> None:
    with cloud.catalog.begin() as tx:
        instances = idle_instances(tx, caller, ids, allowed)
        for instance in instances:
            if unless_protected and instance.disable_termination:
                raise errors.InstanceProtected(f"Instance {instance.instance_id} is protected against termination.")
        for instance in instances:
            tx.instances.move(
                instance,
                to,
                latest_operation=operation,
                latest_operation_state=OperationState.OPERATING,
                latest_operation_error="",
                latest_request_id=caller.request_id,
            )
        tasks.begin(cloud, tx, caller, operation, [instance.instance_id for instance in instances])


def idle_instances(tx: Tx, caller: Caller, ids: Sequence[str], allowed: Callable[[InstanceState], bool]) -> tuple[Instance, ...]:
    """Return instances of the caller's, each once, that are in an allowed state and on which nothing is under way.

    Nothing begins on them until the transaction ends. Raises ParameterMissing, TooManyValues, InstanceIdMalformed,
    InstanceNotFound, InstanceStateForbids, TaskRunning.
    """
    instances = quiet_instances(tx, caller, ids, allowed)
    require_settled_disks(tx, instances)
    return instances


def require_settled_disks(tx: Tx, instances: Sequence[Instance]) -> None:
    """Raise TaskRunning where a disk of one of these instances is coming, going, growing or rolled back."""
    for instance_id, disks in tx.disks.of([instance.instance_id for instance in instances]).items():
        for disk in disks:
            if disk.state is not DiskState.ATTACHED:
                raise errors.TaskRunning(f"Disk {disk.disk_id} of instance {instance_id} is {disk.state}.")


def quiet_instances(tx: Tx, caller: Caller, ids: Sequence[str], allowed: Callable[[InstanceState], bool]) -> tuple[Instance, ...]:
    """Return instances as idle_instances does, of which disks may come and go. Raises as it does."""
    tx.instances.lock(InstanceId(instance_id) for instance_id in ids)
    instances = owned_instances(tx, caller, ids)
    for instance in instances:
        name = instance.instance_id
        if not allowed(instance.state):
            raise errors.InstanceStateForbids(f"Instance {name} is {instance.state}.", state=instance.state)
        if instance.latest_operation_state is OperationState.OPERATING:
            raise errors.TaskRunning(f"{instance.latest_operation} is under way on instance {name}.")
    return instances


def owned_instances(tx: Tx, caller: Caller, ids: Sequence[str]) -> tuple[Instance, ...]:
    """Return instances of the caller's, each once.

    Raises ParameterMissing, TooManyValues, InstanceIdMalformed, InstanceNotFound.
    """
    if not ids:
        raise errors.ParameterMissing("InstanceIds is empty.")
    listing.check_count("InstanceIds", ids, _IDS)
    return _owned(tx, caller, list(dict.fromkeys(ids)))


def _owned(tx: Tx, caller: Caller, ids: Sequence[str]) -> tuple[Instance, ...]:
    wanted = _instance_ids(ids)
    found = tx.instances.owned(caller.account.uin, caller.region, wanted)
    missing = set(wanted) - {instance.instance_id for instance in found}
    if missing:
        raise errors.InstanceNotFound(f"There is no instance {min(missing)}.")
    return found


def _instance_ids(texts: Sequence[str]) -> tuple[InstanceId, ...]:
    for text in texts:
        if not is_id("ins", text):
            raise errors.InstanceIdMalformed(f"{text!r} is no instance id.")
    return tuple(InstanceId(text) for text in texts)
