"""Prices that the operator has set beside the price book's file. They are added, never changed."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from linocut.catalog.schema import PRICES
from linocut.model.ids import Region
from linocut.model.usage import SetPrice


class Prices:
    """The prices in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> tuple[SetPrice, ...]:
        """Return all prices that were set, in the order in which they were."""
        rows = self._connection.execute(select(PRICES).order_by(PRICES.c.price_id)).mappings()
        return tuple(
            SetPrice(
                row["item"],
                row["kind"],
                tuple(Region(region) for region in row["regions"]),
                row["since"],
                row["price"],
                row["currency"],
            )
            for row in rows
        )

    def add(self, price: SetPrice, at: datetime) -> None:
        """Add a price."""
        self._connection.execute(
            insert(PRICES).values(
                item=price.item,
                kind=price.kind,
                regions=price.regions,
                since=price.since,
                price=price.price,
                currency=price.currency,
                set_at=at,
            )
        )
