"""Bills and prices on the command line: tables for people, and plain values for programs."""

import json
from pathlib import Path
from typing import Any

from cli_program import Linocut
from fake_wire import FakeWire

CHARGE = {
    "ChargeId": 7,
    "Region": "ap-singapore",
    "Item": "snapshot",
    "Kind": "",
    "ResourceId": "snap-00000001",
    "ImageId": "img-00000001",
    "BeginTime": "2026-11-23T00:00:00Z",
    "EndTime": "2026-11-23T02:00:00Z",
    "Hours": 2,
    "Seconds": 3600,
    "Quantity": "52",
    "Free": "50",
    "FreeBytes": 53687091200,
    "Price": "0.0002333",
    "HourlyAmount": "0.00046660",
    "Amount": "0.00093320",
    "Currency": "CNY",
}
INSTANCE = {
    **CHARGE,
    "ChargeId": 8,
    "Item": "instance",
    "Kind": "S5.SMALL1",
    "ResourceId": "ins-00000001",
    "ImageId": "",
    "Price": "",
}
BILL = {
    "Account": "100000000001",
    "Month": "2026-11",
    "Currency": "CNY",
    "Total": "0.00186640",
    "Balance": "-3.14159265",
    "IsolatedUntil": "2026-12-01T00:00:00Z",
    "IsDeleted": False,
    "ChargeSet": [CHARGE, INSTANCE],
}
PRICE = {
    "Item": "snapshot",
    "Kind": "",
    "Regions": ["ap-singapore"],
    "Since": "2026-12-01T00:00:00Z",
    "Price": "0.5",
    "Currency": "CNY",
    "Source": "operator",
    "IsSet": True,
}


def test_a_bill_is_a_table_that_says_what_is_owed_and_what_will_happen(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    asked: list[dict[str, Any]] = []
    wire.answers["DescribeBill"] = lambda parameters: asked.append(parameters) or BILL  # type: ignore[func-returns-value]

    shown = linocut("bill", "--month", "2026-11", "--account", "100000000001", "--state", state).stdout.splitlines()

    assert asked == [{"Month": "2026-11", "Account": "100000000001"}]
    assert shown[1].split() == [
        *("ap-singapore", "snapshot", "snap-00000001", "52", "50", "2", "3600", "0.0002333", "0.00093320", "7")
    ]
    assert shown[2].split()[-3:] == ["none", "0.00093320", "8"]
    assert shown[4] == "2026-11: 0.00186640 CNY in all; balance -3.14159265 CNY"
    assert "are deleted from 2026-12-01T00:00:00Z on" in shown[5]

    wire.answers["DescribeBill"] = lambda _: {**BILL, "IsDeleted": True}
    assert linocut("bill", "--state", state).stdout.endswith("by 2026-12-01T00:00:00Z, and have been deleted.\n")


def test_a_bill_is_summed_up_by_image_region_or_snapshot(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.answers["DescribeBill"] = lambda _: BILL

    def rows(by: str) -> list[list[str]]:
        return [line.split() for line in linocut("bill", "--by", by, "--state", state).stdout.split("\n\n")[0].splitlines()[1:]]

    assert rows("region") == [["ap-singapore", "0.00186640"]]
    assert rows("image") == [["img-00000001", "0.00093320"], ["other", "0.00093320"]]
    assert rows("snapshot") == [["other", "0.00093320"], ["snap-00000001", "0.00093320"]]
    assert linocut("bill", "--by", "image", "--csv", "--state", state).stdout.splitlines() == [
        "Image,Amount,Currency",
        "img-00000001,0.00093320,CNY",
        "other,0.00093320,CNY",
    ]
    told = json.loads(linocut("bill", "--by", "region", "--json", "--state", state).stdout)
    assert told["SumSet"] == [{"Region": "ap-singapore", "Amount": "0.00186640", "Currency": "CNY"}]
    assert (told["Total"], "ChargeSet" in told) == ("0.00186640", False)


def test_a_bill_is_had_as_comma_separated_values(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.answers["DescribeBill"] = lambda _: BILL

    heading, first, _ = linocut("bill", "--csv", "--state", state).stdout.splitlines()

    assert heading.startswith("Region,Item,Kind,ResourceId,ImageId")
    assert first == (
        "ap-singapore,snapshot,,snap-00000001,img-00000001,2026-11-23T00:00:00Z,2026-11-23T02:00:00Z,"
        "2,3600,52,50,53687091200,0.0002333,0.00046660,0.00093320,CNY,7"
    )


def test_a_charge_is_explained(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    used = [{"BeginTime": "2026-11-22T23:30:00Z", "EndTime": "", "What": "snapshot of tree 00"}]
    wire.answers["DescribeCharge"] = lambda _: {"Charge": CHARGE, "Formula": "2 x 3 = 6", "UsedSet": used}

    shown = linocut("bill", "explain", "7", "--state", state).stdout

    assert "2 x 3 = 6" in shown
    assert "2026-11-22T23:30:00Z  now  snapshot of tree 00" in shown


def test_a_month_is_forecast_with_what_deleting_saves(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    saving = {"Region": "ap-singapore", "ImageId": "img-00000001", "FreedBytes": 1 << 30, "Amount": "0.10000000"}
    told = {"Month": "2026-11", "Currency": "CNY", "SoFar": "1.005", "InTheEnd": "2.5", "SavingSet": [saving]}
    wire.answers["DescribeBillForecast"] = lambda _: told

    shown = linocut("bill", "forecast", "--state", state).stdout.splitlines()

    assert shown[0] == "2026-11: 1.01 CNY so far, 2.50 CNY in the end"
    assert shown[3].split() == ["img-00000001", "ap-singapore", "1.0", "GiB", "0.10000000"]


def test_prices_are_shown_and_set(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    asked: list[dict[str, Any]] = []
    answer = {
        "Currency": "CNY",
        "PriceSet": [PRICE, {**PRICE, "Item": "disk", "Kind": "CLOUD_SSD", "Regions": [], "IsSet": False}],
    }
    wire.answers["DescribePrices"] = lambda _: answer
    wire.answers["SetPrice"] = lambda parameters: asked.append(parameters) or answer  # type: ignore[func-returns-value]

    everything = linocut("price", "show", "--state", state).stdout.splitlines()
    linocut("price", "set", "snapshot", "0.5", "--region", "ap-singapore", "--from-date", "2026-12-01", "--state", state)

    assert everything[1].split() == ["snapshot", "ap-singapore", "0.5", "CNY", "2026-12-01", "set"]
    assert everything[2].split() == ["disk", "CLOUD_SSD", "all", "0.5", "CNY", "2026-12-01", "operator"]
    assert asked == [{"Item": "snapshot", "Price": "0.5", "Regions": ["ap-singapore"], "FromDate": "2026-12-01"}]


def test_a_balance_is_topped_up(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    asked: list[dict[str, Any]] = []
    wire.answers["TopUpAccount"] = lambda parameters: asked.append(parameters) or {"Balance": "12.50000000"}  # type: ignore[func-returns-value]

    assert (
        linocut("account", "top-up", "100000000001", "12.50", "--state", state).stdout
        == "The balance of 100000000001 is 12.50000000.\n"
    )
    assert asked == [{"Account": "100000000001", "Amount": "12.50"}]


def test_hours_are_closed_on_demand(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.answers["CloseHours"] = lambda _: {"Until": "2026-11-29T02:00:00Z"}

    assert linocut("bill", "close", "--state", state).stdout == "Hours are being closed until 2026-11-29T02:00:00Z.\n"
