"""Whole disks as ordinary files: boot record, partitions and file systems, with no root and no loop device."""

import fcntl
import os
import struct
import subprocess
import uuid
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECTOR: Final = 512
MIB: Final = 1 << 20
FAT16: Final = 0x0E
EFI_SYSTEM: Final = 0xEF
LINUX: Final = 0x83
BOOT_CODE_BYTES: Final = 440

GPT_BYTES: Final = 34 * SECTOR
"""What a GUID partition table takes at either end of a disk."""

_GPT_ENTRIES: Final = 128
_GPT_ENTRY_BYTES: Final = 128
_GPT_TYPES: Final = {EFI_SYSTEM: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", LINUX: "0fc63daf-8483-4772-8e79-3d69d8477de4"}
_PROTECTIVE: Final = 0xEE
_BEYOND_CHS: Final = b"\xfe\xff\xff"
_ACTIVE: Final = b"\x80"
_MKE2FS_CONFIG: Final = """\
[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
blocksize = 4096
inode_size = 256
inode_ratio = 16384
[fs_types]
ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
"""
"""What GRUB 2.06 and Debian 12 understand, whatever the machine's own mke2fs would choose."""


class BuildError(Exception):
    """A program that the build needs is not there, or failed."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A primary partition: its type, and where it lies in bytes."""

    kind: int
    start: int
    size: int


def run(*command: str | Path, **variables: str) -> str:
    """Run a program with these variables added to its environment, and return its output.

    Raises BuildError with what it said when it fails or does not exist.
    """
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    environment = {**os.environ, "LC_ALL": "C", "PATH": path, **variables}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"the program {command[0]} is not installed") from error
    if done.returncode != 0:
        raise BuildError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-2000:]}")
    return done.stdout


@contextmanager
def sole_builder(folder: Path) -> Iterator[None]:
    """Keep every other process that builds in this folder waiting."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_empty(disk: Path, size: int) -> None:
    """Make a file of this size that is one hole."""
    with disk.open("wb") as file:
        file.truncate(size)


def write_boot_record(disk: Path, boot_code: bytes, signature: int, partitions: Sequence[Partition]) -> None:
    """Write the first sector: what BIOS runs, and up to four partitions, of which the first is active."""
    entries = b"".join(
        (b"\0" if number else _ACTIVE)
        + _BEYOND_CHS
        + bytes([partition.kind])
        + _BEYOND_CHS
        + struct.pack("<II", partition.start // SECTOR, partition.size // SECTOR)
        for number, partition in enumerate(partitions)
    )
    code = boot_code[:BOOT_CODE_BYTES].ljust(BOOT_CODE_BYTES, b"\0")
    with disk.open("r+b") as file:
        file.write(code + struct.pack("<IH", signature, 0) + entries.ljust(64, b"\0") + b"\x55\xaa")


def write_gpt(disk: Path, seed: int, partitions: Sequence[Partition]) -> None:
    """Write a GUID partition table, its copy at the disk's end, and the boot record that guards it.

    The GUIDs of the disk and its partitions follow from the seed. Source: UEFI Specification 2.10, chapter 5.
    """
    sectors = disk.stat().st_size // SECTOR
    entries = b"".join(
        uuid.UUID(_GPT_TYPES[each.kind]).bytes_le
        + uuid.UUID(int=(seed << 64) + number + 1).bytes_le
        + struct.pack("<QQQ", each.start // SECTOR, (each.start + each.size) // SECTOR - 1, 0)
        + bytes(72)
        for number, each in enumerate(partitions)
    ).ljust(_GPT_ENTRIES * _GPT_ENTRY_BYTES, b"\0")
    table_sectors = len(entries) // SECTOR
    guid = uuid.UUID(int=seed << 64).bytes_le

    def header(at: int, other: int, table: int) -> bytes:
        usable = (2 + table_sectors, sectors - table_sectors - 2)
        places = struct.pack("<QQQQ", at, other, *usable) + guid
        rest = struct.pack("<QIII", table, _GPT_ENTRIES, _GPT_ENTRY_BYTES, zlib.crc32(entries))
        start = b"EFI PART" + struct.pack("<II", 0x10000, 92)
        checksum = zlib.crc32(start + bytes(8) + places + rest)
        return (start + struct.pack("<II", checksum, 0) + places + rest).ljust(SECTOR, b"\0")

    write_boot_record(disk, b"", 0, [Partition(_PROTECTIVE, SECTOR, min(sectors - 1, 2**32 - 1) * SECTOR)])
    with disk.open("r+b") as file:
        file.seek(SECTOR)
        file.write(header(1, sectors - 1, 2) + entries)
        file.seek((sectors - 1 - table_sectors) * SECTOR)
        file.write(entries + header(sectors - 1, 1, sectors - 1 - table_sectors))


def make_ext4(disk: Path, partition: Partition, content: Path, *options: str, wrapper: Sequence[str] = ()) -> None:
    """Make an ext4 file system in the partition, with the folder's content, every inode table ready.

    A kernel that found unready tables would write zeros for minutes after the first boot. The options are
    mke2fs's; the wrapper goes before the command (fakeroot, for owners that are not the builder's).
    """
    config = disk.with_name("mke2fs.conf")
    config.write_text(_MKE2FS_CONFIG)
    extended = f"offset={partition.start},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"
    command = ("mke2fs", "-q", "-F", "-t", "ext4", *options, "-E", extended, "-d", str(content))
    size = f"{partition.size // 1024}k"
    run(*wrapper, *command, str(disk), size, MKE2FS_CONFIG=str(config))


def to_qcow2(raw: Path, image: Path, *options: str) -> None:
    """Turn a raw disk into a qcow2 file; the options are qemu-img convert's."""
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, image)
