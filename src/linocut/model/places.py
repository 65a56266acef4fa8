"""Regions, zones and instance types that a service offers unless its settings say otherwise.

They are Tencent Cloud's, so that the region and zone checks of real clients pass. Source: the Regions and Zones page of CVM
(names and legacy numbers) and the S5 rows of DescribeInstanceTypeConfigs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from linocut.model.ids import Region, Zone


@dataclass(frozen=True, slots=True)
class RegionInfo:
    """A region: `number` is its legacy number, the first digits of its zones' ids."""

    region: Region
    number: int
    name: str
    name_zh: str
    is_mainland: bool


@dataclass(frozen=True, slots=True)
class ZoneInfo:
    """A zone of a region; a zone that is not available takes no new instances."""

    zone: Zone
    region: Region
    zone_id: str
    name: str
    name_zh: str
    available: bool


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What an instance of this type gets."""

    name: str
    family: str
    vcpus: int
    memory_gb: int


_REGIONS: Final = (
    # region, number, area, area in Chinese, city, city in Chinese, mainland, zones, sold-out zones
    ("ap-guangzhou", 1, "South China", "华南地区", "Guangzhou", "广州", True, (1, 2, 3, 4, 6, 7), (1, 2)),
    ("ap-shanghai", 4, "East China", "华东地区", "Shanghai", "上海", True, (2, 3, 4, 5, 8), ()),
    ("ap-nanjing", 33, "East China", "华东地区", "Nanjing", "南京", True, (1, 2, 3), ()),
    ("ap-beijing", 8, "North China", "华北地区", "Beijing", "北京", True, (1, 3, 4, 5, 6, 7), (1,)),
    ("ap-chengdu", 16, "Southwest China", "西南地区", "Chengdu", "成都", True, (1, 2), ()),
    ("ap-chongqing", 19, "Southwest China", "西南地区", "Chongqing", "重庆", True, (1,), ()),
    ("ap-shenzhen-fsi", 11, "South China", "华南地区", "Shenzhen Finance", "深圳金融", True, (1, 2, 3), ()),
    ("ap-shanghai-fsi", 7, "East China", "华东地区", "Shanghai Finance", "上海金融", True, (2, 3, 4), ()),
    ("ap-hongkong", 5, "Hong Kong/Macao/Taiwan", "港澳台地区", "Hong Kong, China", "中国香港", False, (1, 2, 3), (1,)),
    ("ap-singapore", 9, "Southeast Asia", "亚太东南", "Singapore", "新加坡", False, (1, 2, 3, 4), ()),
    ("ap-jakarta", 72, "Southeast Asia", "亚太东南", "Jakarta", "雅加达", False, (1, 2), ()),
    ("ap-bangkok", 23, "Southeast Asia", "亚太东南", "Bangkok", "曼谷", False, (1, 2), ()),
    ("ap-mumbai", 21, "South Asia", "亚太南部", "Mumbai", "孟买", False, (1, 2), ()),
    ("ap-seoul", 18, "Northeast Asia", "亚太东北", "Seoul", "首尔", False, (1, 2), ()),
    ("ap-tokyo", 25, "Northeast Asia", "亚太东北", "Tokyo", "东京", False, (1, 2), ()),
    ("na-siliconvalley", 15, "Western US", "美国西部", "Silicon Valley", "硅谷", False, (1, 2), ()),
    ("na-ashburn", 22, "Eastern US", "美国东部", "Virginia", "弗吉尼亚", False, (1, 2), ()),
    ("eu-frankfurt", 17, "Europe", "欧洲地区", "Frankfurt", "法兰克福", False, (1, 2), ()),
    ("sa-saopaulo", 74, "South America", "南美地区", "Sao Paulo", "圣保罗", False, (1,), ()),
)

_S5_TYPES: Final = (
    ("S5.SMALL1", 1, 1),
    ("S5.SMALL2", 1, 2),
    ("S5.SMALL4", 1, 4),
    ("S5.MEDIUM2", 2, 2),
    ("S5.MEDIUM4", 2, 4),
    ("S5.MEDIUM8", 2, 8),
    ("S5.LARGE8", 4, 8),
    ("S5.LARGE16", 4, 16),
    ("S5.2XLARGE16", 8, 16),
    ("S5.2XLARGE32", 8, 32),
    ("S5.4XLARGE32", 16, 32),
    ("S5.4XLARGE64", 16, 64),
    ("S5.8XLARGE64", 32, 64),
    ("S5.8XLARGE128", 32, 128),
)

_ZONE_ID_BASES: Final[Mapping[str, int]] = {
    "ap-guangzhou": 100_000,
    "ap-shanghai": 200_000,
    "ap-hongkong": 300_000,
    "ap-shanghai-fsi": 700_000,
    "ap-beijing": 800_000,
    "ap-singapore": 900_000,
}
"""Where a region's zone ids do not begin with its number."""

REGIONS: Final[Mapping[Region, RegionInfo]] = {
    Region(region): RegionInfo(Region(region), number, f"{area} ({city})", f"{area_zh}({city_zh})", is_mainland=mainland)
    for region, number, area, area_zh, city, city_zh, mainland, _, _ in _REGIONS
}

ZONES: Final[Mapping[Zone, ZoneInfo]] = {
    Zone(f"{region}-{zone}"): ZoneInfo(
        Zone(f"{region}-{zone}"),
        Region(region),
        str(_ZONE_ID_BASES.get(region, number * 10_000) + zone),
        f"{city} Zone {zone}",
        f"{city_zh}{'零一二三四五六七八九'[zone]}区",
        available=zone not in sold_out,
    )
    for region, number, _, _, city, city_zh, _, zones, sold_out in _REGIONS
    for zone in zones
}

INSTANCE_TYPES: Final[Mapping[str, InstanceType]] = {
    name: InstanceType(name, name.split(".")[0], vcpus, memory_gb) for name, vcpus, memory_gb in _S5_TYPES
}

DISK_TYPES: Final = frozenset(
    {"LOCAL_BASIC", "LOCAL_SSD", "CLOUD_BASIC", "CLOUD_PREMIUM", "CLOUD_SSD", "CLOUD_BSSD", "CLOUD_HSSD", "CLOUD_TSSD"}
)
"""What disks of instances are named by; all are served alike."""


def may_copy(source: Region, to: Region) -> bool:
    """Tell whether images of one region may be copied to another.

    They may among the regions of mainland China, among those elsewhere, and among those for finance. Source: CVM SyncImages.
    """
    return _area(source) == _area(to)


def _area(region: Region) -> str:
    if region.endswith("-fsi"):
        return "finance"
    return "mainland" if REGIONS[region].is_mainland else "elsewhere"
