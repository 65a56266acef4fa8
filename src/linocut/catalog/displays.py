"""Tickets to displays: each opens one connection to one machine's screen, once."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import DISPLAY_TICKETS
from linocut.model.records import DisplayTicket


class Displays:
    """The tickets in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, ticket: DisplayTicket) -> None:
        """Add a ticket."""
        self._connection.execute(insert(DISPLAY_TICKETS).values(values_of(ticket, DISPLAY_TICKETS)))

    def holds(self, token_digest: str) -> bool:
        """Tell whether there is such a ticket, without taking it."""
        mine = DISPLAY_TICKETS.c.token_digest == token_digest
        return self._connection.execute(select(DISPLAY_TICKETS.c.token_digest).where(mine)).first() is not None

    def take(self, token_digest: str) -> DisplayTicket | None:
        """Remove the ticket and return it, or None; of several that ask at once, one gets it."""
        mine = DISPLAY_TICKETS.c.token_digest == token_digest
        statement = delete(DISPLAY_TICKETS).where(mine).returning(*DISPLAY_TICKETS.c)
        row = self._connection.execute(statement).mappings().first()
        return None if row is None else record_of(DisplayTicket, row)

    def expire(self, before: datetime) -> int:
        """Forget the tickets that ended before this moment, and return how many they were."""
        return self._connection.execute(delete(DISPLAY_TICKETS).where(DISPLAY_TICKETS.c.expires_at < before)).rowcount
