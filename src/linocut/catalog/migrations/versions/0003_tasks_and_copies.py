"""Add tasks, which are asynchronous operations to follow, and copies, which are trees on their way between regions."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Make both tables."""
    _tasks()
    _copies()


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_tasks_owner"),
        sa.PrimaryKeyConstraint("task_id", name="pk_tasks"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_ended_at", "tasks", ["ended_at"])
    op.create_index("ix_tasks_resource", "tasks", ["resource", "request_id"])
    op.create_index("ix_tasks_own", "tasks", ["owner", "region", "task_id"])


def _copies() -> None:
    op.create_table(
        "copies",
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("snapshot_id", sa.String(length=64), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("source_image", sa.String(length=64), nullable=False),
        sa.Column("source_region", sa.String(length=64), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("region", "snapshot_id", name="pk_copies"),
    )
    op.create_index("ix_copies_root", "copies", ["region", "root"])
    op.create_index("ix_copies_source_root", "copies", ["source_region", "root"])
    op.create_index("ix_copies_image", "copies", ["image_id"])
    op.create_index("ix_copies_source_image", "copies", ["source_image"])
