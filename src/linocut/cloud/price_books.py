"""The prices that hold: those of the price book's file, and those that the operator has set since. None is ever changed."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from linocut.billing import Price, PriceBook, PriceBookError, Source
from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.places import DISK_TYPES, INSTANCE_TYPES, REGIONS
from linocut.model.usage import Item, SetPrice


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

    Hours that have passed keep their price: a date that has begun is refused. Until then another for the same date corrects it.
    Raises OperatorOnly, InvalidValue.
    """
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator may set prices.")
    since = entry.get("from") or (cloud.now() + timedelta(days=1)).date()
    if not isinstance(since, date) or since <= cloud.now().date():
        raise errors.InvalidValue("A price takes effect tomorrow at the earliest: what has passed keeps its price.")
    _check(cloud, entry)
    try:
        price = cloud.prices.check({**entry, "from": since, "source": "operator"})
    except PriceBookError as error:
        raise errors.InvalidValue(
            "A price is a decimal from zero up, such as 0.0001806, of at most 12 places.", detail=str(error)
        ) from error
    added = SetPrice(price.item, price.kind, tuple(sorted(price.regions)), price.since, price.amount, price.currency)
    with cloud.catalog.begin() as tx:
        tx.prices.add(added, cloud.now())
    return added


def _check(cloud: Cloud, entry: Mapping[str, Any]) -> None:
    """Say which part of an entry is wrong, if one is. Raises InvalidValue."""
    item, kind = entry.get("item"), entry.get("kind", "")
    if item not in set(Item):
        raise errors.InvalidValue(f"There is no item {item}; there are {', '.join(Item)}.")
    kinds = _kinds(cloud, Item(item))
    if kind and not kinds:
        raise errors.InvalidValue(f"The item {item} has no kinds.")
    if kinds and not kind:
        raise errors.InvalidValue(f"The item {item} needs a kind: {', '.join(sorted(kinds))}.")
    if kinds and kind not in kinds:
        raise errors.InvalidValue(f"The item {item} has no kind {kind}; there are {', '.join(sorted(kinds))}.")
    for region in entry.get("regions", ()):
        if region not in REGIONS:
            raise errors.InvalidValue(f"There is no region {region}.")


def _kinds(cloud: Cloud, item: Item) -> set[str]:
    """Return the kinds of an item: those that something can have, and those that the price book's file names."""
    named = {price.kind for price in cloud.prices.prices if price.item is item and price.kind}
    match item:
        case Item.DISK:
            return named | DISK_TYPES
        case Item.VCPU | Item.MEMORY:
            return named | {kind.family for kind in INSTANCE_TYPES.values()}
        case Item.INSTANCE:
            return named | set(INSTANCE_TYPES)
        case _:
            return set()


def _entry(price: SetPrice) -> Price:
    return Price(price.item, price.kind, frozenset(price.regions), price.since, price.price, Source.OPERATOR, price.currency)
