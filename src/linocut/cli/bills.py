"""`linocut bill …`: what was used, what it cost, why, and what the month will come to."""

import csv
import sys
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from linocut.cli.output import print_json, print_table, size
from linocut.cli.wire import ClientOptions, connect

_FEN: Final = Decimal("0.01")
_COLUMNS: Final = (
    "Region",
    "Item",
    "Kind",
    "ResourceId",
    "ImageId",
    "BeginTime",
    "EndTime",
    "Hours",
    "Quantity",
    "Price",
    "Amount",
    "Currency",
    "ChargeId",
)
_KEYS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "region": lambda charge: str(charge["Region"]),
    "image": lambda charge: str(charge["ImageId"] or charge["ResourceId"]),
    "snapshot": lambda charge: str(charge["ResourceId"]),
}


def show(
    *,
    month: str | None = None,
    account: str | None = None,
    by: Literal["region", "image", "snapshot"] | None = None,
    as_csv: Annotated[bool, Parameter(name="--csv", negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Show a month's bill: each charge, or what it comes to by region, by image, or by snapshot, disk and instance.

    Args:
        month: which month, such as 2026-11. Default: this one.
        account: the account with this Uin, for the operator. Default: your own.
        by: sum up by these.
        as_csv: print every charge with all that is known of it as comma-separated values.
        options: where the service is, and who calls.
    """
    bill = connect(options).call_own("DescribeBill", Month=month, Account=account)
    if as_csv:
        _print_csv(bill["ChargeSet"])
    elif options is not None and options.json:
        print_json(bill)
    else:
        _print_bill(bill, by)


def explain(charge: int, /, *, options: ClientOptions | None = None) -> None:
    """Show how a charge came about: the hours, the arithmetic, and what the resource was when.

    Args:
        charge: the number of the charge, the last column of `linocut bill`.
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own("DescribeCharge", ChargeId=charge)
    if options is not None and options.json:
        print_json(answer)
        return
    found = answer["Charge"]
    names = ("Item", "Kind", "ResourceId", "ImageId", "Region", "BeginTime", "EndTime", "Price", "Amount", "Currency")
    print_table(("", f"charge {charge}"), [(name, found[name]) for name in names if found[name]])
    print(f"\n{answer['Formula']}\n")
    print_table(
        ("FROM", "TO", "WHAT IT WAS"), [(one["BeginTime"], one["EndTime"] or "now", one["What"]) for one in answer["UsedSet"]]
    )


def forecast(*, account: str | None = None, options: ClientOptions | None = None) -> None:
    """Show what this month will come to if nothing changes, and what deleting each image would free and save.

    Args:
        account: the account with this Uin, for the operator. Default: your own.
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own("DescribeBillForecast", Account=account)
    if options is not None and options.json:
        print_json(answer)
        return
    currency = answer["Currency"]
    print(f"{answer['Month']}: {_fen(answer['SoFar'])} {currency} so far, {_fen(answer['InTheEnd'])} {currency} in the end")
    if answer["SavingSet"]:
        print()
        rows = [(one["ImageId"], one["Region"], size(one["FreedBytes"]), one["Amount"]) for one in answer["SavingSet"]]
        print_table(("IMAGE", "REGION", "FREED IF DELETED", f"SAVED THIS MONTH ({currency})"), rows)


def _print_bill(bill: dict[str, Any], by: str | None) -> None:
    charges, currency = bill["ChargeSet"], bill["Currency"]
    if by is None:
        rows = [
            (
                one["Region"],
                f"{one['Item']} {one['Kind']}".strip(),
                one["ResourceId"],
                f"{Decimal(one['Quantity']):.2f}",
                f"{Decimal(one['Hours']):.2f}",
                one["Price"] or "none",
                one["Amount"],
                one["ChargeId"],
            )
            for one in charges
        ]
        print_table(("REGION", "ITEM", "RESOURCE", "QUANTITY", "HOURS", "PRICE", f"AMOUNT ({currency})", "CHARGE"), rows)
    else:
        sums: dict[str, Decimal] = {}
        for one in charges:
            key = _KEYS[by](one)
            sums[key] = sums.get(key, Decimal()) + Decimal(one["Amount"])
        ordered = sorted(sums.items(), key=lambda each: (-each[1], each[0]))
        print_table((by.upper(), f"AMOUNT ({currency})"), [(key, f"{amount:f}") for key, amount in ordered])
    print(f"\n{bill['Month']}: {_fen(bill['Total'])} {currency} in all; balance {_fen(bill['Balance'])} {currency}")
    if bill["IsolatedUntil"]:
        print(
            f"Snapshots and images are isolated, and will be deleted at {bill['IsolatedUntil']} unless the balance is topped up."
        )


def _print_csv(charges: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    writer.writerows([one[name] for name in _COLUMNS] for one in charges)


def _fen(amount: str) -> str:
    return f"{Decimal(amount).quantize(_FEN, ROUND_HALF_UP):f}"
