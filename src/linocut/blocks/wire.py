"""A stream socket with buffered input, and gathering output that several threads may use."""

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

Part = bytes | bytearray | memoryview

_INPUT_BYTES: Final = 64 * 1024
_GATHER_PARTS: Final = 1024
"""Linux takes no more parts in one call (IOV_MAX)."""


class Hangup(Exception):
    """The peer has closed, or broken the protocol so that nothing can follow."""


class Wire:
    """One connection. Input belongs to one thread; output may be used by any."""

    def __init__(self, connection: socket.socket) -> None:
        self.buffer = bytearray(_INPUT_BYTES)
        self.start = 0
        self.end = 0
        self._connection = connection
        self._view = memoryview(self.buffer)
        self._sending = threading.Lock()

    @property
    def buffered(self) -> int:
        """How many bytes have been received and not taken."""
        return self.end - self.start

    def ensure(self, length: int) -> None:
        """Wait until so many bytes are buffered, of at most 64 KiB. Raises Hangup."""
        if self.end - self.start >= length:
            return
        if self.start:
            self.buffer[: self.end - self.start] = self.buffer[self.start : self.end]
            self.end -= self.start
            self.start = 0
        while self.end < length:
            self.end += self._receive(self._view[self.end :])

    def take(self, length: int) -> bytes:
        """Return the next bytes, at most 64 KiB. Raises Hangup."""
        self.ensure(length)
        taken = bytes(self._view[self.start : self.start + length])
        self.start += length
        return taken

    def fill(self, view: memoryview) -> None:
        """Fill a buffer with the next bytes. Raises Hangup."""
        count = min(len(view), self.buffered)
        view[:count] = self._view[self.start : self.start + count]
        self.start += count
        while count < len(view):
            count += self._receive(view[count:])

    def skip(self, length: int) -> None:
        """Throw the next bytes away. Raises Hangup."""
        scratch = memoryview(bytearray(min(length, _INPUT_BYTES)))
        while length:
            size = min(length, len(scratch))
            self.fill(scratch[:size])
            length -= size

    def _receive(self, view: memoryview) -> int:
        try:
            count = self._connection.recv_into(view)
        except OSError as error:
            raise Hangup(str(error)) from error
        if count == 0:
            raise Hangup("closed by the peer")
        return count

    def send(self, parts: Sequence[Part]) -> None:
        """Send all parts, uninterrupted by other threads' parts. Raises Hangup."""
        with self._sending:
            try:
                for first in range(0, len(parts), _GATHER_PARTS):
                    self._send_some(parts[first : first + _GATHER_PARTS])
            except OSError as error:
                raise Hangup(str(error)) from error

    def _send_some(self, parts: Sequence[Part]) -> None:
        sent = self._connection.sendmsg(parts)
        missing = sum(map(len, parts)) - sent
        if missing:
            self._send_rest(parts, sent)

    def _send_rest(self, parts: Sequence[Part], sent: int) -> None:
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
            else:
                self._connection.sendall(memoryview(part)[sent:])
                sent = 0

    def close(self) -> None:
        """Close the connection; a thread waiting for input gets a Hangup."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
