"""Uploads: announcing a disk file that will be sent to this service."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import uploads
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class CreateUpload(Shape):
    """How large the file is, and its SHA-256 in hexadecimal."""

    size_bytes: Int
    sha256: str = ""


class Upload(Answer):
    """Where to send the file (a path of this service), and the URL to import it by."""

    upload_id: str
    url: str
    image_url: str


def create_upload(cloud: Cloud, caller: Caller, request: CreateUpload) -> Upload:
    """Announce a disk file that will be sent to this service."""
    upload = uploads.create_upload(cloud, caller, size_bytes=request.size_bytes, sha256=request.sha256)
    return Upload(upload_id=upload.upload_id, url=f"/upload/{upload.upload_id}", image_url=upload.url)


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateUpload",
        request=CreateUpload,
        handle=create_upload,
        is_mutating=True,
        codes=codes(errors.ValueOutOfRange, errors.InvalidValue, errors.DiskSpaceExhausted),
    ),
)
