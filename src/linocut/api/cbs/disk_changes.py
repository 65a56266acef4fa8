"""Making, attaching, detaching, resizing, changing and giving back disks.

Source: CBS CreateDisks, AttachDisks, DetachDisks, ResizeDisk, ModifyDiskAttributes, TerminateDisks, InitializeDisks.
"""

from collections.abc import Mapping
from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, Tag
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import AsksNothing, Int, is_empty, is_one_of
from linocut.api.table import Action
from linocut.cloud import attaching, disk_changes, new_disks, resizing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disk_changes import DiskAttributes
from linocut.cloud.new_disks import NewDisks
from linocut.model import errors, records

_DELETED_WITH_DISK: Final = 1


class NewPlacement(Shape):
    """Where disks are to be."""

    zone: str
    project_id: Int = 0


class CreateDisks(Shape):
    """What disks to make."""

    placement: NewPlacement
    disk_charge_type: str
    disk_type: str
    disk_name: str = ""
    tags: tuple[Tag, ...] = ()
    snapshot_id: str = ""
    disk_count: Int = 1
    disk_size: Int = 0
    client_token: str = ""


class DisksCreated(Answer):
    """The answer of CreateDisks."""

    disk_id_set: list[str]


class AttachDisks(Shape):
    """Which disks, and the instance to attach them to."""

    instance_id: str
    disk_ids: Ids
    delete_with_instance: bool | None = None


class DetachDisks(Shape):
    """Which disks, and the instance that has them."""

    disk_ids: Ids
    instance_id: str = ""


class ResizeDisk(Shape):
    """Which disk, and how large it is to be."""

    disk_size: Int
    disk_id: str = ""


class ModifyDiskAttributes(Shape):
    """Which disks, and what is to change of them."""

    disk_ids: Ids
    disk_name: str | None = None
    portable: bool | None = None
    project_id: Int | None = None
    delete_with_instance: bool | None = None
    disk_type: str | None = None


class TerminateDisks(Shape):
    """Which disks to give back, and whether snapshots of them that are not kept for ever go too."""

    disk_ids: Ids
    delete_snapshot: Int = 0


class InitializeDisks(Shape):
    """Which disks to make what they were."""

    disk_ids: Ids


def create_disks(cloud: Cloud, caller: Caller, request: CreateDisks) -> DisksCreated:
    """Make disks."""
    order = NewDisks(
        zone=request.placement.zone,
        disk_type=request.disk_type,
        charge_type=request.disk_charge_type,
        size_gb=request.disk_size,
        snapshot_id=request.snapshot_id,
        name=request.disk_name,
        count=request.disk_count,
        tags=tuple(records.Tag(tag.key, tag.value) for tag in request.tags),
        client_token=request.client_token,
        project_id=request.placement.project_id,
    )
    return DisksCreated(disk_id_set=list(new_disks.create_disks(cloud, caller, order)))


def attach_disks(cloud: Cloud, caller: Caller, request: AttachDisks) -> Answer:
    """Attach disks to an instance."""
    attaching.attach_disks(
        cloud, caller, request.instance_id, request.disk_ids, delete_with_instance=request.delete_with_instance
    )
    return Answer()


def detach_disks(cloud: Cloud, caller: Caller, request: DetachDisks) -> Answer:
    """Detach disks from their instance."""
    attaching.detach_disks(cloud, caller, request.disk_ids, instance_id=request.instance_id)
    return Answer()


def resize_disk(cloud: Cloud, caller: Caller, request: ResizeDisk) -> Answer:
    """Make a disk larger."""
    if not request.disk_id:
        raise errors.ParameterMissing("DiskId is empty.")
    resizing.resize_disk(cloud, caller, request.disk_id, request.disk_size)
    return Answer()


def modify_disk_attributes(cloud: Cloud, caller: Caller, request: ModifyDiskAttributes) -> Answer:
    """Change attributes of disks."""
    new = DiskAttributes(
        name=request.disk_name,
        portable=request.portable,
        project_id=request.project_id,
        delete_with_instance=request.delete_with_instance,
        disk_type=request.disk_type,
    )
    disk_changes.modify_disks(cloud, caller, request.disk_ids, new)
    return Answer()


def terminate_disks(cloud: Cloud, caller: Caller, request: TerminateDisks) -> Answer:
    """Give disks back."""
    if request.delete_snapshot not in {0, _DELETED_WITH_DISK}:
        raise errors.InvalidValue("DeleteSnapshot takes 0 and 1.")
    delete_snapshots = request.delete_snapshot == _DELETED_WITH_DISK
    disk_changes.terminate_disks(cloud, caller, request.disk_ids, delete_snapshots=delete_snapshots)
    return Answer()


def initialize_disks(cloud: Cloud, caller: Caller, request: InitializeDisks) -> Answer:
    """Make disks what they were when they were made."""
    disk_changes.initialize_disks(cloud, caller, request.disk_ids)
    return Answer()


_UNSUPPORTED_IN_CREATE: Final[Mapping[str, AsksNothing]] = {
    "Placement.CageId": is_empty,
    "Placement.CdcId": is_empty,
    "Placement.CdcName": is_empty,
    "Placement.DedicatedClusterId": is_empty,
    "Placement.ProjectName": is_empty,
    "ThroughputPerformance": is_empty,
    "KmsKeyId": is_empty,
    "Shareable": is_empty,
    "Encrypt": is_empty,
    "EncryptType": is_empty,
    "DiskChargePrepaid": is_empty,
    "DeleteSnapshot": is_empty,
    "AutoMountConfiguration": is_empty,
    "DiskBackupQuota": is_empty,
    "BurstPerformance": is_empty,
}
_BUSY: Final[Mapping[type[errors.Refusal], str]] = {
    errors.DiskBusy: "ResourceBusy",
    errors.SnapshotUnderWay: "ResourceBusy",
    errors.TaskRunning: "ResourceBusy",
    errors.LostRace: "ResourceBusy",
}
_OF_INSTANCE: Final[Mapping[type[errors.Refusal], str]] = {
    errors.InstanceIdMalformed: "InvalidParameterValue",
    errors.InstanceStateForbids: "InvalidInstance.NotSupported",
    errors.ReinstallFailed: "InvalidInstance.NotSupported",
}

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateDisks",
        request=CreateDisks,
        handle=create_disks,
        is_mutating=True,
        unsupported=_UNSUPPORTED_IN_CREATE,
        codes=codes(
            errors.AccountInArrears,
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.ParameterUnsupported,
            errors.SnapshotNotFound,
            errors.TagInvalid,
            errors.TagsDuplicate,
            special={
                errors.ClientTokenTooLong: "InvalidParameter.InvalidClientToken",
                errors.ClientTokenReused: "InvalidParameter.InvalidClientToken",
                errors.ZoneNotFound: "InvalidParameterValue",
                errors.ZoneSoldOut: "ResourceInsufficient",
                errors.ProjectNotFound: "InvalidParameter.ProjectIdNotExist",
                errors.ValueOutOfRange: "InvalidParameterValue",
                errors.ValueTooLong: "InvalidParameterValue",
                errors.SnapshotUnsuitable: "InvalidParameterValue",
                errors.SnapshotUnfinished: "ResourceBusy",
                errors.SnapshotLargerThanDisk: "InvalidParameterValue",
                errors.DiskQuotaExceeded: "InvalidParameterValue.LimitExceeded",
                errors.LostRace: "ResourceBusy",
            },
        ),
    ),
    Action(
        name="AttachDisks",
        request=AttachDisks,
        handle=attach_disks,
        is_mutating=True,
        unsupported={"AttachMode": is_one_of("PF")},
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.TooManyValues,
            errors.InstanceNotFound,
            errors.DiskNotFound,
            errors.DiskIsAttached,
            errors.DiskNotPortable,
            errors.DiskInOtherZone,
            errors.DisksOfInstanceExceeded,
            special={**_BUSY, **_OF_INSTANCE},
        ),
    ),
    Action(
        name="DetachDisks",
        request=DetachDisks,
        handle=detach_disks,
        is_mutating=True,
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.TooManyValues,
            errors.DiskNotFound,
            errors.DiskNotAttached,
            errors.DiskNotPortable,
            special={**_BUSY, **_OF_INSTANCE},
        ),
    ),
    Action(
        name="ResizeDisk",
        request=ResizeDisk,
        handle=resize_disk,
        is_mutating=True,
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.DiskNotFound,
            errors.DiskUnsuitable,
            errors.DiskBusy,
            special={
                errors.SnapshotUnderWay: "InvalidDisk.Busy",
                errors.TaskRunning: "InvalidDisk.Busy",
                errors.LostRace: "InvalidDisk.Busy",
                errors.DiskTooSmall: "InvalidParameterValue",
                errors.ValueOutOfRange: "InvalidParameterValue",
                errors.InstanceStateForbids: "ResourceUnavailable.NotSupported",
                errors.ReinstallFailed: "ResourceUnavailable.NotSupported",
            },
        ),
    ),
    Action(
        name="ModifyDiskAttributes",
        request=ModifyDiskAttributes,
        handle=modify_disk_attributes,
        is_mutating=True,
        unsupported={"BurstPerformanceOperation": is_one_of("CANCEL")},
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.TooManyValues,
            errors.DiskNotFound,
            errors.DiskUnsuitable,
            errors.ParameterUnsupported,
            errors.LostRace,
            special={
                errors.ValueTooLong: "InvalidParameterValue",
                errors.ProjectNotFound: "InvalidParameterValue",
                errors.DiskBusy: "ResourceBusy",
            },
        ),
    ),
    Action(
        name="TerminateDisks",
        request=TerminateDisks,
        handle=terminate_disks,
        is_mutating=True,
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            special={
                errors.TooManyValues: "InvalidParameterValue",
                errors.DiskNotFound: "InvalidParameterValue",
                errors.DiskIsAttached: "ResourceUnavailable.NotSupported",
                **_BUSY,
            },
        ),
    ),
    Action(
        name="InitializeDisks",
        request=InitializeDisks,
        handle=initialize_disks,
        is_mutating=True,
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.TooManyValues,
            errors.DiskNotFound,
            errors.DiskSnapshotGone,
            special={errors.DiskIsAttached: "ResourceUnavailable.NotSupported", **_BUSY},
        ),
    ),
)
