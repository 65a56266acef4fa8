"""Let disks be without an instance, and snapshots be taken by themselves: groups, shares, deadlines and policies."""

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"


def upgrade() -> None:
    """Widen the tables of disks and snapshots, and make the new ones; data disks may be detached from now on."""
    _widen_disks()
    _widen_snapshots()
    _make_groups_and_shares()
    _make_policies()


def _widen_disks() -> None:
    with op.batch_alter_table("disks") as disks:
        disks.alter_column("instance_id", existing_type=sa.String(length=64), nullable=True)
        disks.add_column(sa.Column("portable", sa.Boolean(), nullable=False, server_default=sa.false()))
        disks.add_column(sa.Column("charge_type", sa.Text(), nullable=False, server_default="POSTPAID_BY_HOUR"))
        disks.add_column(sa.Column("last_instance", sa.String(length=64), nullable=True))
        disks.add_column(sa.Column("request_id", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.create_index("ix_disks_state", "disks", ["state"])
    op.execute("UPDATE disks SET portable = (1 = 1) WHERE usage = 'DATA_DISK'")
    op.execute(
        "UPDATE disks SET charge_type = (SELECT instances.charge_type FROM instances "
        "WHERE instances.instance_id = disks.instance_id) WHERE instance_id IS NOT NULL"
    )


def _widen_snapshots() -> None:
    with op.batch_alter_table("snapshots") as snapshots:
        snapshots.add_column(sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
        snapshots.add_column(sa.Column("deadline", sa.DateTime(timezone=True), nullable=True))
        snapshots.add_column(sa.Column("policy_id", sa.String(length=64), nullable=True))
        snapshots.add_column(sa.Column("group_id", sa.String(length=64), nullable=True))
        snapshots.add_column(sa.Column("is_frozen", sa.Boolean(), nullable=False, server_default=sa.false()))
        snapshots.add_column(sa.Column("request_id", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.create_index("ix_snapshots_deadline", "snapshots", ["deadline"])
    op.create_index("ix_snapshots_group_id", "snapshots", ["group_id"])
    op.create_index("ix_snapshots_policy", "snapshots", ["policy_id", "disk_id", "created_at"])


def _make_groups_and_shares() -> None:
    op.create_table(
        "snapshot_groups",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("policy_id", sa.String(length=64), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_snapshot_groups_owner"),
        sa.PrimaryKeyConstraint("group_id", name="pk_snapshot_groups"),
    )
    op.create_index("ix_snapshot_groups_own", "snapshot_groups", ["owner", "region", "created_at", "group_id"])
    op.create_index("ix_snapshot_groups_deadline", "snapshot_groups", ["deadline"])
    op.create_table(
        "snapshot_shares",
        sa.Column("snapshot_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.snapshot_id"], name="fk_snapshot_shares_snapshot_id"),
        sa.ForeignKeyConstraint(["account"], ["accounts.uin"], name="fk_snapshot_shares_account"),
        sa.PrimaryKeyConstraint("snapshot_id", "account", name="pk_snapshot_shares"),
    )
    op.create_index("ix_snapshot_shares_account", "snapshot_shares", ["account", "snapshot_id"])


def _make_policies() -> None:
    op.create_table(
        "snapshot_policies",
        sa.Column("policy_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_activated", sa.Boolean(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("retention_days", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_snapshot_policies_owner"),
        sa.PrimaryKeyConstraint("policy_id", name="pk_snapshot_policies"),
    )
    op.create_index("ix_snapshot_policies_own", "snapshot_policies", ["owner", "region", "created_at", "policy_id"])
    op.create_index("ix_snapshot_policies_next_at", "snapshot_policies", ["next_at"])
    op.create_table(
        "policy_disks",
        sa.Column("policy_id", sa.String(length=64), nullable=False),
        sa.Column("disk_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["policy_id"], ["snapshot_policies.policy_id"], name="fk_policy_disks_policy_id"),
        sa.PrimaryKeyConstraint("policy_id", "disk_id", name="pk_policy_disks"),
    )
    op.create_index("ix_policy_disks_disk_id", "policy_disks", ["disk_id"])
