"""What accounts are charged: each hour once, in order, and the balance with it."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from catalog_records import ANNA, BERT, HERE, NOW, THERE, join, join_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linocut.catalog import Catalog
from linocut.model.amounts import Amount
from linocut.model.errors import LostRace
from linocut.model.ids import Zone
from linocut.model.usage import Charge, ChargeId, Hour, Item, Month, Run, SetPrice, Usage, hour_of, start_of

FIRST = hour_of(datetime(2026, 3, 31, 10, tzinfo=UTC))
"""Six hours before the next month begins in Beijing."""
MARCH, APRIL = Month("2026-03"), Month("2026-04")


def a_charge(resource_id: str = "snap-00000001", amount: int = 7, price: str | None = "0.0001806") -> Charge:
    usage = Usage(Item.SNAPSHOT, "", Zone(""), resource_id, 2**30, 3600)
    return Charge(usage, 5, None if price is None else Decimal(price), "CNY", Amount(amount))


def close(catalog: Catalog, first: int, hours: int, *charges: Charge) -> None:
    """Close some hours, counted from the first one, each of which costs the same."""
    begin, end = Hour(FIRST + first), Hour(FIRST + first + hours)
    runs = [Run(charge, begin, hours) for charge in charges]
    with catalog.begin() as tx:
        tx.charges.close(ANNA, HERE, start_of(begin), start_of(end), runs)


def bill(catalog: Catalog, month: Month = MARCH) -> list[tuple[str, int, int]]:
    with catalog.read() as tx:
        rows = tx.charges.of_month(ANNA, month)
        return [(one.run.charge.usage.resource_id, one.run.first - FIRST, one.run.hours) for one in rows]


def balance(catalog: Catalog) -> int:
    with catalog.read() as tx:
        return tx.balances.get(ANNA).amount


def test_hours_that_cost_the_same_are_one_charge_which_grows(catalog: Catalog) -> None:
    join(catalog, ANNA)
    close(catalog, 0, 1, a_charge(), a_charge("snap-2"))
    close(catalog, 1, 2, a_charge())
    close(catalog, 3, 1, a_charge(), a_charge("snap-2"))
    close(catalog, 4, 1, a_charge(amount=8))

    assert bill(catalog) == [("snap-00000001", 0, 4), ("snap-2", 0, 1), ("snap-2", 3, 1), ("snap-00000001", 4, 1)]
    assert balance(catalog) == -(4 * 7 + 2 * 7 + 8)


def test_a_charge_never_lies_in_two_months(catalog: Catalog) -> None:
    join(catalog, ANNA)
    close(catalog, 4, 2, a_charge())
    close(catalog, 6, 2, a_charge())

    assert (bill(catalog), bill(catalog, APRIL)) == ([("snap-00000001", 4, 2)], [("snap-00000001", 6, 2)])


def test_an_hour_is_closed_once_and_after_the_one_before(catalog: Catalog) -> None:
    join(catalog, ANNA)
    close(catalog, 0, 2, a_charge())
    for first, hours in ((0, 2), (1, 1), (0, 5), (3, 1)):
        with pytest.raises(LostRace):
            close(catalog, first, hours, a_charge())

    assert (bill(catalog), balance(catalog)) == ([("snap-00000001", 0, 2)], -14)


def test_of_several_who_close_an_hour_at_once_one_does(url: str) -> None:
    catalogs = [Catalog.open(url) for _ in range(4)]
    join(catalogs[0], ANNA)
    ready = threading.Barrier(len(catalogs))

    def race(catalog: Catalog) -> None:
        for hour in range(4):
            ready.wait()
            with suppress(LostRace):
                close(catalog, hour, 1, a_charge())

    threads = [threading.Thread(target=race, args=(catalog,)) for catalog in catalogs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (bill(catalogs[0]), balance(catalogs[0])) == ([("snap-00000001", 0, 4)], -28)
    for catalog in catalogs:
        catalog.close()


def test_hours_that_are_skipped_cost_nothing_and_are_over(catalog: Catalog) -> None:
    join(catalog, ANNA)
    close(catalog, 0, 1, a_charge())
    with catalog.begin() as tx:
        tx.charges.skip([(HERE, ANNA), (THERE, ANNA)], start_of(Hour(FIRST + 5)))
        tx.charges.skip([(HERE, ANNA)], start_of(Hour(FIRST + 3)))
    close(catalog, 5, 1, a_charge())

    assert bill(catalog) == [("snap-00000001", 0, 1), ("snap-00000001", 5, 1)]


def test_a_charge_is_found_by_its_number_and_a_bill_in_pages(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    close(catalog, 0, 1, a_charge("a", price=None), a_charge("b"), a_charge("c"))
    with catalog.read() as tx:
        page = tx.charges.page(ANNA, MARCH, 1, 1)
        assert (page.total, [one.run.charge for one in page.items]) == (3, [a_charge("b")])
        found = tx.charges.get(page.items[0].charge_id)
        assert found == page.items[0]
        assert tx.charges.get(ChargeId(10**6)) is None
        assert [one.run.charge.price for one in tx.charges.of_month(ANNA, MARCH, resource_id="a")] == [None]
        assert tx.charges.of_month(ANNA, MARCH, items=[Item.DISK]) == ()
        assert tx.charges.of_month(BERT, MARCH) == ()
        assert tx.charges.closed_until(ANNA) == {HERE: start_of(Hour(FIRST + 1))}


def test_payments_are_kept_and_make_the_balance(catalog: Catalog) -> None:
    join(catalog, ANNA)
    close(catalog, 0, 1, a_charge(amount=300))
    with catalog.begin() as tx:
        tx.balances.pay(ANNA, Amount(1000), "CNY", NOW)
        tx.balances.pay(ANNA, Amount(-100), "CNY", NOW)
        assert (tx.balances.get(ANNA).amount, tx.balances.paid(ANNA), tx.charges.total(ANNA)) == (600, 900, 300)
        assert tx.balances.troubled() == ()


def test_an_account_is_isolated_and_not(catalog: Catalog) -> None:
    join(catalog, ANNA)
    close(catalog, 0, 1, a_charge())
    with catalog.begin() as tx:
        tx.balances.isolate(ANNA, NOW)
        tx.balances.warned(ANNA, NOW + timedelta(days=1))
        (one,) = tx.balances.troubled()
        assert (one.isolated_at, one.warned_at) == (NOW, NOW + timedelta(days=1))
        tx.balances.isolate(ANNA, None)
        assert (tx.balances.get(ANNA).isolated_at, tx.balances.get(ANNA).warned_at) == (None, None)


def test_prices_are_added_in_their_order(catalog: Catalog) -> None:
    first = SetPrice(Item.SNAPSHOT, "", (HERE,), NOW, Decimal("0.000000000001"), "CNY")
    second = SetPrice(Item.DISK, "CLOUD_SSD", (), NOW, Decimal(1), "USD")
    with catalog.begin() as tx:
        tx.prices.add(first, NOW)
        tx.prices.add(second, NOW)

    with catalog.read() as tx:
        assert tx.prices.all() == (first, second)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 4), st.lists(st.integers(0, 2), max_size=3, unique=True)), max_size=6))
def test_the_balance_is_what_was_paid_less_what_was_charged(
    lasting_catalog: Catalog, closings: Sequence[tuple[int, list[int]]]
) -> None:
    class Undone(Exception):
        pass

    with suppress(Undone), lasting_catalog.begin() as tx:
        if tx.accounts.get(ANNA) is None:
            join_in(tx, ANNA)
        at = FIRST
        expected = 0
        for hours, amounts in closings:
            runs = [Run(a_charge(f"snap-{amount}", amount), Hour(at), hours) for amount in amounts]
            tx.charges.close(ANNA, HERE, start_of(Hour(at)), start_of(Hour(at + hours)), runs)
            expected += hours * sum(amounts)
            at = Hour(at + hours)
        assert tx.charges.total(ANNA) == expected
        assert tx.balances.get(ANNA).amount == tx.balances.paid(ANNA) - expected
        raise Undone
