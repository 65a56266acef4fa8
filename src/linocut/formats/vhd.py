"""What a VHD file must look like: fixed or dynamic, never differencing, with both footers intact.

A fixed VHD is a raw disk with a footer behind it, so no header betrays it. A file whose last sector says `conectix` is a VHD
and must be a sound one; it is never taken as raw.
Source: Microsoft Virtual Hard Disk Image Format Specification 1.0.
"""

import struct
from dataclasses import dataclass
from typing import Final

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

COOKIE: Final = b"conectix"
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQIII")
_CHECKSUM_AT: Final = 64
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_HEADER: Final = struct.Struct(">8sQQIIII16sII512s")
_HEADER_BYTES: Final = 1024
_HEADER_CHECKSUM_AT: Final = 36
_HEADER_VERSION: Final = 0x10000
_UNUSED: Final = 0xFFFF_FFFF
_BLOCK_SIZES: Final = tuple(2**bits for bits in range(16, 29))


@dataclass(frozen=True)
class _Footer:
    """What the footer of a VHD says."""

    kind: int
    header_at: int
    size: int


def has_vhd_footer(disk: DiskBytes) -> bool:
    """Tell whether the last sector of the file claims to be a VHD's footer."""
    at = disk.size_bytes - SECTOR_BYTES
    return at >= 0 and disk.read(at, len(COOKIE), "footer") == COOKIE


def check_vhd(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the virtual size of a sound VHD; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    end = disk.size_bytes - SECTOR_BYTES
    footer = _read_footer(disk, end)
    size = require_virtual_size(footer.size, limits)
    match footer.kind:
        case 2:
            if size != end:
                raise UnsafeDisk("The disk file claims a size that it does not hold.", f"{size}, holds {end}")
        case 3:
            if _read_footer(disk, 0) != footer:
                raise UnsafeDisk("The disk file contradicts itself: its two footers differ.")
            _check_dynamic(disk, footer)
        case 4:
            raise UnsafeDisk("The disk file needs a parent file.")
        case _:
            raise UnsupportedDisk("Only fixed and dynamic VHD files are taken.", f"type {footer.kind}")
    return size


def _read_footer(disk: DiskBytes, at: int) -> _Footer:
    sector = disk.read(at, SECTOR_BYTES, "footer")
    fields = _FOOTER.unpack_from(sector)
    if fields[0] != COOKIE or fields[12] != _checksum(sector, _CHECKSUM_AT):
        raise UnsafeDisk("The disk file is cut short or damaged: its footer is not sound.", f"at {at}")
    return _Footer(kind=fields[11], header_at=fields[3], size=fields[9])


def _checksum(block: bytes, at: int) -> int:
    return ~(sum(block) - sum(block[at : at + 4])) & 0xFFFF_FFFF


def _check_dynamic(disk: DiskBytes, footer: _Footer) -> None:
    block = disk.read(footer.header_at, _HEADER_BYTES, "header")
    cookie, _, table_at, version, blocks, block_bytes, checksum, parent, _, _, parent_name = _HEADER.unpack_from(block)
    if cookie != b"cxsparse" or version != _HEADER_VERSION or checksum != _checksum(block, _HEADER_CHECKSUM_AT):
        raise UnsafeDisk("The disk file's header is damaged.", f"{cookie!r} {version=:#x}")
    if any(parent) or any(parent_name):
        raise UnsafeDisk("The disk file needs a parent file.")
    if block_bytes not in _BLOCK_SIZES or blocks * block_bytes < footer.size:
        raise UnsafeDisk("The disk file claims a size that its tables do not hold.", f"{blocks=} {block_bytes=}")
    stored = max(1, block_bytes // SECTOR_BYTES // 8 // SECTOR_BYTES) * SECTOR_BYTES + block_bytes
    needed = -(-footer.size // block_bytes)
    disk.require(table_at, blocks * 4, "block table")
    for sector in disk.entries(table_at, needed, width="I", big_endian=True, what="block table"):
        if sector != _UNUSED:
            disk.require(sector * SECTOR_BYTES, stored, "data")
