"""Bills: what accounts are charged, why, what they have left, and what a month will come to."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from linocut.billing import GIB, PRODUCTS, Product, Tariff
from linocut.catalog import Page, Tx
from linocut.cloud.arrears import settle
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.metering import runs_of, tariff
from linocut.cloud.price_books import price_book
from linocut.model import errors
from linocut.model.amounts import Amount, amount_of, cost, exact_price
from linocut.model.ids import ImageId, Region, RootDigest, Uin
from linocut.model.records import Account
from linocut.model.usage import (
    Balance,
    Billed,
    ChargeId,
    Hour,
    Item,
    Month,
    SnapshotUse,
    Span,
    hour_of,
    hours_of,
    month_of,
    start_of,
)

__all__ = ["Explained", "Forecast", "Overview", "Saving", "Warned"]

_MONTH: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_MOST: Final = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class Explained:
    """A charge, and what its resource was in its hours."""

    billed: Billed
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Saving:
    """What an image's deletion with its snapshots would free, and save until the end of the month."""

    region: Region
    image_id: ImageId
    freed_bytes: int
    amount: Amount


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a month has come to, what it will come to if nothing changes, and what deleting images would save."""

    month: Month
    currency: str
    so_far: Amount
    in_the_end: Amount
    savings: tuple[Saving, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """An account's snapshots of a region: how many, what they store, and how much of that costs nothing."""

    count: int
    stored_bytes: int
    free_bytes: int

    @property
    def billable_bytes(self) -> int:
        """What is paid for."""
        return max(0, self.stored_bytes - self.free_bytes)


@dataclass(frozen=True, slots=True)
class Warned:
    """When isolated snapshots and images are to be deleted, and whether that is done."""

    ends: datetime
    is_deleted: bool


def find_month(cloud: Cloud, text: str) -> Month:
    """Return the month of a bill, the present one for an empty text. Raises InvalidValue."""
    if not text:
        return month_of(hour_of(cloud.now()))
    if not _MONTH.fullmatch(text):
        raise errors.InvalidValue("A month is written as 2026-11.")
    return Month(text)


def bill_of(
    cloud: Cloud, caller: Caller, month: str, *, account: str = "", resource_id: str = "", product: str = ""
) -> tuple[Billed, ...]:
    """Return what is on a bill of a month, the caller's or, for the operator, anybody's.

    Raises InvalidValue, OperatorOnly, AccountNotFound. Source: Billing DescribeBillDetail.
    """
    with cloud.catalog.read() as tx:
        whose = _account(tx, caller, account)
        return tx.charges.of_month(whose.uin, find_month(cloud, month), resource_id=resource_id, items=_items(product))


def page_of_bill(
    cloud: Cloud, caller: Caller, month: str, offset: int, limit: int, *, resource_id: str = "", product: str = ""
) -> Page[Billed]:
    """Return a page of the caller's bill of a month. Raises InvalidValue."""
    with cloud.catalog.read() as tx:
        whose, wanted = caller.account.uin, find_month(cloud, month)
        return tx.charges.page(whose, wanted, offset, limit, resource_id=resource_id, items=_items(product))


def explain(cloud: Cloud, caller: Caller, charge_id: int) -> Explained:
    """Return a charge of the caller's, or to the operator anybody's, with what it is for. Raises ChargeNotFound."""
    with cloud.catalog.read() as tx:
        billed = tx.charges.get(ChargeId(charge_id))
        if billed is None or (billed.account != caller.account.uin and not caller.account.is_operator):
            raise errors.ChargeNotFound(f"There is no charge {charge_id}.")
        begin, end = start_of(billed.run.first), start_of(billed.run.until)
        spans = tx.history.of(billed.run.charge.usage.resource_id)
    behind = (span for span in spans if span.began_at < end and (span.ended_at is None or span.ended_at > begin))
    return Explained(billed, tuple(behind))


def forecast(cloud: Cloud, caller: Caller, account: str = "") -> Forecast:
    """Tell what the present month will come to. Raises OperatorOnly, AccountNotFound, ObjectUnreadable, StoreUnavailable."""
    now = cloud.now()
    month = month_of(hour_of(now))
    _, until = hours_of(month)
    with cloud.catalog.read() as tx:
        whose = _account(tx, caller, account)
        so_far = Amount(sum(one.run.amount for one in tx.charges.of_month(whose.uin, month)))
        closed = tx.charges.closed_until(whose.uin)
        regions = {region for region, owner, _ in tx.history.behind(start_of(until)) if owner == whose.uin} | set(closed)
        first, _ = hours_of(month)
        since = {region: max(first, hour_of(closed.get(region, start_of(first)))) for region in sorted(regions)}
        spans = {
            region: tx.history.touching(whose.uin, region, start_of(hour), start_of(until)) for region, hour in since.items()
        }
        book = price_book(cloud, tx)
    tariffs = {region: tariff(cloud, book, region, whose.currency) for region in since}
    still = sum(
        run.amount
        for region, hour in since.items()
        for run in runs_of(cloud, region, spans[region], (hour, until), tariffs[region])
    )
    savings = [
        saving for region in since for saving in _savings(cloud, whose.uin, region, tariffs[region], (hour_of(now), until))
    ]
    ordered = sorted(savings, key=lambda saving: (-saving.amount, -saving.freed_bytes, saving.image_id))
    return Forecast(month, whose.currency, so_far, Amount(so_far + still), tuple(ordered))


def balance_of(cloud: Cloud, caller: Caller, account: str = "") -> tuple[Account, Balance]:
    """Return an account and what it has left. Raises OperatorOnly, AccountNotFound."""
    with cloud.catalog.read() as tx:
        whose = _account(tx, caller, account)
        return whose, tx.balances.get(whose.uin)


def top_up(cloud: Cloud, caller: Caller, account: str, text: str) -> Balance:
    """Add to an account's balance, or with a minus take from it; return what it then is.

    Snapshots and images are isolated as soon as it is below zero, where arrears are attended to, and given back once it is not.
    Raises OperatorOnly, AccountNotFound, InvalidValue.
    """
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator may change balances.")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise errors.InvalidValue("An amount is a decimal such as 12.50.") from error
    if not value.is_finite() or not 0 < abs(value) <= _MOST or value != value.quantize(Decimal("0.01")):
        raise errors.InvalidValue("An amount is a decimal such as 12.50.")
    with cloud.catalog.begin() as tx:
        whose = _account(tx, caller, account)
        tx.balances.pay(whose.uin, amount_of(value), whose.currency, cloud.now())
        return settle(cloud, tx, whose)


def snapshot_overview(cloud: Cloud, caller: Caller) -> Overview:
    """Return what the caller's snapshots of the region store now, as the bill counts it. Source: CBS DescribeSnapshotOverview."""
    now = cloud.now()
    with cloud.catalog.read() as tx:
        spans = tx.history.touching(caller.account.uin, caller.region, now, now + timedelta(seconds=1))
        prices = tariff(cloud, price_book(cloud, tx), caller.region, caller.account.currency)
    sizes = cloud.piles.weigh(cloud.stores, caller.region, _pile(spans))
    return Overview(len(sizes), sum(sizes), prices.free_bytes(hour_of(now)))


def _pile(spans: Iterable[Span]) -> tuple[RootDigest, ...]:
    standing = [span for span in spans if span.ended_at is None and isinstance(span.use, SnapshotUse)]
    ordered = sorted(standing, key=lambda span: (span.began_at, span.resource_id))
    return tuple(span.use.root for span in ordered if isinstance(span.use, SnapshotUse))


def _account(tx: Tx, caller: Caller, account: str) -> Account:
    """Return whose bill is meant. Raises OperatorOnly, AccountNotFound."""
    if account in {"", caller.account.uin}:
        return caller.account
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator sees the bills of other accounts.")
    found = tx.accounts.get(Uin(account))
    if found is None:
        raise errors.AccountNotFound(f"There is no account {account}.")
    return found


def _items(product: str) -> Sequence[Item]:
    if not product:
        return ()
    if product not in set(Product):
        raise errors.InvalidValue(f"There is no product {product}.")
    return [item for item, of in PRODUCTS.items() if of == product]


def _savings(cloud: Cloud, account: Uin, region: Region, prices: Tariff, hours: tuple[Hour, Hour]) -> list[Saving]:
    """Return what each own image's deletion with its snapshots would free and save from an hour up to another."""
    with cloud.catalog.read() as tx:
        snapshots = [one for one in tx.snapshots.owned(account, region) if one.root is not None]
        images = sorted({image for one in snapshots for image in tx.snapshots.images_of(one.snapshot_id)})
        bound = {image: set(tx.snapshots.bound(image)) for image in images}
    ledger = cloud.stores.store(region).ledger({one.snapshot_id: (one.root,) for one in snapshots if one.root})
    held, free = ledger.total().plain_bytes, prices.free_bytes(hours[0])
    price = exact_price(prices.price(Item.SNAPSHOT, hours[0]) or Decimal())
    known = {one.snapshot_id for one in snapshots}
    savings = []
    for image in images:
        freed = ledger.freed(bound[image] & known).plain_bytes
        hourly = cost(price, max(0, held - free), GIB) - cost(price, max(0, held - freed - free), GIB)
        savings.append(Saving(region, image, freed, Amount(hourly * max(0, hours[1] - hours[0]))))
    return savings


def images_of(cloud: Cloud, bill: Iterable[Billed]) -> dict[str, ImageId]:
    """Return the images that snapshots on a bill were made for, also of those that are gone."""
    names = {one.run.charge.usage.resource_id for one in bill if one.run.charge.usage.item is Item.SNAPSHOT}
    with cloud.catalog.read() as tx:
        uses = [(span.resource_id, span.use) for name in sorted(names) for span in tx.history.of(name)]
    return {name: use.of_image for name, use in uses if isinstance(use, SnapshotUse) and use.of_image}


def warning_of(cloud: Cloud, balance: Balance) -> Warned | None:
    """Return when an account's snapshots and images are deleted if it does not pay, None where they are not isolated."""
    if balance.isolated_at is None or not cloud.settings.arrears:
        return None
    ends = balance.isolated_at + timedelta(days=cloud.settings.arrears_days)
    with cloud.catalog.read() as tx:
        is_left = bool(tx.images.of_owner(balance.account) or tx.snapshots.of_owner(balance.account))
    return Warned(ends, is_deleted=ends <= cloud.now() and not is_left)
