"""Client tokens: launches that may be asked for again."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from linocut.catalog.rows import add_unless_taken, lost_race, record_of, values_of
from linocut.catalog.schema import CLIENT_TOKENS
from linocut.model.ids import Region, Uin
from linocut.model.records import ClientToken


class Tokens:
    """The client tokens in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, owner: Uin, region: Region, token: str) -> ClientToken | None:
        """Return what the token was used for, or None."""
        tokens = CLIENT_TOKENS.c
        query = select(CLIENT_TOKENS).where(tokens.owner == owner, tokens.region == region, tokens.token == token)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else record_of(ClientToken, row)

    def add(self, token: ClientToken) -> None:
        """Remember what the token was used for. Raises LostRace when it was used meanwhile: get it then."""
        if not add_unless_taken(self._connection, CLIENT_TOKENS, values_of(token, CLIENT_TOKENS), ["owner", "region", "token"]):
            raise lost_race(f"client token {token.token} was used meanwhile")

    def remove(self, token: ClientToken) -> None:
        """Forget a token; harmless when it is forgotten already."""
        tokens = CLIENT_TOKENS.c
        mine = (tokens.owner == token.owner, tokens.region == token.region, tokens.token == token.token)
        self._connection.execute(delete(CLIENT_TOKENS).where(*mine))

    def expire(self, before: datetime) -> int:
        """Forget the tokens used before this moment, and return how many they were."""
        return self._connection.execute(delete(CLIENT_TOKENS).where(CLIENT_TOKENS.c.created_at < before)).rowcount
