"""Snapshots. Source: CBS DescribeSnapshots, DeleteSnapshots."""

from typing import Any, Final

from linocut.api.cbs.shapes import LIST_CODES, OrderedPageRequest, Placement, block_query
from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, Tag, beijing_time
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import snapshots
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.snapshots import ListedSnapshot
from linocut.model import errors
from linocut.model.states import SnapshotState

_ORDER_FIELDS: Final = frozenset({"CREATE_TIME"})
_GIB: Final = 1024**3
_COPYING: Final = "COPYING_FROM_REMOTE"


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
    snapshot_type: str
    share_reference: int
    time_start_share: str
    copying_to_regions: list[str]
    snapshot_mode: str = "STANDARD_SNAPSHOT"
    is_permanent: bool = True
    deadline_time: str = ""
    auto_snapshot_policy_id: str = ""
    encrypt: bool = False
    is_locked: bool = False
    tags: tuple[Tag, ...] = ()


class Snapshots(Answer):
    """The answer of DescribeSnapshots."""

    total_count: int
    snapshot_set: list[Snapshot]


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
    under_way = snapshot.state is SnapshotState.CREATING
    return Snapshot(
        snapshot_id=snapshot.snapshot_id,
        snapshot_name=snapshot.name,
        snapshot_state=_COPYING if snapshot.is_copy and under_way else snapshot.state,
        percent=snapshot.percent,
        disk_id=snapshot.disk_id if snapshot.disk_id and is_own else "",
        disk_usage=snapshot.usage,
        disk_size=-(-snapshot.size_bytes // _GIB),
        placement=Placement(zone=listed.zone or ""),
        create_time=beijing_time(snapshot.created_at),
        latest_modify_time=beijing_time(snapshot.created_at),
        copy_from_remote=snapshot.is_copy,
        images=[Image(image_id=image_id, image_name=name) for image_id, name in listed.images],
        image_count=len(listed.images),
        snapshot_type="PRIVATE_SNAPSHOT" if is_own else "SHARED_SNAPSHOT",
        share_reference=listed.shared_with,
        copying_to_regions=list(listed.copying_to),
        time_start_share="" if listed.shared_since is None else beijing_time(listed.shared_since),
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
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
