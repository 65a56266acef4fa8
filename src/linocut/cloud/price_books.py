"""The prices that hold: those of the price book's file, and those that the operator has set since. None is ever changed."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from linocut.billing import Price, PriceBook, PriceBookError, Source
from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.usage import SetPrice


def price_book(cloud: Cloud, tx: Tx) -> PriceBook:
    """Return all prices as they stand."""
    added = tx.prices.all()
    return cloud.prices.extended(_entry(price) for price in added) if added else cloud.prices


def current_prices(cloud: Cloud) -> PriceBook:
    """Return all prices as they stand, where no transaction is open."""
    with cloud.catalog.read() as tx:
        return price_book(cloud, tx)


def set_price(cloud: Cloud, caller: Caller, entry: Mapping[str, Any]) -> SetPrice:
    """Set a price from a date on, by default from tomorrow; the entry is as in a price book's file.

    Hours that have passed keep their price: a date that has begun is refused. Raises OperatorOnly, InvalidValue.
    """
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator may set prices.")
    since = entry.get("from") or (cloud.now() + timedelta(days=1)).date()
    if not isinstance(since, date) or since <= cloud.now().date():
        raise errors.InvalidValue("A price takes effect tomorrow at the earliest: what has passed keeps its price.")
    try:
        price = cloud.prices.check({**entry, "from": since, "source": "operator"})
    except PriceBookError as error:
        raise errors.InvalidValue("This is no price.", detail=str(error)) from error
    added = SetPrice(price.item, price.kind, tuple(sorted(price.regions)), price.since, price.amount, price.currency)
    with cloud.catalog.begin() as tx:
        tx.prices.add(added, cloud.now())
    return added


def _entry(price: SetPrice) -> Price:
    return Price(price.item, price.kind, frozenset(price.regions), price.since, price.price, Source.OPERATOR, price.currency)
