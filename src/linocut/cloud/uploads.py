"""Uploads: disk images that come from a client's own machine rather than from a URL.

A client announces a file, sends it in any number of pieces, each beginning where the last ended, and imports it by the URL
``upload://<id>``. The id is the permission to send: it is unguessable and told to nobody else.
"""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from linocut.catalog import Upload as UploadRow
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors

_ID_BYTES: Final = 24
_LIFE: Final = timedelta(days=1)
_SHA256_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Upload:
    """An announced upload and the URL to import it by."""

    upload_id: str
    url: str


def create_upload(cloud: Cloud, caller: Caller, *, size_bytes: int, sha256: str) -> Upload:
    """Announce a file of a size and, unless empty, a SHA-256 in hexadecimal. Raises ValueOutOfRange, InvalidValue."""
    if not 0 < size_bytes <= cloud.settings.import_file_bytes:
        raise errors.ValueOutOfRange(f"SizeBytes takes 1 to {cloud.settings.import_file_bytes}.")
    if sha256 and (len(sha256) != _SHA256_DIGITS or set(sha256.lower()) - set("0123456789abcdef")):
        raise errors.InvalidValue(f"Sha256 takes {_SHA256_DIGITS} hexadecimal digits.")
    remove_stale(cloud)
    upload_id = secrets.token_hex(_ID_BYTES)
    with cloud.catalog.begin() as tx:
        tx.uploads.add(UploadRow(upload_id, caller.account.uin, caller.region, size_bytes, sha256.lower() or None, cloud.now()))
    return Upload(upload_id, f"upload://{upload_id}")


def upload_offset(cloud: Cloud, upload_id: str) -> int:
    """Return how many bytes have arrived. Raises UploadNotFound."""
    _row(cloud, upload_id)
    file = _file(cloud, upload_id)
    return file.stat().st_size if file.exists() else 0


def receive_upload(cloud: Cloud, upload_id: str, offset: int, pieces: Iterable[bytes]) -> int:
    """Append bytes that begin at the offset; return how many have arrived in all.

    Raises UploadNotFound, UploadIncomplete where the offset is not where the last piece ended, ValueOutOfRange where there is
    more than was announced, DiskSpaceExhausted. What arrived before an error stays, and the client goes on from there.
    """
    row = _row(cloud, upload_id)
    file = _file(cloud, upload_id)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    with file.open("ab") as out:
        arrived = out.tell()
        if offset != arrived:
            raise errors.UploadIncomplete(f"The next piece begins at byte {arrived}.")
        try:
            for piece in pieces:
                arrived += len(piece)
                if arrived > row.size_bytes:
                    raise errors.ValueOutOfRange(f"More than the announced {row.size_bytes} bytes arrived.")
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        except OSError as error:
            raise errors.DiskSpaceExhausted("The upload cannot be kept.", detail=str(error)) from error
    return arrived


def upload_file(cloud: Cloud, upload_id: str) -> tuple[Path, str | None]:
    """Return a whole upload's file and announced SHA-256. Raises UploadNotFound, UploadIncomplete."""
    row = _row(cloud, upload_id)
    file = _file(cloud, upload_id)
    if not file.exists() or file.stat().st_size != row.size_bytes:
        raise errors.UploadIncomplete(f"Upload {upload_id} has not arrived whole.")
    return file, row.sha256


def remove_upload(cloud: Cloud, upload_id: str) -> None:
    """Forget an upload and its file; harmless where there is none."""
    with cloud.catalog.begin() as tx:
        tx.uploads.remove(upload_id)
    _file(cloud, upload_id).unlink(missing_ok=True)


def remove_stale(cloud: Cloud) -> None:
    """Forget uploads that nobody imported within a day."""
    with cloud.catalog.read() as tx:
        stale = tx.uploads.older_than(cloud.now() - _LIFE)
    for row in stale:
        remove_upload(cloud, row.upload_id)


def _row(cloud: Cloud, upload_id: str) -> UploadRow:
    with cloud.catalog.read() as tx:
        row = tx.uploads.get(upload_id)
    if row is None:
        raise errors.UploadNotFound("There is no such upload.")
    return row


def _file(cloud: Cloud, upload_id: str) -> Path:
    return cloud.settings.state / "uploads" / upload_id
