"""Launching instances: an order is checked, a place is taken, rows are written, and one workflow for each instance is started."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from linocut.catalog import Tx
from linocut.cloud import passwords, places, tasks
from linocut.cloud.arrivals import require_launchable
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import visible_image
from linocut.model import errors, rules
from linocut.model.ids import DiskId, InstanceId, KeyId, is_id, new_id
from linocut.model.places import InstanceType
from linocut.model.records import ClientToken, Disk, DiskUsage, Image, Instance, Snapshot, Tag
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState

__all__ = ["RunOrder", "run_instances"]

_COUNT: Final = 100
_DEFAULT_NAME: Final = "未命名"
_DEFAULT_DISK_GB: Final = 50
_LARGEST_DISK_GB: Final = 2048
_DISK_TYPES: Final = frozenset(
    {"LOCAL_BASIC", "LOCAL_SSD", "CLOUD_BASIC", "CLOUD_PREMIUM", "CLOUD_SSD", "CLOUD_BSSD", "CLOUD_HSSD", "CLOUD_TSSD"}
)
_DEFAULT_DISK_TYPE: Final = "CLOUD_PREMIUM"
_TOKEN_LIFE: Final = timedelta(hours=1)
_GIB: Final = 1024**3


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
    password: str = ""
    key_ids: tuple[str, ...] = ()
    keep_image_login: bool = False
    user_data: str = ""
    charge_type: str = "POSTPAID_BY_HOUR"
    tags: tuple[Tag, ...] = ()
    client_token: str = ""
    disable_termination: bool = False
    project_id: int = 0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """A checked order with what it refers to."""

    order: RunOrder
    image: Image
    snapshots: tuple[Snapshot, ...]
    kind: InstanceType
    names: tuple[str, ...]
    host_names: tuple[str, ...]
    user_data: bytes
    password_hash: str
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
        count = min(order.count, _room(cloud, tx, plan.kind))
        if count < least:
            raise errors.CapacityExhausted(
                f"There is no room for {least} instances of {plan.kind.name}: {count} would fit.",
            )
        if order.dry_run:
            return ()
        instances = tuple(_instance(cloud, caller, plan, position) for position in range(count))
        disks = [disk for instance in instances for disk in _disks(cloud, instance, plan)]
        tx.instances.add_all(instances)
        tx.disks.add_all(disks)
        ids = tuple(instance.instance_id for instance in instances)
        tasks.begin(cloud, tx, caller, "RunInstances", ids)
        if order.client_token:
            tx.tokens.add(ClientToken(caller.account.uin, caller.region, order.client_token, digest, ids, begun))
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
    alive = tx.instances.owned(caller.account.uin, caller.region, known.instance_ids)
    if all(instance.state is InstanceState.TERMINATING for instance in alive):
        tx.tokens.remove(known)
        return ()
    if known.order_digest != digest:
        raise errors.ClientTokenReused("ClientToken was used for another request.")
    return known.instance_ids


def _plan(cloud: Cloud, tx: Tx, caller: Caller, order: RunOrder) -> _Plan:
    image = visible_image(tx, caller, order.image_id)
    require_launchable(cloud, tx, image)
    tx.images.hold(image)  # its trees must not be swept before the disks on them are recorded
    if order.charge_type != "POSTPAID_BY_HOUR":
        raise errors.ParameterUnsupported(f"InstanceChargeType {order.charge_type} is not supported: POSTPAID_BY_HOUR is.")
    if order.project_id != 0:
        raise errors.ProjectNotFound(f"There is no project {order.project_id}.")
    _check_disk(order, image)
    _check_login(tx, caller, order, image)
    return _Plan(
        order,
        image,
        tx.images.snapshots_of(image.image_id),
        places.find_instance_type(order.instance_type),
        names=rules.numbered(rules.instance_name(order.name), order.count) if order.name else (_DEFAULT_NAME,) * order.count,
        host_names=tuple(rules.host_name(name) for name in _host_names(order)),
        user_data=rules.user_data(order.user_data),
        password_hash=passwords.crypt(rules.password(order.password)) if order.password else "",
        tags=rules.tags(order.tags),
    )


def _host_names(order: RunOrder) -> tuple[str, ...]:
    return rules.numbered(order.host_name, order.count) if order.host_name else ("",) * order.count


def _check_disk(order: RunOrder, image: Image) -> None:
    if order.system_disk_type and order.system_disk_type not in _DISK_TYPES:
        raise errors.InvalidValue(f"SystemDisk.DiskType takes {', '.join(sorted(_DISK_TYPES))}.")
    if order.system_disk_gb is None:
        return
    if order.system_disk_gb < image.size_gb:
        raise errors.DiskTooSmall(f"SystemDisk.DiskSize is below the image's {image.size_gb} GB.")
    if order.system_disk_gb > _LARGEST_DISK_GB:
        raise errors.ValueOutOfRange(f"SystemDisk.DiskSize is above {_LARGEST_DISK_GB} GB.")


def _check_login(tx: Tx, caller: Caller, order: RunOrder, image: Image) -> None:
    if sum((bool(order.password), bool(order.key_ids), order.keep_image_login)) > 1:
        raise errors.ParameterConflict("LoginSettings takes one of Password, KeyIds and KeepImageLogin.")
    if order.keep_image_login and image.is_public:
        raise errors.ParameterConflict("KeepImageLogin is for custom and shared images.")
    if order.key_ids and image.platform == "Windows":
        raise errors.KeyPairOnWindows("Windows instances take no key pair.")
    for key_id in order.key_ids:
        if not is_id("skey", key_id):
            raise errors.KeyIdMalformed(f"{key_id!r} is no key pair id.")
    tx.keys.lock_quota(caller.account.uin)
    found = {pair.key_id for pair in tx.keys.owned(caller.account.uin, [KeyId(key_id) for key_id in order.key_ids])}
    for key_id in order.key_ids:
        if key_id not in found:
            raise errors.KeyNotFound(f"There is no key pair {key_id}.")


def _room(cloud: Cloud, tx: Tx, kind: InstanceType) -> int:
    vcpus, memory_mb = cloud.settings.capacity()
    taken_vcpus, taken_memory_mb = tx.instances.reserved()
    return max(0, min((vcpus - taken_vcpus) // kind.vcpus, (memory_mb - taken_memory_mb) // (kind.memory_gb * 1024)))


def _instance(cloud: Cloud, caller: Caller, plan: _Plan, position: int) -> Instance:
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
        host_name=plan.host_names[position] or instance_id,
        instance_type=plan.kind.name,
        vcpus=plan.kind.vcpus,
        memory_mb=plan.kind.memory_gb * 1024,
        image_id=plan.image.image_id,
        os_name=plan.image.os_name,
        state=InstanceState.PENDING,
        address=f"127.{dice.randrange(16, 255)}.{dice.randrange(256)}.{dice.randrange(2, 255)}",
        mac="52:54:00:" + ":".join(f"{dice.randrange(256):02x}" for _ in range(3)),
        key_ids=tuple(KeyId(key_id) for key_id in dict.fromkeys(order.key_ids)),
        password_hash=plan.password_hash,
        keep_image_login=order.keep_image_login,
        user_data=plan.user_data,
        charge_type=order.charge_type,
        disable_termination=order.disable_termination,
        latest_operation="RunInstances",
        latest_operation_state=OperationState.OPERATING,
        latest_operation_error="",
        latest_request_id=caller.request_id,
        created_at=cloud.now(),
        tags=plan.tags,
    )


def _disks(cloud: Cloud, instance: Instance, plan: _Plan) -> tuple[Disk, ...]:
    """Return an instance's disks: one for each snapshot of its image, the system disk first and as large as ordered."""
    order = plan.order
    return tuple(
        Disk(
            disk_id=DiskId(new_id("disk", cloud.randomness)),
            owner=instance.owner,
            region=instance.region,
            zone=instance.zone,
            instance_id=instance.instance_id,
            usage=snapshot.usage,
            position=position,
            name="",
            disk_type=order.system_disk_type or _DEFAULT_DISK_TYPE,
            size_gb=(order.system_disk_gb or max(_DEFAULT_DISK_GB, plan.image.size_gb))
            if snapshot.usage is DiskUsage.SYSTEM_DISK
            else -(-snapshot.size_bytes // _GIB),
            state=DiskState.ATTACHING,
            base_root=snapshot.root,
            synced_root=None,
            synced_mark=None,
            delete_with_instance=True,
            created_at=instance.created_at,
        )
        for position, snapshot in enumerate(
            sorted(plan.snapshots, key=lambda snapshot: snapshot.usage is not DiskUsage.SYSTEM_DISK)
        )
    )
