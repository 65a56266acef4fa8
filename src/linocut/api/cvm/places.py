"""Regions, zones and instance types.

Source: CVM DescribeRegions, DescribeZones, DescribeInstanceTypeConfigs, DescribeZoneInstanceConfigInfos.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, UnsetType, field

from linocut.api.codes import codes
from linocut.api.cvm.prices import ItemPrice, item_price
from linocut.api.cvm.shapes import Filter, filters_by_name, speaks_chinese
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import places
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.prices import prices_of_types
from linocut.model import errors

_CHARGE_TYPE: Final = "POSTPAID_BY_HOUR"
_FILTERS: Final = 10
_VALUES: Final = 100
_SORTABLE: Final = ("cpu", "memory")


class Nothing(Shape):
    """A request without parameters."""


class RegionInfo(Shape):
    """A region."""

    region: str
    region_name: str
    region_state: str


class Regions(Answer):
    """The answer of DescribeRegions."""

    total_count: int
    region_set: list[RegionInfo]


class ZoneInfo(Shape):
    """A zone."""

    zone: str
    zone_name: str
    zone_id: str
    zone_state: str


class Zones(Answer):
    """The answer of DescribeZones."""

    total_count: int
    zone_set: list[ZoneInfo]


class FiltersRequest(Shape):
    """A request with nothing but filters."""

    filters: tuple[Filter, ...] = ()


class InstanceTypeConfig(Shape):
    """An instance type in a zone."""

    zone: str
    instance_type: str
    instance_family: str
    cpu: int = field(name="CPU")
    memory: int
    gpu: int = field(name="GPU", default=0)
    fpga: int = field(name="FPGA", default=0)
    gpu_count: float = 0.0


class InstanceTypeConfigs(Answer):
    """The answer of DescribeInstanceTypeConfigs."""

    instance_type_config_set: list[InstanceTypeConfig]


class LocalDiskType(Shape):
    """A kind of local disk; no type has any."""


class InstanceTypeQuotaItem(Shape):
    """An instance type in a zone, as something to buy."""

    zone: str
    instance_type: str
    instance_family: str
    instance_charge_type: str
    type_name: str
    cpu: int
    memory: int
    status: str = "SELL"
    status_category: str = "EnoughStock"
    network_card: int = 0
    gpu: int = 0
    fpga: int = 0
    gpu_count: float = 0.0
    storage_block_amount: int = 0
    local_disk_type_list: tuple[LocalDiskType, ...] = ()
    sold_out_reason: str = ""
    remark: str = ""
    price: ItemPrice | UnsetType = UNSET


class InstanceTypeQuotas(Answer):
    """The answer of DescribeZoneInstanceConfigInfos."""

    instance_type_quota_set: list[InstanceTypeQuotaItem]


def describe_regions(cloud: Cloud, caller: Caller, _request: Nothing) -> Regions:
    """List every region."""
    chinese = speaks_chinese(caller)
    regions = [
        RegionInfo(region=info.region, region_name=info.name_zh if chinese else info.name, region_state="AVAILABLE")
        for info in places.list_regions(cloud)
    ]
    return Regions(total_count=len(regions), region_set=regions)


def describe_zones(cloud: Cloud, caller: Caller, _request: Nothing) -> Zones:
    """List the zones of the region."""
    chinese = speaks_chinese(caller)
    zones = [
        ZoneInfo(
            zone=info.zone,
            zone_name=info.name_zh if chinese else info.name,
            zone_id=info.zone_id,
            zone_state="AVAILABLE" if info.available else "UNAVAILABLE",
        )
        for info in places.list_zones(cloud, caller)
    ]
    return Zones(total_count=len(zones), zone_set=zones)


def describe_instance_type_configs(cloud: Cloud, caller: Caller, request: FiltersRequest) -> InstanceTypeConfigs:
    """List the instance types of the region's zones."""
    filters = _known_filters(request, "zone", "instance-family", "instance-type")
    return InstanceTypeConfigs(
        instance_type_config_set=[
            InstanceTypeConfig(
                zone=info.zone,
                instance_type=info.instance_type,
                instance_family=info.family,
                cpu=info.vcpus,
                memory=info.memory_gb,
            )
            for info in _types(cloud, caller, filters)
        ]
    )


def describe_zone_instance_config_infos(cloud: Cloud, caller: Caller, request: FiltersRequest) -> InstanceTypeQuotas:
    """List the instance types of the region's zones with what a buyer asks; they are billed by the hour only."""
    filters = _known_filters(request, "zone", "instance-family", "instance-type", "instance-charge-type", "sort-keys")
    charge_types = filters.get("instance-charge-type", ())
    types = _types(cloud, caller, filters) if not charge_types or _CHARGE_TYPE in charge_types else ()
    prices = prices_of_types(cloud, caller, (info.instance_type for info in types))
    items = [
        InstanceTypeQuotaItem(
            zone=info.zone,
            instance_type=info.instance_type,
            instance_family=info.family,
            instance_charge_type=_CHARGE_TYPE,
            type_name=f"Standard {info.family}",
            cpu=info.vcpus,
            memory=info.memory_gb,
            price=item_price(prices[info.instance_type]) if info.instance_type in prices else UNSET,
        )
        for info in types
    ]
    for sort_key in reversed(filters.get("sort-keys", ())):
        _sort(items, sort_key)
    return InstanceTypeQuotas(instance_type_quota_set=items)


def _types(cloud: Cloud, caller: Caller, filters: Mapping[str, tuple[str, ...]]) -> tuple[places.InstanceTypeInfo, ...]:
    return places.instance_types(
        cloud, caller, filters.get("zone", ()), filters.get("instance-family", ()), filters.get("instance-type", ())
    )


def _known_filters(request: FiltersRequest, *known: str) -> dict[str, tuple[str, ...]]:
    filters = filters_by_name(request.filters)
    if len(filters) > _FILTERS or any(len(values) > _VALUES for values in filters.values()):
        raise errors.TooManyFilterValues(f"Filters takes up to {_FILTERS} filters of {_VALUES} values.")
    for name in filters:
        if name not in known:
            raise errors.FilterUnknown(f"There is no filter {name}; there are {', '.join(known)}.")
    return filters


def _sort(items: list[InstanceTypeQuotaItem], sort_key: str) -> None:
    attribute, _, direction = sort_key.partition(":")
    if attribute not in _SORTABLE or direction not in {"", "asc", "desc"}:
        raise errors.InvalidValue("The filter sort-keys takes cpu or memory, and :asc or :desc after it.")
    items.sort(key=lambda item: int(getattr(item, attribute)), reverse=direction == "desc")


_FILTER_CODES: Final = codes(errors.FilterUnknown, errors.TooManyFilterValues, errors.InvalidValue)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(name="DescribeRegions", request=Nothing, handle=describe_regions, needs_region=False),
    Action(name="DescribeZones", request=Nothing, handle=describe_zones),
    Action(
        name="DescribeInstanceTypeConfigs", request=FiltersRequest, handle=describe_instance_type_configs, codes=_FILTER_CODES
    ),
    Action(
        name="DescribeZoneInstanceConfigInfos",
        request=FiltersRequest,
        handle=describe_zone_instance_config_infos,
        codes=_FILTER_CODES,
    ),
)
