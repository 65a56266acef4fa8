"""Who reads trees from a block server, and when each began to: what a launch waits for."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from linocut.model.ids import RootDigest

_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(slots=True)
class Reader:
    """A connection to a tree: the process behind it, and when it did things first, in seconds since the epoch."""

    root: RootDigest
    pid: int
    connected_s: float
    first_read_s: float | None = None
    first_reply_s: float | None = None


class Readership:
    """The readers that are connected now. Safe to share between threads."""

    def __init__(self) -> None:
        self._readers: dict[int, Reader] = {}
        self._lock = threading.Lock()

    @contextmanager
    def joined_by(self, connection: socket.socket, root: RootDigest, connected_s: float) -> Iterator[Reader]:
        """Count a connection among the readers while the block runs."""
        pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        reader = Reader(root, pid, connected_s)
        with self._lock:
            self._readers[id(reader)] = reader
        try:
            yield reader
        finally:
            with self._lock:
                del self._readers[id(reader)]

    def list(self) -> list[dict[str, Any]]:
        """Return every reader as JSON."""
        with self._lock:
            return [asdict(reader) for reader in self._readers.values()]
