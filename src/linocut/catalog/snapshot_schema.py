"""The tables of what is around snapshots: groups, shares and policies."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Table, text

from linocut.catalog.columns import METADATA, Schedule, UtcTime, a_flag, a_number, a_text, a_time, an_id, an_owner

SNAPSHOT_GROUPS: Final = Table(
    "snapshot_groups",
    METADATA,
    an_id("group_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("name"),
    an_id("instance_id"),
    an_id("policy_id", nullable=True),
    Column("deadline", UtcTime, nullable=True, index=True),
    a_text("request_id"),
    a_time("created_at"),
    a_time("changed_at"),
    Index("ix_snapshot_groups_own", "owner", "region", "created_at", "group_id"),
)

SNAPSHOT_SHARES: Final = Table(
    "snapshot_shares",
    METADATA,
    an_id("snapshot_id", "snapshots.snapshot_id", primary_key=True),
    an_id("account", "accounts.uin", primary_key=True),
    a_time("created_at"),
    Index("ix_snapshot_shares_account", "account", "snapshot_id"),
)

SNAPSHOT_COPIES: Final = Table(
    "snapshot_copies",
    METADATA,
    an_id("snapshot_id", "snapshots.snapshot_id", primary_key=True),
    an_id("region"),
    an_id("source_snapshot", index=True),
    an_id("source_region"),
    an_id("root"),
    a_text("request_id"),
    a_time("created_at"),
    Index("ix_snapshot_copies_root", "region", "root"),
    Index("ix_snapshot_copies_source_root", "source_region", "root"),
)

SNAPSHOT_POLICIES: Final = Table(
    "snapshot_policies",
    METADATA,
    an_id("policy_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("name"),
    a_flag("is_activated"),
    Column("rules", Schedule, nullable=False),
    a_number("retention_days"),
    Column("retention_amount", BigInteger, nullable=False, server_default=text("0")),
    Column("next_at", UtcTime, nullable=True, index=True),
    a_time("created_at"),
    Index("ix_snapshot_policies_own", "owner", "region", "created_at", "policy_id"),
)

POLICY_DISKS: Final = Table(
    "policy_disks",
    METADATA,
    an_id("policy_id", "snapshot_policies.policy_id", primary_key=True),
    an_id("disk_id", primary_key=True, index=True),
    Column("owed_at", UtcTime, nullable=True, index=True),
)
