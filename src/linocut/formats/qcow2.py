"""What a qcow2 file must look like: self-contained, plain, and with its tables inside the file.

Snapshots inside the file are taken as harmless: only the active state is converted, and they are left behind.
Source: QEMU docs/interop/qcow2.
"""

from typing import Final

from linocut.formats.disk import DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

_HEADER_V2: Final = ">4sIQIIQIIQQIIQ"
_HEADER_V2_BYTES: Final = 72
_HEADER_V3: Final = ">QQQII"
_HEADER_V3_BYTES: Final = 104
_VERSIONS: Final = (2, 3)
_CLUSTER_BITS: Final = range(9, 22)
_REFCOUNT_ORDER_MAX: Final = 6
_L1_MAX_BYTES: Final = 32 * 2**20
_REFTABLE_MAX_BYTES: Final = 8 * 2**20
_OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION = 1, 2, 4, 8
_COMPRESSION_TYPES: Final = (0, 1)


def check_qcow2(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the virtual size of a sound, self-contained qcow2; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    (_, version, backing, _, cluster_bits, size, crypt, l1_entries, l1_at, reftable_at, reftable_clusters, *_) = disk.unpack(
        _HEADER_V2, 0, "header"
    )
    if version not in _VERSIONS:
        raise UnsupportedDisk("Only versions 2 and 3 of qcow2 are taken.", f"version {version}")
    if backing:
        raise UnsafeDisk("The disk file needs a backing file.", f"name at {backing}")
    if crypt:
        raise UnsafeDisk("The disk file is encrypted.", f"method {crypt}")
    if cluster_bits not in _CLUSTER_BITS:
        raise UnsafeDisk("The disk file's header is damaged: its cluster size is impossible.", f"2^{cluster_bits}")
    cluster = 1 << cluster_bits
    if version != _VERSIONS[0]:
        _check_version_3(disk, cluster)
    require_virtual_size(size, limits)
    _check_reftable(disk, reftable_at, reftable_clusters * cluster, cluster)
    _check_l1(disk, l1_at, l1_entries, size, cluster)
    return size


def _check_version_3(disk: DiskBytes, cluster: int) -> None:
    incompatible, _, _, refcount_order, header_bytes = disk.unpack(_HEADER_V3, _HEADER_V2_BYTES, "header")
    if incompatible & _DATA_FILE:
        raise UnsafeDisk("The disk file needs an external data file.")
    if incompatible & _CORRUPT:
        raise UnsafeDisk("The disk file is marked as corrupt.")
    if unknown := incompatible & ~(_DIRTY | _COMPRESSION):
        raise UnsupportedDisk("The disk file uses qcow2 features that are not taken.", f"bits {unknown:#x}")
    if refcount_order > _REFCOUNT_ORDER_MAX or not _HEADER_V3_BYTES <= header_bytes <= cluster or header_bytes % 8:
        raise UnsafeDisk("The disk file's header is damaged.", f"{refcount_order=} {header_bytes=}")
    if incompatible & _COMPRESSION:
        (kind,) = disk.unpack(">B", _HEADER_V3_BYTES, "header")
        if header_bytes <= _HEADER_V3_BYTES or kind not in _COMPRESSION_TYPES:
            raise UnsupportedDisk("The disk file's compression is not known.", f"type {kind}")


def _check_reftable(disk: DiskBytes, at: int, length: int, cluster: int) -> None:
    if not at or at % cluster or not length or length > _REFTABLE_MAX_BYTES:
        raise UnsafeDisk("The disk file's refcount table is damaged.", f"at {at}, {length} bytes")
    disk.require(at, length, "refcount table")


def _check_l1(disk: DiskBytes, at: int, entries: int, size: int, cluster: int) -> None:
    per_entry = cluster * (cluster // 8)
    if at % cluster or not at or entries * 8 > _L1_MAX_BYTES:
        raise UnsafeDisk("The disk file's L1 table is damaged.", f"at {at}, {entries} entries")
    if entries * per_entry < size:
        raise UnsafeDisk("The disk file claims a size that its tables do not hold.", f"{entries=} {size=}")
    for entry in disk.entries(at, entries, width="Q", big_endian=True, what="L1 table"):
        if table := entry & _OFFSET:
            if table % cluster:
                raise UnsafeDisk("The disk file's L1 table is damaged.", f"L2 table at {table}")
            disk.require(table, cluster, "L2 table")
