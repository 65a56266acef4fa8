"""The serial console's log: a file that QEMU appends to, of which only the end takes space.

QEMU holds the file open for as long as the guest runs, so it can be neither renamed nor cut. What is old is punched out of it
instead: the file keeps its length, an offset means the same for ever, and the hole takes no space. This needs a file system with
holes (ext4, XFS, Btrfs, tmpfs); on another the log grows, and reads give zeros for nothing.
"""

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from linocut.machines.interface import ConsoleChunk

_KEEP_SIZE_AND_PUNCH_HOLE: Final = 0x01 | 0x02
_BLOCK_BYTES: Final = 4096
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})


def read_log(path: Path, offset: int, limit: int) -> ConsoleChunk:
    """Return at most `limit` bytes from `offset` on, or from the oldest byte that is kept; empty when there is no more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ConsoleChunk(b"", 0, 0, 0)
    try:
        size = os.fstat(descriptor).st_size
        start = _first_kept(descriptor, min(max(offset, 0), size), size)
        data = os.pread(descriptor, max(limit, 0), start)
    finally:
        os.close(descriptor)
    return ConsoleChunk(data, start, start + len(data), max(size, start + len(data)))


def trim_log(path: Path, keep_bytes: int) -> None:
    """Give back the space of all but the last `keep_bytes` of a log, to within a block."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        state = os.fstat(descriptor)
        old = (state.st_size - keep_bytes) // _BLOCK_BYTES * _BLOCK_BYTES
        if old > 0 and state.st_blocks * 512 > keep_bytes + _BLOCK_BYTES:
            _punch_hole(descriptor, old)
    finally:
        os.close(descriptor)


def _first_kept(descriptor: int, offset: int, size: int) -> int:
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as problem:
        if problem.errno != errno.ENXIO:
            raise
        return size


def _punch_hole(descriptor: int, length: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    mode = ctypes.c_int(_KEEP_SIZE_AND_PUNCH_HOLE)
    if libc.fallocate(ctypes.c_int(descriptor), mode, ctypes.c_long(0), ctypes.c_long(length)) != 0:
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number))
