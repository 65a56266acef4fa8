"""Making disks that belong to no instance yet: of a data disk's snapshot, or blank. A new disk is a row: no bytes move."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from linocut.catalog import Tx
from linocut.cloud import places
from linocut.cloud.arrears import require_funds
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.ordered_disks import DataDiskOrder, PlannedDisk, plan_data_disk, take_disk_quota
from linocut.cloud.snapshot_sharing import visible_snapshot
from linocut.model import errors, rules
from linocut.model.ids import DiskId, is_id, new_id
from linocut.model.records import ClientToken, Disk, DiskUsage, Snapshot, Tag
from linocut.model.states import DiskState, SnapshotState

__all__ = ["NewDisks", "create_disks"]

TYPES: Final = ("CLOUD_BASIC", "CLOUD_PREMIUM", "CLOUD_BSSD", "CLOUD_SSD", "CLOUD_HSSD")
"""What a disk that is made by itself may be of."""
POSTPAID: Final = "POSTPAID_BY_HOUR"
_COUNT: Final = 50
_NAME_BYTES: Final = 60
_DEFAULT_NAME: Final = "未命名"
_TOKEN_LIFE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewDisks:
    """What disks to make. A size of 0 is the snapshot's."""

    zone: str
    disk_type: str
    charge_type: str = POSTPAID
    size_gb: int = 0
    snapshot_id: str = ""
    name: str = ""
    count: int = 1
    tags: tuple[Tag, ...] = ()
    client_token: str = ""
    project_id: int = 0


def create_disks(cloud: Cloud, caller: Caller, order: NewDisks) -> tuple[DiskId, ...]:
    """Make disks that are attached to nothing; return their ids.

    The same client token within an hour gives the same disks, as long as one of them is there. Raises ClientTokenTooLong,
    ClientTokenReused, ValueOutOfRange, InvalidValue, ValueTooLong, ParameterMissing, ZoneNotFound, ZoneSoldOut, ProjectNotFound,
    ParameterUnsupported, SnapshotNotFound, SnapshotUnsuitable, SnapshotUnfinished, SnapshotLargerThanDisk, TagInvalid,
    TagsDuplicate, DiskQuotaExceeded, LostRace. Source: CBS CreateDisks.
    """
    rules.client_token(order.client_token)
    _check(caller, order)
    digest = hashlib.sha256(msgspec.json.encode(order)).hexdigest()
    with cloud.catalog.begin() as tx:
        known = _known_token(cloud, caller, tx, order.client_token, digest)
        if known:
            return known
        planned = plan_disk(tx, caller, order)
        take_disk_quota(cloud, caller, tx, order.count)
        disks = tuple(_disk(cloud, caller, order, planned) for _ in range(order.count))
        tx.disks.add_all(disks, rules.tags(order.tags))
        ids = tuple(disk.disk_id for disk in disks)
        if order.client_token:
            tx.tokens.add(ClientToken(caller.account.uin, caller.region, _key(order.client_token), digest, ids, cloud.now()))
    return ids


def plan_disk(tx: Tx, caller: Caller, order: NewDisks) -> PlannedDisk:
    """Return the disk that an order means, whose snapshot is held. Raises as create_disks does."""
    if not order.size_gb and not order.snapshot_id:
        raise errors.ParameterMissing("DiskSize is needed where there is no SnapshotId.")
    snapshot = _snapshot(tx, caller, order.snapshot_id) if order.snapshot_id else None
    return plan_data_disk(DataDiskOrder(order.size_gb, order.disk_type, order.snapshot_id, order.name or _DEFAULT_NAME), snapshot)


def disk_name(text: str) -> str:
    """Return a disk's name. Raises InvalidValue, ValueTooLong."""
    if len(text.encode(errors="surrogatepass")) > _NAME_BYTES:
        raise errors.ValueTooLong(f"DiskName has more than {_NAME_BYTES} bytes.")
    return rules.disk_name("DiskName", text)


def check_charge_type(charge_type: str) -> None:
    """Raise ParameterUnsupported unless disks are charged so here."""
    if charge_type != POSTPAID:
        raise errors.ParameterUnsupported(f"DiskChargeType {charge_type} is not supported: {POSTPAID} is.")


def _check(caller: Caller, order: NewDisks) -> None:
    """Check what an order says by itself."""
    if not 1 <= order.count <= _COUNT:
        raise errors.ValueOutOfRange(f"DiskCount takes 1 to {_COUNT}.")
    if not places.find_zone(caller, order.zone).available:
        raise errors.ZoneSoldOut(f"Zone {order.zone} takes no new disks; see DescribeZones.")
    if order.disk_type not in TYPES:
        raise errors.InvalidValue(f"DiskType takes {', '.join(TYPES)}.")
    check_charge_type(order.charge_type)
    if order.project_id != 0:
        raise errors.ProjectNotFound(f"There is no project {order.project_id}.")
    disk_name(order.name)


def _known_token(cloud: Cloud, caller: Caller, tx: Tx, token: str, digest: str) -> tuple[DiskId, ...]:
    if not token:
        return ()
    tx.tokens.expire(cloud.now() - _TOKEN_LIFE)
    known = tx.tokens.get(caller.account.uin, caller.region, _key(token))
    if known is None:
        return ()
    ids = tuple(DiskId(disk_id) for disk_id in known.resource_ids)
    if not tx.disks.owned(caller.account.uin, caller.region, ids):
        tx.tokens.remove(known)
        return ()
    if known.order_digest != digest:
        raise errors.ClientTokenReused("ClientToken was used for another request.")
    return ids


def _key(token: str) -> str:
    return f"CreateDisks:{token}"


def _snapshot(tx: Tx, caller: Caller, snapshot_id: str) -> Snapshot:
    """Return a data disk's snapshot that disks may be made of, and keep it until the transaction ends."""
    if not is_id("snap", snapshot_id):
        raise errors.InvalidValue(f"{snapshot_id!r} is no snapshot id.")
    snapshot = visible_snapshot(tx, caller, snapshot_id)
    require_funds(tx, snapshot.owner)
    if snapshot.usage is DiskUsage.SYSTEM_DISK:
        raise errors.SnapshotUnsuitable(f"Snapshot {snapshot_id} is of a system disk: images are made of it, not disks.")
    if snapshot.root is None or snapshot.state is not SnapshotState.NORMAL:
        raise errors.SnapshotUnfinished(f"Snapshot {snapshot_id} is {snapshot.state}.")
    return snapshot


def _disk(cloud: Cloud, caller: Caller, order: NewDisks, planned: PlannedDisk) -> Disk:
    return Disk(
        disk_id=DiskId(new_id("disk", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        zone=places.find_zone(caller, order.zone).zone,
        instance_id=None,
        usage=DiskUsage.DATA_DISK,
        position=0,
        name=planned.name,
        disk_type=planned.disk_type,
        size_gb=planned.size_gb,
        state=DiskState.UNATTACHED,
        base_root=None if planned.snapshot is None else planned.snapshot.root,
        base_snapshot=None if planned.snapshot is None else planned.snapshot.snapshot_id,
        origin_snapshot=None if planned.snapshot is None else planned.snapshot.snapshot_id,
        synced_root=None,
        synced_mark=None,
        delete_with_instance=False,
        created_at=cloud.now(),
        portable=True,
        charge_type=order.charge_type,
        request_id=caller.request_id,
    )
