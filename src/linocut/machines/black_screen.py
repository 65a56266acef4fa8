"""A screen of RFB 3.8 that stays black, for machines that exist in memory only.

It asks for no password, and answers each request for the picture with one raw rectangle. Source: RFC 6143.
"""

import socket
import struct
from contextlib import suppress
from typing import Final

WIDTH: Final = 16
HEIGHT: Final = 8

_VERSION: Final = b"RFB 003.008\n"
_NO_PASSWORD: Final = 1
_PIXELS: Final = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_NAME: Final = b"black"
_SET_ENCODINGS: Final = 2
_UPDATE_REQUEST: Final = 3
_CUT_TEXT: Final = 6
_REST_BYTES: Final = {0: 19, _SET_ENCODINGS: 3, _UPDATE_REQUEST: 9, 4: 7, 5: 5, _CUT_TEXT: 7}
"""What follows a message's type, without what a count in it announces."""


def show_black(screen: socket.socket) -> None:
    """Talk to one viewer until it leaves, or the connection is shut down."""
    with screen, suppress(OSError, EOFError):
        screen.sendall(_VERSION)
        _read(screen, len(_VERSION))
        screen.sendall(bytes([1, _NO_PASSWORD]))
        _read(screen, 1)
        screen.sendall(bytes(4))
        _read(screen, 1)
        screen.sendall(struct.pack(">HH", WIDTH, HEIGHT) + _PIXELS + struct.pack(">I", len(_NAME)) + _NAME)
        while True:
            _answer(screen)


def _answer(screen: socket.socket) -> None:
    kind = _read(screen, 1)[0]
    if kind not in _REST_BYTES:
        raise EOFError
    rest = _read(screen, _REST_BYTES[kind])
    if kind == _SET_ENCODINGS:
        _read(screen, 4 * struct.unpack(">H", rest[1:])[0])
    elif kind == _CUT_TEXT:
        _read(screen, struct.unpack(">I", rest[3:])[0])
    elif kind == _UPDATE_REQUEST:
        screen.sendall(struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + bytes(4 * WIDTH * HEIGHT))


def _read(screen: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = screen.recv(min(size - len(data), 65536))
        if not piece:
            raise EOFError
        data += piece
    return data
