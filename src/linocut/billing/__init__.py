"""What things cost: the price book.

Knows prices by item, kind, region and moment, in decimals; knows nothing of accounts, instances or the wire.
"""

from linocut.billing.price_book import Item, Price, PriceBook, PriceBookError, PriceMissing, Source

__all__ = ["Item", "Price", "PriceBook", "PriceBookError", "PriceMissing", "Source"]
