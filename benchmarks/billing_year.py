"""How long it takes to close every hour of a year for many accounts: `billing_year.py [ACCOUNTS]`.

Each account has instances that stop and start, disks that grow, and snapshots that come every day and go after two weeks. The
year is closed once in one go, as after a long downtime, and a part of it hour by hour, as in daily life: both must come to the
same charges. Memory is what the process has at the end of each tenth of the accounts: it must not grow.
"""

import random
import resource
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from linocut.billing import GIB, PriceBook, Tariff, meter
from linocut.model.ids import ImageId, Region, RootDigest, Uin, Zone
from linocut.model.usage import DiskUse, Hour, InstanceUse, Run, SnapshotUse, Span, Use, hours_of, start_of

_REGIONS = (Region("ap-guangzhou"), Region("ap-hongkong"), Region("ap-singapore"))
_YEAR = 365 * 24
_BY_THE_HOUR = 24
"""Every so many-th account is closed hour by hour, too."""


def main() -> None:
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first, _ = hours_of("2026-01")  # type: ignore[arg-type]
    begun = time.perf_counter()
    closed = runs = spent = 0
    by_hour_s = by_hour = 0.0
    print(f"{'accounts':>8}  {'account-hours':>13}  {'runs kept':>9}  {'seconds':>8}  {'memory MiB':>10}")
    for number in range(accounts):
        region = _REGIONS[number % len(_REGIONS)]
        spans = _life(random.Random(number), region, first)  # noqa: S311  the same lives each time
        tariff = Tariff(_BOOK, region, "CNY")
        kept = meter(spans, first, Hour(first + _YEAR), tariff, _weigh)
        closed, runs, spent = closed + _YEAR, runs + len(kept), spent + sum(run.amount for run in kept)
        if number % _BY_THE_HOUR == 0:
            before = time.perf_counter()
            _check(kept, _one_by_one(spans, first, tariff))
            by_hour_s, by_hour = by_hour_s + time.perf_counter() - before, by_hour + 24 * 7
        if (number + 1) % max(1, accounts // 10) == 0:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            taken = time.perf_counter() - begun - by_hour_s
            print(f"{number + 1:>8}  {closed:>13,}  {runs:>9,}  {taken:>8.1f}  {memory:>10.0f}")
    taken = time.perf_counter() - begun - by_hour_s
    print(
        f"in one go: {taken:.1f} s, {closed / taken:,.0f} account-hours a second; {runs / closed:.4f} runs for each account-hour"
    )
    print(f"hour by hour: {by_hour / by_hour_s:,.0f} account-hours a second; {spent / 10**8:,.2f} CNY charged in all")


_BOOK = PriceBook.shipped()


def _life(dice: random.Random, region: Region, first: Hour) -> list[Span]:
    """Return a year of an account."""
    end_s = _YEAR * 3600
    spans = []
    windows = ImageId("img-00000001") if dice.random() < 0.2 else None
    for number in range(dice.randint(1, 4)):
        at = dice.uniform(0, end_s / 4)
        running = True
        disk_at, size_gb = at, 50
        while at < end_s:
            until = at + dice.expovariate(1 / (30 * 86400))
            use = InstanceUse("S5.MEDIUM4", 2, is_running=running, windows_of=windows, bandwidth_mbps=0)
            spans.append(_span(region, first, f"ins-{number}", use, at, until if until < end_s else None))
            at, running = until, not running
        for _ in range(3):
            until = disk_at + dice.expovariate(1 / (120 * 86400))
            spans.append(_span(region, first, f"disk-{number}", DiskUse("CLOUD_PREMIUM", size_gb), disk_at, until))
            disk_at, size_gb = until, size_gb * 2
    for day in range(365):
        at = day * 86400 + dice.uniform(0, 86400)
        spans.append(_span(region, first, f"snap-{day}", SnapshotUse(RootDigest(f"{day}")), at, at + 14 * 86400))
    return spans


def _span(region: Region, first: Hour, resource_id: str, use: Use, begin_s: float, end_s: float | None) -> Span:
    begin = start_of(first)
    ended = None if end_s is None else begin + timedelta(seconds=end_s)
    return Span(Uin("1"), region, Zone(""), resource_id, use, begin + timedelta(seconds=begin_s), ended)


def _weigh(roots: tuple[RootDigest, ...]) -> Sequence[int]:
    """Return the sizes of daily snapshots: the oldest is whole, and each after it what a day has changed."""
    return [40 * GIB, *(GIB for _ in roots[1:])]


def _one_by_one(spans: Sequence[Span], first: Hour, tariff: Tariff) -> list[Run]:
    """Return what a week comes to that is closed hour by hour; each time only what touches the hour is looked at."""
    runs = []
    for hour in range(first + 24 * 100, first + 24 * 107):
        begin, end = start_of(Hour(hour)), start_of(Hour(hour + 1))
        touching = [span for span in spans if span.began_at < end and (span.ended_at is None or span.ended_at > begin)]
        runs += meter(touching, Hour(hour), Hour(hour + 1), tariff, _weigh)
    return runs


def _check(at_once: Sequence[Run], one_by_one: Sequence[Run]) -> None:
    first, until = one_by_one[0].first, one_by_one[-1].until
    expected = sum(run.charge.amount * max(0, min(run.until, until) - max(run.first, first)) for run in at_once)
    assert expected == sum(run.amount for run in one_by_one)


if __name__ == "__main__":
    main()
