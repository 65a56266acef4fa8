"""The tables.

One table a noun, with a column for every field of its record, by the same name and with the same meaning; plus a few columns
and tables that only queries need: folded names for searches that ignore case, a digest of a public key for its uniqueness,
tags, and the links between images and snapshots and between instances and key pairs.

The migrations build these tables; a test holds the two together.
"""

import json
from datetime import UTC, datetime
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
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from linocut.model.networks import Rule
from linocut.model.records import DiskUsage, ImageSource
from linocut.model.states import CopyState, DiskState, ImageState, InstanceState, OperationState, SnapshotState, TaskState

_WORD_CHARACTERS: Final = 32
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

    impl = String(_WORD_CHARACTERS)
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


def _id(name: str, refers_to: str | None = None, **options: Any) -> Column[str]:  # noqa: ANN401  # SQLAlchemy's own signature
    """Return a column for an id, if need be one that must exist in another table."""
    foreign = () if refers_to is None else (ForeignKey(refers_to),)
    return Column(name, String(_ID_CHARACTERS), *foreign, **{"nullable": False, **options})


def _owner() -> Column[str]:
    return _id("owner", "accounts.uin")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, UtcTime, nullable=nullable)


def _one_default(name: str, *columns: str) -> Index:
    """Return the index that keeps a second default out of these."""
    return Index(name, *columns, unique=True, sqlite_where=text("is_default"), postgresql_where=text("is_default"))


METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_OPERATOR: Final = text("is_operator")

ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    _id("uin", primary_key=True),
    Column("app_id", BigInteger, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    _flag("is_operator"),
    _time("created_at"),
    Index(
        "uq_accounts_operator", "is_operator", unique=True, sqlite_where=text("is_operator"), postgresql_where=text("is_operator")
    ),
)

ACCESS_KEYS: Final = Table(
    "access_keys",
    METADATA,
    Column("secret_id", String(128), primary_key=True),
    _id("uin", "accounts.uin", index=True),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    _time("created_at"),
)

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("secret_id", String(128), primary_key=True),
    _id("uin", "accounts.uin"),
    _text("role"),
    _text("name"),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    _id("token_digest"),
    _time("created_at"),
    Column("expires_at", UtcTime, nullable=False, index=True),
)

IMAGES: Final = Table(
    "images",
    METADATA,
    _id("image_id", primary_key=True),
    _owner(),
    _id("region"),
    _text("name"),
    _text("name_folded"),
    _text("description"),
    Column("state", Word(ImageState), nullable=False, index=True),
    Column("source", Word(ImageSource), nullable=False),
    _flag("is_public"),
    _text("platform"),
    _text("platform_folded"),
    _text("os_name"),
    _text("architecture"),
    _number("size_gb"),
    _text("license_type"),
    _text("boot_mode"),
    _text("family"),
    _flag("deprecated"),
    _flag("supports_cloud_init"),
    _number("percent"),
    _text("failure"),
    _text("source_url"),
    _id("source_instance", nullable=True),
    _flag("force_poweroff"),
    _text("request_id"),
    _time("created_at"),
    UniqueConstraint("owner", "region", "name"),
    Index("ix_images_own", "owner", "region", "is_public", "created_at", "image_id"),
    Index("ix_images_public", "is_public", "state", "created_at", "image_id"),
)

IMAGE_COUNTS: Final = Table(
    "image_counts",
    METADATA,
    _id("account", primary_key=True),
    _id("region", primary_key=True),
    Column("kind", String(_WORD_CHARACTERS), primary_key=True),
    _number("count"),
)

SNAPSHOTS: Final = Table(
    "snapshots",
    METADATA,
    _id("snapshot_id", primary_key=True),
    _owner(),
    _id("region"),
    _text("name"),
    Column("usage", Word(DiskUsage), nullable=False),
    Column("state", Word(SnapshotState), nullable=False),
    _number("size_bytes"),
    _id("root", nullable=True),
    _id("disk_id", nullable=True),
    _number("percent"),
    _time("created_at"),
    Index("ix_snapshots_own", "owner", "region", "created_at", "snapshot_id"),
    Index("ix_snapshots_disk", "disk_id"),
    Index("ix_snapshots_roots", "region", "owner", "root"),
)

IMAGE_SNAPSHOTS: Final = Table(
    "image_snapshots",
    METADATA,
    _id("image_id", "images.image_id", primary_key=True),
    _id("snapshot_id", "snapshots.snapshot_id", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

SHARES: Final = Table(
    "shares",
    METADATA,
    _id("image_id", "images.image_id", primary_key=True),
    _id("account", "accounts.uin", primary_key=True),
    _time("created_at"),
    Index("ix_shares_account", "account", "image_id"),
)

INSTANCES: Final = Table(
    "instances",
    METADATA,
    _id("instance_id", primary_key=True),
    _id("uuid"),
    _owner(),
    _id("region"),
    _id("zone"),
    _text("name"),
    _text("name_folded"),
    _text("host_name"),
    _text("instance_type"),
    _number("vcpus"),
    _number("memory_mb"),
    _id("image_id"),
    _text("os_name"),
    Column("state", Word(InstanceState), nullable=False),
    _id("address"),
    _text("mac"),
    _text("password_hash"),
    _flag("keep_image_login"),
    Column("user_data", LargeBinary, nullable=False),
    _text("charge_type"),
    _flag("disable_termination"),
    _text("latest_operation"),
    Column("latest_operation_state", Word(OperationState), nullable=False),
    _text("latest_operation_error"),
    _text("latest_request_id"),
    _time("created_at"),
    _time("started_at", nullable=True),
    Column("launch_ms", JSON, nullable=False),
    Column("login_generation", BigInteger, nullable=False, server_default=text("0")),
    Column("metadata", Pairs, nullable=False, server_default="{}"),
    Column("boot_mode", Text, nullable=False, server_default="Legacy BIOS"),
    Column("license_type", Text, nullable=False, server_default="TencentCloud"),
    _id("vpc_id"),
    _id("subnet_id", index=True),
    _flag("has_public_address"),
    _number("bandwidth_mbps"),
    _text("internet_charge_type"),
    Index("ix_instances_own", "owner", "region", "created_at", "instance_id"),
    Index("ix_instances_reserved", "state", "vcpus", "memory_mb"),
    Index("ix_instances_address", "address"),
)

VPCS: Final = Table(
    "vpcs",
    METADATA,
    _id("vpc_id", primary_key=True),
    _owner(),
    _id("region"),
    _text("name"),
    _text("name_folded"),
    _id("cidr"),
    _flag("is_default"),
    _flag("multicast"),
    _id("route_table_id"),
    _time("created_at"),
    Index("ix_vpcs_own", "owner", "region", "created_at", "vpc_id"),
    _one_default("uq_vpcs_default", "owner", "region"),
)

SUBNETS: Final = Table(
    "subnets",
    METADATA,
    _id("subnet_id", primary_key=True),
    _id("vpc_id", "vpcs.vpc_id", index=True),
    _owner(),
    _id("region"),
    _id("zone"),
    _text("name"),
    _text("name_folded"),
    _id("cidr"),
    _flag("is_default"),
    _flag("broadcast"),
    _time("created_at"),
    Index("ix_subnets_own", "owner", "region", "created_at", "subnet_id"),
    _one_default("uq_subnets_default", "owner", "region", "zone"),
)

SECURITY_GROUPS: Final = Table(
    "security_groups",
    METADATA,
    _id("group_id", primary_key=True),
    _owner(),
    _id("region"),
    _text("name"),
    _text("name_folded"),
    _text("description"),
    _flag("is_default"),
    _number("version"),
    Column("ingress", Rules, nullable=False),
    Column("egress", Rules, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    Index("ix_security_groups_own", "owner", "region", "created_at", "group_id"),
    _one_default("uq_security_groups_default", "owner", "region"),
)

INSTANCE_GROUPS: Final = Table(
    "instance_groups",
    METADATA,
    _id("instance_id", "instances.instance_id", primary_key=True),
    _id("group_id", "security_groups.group_id", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

INSTANCE_KEYS: Final = Table(
    "instance_keys",
    METADATA,
    _id("instance_id", "instances.instance_id", primary_key=True),
    _id("key_id", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

DISKS: Final = Table(
    "disks",
    METADATA,
    _id("disk_id", primary_key=True),
    _owner(),
    _id("region"),
    _id("zone"),
    _id("instance_id", "instances.instance_id"),
    Column("usage", Word(DiskUsage), nullable=False),
    Column("position", Integer, nullable=False),
    _text("name"),
    _text("disk_type"),
    _number("size_gb"),
    Column("state", Word(DiskState), nullable=False),
    _id("base_root", nullable=True),
    _id("synced_root", nullable=True),
    Column("synced_mark", Text, nullable=True),
    _flag("delete_with_instance"),
    _time("created_at"),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_disks_own", "owner", "region", "created_at", "disk_id"),
    Index("ix_disks_instance", "instance_id", "position"),
    Index("ix_disks_roots", "region", "base_root", "synced_root"),
)

KEYS: Final = Table(
    "keys",
    METADATA,
    _id("key_id", primary_key=True),
    _owner(),
    _text("name"),
    _text("name_folded"),
    _number("project_id"),
    _text("description"),
    _text("public_key"),
    _id("public_key_digest"),
    _time("created_at"),
    UniqueConstraint("owner", "name"),
    UniqueConstraint("owner", "public_key_digest"),
    Index("ix_keys_own", "owner", "created_at", "key_id"),
)

TAGS: Final = Table(
    "tags",
    METADATA,
    _id("resource_id", primary_key=True),
    Column("key", Text, primary_key=True),
    _text("value"),
    Column("position", Integer, nullable=False),
    Index("ix_tags_key", "key", "value", "resource_id"),
    Index("ix_tags_value", "value", "resource_id"),
)

CLIENT_TOKENS: Final = Table(
    "client_tokens",
    METADATA,
    _id("owner", "accounts.uin", primary_key=True),
    _id("region", primary_key=True),
    Column("token", String(128), primary_key=True),
    _text("order_digest"),
    Column("instance_ids", Ids, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
)

DISPLAY_TICKETS: Final = Table(
    "display_tickets",
    METADATA,
    _id("token_digest", primary_key=True),
    _owner(),
    _id("region"),
    _id("instance_id"),
    _time("created_at"),
    Column("expires_at", UtcTime, nullable=False, index=True),
)

UPLOADS: Final = Table(
    "uploads",
    METADATA,
    Column("upload_id", String(128), primary_key=True),
    _owner(),
    _id("region"),
    _number("size_bytes"),
    _id("sha256", nullable=True),
    Column("created_at", UtcTime, nullable=False, index=True),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("entry", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _time("at"),
    _id("uin"),
    Column("secret_id", String(128), nullable=False),
    _text("source"),
    _id("region"),
    _text("service"),
    _text("action"),
    _text("request_id"),
    _text("outcome"),
    Column("resources", Ids, nullable=False),
    Index("ix_audit_uin_entry", "uin", "entry"),
    Index("ix_audit_at", "at"),
)

TASKS: Final = Table(
    "tasks",
    METADATA,
    Column("task_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _owner(),
    _id("region"),
    _text("action"),
    _id("resource"),
    _text("request_id"),
    Column("state", Word(TaskState), nullable=False),
    _number("percent"),
    _number("bytes_done"),
    _number("bytes_total"),
    _text("error"),
    _flag("cancel_asked"),
    _time("created_at"),
    Column("ended_at", UtcTime, nullable=True, index=True),
    Index("ix_tasks_resource", "resource", "request_id"),
    Index("ix_tasks_own", "owner", "region", "task_id"),
    sqlite_autoincrement=True,  # the number of a task that was removed is never given again
)

EXPORTS: Final = Table(
    "exports",
    METADATA,
    _id("image_id", "images.image_id", primary_key=True),
    _owner(),
    _id("region"),
    _text("bucket"),
    Column("keys", Ids, nullable=False),
    _text("format"),
    _text("request_id"),
    _time("created_at"),
    Index("ix_exports_own", "owner", "region"),
)

COPIES: Final = Table(
    "copies",
    METADATA,
    _id("region", primary_key=True),
    _id("snapshot_id", primary_key=True),
    _id("image_id"),
    _id("source_image"),
    _id("source_region"),
    _id("root"),
    Column("state", Word(CopyState), nullable=False),
    _text("request_id"),
    _time("created_at"),
    Index("ix_copies_root", "region", "root"),
    Index("ix_copies_source_root", "source_region", "root"),
    Index("ix_copies_image", "image_id"),
    Index("ix_copies_source_image", "source_image"),
)
