"""A bounded folder of plain chunks, for stores that are far away.

Nothing in it is trusted: what is read back is hashed again. Files are renamed into place but not synced; losing some is harmless.
"""

import logging
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from linocut.blocks.frames import digest_of
from linocut.blocks.nodes import CHUNK_BYTES

_log = logging.getLogger(__name__)


class DiskCache:
    """Chunks in files, least recently used out first. Safe to share between threads, not between processes."""

    def __init__(self, directory: Path, capacity_bytes: int) -> None:
        self._directory = directory
        self._capacity = capacity_bytes // CHUNK_BYTES
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._serial = 0
        self._directory.mkdir(parents=True, exist_ok=True)
        self._adopt()

    def read(self, digest: bytes, into: bytearray) -> bool:
        """Fill `into` with a chunk and tell whether it was here; if not, `into` holds anything."""
        with self._lock:
            if digest not in self._known:
                return False
            self._known.move_to_end(digest)
        try:
            with self._path(digest).open("rb", buffering=0) as file:
                sound = file.readinto(into) == CHUNK_BYTES and digest_of(into) == digest
        except OSError:
            sound = False
        if not sound:
            _log.warning("cached chunk %s is damaged; dropped", digest.hex())
            self._drop(digest)
        return sound

    def write(self, digest: bytes, plain: bytearray) -> None:
        """Keep a chunk. Failing to is logged, not raised."""
        if self._capacity < 1:
            return
        with self._lock:
            self._serial += 1
            serial = self._serial
        draft = self._directory / f"draft-{serial}"
        try:
            with draft.open("wb", buffering=0) as file:
                whole = file.write(plain) == CHUNK_BYTES
            if not whole:
                raise OSError("short write")  # noqa: TRY301 - the same remedy as for any other failure to write
            draft.rename(self._path(digest))
        except OSError as error:
            _log.warning("cannot keep a chunk in the disk cache: %s", error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            return
        with self._lock:
            self._known[digest] = None
        self._trim()

    def _trim(self) -> None:
        while True:
            with self._lock:
                if len(self._known) <= self._capacity:
                    return
                digest, _ = self._known.popitem(last=False)
            with suppress(OSError):
                self._path(digest).unlink(missing_ok=True)

    def _drop(self, digest: bytes) -> None:
        with self._lock:
            self._known.pop(digest, None)
        with suppress(OSError):
            self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: bytes) -> Path:
        return self._directory / digest.hex()

    def _adopt(self) -> None:
        """Take over what an earlier process left, oldest first out, and remove its drafts."""
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.name.startswith("draft-"):
                        Path(entry.path).unlink()
                    elif len(entry.name) == 64:  # noqa: PLR2004 - a digest in hexadecimal
                        found.append((entry.stat().st_mtime, bytes.fromhex(entry.name)))
        self._known.update((digest, None) for _, digest in sorted(found))
        self._trim()
