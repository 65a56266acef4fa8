"""Groups of snapshots of one moment.

Source: CBS CreateSnapshotGroup, DescribeSnapshotGroups, ApplySnapshotGroup, DeleteSnapshotGroup.
"""

from typing import Annotated, Any, Final

import msgspec

from linocut.api.cbs.shapes import LIST_CODES, model_tags
from linocut.api.cbs.snapshots import NEW_SNAPSHOT_CODES, Image
from linocut.api.codes import Codes, codes
from linocut.api.cvm.shapes import Filter, Ids, PageRequest, Tag, beijing_time, filters_by_name
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import new_snapshots, rollbacks, snapshot_groups
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.listing import BlockQuery
from linocut.cloud.new_snapshots import GroupOrder
from linocut.cloud.rollbacks import Power
from linocut.cloud.snapshot_groups import ListedGroup
from linocut.model import errors


class CreateSnapshotGroup(Shape):
    """Of which disks of one instance to take snapshots of one moment."""

    disk_ids: Ids
    snapshot_group_name: str = ""
    tags: tuple[Tag, ...] = ()


class DescribeSnapshotGroups(PageRequest):
    """Which groups."""

    filters: tuple[Filter, ...] = ()


class ApplyDisk(Shape):
    """A disk and the snapshot that it goes back to."""

    snapshot_id: str
    disk_id: str


class ApplySnapshotGroup(Shape):
    """Which disks to roll back to which snapshots of a group, and what of their instance's power."""

    snapshot_group_id: str
    apply_disks: Annotated[list[ApplyDisk], msgspec.Meta(min_length=1)]
    auto_stop_instance: bool = False
    auto_start_instance: bool = False


class DeleteSnapshotGroup(Shape):
    """Which groups to delete, and whether the images that are made of their snapshots go too."""

    snapshot_group_id: str = ""
    snapshot_group_ids: tuple[str, ...] = ()
    delete_bind_images: bool = False


class GroupCreated(Answer):
    """The answer of CreateSnapshotGroup."""

    snapshot_group_id: str


class SnapshotGroup(Shape):
    """A group, its snapshots, and the images made of them."""

    snapshot_group_id: str
    snapshot_group_name: str
    snapshot_group_state: str
    percent: int
    contain_root_snapshot: bool
    snapshot_id_set: list[str]
    create_time: str
    modify_time: str
    images: list[Image]
    image_count: int
    is_permanent: bool
    deadline_time: str | None
    auto_snapshot_policy_id: str | None
    snapshot_group_type: str = "NORMAL"


class SnapshotGroups(Answer):
    """The answer of DescribeSnapshotGroups."""

    total_count: int
    snapshot_group_set: list[SnapshotGroup]


def create_snapshot_group(cloud: Cloud, caller: Caller, request: CreateSnapshotGroup) -> GroupCreated:
    """Take snapshots of several disks."""
    order = GroupOrder(tuple(request.disk_ids), request.snapshot_group_name, tags=model_tags(request.tags))
    return GroupCreated(snapshot_group_id=new_snapshots.create_snapshot_group(cloud, caller, order))


def describe_snapshot_groups(cloud: Cloud, caller: Caller, request: DescribeSnapshotGroups) -> SnapshotGroups:
    """List groups."""
    query = BlockQuery(None, filters_by_name(request.filters), request.offset, request.limit)
    page = snapshot_groups.list_snapshot_groups(cloud, caller, query)
    return SnapshotGroups(total_count=page.total, snapshot_group_set=[_group(listed) for listed in page.items])


def apply_snapshot_group(cloud: Cloud, caller: Caller, request: ApplySnapshotGroup) -> Answer:
    """Roll several disks back."""
    power = Power(stop=request.auto_stop_instance, start=request.auto_start_instance)
    pairs = [(one.disk_id, one.snapshot_id) for one in request.apply_disks]
    rollbacks.apply_snapshot_group(cloud, caller, request.snapshot_group_id, pairs, power)
    return Answer()


def delete_snapshot_group(cloud: Cloud, caller: Caller, request: DeleteSnapshotGroup) -> Answer:
    """Delete groups, all or none."""
    named = [request.snapshot_group_id] if request.snapshot_group_id else []
    group_ids = [*named, *request.snapshot_group_ids]
    snapshot_groups.delete_snapshot_groups(cloud, caller, group_ids, delete_images=request.delete_bind_images)
    return Answer()


def _group(listed: ListedGroup) -> SnapshotGroup:
    group = listed.group
    return SnapshotGroup(
        snapshot_group_id=group.group_id,
        snapshot_group_name=group.name,
        snapshot_group_state=listed.state,
        percent=listed.percent,
        contain_root_snapshot=listed.has_system_disk,
        snapshot_id_set=[snapshot.snapshot_id for snapshot in listed.snapshots],
        create_time=beijing_time(group.created_at),
        modify_time=beijing_time(group.changed_at),
        images=[Image(image_id=image_id, image_name=name) for image_id, name in listed.images],
        image_count=len(listed.images),
        is_permanent=group.deadline is None,
        deadline_time=None if group.deadline is None else beijing_time(group.deadline),
        auto_snapshot_policy_id=group.policy_id,
    )


_NEW: Final[Codes] = codes(
    special={
        **NEW_SNAPSHOT_CODES.by_kind,
        errors.DiskBusy: "ResourceInUse",
        errors.DisksOfSeveralInstances: "InvalidParameter",
        errors.TooManyValues: "InvalidParameterValue",
        errors.LostRace: "ResourceInUse",
    }
)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateSnapshotGroup",
        request=CreateSnapshotGroup,
        handle=create_snapshot_group,
        is_mutating=True,
        codes=_NEW,
    ),
    Action(name="DescribeSnapshotGroups", request=DescribeSnapshotGroups, handle=describe_snapshot_groups, codes=LIST_CODES),
    Action(
        name="ApplySnapshotGroup",
        request=ApplySnapshotGroup,
        handle=apply_snapshot_group,
        is_mutating=True,
        codes=codes(
            errors.SnapshotGroupNotFound,
            errors.SnapshotNotFound,
            errors.SnapshotUnfinished,
            errors.SnapshotUnusable,
            errors.SnapshotOfOtherDisk,
            errors.DiskNotFound,
            errors.DiskBusy,
            errors.DiskRollingBack,
            errors.SnapshotUnderWay,
            errors.InstanceNotStopped,
            errors.InvalidValue,
            errors.ParameterMissing,
            special={
                errors.SnapshotLargerThanDisk: "InvalidParameter.DiskSizeNotMatch",
                errors.DisksOfSeveralInstances: "UnsupportedOperation.SnapshotGroupDiskAttachMultiInstance",
                errors.TooManyValues: "InvalidParameterValue",
                errors.AccountInArrears: "InvalidSnapshot.NotSupported",
                errors.LostRace: "ResourceBusy",
            },
        ),
    ),
    Action(
        name="DeleteSnapshotGroup",
        request=DeleteSnapshotGroup,
        handle=delete_snapshot_group,
        is_mutating=True,
        codes=codes(
            errors.SnapshotGroupNotFound,
            errors.SnapshotNotFound,
            errors.SnapshotUnfinished,
            errors.SnapshotHasImages,
            errors.SnapshotInShared,
            errors.ParameterMissing,
            special={
                errors.TooManyValues: "InvalidParameterValue",
                errors.ImageInShared: "UnsupportedOperation.SnapHasShared",
                errors.ImageIsPublic: "UnsupportedOperation",
                errors.ImageStateForbids: "ResourceBusy",
                errors.TaskRunning: "ResourceBusy",
                errors.LostRace: "ResourceBusy",
            },
        ),
    ),
)
