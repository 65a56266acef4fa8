"""What disks may be had, and what they cost.

Source: CBS DescribeDiskConfigQuota, DescribeInstancesDiskNum, InquiryPriceCreateDisks, InquiryPriceResizeDisk. Prices are sums of
decimals; here, at the very edge, each is rounded half up to six places.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from msgspec import field

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int, is_empty
from linocut.api.table import Action
from linocut.cloud import disk_offers
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disk_offers import DiskOffer, OffersAsked
from linocut.model import errors

_ALONE: Final = "INQUIRY_CBS_CONFIG"
_WITH_INSTANCES: Final = "INQUIRY_CVM_CONFIG"
_POSTPAID: Final = "POSTPAID_BY_HOUR"
_PLACES: Final = Decimal("0.000001")
_HOUR: Final = "HOUR"


class DescribeDiskConfigQuota(Shape):
    """Which disks to tell of."""

    inquiry_type: str
    disk_charge_type: str = ""
    instance_families: tuple[str, ...] = ()
    disk_types: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    memory: Int | None = None
    disk_usage: str = ""
    cpu: Int | None = field(name="CPU", default=None)


class DescribeInstancesDiskNum(Shape):
    """Which instances."""

    instance_ids: Ids


class InquiryPriceCreateDisks(Shape):
    """The disks whose price is asked for."""

    disk_charge_type: str
    disk_type: str
    disk_size: Int
    project_id: Int = 0
    disk_count: Int = 1


class InquiryPriceResizeDisk(Shape):
    """The disks, and the size whose price is asked for."""

    disk_size: Int
    disk_id: str = ""
    project_id: Int = 0
    disk_ids: tuple[str, ...] = ()


class Price(Shape):
    """What disks cost for an hour; nothing is reduced, and nothing prepaid."""

    unit_price: float | None
    unit_price_discount: float | None
    unit_price_high: str | None
    unit_price_discount_high: str | None
    charge_unit: str = _HOUR
    original_price: float | None = None
    original_price_high: str | None = None
    discount_price: float | None = None
    discount_price_high: str | None = None


class DetailPrice(Price):
    """What one part of a price is for."""

    price_title: str = "云硬盘空间"
    price_name: str = "DiskSpace"


class PriceInDetail(Price, kw_only=True):
    """The same with its parts, of which there is one: the space."""

    detail_prices: list[DetailPrice]


class DiskConfig(Shape):
    """Disks that may be had."""

    available: bool
    disk_charge_type: str
    zone: str
    instance_family: str | None
    disk_type: str
    step_size: int
    device_class: str | None
    disk_usage: str
    min_disk_size: int
    max_disk_size: int
    price: Price
    extra_performance_range: list[int] | None = None


class DiskConfigs(Answer):
    """The answer of DescribeDiskConfigQuota."""

    disk_config_set: list[DiskConfig]


class AttachDetail(Shape):
    """How many data disks an instance has, and may have."""

    instance_id: str
    attached_disk_count: int
    max_attach_count: int


class AttachDetails(Answer):
    """The answer of DescribeInstancesDiskNum."""

    attach_detail: list[AttachDetail]


class DisksPriced(Answer):
    """The answer of InquiryPriceCreateDisks."""

    disk_price: Price


class GrowthPriced(Answer):
    """The answer of InquiryPriceResizeDisk."""

    disk_price: PriceInDetail


def describe_disk_config_quota(cloud: Cloud, caller: Caller, request: DescribeDiskConfigQuota) -> DiskConfigs:
    """Tell what disks may be had."""
    if request.inquiry_type not in {_ALONE, _WITH_INSTANCES}:
        raise errors.InvalidValue(f"InquiryType takes {_ALONE} and {_WITH_INSTANCES}.")
    asked = OffersAsked(
        with_instances=request.inquiry_type == _WITH_INSTANCES,
        charge_type=request.disk_charge_type,
        disk_types=request.disk_types,
        usage=request.disk_usage,
        zones=request.zones,
        families=request.instance_families,
        vcpus=request.cpu,
        memory_gb=request.memory,
    )
    return DiskConfigs(disk_config_set=[_config(offer) for offer in disk_offers.list_offers(cloud, caller, asked)])


def describe_instances_disk_num(cloud: Cloud, caller: Caller, request: DescribeInstancesDiskNum) -> AttachDetails:
    """Tell how many data disks instances have."""
    return AttachDetails(
        attach_detail=[
            AttachDetail(instance_id=instance_id, attached_disk_count=present, max_attach_count=most)
            for instance_id, present, most in disk_offers.disk_counts(cloud, caller, request.instance_ids)
        ]
    )


def inquiry_price_create_disks(cloud: Cloud, caller: Caller, request: InquiryPriceCreateDisks) -> DisksPriced:
    """Ask what new disks would cost."""
    amount = disk_offers.price_of_disks(
        cloud,
        caller,
        request.disk_type,
        request.disk_size,
        count=request.disk_count,
        charge_type=request.disk_charge_type,
        project_id=request.project_id,
    )
    return DisksPriced(disk_price=Price(**_amounts(amount)))


def inquiry_price_resize_disk(cloud: Cloud, caller: Caller, request: InquiryPriceResizeDisk) -> GrowthPriced:
    """Ask what disks would cost once they are larger."""
    if request.disk_id and request.disk_ids:
        raise errors.InvalidValue("DiskId and DiskIds exclude each other.")
    ids = [request.disk_id] if request.disk_id else list(request.disk_ids)
    amount = disk_offers.price_of_growth(cloud, caller, ids, request.disk_size)
    space = _amounts(amount)
    return GrowthPriced(disk_price=PriceInDetail(detail_prices=[DetailPrice(**space)], **space))


def _config(offer: DiskOffer) -> DiskConfig:
    kind = offer.instance_type
    return DiskConfig(
        available=offer.available,
        disk_charge_type=_POSTPAID,
        zone=offer.zone,
        instance_family=None if kind is None else kind.family,
        disk_type=offer.disk_type,
        step_size=offer.step_gb,
        device_class=None if kind is None else kind.name,
        disk_usage=offer.usage,
        min_disk_size=offer.least_gb,
        max_disk_size=offer.most_gb,
        price=Price(**_amounts(offer.price)),
    )


def _amounts(amount: Decimal | None) -> dict[str, Any]:
    """Return the fields of a price, None each where there is none."""
    rounded = None if amount is None else amount.quantize(_PLACES, ROUND_HALF_UP)
    value, text = (None, None) if rounded is None else (float(rounded), f"{rounded:f}")
    return {
        "unit_price": value,
        "unit_price_discount": value,
        "unit_price_high": text,
        "unit_price_discount_high": text,
    }


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeDiskConfigQuota",
        request=DescribeDiskConfigQuota,
        handle=describe_disk_config_quota,
        unsupported={"DedicatedClusterId": is_empty},
        codes=codes(errors.InvalidValue, special={errors.ZoneNotFound: "InvalidParameterValue"}),
    ),
    Action(
        name="DescribeInstancesDiskNum",
        request=DescribeInstancesDiskNum,
        handle=describe_instances_disk_num,
        codes=codes(
            errors.ParameterMissing,
            special={
                errors.InstanceIdMalformed: "InvalidParameterValue",
                errors.InstanceNotFound: "InvalidParameterValue",
                errors.TooManyValues: "InvalidParameterValue",
            },
        ),
    ),
    Action(
        name="InquiryPriceCreateDisks",
        request=InquiryPriceCreateDisks,
        handle=inquiry_price_create_disks,
        unsupported={"ThroughputPerformance": is_empty, "DiskChargePrepaid": is_empty, "DiskBackupQuota": is_empty},
        codes=codes(
            errors.InvalidValue,
            errors.ParameterUnsupported,
            special={
                errors.ValueOutOfRange: "InvalidParameterValue",
                errors.ProjectNotFound: "InvalidParameterValue",
                errors.PriceUnknown: "InvalidParameterValue",
            },
        ),
    ),
    Action(
        name="InquiryPriceResizeDisk",
        request=InquiryPriceResizeDisk,
        handle=inquiry_price_resize_disk,
        codes=codes(
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.DiskNotFound,
            errors.DiskUnsuitable,
            special={
                errors.TooManyValues: "InvalidParameterValue",
                errors.DiskTooSmall: "InvalidParameterValue",
                errors.ValueOutOfRange: "InvalidParameterValue",
                errors.PriceUnknown: "InvalidParameterValue",
            },
        ),
    ),
)
