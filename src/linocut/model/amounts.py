"""Money as whole numbers: hundred-millionths of a currency's unit, so that sums are exact and both databases keep them.

A price is a decimal of up to twelve places. What it comes to is rounded once, half up, to a hundred-millionth; nothing is rounded
after that but by whoever shows it.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NewType

Amount = NewType("Amount", int)
"""Hundred-millionths of a unit of some currency."""

PLACES: Final = 8
PRICE_PLACES: Final = 12
"""The most places that a price has."""
_UNIT: Final = Decimal(1).scaleb(-PLACES)
_MORE: Final = 10 ** (PRICE_PLACES - PLACES)


def exact_price(price: Decimal) -> int:
    """Return a price as a whole number of its last place."""
    return int(price.scaleb(PRICE_PLACES))


def cost(price: int, used: int, whole: int) -> Amount:
    """Return what `used` of a `whole` unit cost at an exact price, rounded half up. Neither is negative."""
    divisor = whole * _MORE
    return Amount((2 * price * used + divisor) // (2 * divisor))


def decimal_of(amount: Amount) -> Decimal:
    """Return an amount as a decimal of eight places."""
    return Decimal(amount).scaleb(-PLACES)


def amount_of(value: Decimal) -> Amount:
    """Return a decimal as an amount, rounded half up."""
    return Amount(int(value.quantize(_UNIT, ROUND_HALF_UP).scaleb(PLACES)))


def two_places(amount: Amount) -> Decimal:
    """Return an amount to the fen, rounded half up, as a person reads it."""
    return decimal_of(amount).quantize(Decimal("0.01"), ROUND_HALF_UP)
