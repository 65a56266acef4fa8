"""What instances would cost. Source: CVM InquiryPriceRunInstances, InquiryPriceResetInstance.

Prices are sums of decimals; here, at the very edge, each is rounded half up to six places and becomes the wire's float.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from msgspec import UNSET, UnsetType, field

from linocut.api.codes import codes
from linocut.api.cvm.instance_changes import NewSystemDisk
from linocut.api.cvm.instances import UNSUPPORTED_IN_RUN, Launch, LoginSettings, launch_order, login_order
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import AsksNothing, is_empty, never_asks
from linocut.api.table import Action
from linocut.cloud import prices
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.reinstalling import ResetOrder
from linocut.model import errors, rules

_PLACES: Final = Decimal("0.000001")
_NO_DISCOUNT: Final = 100.0
_HOUR: Final = "HOUR"
_GB: Final = "GB"
_NOT_ASKED: Final = frozenset(
    {
        "ActionTimer",
        "CamRoleName",
        "DedicatedClusterId",
        "ChcIds",
        "PartitionNumber",
        "EnableJumboFrame",
        "DisasterRecoverGroupIds",
    }
)
"""What a launch refuses by name, and the question for its price does not know at all."""


class InquiryPriceRunInstances(Launch):
    """The launch whose price is asked for."""


class InquiryPriceResetInstance(Shape):
    """The reinstallation whose price is asked for."""

    instance_id: str
    image_id: str = ""
    system_disk: NewSystemDisk = field(default_factory=NewSystemDisk)
    login_settings: LoginSettings = field(default_factory=LoginSettings)
    user_data: str = ""


class ItemPrice(Shape):
    """A price by the hour or by the GB, as it holds for any length of time; nothing is reduced."""

    unit_price: float
    unit_price_discount: float
    charge_unit: str
    discount: float = _NO_DISCOUNT


class Price(Shape):
    """The price of instances, and of their way out."""

    instance_price: ItemPrice
    bandwidth_price: ItemPrice | UnsetType = UNSET


class Priced(Answer):
    """The answer of both questions."""

    price: Price


def inquiry_price_run_instances(cloud: Cloud, caller: Caller, request: InquiryPriceRunInstances) -> Priced:
    """Ask what a launch would cost."""
    rules.client_token(request.client_token)
    price = prices.price_of_launch(cloud, caller, launch_order(request))
    internet = item_price(price.internet, _HOUR if price.internet_by_hour else _GB)
    return Priced(price=Price(instance_price=item_price(price.instances), bandwidth_price=internet))


def inquiry_price_reset_instance(cloud: Cloud, caller: Caller, request: InquiryPriceResetInstance) -> Priced:
    """Ask what an instance would cost once it is reinstalled."""
    order = ResetOrder(
        instance_id=request.instance_id,
        image_id=request.image_id,
        system_disk_gb=request.system_disk.disk_size or None,
        system_disk_type=request.system_disk.disk_type,
        login=login_order(request.login_settings),
        user_data=request.user_data,
    )
    return Priced(price=Price(instance_price=item_price(prices.price_of_reset(cloud, caller, order))))


def item_price(amount: Decimal, unit: str = _HOUR) -> ItemPrice:
    """Return a price as the wire has it."""
    rounded = float(amount.quantize(_PLACES, ROUND_HALF_UP))
    return ItemPrice(unit_price=rounded, unit_price_discount=rounded, charge_unit=unit)


_UNSUPPORTED_IN_RUN: Final[Mapping[str, AsksNothing]] = {
    name: asks_nothing for name, asks_nothing in UNSUPPORTED_IN_RUN.items() if name not in _NOT_ASKED
}

_INVALID_IN_RUN: Final = (
    errors.HostNameInvalid,
    errors.ValueTooLong,
    errors.KeyIdMalformed,
    errors.KeyNotFound,
    errors.VpcIdMalformed,
    errors.VpcNotFound,
    errors.SubnetIdMalformed,
    errors.SubnetNotFound,
    errors.SubnetOfOtherVpc,
    errors.SubnetInOtherZone,
    errors.SubnetFull,
    errors.GroupIdMalformed,
    errors.GroupNotFound,
    errors.GroupsOfInstanceExceeded,
    errors.AddressMalformed,
    errors.AddressOutsidePool,
    errors.AddressTaken,
    errors.PublicAddressWithoutBandwidth,
)
_INVALID_IN_RESET: Final = (
    errors.DiskTooSmall,
    errors.ValueOutOfRange,
    errors.UserDataInvalid,
    errors.PasswordInvalid,
    errors.ParameterConflict,
    errors.KeyIdMalformed,
    errors.KeyNotFound,
    errors.KeyPairOnWindows,
    errors.TooManyValues,
)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="InquiryPriceRunInstances",
        request=InquiryPriceRunInstances,
        handle=inquiry_price_run_instances,
        unsupported=_UNSUPPORTED_IN_RUN,
        codes=codes(
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.InstanceTypeMalformed,
            errors.InstanceTypeNotFound,
            errors.ZoneNotFound,
            errors.ProjectNotFound,
            errors.InvalidValue,
            errors.ValueOutOfRange,
            errors.InstanceNameTooLong,
            errors.ClientTokenTooLong,
            errors.DiskTooSmall,
            errors.SnapshotIdMalformed,
            errors.ImageSnapshotNotFound,
            errors.SnapshotLargerThanDisk,
            errors.TooManyValues,
            errors.ParameterUnsupported,
            errors.TagInvalid,
            errors.LostRace,
            errors.PriceUnknown,
            special={
                errors.AccountInArrears: "InvalidParameterValue.InvalidImageState",
                errors.ZoneSoldOut: "InvalidParameterValue.ZoneNotSupported",
                errors.ImageStateForbids: "InvalidParameterValue.InvalidImageState",
                errors.ArchitectureMismatch: "InvalidParameter.InstanceImageNotSupport",
                errors.SnapshotUnfinished: "InvalidParameter.SnapshotNotFound",
                errors.TagsDuplicate: "InvalidParameterValue.DuplicateTags",
                errors.PasswordInvalid: "InvalidPassword",
                errors.ParameterConflict: "InvalidParameterCombination",
                errors.KeyPairOnWindows: "InvalidParameterCombination",
                errors.CapacityExhausted: "ResourcesSoldOut.SpecifiedInstanceType",
                errors.DiskQuotaExceeded: "ResourcesSoldOut.SpecifiedInstanceType",
                **dict.fromkeys(_INVALID_IN_RUN, "InvalidParameterValue"),
            },
        ),
    ),
    Action(
        name="InquiryPriceResetInstance",
        request=InquiryPriceResetInstance,
        handle=inquiry_price_reset_instance,
        unsupported={
            "SystemDisk.DiskId": is_empty,
            "SystemDisk.CdcId": is_empty,
            "SystemDisk.DiskName": is_empty,
            "SystemDisk.Encrypt": is_empty,
            "SystemDisk.KmsKeyId": is_empty,
            "EnhancedService": is_empty,
            "EnhancedService.SecurityService": is_empty,
            "EnhancedService.SecurityService.Enabled": never_asks,
            "EnhancedService.MonitorService": is_empty,
            "EnhancedService.MonitorService.Enabled": never_asks,
            "EnhancedService.AutomationService": is_empty,
            "EnhancedService.AutomationService.Enabled": never_asks,
        },
        codes=codes(
            errors.InstanceIdMalformed,
            errors.InstanceNotFound,
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.LicenseTypeStays,
            errors.InvalidValue,
            errors.PriceUnknown,
            special={
                errors.ImageStateForbids: "InvalidParameterValue.InvalidImageIdForRetsetInstance",
                errors.ArchitectureMismatch: "InvalidParameterValue.InvalidImageIdForRetsetInstance",
                **dict.fromkeys(_INVALID_IN_RESET, "InvalidParameterValue"),
            },
        ),
    ),
)
