"""Let snapshots be copied by themselves, and remember what is on a system disk."""

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"


def upgrade() -> None:
    """Add the column and the table."""
    with op.batch_alter_table("snapshots") as snapshots:
        snapshots.add_column(sa.Column("system", sa.JSON(), nullable=True))
    op.create_table(
        "snapshot_copies",
        sa.Column("snapshot_id", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("source_snapshot", sa.String(length=64), nullable=False),
        sa.Column("source_region", sa.String(length=64), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.snapshot_id"], name="fk_snapshot_copies_snapshot_id"),
        sa.PrimaryKeyConstraint("snapshot_id", name="pk_snapshot_copies"),
    )
    op.create_index("ix_snapshot_copies_source_snapshot", "snapshot_copies", ["source_snapshot"])
    op.create_index("ix_snapshot_copies_root", "snapshot_copies", ["region", "root"])
    op.create_index("ix_snapshot_copies_source_root", "snapshot_copies", ["source_region", "root"])
