"""The tables of what was used when, and what it cost."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from linocut.catalog.columns import (
    METADATA,
    WORD_CHARACTERS,
    Ids,
    Price,
    Used,
    Word,
    a_number,
    a_serial,
    a_time,
    an_id,
    an_owner,
)
from linocut.model.usage import Item

SPANS: Final = Table(
    "spans",
    METADATA,
    a_serial("span_id"),
    an_owner(),
    an_id("region"),
    an_id("zone"),
    an_id("resource_id"),
    Column("use", Used, nullable=False),
    an_id("root", nullable=True),
    a_time("began_at"),
    a_time("ended_at", nullable=True),
    a_time("counts_until", nullable=True),
    Index("ix_spans_resource", "resource_id", "ended_at"),
    Index("ix_spans_own", "owner", "region", "ended_at"),
    Index("ix_spans_roots", "region", "counts_until"),
)

METERS: Final = Table(
    "meters",
    METADATA,
    an_id("account", "accounts.uin", primary_key=True),
    an_id("region", primary_key=True),
    a_time("closed_until"),
)

CHARGES: Final = Table(
    "charges",
    METADATA,
    a_serial("charge_id"),
    an_id("account", "accounts.uin"),
    an_id("region"),
    an_id("zone"),
    Column("month", String(WORD_CHARACTERS), nullable=False),
    Column("first_hour", BigInteger, nullable=False),
    Column("until_hour", BigInteger, nullable=False),
    Column("item", Word(Item), nullable=False),
    Column("kind", Text, nullable=False),
    an_id("resource_id"),
    a_number("quantity"),
    a_number("seconds"),
    a_number("free"),
    Column("price", Price, nullable=True),
    Column("currency", String(WORD_CHARACTERS), nullable=False),
    a_number("amount"),
    Index("ix_charges_own", "account", "month", "charge_id"),
    Index("ix_charges_latest", "account", "region", "until_hour"),
    Index("ix_charges_resource", "account", "resource_id"),
    sqlite_autoincrement=True,  # the number of a charge is told to users
)

BALANCES: Final = Table(
    "balances",
    METADATA,
    an_id("account", "accounts.uin", primary_key=True),
    a_number("amount"),
    a_time("isolated_at", nullable=True),
    a_time("warned_at", nullable=True),
)

PAYMENTS: Final = Table(
    "payments",
    METADATA,
    a_serial("payment_id"),
    an_id("account", "accounts.uin", index=True),
    a_number("amount"),
    Column("currency", String(WORD_CHARACTERS), nullable=False),
    a_time("paid_at"),
)

PRICES: Final = Table(
    "prices",
    METADATA,
    a_serial("price_id"),
    Column("item", Word(Item), nullable=False),
    Column("kind", Text, nullable=False),
    Column("regions", Ids, nullable=False),
    a_time("since"),
    Column("price", Price, nullable=False),
    Column("currency", String(WORD_CHARACTERS), nullable=False),
    a_time("set_at"),
)
