"""An empty qcow2 overlay, written by hand so that a launch starts no process for it.

The header names no backing file: what lies under an overlay is told to QEMU at start, by node name, so nothing a guest can
write is ever taken for a path or probed for a format. Unallocated clusters then read from that node, and as zeros behind its end.

Clusters of 128 KiB with extended L2 entries, which means 32 subclusters of 4 KiB each: a small write to an untouched place
copies nothing from below.

Layout, in clusters: header, refcount table, one refcount block, L1 table.
Source: QEMU docs/interop/qcow2.txt, version 3.
"""

import os
import struct
from typing import Final

CLUSTER_BYTES: Final = 128 * 1024
_CLUSTER_BITS: Final = CLUSTER_BYTES.bit_length() - 1
_L2_ENTRY_BYTES: Final = 16
_MAPPED_BY_L2: Final = CLUSTER_BYTES // _L2_ENTRY_BYTES * CLUSTER_BYTES
_EXTENDED_L2: Final = 1 << 4
_REFCOUNT_ORDER: Final = 4
_HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_SECTOR_BYTES: Final = 512


def write_empty_overlay(descriptor: int, size_bytes: int) -> None:
    """Make the open, empty file a qcow2 overlay of that virtual size.

    Raises ValueError when the size is not a positive multiple of 512.
    """
    if size_bytes <= 0 or size_bytes % _SECTOR_BYTES:
        raise ValueError(f"a disk holds whole sectors of {_SECTOR_BYTES} bytes, not {size_bytes} bytes")
    l1_entries = -(-size_bytes // _MAPPED_BY_L2)
    l1_clusters = -(-l1_entries * 8 // CLUSTER_BYTES)
    clusters = 3 + l1_clusters
    header = _HEADER.pack(
        b"QFI\xfb",
        3,
        0,  # no backing file
        0,
        _CLUSTER_BITS,
        size_bytes,
        0,  # no encryption
        l1_entries,
        3 * CLUSTER_BYTES,
        CLUSTER_BYTES,
        1,
        0,  # no internal snapshots
        0,
        _EXTENDED_L2,
        0,
        0,
        _REFCOUNT_ORDER,
        _HEADER.size + 8,
    )
    os.pwrite(descriptor, header, 0)
    os.pwrite(descriptor, struct.pack(">Q", 2 * CLUSTER_BYTES), CLUSTER_BYTES)
    os.pwrite(descriptor, struct.pack(f">{clusters}H", *[1] * clusters), 2 * CLUSTER_BYTES)
    os.truncate(descriptor, clusters * CLUSTER_BYTES)
