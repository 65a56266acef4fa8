"""From records to rows and back, and the guarded update.

A record's fields and its table's columns share their names; the columns' types do the conversion. What differs between a
record and its row (tags, folded names) is said by the module of the noun.

A guarded update names what its caller has read: the state, and the old value of every column it is about to write. When the
row has moved on meanwhile, no row matches and the update is a lost race, not a lost write.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from itertools import islice
from typing import Any, ClassVar, Final, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Insert, RowMapping, Table, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from linocut.model.errors import LostRace

T = TypeVar("T")

_BATCH: Final = 1000
"""Values in one IN list; databases have a limit of tens of thousands."""


class Record(Protocol):
    """A dataclass of `linocut.model.records`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


R = TypeVar("R", bound=Record)


def values_of(record: Record, table: Table) -> dict[str, Any]:
    """Return the record's values for those columns of the table that it has a field for."""
    return {name: getattr(record, name) for name in _field_names(record) if name in table.columns}


def record_of(kind: type[R], row: RowMapping, **elsewhere: object) -> R:
    """Return the record that the row holds; `elsewhere` are the fields that other tables keep."""
    names = [name for name in _field_names(kind) if name not in elsewhere]
    return kind(**{name: row[name] for name in names}, **elsewhere)


def _field_names(record: Record | type[Record]) -> Iterator[str]:
    return (field.name for field in fields(record))


def batches(values: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """Yield the values in tuples short enough for one IN list."""
    iterator = iter(values)
    while batch := tuple(islice(iterator, _BATCH)):
        yield batch


def insert_or_skip(connection: Connection, table: Table, unique: Sequence[str]) -> Insert:
    """Return an INSERT that skips a row whose values in the unique columns exist already; none named: in any unique key.

    Unlike a failed INSERT, a skipped one leaves the transaction usable. It waits for a concurrent transaction that has
    inserted the same values to end.
    """
    elements = list(unique) or None
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=elements)
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=elements)


def add_unless_taken(connection: Connection, table: Table, values: Mapping[str, Any], unique: Sequence[str]) -> bool:
    """Insert the row as `insert_or_skip` does, and tell whether it was inserted."""
    statement = insert_or_skip(connection, table, unique).values(**values).returning(*table.primary_key)
    return connection.execute(statement).first() is not None


def guarded_update(
    connection: Connection, key: Column[Any], read: Record, changes: Mapping[str, Any], *, guards: Iterable[str]
) -> None:
    """Write the changes to the row of `read`, provided that the guards' columns still hold what was read.

    Raises LostRace when they do not, or when the row is gone.
    """
    table = key.table
    same = [table.c[name].is_not_distinct_from(getattr(read, name)) for name in guards]
    statement = update(table).where(key == getattr(read, key.name), *same)
    if connection.execute(statement.values(**changes)).rowcount != 1:
        raise lost_race(f"{getattr(read, key.name)} is not as it was read")


def lost_race(detail: str) -> LostRace:
    """Return the conflict for a resource that somebody else has changed."""
    return LostRace("the resource was changed by another operation; try again", detail=detail)


def lock_until_end(connection: Connection, name: str) -> None:
    """Let only one transaction at a time go past this point for this name; the lock ends with the transaction.

    On SQLite every write transaction is alone already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def folded(text: str) -> str:
    """Return the text as searches that ignore case compare it."""
    return text.casefold()


def contains_any(folded_column: Column[Any], parts: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition that the text contains one of the parts, whatever its case."""
    return or_(*(folded_column.contains(folded(part), autoescape=True) for part in parts))
