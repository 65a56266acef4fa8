"""Instances: run, start, stop, reboot, terminate.

Source: CVM RunInstances, StartInstances, StopInstances, RebootInstances, TerminateInstances. What DescribeInstances answers is in
`instance_lists`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec import UNSET, UnsetType, field

from linocut.api.codes import codes
from linocut.api.cvm import instance_lists
from linocut.api.cvm.batches import BATCH, BUSY, IN_TRANSIT
from linocut.api.cvm.instance_lists import Metadata
from linocut.api.cvm.networks import (
    NETWORK_CODES,
    UNSUPPORTED_IN_NETWORKS,
    InternetAccessible,
    VirtualPrivateCloud,
    network_order,
)
from linocut.api.cvm.shapes import Ids, TagSpecification, tags_for
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import AsksNothing, Int, is_empty, is_one_of, never_asks
from linocut.api.table import Action
from linocut.cloud import instances, launches
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.instances import StopHow
from linocut.cloud.launches import DataDiskOrder, RunOrder
from linocut.cloud.logins import LoginOrder
from linocut.model import errors, rules
from linocut.model.states import InstanceState as State


class Placement(Shape):
    """Where instances go."""

    zone: str
    project_id: Int = 0


class SystemDisk(Shape):
    """The system disk to make."""

    disk_type: str = ""
    disk_size: Int = 0
    disk_name: str = ""


class DataDisk(Shape):
    """A data disk to make."""

    disk_size: Int = 0
    disk_type: str = ""
    snapshot_id: str = ""
    disk_name: str = ""
    delete_with_instance: bool = True


class LoginSettings(Shape):
    """How to log in: one of the three, or none."""

    password: str = ""
    key_ids: tuple[str, ...] = ()
    keep_image_login: str = ""


class Launch(Shape):
    """What to start, or to ask the price of."""

    placement: Placement
    image_id: str
    instance_charge_type: str = ""
    instance_type: str = ""
    system_disk: SystemDisk = field(default_factory=SystemDisk)
    data_disks: tuple[DataDisk, ...] = ()
    instance_count: Int = 1
    instance_name: str = ""
    login_settings: LoginSettings = field(default_factory=LoginSettings)
    client_token: str = ""
    host_name: str = ""
    tag_specification: tuple[TagSpecification, ...] = ()
    metadata: Metadata | None = None
    virtual_private_cloud: VirtualPrivateCloud | None = None
    internet_accessible: InternetAccessible | None = None
    security_group_ids: tuple[str, ...] = ()


class RunInstances(Launch):
    """What to start."""

    min_count: Int | None = None
    user_data: str = ""
    dry_run: bool = False
    disable_api_termination: bool = False


UNSUPPORTED_IN_RUN: Final[Mapping[str, AsksNothing]] = {
    "InstanceChargePrepaid": is_empty,
    "Placement.HostIds": is_empty,
    "Placement.HostId": is_empty,
    "Placement.DedicatedResourcePackTenancy": is_empty,
    "Placement.DedicatedResourcePackIds": is_empty,
    "Placement.RackId": is_empty,
    "SystemDisk.DiskId": is_empty,
    "SystemDisk.CdcId": is_empty,
    "SystemDisk.Encrypt": is_empty,
    "SystemDisk.KmsKeyId": is_empty,
    "DataDisks.DiskId": is_empty,
    "DataDisks.Encrypt": is_empty,
    "DataDisks.KmsKeyId": is_empty,
    "DataDisks.ThroughputPerformance": is_empty,
    "DataDisks.CdcId": is_empty,
    "DataDisks.BurstPerformance": is_empty,
    **UNSUPPORTED_IN_NETWORKS,
    # Guests run no agents of a cloud. Terraform asks for them in every launch, by its defaults, and counts on none of them.
    "EnhancedService": is_empty,
    "EnhancedService.SecurityService": is_empty,
    "EnhancedService.SecurityService.Enabled": never_asks,
    "EnhancedService.MonitorService": is_empty,
    "EnhancedService.MonitorService.Enabled": never_asks,
    "EnhancedService.AutomationService": is_empty,
    "EnhancedService.AutomationService.Enabled": never_asks,
    "ActionTimer": is_empty,
    "DisasterRecoverGroupIds": is_empty,
    "InstanceMarketOptions": is_empty,
    "CpuTopology": is_empty,
    "CamRoleName": is_empty,
    "HpcClusterId": is_empty,
    "LaunchTemplate": is_empty,
    "DedicatedClusterId": is_empty,
    "ChcIds": is_empty,
    "PartitionNumber": is_empty,
    "EnableJumboFrame": is_empty,
    "NetworkInterfaces": is_empty,
}


class InstancesStarted(Answer):
    """The answer of RunInstances; a dry run has no ids."""

    instance_id_set: list[str] | UnsetType = UNSET


class StartInstances(Shape):
    """Which instances."""

    instance_ids: Ids


class StopInstances(Shape):
    """Which instances, and how hard. ForceStop is the older way of saying SOFT_FIRST."""

    instance_ids: Ids
    force_stop: bool | None = None
    stop_type: str = ""


class RebootInstances(Shape):
    """Which instances, and how hard. ForceReboot is the older way of saying SOFT_FIRST."""

    instance_ids: Ids
    force_reboot: bool | None = None
    stop_type: str = ""


class TerminateInstances(Shape):
    """Which instances.

    No address outlives its instance and there are no prepaid disks, so both ways of releasing them come true. Data disks that do
    not end with it stay, attached to nothing.
    """

    instance_ids: Ids
    release_address: bool = False
    release_prepaid_data_disks: bool = False


def run_instances(cloud: Cloud, caller: Caller, request: RunInstances) -> InstancesStarted:
    """Start instances from an image."""
    order = replace(
        launch_order(request),
        min_count=request.min_count,
        user_data=request.user_data,
        disable_termination=request.disable_api_termination,
        dry_run=request.dry_run,
    )
    return InstancesStarted(instance_id_set=list(launches.run_instances(cloud, caller, order)) or UNSET)


def launch_order(request: Launch) -> RunOrder:
    """Return the order that a request is. Raises InvalidValue, TagInvalid."""
    login = login_order(request.login_settings)
    return RunOrder(
        image_id=request.image_id,
        zone=request.placement.zone,
        instance_type=request.instance_type or "S5.SMALL1",
        count=request.instance_count,
        name=request.instance_name,
        host_name=request.host_name,
        system_disk_type=request.system_disk.disk_type,
        system_disk_gb=request.system_disk.disk_size or None,
        system_disk_name=request.system_disk.disk_name,
        data_disks=tuple(
            DataDiskOrder(disk.disk_size, disk.disk_type, disk.snapshot_id, disk.disk_name, disk.delete_with_instance)
            for disk in request.data_disks
        ),
        password=login.password,
        key_ids=login.key_ids,
        keep_image_login=login.keep_image_login,
        metadata=tuple((item.key, item.value) for item in request.metadata.items) if request.metadata else (),
        charge_type=request.instance_charge_type or "POSTPAID_BY_HOUR",
        tags=tags_for("instance", request.tag_specification),
        client_token=request.client_token,
        project_id=request.placement.project_id,
        network=network_order(request.virtual_private_cloud, request.internet_accessible, request.security_group_ids),
    )


def login_order(settings: LoginSettings) -> LoginOrder:
    """Return the login that is asked for. Raises InvalidValue."""
    return LoginOrder(
        settings.password,
        tuple(settings.key_ids),
        rules.truth("LoginSettings.KeepImageLogin", settings.keep_image_login or "false"),
    )


def start_instances(cloud: Cloud, caller: Caller, request: StartInstances) -> Answer:
    """Power instances on."""
    instances.start_instances(cloud, caller, request.instance_ids)
    return Answer()


def stop_instances(cloud: Cloud, caller: Caller, request: StopInstances) -> Answer:
    """Power instances off."""
    how = _how("ForceStop", force=request.force_stop, stop_type=request.stop_type)
    instances.stop_instances(cloud, caller, request.instance_ids, how=how)
    return Answer()


def reboot_instances(cloud: Cloud, caller: Caller, request: RebootInstances) -> Answer:
    """Power instances off and on."""
    how = _how("ForceReboot", force=request.force_reboot, stop_type=request.stop_type)
    instances.reboot_instances(cloud, caller, request.instance_ids, how=how)
    return Answer()


def terminate_instances(cloud: Cloud, caller: Caller, request: TerminateInstances) -> Answer:
    """End instances."""
    instances.terminate_instances(cloud, caller, request.instance_ids)
    return Answer()


def _how(parameter: str, *, force: bool | None, stop_type: str) -> StopHow:
    if force is not None and stop_type:
        raise errors.ParameterConflict(f"{parameter} and StopType exclude each other.")
    if not stop_type:
        return StopHow.SOFT_FIRST if force else StopHow.SOFT
    try:
        return StopHow(stop_type)
    except ValueError as error:
        raise errors.InvalidValue(f"StopType takes {', '.join(StopHow)}.") from error


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="RunInstances",
        request=RunInstances,
        handle=run_instances,
        is_mutating=True,
        unsupported=UNSUPPORTED_IN_RUN,
        codes=codes(
            errors.AccountInArrears,
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.InstanceTypeMalformed,
            errors.InstanceTypeNotFound,
            errors.ZoneNotFound,
            errors.ZoneSoldOut,
            errors.ProjectNotFound,
            errors.InvalidValue,
            errors.ValueOutOfRange,
            errors.MinCountInvalid,
            errors.InstanceNameTooLong,
            errors.HostNameInvalid,
            errors.PasswordInvalid,
            errors.UserDataInvalid,
            errors.ClientTokenTooLong,
            errors.ClientTokenReused,
            errors.DiskTooSmall,
            errors.SnapshotIdMalformed,
            errors.ImageSnapshotNotFound,
            errors.SnapshotLargerThanDisk,
            errors.TooManyValues,
            errors.ValueTooLong,
            errors.ArchitectureMismatch,
            errors.KeyIdMalformed,
            errors.KeyPairOnWindows,
            errors.ParameterUnsupported,
            errors.TagInvalid,
            errors.LostRace,
            special={
                **NETWORK_CODES,
                errors.ImageStateForbids: "InvalidParameterValue.InvalidImageState",
                errors.KeyNotFound: "InvalidParameterValue.KeyPairNotFound",
                errors.SnapshotUnfinished: "InvalidParameter.SnapshotNotFound",
                errors.TagsDuplicate: "InvalidParameterValue.DuplicateTags",
                errors.ParameterConflict: "InvalidParameter.ParameterConflict",
                errors.CapacityExhausted: "ResourceInsufficient.SpecifiedInstanceType",
                errors.DiskSpaceExhausted: "ResourceInsufficient.CloudDiskUnavailable",
                errors.DiskQuotaExceeded: "ResourceInsufficient.CloudDiskUnavailable",
            },
        ),
    ),
    *instance_lists.ACTIONS,
    Action(
        name="StartInstances",
        request=StartInstances,
        handle=start_instances,
        is_mutating=True,
        codes=codes(*BATCH, errors.CapacityExhausted, special=BUSY, states=(State.RUNNING, State.STOPPED, *IN_TRANSIT)),
    ),
    Action(
        name="StopInstances",
        request=StopInstances,
        handle=stop_instances,
        is_mutating=True,
        unsupported={"StoppedMode": is_one_of("KEEP_CHARGING")},
        codes=codes(
            *BATCH,
            errors.InvalidValue,
            special={errors.ParameterConflict: "InvalidParameterCombination", **BUSY},
            states=(State.STOPPED, *IN_TRANSIT),
        ),
    ),
    Action(
        name="RebootInstances",
        request=RebootInstances,
        handle=reboot_instances,
        is_mutating=True,
        codes=codes(
            *BATCH,
            errors.InvalidValue,
            special={errors.ParameterConflict: "InvalidParameterCombination", **BUSY},
            states=(State.STOPPED, *IN_TRANSIT),
        ),
    ),
    Action(
        name="TerminateInstances",
        request=TerminateInstances,
        handle=terminate_instances,
        is_mutating=True,
        codes=codes(*BATCH, errors.InstanceProtected, special=BUSY, states=(State.LAUNCH_FAILED, *IN_TRANSIT)),
    ),
)
