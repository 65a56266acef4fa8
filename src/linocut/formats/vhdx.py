"""What a VHDX file must look like: no parent, regions and blocks inside the file.

Checksums and the log are QEMU's to judge: it refuses a file whose log has yet to be replayed.
Source: MS-VHDX 8.0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

_MIB: Final = 2**20
_REGIONS_AT: Final = 192 * 1024
_ENTRIES_MAX: Final = 2047
_BAT: Final = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_METADATA: Final = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_FILE_PARAMETERS: Final = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_VIRTUAL_SIZE: Final = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_SECTOR_SIZE: Final = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_PARENT_LOCATOR: Final = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_HAS_PARENT: Final = 2
_BLOCK_SIZES: Final = tuple(_MIB * 2**bits for bits in range(9))
_FULL, _PARTIAL = 6, 7
_BLOCK_OFFSET: Final = ~(_MIB - 1)


@dataclass(frozen=True)
class _Region:
    """A range of the file, in bytes."""

    at: int
    length: int


def check_vhdx(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the virtual size of a self-contained VHDX; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    regions = dict(_regions(disk))
    if _BAT not in regions or _METADATA not in regions:
        raise UnsafeDisk("The disk file is damaged: a region is missing.", f"{len(regions)} regions")
    items = dict(_metadata(disk, regions[_METADATA]))
    missing = {_FILE_PARAMETERS, _VIRTUAL_SIZE, _SECTOR_SIZE} - items.keys()
    if missing:
        raise UnsafeDisk("The disk file is damaged: its size is missing.")
    block_bytes, flags = disk.unpack("<II", items[_FILE_PARAMETERS], "metadata")
    (size,) = disk.unpack("<Q", items[_VIRTUAL_SIZE], "metadata")
    (sector_bytes,) = disk.unpack("<I", items[_SECTOR_SIZE], "metadata")
    if flags & _HAS_PARENT or _PARENT_LOCATOR in items:
        raise UnsafeDisk("The disk file needs a parent file.")
    if sector_bytes != SECTOR_BYTES:
        raise UnsupportedDisk("Only VHDX files with sectors of 512 bytes are taken.", f"{sector_bytes}")
    if block_bytes not in _BLOCK_SIZES:
        raise UnsafeDisk("The disk file's block size is impossible.", f"{block_bytes}")
    require_virtual_size(size, limits)
    _check_blocks(disk, regions[_BAT], size, block_bytes)
    return size


def _regions(disk: DiskBytes) -> Iterator[tuple[UUID, _Region]]:
    signature, _, count, _ = disk.unpack("<IIII", _REGIONS_AT, "region table")
    if signature != int.from_bytes(b"regi", "little") or count > _ENTRIES_MAX:
        raise UnsafeDisk("The disk file's region table is damaged.", f"{signature=:#x} {count=}")
    for index in range(count):
        at = _REGIONS_AT + 16 + 32 * index
        kind = UUID(bytes_le=disk.read(at, 16, "region table"))
        start, length, required = disk.unpack("<QII", at + 16, "region table")
        if kind in {_BAT, _METADATA}:
            disk.require(start, length, "region")
            yield kind, _Region(start, length)
        elif required & 1:
            raise UnsupportedDisk("The disk file uses VHDX features that are not taken.", f"region {kind}")


def _metadata(disk: DiskBytes, region: _Region) -> Iterator[tuple[UUID, int]]:
    signature = disk.read(region.at, 8, "metadata")
    _, count = disk.unpack("<HH", region.at + 8, "metadata")
    if signature != b"metadata" or count > _ENTRIES_MAX:
        raise UnsafeDisk("The disk file's metadata is damaged.", f"{signature!r} {count=}")
    for index in range(count):
        at = region.at + 32 + 32 * index
        kind = UUID(bytes_le=disk.read(at, 16, "metadata"))
        offset, length = disk.unpack("<II", at + 16, "metadata")
        if offset + length > region.length:
            raise UnsafeDisk("The disk file's metadata is damaged.", f"item {kind} at {offset}")
        yield kind, region.at + offset


def _check_blocks(disk: DiskBytes, bat: _Region, size: int, block_bytes: int) -> None:
    blocks = -(-size // block_bytes)
    per_bitmap = 2**23 * SECTOR_BYTES // block_bytes
    entries = blocks + (blocks - 1) // per_bitmap
    if entries * 8 > bat.length:
        raise UnsafeDisk("The disk file claims a size that its tables do not hold.", f"{entries=}")
    table = disk.entries(bat.at, entries, width="Q", big_endian=False, what="block table")
    for index, entry in enumerate(table):
        state = entry & 7
        if (index + 1) % (per_bitmap + 1) == 0:
            continue  # a sector bitmap, which only files with a parent use
        if state == _PARTIAL:
            raise UnsafeDisk("The disk file needs a parent file.")
        if state == _FULL:
            disk.require(entry & _BLOCK_OFFSET, block_bytes, "data")
