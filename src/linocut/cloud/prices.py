"""What instances cost by the hour, from the price book: the machine, its disks, the licence of Windows, and what it sends.

Sums are exact; whoever shows one rounds it. Nothing here is charged: the prices of a launch are those that it would have now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from linocut.billing import Item, PriceMissing, Tariff
from linocut.cloud import places
from linocut.cloud.arrivals import require_launchable
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import visible_image
from linocut.cloud.launches import RunOrder, run_instances
from linocut.cloud.logins import check_login
from linocut.cloud.ordered_disks import SystemDiskOrder, check_system_size, plan_disks, require_runnable
from linocut.cloud.price_books import current_prices
from linocut.cloud.reinstalling import ResetOrder
from linocut.model import errors, rules
from linocut.model.ids import InstanceId, is_id
from linocut.model.places import INSTANCE_TYPES, InstanceType
from linocut.model.records import DiskUsage, Image
from linocut.model.usage import Hour, hour_of

__all__ = ["LaunchPrice", "price_of_launch", "price_of_reset", "prices_of_types"]

_BY_TRAFFIC = "TRAFFIC_POSTPAID_BY_HOUR"


@dataclass(frozen=True, slots=True)
class LaunchPrice:
    """What a launch costs: its instances by the hour, and their way out, by the hour or else by the GB that is sent."""

    instances: Decimal
    internet: Decimal
    internet_by_hour: bool


def prices_of_types(cloud: Cloud, caller: Caller, kinds: Iterable[str]) -> Mapping[str, Decimal]:
    """Return what instances of types cost for an hour, without disks; those that the price book does not know are absent."""
    prices = _prices(cloud, caller)
    found = {kind: prices.tariff.machine(prices.hour, kind) for kind in set(kinds)}
    return {kind: price for kind, price in found.items() if price is not None}


def price_of_launch(cloud: Cloud, caller: Caller, order: RunOrder) -> LaunchPrice:
    """Return what the instances of an order would cost; the order is checked as a launch is, and nothing is started.

    Raises what run_instances raises, and PriceUnknown. Source: CVM InquiryPriceRunInstances.
    """
    run_instances(cloud, caller, replace(order, client_token="", dry_run=True))
    system = SystemDiskOrder(order.system_disk_gb, order.system_disk_type, order.system_disk_name)
    with cloud.catalog.begin() as tx:
        image = visible_image(tx, caller, order.image_id)
        disks = [(disk.disk_type, disk.size_gb) for disk in plan_disks(tx, caller, image, system, order.data_disks)]
    try:
        prices = _prices(cloud, caller)
        one = _instance(prices, places.find_instance_type(order.instance_type), image, disks)
        return LaunchPrice(order.count * one, *_internet(prices, order))
    except PriceMissing as error:
        raise errors.PriceUnknown("The price book has no price for this order.", detail=str(error)) from error


def price_of_reset(cloud: Cloud, caller: Caller, order: ResetOrder) -> Decimal:
    """Return what an instance would cost for an hour after it has been reinstalled.

    Raises InstanceIdMalformed, InstanceNotFound, ImageIdMalformed, ImageNotFound, ImageStateForbids, ArchitectureMismatch,
    LicenseTypeStays, DiskTooSmall, ValueOutOfRange, UserDataInvalid, what check_login raises, and PriceUnknown.
    Source: CVM InquiryPriceResetInstance.
    """
    rules.user_data(order.user_data or "")
    if not is_id("ins", order.instance_id):
        raise errors.InstanceIdMalformed(f"{order.instance_id!r} is no instance id.")
    with cloud.catalog.begin() as tx:
        found = tx.instances.owned(caller.account.uin, caller.region, [InstanceId(order.instance_id)])
        if not found:
            raise errors.InstanceNotFound(f"There is no instance {order.instance_id}.")
        instance = found[0]
        image = visible_image(tx, caller, order.image_id or instance.image_id)
        require_launchable(cloud, tx, image)
        require_runnable(image)
        before = tx.images.find(instance.image_id)
        if before is not None and before.license_type != image.license_type:
            raise errors.LicenseTypeStays(f"Image {image.image_id} has the licence type {image.license_type}.")
        check_login(tx, caller, order.login, image)
        kept = tx.disks.of([instance.instance_id])[instance.instance_id]
    disks = []
    for disk in kept:
        size_gb = disk.size_gb
        if disk.usage is DiskUsage.SYSTEM_DISK and order.system_disk_gb is not None:
            size_gb = check_system_size(order.system_disk_gb, image)
            if size_gb < disk.size_gb:
                raise errors.DiskTooSmall(f"SystemDisk.DiskSize is below the {disk.size_gb} GB that the disk has.")
        disks.append((disk.disk_type, size_gb))
    try:
        return _instance(_prices(cloud, caller), INSTANCE_TYPES[instance.instance_type], image, disks)
    except PriceMissing as error:
        raise errors.PriceUnknown("The price book has no price for this instance.", detail=str(error)) from error


@dataclass(frozen=True, slots=True)
class _Prices:
    """What things cost now: the prices by which hours are charged."""

    tariff: Tariff
    hour: Hour

    def of(self, item: Item, kind: str = "") -> Decimal:
        """Return a price. Raises PriceMissing."""
        return _known(self.tariff.price(item, self.hour, kind), f"{item} {kind}".strip())


def _prices(cloud: Cloud, caller: Caller) -> _Prices:
    return _Prices(Tariff(current_prices(cloud), caller.region, caller.account.currency), hour_of(cloud.now()))


def _known(price: Decimal | None, what: str) -> Decimal:
    if price is None:
        raise PriceMissing(f"no price of {what}")
    return price


def _instance(prices: _Prices, kind: InstanceType, image: Image, disks: Iterable[tuple[str, int]]) -> Decimal:
    """Return what an instance with its disks (type, GB) costs for an hour."""
    storage = sum((size_gb * prices.of(Item.DISK, disk_type) for disk_type, size_gb in disks), Decimal())
    licensed = image.windows_licence is not None and prices.tariff.has_licences()
    licence = kind.vcpus * prices.of(Item.WINDOWS) if licensed else Decimal()
    return _known(prices.tariff.machine(prices.hour, kind.name), kind.name) + storage + licence


def _internet(prices: _Prices, order: RunOrder) -> tuple[Decimal, bool]:
    """Return what the way out costs, and whether that is by the hour."""
    network = order.network
    by_traffic = (network.charge_type or _BY_TRAFFIC) == _BY_TRAFFIC
    if network.bandwidth_mbps == 0:
        return Decimal(), not by_traffic
    if by_traffic:
        return prices.of(Item.TRAFFIC), False
    return order.count * network.bandwidth_mbps * prices.of(Item.BANDWIDTH), True
