"""The audit log: every mutating call."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, String, cast, func, insert, select

from linocut.catalog.page import Page
from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import AUDIT
from linocut.model.ids import Uin
from linocut.model.records import AuditEntry


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries, and which page of them. What is None or empty asks for nothing."""

    uin: Uin | None = None
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    since: datetime | None = None
    offset: int = 0
    limit: int = 20


class Audit:
    """The audit log in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        """Add an entry at the end."""
        self._connection.execute(insert(AUDIT).values(values_of(entry, AUDIT)))

    def recent(self, limit: int) -> tuple[AuditEntry, ...]:
        """Return the last entries, the last one first."""
        return self.page(AuditQuery(limit=limit)).items

    def page(self, asked: AuditQuery) -> Page[AuditEntry]:
        """Return a page of the entries, the last one first, and how many there are in all."""
        conditions = _conditions(asked)
        total = self._connection.execute(select(func.count()).select_from(AUDIT).where(*conditions)).scalar_one()
        query = select(AUDIT).where(*conditions).order_by(AUDIT.c.entry.desc()).offset(asked.offset).limit(asked.limit)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(record_of(AuditEntry, row) for row in rows), total)


def _conditions(asked: AuditQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if asked.uin is not None:
        conditions.append(AUDIT.c.uin == asked.uin)
    if asked.actions:
        conditions.append(AUDIT.c.action.in_(asked.actions))
    if asked.since is not None:
        conditions.append(AUDIT.c.at >= asked.since)
    named = cast(AUDIT.c.resources, String)
    return conditions + [named.contains(f'"{resource}"', autoescape=True) for resource in asked.resources]
