"""Sessions: temporary credentials of roles."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from linocut.catalog.rows import lost_race, record_of, values_of
from linocut.catalog.schema import SESSIONS
from linocut.model.ids import SecretId
from linocut.model.records import Session


class Sessions:
    """The sessions in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, session: Session) -> None:
        """Add a session. Raises LostRace when its secret id exists."""
        try:
            self._connection.execute(insert(SESSIONS).values(values_of(session, SESSIONS)))
        except IntegrityError as error:
            raise lost_race(f"secret id {session.secret_id} exists") from error

    def get(self, secret_id: SecretId) -> Session | None:
        """Return the session that has the secret id, whether expired or not; or None."""
        row = self._connection.execute(select(SESSIONS).where(SESSIONS.c.secret_id == secret_id)).mappings().first()
        return None if row is None else record_of(Session, row)

    def expire(self, before: datetime) -> int:
        """Forget the sessions that ended before this moment, and return how many they were."""
        return self._connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at < before)).rowcount
