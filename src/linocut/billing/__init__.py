"""What things cost: the price book, and the meter that tells from it what was used and for how long.

Knows prices by item, kind, region and moment, in decimals, and spans of time in which something existed; knows nothing of the
catalog, the stores or the wire, and reads nothing by itself.
"""

from linocut.billing.meter import GIB, Tariff, Weigh, meter
from linocut.billing.price_book import Price, PriceBook, PriceBookError, PriceMissing, Source
from linocut.billing.statement import PRODUCTS, Product, total, totals
from linocut.model.usage import Item

__all__ = [
    "GIB",
    "PRODUCTS",
    "Item",
    "Price",
    "PriceBook",
    "PriceBookError",
    "PriceMissing",
    "Product",
    "Source",
    "Tariff",
    "Weigh",
    "meter",
    "total",
    "totals",
]
