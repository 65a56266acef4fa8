"""Statements: what is on a bill, summed one way or another. Sums are exact, so every way comes to the same total."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from linocut.model.amounts import Amount
from linocut.model.usage import Billed, Item

K = TypeVar("K", bound=Hashable)


class Product(StrEnum):
    """What a charge is for, as the official bill sorts it."""

    CVM = "p_cvm"
    CBS = "p_cbs"


PRODUCTS: Final[Mapping[Item, Product]] = {
    Item.SNAPSHOT: Product.CBS,
    Item.DISK: Product.CBS,
    Item.INSTANCE: Product.CVM,
    Item.WINDOWS: Product.CVM,
    Item.BANDWIDTH: Product.CVM,
}


def totals(bill: Iterable[Billed], key: Callable[[Billed], K]) -> dict[K, Amount]:
    """Return what is charged for each key, the most first."""
    sums: dict[K, Amount] = {}
    for one in bill:
        name = key(one)
        sums[name] = Amount(sums.get(name, 0) + one.run.amount)
    return dict(sorted(sums.items(), key=lambda each: (-each[1], str(each[0]))))


def total(bill: Iterable[Billed]) -> Amount:
    """Return what all of it comes to."""
    return Amount(sum(one.run.amount for one in bill))
