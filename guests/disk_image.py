"""Whole disks as ordinary files: boot record, partitions and file systems, with no root and no loop device."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECTOR: Final = 512
MIB: Final = 1 << 20
FAT16: Final = 0x0E
LINUX: Final = 0x83
BOOT_CODE_BYTES: Final = 440

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
