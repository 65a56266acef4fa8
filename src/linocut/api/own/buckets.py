"""Buckets: what an export left in them, and the way out of the service for it."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import buckets
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class DescribeBucketFiles(Shape):
    """Which bucket; `images-<AppId>` if none is named."""

    bucket_name: str = ""


class BucketFile(Shape):
    """A file in a bucket."""

    key: str
    size_bytes: int
    modified_time: str


class BucketFiles(Answer):
    """The answer of DescribeBucketFiles: the newest files of a bucket."""

    bucket_name: str
    file_set: list[BucketFile]


class CreateDownload(Shape):
    """Which file of which bucket."""

    bucket_name: str
    key: str


class DeleteBucketFiles(Shape):
    """Which files of which bucket."""

    bucket_name: str
    keys: Ids


class Download(Answer):
    """The answer of CreateDownload: a path of this service to get the file from, good for an hour."""

    url: str


def describe_bucket_files(cloud: Cloud, caller: Caller, request: DescribeBucketFiles) -> BucketFiles:
    """List the files of a bucket."""
    found = buckets.list_files(cloud, caller, request.bucket_name)
    return BucketFiles(
        bucket_name=found.bucket,
        file_set=[
            BucketFile(key=file.key, size_bytes=file.size_bytes, modified_time=wire_time(file.modified_at))
            for file in found.files
        ],
    )


def create_download(cloud: Cloud, caller: Caller, request: CreateDownload) -> Download:
    """Return a link to a file of a bucket."""
    return Download(url=buckets.create_download(cloud, caller, request.bucket_name, request.key))


def delete_bucket_files(cloud: Cloud, caller: Caller, request: DeleteBucketFiles) -> Answer:
    """Delete files of a bucket."""
    buckets.delete_files(cloud, caller, request.bucket_name, request.keys)
    return Answer()


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeBucketFiles",
        request=DescribeBucketFiles,
        handle=describe_bucket_files,
        codes=codes(errors.BucketNotFound),
    ),
    Action(
        name="CreateDownload",
        request=CreateDownload,
        handle=create_download,
        is_mutating=True,
        codes=codes(errors.BucketNotFound, errors.FileNotFound),
    ),
    Action(
        name="DeleteBucketFiles",
        request=DeleteBucketFiles,
        handle=delete_bucket_files,
        is_mutating=True,
        codes=codes(errors.BucketNotFound, errors.InvalidValue, errors.TooManyValues, errors.TaskRunning),
    ),
)
