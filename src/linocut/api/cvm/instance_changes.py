"""Changing instances: reinstalling them, their passwords, their attributes.

Source: CVM ResetInstance, ResetInstancesPassword, ModifyInstancesAttribute, ModifyInstancesProject, DescribeInstancesAttributes.
"""

from base64 import b64encode
from typing import Any, Final

from msgspec import field

from linocut.api.codes import codes
from linocut.api.cvm.batches import BATCH, BUSY, IN_TRANSIT
from linocut.api.cvm.instances import LoginSettings, login_order
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int, is_empty, never_asks
from linocut.api.table import Action
from linocut.cloud import instance_changes, logins, reinstalling, security_groups
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.instance_changes import Attributes
from linocut.cloud.reinstalling import ResetOrder
from linocut.model import errors
from linocut.model.states import InstanceState

_USER_DATA: Final = "UserData"


class NewSystemDisk(Shape):
    """The system disk to replace the present one."""

    disk_type: str = ""
    disk_size: Int = 0


class ResetInstance(Shape):
    """What to reinstall; what is not given stays as it is."""

    instance_id: str
    image_id: str = ""
    system_disk: NewSystemDisk = field(default_factory=NewSystemDisk)
    login_settings: LoginSettings = field(default_factory=LoginSettings)
    host_name: str = ""
    user_data: str | None = None


class ResetInstancesPassword(Shape):
    """Which instances, and the new password."""

    instance_ids: Ids
    password: str
    user_name: str = ""
    force_stop: bool = False


class ModifyInstancesAttribute(Shape):
    """Which instances, and one attribute."""

    instance_ids: Ids
    instance_name: str | None = None
    user_data: str | None = None
    host_name: str | None = None
    disable_api_termination: bool | None = None
    security_groups: tuple[str, ...] = ()
    auto_reboot: bool = True


class ModifyInstancesProject(Shape):
    """Which instances, and the project to put them into."""

    instance_ids: Ids
    project_id: Int


class DescribeInstancesAttributes(Shape):
    """Which instances, and which of their attributes; there is one, UserData."""

    attributes: Ids
    instance_ids: Ids


class Attribute(Shape):
    """An instance's attributes."""

    user_data: str


class InstanceAttribute(Shape):
    """An instance and its attributes."""

    instance_id: str
    attributes: Attribute


class InstanceAttributes(Answer):
    """The answer of DescribeInstancesAttributes."""

    instance_set: list[InstanceAttribute]


def reset_instance(cloud: Cloud, caller: Caller, request: ResetInstance) -> Answer:
    """Give an instance a fresh system disk."""
    order = ResetOrder(
        instance_id=request.instance_id,
        image_id=request.image_id,
        system_disk_gb=request.system_disk.disk_size or None,
        system_disk_type=request.system_disk.disk_type,
        login=login_order(request.login_settings),
        host_name=request.host_name,
        user_data=request.user_data,
    )
    reinstalling.reset_instance(cloud, caller, order)
    return Answer()


def reset_instances_password(cloud: Cloud, caller: Caller, request: ResetInstancesPassword) -> Answer:
    """Give instances a new password."""
    logins.reset_passwords(
        cloud,
        caller,
        request.instance_ids,
        request.password,
        user_name=request.user_name,
        force_stop=request.force_stop,
    )
    return Answer()


def modify_instances_attribute(cloud: Cloud, caller: Caller, request: ModifyInstancesAttribute) -> Answer:
    """Change one attribute of instances."""
    new = Attributes(
        name=request.instance_name,
        user_data=request.user_data,
        host_name=request.host_name,
        disable_termination=request.disable_api_termination,
    )
    if request.security_groups and new == Attributes():
        security_groups.replace_groups(cloud, caller, request.security_groups, request.instance_ids)
        return Answer()
    if request.security_groups:
        raise errors.OneParameterNeeded("Exactly one attribute is changed in a call.")
    instance_changes.modify_instances(cloud, caller, request.instance_ids, new, auto_reboot=request.auto_reboot)
    return Answer()


def modify_instances_project(cloud: Cloud, caller: Caller, request: ModifyInstancesProject) -> Answer:
    """Put instances into a project."""
    instance_changes.move_to_project(cloud, caller, request.instance_ids, request.project_id)
    return Answer()


def describe_instances_attributes(cloud: Cloud, caller: Caller, request: DescribeInstancesAttributes) -> InstanceAttributes:
    """Tell the user data of instances, as it was given."""
    for attribute in request.attributes:
        if attribute != _USER_DATA:
            raise errors.InvalidValue(f"Attributes takes {_USER_DATA}.")
    return InstanceAttributes(
        instance_set=[
            InstanceAttribute(instance_id=instance_id, attributes=Attribute(user_data=b64encode(data).decode()))
            for instance_id, data in instance_changes.user_data_of(cloud, caller, request.instance_ids)
        ]
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="ResetInstance",
        request=ResetInstance,
        handle=reset_instance,
        is_mutating=True,
        unsupported={
            "SystemDisk.DiskId": is_empty,
            "SystemDisk.CdcId": is_empty,
            "SystemDisk.DiskName": is_empty,
            "SystemDisk.Encrypt": is_empty,
            "SystemDisk.KmsKeyId": is_empty,
            # Terraform asks for agents whenever it reinstalls; see RunInstances.
            "EnhancedService": is_empty,
            "EnhancedService.SecurityService": is_empty,
            "EnhancedService.SecurityService.Enabled": never_asks,
            "EnhancedService.MonitorService": is_empty,
            "EnhancedService.MonitorService.Enabled": never_asks,
            "EnhancedService.AutomationService": is_empty,
            "EnhancedService.AutomationService.Enabled": never_asks,
        },
        codes=codes(
            *BATCH,
            errors.AccountInArrears,
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.ArchitectureMismatch,
            errors.LicenseTypeStays,
            errors.InvalidValue,
            errors.HostNameInvalid,
            errors.UserDataInvalid,
            errors.PasswordInvalid,
            errors.KeyIdMalformed,
            errors.KeyPairOnWindows,
            special={
                errors.ImageStateForbids: "InvalidParameterValue.InvalidImageState",
                errors.DiskTooSmall: "InvalidParameterValue",
                errors.ValueOutOfRange: "InvalidParameterValue",
                errors.KeyNotFound: "InvalidParameterValue.KeyPairNotFound",
                errors.ParameterConflict: "InvalidParameter.ParameterConflict",
                errors.SnapshotUnderWay: "OperationDenied.InstanceOperationInProgress",
                **BUSY,
            },
            states=IN_TRANSIT,
        ),
    ),
    Action(
        name="ResetInstancesPassword",
        request=ResetInstancesPassword,
        handle=reset_instances_password,
        is_mutating=True,
        codes=codes(
            *BATCH,
            errors.PasswordInvalid,
            errors.InvalidValue,
            errors.ReinstallFailed,
            special=BUSY,
            states=(InstanceState.RUNNING, *IN_TRANSIT),
        ),
    ),
    Action(
        name="ModifyInstancesAttribute",
        request=ModifyInstancesAttribute,
        handle=modify_instances_attribute,
        is_mutating=True,
        unsupported={
            "CamRoleName": is_empty,
            "CamRoleType": is_empty,
            "EnableJumboFrame": is_empty,
        },
        codes=codes(
            *BATCH,
            errors.InstanceNameTooLong,
            errors.HostNameInvalid,
            errors.UserDataInvalid,
            errors.InvalidValue,
            errors.ReinstallFailed,
            special={
                errors.OneParameterNeeded: "InvalidParameterValue",
                errors.GroupIdMalformed: "InvalidSecurityGroupId.NotFound",
                errors.GroupNotFound: "InvalidSecurityGroupId.NotFound",
                errors.GroupsOfInstanceExceeded: "LimitExceeded.AssociateUSGLimitExceeded",
                errors.LastGroupStays: "FailedOperation.SecurityGroupActionFailed",
                **BUSY,
            },
            states=IN_TRANSIT,
        ),
    ),
    Action(
        name="ModifyInstancesProject",
        request=ModifyInstancesProject,
        handle=modify_instances_project,
        is_mutating=True,
        codes=codes(
            *BATCH,
            errors.ProjectNotFound,
            special={errors.ReinstallFailed: "InvalidInstance.NotSupported", **BUSY},
        ),
    ),
    Action(
        name="DescribeInstancesAttributes",
        request=DescribeInstancesAttributes,
        handle=describe_instances_attributes,
        codes=codes(
            errors.InstanceNotFound,
            errors.InvalidValue,
            errors.ParameterMissing,
            special={
                errors.InstanceIdMalformed: "InvalidParameterValue.InstanceIdMalformed",
                errors.TooManyValues: "InvalidParameterValue",
            },
        ),
    ),
)
