"""Hours are closed once each, in order, from what existed when; and what they cost adds up."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cloud_bench import DISK, ELSEWHERE, REGION, ZONE, Bench, run_order

from linocut.cloud import images, instances
from linocut.cloud.bills import forecast
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder, create_image
from linocut.cloud.instances import StopHow
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.metering import Pacemaker, closable, close_hours
from linocut.cloud.price_books import current_prices, set_price
from linocut.cloud.prices import price_of_launch
from linocut.cloud.publishing import publish_image
from linocut.cloud.sharing import share_image
from linocut.cloud.snapshots import delete_snapshots
from linocut.cloud.stores import collect_store
from linocut.cloud.syncing import SyncOrder, sync_image
from linocut.cloud.workflows.metering import start_closing
from linocut.model import errors
from linocut.model.amounts import decimal_of
from linocut.model.ids import ImageId, InstanceId, Region
from linocut.model.states import ImageState, InstanceState, OperationState
from linocut.model.usage import Billed, Item, Month

SINGAPORE = Region("ap-singapore")
NOVEMBER = Month("2026-11")
MIB = 1 << 20
PRICE = Decimal("0.0002333")
"""Of a GiB of snapshots in Singapore for an hour."""


def bill(bench: Bench, who: Caller, month: Month = NOVEMBER) -> tuple[Billed, ...]:
    with bench.cloud.catalog.read() as tx:
        return tx.charges.of_month(who.account.uin, month)


def hours(bench: Bench, who: Caller) -> list[tuple[str, int]]:
    return [(one.run.charge.usage.item, one.run.hours) for one in bill(bench, who)]


def close(bench: Bench, **later: float) -> None:
    """Let time pass, and have the hours closed that passed."""
    bench.clock.advance(timedelta(**later))
    start_closing(bench.cloud, bench.workflows)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _in_time(bench: Bench, tmp_path: Path) -> None:
    """Begin six minutes past an hour, when the one before is over and was nobody's; Singapore has the disk, too."""
    bench.clock.advance(timedelta(minutes=6))
    disk = tmp_path / "disk.raw"
    disk.write_bytes(DISK)
    assert bench.cloud.stores.store(SINGAPORE).ingest_file(disk) == bench.root


def test_each_hour_is_closed_once_a_few_minutes_after_its_end(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)

    close(bench, minutes=58)
    assert bill(bench, owner) == ()
    close(bench, minutes=1)
    (charge,) = (one.run.charge for one in bill(bench, owner))
    assert (charge.usage.quantity, charge.free, charge.price) == (MIB, 0, PRICE)
    assert decimal_of(charge.amount) == (PRICE / 1024).quantize(Decimal("1E-8"))

    close(bench)
    close(bench, minutes=60)
    close(bench, minutes=59)
    assert hours(bench, owner) == [("snapshot", 2)]


def test_hours_that_nobody_closed_are_closed_from_what_existed_then(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    bench.clock.advance(timedelta(hours=30))
    with bench.cloud.catalog.begin() as tx:
        (snapshot,) = tx.snapshots.owned(owner.account.uin, SINGAPORE)
    delete_snapshots(bench.cloud, owner, [snapshot.snapshot_id], delete_images=True)

    close(bench, days=7)
    assert hours(bench, owner) == [("snapshot", 30)]


def test_a_tree_outlives_its_snapshot_until_its_hours_are_closed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    owner = bench.caller("anna", ELSEWHERE)
    disk = tmp_path_factory.mktemp("own") / "disk.raw"
    disk.write_bytes(bytes(511) + b"\x01" * 5)
    bench.root = bench.cloud.stores.store(ELSEWHERE).ingest_file(disk)
    image_id = bench.image(owner)
    bench.clock.advance(timedelta(hours=1))
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)

    assert bench.root in _roots(bench)
    close(bench, hours=1)
    assert hours(bench, owner) == [("snapshot", 1)]
    assert bench.root not in _roots(bench)


def _roots(bench: Bench) -> set[str]:
    with bench.cloud.catalog.read() as tx:
        return {str(root) for root in tx.snapshots.live_roots(ELSEWHERE)}


def test_a_clock_that_is_set_back_has_no_hour_charged_twice(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    close(bench, hours=5)
    close(bench, hours=-4)
    close(bench, hours=1)
    close_hours(bench.cloud, SINGAPORE, closable(bench.cloud))
    close(bench, hours=3)
    assert hours(bench, owner) == [("snapshot", 5)]

    close(bench, hours=1)
    assert hours(bench, owner) == [("snapshot", 6)]


def test_hours_wait_while_the_clock_has_been_set_forward() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    pacemaker = Pacemaker(now, 100.0)
    assert pacemaker.is_steady(now + timedelta(seconds=60), 160.0)
    assert not pacemaker.is_steady(now + timedelta(days=30), 220.0)
    assert not pacemaker.is_steady(now + timedelta(days=30, seconds=3000), 3220.0)
    assert pacemaker.is_steady(now + timedelta(days=30, seconds=3600), 3820.0)
    assert pacemaker.is_steady(now, 3880.0), "set back: no hour is closed twice"


def test_a_shared_image_costs_its_owner_and_a_copy_whoever_made_it(bench: Bench) -> None:
    owner, friend = bench.caller("anna", SINGAPORE), bench.caller("berta", SINGAPORE)
    image_id = bench.image(owner)
    share_image(bench.cloud, owner, image_id, [friend.account.uin])
    close(bench, hours=1)
    assert (hours(bench, owner), hours(bench, friend)) == ([("snapshot", 1)], [])

    sync_image(bench.cloud, friend, SyncOrder((image_id,), (SINGAPORE,), "mine"))
    close(bench, hours=1)
    assert (hours(bench, owner), hours(bench, friend)) == ([("snapshot", 2)], [("snapshot", 1)])
    assert bill(bench, owner)[0].run.charge.amount == bill(bench, friend)[0].run.charge.amount


def test_a_copy_in_another_region_is_charged_there(bench: Bench) -> None:
    owner = bench.caller("anna", REGION)
    image_id = bench.image(owner)
    sync_image(bench.cloud, owner, SyncOrder((image_id,), (ELSEWHERE,)))
    close(bench, hours=1)

    assert {(one.region, one.run.charge.usage.quantity) for one in bill(bench, owner)} == {(REGION, MIB), (ELSEWHERE, MIB)}
    assert {(one.run.charge.free, one.run.amount) for one in bill(bench, owner)} == {(MIB, 0)}, "below what is free in each"


def test_an_hour_of_an_instance_costs_what_its_launch_was_priced_at(bench: Bench) -> None:
    owner = bench.caller("anna")
    order = run_order(bench.image(owner), data_disks=(DataDiskOrder(20, "CLOUD_SSD"),))
    price = price_of_launch(bench.cloud, owner, order).instances
    bench.instance(owner, order.image_id, data_disks=order.data_disks)
    close(bench, hours=3)

    whole = [one.run.charge for one in bill(bench, owner) if one.run.charge.usage.seconds == 3600]
    charged = sum((decimal_of(charge.amount) for charge in whole if charge.usage.item is not Item.SNAPSHOT), Decimal())
    assert charged == price
    assert {charge.usage.item for charge in whole} == {Item.INSTANCE, Item.DISK, Item.SNAPSHOT}


def test_instances_and_disks_cost_nothing_where_the_operator_says_so(bench: Bench) -> None:
    bench.change(charge_instances=False)
    owner = bench.caller("anna")
    bench.instance(owner, bench.image(owner))
    close(bench, hours=1)

    assert hours(bench, owner) == [("snapshot", 1)]


def _windows(bench: Bench, region: Region, licence: str = "TencentCloud") -> ImageId:
    operator = bench.caller("operator", region)
    image_id = bench.image(operator, f"windows-{licence}", os_type="Windows Server 2022", os_version="-", license_type=licence)
    publish_image(bench.cloud, operator, image_id, public=True)
    return image_id


def _run(bench: Bench, owner: Caller, image_id: str) -> InstanceId:
    return bench.instance(owner, image_id, zone=f"{owner.region}-3", instance_type="S5.MEDIUM4")


def _image_of(bench: Bench, owner: Caller, instance_id: InstanceId) -> ImageId:
    with bench.holding():
        image_id = create_image(bench.cloud, owner, CreateOrder("child", instance_id))
    assert image_id is not None
    with bench.cloud.catalog.begin() as tx:
        for snapshot in tx.images.snapshots_of(image_id):
            tx.snapshots.finish(snapshot.snapshot_id, bench.root, 1 << 20)
        tx.images.move(bench.image_row(image_id), ImageState.NORMAL)
        tx.instances.update(bench.instance_row(instance_id), latest_operation_state=OperationState.SUCCESS)
    return image_id


def _licences(bench: Bench, owner: Caller) -> dict[str, int]:
    charged = [one.run for one in bill(bench, owner) if one.run.charge.usage.item is Item.WINDOWS]
    return {run.charge.usage.resource_id: run.charge.usage.quantity * run.charge.usage.seconds * run.hours for run in charged}


@pytest.mark.parametrize(("region", "pays"), [(SINGAPORE, True), (REGION, False)])
def test_windows_pays_its_licence_outside_the_mainland_also_what_descends_from_it(
    *, bench: Bench, region: Region, pays: bool
) -> None:
    owner, friend = bench.caller("anna", region), bench.caller("berta", region)
    bench.change(host_memory_mb=1 << 16, host_vcpus=64)
    public = _windows(bench, region)
    first = _run(bench, owner, public)
    child = _image_of(bench, owner, first)
    share_image(bench.cloud, owner, child, [friend.account.uin])
    (copy,) = sync_image(bench.cloud, friend, SyncOrder((child,), (region,), "mine"))
    second = _run(bench, friend, child)
    third = _run(bench, friend, copy.image_id)
    close(bench, hours=1)

    assert set(_licences(bench, owner)) == ({first} if pays else set())
    assert set(_licences(bench, friend)) == ({second, third} if pays else set())


def test_windows_that_brings_its_licence_or_was_imported_pays_none(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    own = bench.image(owner, "own", os_type="Windows Server 2022", os_version="-")
    _run(bench, owner, own)
    _run(bench, owner, _windows(bench, SINGAPORE, "BYOL"))
    close(bench, hours=1)

    assert _licences(bench, owner) == {}


def test_a_licence_is_paid_while_the_instance_runs(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    instance_id = _run(bench, owner, _windows(bench, SINGAPORE))
    bench.clock.advance(timedelta(minutes=24))
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)
    assert bench.instance_row(instance_id).state is InstanceState.STOPPED
    close(bench, hours=2)

    assert _licences(bench, owner) == {instance_id: 2 * 24 * 60}


def test_a_price_that_is_set_holds_from_its_date_on(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    tomorrow = bench.clock.now().date() + timedelta(days=1)
    for day in (tomorrow - timedelta(days=1), date(2020, 1, 1)):
        with pytest.raises(errors.InvalidValue):
            set_price(bench.cloud, bench.operator, {"item": "snapshot", "price": "9", "from": day})
    with pytest.raises(errors.InvalidValue):
        set_price(bench.cloud, bench.operator, {"item": "snapshot", "price": "-9"})
    with pytest.raises(errors.OperatorOnly):
        set_price(bench.cloud, owner, {"item": "snapshot", "price": "9"})
    set_price(bench.cloud, bench.operator, {"item": "snapshot", "price": "9", "from": tomorrow})
    close(bench, hours=30)

    assert [(one.run.charge.price, one.run.hours) for one in bill(bench, owner)] == [(PRICE, 24), (Decimal(9), 6)]


def test_a_price_that_has_not_taken_effect_is_corrected_by_a_later_one(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    bench.image(owner)
    for price in ("9", "2"):
        set_price(bench.cloud, bench.operator, {"item": "snapshot", "price": price})
    told = forecast(bench.cloud, owner).in_the_end
    close(bench, hours=30)

    assert [price.amount for price in current_prices(bench.cloud).prices if price.supersedes] == [2]
    assert [(one.run.charge.price, one.run.hours) for one in bill(bench, owner)] == [(PRICE, 24), (Decimal(2), 6)]
    assert forecast(bench.cloud, owner).in_the_end == told


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"item": "love"}, "There is no item love; there are snapshot, "),
        ({"item": "snapshot", "kind": "CLOUD_SSD"}, "snapshot has no kinds"),
        ({"item": "disk"}, "disk needs a kind: CLOUD_BASIC, "),
        ({"item": "disk", "kind": "CLOUD_SDD"}, "disk has no kind CLOUD_SDD; there are CLOUD_BASIC, "),
        ({"item": "vcpu", "kind": "S5.SMALL1"}, "vcpu has no kind S5.SMALL1; there are S5"),
        ({"item": "instance", "kind": "S5"}, "instance has no kind S5; there are S5.2XLARGE16"),
        ({"item": "snapshot", "regions": ["ap-moon"]}, "no region ap-moon"),
        ({"item": "snapshot", "price": "cheap"}, "A price is a decimal"),
    ],
)
def test_a_price_of_what_there_is_not_is_refused_with_what_is_wrong(bench: Bench, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(errors.InvalidValue, match=why):
        set_price(bench.cloud, bench.operator, {"price": "1", **wrong})


def test_hours_are_not_charged_where_metering_is_off_nor_when_it_is_on_again(bench: Bench) -> None:
    owner = bench.caller("anna", SINGAPORE)
    image_id = bench.image(owner)
    gone = bench.image(owner, "gone")
    bench.change(metering=False)
    bench.clock.advance(timedelta(hours=2))
    images.delete_images(bench.cloud, owner, [gone], delete_snapshots=True, dry_run=False)
    close(bench, hours=2)
    with bench.cloud.catalog.read() as tx:
        assert len(tx.history.touching(owner.account.uin, SINGAPORE, datetime(2020, 1, 1, tzinfo=UTC), bench.clock.now())) == 1
    bench.change(metering=True)
    close(bench, hours=1)

    assert hours(bench, owner) == [("snapshot", 1)]
    assert bench.image_row(image_id)


def test_who_cannot_be_weighed_stays_behind_alone(bench: Bench) -> None:
    anna, berta = bench.caller("anna", SINGAPORE), bench.caller("berta", SINGAPORE)
    bench.image(anna)
    with bench.cloud.catalog.begin() as tx:
        (snapshot,) = tx.snapshots.owned(anna.account.uin, SINGAPORE)
        lost = replace(snapshot, snapshot_id="snap-lost0000", owner=berta.account.uin, root="0" * 64)  # type: ignore[arg-type]
        tx.snapshots.add(lost)
    close(bench, hours=2)
    assert (hours(bench, anna), hours(bench, berta)) == ([("snapshot", 2)], [])

    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.remove([lost.snapshot_id])
        tx.snapshots.add(replace(lost, root=bench.root))
    close(bench, hours=1)
    assert hours(bench, anna) == [("snapshot", 3)]


def test_what_all_accounts_are_explained_is_the_store_less_what_they_share(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("disks")
    store = bench.cloud.stores.store(SINGAPORE)
    roots = []
    for number in range(4):
        disk = folder / f"{number}.raw"
        disk.write_bytes(b"".join(bytes([chunk + 1]) * (1 << 19) for chunk in range(number, 2 * number + 2)))
        roots.append(store.ingest_file(disk))
    holders: dict[str, list[str]] = {}
    for name, mine in (("anna", (0, 1, 2)), ("berta", (1, 3)), ("cleo", (3, 3))):
        owner = bench.caller(name, SINGAPORE)
        for number in mine:
            bench.root = roots[number]
            bench.image(owner, f"image-{number}-{len(holders.setdefault(name, []))}")
            holders[name].append(roots[number])
    close(bench, hours=1)

    explained = {
        name: sum(one.run.charge.usage.quantity for one in bill(bench, bench.caller(name, SINGAPORE))) for name in holders
    }
    ledger = store.ledger(holders)  # type: ignore[type-var]
    shared = sum(holding.held.plain_bytes for holding in ledger.holdings().values()) - ledger.total().plain_bytes
    assert explained == {name: holding.held.plain_bytes for name, holding in ledger.holdings().items()}
    assert sum(explained.values()) - shared == ledger.total().plain_bytes > 0
    assert collect_store(bench.cloud, SINGAPORE)


def test_the_balance_is_less_by_what_resources_cost(bench: Bench) -> None:
    owner = bench.caller("anna")
    bench.instance(owner, bench.image(owner))
    close(bench, hours=3)

    with bench.cloud.catalog.read() as tx:
        balance = tx.balances.get(owner.account.uin).amount
    by_resource: dict[str, int] = {}
    for one in bill(bench, owner):
        name = one.run.charge.usage.resource_id
        by_resource[name] = by_resource.get(name, 0) + one.run.amount
    assert sum(by_resource.values()) == -balance > 0
    assert ZONE in {one.run.charge.usage.zone for one in bill(bench, owner)}
