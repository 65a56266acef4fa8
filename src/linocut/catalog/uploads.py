"""Uploads: disk files that callers send to the service and then import."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import UPLOADS
from linocut.model.ids import Region, Uin


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that its owner may send. `sha256` is what its bytes must have, in hexadecimal, or None when not declared."""

    upload_id: str
    owner: Uin
    region: Region
    size_bytes: int
    sha256: str | None
    created_at: datetime


class Uploads:
    """The uploads in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, upload: Upload) -> None:
        """Add an upload."""
        self._connection.execute(insert(UPLOADS).values(values_of(upload, UPLOADS)))

    def get(self, upload_id: str) -> Upload | None:
        """Return the upload, or None."""
        row = self._connection.execute(select(UPLOADS).where(UPLOADS.c.upload_id == upload_id)).mappings().first()
        return None if row is None else record_of(Upload, row)

    def remove(self, upload_id: str) -> None:
        """Remove the upload. One that is gone is no error."""
        self._connection.execute(delete(UPLOADS).where(UPLOADS.c.upload_id == upload_id))

    def older_than(self, moment: datetime) -> tuple[Upload, ...]:
        """Return the uploads added before this moment, oldest first."""
        old = select(UPLOADS).where(UPLOADS.c.created_at < moment).order_by(UPLOADS.c.created_at, UPLOADS.c.upload_id)
        return tuple(record_of(Upload, row) for row in self._connection.execute(old).mappings())
