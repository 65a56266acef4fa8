"""Downloading a foreign disk file: bounded in where it goes, how much it takes and how long, and resumable.

While it runs, the bytes are in `<destination>.part`, and beside them `<destination>.part.json` says what they are the beginning
of: a digest of the URL, and the server's validator (a strong ETag, else Last-Modified). A broken connection, or a later call
after the process died, goes on from there with `Range` and `If-Range`, so a file that changed in between starts again from its
beginning. Without a validator nothing is resumed. The complete file is renamed to its destination; its digest is always that of
the bytes on disk.
"""

import base64
import errno
import hashlib
import re
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpcore
import httpx
import msgspec

from linocut.formats.checksums import Checksum
from linocut.formats.connection import CheckedBackend, FetchPolicy, Interrupted, Patience
from linocut.formats.disk import DiskLimits
from linocut.formats.errors import DiskTooLarge, FetchFailed, FetchRefused, FormatError, NoSpace
from linocut.formats.sparse import append

_BLOCK_BYTES: Final = 2**20
_SCHEMES: Final = ("http", "https")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_RETRIED: Final = (408, 425, 429, 500, 502, 503, 504)
_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,19})-\d{1,19}|\*)/(\d{1,19})")
_LENGTH: Final = re.compile(r"\d{1,19}")
_TEXT_TYPES: Final = ("text/", "application/xhtml", "application/json", "application/xml")
_PAGE: Final = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|\?xml)", re.IGNORECASE)
_LOOK_BYTES: Final = 1024
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SIDECAR_VERSION: Final = 1

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Fetched:
    """What arrived; its digest is of the checksum's algorithm where one was expected, of SHA-256 otherwise."""

    size_bytes: int
    digest: str


class _Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of what a `.part` file is the beginning."""

    version: int
    url_sha256: str
    validator: str
    total_bytes: int | None


@dataclass
class _Part:
    """The file that grows: its bytes on disk, their digest, and what is known of the whole."""

    path: Path
    sidecar: Path
    url_sha256: str
    size_bytes: int = 0
    algorithm: str = "sha256"
    digest: "hashlib._Hash" = field(init=False)
    validator: str = ""
    total_bytes: int | None = None

    def __post_init__(self) -> None:
        self.digest = hashlib.new(self.algorithm)

    def restart(self, validator: str, total_bytes: int | None) -> None:
        """Forget what is there; what comes is the beginning of a file with this validator."""
        self.path.write_bytes(b"")
        self.size_bytes, self.digest = 0, hashlib.new(self.algorithm)
        self.validator, self.total_bytes = validator, total_bytes
        self.sidecar.unlink(missing_ok=True)
        if validator:
            record = _Sidecar(_SIDECAR_VERSION, self.url_sha256, validator, total_bytes)
            self.sidecar.write_bytes(msgspec.json.encode(record))

    def recall(self, limits: DiskLimits, patience: Patience) -> None:
        """Take up what an earlier process left, if it is the beginning of the same URL's file."""
        try:
            record = msgspec.json.decode(self.sidecar.read_bytes(), type=_Sidecar)
            size = self.path.stat().st_size
        except (OSError, msgspec.MsgspecError):
            return
        same = (record.version, record.url_sha256) == (_SIDECAR_VERSION, self.url_sha256) and record.validator
        if not same or not 0 < size <= min(limits.file_size_bytes, record.total_bytes or size):
            return
        with self.path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK_BYTES):
                patience.check()
                self.digest.update(block)
                self.size_bytes += len(block)
        self.validator, self.total_bytes = record.validator, record.total_bytes

    def remove(self) -> None:
        """Leave nothing behind."""
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)


def fetch(
    url: str,
    destination: Path,
    *,
    policy: FetchPolicy,
    limits: DiskLimits,
    progress: Progress,
    cancelled: Callable[[], bool],
    expected: Checksum | None = None,
    is_text: bool = False,
) -> Fetched:
    """Download a file to a destination whose directory exists, and return its size and digest.

    Progress is (bytes so far, bytes in all if known), about once a mebibyte. A page of text is taken for an error unless
    `is_text`. The digest is taken while the bytes arrive; another one than expected is FetchFailed.

    Raises FetchRefused, FetchFailed, DiskTooLarge, NoSpace, Cancelled, and leaves nothing behind then. After anything else (the
    process dies, a callback raises an error of its own because the service is going down) what arrived is kept, and the same
    call goes on from there.
    """
    identity = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    algorithm = "sha256" if expected is None else expected.algorithm
    part = _Part(Path(f"{destination}.part"), Path(f"{destination}.part.json"), identity, algorithm=algorithm)
    download = _Download(part, policy, limits, progress, Patience(policy, cancelled), is_text)
    try:
        target = _parse(url)
        part.recall(limits, download.patience)
        download.run(target)
        if expected is not None and part.digest.hexdigest() != expected.digest:
            raise FetchFailed("The file does not have its checksum.", f"{part.digest.hexdigest()}, not {expected.digest}")
        part.path.replace(destination)
        part.sidecar.unlink(missing_ok=True)
    except FormatError:
        part.remove()
        raise
    except OSError as error:
        part.remove()
        if error.errno in _FULL:
            raise NoSpace("There is no space left for the download.", str(error)) from error
        raise
    return Fetched(part.size_bytes, part.digest.hexdigest())


@dataclass
class _Download:
    """One fetch: attempts, each of them one request with its redirects, until the part is whole."""

    part: _Part
    policy: FetchPolicy
    limits: DiskLimits
    progress: Progress
    patience: Patience
    is_text: bool

    def run(self, url: httpx.URL) -> None:
        """Attempt until the file is complete; raises what `fetch` does."""
        for attempt in range(self.policy.attempts):
            self.patience.check()
            try:
                self._attempt(url)
            except (Interrupted, httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException) as error:
                if attempt + 1 == self.policy.attempts:
                    detail = f"{_redacted(url)}: {self.part.size_bytes} bytes, {attempt + 1} attempts: {error}"
                    raise FetchFailed("The server could not be reached or did not deliver the file.", detail) from error
                self.patience.pause(self.policy.backoff_s * 2**attempt)
            else:
                return

    def _attempt(self, url: httpx.URL) -> None:
        """Make one request, follow its redirects, and take in the answer."""
        for _ in range(self.policy.redirects + 1):
            tls = (self.policy.tls or ssl.create_default_context()) if url.scheme == "https" else None
            with (
                httpcore.ConnectionPool(ssl_context=tls, network_backend=CheckedBackend(self.patience)) as pool,
                pool.stream("GET", _wire_url(url), headers=self._headers(url)) as response,
            ):
                headers = _headers_of(response)
                if response.status not in _REDIRECTS:
                    self._take(url, response, headers)
                    return
                url = _redirected(url, headers.get("location", ""))
        raise FetchFailed("The address redirects too often.", _redacted(url))

    def _headers(self, url: httpx.URL) -> list[tuple[str, str]]:
        headers = [
            ("Host", url.netloc.decode("ascii")),
            ("User-Agent", "linocut"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        if url.userinfo:
            secret = base64.b64encode(f"{url.username}:{url.password}".encode()).decode("ascii")
            headers.append(("Authorization", f"Basic {secret}"))
        if self.part.size_bytes and self.part.validator:
            headers += [("Range", f"bytes={self.part.size_bytes}-"), ("If-Range", self.part.validator)]
        return headers

    def _take(self, url: httpx.URL, response: httpcore.Response, headers: Mapping[str, str]) -> None:
        if response.status in _RETRIED:
            raise Interrupted(f"status {response.status}")
        if response.status == _NOT_SATISFIABLE and self.part.size_bytes:
            if self.part.size_bytes == _content_range(headers)[1] == self.part.total_bytes:
                return  # it was complete already
            self.part.restart("", None)
            raise Interrupted("the range is gone")
        if response.status not in {_OK, _PARTIAL}:
            reason = f"The server answered with status {response.status}."
            raise FetchFailed(reason, f"{_redacted(url)}: {response.status}")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise FetchFailed("The server sent the file in an encoding that was not asked for.", _redacted(url))
        self._place(response.status, headers)
        self._store(response, headers)

    def _place(self, status: int, headers: Mapping[str, str]) -> None:
        """Make the part ready for the answer: to be continued, or begun."""
        if status == _PARTIAL:
            start, total = _content_range(headers)
            same_total = self.part.total_bytes in {None, total}
            if start is None or start != self.part.size_bytes or not self.part.validator or not same_total:
                self.part.restart("", None)
                raise Interrupted(f"a range that was not asked for: {start}, {total}")
            self.part.total_bytes = total
        else:
            self.part.restart(_validator(headers), _content_length(headers))
        total = self.part.total_bytes
        if total is None:
            return
        if total > self.limits.file_size_bytes:
            reason = f"The file is larger than the limit of {self.limits.file_size_bytes} bytes."
            raise DiskTooLarge(reason, f"{total} bytes announced")
        free = shutil.disk_usage(self.part.path.parent).free
        if total - self.part.size_bytes > free:
            raise NoSpace("There is no space left for the download.", f"{total} bytes announced, {free} free")

    def _store(self, response: httpcore.Response, headers: Mapping[str, str]) -> None:
        part = self.part
        with part.path.open("r+b", buffering=0) as stream:
            for block in _blocks(response):
                if not part.size_bytes and not self.is_text:
                    _require_no_page(block, headers.get("content-type", ""))
                if part.size_bytes + len(block) > self.limits.file_size_bytes:
                    reason = f"The file is larger than the limit of {self.limits.file_size_bytes} bytes."
                    raise DiskTooLarge(reason, f"after {part.size_bytes} bytes")
                append(stream.fileno(), block, part.size_bytes)
                part.digest.update(block)
                part.size_bytes += len(block)
                self.progress(part.size_bytes, part.total_bytes)
        if part.total_bytes not in {None, part.size_bytes}:
            raise Interrupted(f"{part.size_bytes} of {part.total_bytes} bytes")


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, TypeError) as error:
        # The parser's message may quote a password.
        raise FetchRefused("The URL is not valid.", type(error).__name__) from error
    return _require_allowed_shape(parsed)


def _require_allowed_shape(url: httpx.URL) -> httpx.URL:
    if url.scheme not in _SCHEMES:
        raise FetchRefused("Only http and https URLs are allowed.", _redacted(url))
    if not url.host:
        raise FetchRefused("The URL has no host.", _redacted(url))
    return url


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    """Return where a redirect leads; credentials do not travel along, and TLS is not left."""
    if not location:
        raise FetchFailed("The server redirects to nowhere.", _redacted(url))
    try:
        target = url.copy_with(username="", password="", fragment=None).join(location)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise FetchRefused("The server redirects to a URL that is not valid.", type(error).__name__) from error
    if (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port) and not target.userinfo:
        target = target.copy_with(username=url.username, password=url.password) if url.userinfo else target
    if url.scheme == "https" and target.scheme == "http":
        raise FetchRefused("The server redirects from https to http.", _redacted(target))
    return _require_allowed_shape(target)


def _redacted(url: httpx.URL) -> str:
    """Return the URL without what may be secret: user, password, query."""
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


def _wire_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _headers_of(response: httpcore.Response) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else None


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return where a partial answer starts, and how long the whole is."""
    shape = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if shape is None:
        return None, None
    return (int(shape[1]) if shape[1] else None), int(shape[2])


def _validator(headers: Mapping[str, str]) -> str:
    """Return what identifies this version of the file, or nothing; a weak ETag does not."""
    etag = headers.get("etag", "").strip()
    if etag.startswith('"') and etag.endswith('"') and len(etag) > 1:
        return etag
    modified = headers.get("last-modified", "").strip()
    try:
        parsedate_to_datetime(modified)
    except ValueError:
        return ""
    return modified


def _blocks(response: httpcore.Response) -> Iterator[bytes]:
    """Yield the body in blocks of about a mebibyte; what arrived before a failure is yielded before it is raised."""
    block = bytearray()
    try:
        for piece in response.iter_stream():
            block += piece
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block = bytearray()
    except (Interrupted, httpcore.ProtocolError, httpcore.NetworkError, FetchFailed):
        if block:
            yield bytes(block)
        raise
    if block:
        yield bytes(block)


def _require_no_page(block: bytes, content_type: str) -> None:
    """Raise FetchFailed if the first bytes are those of a page or message, which no disk starts with."""
    start = block[:_LOOK_BYTES]
    is_text = b"\0" not in start and start.decode("utf-8", "ignore").encode() == start
    if _PAGE.match(start) or (is_text and content_type.strip().lower().startswith(_TEXT_TYPES)):
        raise FetchFailed("The address answered with a page of text, not with a disk image.", f"{content_type[:100]}")
