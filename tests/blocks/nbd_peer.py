"""A small NBD client that says exactly what a test wants to be said."""

import socket
import struct
from pathlib import Path
from typing import Self


class NbdFailure(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(f"NBD error {number}")
        self.number = number


class NbdPeer:
    """One connection to an export, with simple replies or structured ones."""

    def __init__(self, path: Path, export: str, *, structured: bool = True) -> None:
        self.structured = structured
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        assert self.take(18)[:16] == b"NBDMAGICIHAVEOPT"
        self.socket.sendall(struct.pack(">I", 3))
        if structured:
            assert self.option(8, b"") == 1
        name = export.encode()
        self.last_reply = self.option(7, struct.pack(">I", len(name)) + name + struct.pack(">H", 0))
        self.cookie = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def take(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data

    def option(self, number: int, data: bytes) -> int:
        """Send an option; return the type of the reply that ends it."""
        self.socket.sendall(struct.pack(">8sII", b"IHAVEOPT", number, len(data)) + data)
        while True:
            magic, echoed, kind, length = struct.unpack(">QIII", self.take(20))
            assert (magic, echoed) == (0x3E889045565A9, number)
            self.take(length)
            if kind == 1 or kind >= 2**31:
                return int(kind)

    def send(self, command: int, offset: int, length: int, data: bytes = b"", flags: int = 0) -> int:
        self.cookie += 1
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, self.cookie, offset, length) + data)
        return self.cookie

    def receive(self, read_bytes: int = 0) -> tuple[int, bytes]:
        """Return the cookie and data of the next reply. Raises NbdFailure."""
        if not self.structured:
            magic, error, cookie = struct.unpack(">IIQ", self.take(16))
            assert magic == 0x67446698
            if error:
                raise NbdFailure(error)
            return cookie, self.take(read_bytes)
        magic, flags, kind, cookie, length = struct.unpack(">IHHQI", self.take(20))
        assert (magic, flags) == (0x668E33EF, 1)
        payload = self.take(length)
        if kind >= 2**15:
            raise NbdFailure(struct.unpack(">I", payload[:4])[0])
        if kind == 2:
            return cookie, bytes(struct.unpack(">QI", payload)[1])
        return cookie, payload[8:]

    def call(self, command: int, offset: int, length: int, data: bytes = b"", flags: int = 0) -> bytes:
        sent = self.send(command, offset, length, data, flags)
        cookie, payload = self.receive(length if command == 0 else 0)
        assert cookie == sent
        return payload

    def read(self, offset: int, length: int) -> bytes:
        return self.call(0, offset, length)

    def write(self, offset: int, data: bytes) -> None:
        self.call(1, offset, len(data), data)

    def flush(self) -> None:
        self.call(3, 0, 0)

    def trim(self, offset: int, length: int) -> None:
        self.call(4, offset, length)

    def write_zeroes(self, offset: int, length: int) -> None:
        self.call(6, offset, length)
