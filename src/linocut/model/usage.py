"""What is used, for how long, and what it costs.

A span says that a resource was one and the same thing from one moment to another: a snapshot of a tree, a disk of a size, an
instance of a type. Whatever changes about a resource that matters here ends one span and begins the next. Hours are metered from
spans, so an hour may be closed at any time after it has passed.

A charge is what one resource used in one hour and what that cost; a run is the same charge in each of some hours that follow one
another. Hours are counted from 1970, so they follow one another by one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType

from linocut.model.amounts import Amount
from linocut.model.ids import ImageId, Region, RootDigest, Uin, Zone

Hour = NewType("Hour", int)
"""An hour, by how many have passed since 1970 began in UTC."""
Month = NewType("Month", str)
"""A month of a bill, as ``2026-11``."""
ChargeId = NewType("ChargeId", int)

SECONDS: Final = 3600
_BILLS: Final = timezone(timedelta(hours=8))
"""Months of bills begin in Beijing, as those of the official service do."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Item(StrEnum):
    """What has a price, and the unit that it is the price of. Kinds are those that the wire names."""

    SNAPSHOT = "snapshot"
    """A GiB of snapshots for an hour."""
    FREE_SNAPSHOTS = "free-snapshots"
    """No price: how many GiB of snapshots cost nothing in a region."""
    DISK = "disk"
    """A GiB of a disk for an hour; its kind is the disk type."""
    VCPU = "vcpu"
    """A vCPU for an hour; its kind is the instance family."""
    MEMORY = "memory"
    """A GiB of memory for an hour; its kind is the instance family."""
    INSTANCE = "instance"
    """An instance for an hour, in place of its vCPUs and memory; its kind is the instance type."""
    WINDOWS = "windows"
    """The licence of Windows for a vCPU and an hour."""
    BANDWIDTH = "bandwidth"
    """A Mbps towards the internet for an hour."""
    TRAFFIC = "traffic"
    """A GB sent to the internet."""


@dataclass(frozen=True, slots=True)
class SnapshotUse:
    """A snapshot whose content is in its region's store, and the image that it was made for, if for one."""

    root: RootDigest
    of_image: ImageId | None = None


@dataclass(frozen=True, slots=True)
class DiskUse:
    """A disk."""

    disk_type: str
    size_gb: int


@dataclass(frozen=True, slots=True)
class InstanceUse:
    """An instance, running or stopped.

    `windows_of` is the public image of Windows that it descends from, if its licence is the service's. `bandwidth_mbps` is 0
    where its way out is not charged by the hour.
    """

    instance_type: str
    vcpus: int
    is_running: bool
    windows_of: ImageId | None
    bandwidth_mbps: int


Use = SnapshotUse | DiskUse | InstanceUse


@dataclass(frozen=True, slots=True)
class Span:
    """What a resource was from one moment to another, or still is."""

    owner: Uin
    region: Region
    zone: Zone
    resource_id: str
    use: Use
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one resource used in an hour: how much of an item, for how many seconds of it.

    Quantities are bytes of snapshots, GB of disks, vCPUs of licences, Mbps of bandwidth, and 1 of an instance.
    """

    item: Item
    kind: str
    zone: Zone
    resource_id: str
    quantity: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What a usage costs: so much of it is free, and the rest has a price; None where the price book has none."""

    usage: Usage
    free: int
    price: Decimal | None
    currency: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Run:
    """The same charge in each of `hours` hours from `first` on. A run lies in one month."""

    charge: Charge
    first: Hour
    hours: int

    @property
    def until(self) -> Hour:
        """The hour that follows."""
        return Hour(self.first + self.hours)

    @property
    def amount(self) -> Amount:
        """What all of it costs."""
        return Amount(self.charge.amount * self.hours)


@dataclass(frozen=True, slots=True)
class Billed:
    """A run as it stands on an account's bill."""

    charge_id: ChargeId
    account: Uin
    region: Region
    run: Run


@dataclass(frozen=True, slots=True)
class SetPrice:
    """A price that the operator has set: of an item's kind, in some regions or in all, from a moment on."""

    item: Item
    kind: str
    regions: tuple[Region, ...]
    since: datetime
    price: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has left, or owes. Its snapshots and images are isolated since `isolated_at`, if at all."""

    account: Uin
    amount: Amount
    isolated_at: datetime | None = None
    warned_at: datetime | None = None


def second_of(moment: datetime) -> int:
    """Return the second, counted from 1970, that a moment lies in."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def hour_of(moment: datetime) -> Hour:
    """Return the hour that a moment lies in."""
    return Hour(second_of(moment) // SECONDS)


def start_of(hour: Hour) -> datetime:
    """Return when an hour begins."""
    return _EPOCH + timedelta(hours=hour)


def month_of(hour: Hour) -> Month:
    """Return the month of the bill that an hour is on."""
    return Month(start_of(hour).astimezone(_BILLS).strftime("%Y-%m"))


def next_month(hour: Hour) -> Hour:
    """Return the first hour of the month after that of this hour."""
    there = start_of(hour).astimezone(_BILLS)
    first = there.replace(year=there.year + there.month // 12, month=there.month % 12 + 1, day=1, hour=0)
    return hour_of(first)


def hours_of(month: Month) -> tuple[Hour, Hour]:
    """Return the first hour of a month, and the first of the next. Raises ValueError for what is no month."""
    first = hour_of(datetime.strptime(month, "%Y-%m").replace(tzinfo=_BILLS))
    return first, next_month(first)
