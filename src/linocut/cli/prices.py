"""`linocut price …`: what things cost."""

from linocut.cli.output import print_json, print_table
from linocut.cli.wire import JsonObject, ServiceOptions, connect


def show(*, item: str | None = None, options: ServiceOptions | None = None) -> None:
    """Show the price book: of each item the latest price first; those that were set go before those of the file.

    Args:
        item: only this, such as snapshot, disk or windows.
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own("DescribePrices")
    _print(answer, item, options)


def set_price(
    item: str,
    price: str,
    /,
    *,
    kind: str | None = None,
    region: tuple[str, ...] = (),
    from_date: str | None = None,
    currency: str | None = None,
    options: ServiceOptions | None = None,
) -> None:
    """Set a price, for the operator: from a coming day on, and never for what has passed.

    Another one for the same from the same day corrects it, until that day.

    Args:
        item: what: snapshot, free-snapshots (in GiB), disk, vcpu, memory, instance, windows, bandwidth or traffic.
        price: how much, as a decimal.
        kind: the disk type, instance family or instance type, where the item has one.
        region: where it holds; may be repeated. Default: in every region.
        from_date: the first day, such as 2026-12-01, from 00:00 UTC. Default: tomorrow.
        currency: the currency. Default: the book's.
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own(
        "SetPrice",
        Item=item,
        Price=price,
        Kind=kind,
        Regions=list(region) or None,
        FromDate=from_date,
        Currency=currency,
    )
    _print(answer, item, options)


def _print(answer: JsonObject, item: str | None, options: ServiceOptions | None) -> None:
    prices = [price for price in answer["PriceSet"] if item in {None, price["Item"]}]
    if options is not None and options.json:
        print_json(prices)
        return
    rows = [
        (
            f"{one['Item']} {one['Kind']}".strip(),
            " ".join(one["Regions"]) or "all",
            one["Price"],
            one["Currency"],
            one["Since"][:10],
            "set" if one["IsSet"] else one["Source"],
        )
        for one in prices
    ]
    print_table(("ITEM", "REGIONS", "PRICE", "CURRENCY", "SINCE", "SOURCE"), rows)
