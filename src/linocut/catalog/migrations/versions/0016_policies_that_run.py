"""Let policies keep a number of snapshots, and remember of which disks a snapshot is due."""

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("snapshot_policies") as policies:
        policies.add_column(sa.Column("retention_amount", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    with op.batch_alter_table("policy_disks") as disks:
        disks.add_column(sa.Column("owed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_policy_disks_owed_at", "policy_disks", ["owed_at"])
