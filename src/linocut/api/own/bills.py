"""Bills for people: in lines with reasons, what the month will come to, prices, and balances."""

from datetime import date
from typing import Any, Final, assert_never

from linocut.api.billing.shapes import GIB, free_quantity, quantity, text
from linocut.api.codes import codes
from linocut.api.cvm.shapes import wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import bills, metering, price_books
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.amounts import Amount
from linocut.model.usage import Billed, DiskUse, InstanceUse, Item, SnapshotUse, Span, month_of, start_of


class DescribeBill(Shape):
    """Whose bill of which month: the caller's own of the present month unless said otherwise."""

    month: str = ""
    account: str = ""


class DescribeCharge(Shape):
    """Which charge."""

    charge_id: Int


class DescribeBillForecast(Shape):
    """Whose month."""

    account: str = ""


class DescribePrices(Shape):
    """Nothing to say."""


class SetPrice(Shape):
    """What is to cost how much from when (a date), in which regions (all by default)."""

    item: str
    price: str
    kind: str = ""
    regions: tuple[str, ...] = ()
    from_date: str = ""
    currency: str = ""


class TopUpAccount(Shape):
    """By how much to raise whose balance."""

    account: str
    amount: str


class CloseHours(Shape):
    """Nothing to say."""


class Charge(Shape):
    """What a resource cost in hours that were alike: how many from when to when, in each so much, of which some free, at a price.

    An hour's amount is price x (quantity - free) x seconds / 3600, rounded half up at its eighth place, of snapshots for the pile
    as a whole; the amount is `hours` times that. `quantity` and `free` are in the item's unit; `free_bytes` is `free` in bytes.
    """

    charge_id: int
    region: str
    item: str
    kind: str
    resource_id: str
    image_id: str
    begin_time: str
    end_time: str
    hours: int
    seconds: int
    quantity: str
    free: str
    free_bytes: int
    price: str
    hourly_amount: str
    amount: str
    currency: str


class Bill(Answer):
    """The answer of DescribeBill.

    `isolated_until` is when snapshots and images are to be deleted for arrears, else empty; `is_deleted` tells that they are.
    """

    account: str
    month: str
    currency: str
    total: str
    balance: str
    isolated_until: str
    is_deleted: bool
    charge_set: list[Charge]


class Used(Shape):
    """What a resource was for a time; `end_time` is empty where it still is."""

    begin_time: str
    end_time: str
    what: str


class Explanation(Answer):
    """The answer of DescribeCharge: the charge, how it was worked out, and what its resource was."""

    charge: Charge
    formula: str
    used_set: list[Used]


class Saving(Shape):
    """What deleting an image with its snapshots would free, and save until the end of the month."""

    region: str
    image_id: str
    freed_bytes: int
    amount: str


class Forecast(Answer):
    """The answer of DescribeBillForecast."""

    month: str
    currency: str
    so_far: str
    in_the_end: str
    saving_set: list[Saving]


class Price(Shape):
    """A price of the book; no regions are all."""

    item: str
    kind: str
    regions: list[str]
    since: str
    price: str
    currency: str
    source: str
    is_set: bool


class Prices(Answer):
    """The answer of DescribePrices, the latest first of each item and kind."""

    currency: str
    price_set: list[Price]


class Balance(Answer):
    """The answer of TopUpAccount."""

    account: str
    balance: str


class Closing(Answer):
    """The answer of CloseHours: up to when hours are being closed."""

    until: str


def describe_bill(cloud: Cloud, caller: Caller, request: DescribeBill) -> Bill:
    """Show a bill."""
    account, balance = bills.balance_of(cloud, caller, request.account)
    month = bills.find_month(cloud, request.month)
    lines = bills.bill_of(cloud, caller, month, account=request.account)
    warned = bills.warning_of(cloud, balance)
    images = bills.images_of(cloud, lines)
    return Bill(
        account=account.uin,
        month=month,
        currency=account.currency,
        total=text(Amount(sum(one.run.amount for one in lines))),
        balance=text(balance.amount),
        isolated_until="" if warned is None else wire_time(warned.ends),
        is_deleted=warned is not None and warned.is_deleted,
        charge_set=[_charge(one, images.get(one.run.charge.usage.resource_id, "")) for one in lines],
    )


def describe_charge(cloud: Cloud, caller: Caller, request: DescribeCharge) -> Explanation:
    """Tell what a charge is for."""
    found = bills.explain(cloud, caller, request.charge_id)
    image = next((span.use.of_image for span in found.spans if isinstance(span.use, SnapshotUse)), None)
    return Explanation(
        charge=_charge(found.billed, image or ""),
        formula=_formula(found.billed),
        used_set=[
            Used(
                begin_time=wire_time(span.began_at),
                end_time="" if span.ended_at is None else wire_time(span.ended_at),
                what=_what(span),
            )
            for span in found.spans
        ],
    )


def describe_bill_forecast(cloud: Cloud, caller: Caller, request: DescribeBillForecast) -> Forecast:
    """Tell what the present month will come to if nothing changes."""
    found = bills.forecast(cloud, caller, request.account)
    return Forecast(
        month=found.month,
        currency=found.currency,
        so_far=text(found.so_far),
        in_the_end=text(found.in_the_end),
        saving_set=[
            Saving(region=one.region, image_id=one.image_id, freed_bytes=one.freed_bytes, amount=text(one.amount))
            for one in found.savings
        ],
    )


def describe_prices(cloud: Cloud, _caller: Caller, _request: DescribePrices) -> Prices:
    """Show the price book."""
    book = price_books.current_prices(cloud)
    ordered = sorted(book.prices, key=lambda price: (price.item, price.kind, not price.supersedes, -price.since.timestamp()))
    return Prices(
        currency=book.currency,
        price_set=[
            Price(
                item=price.item,
                kind=price.kind,
                regions=sorted(price.regions),
                since=wire_time(price.since),
                price=f"{price.amount:f}",
                currency=price.currency,
                source=price.source,
                is_set=price.supersedes,
            )
            for price in ordered
        ],
    )


def set_price(cloud: Cloud, caller: Caller, request: SetPrice) -> Prices:
    """Set a price from a coming day on; the answer shows the book as it then is."""
    entry: dict[str, Any] = {"item": request.item, "price": request.price}
    if request.kind:
        entry["kind"] = request.kind
    if request.regions:
        entry["regions"] = list(request.regions)
    if request.currency:
        entry["currency"] = request.currency
    if request.from_date:
        try:
            entry["from"] = date.fromisoformat(request.from_date)
        except ValueError as error:
            raise errors.InvalidValue("FromDate is written as 2026-12-01.") from error
    price_books.set_price(cloud, caller, entry)
    return describe_prices(cloud, caller, DescribePrices())


def top_up_account(cloud: Cloud, caller: Caller, request: TopUpAccount) -> Balance:
    """Raise a balance."""
    balance = bills.top_up(cloud, caller, request.account, request.amount)
    return Balance(account=balance.account, balance=text(balance.amount))


def close_hours(cloud: Cloud, caller: Caller, _request: CloseHours) -> Closing:
    """Have the hours that have passed closed now."""
    return Closing(until=wire_time(metering.close_now(cloud, caller)))


def _charge(billed: Billed, image_id: str) -> Charge:
    charge, usage = billed.run.charge, billed.run.charge.usage
    return Charge(
        charge_id=billed.charge_id,
        region=billed.region,
        item=usage.item,
        kind=usage.kind,
        resource_id=usage.resource_id,
        image_id=image_id,
        begin_time=wire_time(start_of(billed.run.first)),
        end_time=wire_time(start_of(billed.run.until)),
        hours=billed.run.hours,
        seconds=usage.seconds,
        quantity=f"{quantity(billed):f}",
        free=f"{free_quantity(billed):f}",
        free_bytes=charge.free,
        price="" if charge.price is None else f"{charge.price:f}",
        hourly_amount=text(charge.amount),
        amount=text(billed.run.amount),
        currency=charge.currency,
    )


def _formula(billed: Billed) -> str:
    """Return how an hour's amount was worked out."""
    charge, usage = billed.run.charge, billed.run.charge.usage
    price = "no price" if charge.price is None else f"{charge.price:f}"
    if usage.item is Item.SNAPSHOT:
        used = f"({usage.quantity} B that no older snapshot of yours has - {charge.free} B free) / {GIB} B"
    else:
        used = f"{usage.quantity} x {usage.seconds} s / 3600 s"
    hours = f"{billed.run.hours} hours of {month_of(billed.run.first)}"
    return f"{used} x {price} = {text(charge.amount)} an hour, in each of {hours}"


def _what(span: Span) -> str:
    """Return in words what a resource was."""
    match span.use:
        case SnapshotUse(root, of_image):
            return f"snapshot of tree {root}" + (f", made for {of_image}" if of_image else "")
        case DiskUse(disk_type, size_gb):
            return f"{disk_type} of {size_gb} GB"
        case InstanceUse(instance_type, _, is_running, windows_of):
            licence = f", licence of {windows_of}" if windows_of else ""
            return f"{instance_type}, {'running' if is_running else 'stopped'}{licence}"
        case _ as other:
            assert_never(other)


_CODES: Final = codes(
    errors.OperatorOnly,
    errors.InvalidValue,
    errors.AccountNotFound,
    errors.ChargeNotFound,
)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(name="DescribeBill", request=DescribeBill, handle=describe_bill, needs_region=False, codes=_CODES),
    Action(name="DescribeCharge", request=DescribeCharge, handle=describe_charge, needs_region=False, codes=_CODES),
    Action(
        name="DescribeBillForecast", request=DescribeBillForecast, handle=describe_bill_forecast, needs_region=False, codes=_CODES
    ),
    Action(name="DescribePrices", request=DescribePrices, handle=describe_prices, needs_region=False),
    Action(name="SetPrice", request=SetPrice, handle=set_price, is_mutating=True, needs_region=False, codes=_CODES),
    Action(name="TopUpAccount", request=TopUpAccount, handle=top_up_account, is_mutating=True, needs_region=False, codes=_CODES),
    Action(name="CloseHours", request=CloseHours, handle=close_hours, is_mutating=True, needs_region=False, codes=_CODES),
)
