"""Add exports under way."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    """Make the table of exports."""
    op.create_table(
        "exports",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("keys", sa.JSON(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.image_id"], name="fk_exports_image_id"),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_exports_owner"),
        sa.PrimaryKeyConstraint("image_id", name="pk_exports"),
    )
    op.create_index("ix_exports_own", "exports", ["owner", "region"])
