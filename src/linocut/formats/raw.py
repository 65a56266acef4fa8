"""What a raw file must look like.

Raw has no header, so anything at all could pass for it: a web page, an archive, a disk in a format that we do not know. A raw
file is taken only if it shows what every disk that boots shows: the signature of an MBR, or a GPT; or, as data disks do, a file
system that Linux puts on a whole disk. What these say is the guest's affair, and nothing on the host acts on it; but a partition
that ends outside the file tells of a file that was cut short, which nothing else in a raw file could.
"""

import struct
from collections.abc import Iterator
from typing import Final

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

_MBR_SIGNATURE_AT: Final = 510
_MBR_SIGNATURE: Final = b"\x55\xaa"
_GPT_SIGNATURE: Final = b"EFI PART"
_GPT_AT: Final = (512, 4096)
_GPT_BACKUP_AT: Final = 32
_MBR_ENTRIES_AT: Final = 446
_MBR_ENTRY: Final = struct.Struct("<B3xB3xII")
_MBR_FLAGS: Final = (0x00, 0x80)
_MBR_UNUSED, _MBR_PROTECTIVE = 0x00, 0xEE
_LUKS: Final = b"LUKS\xba\xbe"
_ARCHIVES: Final = (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"7z\xbc\xaf\x27\x1c")
_FILE_SYSTEMS: Final = ((1080, b"\x53\xef"), (0, b"XFSB"), (65600, b"_BHRfS_M"), (512, b"LABELONE"), (4086, b"SWAPSPACE2"))
"""What lies where: ext2 to ext4, XFS, Btrfs, a physical volume of LVM, swap."""
_LOOK_BYTES: Final = 2**17


def check_raw(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the size of a raw disk with a partition table or a file system; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    start = disk.read(0, min(_LOOK_BYTES, disk.size_bytes), "start")
    if start.startswith(_LUKS):
        raise UnsafeDisk("The disk file is encrypted.", "LUKS")
    if start.startswith(_ARCHIVES):
        raise UnsupportedDisk("The file is compressed; unpack it first.")
    if not _shows_partition_table(start) and not _shows_file_system(start):
        reason = "The file is not a disk image: it has neither a known format nor a partition table nor a file system."
        raise UnsupportedDisk(reason, f"starts with {start[:16]!r}")
    if disk.size_bytes % SECTOR_BYTES:
        raise UnsafeDisk("The disk file is cut short: it ends in the middle of a sector.", f"{disk.size_bytes}")
    for end in _ends(start):
        disk.require(0, end, "last partition")
    return require_virtual_size(disk.size_bytes, limits)


def _shows_file_system(start: bytes) -> bool:
    return any(start[at : at + len(magic)] == magic for at, magic in _FILE_SYSTEMS)


def _shows_partition_table(start: bytes) -> bool:
    if start[_MBR_SIGNATURE_AT:SECTOR_BYTES] == _MBR_SIGNATURE:
        return True
    return any(start[at : at + len(_GPT_SIGNATURE)] == _GPT_SIGNATURE for at in _GPT_AT)


def _ends(start: bytes) -> Iterator[int]:
    """Yield the offsets that the partition table says the disk reaches to."""
    for at in _GPT_AT:
        if start[at : at + len(_GPT_SIGNATURE)] == _GPT_SIGNATURE and len(start) >= at + SECTOR_BYTES:
            (backup,) = struct.unpack_from("<Q", start, at + _GPT_BACKUP_AT)
            yield (backup + 1) * at  # the header is the second sector, so its offset is the sector's size
    if start[_MBR_SIGNATURE_AT:SECTOR_BYTES] != _MBR_SIGNATURE:
        return
    entries = list(_MBR_ENTRY.iter_unpack(start[_MBR_ENTRIES_AT:_MBR_SIGNATURE_AT]))
    if any(flag not in _MBR_FLAGS for flag, *_ in entries):
        return  # the boot sector of a file system, which has code there
    for _, kind, first, sectors in entries:
        if kind not in {_MBR_UNUSED, _MBR_PROTECTIVE}:
            yield (first + sectors) * SECTOR_BYTES
