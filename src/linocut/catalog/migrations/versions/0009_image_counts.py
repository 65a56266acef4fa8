"""Count the images that each account sees, and order public images by their time."""

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"

_COUNTED = """
INSERT INTO image_counts (account, region, kind, count)
SELECT account, region, kind, count(*) FROM (
    SELECT owner AS account, region, 'PRIVATE_IMAGE' AS kind FROM images WHERE NOT is_public
    UNION ALL
    SELECT CASE WHEN state = 'NORMAL' THEN '' ELSE owner END, region, 'PUBLIC_IMAGE' FROM images WHERE is_public
    UNION ALL
    SELECT shares.account, images.region, 'SHARED_IMAGE' FROM shares JOIN images ON images.image_id = shares.image_id
    WHERE NOT images.is_public AND images.owner <> shares.account
) AS seen GROUP BY account, region, kind
"""


def upgrade() -> None:
    """Make the counters, count what there is, and change the index of public images."""
    op.create_table(
        "image_counts",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "kind", name="pk_image_counts"),
    )
    op.execute(_COUNTED)
    op.drop_index("ix_images_public", "images")
    op.create_index("ix_images_public", "images", ["region", "is_public", "state", "created_at", "image_id"])
