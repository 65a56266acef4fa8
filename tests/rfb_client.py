"""A viewer of RFB 3.8, as small as can be: it looks at the screen and presses keys. Source: RFC 6143."""

import struct
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    x: int
    y: int
    width: int
    height: int
    pixels: bytes


class Viewer:
    """Speaks over whatever carries bytes; `receive` returns what has come, empty at the end."""

    def __init__(self, receive: Callable[[], bytes], send: Callable[[bytes], object]) -> None:
        self._receive = receive
        self._send = send
        self._held = b""
        self.width = 0
        self.height = 0

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            piece = self._receive()
            assert piece, "the connection has ended"
            self._held += piece
        data, self._held = self._held[:size], self._held[size:]
        return data

    def greet(self) -> None:
        """Shake hands without a password, share the screen, ask for raw pixels of four bytes."""
        version = self.read(12)
        assert version == b"RFB 003.008\n"
        self._send(version)
        offered = self.read(self.read(1)[0])
        assert 1 in offered
        self._send(b"\1")
        assert self.read(4) == bytes(4)
        self._send(b"\1")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.read(struct.unpack(">I", self.read(4))[0])
        self._send(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self._send(struct.pack(">BxHi", 2, 1, 0))

    def look(self, *, incremental: bool = False) -> list[Rectangle]:
        """Ask for the picture, and return what comes."""
        self._send(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))
        assert self.read(1) == b"\0"
        (count,) = struct.unpack(">xH", self.read(3))
        return [self._rectangle() for _ in range(count)]

    def press(self, key: int) -> None:
        """Press and release a key, by its X keysym."""
        for down in (1, 0):
            self._send(struct.pack(">BBxxI", 4, down, key))

    def _rectangle(self) -> Rectangle:
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
        assert encoding == 0
        return Rectangle(x, y, width, height, self.read(width * height * 4))
