"""Let disks say of which snapshot they were made."""

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"


def upgrade() -> None:
    """Add the column; of what there is, disks that may need a copy under way are said to be made of it."""
    with op.batch_alter_table("disks") as disks:
        disks.add_column(sa.Column("base_snapshot", sa.String(length=64), nullable=True))
    op.create_index("ix_disks_base_snapshot", "disks", ["region", "base_snapshot"])
    op.execute(
        "UPDATE disks SET base_snapshot = (SELECT MIN(copies.snapshot_id) FROM copies "
        "WHERE copies.region = disks.region AND copies.root = disks.base_root AND copies.state <> 'WHOLE')"
    )
