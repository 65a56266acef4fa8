"""Exports under way: which image is written to which files of which bucket."""

from sqlalchemy import Connection, delete, func, insert, select

from linocut.catalog.rows import lock_until_end, record_of, values_of
from linocut.catalog.schema import EXPORTS
from linocut.model.ids import ImageId, Region, Uin
from linocut.model.records import Export


class Exports:
    """The exports in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, export: Export) -> None:
        """Add an export; an image has one at a time."""
        self._connection.execute(insert(EXPORTS).values(values_of(export, EXPORTS)))

    def of(self, image_id: ImageId) -> Export | None:
        """Return the export of an image, or None."""
        row = self._connection.execute(select(EXPORTS).where(EXPORTS.c.image_id == image_id)).mappings().first()
        return None if row is None else record_of(Export, row)

    def all(self) -> tuple[Export, ...]:
        """Return every export, the oldest first."""
        query = select(EXPORTS).order_by(EXPORTS.c.created_at, EXPORTS.c.image_id)
        return tuple(record_of(Export, row) for row in self._connection.execute(query).mappings())

    def count(self, uin: Uin, region: Region) -> int:
        """Return how many exports the account has under way in the region."""
        mine = (EXPORTS.c.owner == uin, EXPORTS.c.region == region)
        return self._connection.execute(select(func.count()).select_from(EXPORTS).where(*mine)).scalar_one()

    def lock(self, uin: Uin, region: Region) -> None:
        """Let only one transaction at a time count and add exports of this account and region."""
        lock_until_end(self._connection, f"exports of {uin} in {region}")

    def remove(self, image_id: ImageId) -> None:
        """Forget the export of an image; one that is gone is no error."""
        self._connection.execute(delete(EXPORTS).where(EXPORTS.c.image_id == image_id))
