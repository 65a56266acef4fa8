"""What disks may be had, what they cost by the hour, and how many an instance has.

Source: CBS DescribeDiskConfigQuota, InquiryPriceCreateDisks, InquiryPriceResizeDisk, DescribeInstancesDiskNum.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from linocut.billing import Item, Tariff
from linocut.cloud import places
from linocut.cloud.attaching import OF_AN_INSTANCE
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.disks import owned_disks
from linocut.cloud.instances import owned_instances
from linocut.cloud.new_disks import POSTPAID, TYPES, check_charge_type
from linocut.cloud.ordered_disks import DATA_STEP_GB, LARGEST_DATA_GB, LARGEST_SYSTEM_GB, check_data_size
from linocut.cloud.price_books import current_prices
from linocut.cloud.resizing import check_growth
from linocut.model import errors
from linocut.model.ids import InstanceId, Zone
from linocut.model.places import INSTANCE_TYPES, InstanceType
from linocut.model.records import DiskUsage
from linocut.model.usage import hour_of

__all__ = ["DiskOffer", "OffersAsked", "disk_counts", "list_offers", "price_of_disks", "price_of_growth"]

_SMALLEST_SYSTEM_GB: Final = 20
_SYSTEM_STEP_GB: Final = 1
_COUNT: Final = 50


@dataclass(frozen=True, slots=True)
class OffersAsked:
    """Which disks to tell of, each with a type of instance or by itself; what is empty or None does not restrict."""

    with_instances: bool
    charge_type: str = ""
    disk_types: tuple[str, ...] = ()
    usage: str = ""
    zones: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    vcpus: int | None = None
    memory_gb: int | None = None


@dataclass(frozen=True, slots=True)
class DiskOffer:
    """Disks that may be had in a zone, with a type of instance or without one; the price is that of the smallest for an hour."""

    zone: Zone
    available: bool
    disk_type: str
    usage: DiskUsage
    least_gb: int
    most_gb: int
    step_gb: int
    price: Decimal | None
    instance_type: InstanceType | None


def list_offers(cloud: Cloud, caller: Caller, asked: OffersAsked) -> tuple[DiskOffer, ...]:
    """Return what disks the caller's region has. Raises InvalidValue, ZoneNotFound. Source: CBS DescribeDiskConfigQuota."""
    if asked.usage not in {"", *DiskUsage}:
        raise errors.InvalidValue(f"DiskUsage takes {', '.join(DiskUsage)}.")
    if asked.charge_type not in {"", POSTPAID}:
        return ()
    zones = [places.find_zone(caller, zone) for zone in asked.zones] or places.list_zones(cloud, caller)
    prices = _Prices(cloud, caller)
    return tuple(
        DiskOffer(zone.zone, zone.available, disk_type, usage, *_sizes(usage), _of_smallest(prices, disk_type, usage), kind)
        for zone in zones
        for kind in _instance_types(asked)
        for disk_type in TYPES
        if not asked.disk_types or disk_type in asked.disk_types
        for usage in DiskUsage
        if asked.usage in {"", usage}
    )


def price_of_disks(
    cloud: Cloud,
    caller: Caller,
    disk_type: str,
    size_gb: int,
    *,
    count: int = 1,
    charge_type: str = POSTPAID,
    project_id: int = 0,
) -> Decimal:
    """Return what so many new disks would cost for an hour.

    Raises InvalidValue, ValueOutOfRange, ParameterUnsupported, ProjectNotFound, PriceUnknown.
    Source: CBS InquiryPriceCreateDisks.
    """
    if disk_type not in TYPES:
        raise errors.InvalidValue(f"DiskType takes {', '.join(TYPES)}.")
    check_charge_type(charge_type)
    if project_id != 0:
        raise errors.ProjectNotFound(f"There is no project {project_id}.")
    if not 1 <= count <= _COUNT:
        raise errors.ValueOutOfRange(f"DiskCount takes 1 to {_COUNT}.")
    check_data_size(size_gb)
    return count * size_gb * _Prices(cloud, caller).of(disk_type)


def price_of_growth(cloud: Cloud, caller: Caller, disk_ids: Sequence[str], size_gb: int) -> Decimal:
    """Return what disks would cost for an hour, together, once each is so large.

    Raises ParameterMissing, TooManyValues, InvalidValue, DiskNotFound, DiskUnsuitable, DiskTooSmall, ValueOutOfRange,
    PriceUnknown. Source: CBS InquiryPriceResizeDisk.
    """
    with cloud.catalog.read() as tx:
        disks = owned_disks(tx, caller, disk_ids, most=_COUNT, hold=False)
    for disk in disks:
        check_growth(disk, size_gb)
    prices = _Prices(cloud, caller)
    return sum((size_gb * prices.of(disk.disk_type) for disk in disks), Decimal())


def disk_counts(cloud: Cloud, caller: Caller, instance_ids: Sequence[str]) -> tuple[tuple[InstanceId, int, int], ...]:
    """Return of each instance how many data disks it has, and may have.

    Raises ParameterMissing, TooManyValues, InstanceIdMalformed, InstanceNotFound. Source: CBS DescribeInstancesDiskNum.
    """
    with cloud.catalog.read() as tx:
        instances = owned_instances(tx, caller, instance_ids)
        disks = tx.disks.of([instance.instance_id for instance in instances])
    return tuple(
        (instance_id, sum(disk.usage is DiskUsage.DATA_DISK for disk in present), OF_AN_INSTANCE)
        for instance_id, present in disks.items()
    )


class _Prices:
    """What a GB of a disk costs now, by the prices by which hours are charged."""

    def __init__(self, cloud: Cloud, caller: Caller) -> None:
        self._tariff = Tariff(current_prices(cloud), caller.region, caller.account.currency)
        self._hour = hour_of(cloud.now())

    def of(self, disk_type: str) -> Decimal:
        """Return the price. Raises PriceUnknown."""
        price = self._tariff.price(Item.DISK, self._hour, disk_type)
        if price is None:
            raise errors.PriceUnknown(f"The price book has no price for disks of {disk_type}.")
        return price


def _instance_types(asked: OffersAsked) -> Iterator[InstanceType | None]:
    if not asked.with_instances:
        yield None
        return
    for kind in INSTANCE_TYPES.values():
        if asked.families and kind.family not in asked.families:
            continue
        if asked.vcpus in {None, kind.vcpus} and asked.memory_gb in {None, kind.memory_gb}:
            yield kind


def _sizes(usage: DiskUsage) -> tuple[int, int, int]:
    """Return the least, the most and the step, in GB."""
    if usage is DiskUsage.SYSTEM_DISK:
        return _SMALLEST_SYSTEM_GB, LARGEST_SYSTEM_GB, _SYSTEM_STEP_GB
    return DATA_STEP_GB, LARGEST_DATA_GB, DATA_STEP_GB


def _of_smallest(prices: _Prices, disk_type: str, usage: DiskUsage) -> Decimal | None:
    try:
        return _sizes(usage)[0] * prices.of(disk_type)
    except errors.PriceUnknown:
        return None
