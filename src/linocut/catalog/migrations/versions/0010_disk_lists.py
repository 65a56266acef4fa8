"""Find an account's disks and snapshots, and the snapshots of a disk, by an index."""

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("ix_snapshots_own", "snapshots", ["owner", "region", "created_at", "snapshot_id"])
    op.create_index("ix_snapshots_disk", "snapshots", ["disk_id"])
    op.create_index("ix_disks_own", "disks", ["owner", "region", "created_at", "disk_id"])
