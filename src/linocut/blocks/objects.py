"""Named objects in one region store, through `obstore`: a local directory, memory, or S3.

The rest of the room sees six verbs and our own errors, never a path, a bucket or an exception of the library.
An object appears whole or not at all. Names are ``chunks/ab/<64 hex>``, ``trees/ab/<64 hex>``, ``arriving/ab/<64 hex>`` and
``store.toml``.

Files of a local directory are read, looked up and listed without the library: 13 instead of 145 microseconds for a chunk, 3
instead of 40 for a look, which copies, ingests and cold reads are full of, and 5 instead of 20 for an object in a list, of which
a sweep takes all. Writing gains nothing.
"""

import ctypes
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, S3Store

from linocut.blocks.errors import BlockError, ObjectCorrupt, ObjectMissing, RequestInvalid, StoreFull, StoreUnavailable

_S3_OPTIONS: Final = frozenset(
    {"endpoint", "region", "access_key_id", "secret_access_key", "token", "virtual_hosted_style_request"}
)
_FULL: Final = re.compile(r"os error (28|122)\b|No space left|quota exceeded|QuotaExceeded|XMinioStorageFull", re.IGNORECASE)
_STAGING: Final = re.compile(r"#\d+$")
"""How obstore names a local file before it is renamed into place; one that was killed leaves such a file behind."""


class ObjectInfo(NamedTuple):
    """What a listing tells of an object."""

    name: str
    size_bytes: int
    modified_s: float


class Objects:
    """The objects of one region store. Safe to share between threads."""

    def __init__(self, store: Any, directory: Path | None) -> None:  # noqa: ANN401 - obstore's store union
        self._store = store
        self._directory = directory

    @classmethod
    def open(cls, url: str, *, create: bool = True, patience_s: float | None = None) -> Self:
        """Open ``file:///dir``, ``memory:///`` or ``s3://bucket/prefix?endpoint=…``. Raises RequestInvalid, StoreUnavailable.

        `create` makes a directory that is not there. `patience_s` is how long a request to a bucket is tried again; about three
        minutes if not given. The last attempt may take as long once more.
        """
        parts = urlsplit(url)
        with _named("open", url):
            match parts.scheme:
                case "file" if parts.path.startswith("/") and not parts.netloc:
                    directory = Path(unquote(parts.path))
                    return cls(LocalStore(directory, mkdir=create), directory)
                case "memory":
                    return cls(MemoryStore(), None)
                case "s3" if parts.netloc:
                    return cls(_s3(parts.netloc, parts.path.strip("/"), dict(parse_qsl(parts.query)), patience_s), None)
        raise RequestInvalid(f"not the URL of a region store: {url}")

    @property
    def is_local(self) -> bool:
        """Tell whether an object can be had without a network."""
        return not isinstance(self._store, S3Store)

    def get(self, name: str, limit_bytes: int) -> bytes:
        """Return an object's bytes. Raises ObjectMissing, StoreUnavailable, and ObjectCorrupt for one beyond the limit."""
        try:
            with _named("read", name):
                data = self._read(name, limit_bytes + 1)
        except StoreUnavailable:
            if self._is_empty(name):  # of which no range can be had
                return b""
            raise
        if len(data) > limit_bytes:
            raise ObjectCorrupt(f"{name}: more than {limit_bytes} bytes")
        return data

    def _read(self, name: str, most_bytes: int) -> bytes:
        if self._directory is not None:
            return _file_start(f"{self._directory}/{name}", most_bytes)
        return obstore.get_range(self._store, name, start=0, length=most_bytes)  # type: ignore[return-value]

    def _is_empty(self, name: str) -> bool:
        info = self.info(name)
        return info is not None and info.size_bytes == 0

    def info(self, name: str) -> ObjectInfo | None:
        """Return an object's size and age, or None where there is no such object. Raises StoreUnavailable."""
        try:
            with _named("look up", name):
                if self._directory is not None:
                    return _file_info(name, f"{self._directory}/{name}")
                return _info(obstore.head(self._store, name))
        except ObjectMissing:
            return None

    def put(self, name: str, data: bytes) -> None:
        """Write an object, replacing one of the same name. Raises StoreFull, StoreUnavailable."""
        with _named("write", name):
            obstore.put(self._store, name, data, use_multipart=False)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error. Raises StoreUnavailable."""
        try:
            with _named("delete", names[0] if names else "nothing"):
                obstore.delete(self._store, list(names))
        except ObjectMissing:
            for name in names if len(names) > 1 else ():
                self.delete([name])

    def delete_old(self, name: str, cutoff_s: float) -> bool:
        """Delete an object unless it was written since; tell whether it is gone. Raises StoreUnavailable.

        In a directory no writer comes in between: the file is moved aside, and comes back if it turns out to be young. Of a
        bucket or memory, one that is written again in the very instant before the deletion is deleted.
        """
        found = self.info(name)
        if found is not None and found.modified_s >= cutoff_s:
            return False
        if self._directory is None or found is None:
            self.delete([name])
            return True
        with _named("delete", name):
            return self._delete_aside(Path(self._directory, name), cutoff_s)

    def _delete_aside(self, path: Path, cutoff_s: float) -> bool:
        aside = path.with_name(f"{path.name}#{secrets.randbelow(1 << 63)}")  # a killed sweep leaves what looks half written
        try:
            path.rename(aside)
        except FileNotFoundError:
            return True
        is_old = aside.stat().st_mtime < cutoff_s
        if not is_old:
            with suppress(FileExistsError):  # somebody has written the same once more
                path.hardlink_to(aside)
        aside.unlink()
        return is_old

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object whose name begins with a folder, in no order. Raises StoreUnavailable."""
        with _named("list", prefix):
            if self._directory is not None:
                yield from _files(prefix, f"{self._directory}/{prefix}")
                return
            for batch in obstore.list(self._store, prefix, chunk_size=1000):
                yield from map(_info, batch)

    def make_durable(self) -> None:
        """Return when everything put so far survives a loss of power. Raises StoreUnavailable."""
        if self._directory is None:
            return
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _syncfs(descriptor)
        finally:
            os.close(descriptor)

    def remove_stale_staging(self, older_than_s: float) -> int:
        """Remove what killed writers left half written before this time; return how many. Only directories have such."""
        stale = [path for path in self._staging() if _modified_s(path) < older_than_s]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _staging(self) -> Iterable[Path]:
        if self._directory is None:
            return
        for folder, _, names in os.walk(self._directory):
            yield from (Path(folder, name) for name in names if _STAGING.search(name))


def _s3(bucket: str, prefix: str, options: dict[str, str], patience_s: float | None) -> S3Store:
    if unknown := sorted(options.keys() - _S3_OPTIONS):
        raise RequestInvalid(f"unknown options in the URL of a region store: {', '.join(unknown)}")
    client: Any = {"allow_http": True} if options.get("endpoint", "").startswith("http://") else {}
    retry: Any = None
    if patience_s is not None:
        client["timeout"] = retry_timeout = timedelta(seconds=patience_s)
        retry = {"retry_timeout": retry_timeout, "backoff": {"max_backoff": retry_timeout / 4}}
    config: Any = options
    return S3Store(bucket, prefix=prefix or None, config=config, client_options=client, retry_config=retry)


def _info(meta: Any) -> ObjectInfo:  # noqa: ANN401 - obstore's ObjectMeta
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp())


def _file_start(path: str, most_bytes: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, min(most_bytes, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def _file_info(name: str, path: str) -> ObjectInfo | None:
    found = os.stat(path)  # noqa: PTH116 - twice as fast as by pathlib, and that is what it is for
    return ObjectInfo(name, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None


def _files(folder: str, path: str) -> Iterator[ObjectInfo]:
    """Yield the files below a folder, but for those that are being written; what goes away meanwhile is none."""
    try:
        entries = os.scandir(path)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(f"{folder}/{entry.name}", entry.path)
            elif not _STAGING.search(entry.name):
                with suppress(FileNotFoundError):
                    found = entry.stat()
                    yield ObjectInfo(f"{folder}/{entry.name}", found.st_size, found.st_mtime)


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _syncfs(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(descriptor) != 0:
        error = ctypes.get_errno()
        raise StoreUnavailable(f"cannot make the store durable: {os.strerror(error)}")


@contextmanager
def _named(verb: str, name: str) -> Iterator[None]:
    """Turn the library's errors into ours, naming what was tried."""
    try:
        yield
    except BlockError:
        raise
    except (NotFoundError, FileNotFoundError) as error:
        raise ObjectMissing(f"{name}: no such object") from error
    except (BaseError, OSError, ValueError) as error:
        if verb == "read" and isinstance(error, OSError) and error.errno == errno.EIO:
            raise ObjectCorrupt(f"{name}: the disk below cannot read it") from error
        kind = StoreFull if _FULL.search(str(error)) else StoreUnavailable
        raise kind(f"cannot {verb} {name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
