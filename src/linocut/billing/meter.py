"""The meter: from what existed when, to what each hour costs.

What is stored counts as it is at the end of an hour, and for all of it; what runs counts by the second. So an hour's charges
follow from the spans that touch it and from the prices of its beginning, and nothing else; and in hours in which nothing begins
or ends they are the same. The meter works out each different hour once, however many are alike.

An account's snapshots of a region are one pile: chunks that several of them share count once, for the oldest. What is free is
taken from the bottom of the pile. What a snapshot costs is what the pile costs with it, less what it costs without those above:
so the snapshots' charges add up to the pile's, to the last place.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from linocut.billing.price_book import PriceBook, PriceMissing
from linocut.model.amounts import Amount, cost, exact_price
from linocut.model.ids import Region, RootDigest, Zone
from linocut.model.places import INSTANCE_TYPES, REGIONS
from linocut.model.usage import (
    SECONDS,
    Charge,
    DiskUse,
    Hour,
    InstanceUse,
    Item,
    Run,
    SnapshotUse,
    Span,
    Usage,
    hour_of,
    next_month,
    second_of,
    start_of,
)

GIB: Final = 1024**3

Weigh = Callable[[tuple[RootDigest, ...]], Sequence[int]]
"""Returns how many bytes each of these trees stores that none before it does."""


class Tariff:
    """What things cost an account in a region: the price book in one currency, each price looked up once."""

    def __init__(self, book: PriceBook, region: Region, currency: str, *, instances: bool = True) -> None:
        """Read prices of a book. Without `instances`, instances and disks cost nothing."""
        self.currency = currency
        self.charges_instances = instances
        self._book = book
        self._region = region
        self._changes = sorted({hour_of(price.since) for price in book.prices})
        self._known: dict[tuple[Item, str, int], Decimal | None] = {}

    def changes(self, first: Hour, until: Hour) -> Iterable[Hour]:
        """Return the hours between these two at which a price changes."""
        return self._changes[bisect_right(self._changes, first) : bisect_right(self._changes, until)]

    def price(self, item: Item, hour: Hour, kind: str = "") -> Decimal | None:
        """Return the price of an hour, None where there is none."""
        key = (item, kind, bisect_right(self._changes, hour))
        if key not in self._known:
            try:
                self._known[key] = self._book.price(item, self._region, start_of(hour), kind, self.currency).amount
            except PriceMissing:
                self._known[key] = None
        return self._known[key]

    def machine(self, hour: Hour, instance_type: str) -> Decimal | None:
        """Return what an instance costs for an hour: by its type, or else by its vCPUs and memory."""
        whole = self.price(Item.INSTANCE, hour, instance_type)
        kind = INSTANCE_TYPES.get(instance_type)
        if whole is not None or kind is None:
            return whole
        vcpu, memory = self.price(Item.VCPU, hour, kind.family), self.price(Item.MEMORY, hour, kind.family)
        return None if vcpu is None or memory is None else kind.vcpus * vcpu + kind.memory_gb * memory

    def free_bytes(self, hour: Hour) -> int:
        """Return how many bytes of snapshots cost nothing."""
        return int((self.price(Item.FREE_SNAPSHOTS, hour) or 0) * GIB)

    def has_licences(self) -> bool:
        """Tell whether licences of Windows are paid for here: outside the Chinese mainland."""
        return not REGIONS[self._region].is_mainland


def meter(spans: Iterable[Span], first: Hour, until: Hour, tariff: Tariff, weigh: Weigh) -> list[Run]:
    """Return what an account is charged in a region for the hours from one up to another, ordered by hour and resource.

    `spans` are all that touch those hours, in any order. No two charges of an hour are alike.
    """
    if first >= until:
        return []
    borders = sorted({*tariff.changes(first, until), *_months(first, until)} - {first, until})
    runs: list[Run] = []
    for begin, end in pairwise([first, *borders, until]):
        runs += _of_snapshots(spans, begin, end, tariff, weigh)
        runs += _of_seconds(spans, begin, end, tariff)
    return sorted(runs, key=lambda run: (run.first, run.charge.usage.resource_id, run.charge.usage.item))


def _months(first: Hour, until: Hour) -> Iterator[Hour]:
    hour = next_month(first)
    while hour < until:
        yield hour
        hour = next_month(hour)


class _Share(NamedTuple):
    """What a snapshot has of its account's pile; a tuple, for a year makes tens of thousands."""

    size: int
    free: int
    amount: Amount


def _of_snapshots(spans: Iterable[Span], first: Hour, until: Hour, tariff: Tariff, weigh: Weigh) -> Iterator[Run]:
    """Yield the runs of snapshots in hours of one month that all have the same prices.

    A snapshot counts in the hours at whose end it exists: from that in which it begins up to that in which it ends.
    """
    lasting: list[tuple[datetime, str, Span, RootDigest]] = []
    comes: dict[Hour, list[tuple[datetime, str, Span, RootDigest]]] = {}
    goes: dict[Hour, set[str]] = {}
    for span in spans:
        if not isinstance(span.use, SnapshotUse):
            continue
        begin = max(first, hour_of(span.began_at))
        end = until if span.ended_at is None else min(until, hour_of(span.ended_at))
        if begin < end:
            comes.setdefault(begin, []).append((span.began_at, span.resource_id, span, span.use.root))
            goes.setdefault(end, set()).add(span.resource_id)
    open_runs: dict[str, tuple[_Share, Hour]] = {}
    zones: dict[str, Zone] = {}
    price = tariff.price(Item.SNAPSHOT, first)

    def run(resource_id: str, share: _Share, begin: Hour, end: Hour) -> Run:
        usage = Usage(Item.SNAPSHOT, "", zones[resource_id], resource_id, share.size, SECONDS)
        return Run(Charge(usage, share.free, price, tariff.currency, share.amount), begin, end - begin)

    for hour in sorted({*comes, *goes}):
        gone = goes.get(hour, set())
        lasting = [each for each in lasting if each[1] not in gone]
        for each in comes.get(hour, ()):
            insort(lasting, each, key=lambda each: each[:2])
            zones[each[1]] = each[2].zone
        shares = dict(zip((each[1] for each in lasting), _pile(lasting, tariff, first, weigh), strict=True))
        for resource_id, (share, begin) in list(open_runs.items()):
            if shares.get(resource_id) != share:
                yield run(resource_id, share, begin, hour)
                del open_runs[resource_id]
        for resource_id, share in shares.items():
            open_runs.setdefault(resource_id, (share, hour))


def _pile(lasting: Sequence[tuple[datetime, str, Span, RootDigest]], tariff: Tariff, hour: Hour, weigh: Weigh) -> list[_Share]:
    """Return what each snapshot has of the pile, from the bottom up."""
    if not lasting:
        return []
    price, free = exact_price(tariff.price(Item.SNAPSHOT, hour) or Decimal()), tariff.free_bytes(hour)
    shares = []
    below = paid_below = 0
    for size in weigh(tuple(root for *_, root in lasting)):
        above = below + size
        paid = cost(price, max(0, above - free), GIB)
        shares.append(_Share(size, max(0, min(above, free) - below), Amount(paid - paid_below)))
        below, paid_below = above, paid
    return shares


def _of_seconds(spans: Iterable[Span], first: Hour, until: Hour, tariff: Tariff) -> Iterator[Run]:
    """Yield the runs of what counts by the second in hours of one month that all have the same prices."""
    parts: dict[tuple[Usage, Hour], int] = {}
    wholes: dict[Usage, list[tuple[Hour, int]]] = {}
    prices: dict[Usage, Decimal | None] = {}
    for span in spans:
        begin = max(first * SECONDS, second_of(span.began_at))
        end = until * SECONDS if span.ended_at is None else min(until * SECONDS, second_of(span.ended_at))
        if isinstance(span.use, SnapshotUse) or begin >= end:
            continue
        for usage, price in _used(span, first, tariff):
            prices[usage] = price
            for hour, hours, seconds in _hours_within(begin, end):
                if seconds == SECONDS:
                    wholes.setdefault(usage, []).append((hour, hours))
                else:
                    parts[usage, hour] = parts.get((usage, hour), 0) + seconds
    for (usage, hour), seconds in parts.items():
        if seconds == SECONDS:
            wholes.setdefault(usage, []).append((hour, 1))
        else:
            yield Run(_charge(usage, seconds, prices[usage], tariff), hour, 1)
    for usage, stretches in wholes.items():
        charge = _charge(usage, SECONDS, prices[usage], tariff)
        yield from (Run(charge, hour, hours) for hour, hours in _joined(stretches))


def _hours_within(begin: int, end: int) -> Iterator[tuple[Hour, int, int]]:
    """Yield the hours that seconds from one up to another lie in: the first, how many are alike, and the seconds in each."""
    hour, last = begin // SECONDS, end // SECONDS
    if hour == last:
        yield Hour(hour), 1, end - begin
        return
    if begin % SECONDS:
        yield Hour(hour), 1, SECONDS - begin % SECONDS
        hour += 1
    if hour < last:
        yield Hour(hour), last - hour, SECONDS
    if end % SECONDS:
        yield Hour(last), 1, end % SECONDS


def _joined(stretches: Iterable[tuple[Hour, int]]) -> Iterator[tuple[Hour, int]]:
    """Yield stretches of hours, those that follow one another as one."""
    begun, hours = None, 0
    for hour, count in sorted(stretches):
        if begun is not None and begun + hours == hour:
            hours += count
            continue
        if begun is not None:
            yield begun, hours
        begun, hours = hour, count
    if begun is not None:
        yield begun, hours


def _charge(usage: Usage, seconds: int, price: Decimal | None, tariff: Tariff) -> Charge:
    amount = cost(exact_price(price or Decimal()), usage.quantity * seconds, SECONDS)
    return Charge(replace(usage, seconds=seconds), 0, price, tariff.currency, amount)


def _used(span: Span, hour: Hour, tariff: Tariff) -> Iterator[tuple[Usage, Decimal | None]]:
    """Yield what a span uses by the second, no seconds said yet, and the price of each in an hour."""

    def usage(item: Item, kind: str, quantity: int) -> Usage:
        return Usage(item, kind, span.zone, span.resource_id, quantity, 0)

    match span.use:
        case DiskUse(disk_type, size_gb) if tariff.charges_instances:
            yield usage(Item.DISK, disk_type, size_gb), tariff.price(Item.DISK, hour, disk_type)
        case InstanceUse(instance_type, vcpus, is_running, windows_of, bandwidth_mbps):
            if tariff.charges_instances:
                yield usage(Item.INSTANCE, instance_type, 1), tariff.machine(hour, instance_type)
                if bandwidth_mbps:
                    yield usage(Item.BANDWIDTH, "", bandwidth_mbps), tariff.price(Item.BANDWIDTH, hour)
            if windows_of is not None and is_running and tariff.has_licences():
                yield usage(Item.WINDOWS, "", vcpus), tariff.price(Item.WINDOWS, hour)
