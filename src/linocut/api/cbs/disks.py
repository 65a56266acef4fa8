"""Disks. Source: CBS DescribeDisks."""

from collections.abc import Sequence
from typing import Any, Final

from linocut.api.cbs.shapes import LIST_CODES, OrderedPageRequest, Placement, block_query
from linocut.api.cvm.shapes import Tag, beijing_time, tag_list
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import disks, snapshot_policies
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import ListedDisk
from linocut.model.states import DiskState

_ORDER_FIELDS: Final = frozenset({"CREATE_TIME", "DEADLINE"})  # no disk has a deadline: they stay in the order of their making
_MIB: Final = 1024**2
_NOT_RETURNABLE: Final = 10
"""Disks that are paid for by the hour cannot be given back for money."""


class DescribeDisks(OrderedPageRequest):
    """Which disks."""

    disk_ids: tuple[str, ...] = ()
    return_bind_auto_snapshot_policy: bool = False


class Disk(Shape):
    """A disk and where it is attached."""

    disk_id: str
    disk_name: str
    disk_type: str
    disk_usage: str
    disk_size: int
    disk_state: str
    disk_charge_type: str
    placement: Placement
    instance_id: str
    last_attach_ins_id: str
    attached: bool
    delete_with_instance: bool
    create_time: str
    snapshot_count: int
    snapshot_size: int
    tags: list[Tag]
    auto_snapshot_policy_ids: list[str] | None
    instance_id_list: tuple[str, ...] = ()
    instance_type: str = "CVM"
    attach_mode: str = "PF"
    portable: bool = False
    snapshot_ability: bool = True
    shareable: bool = False
    encrypt: bool = False
    encrypt_type: str = ""
    kms_key_id: str = ""
    throughput_performance: int = 0
    burst_performance: bool = False
    rollbacking: bool = False
    rollback_percent: int = 0
    migrating: bool = False
    migrate_percent: int = 0
    renew_flag: str = ""
    auto_renew_flag_error: bool = False
    deadline_time: str = ""
    deadline_error: bool = False
    differ_days_of_deadline: int = 0
    is_returnable: bool = False
    return_fail_code: int = _NOT_RETURNABLE
    backup_disk: bool = False
    delete_snapshot: int = 0
    disk_backup_quota: int = 0
    disk_backup_count: int = 0
    error_prompt: str = ""


class Disks(Answer):
    """The answer of DescribeDisks."""

    total_count: int
    disk_set: list[Disk]


def describe_disks(cloud: Cloud, caller: Caller, request: DescribeDisks) -> Disks:
    """List disks."""
    page = disks.list_disks(cloud, caller, block_query(request, request.disk_ids, _ORDER_FIELDS))
    if not request.return_bind_auto_snapshot_policy:
        return Disks(total_count=page.total, disk_set=[_disk(listed, None) for listed in page.items])
    bound = snapshot_policies.policies_of_disks(cloud, [listed.disk.disk_id for listed in page.items])
    return Disks(
        total_count=page.total,
        disk_set=[_disk(listed, list(bound.get(listed.disk.disk_id, ()))) for listed in page.items],
    )


def _disk(listed: ListedDisk, policies: Sequence[str] | None) -> Disk:
    disk = listed.disk
    return Disk(
        disk_id=disk.disk_id,
        disk_name=disk.name,
        disk_type=disk.disk_type,
        disk_usage=disk.usage,
        disk_size=disk.size_gb,
        disk_state=disk.state,
        disk_charge_type=disk.charge_type,
        placement=Placement(zone=disk.zone),
        instance_id=disk.instance_id or "",
        instance_id_list=() if disk.instance_id is None else (disk.instance_id,),
        last_attach_ins_id=disk.instance_id or disk.last_instance or "",
        portable=disk.portable,
        attached=disk.instance_id is not None and disk.state is not DiskState.ATTACHING,
        rollbacking=disk.state is DiskState.ROLLBACKING,
        delete_with_instance=disk.delete_with_instance,
        create_time=beijing_time(disk.created_at),
        snapshot_count=listed.snapshot_count,
        snapshot_size=listed.snapshot_bytes // _MIB,
        tags=tag_list(listed.tags),
        auto_snapshot_policy_ids=None if policies is None else list(policies),
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(name="DescribeDisks", request=DescribeDisks, handle=describe_disks, codes=LIST_CODES),
)
