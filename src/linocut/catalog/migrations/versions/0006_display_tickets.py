"""Add tickets to displays."""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Make the table of display tickets."""
    op.create_table(
        "display_tickets",
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_display_tickets_owner"),
        sa.PrimaryKeyConstraint("token_digest", name="pk_display_tickets"),
    )
    op.create_index("ix_display_tickets_expires_at", "display_tickets", ["expires_at"])
