"""Disks of instances. Source: CVM ResizeInstanceDisks."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.batches import BUSY
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int, is_empty
from linocut.api.table import Action
from linocut.cloud import resizing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.resizing import InstanceDiskSize
from linocut.model import errors
from linocut.model.states import InstanceState


class LargerSystemDisk(Shape):
    """How large the system disk is to be."""

    disk_size: Int = 0
    disk_type: str = ""
    disk_id: str = ""


class LargerDataDisk(LargerSystemDisk):
    """How large a data disk is to be, and which where there are several."""


class ResizeInstanceDisks(Shape):
    """Which instance, and which of its disks: its system disk, or one data disk."""

    instance_id: str
    data_disks: tuple[LargerDataDisk, ...] = ()
    force_stop: bool = False
    system_disk: LargerSystemDisk | None = None
    resize_online: bool = False


def resize_instance_disks(cloud: Cloud, caller: Caller, request: ResizeInstanceDisks) -> Answer:
    """Make a disk of an instance larger."""
    wanted = [InstanceDiskSize(disk.disk_size, disk.disk_id, disk.disk_type) for disk in request.data_disks]
    if request.system_disk is not None:
        system = request.system_disk
        wanted.append(InstanceDiskSize(system.disk_size, system.disk_id, system.disk_type, is_system=True))
    if not wanted:
        raise errors.OneParameterNeeded("DataDisks or SystemDisk is needed.")
    if len(wanted) > 1:
        raise errors.InvalidValue("One disk is made larger in a call: the system disk, or a data disk.")
    resizing.resize_instance_disk(
        cloud, caller, request.instance_id, wanted[0], online=request.resize_online, force_stop=request.force_stop
    )
    return Answer()


_NOT_ASKED: Final = ("CdcId", "DiskName", "Encrypt", "KmsKeyId")
_NOT_ASKED_OF_DATA: Final = ("DeleteWithInstance", "SnapshotId", "ThroughputPerformance", "BurstPerformance")
_IN_TRANSIT: Final = (InstanceState.REBOOTING, InstanceState.STOPPING, InstanceState.TERMINATING, InstanceState.RUNNING)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="ResizeInstanceDisks",
        request=ResizeInstanceDisks,
        handle=resize_instance_disks,
        is_mutating=True,
        unsupported={
            **{f"{disk}.{name}": is_empty for disk in ("DataDisks", "SystemDisk") for name in _NOT_ASKED},
            **{f"DataDisks.{name}": is_empty for name in _NOT_ASKED_OF_DATA},
        },
        codes=codes(
            errors.InstanceIdMalformed,
            errors.InstanceNotFound,
            errors.InvalidValue,
            special={
                errors.OneParameterNeeded: "MissingParameter.AtLeastOne",
                errors.InstanceStateForbids: "InvalidInstance.NotSupported",
                errors.ReinstallFailed: "InvalidInstance.NotSupported",
                errors.DiskNotOfInstance: "UnsupportedOperation.InvalidDataDisk",
                errors.DiskTooSmall: "InvalidParameterValue",
                errors.ValueOutOfRange: "InvalidParameterValue",
                errors.SnapshotUnderWay: "OperationDenied.InstanceOperationInProgress",
                errors.LostRace: "OperationDenied.InstanceOperationInProgress",
                **BUSY,
            },
            states=_IN_TRANSIT,
        ),
    ),
)
