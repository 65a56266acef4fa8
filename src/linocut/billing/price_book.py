"""A dated price book: what one unit of an item costs in a region at a moment.

A price takes effect at its date and never rewrites the past: the price at a moment is that of the newest entry from before. An
entry that names regions goes before one for all of them, and of two such the newer counts. What the operator sets beside the file
goes before the file, and corrects what was set before for the same day. Prices are decimal strings in the
file and `Decimal` here; a float never comes near them.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from linocut.model.amounts import PRICE_PLACES
from linocut.model.ids import Region
from linocut.model.places import REGIONS
from linocut.model.usage import Item

_FORMAT: Final = 1
_FILE_KEYS: Final = frozenset({"format", "currency", "prices"})
_ENTRY_KEYS: Final = frozenset({"item", "kind", "regions", "from", "price", "currency", "source"})


class PriceBookError(Exception):
    """The price book cannot be used; the sentence says where and why."""


class PriceMissing(LookupError):
    """The book has no price for this."""


_WITH_KINDS: Final = frozenset({Item.DISK, Item.VCPU, Item.MEMORY, Item.INSTANCE})


class Source(StrEnum):
    """Whose figure a price is."""

    PUBLISHED = "published"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Price:
    """One entry: the price of a unit from a moment on. Without regions it holds in all that no other entry names.

    One that `supersedes` was set by the operator beside the file, and goes before all that are not.
    """

    item: Item
    kind: str
    regions: frozenset[Region]
    since: datetime
    amount: Decimal
    source: Source
    currency: str
    supersedes: bool = False


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices. `currency` is that of accounts and of prices that name no other."""

    currency: str
    prices: tuple[Price, ...]

    @property
    def currencies(self) -> frozenset[str]:
        """The currencies that something has a price in."""
        return frozenset(price.currency for price in self.prices)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a price book. Raises PriceBookError."""
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise PriceBookError(f"{file}: {error}") from error
        return cls.read(text, str(file))

    @classmethod
    def shipped(cls) -> Self:
        """Return the price book that comes with the package."""
        return cls.read(files(__package__).joinpath("prices.toml").read_text(), "prices.toml")

    @classmethod
    def read(cls, text: str, name: str) -> Self:
        """Read a price book from TOML; `name` is what complaints call it. Raises PriceBookError."""
        try:
            given = tomllib.loads(text)
            currency = _currency(given)
            return cls(currency, _distinct([_price(entry, currency) for entry in given["prices"]]))
        except (tomllib.TOMLDecodeError, _Wrong) as error:
            raise PriceBookError(f"{name}: {error}") from error

    def extended(self, prices: Iterable[Price]) -> Self:
        """Return the book with prices that the operator has set beside it, in the order in which they were.

        A later one for the same from the same day corrects what was there: that is in the book no more.
        """
        kept = self.prices
        for price in prices:
            new = replace(price, supersedes=True)
            kept = (*(left for held in kept if (left := _left(held, new)) is not None), new)
        return replace(self, prices=kept)

    def price(self, item: Item, region: Region, at: datetime, kind: str = "", currency: str = "") -> Price:
        """Return what a unit costs in a region at a moment, in the book's own currency unless another is named.

        Raises PriceMissing.
        """
        wanted = currency or self.currency
        applying = [
            price
            for price in self.prices
            if price.item is item
            and price.kind == kind
            and price.currency == wanted
            and price.since <= at
            and (not price.regions or region in price.regions)
        ]
        if not applying:
            raise PriceMissing(f"no price of {' '.join(filter(None, (item, kind)))} in {region} at {at.isoformat()} in {wanted}")
        return max(applying, key=lambda price: (price.supersedes, bool(price.regions), price.since))

    def check(self, entry: Mapping[str, Any]) -> Price:
        """Return an entry as its operator writes it, checked as those of a file are. Raises PriceBookError."""
        try:
            return _price(entry, self.currency)
        except _Wrong as error:
            raise PriceBookError(str(error)) from error


class _Wrong(Exception):
    """What is wrong with an entry."""


def _currency(given: Mapping[str, Any]) -> str:
    if unknown := given.keys() - _FILE_KEYS:
        raise _Wrong(f"{min(unknown)} is not known here.")
    if given.get("format") != _FORMAT:
        raise _Wrong(f"format is {given.get('format')!r}, expected {_FORMAT}.")
    currency = given.get("currency")
    if not isinstance(currency, str) or not currency:
        raise _Wrong("currency is missing.")
    if not isinstance(given.get("prices"), list):
        raise _Wrong("there are no [[prices]].")
    return currency


def _price(entry: object, default_currency: str) -> Price:
    if not isinstance(entry, dict):
        raise _Wrong(f"{entry!r} is no entry of [[prices]].")
    if unknown := entry.keys() - _ENTRY_KEYS:
        raise _Wrong(f"{min(unknown)} is not known in {entry}.")
    try:
        item, source = Item(entry["item"]), Source(entry["source"])
    except (KeyError, ValueError) as error:
        raise _Wrong(f"{entry} needs an item of {', '.join(Item)} and a source of {', '.join(Source)}.") from error
    kind, since = entry.get("kind", ""), entry.get("from")
    if not isinstance(kind, str) or bool(kind) != (item in _WITH_KINDS):
        raise _Wrong(f"the kind in {entry} is wrong: {', '.join(sorted(_WITH_KINDS))} have one.")
    if not isinstance(since, date) or isinstance(since, datetime):
        raise _Wrong(f"from in {entry} is no date.")
    currency = entry.get("currency", default_currency)
    if not isinstance(currency, str) or not currency:
        raise _Wrong(f"currency in {entry} is no text.")
    return Price(item, kind, _regions(entry), datetime.combine(since, time(), UTC), _amount(entry), source, currency)


def _regions(entry: Mapping[str, Any]) -> frozenset[Region]:
    named = entry.get("regions", [])
    if not isinstance(named, list) or ("regions" in entry and not named):
        raise _Wrong(f"regions in {entry} is no list of regions.")
    for region in named:
        if region not in REGIONS:
            raise _Wrong(f"there is no region {region}, which {entry} names.")
    return frozenset(Region(region) for region in named)


def _amount(entry: Mapping[str, Any]) -> Decimal:
    text = entry.get("price")
    try:
        amount = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0 or -int(amount.as_tuple().exponent) > PRICE_PLACES:
        raise _Wrong(f"price in {entry} is no decimal string from zero up, of at most {PRICE_PLACES} places.")
    return amount


def _left(held: Price, new: Price) -> Price | None:
    """Return what holds of a price where another is set: less the regions that a new one from the same moment is for."""
    if (held.item, held.kind, held.currency, held.since) != (new.item, new.kind, new.currency, new.since):
        return held
    if not new.regions:
        return None if not held.regions or not held.supersedes else held
    if not held.regions:
        return held
    regions = held.regions - new.regions
    return replace(held, regions=regions) if regions else None


def _distinct(prices: Iterable[Price]) -> tuple[Price, ...]:
    """Return the prices. Raises _Wrong where two would hold at the same moment with equal right."""
    kept = tuple(prices)
    seen: set[tuple[Item, str, Region | None, datetime, str]] = set()
    for price in kept:
        for region in price.regions or (None,):
            key = (price.item, price.kind, region, price.since, price.currency)
            if key in seen:
                raise _Wrong(f"{price.item} {price.kind} has two prices from {price.since.date()} in {region or 'all regions'}.")
            seen.add(key)
    return kept
