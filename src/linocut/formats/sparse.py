"""Writing files that keep their holes: most of a raw disk is nothing, and nothing takes no room."""

import errno
import os
from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 2**20
_ZEROS: Final = bytes(2 * _BLOCK_BYTES)


def append(descriptor: int, block: bytes, at: int) -> None:
    """Write a block at the end of the file; one of zeros only makes it longer."""
    if block == _ZEROS[: len(block)]:
        os.ftruncate(descriptor, at + len(block))
        return
    view = memoryview(block)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def copy_sparse(source: Path, destination: Path) -> None:
    """Copy a file with its holes, and make the copy durable. Raises OSError."""
    with source.open("rb") as reading, destination.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        os.ftruncate(writing.fileno(), size)
        for start, end in _extents(reading.fileno(), size):
            at = start
            while at < end:
                block = os.pread(reading.fileno(), min(_BLOCK_BYTES, end - at), at)
                if not block:
                    raise OSError(errno.EIO, "the file became shorter", str(source))
                at += os.pwrite(writing.fileno(), block, at)
        os.fsync(writing.fileno())


def _extents(descriptor: int, size: int) -> list[tuple[int, int]]:
    """Return where a file has data."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, at))
    return found
