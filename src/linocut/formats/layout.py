"""Reading the tables of a hostile file: every offset is checked against the file before a byte is read."""

import array
import os
import struct
import sys
from collections.abc import Iterator
from typing import Final, Literal

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import DiskTooLarge, UnsafeDisk

_SLICE_BYTES: Final = 2**20


class DiskBytes:
    """An open disk file; reads outside it raise UnsafeDisk and allocate nothing."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self.descriptor = descriptor
        self.size_bytes = size_bytes

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Return exactly these bytes; `what` names them for the message."""
        self.require(offset, length, what)
        content = os.pread(self.descriptor, length, offset)
        if len(content) != length:
            raise UnsafeDisk(f"The disk file is cut short: its {what} is incomplete.", f"{len(content)} of {length}")
        return content

    def unpack(self, shape: str, offset: int, what: str) -> tuple[int, ...]:
        """Return the integers of a struct at this offset."""
        return struct.unpack(shape, self.read(offset, struct.calcsize(shape), what))

    def require(self, offset: int, length: int, what: str) -> None:
        """Raise UnsafeDisk unless this range lies inside the file."""
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise UnsafeDisk(
                f"The disk file is cut short or damaged: its {what} lies outside the file.",
                f"{what} at {offset}, {length} bytes; the file has {self.size_bytes}",
            )

    def entries(self, offset: int, count: int, *, width: Literal["I", "Q"], big_endian: bool, what: str) -> Iterator[int]:
        """Yield the entries of a table of 32-bit (I) or 64-bit (Q) integers, a slice in memory at a time."""
        size = array.array(width).itemsize
        self.require(offset, count * size, what)
        end = offset + count * size
        while offset < end:
            length = min(_SLICE_BYTES, end - offset)
            table = array.array(width, self.read(offset, length, what))
            if big_endian == (sys.byteorder == "little"):
                table.byteswap()
            yield from table
            offset += length


def require_virtual_size(size_bytes: int, limits: DiskLimits) -> int:
    """Return the size of the disk in a file, or raise: it is whole sectors, not nothing, and within the limit."""
    if size_bytes > limits.virtual_size_bytes:
        raise DiskTooLarge(
            f"The disk is larger than the limit of {limits.virtual_size_bytes} bytes.", f"virtual size {size_bytes}"
        )
    if size_bytes <= 0 or size_bytes % SECTOR_BYTES:
        raise UnsafeDisk("The disk's size is not a whole number of sectors.", f"virtual size {size_bytes}")
    return size_bytes
