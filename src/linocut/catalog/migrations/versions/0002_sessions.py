"""Add sessions, which are temporary credentials of roles; let the audit log say which resources a call was about."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make the table of sessions, and widen the audit log."""
    op.create_table(
        "sessions",
        sa.Column("secret_id", sa.String(length=128), nullable=False),
        sa.Column("uin", sa.String(length=64), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed_secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["uin"], ["accounts.uin"], name="fk_sessions_uin"),
        sa.PrimaryKeyConstraint("secret_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    with op.batch_alter_table("audit") as audit:
        audit.add_column(sa.Column("resources", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("audit") as audit:
        audit.alter_column("resources", server_default=None)
    op.create_index("ix_audit_uin_entry", "audit", ["uin", "entry"])
    op.create_index("ix_audit_at", "audit", ["at"])
