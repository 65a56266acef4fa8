"""Let instances remember how they boot and whose licence they carry, for images that are deleted before them."""

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Widen the table of instances, and ask the images that are still there."""
    op.add_column("instances", sa.Column("boot_mode", sa.Text(), nullable=False, server_default="Legacy BIOS"))
    op.add_column("instances", sa.Column("license_type", sa.Text(), nullable=False, server_default="TencentCloud"))
    op.execute(
        "UPDATE instances SET license_type = (SELECT license_type FROM images WHERE images.image_id = instances.image_id) "
        "WHERE EXISTS (SELECT 1 FROM images WHERE images.image_id = instances.image_id)"
    )
