"""The price book: what is charged when, and what is no price book."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linocut.billing import Item, Price, PriceBook, PriceBookError, PriceMissing, Source
from linocut.model.ids import Region
from linocut.model.places import INSTANCE_TYPES, REGIONS

GUANGZHOU, SINGAPORE, HONG_KONG = Region("ap-guangzhou"), Region("ap-singapore"), Region("ap-hongkong")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def book(*entries: str) -> PriceBook:
    return PriceBook.read('format = 1\ncurrency = "CNY"\n' + "\n".join(f"[[prices]]\n{entry}" for entry in entries), "book")


def entry(price: str, since: str = "2020-01-01", more: str = "") -> str:
    return f'item = "snapshot"\nfrom = {since}\nprice = "{price}"\nsource = "operator"\n{more}'


def of_snapshot(prices: PriceBook, region: Region = GUANGZHOU, at: datetime = NOW) -> Decimal:
    return prices.price(Item.SNAPSHOT, region, at).amount


@pytest.mark.parametrize(
    ("region", "price"),
    [
        ("ap-chengdu", "0.0001375"),
        ("ap-guangzhou", "0.0001806"),
        ("ap-hongkong", "0.0002167"),
        ("ap-singapore", "0.0002333"),
        ("ap-tokyo", "0.0002055"),
        ("na-ashburn", "0.0001736"),
    ],
)
def test_the_shipped_book_has_the_published_prices_of_snapshots(region: str, price: str) -> None:
    found = PriceBook.shipped().price(Item.SNAPSHOT, Region(region), NOW)

    assert (found.amount, found.source) == (Decimal(price), Source.PUBLISHED)


@pytest.mark.parametrize("region", REGIONS)
def test_the_shipped_book_has_a_price_for_whatever_is_offered_in_a_region(region: Region) -> None:
    shipped = PriceBook.shipped()
    for item in (Item.SNAPSHOT, Item.WINDOWS, Item.BANDWIDTH, Item.TRAFFIC):
        assert shipped.price(item, region, NOW).amount >= 0
    for family in {kind.family for kind in INSTANCE_TYPES.values()}:
        assert shipped.price(Item.VCPU, region, NOW, family).amount > 0
        assert shipped.price(Item.MEMORY, region, NOW, family).amount > 0


def test_windows_costs_extra_outside_the_chinese_mainland_only() -> None:
    shipped = PriceBook.shipped()
    for region, info in REGIONS.items():
        assert (shipped.price(Item.WINDOWS, region, NOW).amount == 0) == info.is_mainland


def test_a_price_takes_effect_at_its_date_and_leaves_the_past_as_it_was() -> None:
    prices = book(entry("1", "2026-01-01"), entry("2", "2026-07-01"))
    change = datetime(2026, 7, 1, tzinfo=UTC)

    assert of_snapshot(prices, at=change - timedelta(microseconds=1)) == 1
    assert of_snapshot(prices, at=change) == 2
    with pytest.raises(PriceMissing, match="no price of snapshot in ap-guangzhou at 2025"):
        of_snapshot(prices, at=datetime(2025, 12, 31, tzinfo=UTC))


def test_a_price_of_a_region_goes_before_one_of_all() -> None:
    prices = book(entry("1", "2026-06-01"), entry("2", "2026-01-01", 'regions = ["ap-singapore"]'))

    assert of_snapshot(prices, SINGAPORE) == 2
    assert of_snapshot(prices, HONG_KONG) == 1


_DAYS = st.integers(0, 9999).map(lambda days: date(2000, 1, 1) + timedelta(days))


@given(st.lists(st.tuples(_DAYS, st.integers(0, 9)), min_size=1, unique_by=lambda change: change[0]))
def test_the_price_is_that_of_the_last_change_whatever_the_order_of_entries(changes: list[tuple[date, int]]) -> None:
    prices = book(*(entry(str(price), str(since)) for since, price in changes))

    assert of_snapshot(prices, at=datetime(9999, 12, 31, 23, tzinfo=UTC)) == max(changes)[1]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("x = 1", "x is not known"),
        ('format = 2\ncurrency = "CNY"', "format is 2, expected 1"),
        ("format = 1", "currency is missing"),
        ('format = 1\ncurrency = "CNY"', "no .*prices"),
        ("=", "line 1"),
    ],
)
def test_what_is_no_price_book_is_refused_with_the_reason(wrong: str, why: str) -> None:
    with pytest.raises(PriceBookError, match=why):
        PriceBook.read(wrong, "book")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (entry("1").replace('"1"', "1.5"), "decimal string"),
        (entry("-1"), "decimal string"),
        (entry("NaN"), "decimal string"),
        (entry("1e-13"), "decimal string"),
        (entry("one"), "decimal string"),
        (entry("1").replace("snapshot", "love"), "needs an item"),
        (entry("1").replace("operator", "me"), "a source of"),
        (entry("1", "2020-01-01T00:00:00"), "no date"),
        (entry("1", more='kind = "x"'), "kind"),
        (entry("1").replace("snapshot", "disk"), "kind"),
        (entry("1", more='regions = ["moon"]'), "no region moon"),
        (entry("1", more="regions = []"), "no list of regions"),
        (entry("1", more="colour = 1"), "colour is not known"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused_with_the_reason(wrong: str, why: str) -> None:
    with pytest.raises(PriceBookError, match=why):
        book(wrong)


def test_what_is_set_later_for_a_day_corrects_what_was_there_for_it() -> None:
    there = book(entry("1"), entry("2", "2026-12-01", 'regions = ["ap-singapore"]'))

    def set_for(price: str, *regions: str) -> Price:
        given = {"item": "snapshot", "from": date(2026, 12, 1), "price": price, "source": "operator"}
        return there.check({**given, "regions": list(regions)} if regions else given)

    later = NOW + timedelta(days=30)
    two, one, all_of_them = set_for("3", SINGAPORE, HONG_KONG), set_for("4", SINGAPORE), set_for("5")
    corrected = there.extended([two, one, set_for("6"), all_of_them])

    assert [of_snapshot(corrected, region, later) for region in (HONG_KONG, SINGAPORE, GUANGZHOU)] == [3, 4, 5]
    assert [(price.amount, price.regions) for price in corrected.prices] == [
        *((1, frozenset()), (3, {HONG_KONG}), (4, {SINGAPORE}), (5, frozenset())),
    ]
    assert [price.amount for price in there.extended([all_of_them]).prices] == [1, 5], "the operator's own goes before the file's"
    assert corrected == there.extended([two]).extended([one, all_of_them])


def test_two_prices_of_one_thing_from_one_day_are_refused() -> None:
    with pytest.raises(PriceBookError, match="two prices from 2020-01-01 in ap-singapore"):
        book(*(entry(price, more='regions = ["ap-singapore"]') for price in "12"))


def test_a_book_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceBookError, match=r"gone\.toml"):
        PriceBook.load(tmp_path / "gone.toml")
    (tmp_path / "mine.toml").write_text('format = 1\ncurrency = "EUR"\n[[prices]]\n' + entry("1"))
    assert PriceBook.load(tmp_path / "mine.toml").currency == "EUR"
