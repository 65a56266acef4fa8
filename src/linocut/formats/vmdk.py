"""What a VMDK file must look like: one file that carries its own sparse extent and names no other.

Two readers of the same descriptor may disagree on it: QEMU takes the first `createType=` in this very spelling, and other
readers the first in any. So each field that matters may stand there once only, in any spelling.
Source: VMware Virtual Disk Format 5.0; QEMU block/vmdk.c.
"""

import re
from dataclasses import dataclass
from typing import Final

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

_MAGIC: Final = int.from_bytes(b"KDMV", "little")
_HEADER: Final = "<IIIQQQQIQQQ"
_AT_END: Final = 2**64 - 1
_FOOTER_FROM_END: Final = 1024
_VERSIONS: Final = (1, 2, 3)
_DESCRIPTOR_AT_SECTOR: Final = 1
_DESCRIPTOR_MAX_BYTES: Final = 2**20
_GRAINS_PER_TABLE_MAX: Final = 512
_GRAIN_MAX_SECTORS: Final = 2**17
_TYPES: Final = ("monolithicsparse", "streamoptimized")
_EXTENT: Final = re.compile(r"(?:rw|rdonly|noaccess)\s+(\d{1,15})\s+sparse\s+\"[^\"/\\]*\"(?:\s+0)?")


@dataclass(frozen=True)
class _Header:
    """Where a sparse extent keeps its parts, in sectors."""

    version: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor: int
    grains_per_table: int
    directory_at: int


def check_vmdk(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the virtual size of a self-contained VMDK; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    header = _read_header(disk, 0)
    _check_descriptor(disk, header)
    if header.directory_at == _AT_END:
        footer = _read_header(disk, disk.size_bytes - _FOOTER_FROM_END)
        if (footer.capacity, footer.grain, footer.grains_per_table) != (
            header.capacity,
            header.grain,
            header.grains_per_table,
        ):
            raise UnsafeDisk("The disk file contradicts itself: its header and footer differ.")
        header = footer
    size = require_virtual_size(header.capacity * SECTOR_BYTES, limits)
    _check_directory(disk, header)
    return size


def _read_header(disk: DiskBytes, at: int) -> _Header:
    magic, version, _, capacity, grain, desc_at, desc, per_table, _, directory_at, _ = disk.unpack(_HEADER, at, "header")
    if magic != _MAGIC or version not in _VERSIONS:
        raise UnsupportedDisk("Only sparse VMDK files of versions 1 to 3 are taken.", f"{magic=:#x} {version=}")
    if not capacity:
        # QEMU would then follow the descriptor's extents, which name other files.
        raise UnsafeDisk("The disk file keeps its content in other files.", "capacity 0")
    if not 0 < per_table <= _GRAINS_PER_TABLE_MAX or not 0 < grain <= _GRAIN_MAX_SECTORS:
        raise UnsafeDisk("The disk file's header is damaged.", f"{per_table=} {grain=}")
    return _Header(version, capacity, grain, desc_at, desc, per_table, directory_at)


def _check_descriptor(disk: DiskBytes, header: _Header) -> None:
    length = header.descriptor * SECTOR_BYTES
    if header.descriptor_at != _DESCRIPTOR_AT_SECTOR or not 0 < length < _DESCRIPTOR_MAX_BYTES:
        raise UnsafeDisk("The disk file's descriptor is not where it belongs.", f"{header}")
    content = disk.read(header.descriptor_at * SECTOR_BYTES, length, "descriptor")
    text, _, padding = content.partition(b"\0")
    if padding.strip(b"\0") or not text.isascii():
        raise UnsafeDisk("The disk file's descriptor hides something.", "bytes after its end, or not ASCII")
    lines = [line.strip() for line in text.decode("ascii").lower().replace("\r", "\n").split("\n")]
    _check_fields(lines)
    _check_extents(lines, header.capacity)


def _check_fields(lines: list[str]) -> None:
    whole = "\n".join(lines)
    if "parentfilenamehint" in whole:
        raise UnsafeDisk("The disk file needs a parent file.")
    if any(line.startswith("encryption.") for line in lines):
        raise UnsafeDisk("The disk file is encrypted.")
    fields = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    for name, wanted in (("createtype", _TYPES), ("parentcid", ("ffffffff",))):
        values = [value.strip().strip('"') for key, _, value in fields if key.strip() == name]
        if len(values) != 1 or whole.count(name) != 1:
            raise UnsafeDisk("The disk file's descriptor is ambiguous.", f"{name}: {values[:3]}")
        if values[0] not in wanted:
            raise UnsafeDisk("The disk file keeps its content in other files.", f"{name}: {values[0][:64]}")


def _check_extents(lines: list[str], capacity: int) -> None:
    extents = [line for line in lines if line.startswith(("rw", "rdonly", "noaccess"))]
    shape = _EXTENT.fullmatch(extents[0]) if len(extents) == 1 else None
    if shape is None or int(shape[1]) != capacity:
        raise UnsafeDisk("The disk file keeps its content in other files.", f"extents {extents[:3]}"[:300])


def _check_directory(disk: DiskBytes, header: _Header) -> None:
    tables = -(-header.capacity // (header.grain * header.grains_per_table))
    at = header.directory_at * SECTOR_BYTES
    table_bytes = header.grains_per_table * 4
    for entry in disk.entries(at, tables, width="I", big_endian=False, what="grain directory"):
        if entry:
            disk.require(entry * SECTOR_BYTES, table_bytes, "grain table")
