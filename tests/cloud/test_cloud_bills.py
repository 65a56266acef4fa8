"""Bills: why, what the month comes to, what deleting saves; and what becomes of those who do not pay."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from cloud_bench import DISK, ELSEWHERE, REGION, Bench, run_order

from linocut.cloud import bills
from linocut.cloud.accounts import create_account
from linocut.cloud.arrears import attend_to_arrears
from linocut.cloud.caller import Caller
from linocut.cloud.images import delete_images
from linocut.cloud.imaging import CreateOrder, create_image
from linocut.cloud.launches import run_instances
from linocut.cloud.metering import close_now
from linocut.cloud.sharing import share_image
from linocut.cloud.syncing import SyncOrder, sync_image
from linocut.cloud.workflows.metering import start_closing
from linocut.model import errors
from linocut.model.amounts import Amount, amount_of, decimal_of
from linocut.model.ids import Region
from linocut.model.usage import SnapshotUse

SINGAPORE = Region("ap-singapore")
MIB = 1 << 20
OF_AN_HOUR = amount_of(Decimal("0.0002333") / 1024)
"""What 1 MiB of snapshots costs for an hour in Singapore."""


@pytest.fixture(autouse=True)
def _there(bench: Bench, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(DISK)
    assert bench.cloud.stores.store(SINGAPORE).ingest_file(disk) == bench.root
    bench.clock.advance(timedelta(minutes=6))


def close(bench: Bench, **later: float) -> None:
    bench.clock.advance(timedelta(**later))
    start_closing(bench.cloud, bench.workflows)  # type: ignore[arg-type]


def test_a_charge_is_explained_down_to_what_its_resource_was(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    image_id = bench.image(owner)
    close(bench, hours=3)
    delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    (charge,) = bills.bill_of(bench.cloud, owner, "")

    found = bills.explain(bench.cloud, owner, charge.charge_id)
    assert (found.billed, found.billed.run.hours, found.billed.run.amount) == (charge, 3, 3 * OF_AN_HOUR)
    assert [span.use for span in found.spans] == [SnapshotUse(bench.root, image_id)]
    assert bills.images_of(bench.cloud, [charge]) == {charge.run.charge.usage.resource_id: image_id}


def test_nobody_but_the_operator_sees_another_account_s_bill(bench: Bench) -> None:
    owner, stranger = bench.caller("anna", SINGAPORE), bench.caller("berta", SINGAPORE)
    bench.image(owner)
    close(bench, hours=1)
    uin = owner.account.uin
    (charge,) = bills.bill_of(bench.cloud, bench.operator, "", account=uin)

    with pytest.raises(errors.ChargeNotFound):
        bills.explain(bench.cloud, stranger, charge.charge_id)
    for refused in (
        lambda: bills.bill_of(bench.cloud, stranger, "", account=uin),
        lambda: bills.forecast(bench.cloud, stranger, uin),
        lambda: bills.balance_of(bench.cloud, stranger, uin),
        lambda: bills.top_up(bench.cloud, stranger, stranger.account.uin, "1"),
        lambda: close_now(bench.cloud, stranger),
    ):
        with pytest.raises(errors.OperatorOnly):
            refused()
    assert bills.bill_of(bench.cloud, stranger, "") == ()
    assert bills.page_of_bill(bench.cloud, stranger, "2026-11", 0, 10).total == 0
    assert bills.snapshot_overview(bench.cloud, stranger).count == 0
    with pytest.raises(errors.AccountNotFound):
        bills.bill_of(bench.cloud, bench.operator, "", account="1")
    with pytest.raises(errors.InvalidValue):
        bills.bill_of(bench.cloud, owner, "2026-13")


def test_a_forecast_comes_true_if_nothing_changes(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    close(bench, hours=3)
    told = bills.forecast(bench.cloud, owner)
    (saving,) = told.savings
    close(bench, days=9)

    bill = bills.bill_of(bench.cloud, owner, "2026-11")
    assert told.in_the_end == sum(one.run.amount for one in bill) > told.so_far == 3 * OF_AN_HOUR
    assert (saving.freed_bytes, saving.region) == (MIB, SINGAPORE)
    assert saving.amount == told.in_the_end - told.so_far


def test_deleting_what_others_share_or_what_is_free_saves_nothing(bench: Bench) -> None:
    owner, at_home = bench.caller("anna", SINGAPORE), bench.caller("anna", REGION)
    bench.image(owner)
    bench.image(owner, "twin")
    bench.image(at_home)
    close(bench, hours=1)

    savings = {(one.region, one.freed_bytes): one.amount for one in bills.forecast(bench.cloud, owner).savings}
    assert savings == {(SINGAPORE, 0): 0, (REGION, MIB): 0}


def test_the_overview_of_snapshots_agrees_with_the_bill(bench: Bench) -> None:
    for region in (SINGAPORE, ELSEWHERE):
        owner = bench.caller("anna", region)
        bench.image(owner)
        bench.image(owner, "twin")
        found = bills.snapshot_overview(bench.cloud, owner)
        assert (found.count, found.stored_bytes) == (2, MIB)
        assert (found.free_bytes, found.billable_bytes) == ((0, MIB) if region == SINGAPORE else (50 << 30, 0))


def test_what_is_topped_up_is_there(bench: Bench) -> None:
    owner = bench.caller("anna")
    assert bills.top_up(bench.cloud, bench.operator, owner.account.uin, "12.50").amount == amount_of(Decimal("12.5"))
    assert decimal_of(bills.top_up(bench.cloud, bench.operator, owner.account.uin, "-2").amount) == Decimal("10.5")
    for wrong in ("", "0", "1.005", "nan", "1e12", "much"):
        with pytest.raises(errors.InvalidValue):
            bills.top_up(bench.cloud, bench.operator, owner.account.uin, wrong)


def _in_arrears(bench: Bench) -> Caller:
    bench.change(arrears=True, arrears_days=7)
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    close(bench, hours=1)
    attend_to_arrears(bench.cloud)
    return owner


def test_in_arrears_nothing_is_done_with_snapshots_and_images_until_they_are_paid(bench: Bench) -> None:
    friend = bench.caller("berta", SINGAPORE)
    owner = bench.caller("anna", SINGAPORE)
    shared = bench.image(owner, "shared")
    share_image(bench.cloud, owner, shared, [friend.account.uin])
    _in_arrears(bench)
    order = run_order(shared, zone="ap-singapore-3")

    with pytest.raises(errors.AccountInArrears):
        run_instances(bench.cloud, owner, order)
    with pytest.raises(errors.AccountInArrears):
        create_image(bench.cloud, owner, CreateOrder("new", "ins-00000000"))
    for refused in (
        lambda: run_instances(bench.cloud, friend, order),
        lambda: share_image(bench.cloud, owner, shared, [friend.account.uin]),
        lambda: sync_image(bench.cloud, owner, SyncOrder((shared,), ("ap-tokyo",))),
    ):
        with pytest.raises(errors.ImageStateForbids):
            refused()

    bills.top_up(bench.cloud, bench.operator, owner.account.uin, "1")
    assert run_instances(bench.cloud, friend, order)


def test_arrears_end_in_deletion_after_warnings_and_not_before(bench: Bench) -> None:
    owner = _in_arrears(bench)
    _, balance = bills.balance_of(bench.cloud, owner)
    assert bills.warning_of(bench.cloud, balance) == bills.Warned(bench.clock.now() + timedelta(days=7), is_deleted=False)

    bench.clock.advance(timedelta(days=6, hours=23))
    attend_to_arrears(bench.cloud)
    assert bench.image_names(owner) == {"web"}
    bench.clock.advance(timedelta(hours=2))
    attend_to_arrears(bench.cloud)
    assert bench.image_names(owner) == set()
    with bench.cloud.catalog.read() as tx:
        assert tx.snapshots.of_owner(owner.account.uin) == ()
    told = bills.warning_of(bench.cloud, balance)
    assert told is not None
    assert told.is_deleted


def test_a_balance_that_is_taken_below_zero_isolates_at_once(bench: Bench) -> None:
    owner, operator = bench.caller("anna"), bench.operator.account.uin
    bench.image(owner)
    assert bills.top_up(bench.cloud, bench.operator, owner.account.uin, "-1").isolated_at is None, "arrears are off"

    bench.change(arrears=True)
    at_once = bench.clock.now()
    assert bills.top_up(bench.cloud, bench.operator, owner.account.uin, "-1").isolated_at == at_once
    bench.clock.advance(timedelta(days=1))
    assert bills.top_up(bench.cloud, bench.operator, owner.account.uin, "1").isolated_at == at_once, "since it began"
    assert bills.top_up(bench.cloud, bench.operator, owner.account.uin, "1").isolated_at is None
    assert bills.top_up(bench.cloud, bench.operator, operator, "-1").isolated_at is None


def test_arrears_are_off_by_default_and_never_the_operator_s(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    operator = bench.caller("operator", SINGAPORE)
    bench.image(operator, "public")
    close(bench, hours=1)
    attend_to_arrears(bench.cloud)
    bench.change(arrears=True)
    with bench.cloud.catalog.read() as tx:
        assert [one.isolated_at for one in tx.balances.troubled()] == [None, None]
    attend_to_arrears(bench.cloud)
    with bench.cloud.catalog.read() as tx:
        assert [one.account for one in tx.balances.troubled() if one.isolated_at] == [owner.account.uin]
    bench.change(arrears=False)
    attend_to_arrears(bench.cloud)
    with bench.cloud.catalog.read() as tx:
        assert tx.balances.get(owner.account.uin).isolated_at is None


def test_the_operator_has_hours_closed_at_once(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    bench.clock.advance(timedelta(hours=2))
    until = close_now(bench.cloud, bench.operator)

    assert until == bench.clock.now().replace(minute=0)
    assert sum(one.run.amount for one in bills.bill_of(bench.cloud, owner, "")) == Amount(2 * OF_AN_HOUR)


def test_an_account_pays_in_its_own_currency_which_has_prices(bench: Bench) -> None:
    entry = {"item": "snapshot", "from": bench.clock.now().date(), "price": "0.5", "currency": "USD", "source": "operator"}
    bench.price(bench.cloud.prices.extended([bench.cloud.prices.check(entry)]))
    create_account(bench.cloud, "usa", "USD")
    with pytest.raises(errors.InvalidValue):
        create_account(bench.cloud, "moon", "MOON")
    owner, at_home = bench.caller("usa", SINGAPORE), bench.caller("anna", SINGAPORE)
    for one in (owner, at_home):
        bench.image(one)
    close(bench, hours=1)

    (dear,), (usual,) = bills.bill_of(bench.cloud, owner, ""), bills.bill_of(bench.cloud, at_home, "")
    assert (dear.run.charge.currency, dear.run.charge.price) == ("USD", Decimal("0.5"))
    assert (usual.run.charge.currency, usual.run.amount) == ("CNY", OF_AN_HOUR)
