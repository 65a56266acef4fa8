"""Let a disk remember what it was made of, whatever it is rolled back to."""

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"


def upgrade() -> None:
    """Add the column. No release before has rolled disks back: what they stand on is what they were made of."""
    with op.batch_alter_table("disks") as disks:
        disks.add_column(sa.Column("origin_snapshot", sa.String(length=64), nullable=True))
    op.execute("UPDATE disks SET origin_snapshot = base_snapshot")
