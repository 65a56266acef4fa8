"""What bills of the wire have in common: amounts as texts of eight places, months, names of products, and pages."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from linocut.api.cvm.shapes import beijing_time
from linocut.api.failures import Failure
from linocut.billing import PRODUCTS, Product
from linocut.model.amounts import Amount, decimal_of
from linocut.model.ids import Region, Zone
from linocut.model.places import REGIONS, ZONES
from linocut.model.usage import SECONDS, Billed, Hour, Item, start_of

PAY_MODE: Final = "postPay"
PAY_MODE_NAME: Final = "按量计费"
ACTION_TYPE: Final = "postpay_deduct_h"
ACTION_TYPE_NAME: Final = "按量计费小时结"
PROJECT_NAME: Final = "默认项目"
NOTHING: Final = "0.00000000"
GIB: Final = 1024**3

PRODUCT_NAMES: Final[Mapping[Product, str]] = {Product.CVM: "云服务器CVM", Product.CBS: "云硬盘CBS"}
SUBPRODUCTS: Final[Mapping[Item, tuple[str, str]]] = {
    Item.SNAPSHOT: ("sp_cbs_snapshot", "云硬盘-快照"),
    Item.DISK: ("sp_cbs_disk", "云硬盘"),
    Item.INSTANCE: ("sp_cvm_instance", "云服务器"),
    Item.WINDOWS: ("sp_cvm_image", "云服务器-镜像许可"),
    Item.BANDWIDTH: ("sp_cvm_bandwidth", "云服务器-带宽"),
}
COMPONENTS: Final[Mapping[Item, tuple[str, str, str]]] = {
    Item.SNAPSHOT: ("v_cbs_snapshot", "快照容量", "GB"),
    Item.DISK: ("v_cbs_disk", "云盘容量", "GB"),
    Item.INSTANCE: ("v_cvm_instance", "实例", "台"),
    Item.WINDOWS: ("v_cvm_windows", "Windows许可", "核"),
    Item.BANDWIDTH: ("v_cvm_bandwidth", "公网带宽", "Mbps"),
}


def text(amount: Amount) -> str:
    """Return an amount as bills write it."""
    return f"{decimal_of(amount):f}"


def ratio(part: Amount, whole: Amount) -> str:
    """Return what share of a whole a part is, in per cent of two places."""
    return f"{(Decimal(part * 100) / whole if whole else Decimal()):.2f}"


def product_of(billed: Billed) -> Product:
    """Return what a charge is for."""
    return PRODUCTS[billed.run.charge.usage.item]


def region_number(region: Region) -> int:
    """Return a region's legacy number."""
    return REGIONS[region].number


def region_name(region: Region) -> str:
    """Return a region's name."""
    return REGIONS[region].name_zh


def zone_name(zone: Zone) -> str:
    """Return a zone's name, empty for what is in no zone."""
    return ZONES[zone].name_zh if zone in ZONES else ""


def plain_time(hour: Hour) -> str:
    """Return the beginning of an hour as bills write times: in Beijing, without a zone."""
    return beijing_time(start_of(hour))


def quantity(billed: Billed) -> Decimal:
    """Return how much was used in each hour, in the item's unit."""
    usage = billed.run.charge.usage
    return Decimal(usage.quantity) / GIB if usage.item is Item.SNAPSHOT else Decimal(usage.quantity)


def free_quantity(billed: Billed) -> Decimal:
    """Return how much of it was free."""
    return Decimal(billed.run.charge.free) / GIB


def duration_h(billed: Billed) -> Decimal:
    """Return for how many hours it was used in all."""
    return Decimal(billed.run.charge.usage.seconds * billed.run.hours) / SECONDS


def same_month(begin: str, end: str) -> str:
    """Return the month that two moments or months of a request lie in. Raises Failure InvalidParameter."""
    if begin[:7] != end[:7]:
        raise Failure("InvalidParameter", "BeginTime and EndTime are to lie in the same month.")
    return begin[:7]
