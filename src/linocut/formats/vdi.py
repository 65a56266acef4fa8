"""What a VDI file must look like: dynamic or static, no parent, blocks inside the file.

Source: VirtualBox VDI; QEMU block/vdi.c.
"""

from typing import Final

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

_HEADER_AT: Final = 0x40
_HEADER: Final = "<IIIII256xIIIIIIIQIIII"
_VERSION: Final = 0x0001_0001
_DYNAMIC, _STATIC = 1, 2
_BLOCK_BYTES: Final = 2**20
_PARENT_AT: Final = 0x1A8
_UNUSED: Final = 0xFFFF_FFFE


def check_vdi(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the virtual size of a self-contained VDI; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    (_, version, _, kind, _, *rest) = disk.unpack(_HEADER, _HEADER_AT, "header")
    (map_at, data_at, _, _, _, sector_bytes, _, size, block_bytes, extra, blocks, allocated) = rest
    if version != _VERSION or kind not in {_DYNAMIC, _STATIC}:
        raise UnsupportedDisk("Only dynamic and static VDI files of version 1.1 are taken.", f"{version=:#x} {kind=}")
    if any(disk.read(_PARENT_AT, 32, "header")):
        raise UnsafeDisk("The disk file needs a parent file.")
    if sector_bytes != SECTOR_BYTES or block_bytes != _BLOCK_BYTES or extra:
        raise UnsupportedDisk("The disk file's block size is not taken.", f"{sector_bytes=} {block_bytes=} {extra=}")
    require_virtual_size(size, limits)
    if blocks * block_bytes < size or allocated > blocks:
        raise UnsafeDisk("The disk file claims a size that its tables do not hold.", f"{blocks=} {allocated=} {size=}")
    disk.require(data_at, allocated * block_bytes, "data")
    needed = -(-size // block_bytes)
    for entry in disk.entries(map_at, needed, width="I", big_endian=False, what="block table"):
        if entry < _UNUSED and entry >= allocated:
            raise UnsafeDisk("The disk file's block table is damaged.", f"block {entry} of {allocated}")
    return size
