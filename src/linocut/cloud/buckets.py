"""Buckets: where exports go, and where imports may come from, by the names of Tencent Cloud's object storage.

A bucket's name ends in its owner's AppId, as in COS (`images-1250000000`), and that is all there is to ownership: to any other
account it does not exist. What a bucket holds is brought out through a door of the service's own: a link that is good for one
file and an hour, sealed so that nobody can make another of it.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.sealing import SealBrokenError
from linocut.formats import Bucket, BucketFile, FormatError, is_file_key
from linocut.model import errors

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-([0-9]{1,20})")
_COS_HOST: Final = re.compile(r"(?P<bucket>[a-z0-9-]+)\.cos\.[a-z0-9-]+\.(?:myqcloud\.com|tencentcos\.cn)")
_DEFAULT: Final = "images"
_LINK_LIFE: Final = timedelta(hours=1)
_SEAL_OWNER: Final = "download"
_LISTED: Final = 1000
_DELETED: Final = 100
_PATIENCE_S: Final = 5.0


class _Link(msgspec.Struct, frozen=True):
    """What a sealed link says."""

    bucket: str
    key: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Download:
    """A file of a bucket, to be read from any offset before its end."""

    name: str
    size_bytes: int
    modified_at: datetime
    bucket: Bucket
    key: str

    def read(self, start: int) -> Iterator[bytes]:
        """Yield the bytes from an offset on. Raises FormatError."""
        return self.bucket.read(self.key, start)


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """A bucket's name and files by their keys."""

    bucket: str
    files: tuple[BucketFile, ...]


def require_own_bucket(caller: Caller, name: str) -> str:
    """Return the name of a bucket of the caller's. Raises BucketNotFound."""
    found = _NAME.fullmatch(name)
    if found is None or found[1] != str(caller.account.app_id):
        raise errors.BucketNotFound(f"There is no bucket {name} of yours: its name ends in your AppId.")
    return name


def open_bucket(cloud: Cloud, name: str) -> Bucket:
    """Open a bucket; whoever may use it has been asked before."""
    return Bucket.open(cloud.settings.bucket_url, name)


def _asked_bucket(cloud: Cloud, name: str) -> Bucket:
    """Open a bucket for a question that a client waits for, in a thread that others wait for."""
    return Bucket.open(cloud.settings.bucket_url, name, patience_s=_PATIENCE_S)


def list_files(cloud: Cloud, caller: Caller, bucket: str) -> BucketFiles:
    """Return the files of an own bucket, the newest first, 1,000 at most; of `images-<AppId>` if none is named.

    Raises BucketNotFound.
    """
    name = require_own_bucket(caller, bucket or f"{_DEFAULT}-{caller.account.app_id}")
    try:
        files = sorted(_asked_bucket(cloud, name).list(), key=lambda file: file.modified_at, reverse=True)
    except FormatError as error:
        raise errors.BucketNotFound(f"Bucket {name} cannot be read.", detail=error.detail) from error
    return BucketFiles(name, tuple(files[:_LISTED]))


def delete_files(cloud: Cloud, caller: Caller, bucket: str, keys: Sequence[str]) -> None:
    """Delete files of an own bucket; one that is not there is no error, and none goes while an export writes one of them.

    Raises BucketNotFound, InvalidValue, TooManyValues, TaskRunning.
    """
    name = require_own_bucket(caller, bucket)
    listing.check_count("Keys", keys, _DELETED)
    for key in keys:
        if not is_file_key(key):
            raise errors.InvalidValue("Keys holds what is no name of a file.")
    with cloud.catalog.read() as tx:
        written = {key for export in tx.exports.all() if export.bucket == name for key in export.keys}
    for key in keys:
        if key in written:
            raise errors.TaskRunning(f"An export writes {key}.")
    try:
        opened = _asked_bucket(cloud, name)
        for key in dict.fromkeys(keys):
            opened.delete(key)
    except FormatError as error:
        raise errors.BucketNotFound(f"Bucket {name} cannot be read.", detail=error.detail) from error


def create_download(cloud: Cloud, caller: Caller, bucket: str, key: str) -> str:
    """Return a link to a file of an own bucket, a path of this service that is good for an hour.

    Raises BucketNotFound, FileNotFound.
    """
    name = require_own_bucket(caller, bucket)
    try:
        info = _asked_bucket(cloud, name).info(key) if is_file_key(key) else None
    except FormatError as error:
        raise errors.BucketNotFound(f"Bucket {name} cannot be read.", detail=error.detail) from error
    if info is None:
        raise errors.FileNotFound(f"There is no file {key} in bucket {name}.")
    link = _Link(name, key, (cloud.now() + _LINK_LIFE).timestamp())
    sealed = cloud.seal.close(_SEAL_OWNER, msgspec.json.encode(link).decode())
    return f"/bucket/{base64.urlsafe_b64encode(sealed).decode()}"


def open_download(cloud: Cloud, link: str) -> Download:
    """Return what a link leads to. Raises FileNotFound, also for a link that is too old or that nobody made."""
    try:
        opened = cloud.seal.open(_SEAL_OWNER, base64.urlsafe_b64decode(link.encode()))
        found = msgspec.json.decode(opened, type=_Link)
    except (SealBrokenError, binascii.Error, ValueError) as error:
        raise errors.FileNotFound("There is no such file.") from error
    is_good = cloud.now().timestamp() < found.expires_at
    info = _asked_bucket(cloud, found.bucket).info(found.key) if is_good else None
    if info is None:
        raise errors.FileNotFound("There is no such file any more.")
    return Download(found.key.rpartition("/")[2], info.size_bytes, info.modified_at, open_bucket(cloud, found.bucket), found.key)


def bucket_url(cloud: Cloud, caller: Caller, url: str) -> str:
    """Return the `s3://bucket/key` of a URL that means a file of an own bucket; any other URL as it is.

    ``s3://bucket/key`` always does. ``https://bucket.cos.region.myqcloud.com/key``, and a path or virtual-hosted URL of the
    configured endpoint, do where the bucket's name ends in the caller's AppId; a query, such as a signature, is not needed then.
    Others are fetched as they are, if they may be. Raises UrlInvalid.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        bucket, key = parts.netloc, unquote(parts.path.removeprefix("/"))
        if not _is_own(caller, bucket):
            raise errors.UrlInvalid("There is no such bucket of yours: its name ends in your AppId.")
    else:
        bucket, key = _bucket_and_key(cloud, url)
        if not _is_own(caller, bucket):
            return url
    if not is_file_key(key):
        raise errors.UrlInvalid("The URL names no file of a bucket.")
    return f"s3://{bucket}/{key}"


def _is_own(caller: Caller, bucket: str) -> bool:
    found = _NAME.fullmatch(bucket)
    return found is not None and found[1] == str(caller.account.app_id)


def _bucket_and_key(cloud: Cloud, url: str) -> tuple[str, str]:
    """Return the bucket and key that an http(s) URL names, or empty text."""
    parts = urlsplit(url)
    host, path = parts.netloc.rpartition("@")[2], unquote(parts.path.removeprefix("/"))
    cos = _COS_HOST.fullmatch(host)
    if cos is not None:
        return cos["bucket"], path
    endpoint = _endpoint(cloud)
    if endpoint and host == endpoint:
        bucket, _, key = path.partition("/")
        return bucket, key
    if endpoint and host.endswith(f".{endpoint}"):
        return host.removesuffix(f".{endpoint}"), path
    return "", ""


def _endpoint(cloud: Cloud) -> str:
    """Return host and port of the configured S3, or empty text."""
    query = urlsplit(cloud.settings.bucket_url).query
    endpoints = [value for name, _, value in (part.partition("=") for part in query.split("&")) if name == "endpoint"]
    return urlsplit(unquote(endpoints[0])).netloc if endpoints else ""
