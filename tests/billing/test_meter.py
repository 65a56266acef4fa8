"""The meter: what hours cost, told from what existed when; and against a meter that is slow and obvious."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linocut.billing import GIB, PriceBook, Tariff, meter
from linocut.model.amounts import Amount, amount_of, decimal_of, two_places
from linocut.model.ids import ImageId, Region, RootDigest, Uin, Zone
from linocut.model.usage import (
    Charge,
    DiskUse,
    Hour,
    InstanceUse,
    Item,
    Run,
    SnapshotUse,
    Span,
    hour_of,
    hours_of,
    month_of,
    next_month,
    start_of,
)

BEIJING, HONG_KONG, SINGAPORE = Region("ap-beijing"), Region("ap-hongkong"), Region("ap-singapore")
GUANGZHOU = Region("ap-guangzhou")
START = datetime(2026, 11, 23, tzinfo=UTC)
FIRST = hour_of(START)
CHUNK = 1 << 19
SHIPPED = PriceBook.shipped()
WINDOWS = InstanceUse("S5.MEDIUM4", 2, is_running=True, windows_of=ImageId("img-00000001"), bandwidth_mbps=0)


def span(resource_id: str, use: object, begin_s: float = 0, end_s: float | None = None, region: Region = SINGAPORE) -> Span:
    ended = None if end_s is None else START + timedelta(seconds=end_s)
    return Span(Uin("1"), region, Zone(""), resource_id, use, START + timedelta(seconds=begin_s), ended)  # type: ignore[arg-type]


def snapshot(resource_id: str, root: str, begin_s: float = 0, end_s: float | None = None) -> Span:
    return span(resource_id, SnapshotUse(RootDigest(root)), begin_s, end_s)


def weighing(trees: dict[str, Sequence[int]]) -> object:
    """Return what tells of each tree how many bytes it has of chunks that none before it has."""

    def weigh(roots: tuple[RootDigest, ...]) -> list[int]:
        seen: set[int] = set()
        sizes = []
        for root in roots:
            fresh = set(trees[root]) - seen
            seen |= fresh
            sizes.append(len(fresh) * CHUNK)
        return sizes

    return weigh


def gibs(count: int) -> range:
    return range(count * GIB // CHUNK)


def metered(
    spans: Sequence[Span],
    region: Region = SINGAPORE,
    hours: int = 1,
    trees: dict[str, Sequence[int]] | None = None,
    **tariff: bool,
) -> list[Run]:
    weigh = weighing(trees or {})
    return meter(spans, FIRST, Hour(FIRST + hours), Tariff(SHIPPED, region, "CNY", **tariff), weigh)  # type: ignore[arg-type]


def total(runs: Sequence[Run]) -> Amount:
    return Amount(sum(run.amount for run in runs))


@pytest.mark.parametrize(
    ("region", "gib", "billable", "price"),
    [(BEIJING, 100, 50, "0.0001806"), (HONG_KONG, 60, 10, "0.0002167"), (SINGAPORE, 40, 40, "0.0002333")],
)
def test_the_documented_example_comes_out_to_the_last_place(region: Region, gib: int, billable: int, price: str) -> None:
    runs = metered([snapshot("snap-1", "a")], region, hours=168, trees={"a": gibs(gib)})

    (run,) = runs
    assert run.charge.usage.quantity - run.charge.free == billable * GIB
    assert run.charge.price == Decimal(price)
    assert decimal_of(run.charge.amount) == billable * Decimal(price)
    assert two_places(run.amount) == (168 * billable * Decimal(price)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_nobody_pays_twice_for_a_chunk() -> None:
    alone = metered([snapshot("snap-1", "a")], trees={"a": gibs(8)})
    twice = metered([snapshot("snap-1", "a"), snapshot("snap-2", "a", 1)], trees={"a": gibs(8)})

    assert total(twice) == total(alone) > 0
    assert [run.charge.usage.quantity for run in twice] == [8 * GIB, 0]


def test_what_the_oldest_leaves_behind_is_its_next_holders() -> None:
    spans = [snapshot("snap-1", "a", 0, 5400), snapshot("snap-2", "b", 1)]
    runs = metered(spans, hours=3, trees={"a": range(10), "b": range(5, 12)})

    assert [(run.charge.usage.resource_id, run.charge.usage.quantity // CHUNK, run.first - FIRST, run.hours) for run in runs] == [
        ("snap-1", 10, 0, 1),
        ("snap-2", 2, 0, 1),
        ("snap-2", 7, 1, 2),
    ]


def test_a_snapshot_counts_as_it_is_at_the_end_of_an_hour() -> None:
    within = [snapshot("snap-1", "a", 600, 3000)]
    to_the_end = [snapshot("snap-1", "a", 3599.5, 3600)]
    from_the_start = [snapshot("snap-1", "a", -60, 3599.9)]

    assert metered(within, hours=2, trees={"a": gibs(1)}) == []
    assert [run.hours for run in metered(to_the_end, hours=2, trees={"a": gibs(1)})] == [1]
    assert metered(from_the_start, hours=2, trees={"a": gibs(1)}) == []


def test_disks_and_instances_count_by_the_second() -> None:
    disk = span("disk-1", DiskUse("CLOUD_PREMIUM", 50), 1800)
    grown = [replace(disk, ended_at=START + timedelta(seconds=2700)), span("disk-1", DiskUse("CLOUD_PREMIUM", 100), 2700)]

    assert decimal_of(total(metered([disk], GUANGZHOU))) == 50 * Decimal("0.0009") / 2
    assert decimal_of(total(metered(grown, GUANGZHOU))) == (50 + 100) * Decimal("0.0009") / 4
    assert metered([disk], GUANGZHOU, instances=False) == []


def test_windows_costs_its_licence_in_singapore_while_it_runs_and_nothing_in_guangzhou() -> None:
    stopped = replace(WINDOWS, is_running=False)
    half = [span("ins-1", WINDOWS, 0, 1800), span("ins-1", stopped, 1800)]

    (licence,) = metered(half, SINGAPORE, instances=False)
    assert (licence.charge.usage.item, licence.charge.usage.quantity, licence.charge.usage.seconds) == (Item.WINDOWS, 2, 1800)
    assert decimal_of(licence.amount) == 2 * Decimal("0.25") / 2
    assert [run.charge.usage.item for run in metered(half, HONG_KONG, instances=False)] == [Item.WINDOWS]
    assert metered(half, GUANGZHOU, instances=False) == []
    assert metered([span("ins-1", replace(WINDOWS, windows_of=None))], SINGAPORE, instances=False) == []


def test_a_machine_is_charged_as_one_whether_it_runs_or_not() -> None:
    stopped = replace(WINDOWS, is_running=False)
    runs = metered([span("ins-1", WINDOWS, 0, 100.4), span("ins-1", stopped, 100.4)], GUANGZHOU)

    (machine,) = runs
    assert (machine.charge.usage.seconds, decimal_of(machine.amount)) == (3600, 2 * Decimal("0.11") + 4 * Decimal("0.03"))


def test_what_has_no_price_costs_nothing_and_is_told() -> None:
    (run,) = metered([span("disk-1", DiskUse("CLOUD_NEW", 50))])

    assert (run.charge.price, run.amount, run.charge.usage.quantity) == (None, 0, 50)


def test_a_price_takes_effect_at_its_date_and_changes_nothing_before() -> None:
    later = SHIPPED.extended(
        [SHIPPED.check({"item": "snapshot", "from": date(2026, 11, 24), "price": "1", "source": "operator"})]
    )
    weigh = weighing({"a": gibs(1)})
    before, after = meter([snapshot("snap-1", "a")], FIRST, Hour(FIRST + 48), Tariff(later, SINGAPORE, "CNY"), weigh)  # type: ignore[arg-type]

    assert (before.hours, before.charge.price) == (24, Decimal("0.0002333"))
    assert (after.hours, after.charge.price) == (24, Decimal(1))


def test_a_run_lies_in_one_month_of_beijing() -> None:
    runs = metered([snapshot("snap-1", "a")], hours=24 * 60, trees={"a": gibs(1)})

    assert [month_of(run.first) for run in runs] == ["2026-11", "2026-12", "2027-01"]
    assert start_of(runs[1].first) == datetime(2026, 11, 30, 16, tzinfo=UTC)
    assert hours_of(month_of(FIRST)) == (next_month(FIRST) - 720, next_month(FIRST))


_TREES = {name: tuple(chunks) for name, chunks in (("a", range(6)), ("b", range(4, 9)), ("c", (1, 7, 12)), ("d", ()))}
_KINDS = (
    st.sampled_from(sorted(_TREES)).map(lambda root: SnapshotUse(RootDigest(root))),
    st.builds(DiskUse, st.sampled_from(["CLOUD_PREMIUM", "CLOUD_SSD", "CLOUD_NEW"]), st.integers(10, 12)),
    st.builds(
        InstanceUse,
        st.sampled_from(["S5.SMALL1", "S5.MEDIUM4"]),
        st.integers(1, 2),
        is_running=st.booleans(),
        windows_of=st.sampled_from([None, ImageId("img-00000001")]),
        bandwidth_mbps=st.integers(0, 1),
    ),
)
_HOURS = 4


@st.composite
def histories(draw: st.DrawFn) -> list[Span]:
    """Draw lives of resources: each a few spans, one after another."""
    spans = []
    for number in range(draw(st.integers(0, 6))):
        edges = sorted(draw(st.lists(st.integers(-3600_0, (_HOURS + 1) * 3600_0), min_size=2, max_size=5, unique=True)))
        uses = draw(st.sampled_from(_KINDS))
        for begin, end in pairwise(edges):
            use: object = draw(uses)
            is_last = end == edges[-1]
            spans.append(span(f"r-{number}", use, begin / 10, None if is_last and draw(st.booleans()) else end / 10))
    return spans


def _slowly(spans: Sequence[Span], hour: Hour, tariff: Tariff, free: int) -> tuple[dict[str, Fraction], Decimal]:
    """Return what each resource of an hour costs exactly but for snapshots, and what all snapshots come to, second by second."""
    begin = start_of(hour)
    costs: dict[str, Fraction] = {}
    for one in spans:
        began = one.began_at.replace(microsecond=0)
        ended = one.ended_at and one.ended_at.replace(microsecond=0)
        moments = (begin + timedelta(seconds=second) for second in range(3600))
        seconds = sum(began <= moment and (ended is None or moment < ended) for moment in moments)
        match one.use:
            case DiskUse(disk_type, size_gb):
                price = size_gb * (tariff.price(Item.DISK, hour, disk_type) or Decimal())
            case InstanceUse(instance_type, vcpus, is_running, windows_of, mbps):
                price = (tariff.machine(hour, instance_type) or Decimal()) + mbps * (tariff.price(Item.BANDWIDTH, hour) or 0)
                if is_running and windows_of:
                    price += vcpus * (tariff.price(Item.WINDOWS, hour) or 0)
            case _:
                continue
        if seconds:
            costs[one.resource_id] = costs.get(one.resource_id, Fraction()) + seconds * Fraction(price) / 3600
    chunks: set[int] = set()
    for one in spans:
        end = begin + timedelta(hours=1)
        if isinstance(one.use, SnapshotUse) and one.began_at < end and (one.ended_at is None or one.ended_at >= end):
            chunks |= set(_TREES[one.use.root])
    billable = max(0, len(chunks) * CHUNK - free)
    return costs, billable * (tariff.price(Item.SNAPSHOT, hour) or Decimal()) / GIB


@settings(max_examples=25, deadline=None)
@given(histories(), st.sampled_from([0, 3 * CHUNK, 7 * CHUNK]))
def test_the_meter_agrees_with_a_slow_and_obvious_one(spans: list[Span], free: int) -> None:
    prices = [price for price in SHIPPED.prices if price.item is not Item.FREE_SNAPSHOTS]
    entry = {"item": "free-snapshots", "from": date(2020, 1, 1), "price": str(Decimal(free) / GIB), "source": "operator"}
    book = PriceBook("CNY", tuple(prices)).extended([SHIPPED.check(entry)] if free else [])
    tariff = Tariff(book, SINGAPORE, "CNY")
    runs = meter(spans, FIRST, Hour(FIRST + _HOURS), tariff, weighing(_TREES))  # type: ignore[arg-type]

    for hour in map(Hour, range(FIRST, FIRST + _HOURS)):
        charges = [run.charge for run in runs if run.first <= hour < run.until]
        assert len(charges) == len(set(charges))
        costs, pile = _slowly(spans, hour, tariff, free)
        assert sum(one.amount for one in charges if one.usage.item is Item.SNAPSHOT) == amount_of(pile)
        for resource_id, exact in costs.items():
            items = [one for one in charges if one.usage.resource_id == resource_id]
            assert abs(sum(one.amount for one in items) - exact * 10**8) <= Fraction(len(items), 2)
        assert {one.usage.resource_id for one in charges if one.usage.item is not Item.SNAPSHOT} == set(costs)


def _hourly(runs: Sequence[Run]) -> list[tuple[Hour, Charge]]:
    """Return every charge of every hour."""
    return sorted(((Hour(hour), run.charge) for run in runs for hour in range(run.first, run.until)), key=repr)


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(0, _HOURS))
def test_hours_cost_the_same_however_they_are_closed(spans: list[Span], cut: int) -> None:
    tariff = Tariff(SHIPPED, SINGAPORE, "CNY")
    weigh = weighing(_TREES)
    middle, end = Hour(FIRST + cut), Hour(FIRST + _HOURS)
    at_once = meter(spans, FIRST, end, tariff, weigh)  # type: ignore[arg-type]
    in_two = [*meter(spans, FIRST, middle, tariff, weigh), *meter(spans, middle, end, tariff, weigh)]  # type: ignore[arg-type]
    one_by_one = [
        run
        for hour in range(FIRST, end)
        for run in meter(spans, Hour(hour), Hour(hour + 1), tariff, weigh)  # type: ignore[arg-type]
    ]

    assert _hourly(at_once) == _hourly(in_two) == _hourly(one_by_one)
