"""Count what is replaced: the contents of disks, the logins of instances; keep what users tell their instances."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Widen both tables."""
    op.add_column("disks", sa.Column("generation", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("instances", sa.Column("login_generation", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("instances", sa.Column("metadata", sa.Text(), nullable=False, server_default="{}"))
