"""The columns that tables are made of: what Python has for them, and what the databases keep."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    text,
)

from linocut.model.networks import Rule
from linocut.model.records import GuestSystem, PolicyRule
from linocut.model.usage import DiskUse, InstanceUse, SnapshotUse, Use

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

WORD_CHARACTERS: Final = 32
_ID_CHARACTERS: Final = 64


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC to the microsecond; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the database keeps: SQLite has no time zones, so it keeps UTC without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be kept: {value.isoformat()}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Word(TypeDecorator[str]):
    """A member of an enumeration, kept as its word. Any text may be compared with it; only its own words are read back."""

    impl = String(WORD_CHARACTERS)
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words
        self._by_word = {word.value: word for word in words}

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return the plain word."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002  # the same
        """Return the member; a word that is none of them raises ValueError."""
        return None if value is None else self._by_word.get(value) or self.words(value)


class Ids(TypeDecorator[tuple[str, ...]]):
    """A short tuple of ids, kept as a JSON list."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002  # the same
        """Return the list."""
        return None if value is None else list(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...] | None:  # noqa: ANN401, ARG002  # the same
        """Return the tuple."""
        return None if value is None else tuple(value)


class Pairs(TypeDecorator[dict[str, str]]):
    """What users tell their instances, a key and a text each, kept as the text of a JSON object."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:  # noqa: ARG002  # the same
        """Return the text."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str] | None:  # noqa: ARG002  # the same
        """Return the pairs."""
        return None if value is None else json.loads(value)


class Rules(TypeDecorator[tuple[Rule, ...]]):
    """The rules of one direction of a security group, kept as a JSON list of objects."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[Rule, ...] | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002  # the same
        """Return the list."""
        return None if value is None else msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[Rule, ...] | None:  # noqa: ANN401, ARG002  # the same
        """Return the rules."""
        return None if value is None else msgspec.convert(value, tuple[Rule, ...])


class Schedule(TypeDecorator[tuple[PolicyRule, ...]]):
    """The rules of an auto snapshot policy, kept as a JSON list of objects."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[PolicyRule, ...] | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002  # the same
        """Return the list."""
        return None if value is None else msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[PolicyRule, ...] | None:  # noqa: ANN401, ARG002  # the same
        """Return the rules."""
        return None if value is None else msgspec.convert(value, tuple[PolicyRule, ...])


class System(TypeDecorator[GuestSystem]):
    """What is known of the operating system on a disk, kept as a JSON object."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: GuestSystem | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002  # the same
        """Return the object."""
        return None if value is None else msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> GuestSystem | None:  # noqa: ANN401, ARG002  # the same
        """Return the system."""
        return None if value is None else msgspec.convert(value, GuestSystem)


_USES: Final[dict[str, type[Use]]] = {"snapshot": SnapshotUse, "disk": DiskUse, "instance": InstanceUse}


class Used(TypeDecorator[Use]):
    """What a resource was for a span of time, kept as the text of a JSON object with its kind."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Use | None, dialect: Dialect) -> str | None:  # noqa: ARG002  # the same
        """Return the text."""
        if value is None:
            return None
        kind = next(name for name, known in _USES.items() if isinstance(value, known))
        return json.dumps({"kind": kind, **msgspec.to_builtins(value)})

    def process_result_value(self, value: str | None, dialect: Dialect) -> Use | None:  # noqa: ARG002  # the same
        """Return the use; one of an unknown kind raises ValueError."""
        if value is None:
            return None
        fields = json.loads(value)
        kind = _USES.get(fields.pop("kind", ""))
        if kind is None:
            raise ValueError(f"no use of a known kind: {value}")
        return msgspec.convert(fields, kind)


class Price(TypeDecorator[Decimal]):
    """A price, kept as its decimal text."""

    impl = String(WORD_CHARACTERS)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002  # the same
        """Return the text."""
        return None if value is None else f"{value:f}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002  # the same
        """Return the price."""
        return None if value is None else Decimal(value)


def a_serial(name: str) -> Column[int]:
    """Return a column that numbers rows."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def an_id(name: str, refers_to: str | None = None, **options: Any) -> Column[str]:  # noqa: ANN401  # SQLAlchemy's own signature
    """Return a column for an id, if need be one that must exist in another table."""
    foreign = () if refers_to is None else (ForeignKey(refers_to),)
    return Column(name, String(_ID_CHARACTERS), *foreign, **{"nullable": False, **options})


def an_owner() -> Column[str]:
    """Return a column for the account that owns a row."""
    return an_id("owner", "accounts.uin")


def a_text(name: str) -> Column[str]:
    """Return a column for a text of any length."""
    return Column(name, Text, nullable=False)


def a_flag(name: str) -> Column[bool]:
    """Return a column for yes or no."""
    return Column(name, Boolean, nullable=False)


def a_number(name: str) -> Column[int]:
    """Return a column for a whole number."""
    return Column(name, BigInteger, nullable=False)


def a_time(name: str, *, nullable: bool = False) -> Column[datetime]:
    """Return a column for a moment."""
    return Column(name, UtcTime, nullable=nullable)


def one_default(name: str, *columns: str) -> Index:
    """Return the index that keeps a second default out of these."""
    return Index(name, *columns, unique=True, sqlite_where=text("is_default"), postgresql_where=text("is_default"))
