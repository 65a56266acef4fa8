"""The tables.

One table a noun, with a column for every field of its record, by the same name and with the same meaning; plus a few columns
and tables that only queries need: folded names for searches that ignore case, a digest of a public key for its uniqueness,
tags, and the links between images and snapshots and between instances and key pairs.

The migrations build these tables; a test holds the two together.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from linocut.catalog.billing_schema import BALANCES, CHARGES, METERS, PAYMENTS, PRICES, SPANS
from linocut.catalog.columns import (
    METADATA,
    WORD_CHARACTERS,
    Ids,
    Pairs,
    Rules,
    System,
    UtcTime,
    Word,
    a_flag,
    a_number,
    a_text,
    a_time,
    an_id,
    an_owner,
    one_default,
)
from linocut.catalog.snapshot_schema import POLICY_DISKS, SNAPSHOT_COPIES, SNAPSHOT_GROUPS, SNAPSHOT_POLICIES, SNAPSHOT_SHARES
from linocut.model.records import DiskUsage, ImageSource
from linocut.model.states import CopyState, DiskState, ImageState, InstanceState, OperationState, SnapshotState, TaskState

__all__ = [
    "BALANCES",
    "CHARGES",
    "METADATA",
    "METERS",
    "PAYMENTS",
    "POLICY_DISKS",
    "PRICES",
    "SNAPSHOT_COPIES",
    "SNAPSHOT_GROUPS",
    "SNAPSHOT_POLICIES",
    "SNAPSHOT_SHARES",
    "SPANS",
]

_OPERATOR: Final = text("is_operator")

ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    an_id("uin", primary_key=True),
    Column("app_id", BigInteger, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    a_flag("is_operator"),
    a_time("created_at"),
    Column("currency", String(WORD_CHARACTERS), nullable=False, server_default="CNY"),
    Index(
        "uq_accounts_operator", "is_operator", unique=True, sqlite_where=text("is_operator"), postgresql_where=text("is_operator")
    ),
)

ACCESS_KEYS: Final = Table(
    "access_keys",
    METADATA,
    Column("secret_id", String(128), primary_key=True),
    an_id("uin", "accounts.uin", index=True),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    a_time("created_at"),
)

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("secret_id", String(128), primary_key=True),
    an_id("uin", "accounts.uin"),
    a_text("role"),
    a_text("name"),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    an_id("token_digest"),
    a_time("created_at"),
    Column("expires_at", UtcTime, nullable=False, index=True),
)

IMAGES: Final = Table(
    "images",
    METADATA,
    an_id("image_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("name"),
    a_text("name_folded"),
    a_text("description"),
    Column("state", Word(ImageState), nullable=False, index=True),
    Column("source", Word(ImageSource), nullable=False),
    a_flag("is_public"),
    a_text("platform"),
    a_text("platform_folded"),
    a_text("os_name"),
    a_text("architecture"),
    a_number("size_gb"),
    a_text("license_type"),
    a_text("boot_mode"),
    a_text("family"),
    a_flag("deprecated"),
    a_flag("supports_cloud_init"),
    a_number("percent"),
    a_text("failure"),
    a_text("source_url"),
    an_id("source_instance", nullable=True),
    a_flag("force_poweroff"),
    a_text("request_id"),
    a_time("created_at"),
    an_id("windows_of", nullable=True),
    UniqueConstraint("owner", "region", "name"),
    Index("ix_images_own", "owner", "region", "is_public", "created_at", "image_id"),
    Index("ix_images_public", "is_public", "state", "created_at", "image_id"),
)

IMAGE_COUNTS: Final = Table(
    "image_counts",
    METADATA,
    an_id("account", primary_key=True),
    an_id("region", primary_key=True),
    Column("kind", String(WORD_CHARACTERS), primary_key=True),
    a_number("count"),
)

SNAPSHOTS: Final = Table(
    "snapshots",
    METADATA,
    an_id("snapshot_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("name"),
    Column("usage", Word(DiskUsage), nullable=False),
    Column("state", Word(SnapshotState), nullable=False),
    a_number("size_bytes"),
    an_id("root", nullable=True),
    an_id("disk_id", nullable=True),
    a_number("percent"),
    a_time("created_at"),
    a_flag("is_copy"),
    a_time("changed_at", nullable=True),
    Column("deadline", UtcTime, nullable=True, index=True),
    an_id("policy_id", nullable=True),
    an_id("group_id", nullable=True, index=True),
    Column("system", System, nullable=True),
    Column("is_frozen", Boolean, nullable=False, server_default=false()),
    Column("request_id", Text, nullable=False, server_default=text("''")),
    an_id("windows_of", nullable=True),
    Index("ix_snapshots_policy", "policy_id", "disk_id", "created_at"),
    Index("ix_snapshots_own", "owner", "region", "created_at", "snapshot_id"),
    Index("ix_snapshots_disk", "disk_id"),
    Index("ix_snapshots_roots", "region", "owner", "root"),
)

IMAGE_SNAPSHOTS: Final = Table(
    "image_snapshots",
    METADATA,
    an_id("image_id", "images.image_id", primary_key=True),
    an_id("snapshot_id", "snapshots.snapshot_id", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

SHARES: Final = Table(
    "shares",
    METADATA,
    an_id("image_id", "images.image_id", primary_key=True),
    an_id("account", "accounts.uin", primary_key=True),
    a_time("created_at"),
    Index("ix_shares_account", "account", "image_id"),
)

INSTANCES: Final = Table(
    "instances",
    METADATA,
    an_id("instance_id", primary_key=True),
    an_id("uuid"),
    an_owner(),
    an_id("region"),
    an_id("zone"),
    a_text("name"),
    a_text("name_folded"),
    a_text("host_name"),
    a_text("instance_type"),
    a_number("vcpus"),
    a_number("memory_mb"),
    an_id("image_id"),
    a_text("os_name"),
    Column("state", Word(InstanceState), nullable=False),
    an_id("address"),
    a_text("mac"),
    a_text("password_hash"),
    a_flag("keep_image_login"),
    Column("user_data", LargeBinary, nullable=False),
    a_text("charge_type"),
    a_flag("disable_termination"),
    a_text("latest_operation"),
    Column("latest_operation_state", Word(OperationState), nullable=False),
    a_text("latest_operation_error"),
    a_text("latest_request_id"),
    a_time("created_at"),
    a_time("started_at", nullable=True),
    Column("launch_ms", JSON, nullable=False),
    Column("login_generation", BigInteger, nullable=False, server_default=text("0")),
    Column("metadata", Pairs, nullable=False, server_default="{}"),
    Column("boot_mode", Text, nullable=False, server_default="Legacy BIOS"),
    Column("license_type", Text, nullable=False, server_default="TencentCloud"),
    an_id("vpc_id"),
    an_id("subnet_id", index=True),
    a_flag("has_public_address"),
    a_number("bandwidth_mbps"),
    a_text("internet_charge_type"),
    an_id("windows_of", nullable=True),
    Index("ix_instances_own", "owner", "region", "created_at", "instance_id"),
    Index("ix_instances_reserved", "state", "vcpus", "memory_mb"),
    Index("ix_instances_address", "address"),
)

VPCS: Final = Table(
    "vpcs",
    METADATA,
    an_id("vpc_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("name"),
    a_text("name_folded"),
    an_id("cidr"),
    a_flag("is_default"),
    a_flag("multicast"),
    an_id("route_table_id"),
    a_time("created_at"),
    Index("ix_vpcs_own", "owner", "region", "created_at", "vpc_id"),
    one_default("uq_vpcs_default", "owner", "region"),
)

SUBNETS: Final = Table(
    "subnets",
    METADATA,
    an_id("subnet_id", primary_key=True),
    an_id("vpc_id", "vpcs.vpc_id", index=True),
    an_owner(),
    an_id("region"),
    an_id("zone"),
    a_text("name"),
    a_text("name_folded"),
    an_id("cidr"),
    a_flag("is_default"),
    a_flag("broadcast"),
    a_time("created_at"),
    Index("ix_subnets_own", "owner", "region", "created_at", "subnet_id"),
    one_default("uq_subnets_default", "owner", "region", "zone"),
)

SECURITY_GROUPS: Final = Table(
    "security_groups",
    METADATA,
    an_id("group_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("name"),
    a_text("name_folded"),
    a_text("description"),
    a_flag("is_default"),
    a_number("version"),
    Column("ingress", Rules, nullable=False),
    Column("egress", Rules, nullable=False),
    a_time("created_at"),
    a_time("updated_at"),
    Index("ix_security_groups_own", "owner", "region", "created_at", "group_id"),
    one_default("uq_security_groups_default", "owner", "region"),
)

INSTANCE_GROUPS: Final = Table(
    "instance_groups",
    METADATA,
    an_id("instance_id", "instances.instance_id", primary_key=True),
    an_id("group_id", "security_groups.group_id", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

INSTANCE_KEYS: Final = Table(
    "instance_keys",
    METADATA,
    an_id("instance_id", "instances.instance_id", primary_key=True),
    an_id("key_id", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

DISKS: Final = Table(
    "disks",
    METADATA,
    an_id("disk_id", primary_key=True),
    an_owner(),
    an_id("region"),
    an_id("zone"),
    an_id("instance_id", "instances.instance_id", nullable=True),
    Column("usage", Word(DiskUsage), nullable=False),
    Column("position", Integer, nullable=False),
    a_text("name"),
    a_text("disk_type"),
    a_number("size_gb"),
    Column("state", Word(DiskState), nullable=False),
    an_id("base_root", nullable=True),
    an_id("synced_root", nullable=True),
    Column("synced_mark", Text, nullable=True),
    a_flag("delete_with_instance"),
    a_time("created_at"),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    an_id("base_snapshot", nullable=True),
    an_id("origin_snapshot", nullable=True),
    Column("portable", Boolean, nullable=False, server_default=false()),
    Column("charge_type", Text, nullable=False, server_default="POSTPAID_BY_HOUR"),
    an_id("last_instance", nullable=True),
    Column("request_id", Text, nullable=False, server_default=text("''")),
    Index("ix_disks_state", "state"),
    Index("ix_disks_base_snapshot", "region", "base_snapshot"),
    Index("ix_disks_own", "owner", "region", "created_at", "disk_id"),
    Index("ix_disks_instance", "instance_id", "position"),
    Index("ix_disks_roots", "region", "base_root", "synced_root"),
)

KEYS: Final = Table(
    "keys",
    METADATA,
    an_id("key_id", primary_key=True),
    an_owner(),
    a_text("name"),
    a_text("name_folded"),
    a_number("project_id"),
    a_text("description"),
    a_text("public_key"),
    an_id("public_key_digest"),
    a_time("created_at"),
    UniqueConstraint("owner", "name"),
    UniqueConstraint("owner", "public_key_digest"),
    Index("ix_keys_own", "owner", "created_at", "key_id"),
)

TAGS: Final = Table(
    "tags",
    METADATA,
    an_id("resource_id", primary_key=True),
    Column("key", Text, primary_key=True),
    a_text("value"),
    Column("position", Integer, nullable=False),
    Index("ix_tags_key", "key", "value", "resource_id"),
    Index("ix_tags_value", "value", "resource_id"),
)

CLIENT_TOKENS: Final = Table(
    "client_tokens",
    METADATA,
    an_id("owner", "accounts.uin", primary_key=True),
    an_id("region", primary_key=True),
    Column("token", String(128), primary_key=True),
    a_text("order_digest"),
    Column("instance_ids", Ids, key="resource_ids", nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
)

DISPLAY_TICKETS: Final = Table(
    "display_tickets",
    METADATA,
    an_id("token_digest", primary_key=True),
    an_owner(),
    an_id("region"),
    an_id("instance_id"),
    a_time("created_at"),
    Column("expires_at", UtcTime, nullable=False, index=True),
)

UPLOADS: Final = Table(
    "uploads",
    METADATA,
    Column("upload_id", String(128), primary_key=True),
    an_owner(),
    an_id("region"),
    a_number("size_bytes"),
    an_id("sha256", nullable=True),
    Column("created_at", UtcTime, nullable=False, index=True),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("entry", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    a_time("at"),
    an_id("uin"),
    Column("secret_id", String(128), nullable=False),
    a_text("source"),
    an_id("region"),
    a_text("service"),
    a_text("action"),
    a_text("request_id"),
    a_text("outcome"),
    Column("resources", Ids, nullable=False),
    Index("ix_audit_uin_entry", "uin", "entry"),
    Index("ix_audit_at", "at"),
)

TASKS: Final = Table(
    "tasks",
    METADATA,
    Column("task_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    an_owner(),
    an_id("region"),
    a_text("action"),
    an_id("resource"),
    a_text("request_id"),
    Column("state", Word(TaskState), nullable=False),
    a_number("percent"),
    a_number("bytes_done"),
    a_number("bytes_total"),
    a_text("error"),
    a_flag("cancel_asked"),
    a_time("created_at"),
    Column("ended_at", UtcTime, nullable=True, index=True),
    Index("ix_tasks_resource", "resource", "request_id"),
    Index("ix_tasks_own", "owner", "region", "task_id"),
    sqlite_autoincrement=True,  # the number of a task that was removed is never given again
)

EXPORTS: Final = Table(
    "exports",
    METADATA,
    an_id("image_id", "images.image_id", primary_key=True),
    an_owner(),
    an_id("region"),
    a_text("bucket"),
    Column("keys", Ids, nullable=False),
    a_text("format"),
    a_text("request_id"),
    a_time("created_at"),
    Index("ix_exports_own", "owner", "region"),
)

COPIES: Final = Table(
    "copies",
    METADATA,
    an_id("region", primary_key=True),
    an_id("snapshot_id", primary_key=True),
    an_id("image_id"),
    an_id("source_image"),
    an_id("source_region"),
    an_id("root"),
    Column("state", Word(CopyState), nullable=False),
    a_text("request_id"),
    a_time("created_at"),
    Index("ix_copies_root", "region", "root"),
    Index("ix_copies_source_root", "source_region", "root"),
    Index("ix_copies_image", "image_id"),
    Index("ix_copies_source_image", "source_image"),
)
