"""Writing a disk's content straight into a raw or qcow2 file, as it comes: the formats that need no other program.

A qcow2 file is written front to back: header and L1 table are left room for, data follows in the order of the disk, and the
tables that say where it lies come last, when that is known. A file that was cut short has no header yet, and is no disk.
Source: docs/interop/qcow2.txt of QEMU, version 3.
"""

import os
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from linocut.formats.disk import DiskFormat
from linocut.formats.errors import ConversionFailed, NoSpace

DIRECT_FORMATS: Final = frozenset({DiskFormat.RAW, DiskFormat.QCOW2})
_CLUSTER: Final = 65536
_ZEROS: Final = bytes(_CLUSTER)
_L2_ENTRIES: Final = _CLUSTER // 8
_REFCOUNTS: Final = _CLUSTER // 2
_COPIED: Final = 1 << 63
_HEADER: Final = ">4sIQIIQIIQQIIQQQQII"
_HEADER_BYTES: Final = 104

Pieces = Iterable[tuple[int, bytes]]
"""Parts of a disk with their offsets, which are whole clusters, in rising order. What is in none of them is zeros."""


def write_disk(file: Path, disk_format: DiskFormat, size_bytes: int, pieces: Pieces) -> None:
    """Write a disk of this size into a new raw or qcow2 file, durable when this returns; what had its name is replaced.

    Runs of zeros stay holes. Raises NoSpace, ConversionFailed, and whatever the pieces raise; the file is worth nothing then.
    """
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if disk_format is DiskFormat.QCOW2:
            _write_qcow2(descriptor, size_bytes, pieces)
        else:
            _write_raw(descriptor, size_bytes, pieces)
        _durable(descriptor)
    finally:
        os.close(descriptor)


def _write_raw(descriptor: int, size_bytes: int, pieces: Pieces) -> None:
    os.ftruncate(descriptor, size_bytes)
    for offset, data in pieces:
        for start, end in _data_runs(data):
            _write(descriptor, data[start:end] if (start, end) != (0, len(data)) else data, offset + start)


def _write_qcow2(descriptor: int, size_bytes: int, pieces: Pieces) -> None:
    l1_entries = -(-size_bytes // (_CLUSTER * _L2_ENTRIES))
    l1_clusters = -(-l1_entries * 8 // _CLUSTER)
    tables = _Tables(1 + l1_clusters)
    for offset, data in pieces:
        for start, end in _data_runs(data):
            _write(descriptor, data[start:end].ljust(-(-(end - start) // _CLUSTER) * _CLUSTER, b"\0"), tables.end * _CLUSTER)
            tables.add((offset + start) // _CLUSTER, -(-(end - start) // _CLUSTER))
    l1 = array("Q", bytes(8 * l1_entries))
    for number, entries in sorted(tables.l2.items()):
        l1[number] = _COPIED | tables.end * _CLUSTER
        _write(descriptor, _big_endian(entries), tables.end * _CLUSTER)
        tables.end += 1
    table_at, table_clusters = _write_refcounts(descriptor, tables.end)
    _write(descriptor, _big_endian(l1), _CLUSTER)
    os.ftruncate(descriptor, -(-os.fstat(descriptor).st_size // _CLUSTER) * _CLUSTER)
    _durable(descriptor)
    version, bits, order = 3, _CLUSTER.bit_length() - 1, 4
    places = (0, 0, bits, size_bytes, 0, l1_entries, _CLUSTER, table_at * _CLUSTER, table_clusters, 0, 0)
    _write(descriptor, struct.pack(_HEADER, b"QFI\xfb", version, *places, 0, 0, 0, order, _HEADER_BYTES), 0)


@dataclass
class _Tables:
    """Where the clusters of a disk lie in its file: `end` is the first cluster of the file that is free."""

    end: int
    l2: "dict[int, array[int]]" = field(default_factory=dict)

    def add(self, guest: int, count: int) -> None:
        """Note that clusters of the disk have been written at the file's end."""
        for cluster in range(guest, guest + count):
            number, index = divmod(cluster, _L2_ENTRIES)
            if number not in self.l2:
                self.l2[number] = array("Q", bytes(_CLUSTER))
            self.l2[number][index] = _COPIED | self.end * _CLUSTER
            self.end += 1


def _write_refcounts(descriptor: int, used: int) -> tuple[int, int]:
    """Say of every cluster of a file that it is used once; return where the table of that begins, and its length in clusters."""
    blocks = table = 1
    while True:
        needed = -(-(used + blocks + table) // _REFCOUNTS)
        if needed <= blocks:
            break
        blocks, table = needed, -(-needed * 8 // _CLUSTER)
    counts = array("H", [1]) * (used + blocks + table)
    _write(descriptor, _big_endian(counts).ljust(blocks * _CLUSTER, b"\0"), used * _CLUSTER)
    entries = array("Q", [(used + number) * _CLUSTER for number in range(blocks)])
    _write(descriptor, _big_endian(entries).ljust(table * _CLUSTER, b"\0"), (used + blocks) * _CLUSTER)
    return used + blocks, table


def _big_endian(entries: "array[int]") -> bytes:
    swapped = array(entries.typecode, entries)
    swapped.byteswap()  # the machines that run this are little-endian
    return swapped.tobytes()


def _data_runs(data: bytes) -> list[tuple[int, int]]:
    """Return the runs of clusters that are not zeros."""
    runs: list[tuple[int, int]] = []
    for start in range(0, len(data), _CLUSTER):
        end = min(start + _CLUSTER, len(data))
        if data.startswith(_ZEROS[: end - start], start):
            continue
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _write(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written
    except OSError as error:
        raise NoSpace("There is no space left for the export.", str(error)) from error


def _durable(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise ConversionFailed("The export could not be kept.", str(error)) from error
