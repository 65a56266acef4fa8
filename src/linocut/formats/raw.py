"""What a raw file must look like.

Raw has no header, so anything at all could pass for it: a web page, an archive, a disk in a format that we do not know. A raw
file is taken only if it shows what every disk that boots shows: the signature of an MBR, or a GPT. What the partition table
says is the guest's affair, and nothing on the host reads it.
"""

from typing import Final

from linocut.formats.disk import SECTOR_BYTES, DiskLimits
from linocut.formats.errors import UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes, require_virtual_size

_MBR_SIGNATURE_AT: Final = 510
_MBR_SIGNATURE: Final = b"\x55\xaa"
_GPT_SIGNATURE: Final = b"EFI PART"
_GPT_AT: Final = (512, 4096)
_LUKS: Final = b"LUKS\xba\xbe"
_ARCHIVES: Final = (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"7z\xbc\xaf\x27\x1c")
_LOOK_BYTES: Final = 8192


def check_raw(disk: DiskBytes, limits: DiskLimits) -> int:
    """Return the size of a raw disk with a partition table; raises UnsafeDisk, UnsupportedDisk, DiskTooLarge."""
    start = disk.read(0, min(_LOOK_BYTES, disk.size_bytes), "start")
    if start.startswith(_LUKS):
        raise UnsafeDisk("The disk file is encrypted.", "LUKS")
    if start.startswith(_ARCHIVES):
        raise UnsupportedDisk("The file is compressed; unpack it first.")
    if not _shows_partition_table(start):
        reason = "The file is not a disk image: it has neither a known format nor a partition table."
        raise UnsupportedDisk(reason, f"starts with {start[:16]!r}")
    if disk.size_bytes % SECTOR_BYTES:
        raise UnsafeDisk("The disk file is cut short: it ends in the middle of a sector.", f"{disk.size_bytes}")
    return require_virtual_size(disk.size_bytes, limits)


def _shows_partition_table(start: bytes) -> bool:
    if start[_MBR_SIGNATURE_AT:SECTOR_BYTES] == _MBR_SIGNATURE:
        return True
    return any(start[at : at + len(_GPT_SIGNATURE)] == _GPT_SIGNATURE for at in _GPT_AT)
