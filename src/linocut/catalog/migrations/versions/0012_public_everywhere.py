"""Have public images be the same in every region: their index and their counts are of no region."""

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"

_MERGED = """
INSERT INTO image_counts (account, region, kind, count)
SELECT account, '', kind, sum(count) FROM image_counts WHERE kind = 'PUBLIC_IMAGE' GROUP BY account, kind
"""


def upgrade() -> None:
    """Change the index, and add the regions' counts of public images together."""
    op.drop_index("ix_images_public", "images")
    op.create_index("ix_images_public", "images", ["is_public", "state", "created_at", "image_id"])
    op.execute(sa.text(_MERGED))
    op.execute(sa.text("DELETE FROM image_counts WHERE kind = 'PUBLIC_IMAGE' AND region <> ''"))
