"""Bills on the wire: field by field by the official models, and what an operator sees beside."""

import importlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.model.amounts import Amount
from linocut.model.ids import Region, Zone
from linocut.model.usage import Charge, Hour, Item, Run, Usage, hour_of, month_of, start_of

SINGAPORE = Region("ap-singapore")
MODELS = importlib.import_module("tencentcloud.billing.v20180709.models")


def charged(cloud: Cloud, person: Person) -> str:
    """Put charges on a bill: of a snapshot, half of it free, and of an instance and its licence; return the month."""
    until = hour_of(cloud.now() - timedelta(hours=1))
    first = Hour(until - 2) if month_of(Hour(until - 2)) == month_of(until) else until
    zone = Zone("ap-singapore-1")
    lines = (
        Charge(
            Usage(Item.SNAPSHOT, "", Zone(""), "snap-00000001", 2 << 30, 3600),
            1 << 30,
            Decimal("0.0002333"),
            "CNY",
            Amount(23330),
        ),
        Charge(Usage(Item.INSTANCE, "S5.SMALL1", zone, "ins-00000001", 1, 1800), 0, Decimal("0.2"), "CNY", Amount(10_000_000)),
        Charge(Usage(Item.WINDOWS, "", zone, "ins-00000001", 1, 1800), 0, Decimal("0.25"), "CNY", Amount(12_500_000)),
    )
    with cloud.catalog.begin() as tx:
        runs = [Run(line, first, 2) for line in lines]
        tx.charges.close(person.account.uin, SINGAPORE, start_of(first), start_of(Hour(first + 2)), runs)
    return month_of(first)


def ask(person: Person, action: str, **parameters: Any) -> Any:
    """Return an answer as the official SDK decodes it, which must leave out nothing."""
    answer = person.call(action, parameters, service="billing")
    decoded = getattr(MODELS, f"{action}Response")()
    decoded._deserialize({"RequestId": "", **answer})
    return decoded


def test_a_month_is_summed_up_by_product_and_by_region(cloud: Cloud, person: Person) -> None:
    month = charged(cloud, person)
    by_product = ask(person, "DescribeBillSummaryByProduct", BeginTime=month, EndTime=month)
    (region,) = ask(person, "DescribeBillSummaryByRegion", BeginTime=month, EndTime=month).SummaryOverview

    assert (by_product.Ready, by_product.SummaryTotal.RealTotalCost) == (1, "0.45046660")
    assert [(one.BusinessCode, one.RealTotalCost, one.RealTotalCostRatio) for one in by_product.SummaryOverview] == [
        ("p_cvm", "0.45000000", "99.90"),
        ("p_cbs", "0.00046660", "0.10"),
    ]
    assert (region.RegionId, region.RegionName, region.RealTotalCost) == ("9", "亚太东南(新加坡)", "0.45046660")


def test_a_bill_is_listed_charge_by_charge_and_by_resource(cloud: Cloud, person: Person) -> None:
    month = charged(cloud, person)
    details = ask(person, "DescribeBillDetail", Offset=0, Limit=10, Month=month, NeedRecordNum=1)
    (component,) = details.DetailSet[0].ComponentSet
    assert (details.Total, [one.ResourceId for one in details.DetailSet]) == (
        3,
        ["snap-00000001", "ins-00000001", "ins-00000001"],
    )
    assert (component.UsedAmount, component.RealTotalMeasure, component.DeductedMeasure, component.TimeSpan) == (
        "1",
        "2",
        "1",
        "2",
    )
    assert (component.SinglePrice, component.Cost) == ("0.0002333", "0.00046660")
    assert Decimal(component.SinglePrice) * Decimal(component.UsedAmount) * Decimal(component.TimeSpan) == Decimal(component.Cost)

    resources = ask(person, "DescribeBillResourceSummary", Offset=0, Limit=10, Month=month)
    costs = [(one.ResourceId, one.ProductCode, one.RealTotalCost) for one in resources.ResourceSummarySet]
    assert costs == [
        ("ins-00000001", "sp_cvm_image", "0.25000000"),
        ("ins-00000001", "sp_cvm_instance", "0.20000000"),
        ("snap-00000001", "sp_cbs_snapshot", "0.00046660"),
    ]
    days = {"BeginTime": f"{month}-01 00:00:00", "EndTime": f"{month}-02 00:00:00"}
    assert ask(person, "DescribeBillDetail", Offset=0, Limit=10, ResourceId="snap-00000001", **days).Total == 1
    assert ask(person, "DescribeBillDetail", Offset=0, Limit=10, Month=month, BusinessCode="p_cbs").Total == 1


def test_a_balance_is_told_in_fen(cloud: Cloud, person: Person) -> None:
    charged(cloud, person)
    balance = ask(person, "DescribeAccountBalance")

    assert (balance.Uin, balance.Balance, balance.RealBalance) == (int(person.account.uin), -46, -45.04666)
    assert (balance.CashAccountBalance, balance.OweAmount) == (0.0, 45.04666)


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("DescribeBillSummaryByRegion", {"BeginTime": "2026-11", "EndTime": "2026-12"}, "InvalidParameter"),
        ("DescribeBillSummaryByRegion", {"BeginTime": "2026", "EndTime": "2026"}, "InvalidParameterValue"),
        ("DescribeBillDetail", {"Offset": 0, "Limit": 301, "Month": "2026-11"}, "InvalidParameterValue"),
        ("DescribeBillDetail", {"Offset": 0, "Limit": 1}, "MissingParameter"),
        ("DescribeBillDetail", {"Offset": 0, "Limit": 1, "Month": "2026-11", "BusinessCode": "p_moon"}, "InvalidParameterValue"),
        ("DescribeBillResourceSummary", {"Offset": -1, "Limit": 1, "Month": "2026-11"}, "InvalidParameterValue"),
    ],
)
def test_what_is_no_bill_is_refused(person: Person, action: str, parameters: dict[str, object], code: str) -> None:
    assert person.code(action, parameters, service="billing") == code


def test_a_bill_of_our_own_says_why(cloud: Cloud, person: Person, new_person: Callable[[], Person]) -> None:
    month = charged(cloud, person)
    bill = person.call("DescribeBill", {"Month": month}, service="linocut")
    snapshot = bill["ChargeSet"][0]
    assert (bill["Total"], bill["Balance"], snapshot["Free"], snapshot["FreeBytes"]) == (
        "0.45046660",
        "-0.45046660",
        "1",
        1 << 30,
    )
    for one in bill["ChargeSet"]:
        used = Decimal(one["Price"]) * (Decimal(one["Quantity"]) - Decimal(one["Free"])) * one["Seconds"] / 3600
        assert (used, used * one["Hours"]) == (Decimal(one["HourlyAmount"]), Decimal(one["Amount"]))

    why = person.call("DescribeCharge", {"ChargeId": snapshot["ChargeId"]}, service="linocut")
    assert why["Formula"] == (
        "(2147483648 B that no older snapshot of yours has - 1073741824 B free) / 1073741824 B x 0.0002333 = 0.00023330 an hour, "
        f"in each of 2 hours of {month}"
    )
    assert new_person().code("DescribeCharge", {"ChargeId": snapshot["ChargeId"]}, service="linocut") == "ResourceNotFound"
    assert person.call("DescribeBillForecast", {}, service="linocut")["Currency"] == "CNY"


def test_what_only_the_operator_does_is_done_for_the_operator(operator: Person, person: Person) -> None:
    uin = person.account.uin
    acts = (
        ("SetPrice", {"Item": "traffic", "Price": "0.5"}),
        ("TopUpAccount", {"Account": uin, "Amount": "1.50"}),
        ("CloseHours", {}),
        ("DescribeBill", {"Account": uin}),
    )
    for action, parameters in acts:
        other = {"Account": operator.account.uin} if action == "DescribeBill" else parameters
        assert person.code(action, other, service="linocut") == "UnauthorizedOperation"
        assert operator.code(action, parameters, service="linocut") == "OK"
    assert person.call("DescribeBill", {}, service="linocut")["Balance"] == "1.50000000"
    (price, *_) = [one for one in person.call("DescribePrices", {}, service="linocut")["PriceSet"] if one["Item"] == "traffic"]
    assert (price["Price"], price["IsSet"]) == ("0.5", True)
    assert (
        operator.code("SetPrice", {"Item": "traffic", "Price": "0.5", "FromDate": "soon"}, service="linocut")
        == "InvalidParameterValue"
    )


def test_the_overview_of_snapshots_tells_what_is_free(person: Person) -> None:
    for action in ("DescribeSnapshotOverview", "GetSnapOverview"):
        answer = person.call(action, {}, service="cbs")
        assert (answer["TotalNums"], answer["TotalSize"], answer["FreeQuota"], answer["RealTradeSize"]) == (0, 0.0, 50.0, 0.0)
