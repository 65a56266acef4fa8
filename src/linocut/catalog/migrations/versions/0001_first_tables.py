"""Make the first tables: accounts, images, instances and what belongs to them."""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make the tables, those that others refer to first."""
    _accounts()
    _audit()
    _tags()
    _access_keys()
    _client_tokens()
    _images()
    _instances()
    _keys()
    _snapshots()
    _uploads()
    _disks()
    _image_snapshots()
    _instance_keys()
    _shares()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("uin", sa.String(length=64), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uin", name="pk_accounts"),
        sa.UniqueConstraint("app_id", name="uq_accounts_app_id"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    one = sa.text("is_operator")
    op.create_index("uq_accounts_operator", "accounts", ["is_operator"], unique=True, sqlite_where=one, postgresql_where=one)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("entry", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uin", sa.String(length=64), nullable=False),
        sa.Column("secret_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name="pk_audit"),
    )


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "key", name="pk_tags"),
    )
    op.create_index("ix_tags_key", "tags", ["key", "value", "resource_id"])
    op.create_index("ix_tags_value", "tags", ["value", "resource_id"])


def _access_keys() -> None:
    op.create_table(
        "access_keys",
        sa.Column("secret_id", sa.String(length=128), nullable=False),
        sa.Column("uin", sa.String(length=64), nullable=False),
        sa.Column("sealed_secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["uin"], ["accounts.uin"], name="fk_access_keys_uin"),
        sa.PrimaryKeyConstraint("secret_id", name="pk_access_keys"),
    )
    op.create_index("ix_access_keys_uin", "access_keys", ["uin"])


def _client_tokens() -> None:
    op.create_table(
        "client_tokens",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=128), nullable=False),
        sa.Column("order_digest", sa.Text(), nullable=False),
        sa.Column("instance_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_client_tokens_owner"),
        sa.PrimaryKeyConstraint("owner", "region", "token", name="pk_client_tokens"),
    )
    op.create_index("ix_client_tokens_created_at", "client_tokens", ["created_at"])


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("platform_folded", sa.Text(), nullable=False),
        sa.Column("os_name", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("size_gb", sa.BigInteger(), nullable=False),
        sa.Column("license_type", sa.Text(), nullable=False),
        sa.Column("boot_mode", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("deprecated", sa.Boolean(), nullable=False),
        sa.Column("supports_cloud_init", sa.Boolean(), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.Column("source_instance", sa.String(length=64), nullable=True),
        sa.Column("force_poweroff", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_images_owner"),
        sa.PrimaryKeyConstraint("image_id", name="pk_images"),
        sa.UniqueConstraint("owner", "region", "name", name="uq_images_owner_region_name"),
    )
    op.create_index("ix_images_own", "images", ["owner", "region", "is_public", "created_at", "image_id"])
    op.create_index("ix_images_public", "images", ["region", "is_public", "state", "owner", "created_at", "image_id"])
    op.create_index("ix_images_state", "images", ["state"])


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("host_name", sa.Text(), nullable=False),
        sa.Column("instance_type", sa.Text(), nullable=False),
        sa.Column("vcpus", sa.BigInteger(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("os_name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("keep_image_login", sa.Boolean(), nullable=False),
        sa.Column("user_data", sa.LargeBinary(), nullable=False),
        sa.Column("charge_type", sa.Text(), nullable=False),
        sa.Column("disable_termination", sa.Boolean(), nullable=False),
        sa.Column("latest_operation", sa.Text(), nullable=False),
        sa.Column("latest_operation_state", sa.String(length=32), nullable=False),
        sa.Column("latest_operation_error", sa.Text(), nullable=False),
        sa.Column("latest_request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("launch_ms", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_instances_owner"),
        sa.PrimaryKeyConstraint("instance_id", name="pk_instances"),
    )
    op.create_index("ix_instances_address", "instances", ["address"])
    op.create_index("ix_instances_own", "instances", ["owner", "region", "created_at", "instance_id"])
    op.create_index("ix_instances_reserved", "instances", ["state", "vcpus", "memory_mb"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("public_key_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_keys_owner"),
        sa.PrimaryKeyConstraint("key_id", name="pk_keys"),
        sa.UniqueConstraint("owner", "name", name="uq_keys_owner_name"),
        sa.UniqueConstraint("owner", "public_key_digest", name="uq_keys_owner_public_key_digest"),
    )
    op.create_index("ix_keys_own", "keys", ["owner", "created_at", "key_id"])


def _snapshots() -> None:
    op.create_table(
        "snapshots",
        sa.Column("snapshot_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("usage", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=True),
        sa.Column("disk_id", sa.String(length=64), nullable=True),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_snapshots_owner"),
        sa.PrimaryKeyConstraint("snapshot_id", name="pk_snapshots"),
    )
    op.create_index("ix_snapshots_roots", "snapshots", ["region", "owner", "root"])


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_uploads_owner"),
        sa.PrimaryKeyConstraint("upload_id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_created_at", "uploads", ["created_at"])


def _disks() -> None:
    op.create_table(
        "disks",
        sa.Column("disk_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("usage", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("disk_type", sa.Text(), nullable=False),
        sa.Column("size_gb", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("base_root", sa.String(length=64), nullable=True),
        sa.Column("synced_root", sa.String(length=64), nullable=True),
        sa.Column("synced_mark", sa.Text(), nullable=True),
        sa.Column("delete_with_instance", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.instance_id"], name="fk_disks_instance_id"),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_disks_owner"),
        sa.PrimaryKeyConstraint("disk_id", name="pk_disks"),
    )
    op.create_index("ix_disks_instance", "disks", ["instance_id", "position"])
    op.create_index("ix_disks_roots", "disks", ["region", "base_root", "synced_root"])


def _image_snapshots() -> None:
    op.create_table(
        "image_snapshots",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("snapshot_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.image_id"], name="fk_image_snapshots_image_id"),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.snapshot_id"], name="fk_image_snapshots_snapshot_id"),
        sa.PrimaryKeyConstraint("image_id", "snapshot_id", name="pk_image_snapshots"),
    )
    op.create_index("ix_image_snapshots_snapshot_id", "image_snapshots", ["snapshot_id"])


def _instance_keys() -> None:
    op.create_table(
        "instance_keys",
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.instance_id"], name="fk_instance_keys_instance_id"),
        sa.PrimaryKeyConstraint("instance_id", "key_id", name="pk_instance_keys"),
    )
    op.create_index("ix_instance_keys_key_id", "instance_keys", ["key_id"])


def _shares() -> None:
    op.create_table(
        "shares",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.uin"], name="fk_shares_account"),
        sa.ForeignKeyConstraint(["image_id"], ["images.image_id"], name="fk_shares_image_id"),
        sa.PrimaryKeyConstraint("image_id", "account", name="pk_shares"),
    )
    op.create_index("ix_shares_account", "shares", ["account", "image_id"])
