"""Bringing a local file to the service, so that it can be imported from there."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import httpx

from linocut.cli.failures import CommandFailed
from linocut.cli.output import progress_bar
from linocut.cli.wire import Wire

_BLOCK_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 8
_PAUSE_S: Final = 0.2
_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)


def upload(wire: Wire, file: Path) -> str:
    """Send a file to the service and return the URL to import it from.

    What breaks on the way goes on from the byte that arrived last. Raises CommandFailed, OSError.
    """
    total = file.stat().st_size
    if total == 0:
        raise CommandFailed(f"{file} is empty")
    with file.open("rb") as content:
        with progress_bar("Checking", total, unit="B") as show:
            digest = _sha256(content, show)
        order = wire.call_own("CreateUpload", SizeBytes=total, Sha256=digest)
        with progress_bar("Uploading", total, unit="B") as show, httpx.Client(timeout=_TIMEOUT) as http:
            _Upload(http, wire.endpoint + order["Url"], content, total, show).run()
    return str(order["ImageUrl"])


def _sha256(content: BinaryIO, show: Callable[[float], None]) -> str:
    digest, done = hashlib.sha256(), 0
    while block := content.read(_BLOCK_BYTES):
        digest.update(block)
        done += len(block)
        show(done)
    return digest.hexdigest()


class _Upload:
    """One file on its way."""

    def __init__(self, http: httpx.Client, url: str, content: BinaryIO, total: int, show: Callable[[float], None]) -> None:
        self._http = http
        self._url = url
        self._content = content
        self._total = total
        self._show = show

    def run(self) -> None:
        """Send until the service has every byte; only attempts that bring it no byte further count against the limit."""
        arrived = failures = 0
        while arrived < self._total:
            before = arrived
            arrived, trouble = self._send_from(before)
            failures = failures + 1 if arrived <= before else 0
            if failures == _ATTEMPTS:
                raise CommandFailed(f"the upload broke off at byte {arrived} of {self._total}: {trouble}")
            if trouble:
                time.sleep(_PAUSE_S * 2**failures)

    def _send_from(self, start: int) -> tuple[int, str]:
        """Send the rest of the file; return how many bytes the service has now, and what stopped it from having all."""
        headers = {
            "Content-Length": str(self._total - start),
            "Content-Range": f"bytes {start}-{self._total - 1}/{self._total}",
            "Content-Type": "application/octet-stream",
        }
        try:
            response = self._http.put(self._url, content=self._blocks(start), headers=headers)
        except httpx.TransportError as error:
            return self._arrived(start), str(error)
        offset = response.headers.get("Upload-Offset", "")
        if response.is_success:
            return int(offset or self._total), ""
        said = f"HTTP {response.status_code} {' '.join(response.text.split())[:200]}"
        if response.status_code == httpx.codes.CONFLICT and offset.isdecimal():
            return int(offset), said
        raise CommandFailed(f"the service refused the upload: {said}")

    def _blocks(self, start: int) -> Iterator[bytes]:
        self._content.seek(start)
        sent = start
        while sent < self._total:
            block = self._content.read(min(_BLOCK_BYTES, self._total - sent))
            if not block:
                raise CommandFailed("the file became shorter while it was sent")
            yield block
            sent += len(block)
            self._show(sent)

    def _arrived(self, before: int) -> int:
        """Return how many bytes the service has, or what it had before when it does not answer."""
        try:
            offset = self._http.head(self._url).headers.get("Upload-Offset", "")
        except httpx.TransportError:
            return before
        return int(offset) if offset.isdecimal() else before
