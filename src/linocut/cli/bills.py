"""`linocut bill …`: what was used, what it cost, why, and what the month will come to."""

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from linocut.cli.output import print_json, print_table, size
from linocut.cli.wire import JsonObject, ServiceOptions, connect

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
    "Seconds",
    "Quantity",
    "Free",
    "FreeBytes",
    "Price",
    "HourlyAmount",
    "Amount",
    "Currency",
    "ChargeId",
)
_HEADINGS: Final = ("REGION", "ITEM", "RESOURCE", "QUANTITY", "FREE", "HOURS", "SECONDS OF EACH", "PRICE")
_REST: Final = "other"
"""What is of no image, or is no snapshot."""
_KEYS: Final[Mapping[str, Callable[[JsonObject], str]]] = {
    "region": lambda charge: str(charge["Region"]),
    "image": lambda charge: str(charge["ImageId"] or _REST),
    "snapshot": lambda charge: str(charge["ResourceId"] if charge["Item"] == "snapshot" else _REST),
}


def show(
    *,
    month: str | None = None,
    account: str | None = None,
    by: Literal["region", "image", "snapshot"] | None = None,
    as_csv: Annotated[bool, Parameter(name="--csv", negative="")] = False,
    options: ServiceOptions | None = None,
) -> None:
    """Show a month's bill: each charge, or what it comes to by region, by image with its snapshots, or by snapshot.

    What is of no image, or is no snapshot, is summed up as other. A charge is for some hours that are alike; what each of them
    costs is price x (quantity - free) x seconds / 3600.

    Args:
        month: which month, such as 2026-11. Default: this one.
        account: the account with this Uin, for the operator. Default: your own.
        by: sum up by these.
        as_csv: print every charge with all that is known of it, or the sums, as comma-separated values.
        options: where the service is, and who calls.
    """
    bill = connect(options).call_own("DescribeBill", Month=month, Account=account)
    sums = None if by is None else _sums(bill, by)
    if as_csv:
        _print_csv(
            _COLUMNS if by is None else (by.capitalize(), "Amount", "Currency"), bill["ChargeSet"] if sums is None else sums
        )
    elif options is not None and options.json:
        print_json(bill if sums is None else {**{name: bill[name] for name in bill if name != "ChargeSet"}, "SumSet": sums})
    else:
        _print_bill(bill, by, sums)


def close(*, options: ServiceOptions | None = None) -> None:
    """Have the hours that have passed closed now, for the operator, also those that were left behind.

    Args:
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own("CloseHours")
    if options is not None and options.json:
        print_json(answer)
    else:
        print(f"Hours are being closed until {answer['Until']}.")


def explain(charge: int, /, *, options: ServiceOptions | None = None) -> None:
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


def forecast(*, account: str | None = None, options: ServiceOptions | None = None) -> None:
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


def _sums(bill: JsonObject, by: str) -> list[JsonObject]:
    """Return what a bill comes to by something, the most first."""
    sums: dict[str, Decimal] = {}
    for one in bill["ChargeSet"]:
        key = _KEYS[by](one)
        sums[key] = sums.get(key, Decimal()) + Decimal(one["Amount"])
    ordered = sorted(sums.items(), key=lambda each: (-each[1], each[0]))
    return [{by.capitalize(): key, "Amount": f"{amount:f}", "Currency": bill["Currency"]} for key, amount in ordered]


def _print_bill(bill: JsonObject, by: str | None, sums: list[JsonObject] | None) -> None:
    currency = bill["Currency"]
    if by is None or sums is None:
        rows = [
            (
                one["Region"],
                f"{one['Item']} {one['Kind']}".strip(),
                one["ResourceId"],
                one["Quantity"],
                one["Free"],
                one["Hours"],
                one["Seconds"],
                one["Price"] or "none",
                one["Amount"],
                one["ChargeId"],
            )
            for one in bill["ChargeSet"]
        ]
        print_table((*_HEADINGS, f"AMOUNT ({currency})", "CHARGE"), rows)
    else:
        print_table((by.upper(), f"AMOUNT ({currency})"), [(one[by.capitalize()], one["Amount"]) for one in sums])
    print(f"\n{bill['Month']}: {bill['Total']} {currency} in all; balance {bill['Balance']} {currency}")
    if bill["IsDeleted"]:
        print(
            f"The balance is below zero: snapshots and images were to be paid by {bill['IsolatedUntil']}, and have been deleted."
        )
    elif bill["IsolatedUntil"]:
        print(
            "The balance is below zero: snapshots and images are isolated, and are deleted from "
            f"{bill['IsolatedUntil']} on unless it is topped up."
        )


def _print_csv(columns: Sequence[str], rows: Iterable[JsonObject]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows([one[name] for name in columns] for one in rows)


def _fen(amount: str) -> str:
    return f"{Decimal(amount).quantize(_FEN, ROUND_HALF_UP):f}"
