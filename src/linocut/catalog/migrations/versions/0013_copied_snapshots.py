"""Let snapshots say whether they are copies from another region."""

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"


def upgrade() -> None:
    """Add the column; of what there is only copies under way are known."""
    with op.batch_alter_table("snapshots") as snapshots:
        snapshots.add_column(sa.Column("is_copy", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("snapshots") as snapshots:
        snapshots.alter_column("is_copy", server_default=None)
    op.execute(
        "UPDATE snapshots SET is_copy = (1 = 1) WHERE EXISTS (SELECT 1 FROM copies "
        "WHERE copies.snapshot_id = snapshots.snapshot_id AND copies.region = snapshots.region "
        "AND copies.image_id <> copies.source_image)"
    )
