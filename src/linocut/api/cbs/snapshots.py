"""Snapshots. Source: CBS CreateSnapshot, DescribeSnapshots, ModifySnapshotAttribute, ApplySnapshot, DeleteSnapshots."""

from typing import Any, Final

from linocut.api.cbs.shapes import LIST_CODES, OrderedPageRequest, Placement, block_query, model_tags
from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, Tag, beijing_time, tag_list
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import is_empty
from linocut.api.table import Action
from linocut.cloud import new_snapshots, rollbacks, snapshots
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.new_snapshots import SnapshotOrder
from linocut.cloud.rollbacks import Power
from linocut.cloud.snapshots import ListedSnapshot, SnapshotAttributes
from linocut.model import errors, rules
from linocut.model.states import DiskState, SnapshotState

_ORDER_FIELDS: Final = frozenset({"CREATE_TIME"})
_GIB: Final = 1024**3
_COPYING: Final = "COPYING_FROM_REMOTE"


class CreateSnapshot(Shape):
    """Of which disk to take a snapshot, and until when it is kept."""

    disk_id: str = ""
    snapshot_name: str = ""
    deadline: str = ""
    tags: tuple[Tag, ...] = ()
    disk_usage: str = ""


class ModifySnapshotAttribute(Shape):
    """What to change of a snapshot."""

    snapshot_id: str
    snapshot_name: str | None = None
    is_permanent: bool | None = None
    deadline: str = ""


class ApplySnapshot(Shape):
    """Which disk to roll back to which snapshot of it, and what of its instance's power."""

    snapshot_id: str
    disk_id: str
    auto_stop_instance: bool = False
    auto_start_instance: bool = False


class SnapshotCreated(Answer):
    """The answer of CreateSnapshot."""

    snapshot_id: str


class DescribeSnapshots(OrderedPageRequest):
    """Which snapshots."""

    snapshot_ids: tuple[str, ...] = ()


class DeleteSnapshots(Shape):
    """Which snapshots to delete, and whether the images that are made of them go too."""

    snapshot_ids: Ids
    delete_bind_images: bool = False


class Image(Shape):
    """An image that is made of the snapshot."""

    image_id: str
    image_name: str


class Snapshot(Shape):
    """A snapshot and the images made of it."""

    snapshot_id: str
    snapshot_name: str
    snapshot_state: str
    percent: int
    disk_id: str
    disk_usage: str
    disk_size: int
    placement: Placement
    create_time: str
    latest_modify_time: str
    copy_from_remote: bool
    images: list[Image]
    image_count: int
    is_permanent: bool
    deadline_time: str
    auto_snapshot_policy_id: str
    tags: list[Tag]
    snapshot_type: str
    share_reference: int
    time_start_share: str
    copying_to_regions: list[str]
    snapshot_mode: str = "STANDARD_SNAPSHOT"
    encrypt: bool = False
    is_locked: bool = False


class Snapshots(Answer):
    """The answer of DescribeSnapshots."""

    total_count: int
    snapshot_set: list[Snapshot]


def create_snapshot(cloud: Cloud, caller: Caller, request: CreateSnapshot) -> SnapshotCreated:
    """Take a snapshot of a disk."""
    if not request.disk_id:
        raise errors.ParameterMissing("DiskId is needed.")
    order = SnapshotOrder(
        disk_id=request.disk_id,
        name=request.snapshot_name,
        deadline=rules.moment("Deadline", request.deadline) if request.deadline else None,
        tags=model_tags(request.tags),
        usage=request.disk_usage,
    )
    return SnapshotCreated(snapshot_id=new_snapshots.create_snapshot(cloud, caller, order))


def modify_snapshot_attribute(cloud: Cloud, caller: Caller, request: ModifySnapshotAttribute) -> Answer:
    """Rename a snapshot, or change how long it is kept."""
    new = SnapshotAttributes(
        name=request.snapshot_name,
        is_permanent=request.is_permanent,
        deadline=rules.moment("Deadline", request.deadline) if request.deadline else None,
    )
    snapshots.modify_snapshot(cloud, caller, request.snapshot_id, new)
    return Answer()


def apply_snapshot(cloud: Cloud, caller: Caller, request: ApplySnapshot) -> Answer:
    """Roll a disk back."""
    power = Power(stop=request.auto_stop_instance, start=request.auto_start_instance)
    rollbacks.apply_snapshot(cloud, caller, request.snapshot_id, request.disk_id, power)
    return Answer()


def describe_snapshots(cloud: Cloud, caller: Caller, request: DescribeSnapshots) -> Snapshots:
    """List snapshots."""
    page = snapshots.list_snapshots(cloud, caller, block_query(request, request.snapshot_ids, _ORDER_FIELDS))
    return Snapshots(total_count=page.total, snapshot_set=[_snapshot(caller, listed) for listed in page.items])


def delete_snapshots(cloud: Cloud, caller: Caller, request: DeleteSnapshots) -> Answer:
    """Delete snapshots, all or none."""
    snapshots.delete_snapshots(cloud, caller, request.snapshot_ids, delete_images=request.delete_bind_images)
    return Answer()


def _snapshot(caller: Caller, listed: ListedSnapshot) -> Snapshot:
    snapshot = listed.snapshot
    is_own = snapshot.owner == caller.account.uin
    return Snapshot(
        snapshot_id=snapshot.snapshot_id,
        snapshot_name=snapshot.name,
        snapshot_state=_state(listed),
        percent=snapshot.percent,
        disk_id=snapshot.disk_id if snapshot.disk_id and is_own else "",
        disk_usage=snapshot.usage,
        disk_size=-(-snapshot.size_bytes // _GIB),
        placement=Placement(zone=listed.zone or ""),
        create_time=beijing_time(snapshot.created_at),
        latest_modify_time=beijing_time(snapshot.changed_at or snapshot.created_at),
        is_permanent=snapshot.deadline is None,
        deadline_time="" if snapshot.deadline is None else beijing_time(snapshot.deadline),
        auto_snapshot_policy_id=snapshot.policy_id if snapshot.policy_id and is_own else "",
        tags=tag_list(listed.tags),
        copy_from_remote=snapshot.is_copy,
        images=[Image(image_id=image_id, image_name=name) for image_id, name in listed.images],
        image_count=len(listed.images),
        snapshot_type="PRIVATE_SNAPSHOT" if is_own else "SHARED_SNAPSHOT",
        share_reference=listed.shared_with,
        copying_to_regions=list(listed.copying_to),
        time_start_share="" if listed.shared_since is None else beijing_time(listed.shared_since),
    )


def _state(listed: ListedSnapshot) -> str:
    """Return the state as the wire tells it: a copy is not CREATING but COPYING, and one that its disk goes back to is in use."""
    if listed.snapshot.is_copy and listed.snapshot.state is SnapshotState.CREATING:
        return _COPYING
    return DiskState.ROLLBACKING if listed.is_rolling_back else listed.snapshot.state


NEW_SNAPSHOT_CODES: Final = codes(
    errors.ParameterMissing,
    errors.InvalidValue,
    errors.DiskNotFound,
    errors.DiskRollingBack,
    errors.SnapshotUnderWay,
    errors.SnapshotQuotaExceeded,
    errors.AccountInArrears,
    errors.TagsDuplicate,
    errors.TagInvalid,
    special={
        errors.ValueTooLong: "InvalidParameterValue",
        errors.TooManyValues: "InvalidParameterValue",
        errors.DiskBusy: "InvalidDisk.Busy",
        errors.LostRace: "ResourceBusy",
    },
)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateSnapshot",
        request=CreateSnapshot,
        handle=create_snapshot,
        is_mutating=True,
        unsupported={"DiskBackupId": is_empty, "LocalSnap": is_empty},
        codes=NEW_SNAPSHOT_CODES,
    ),
    Action(
        name="ModifySnapshotAttribute",
        request=ModifySnapshotAttribute,
        handle=modify_snapshot_attribute,
        is_mutating=True,
        codes=codes(
            errors.SnapshotNotFound,
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.SnapshotHasImages,
            errors.SnapshotInShared,
            errors.LostRace,
            special={errors.ValueTooLong: "InvalidParameterValue"},
        ),
    ),
    Action(
        name="ApplySnapshot",
        request=ApplySnapshot,
        handle=apply_snapshot,
        is_mutating=True,
        codes=codes(
            errors.SnapshotNotFound,
            errors.SnapshotUnfinished,
            errors.SnapshotUnusable,
            errors.SnapshotOfOtherDisk,
            errors.DiskNotFound,
            errors.DiskBusy,
            errors.DiskRollingBack,
            errors.SnapshotUnderWay,
            errors.InvalidValue,
            special={
                errors.SnapshotLargerThanDisk: "InvalidParameter.DiskSizeNotMatch",
                errors.InstanceNotStopped: "InvalidInstance.NotSupported",
                errors.AccountInArrears: "InvalidSnapshot.NotSupported",
                errors.LostRace: "ResourceBusy",
            },
        ),
    ),
    Action(name="DescribeSnapshots", request=DescribeSnapshots, handle=describe_snapshots, codes=LIST_CODES),
    Action(
        name="DeleteSnapshots",
        request=DeleteSnapshots,
        handle=delete_snapshots,
        is_mutating=True,
        codes=codes(
            errors.InvalidValue,
            errors.SnapshotNotFound,
            errors.SnapshotUnfinished,
            errors.SnapshotHasImages,
            errors.SnapshotInShared,
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
