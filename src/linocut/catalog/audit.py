"""The audit log: every mutating call."""

from sqlalchemy import Connection, insert, select

from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import AUDIT
from linocut.model.records import AuditEntry


class Audit:
    """The audit log in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        """Add an entry at the end."""
        self._connection.execute(insert(AUDIT).values(values_of(entry, AUDIT)))

    def recent(self, limit: int) -> tuple[AuditEntry, ...]:
        """Return the last entries, the last one first."""
        rows = self._connection.execute(select(AUDIT).order_by(AUDIT.c.entry.desc()).limit(limit)).mappings()
        return tuple(record_of(AuditEntry, row) for row in rows)
