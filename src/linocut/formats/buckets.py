"""Buckets: where exports go and imports may come from. A folder of a directory, or a bucket of any S3.

A file appears in a bucket whole or not at all: in a directory it is renamed into place, and on S3 an upload in parts has no name
until its last part is there. Nothing here decides who may do what; that is the caller's.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, S3Store

from linocut.formats.disk import DiskLimits
from linocut.formats.errors import Cancelled, DiskTooLarge, FetchFailed, NoSpace, PutFailed
from linocut.formats.sparse import append, copy_sparse

_S3_OPTIONS: Final = frozenset(
    {"endpoint", "region", "access_key_id", "secret_access_key", "token", "virtual_hosted_style_request"}
)
_FULL: Final = re.compile(r"os error (28|122)\b|No space left|quota exceeded|QuotaExceeded|XMinioStorageFull", re.IGNORECASE)
_BLOCK_BYTES: Final = 2**20
_PART_BYTES: Final = 16 * 2**20
_INCOMING: Final = ".incoming"
_KEY_BYTES: Final = 850

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BucketFile:
    """A file in a bucket."""

    key: str
    size_bytes: int
    modified_at: datetime


def is_bucket_base(url: str) -> bool:
    """Tell whether this URL says where buckets are: ``file:///dir``, ``s3://?endpoint=…`` or ``s3://bucket/prefix?endpoint=…``."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return parts.path.startswith("/") and not parts.netloc
    return parts.scheme == "s3" and not dict(parse_qsl(parts.query)).keys() - _S3_OPTIONS


def is_file_key(key: str) -> bool:
    """Tell whether a file of a bucket may have this name."""
    return 0 < len(key.encode()) <= _KEY_BYTES and key.isprintable() and all(part.strip(".") for part in key.split("/"))


class Bucket:
    """One bucket. Its verbs raise FetchFailed or PutFailed where the store does not answer."""

    def __init__(self, remote: S3Store | None, directory: Path | None) -> None:
        self._remote = remote
        self._directory = directory

    @property
    def _store(self) -> Any:  # noqa: ANN401 - obstore's store union
        if self._directory is None:
            return self._remote
        return LocalStore(self._directory) if self._directory.is_dir() else MemoryStore()  # which is empty, too

    @classmethod
    def open(cls, base: str, name: str, *, patience_s: float | None = None) -> Self:
        """Open the bucket of that name; its name has been checked. One that is not there is empty, and is made by `put`.

        Below ``s3://bucket/prefix`` it is a folder of that bucket; with ``s3://?…`` it is a bucket of the endpoint's own.
        `patience_s` is how long a request to it may take, and again how long one that failed is repeated: for what somebody waits
        for, not for the bytes of files. If not given, 30 seconds and three minutes. Raises FetchFailed.
        """
        try:
            return cls._open(urlsplit(base), name, patience_s)
        except (BaseError, OSError, ValueError) as error:
            raise FetchFailed("The bucket cannot be opened.", f"{name}: {_first_line(error)}") from error

    @classmethod
    def _open(cls, parts: SplitResult, name: str, patience_s: float | None) -> Self:
        if parts.scheme == "file":
            directory = Path(unquote(parts.path)) / name
            with suppress(FileNotFoundError):
                directory.stat()
            return cls(None, directory)
        options = dict(parse_qsl(parts.query))
        client: Any = {"allow_http": True} if options.get("endpoint", "").startswith("http://") else {}
        retry: Any = None
        if patience_s is not None:
            client["timeout"] = retry_timeout = timedelta(seconds=patience_s)
            retry = {"retry_timeout": retry_timeout, "backoff": {"max_backoff": retry_timeout / 4}}
        config: Any = options
        prefix = f"{parts.path.strip('/')}/{name}".strip("/") if parts.netloc else None
        store = S3Store(parts.netloc or name, prefix=prefix, config=config, client_options=client, retry_config=retry)
        return cls(store, None)

    def info(self, key: str) -> BucketFile | None:
        """Return what is known of a file, or None where there is none."""
        try:
            with _reading(key):
                return _file(obstore.head(self._store, key))
        except FileNotFoundError:
            return None

    def list(self) -> Iterator[BucketFile]:
        """Yield the files in no order."""
        with _reading("a bucket"):
            for batch in obstore.list(self._store, chunk_size=1000):
                yield from map(_file, batch)

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from an offset before its end on. Raises FetchFailed, also where there is no such file."""
        try:
            with _reading(key):
                found = obstore.get(self._store, key, options={"range": {"offset": start}})
                for block in found.stream(min_chunk_size=_BLOCK_BYTES):
                    yield bytes(block)
        except FileNotFoundError as error:
            raise FetchFailed("There is no such file in the bucket.", key) from error

    def download(
        self, key: str, destination: Path, *, limits: DiskLimits, progress: Progress, cancelled: Callable[[], bool]
    ) -> None:
        """Bring a file here, sparse; what an earlier attempt left is replaced.

        Raises FetchFailed, DiskTooLarge, NoSpace, Cancelled.
        """
        info = self.info(key)
        if info is None:
            raise FetchFailed("There is no such file in the bucket.", key)
        if info.size_bytes > limits.file_size_bytes:
            raise DiskTooLarge(f"The file is larger than the limit of {limits.file_size_bytes} bytes.", f"{info.size_bytes}")
        part = destination.with_name(f"{destination.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            done = 0
            for block in self.read(key) if info.size_bytes else ():
                _require_wanted(cancelled)
                append(descriptor, block, done)
                done += len(block)
                progress(done, info.size_bytes)
            if done != info.size_bytes:
                raise FetchFailed("The file changed while it was read.", f"{done} of {info.size_bytes} bytes")
            os.fsync(descriptor)
        except OSError as error:
            raise NoSpace("There is no space left for the file.", str(error)) from error
        finally:
            os.close(descriptor)
        part.rename(destination)

    def put(self, key: str, file: Path, *, progress: Progress, cancelled: Callable[[], bool]) -> None:
        """Let a local file be the bucket's file of this name, replacing an older one. The local one stays.

        May be repeated after a crash. Raises PutFailed, NoSpace, Cancelled.
        """
        if self._directory is not None:
            _put_local(self._directory, key, file)
            progress(1, 1)
            return
        with _writing(key):
            obstore.put(self._store, key, _blocks(file, progress, cancelled), chunk_size=_PART_BYTES)

    def delete(self, key: str) -> None:
        """Remove a file; one that is gone is no error."""
        with suppress(FileNotFoundError), _reading(key):
            obstore.delete(self._store, key)


def _put_local(directory: Path, key: str, file: Path) -> None:
    """Give a file its second name in the bucket, by way of a folder beside the buckets where the two are on one file system."""
    incoming = directory.parent / _INCOMING
    draft = incoming / f"{file.name}-{secrets.token_hex(4)}"
    target = directory / key
    try:
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        for stale in incoming.glob(f"{file.name}-????????"):
            stale.unlink(missing_ok=True)
        try:
            draft.hardlink_to(file)
        except OSError:  # on another file system
            copy_sparse(file, draft)
        draft.replace(target)
        draft.unlink(missing_ok=True)  # it stays where both are names of one file already
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _refused(key, error) from error


def _blocks(file: Path, progress: Progress, cancelled: Callable[[], bool]) -> Iterator[bytes]:
    total, done = file.stat().st_size, 0
    with file.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            _require_wanted(cancelled)
            yield block
            done += len(block)
            progress(done, total)


def _require_wanted(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("The transfer was cancelled.")


def _file(meta: Any) -> BucketFile:  # noqa: ANN401 - obstore's ObjectMeta
    return BucketFile(meta["path"], meta["size"], meta["last_modified"])


@contextmanager
def _reading(key: str) -> Iterator[None]:
    """Turn the library's errors into ours; a missing file stays FileNotFoundError."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(key) from error
    except (BaseError, OSError, ValueError) as error:
        raise FetchFailed("The bucket cannot be read.", f"{key}: {_first_line(error)}") from error


@contextmanager
def _writing(key: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise PutFailed("There is no such bucket.", f"{key}: {_first_line(error)}") from error
    except (BaseError, OSError, ValueError) as error:
        raise _refused(key, error) from error


def _refused(key: str, error: Exception) -> NoSpace | PutFailed:
    detail = f"{key}: {_first_line(error)}"
    if _FULL.search(detail):
        return NoSpace("There is no space left in the bucket.", detail)
    return PutFailed("The bucket does not take the file.", detail)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
