"""Launching instances: an order is checked, a place is taken, rows are written, and one workflow for each instance is started."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from linocut.catalog import Tx
from linocut.cloud import places, tasks
from linocut.cloud.arrears import require_funds
from linocut.cloud.arrivals import bring, require_launchable, start_bringing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import visible_image
from linocut.cloud.logins import Login, LoginOrder, check_login
from linocut.cloud.ordered_disks import (
    DataDiskOrder,
    PlannedDisk,
    SystemDiskOrder,
    disks_of,
    plan_disks,
    require_runnable,
    take_disk_quota,
)
from linocut.cloud.placements import NetworkOrder, Placement, draw_addresses, find_placement, room
from linocut.model import errors, rules
from linocut.model.ids import InstanceId, new_id
from linocut.model.places import InstanceType
from linocut.model.records import ClientToken, Image, Instance, Tag
from linocut.model.states import InstanceState, OperationState

__all__ = ["DataDiskOrder", "NetworkOrder", "RunOrder", "run_instances"]

_COUNT: Final = 500
_DEFAULT_NAME: Final = "未命名"
_ADDRESS_PATTERN: Final = "{IP}"
_LONGEST_ADDRESS: Final = "255.255.255.255"
_TOKEN_LIFE: Final = timedelta(hours=1)


_ANY_NETWORK: Final = NetworkOrder()


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What to start: image, place, type, how many, and how to log in."""

    image_id: str
    zone: str
    instance_type: str = "S5.SMALL1"
    count: int = 1
    min_count: int | None = None
    name: str = ""
    host_name: str = ""
    system_disk_type: str = ""
    system_disk_gb: int | None = None
    system_disk_name: str = ""
    data_disks: tuple[DataDiskOrder, ...] = ()
    password: str = ""
    key_ids: tuple[str, ...] = ()
    keep_image_login: bool = False
    user_data: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    charge_type: str = "POSTPAID_BY_HOUR"
    tags: tuple[Tag, ...] = ()
    client_token: str = ""
    disable_termination: bool = False
    project_id: int = 0
    network: NetworkOrder = _ANY_NETWORK
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """A checked order with what it refers to."""

    order: RunOrder
    image: Image
    kind: InstanceType
    disks: tuple[PlannedDisk, ...]
    names: tuple[str, ...]
    host_names: tuple[str, ...]
    user_data: bytes
    login: Login
    metadata: dict[str, str]
    placement: Placement
    tags: tuple[Tag, ...]


def run_instances(cloud: Cloud, caller: Caller, order: RunOrder) -> tuple[InstanceId, ...]:
    """Start instances from an image; return their ids at once, none on a dry run.

    As many as fit are started, up to `count`, and none at all if fewer than `min_count` (by default `count`) do. The same
    client token within an hour gives the same instances, as long as one of them lives. Source: CVM RunInstances.
    """
    begun = cloud.now()
    rules.client_token(order.client_token)
    least = order.count if order.min_count is None else order.min_count
    if not 1 <= order.count <= _COUNT:
        raise errors.ValueOutOfRange(f"InstanceCount takes 1 to {_COUNT}.")
    if not 1 <= least <= order.count:
        raise errors.MinCountInvalid("MinCount takes 1 to InstanceCount.")
    if not places.find_zone(caller, order.zone).available:
        raise errors.ZoneSoldOut(f"Zone {order.zone} takes no new instances; see DescribeZones.")
    digest = hashlib.sha256(msgspec.json.encode(replace(order, dry_run=False))).hexdigest()
    with cloud.catalog.begin() as tx:
        known = _known_token(cloud, caller, tx, order.client_token, digest)
        if known:
            return () if order.dry_run else known
        plan = _plan(cloud, tx, caller, order)
        tx.instances.lock_capacity()
        count = _fitting(cloud, tx, plan, least)
        take_disk_quota(cloud, caller, tx, count * len(plan.disks))
        if order.dry_run:
            return ()
        addresses = draw_addresses(cloud, tx, plan.placement, count)
        instances = tuple(_instance(cloud, caller, plan, position, address) for position, address in enumerate(addresses))
        disks = [disk for instance in instances for disk in disks_of(cloud, instance, plan.disks)]
        tx.instances.add_all(instances)
        tx.disks.add_all(disks)
        ids = tuple(instance.instance_id for instance in instances)
        tasks.begin(cloud, tx, caller, "RunInstances", ids)
        must_come = bring(cloud, tx, caller, plan.image)
        if order.client_token:
            tx.tokens.add(ClientToken(caller.account.uin, caller.region, order.client_token, digest, ids, begun))
    if must_come:
        start_bringing(cloud, caller, plan.image)
    for instance_id in ids:
        cloud.workflows.start("run-instance", instance_id)
    return ids


def _known_token(cloud: Cloud, caller: Caller, tx: Tx, token: str, digest: str) -> tuple[InstanceId, ...]:
    if not token:
        return ()
    tx.tokens.expire(cloud.now() - _TOKEN_LIFE)
    known = tx.tokens.get(caller.account.uin, caller.region, token)
    if known is None:
        return ()
    ids = tuple(InstanceId(instance_id) for instance_id in known.resource_ids)
    alive = tx.instances.owned(caller.account.uin, caller.region, ids)
    if all(instance.state is InstanceState.TERMINATING for instance in alive):
        tx.tokens.remove(known)
        return ()
    if known.order_digest != digest:
        raise errors.ClientTokenReused("ClientToken was used for another request.")
    return ids


def _plan(cloud: Cloud, tx: Tx, caller: Caller, order: RunOrder) -> _Plan:
    image = visible_image(tx, caller, order.image_id)
    if image.owner == caller.account.uin:
        require_funds(tx, image.owner)
    require_launchable(cloud, tx, image)
    tx.images.hold(image)  # its trees must not be swept before the disks on them are recorded
    if order.charge_type != "POSTPAID_BY_HOUR":
        raise errors.ParameterUnsupported(f"InstanceChargeType {order.charge_type} is not supported: POSTPAID_BY_HOUR is.")
    if order.project_id != 0:
        raise errors.ProjectNotFound(f"There is no project {order.project_id}.")
    require_runnable(image)
    return _Plan(
        order,
        image,
        places.find_instance_type(order.instance_type),
        disks=plan_disks(
            tx,
            caller,
            image,
            SystemDiskOrder(order.system_disk_gb, order.system_disk_type, order.system_disk_name),
            order.data_disks,
        ),
        names=rules.numbered(rules.instance_name(order.name), order.count) if order.name else (_DEFAULT_NAME,) * order.count,
        host_names=_host_names(order, image),
        user_data=rules.user_data(order.user_data),
        login=check_login(tx, caller, LoginOrder(order.password, order.key_ids, order.keep_image_login), image),
        metadata=rules.metadata(order.metadata),
        placement=find_placement(cloud, tx, caller, order.network, order.zone, order.count),
        tags=rules.tags(order.tags),
    )


def _host_names(order: RunOrder, image: Image) -> tuple[str, ...]:
    """Return the host names, in which `{IP}` still stands for the instance's address."""
    names = rules.numbered(order.host_name, order.count) if order.host_name else ("",) * order.count
    for name in names:
        rules.host_name(name.replace(_ADDRESS_PATTERN, _LONGEST_ADDRESS), is_windows=image.platform == "Windows")
    return names


def _fitting(cloud: Cloud, tx: Tx, plan: _Plan, least: int) -> int:
    """Return how many of the instances ordered there is room for. Raises CapacityExhausted, SubnetFull."""
    count = min(plan.order.count, _room(cloud, tx, plan.kind))
    if count < least:
        raise errors.CapacityExhausted(f"There is no room for {least} instances of {plan.kind.name}: {count} would fit.")
    count = min(count, room(tx, plan.placement))
    if count < least:
        raise errors.SubnetFull(f"Subnet {plan.placement.subnet.subnet_id} has {count} addresses left.")
    return count


def _room(cloud: Cloud, tx: Tx, kind: InstanceType) -> int:
    vcpus, memory_mb = cloud.settings.capacity()
    taken_vcpus, taken_memory_mb = tx.instances.reserved()
    return max(0, min((vcpus - taken_vcpus) // kind.vcpus, (memory_mb - taken_memory_mb) // (kind.memory_gb * 1024)))


def _instance(cloud: Cloud, caller: Caller, plan: _Plan, position: int, address: str) -> Instance:
    dice = cloud.randomness
    order = plan.order
    instance_id = InstanceId(new_id("ins", dice))
    return Instance(
        instance_id=instance_id,
        uuid=str(UUID(int=dice.getrandbits(128), version=4)),
        owner=caller.account.uin,
        region=caller.region,
        zone=places.find_zone(caller, order.zone).zone,
        name=plan.names[position],
        host_name=plan.host_names[position].replace(_ADDRESS_PATTERN, address) or instance_id,
        instance_type=plan.kind.name,
        vcpus=plan.kind.vcpus,
        memory_mb=plan.kind.memory_gb * 1024,
        image_id=plan.image.image_id,
        os_name=plan.image.os_name,
        boot_mode=plan.image.boot_mode,
        license_type=plan.image.license_type,
        windows_of=plan.image.windows_licence,
        state=InstanceState.PENDING,
        address=address,
        mac="52:54:00:" + ":".join(f"{dice.randrange(256):02x}" for _ in range(3)),
        key_ids=plan.login.key_ids,
        password_hash=plan.login.password_hash,
        keep_image_login=plan.login.keep_image_login,
        user_data=plan.user_data,
        charge_type=order.charge_type,
        disable_termination=order.disable_termination,
        latest_operation="RunInstances",
        latest_operation_state=OperationState.OPERATING,
        latest_operation_error="",
        latest_request_id=caller.request_id,
        created_at=cloud.now(),
        metadata=plan.metadata,
        vpc_id=plan.placement.subnet.vpc_id,
        subnet_id=plan.placement.subnet.subnet_id,
        group_ids=plan.placement.group_ids,
        has_public_address=plan.placement.has_public_address,
        bandwidth_mbps=plan.placement.bandwidth_mbps,
        internet_charge_type=plan.placement.charge_type,
        tags=plan.tags,
    )
