"""Disks that tests take in: one content, in every format and variant."""

import os
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

MIB = 2**20

VARIANTS: dict[str, list[str]] = {
    "qcow2 version 2": ["-O", "qcow2", "-o", "compat=0.10"],
    "qcow2 version 3": ["-O", "qcow2", "-o", "compat=1.1"],
    "qcow2 compressed by zlib": ["-c", "-O", "qcow2"],
    "qcow2 compressed by zstd": ["-c", "-O", "qcow2", "-o", "compression_type=zstd"],
    "vmdk sparse": ["-O", "vmdk", "-o", "subformat=monolithicSparse"],
    "vmdk stream-optimised": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    "vhd dynamic": ["-O", "vpc", "-o", "subformat=dynamic,force_size=on"],
    "vhd fixed": ["-O", "vpc", "-o", "subformat=fixed,force_size=on"],
    "vhdx dynamic": ["-O", "vhdx"],
    "vhdx fixed": ["-O", "vhdx", "-o", "subformat=fixed"],
    "vdi dynamic": ["-O", "vdi"],
    "vdi static": ["-O", "vdi", "-o", "static=on"],
}

MakeDisk = Callable[[str], Path]


def write_raw_disk(path: Path) -> Path:
    """Write a disk of 12 MiB with an MBR, noise that does not compress, text that does, and holes."""
    with path.open("wb") as disk:
        disk.truncate(12 * MIB)
        disk.seek(446)
        disk.write(bytes.fromhex("80 202100 83 20ff01 00080000 00580000"))
        disk.seek(510)
        disk.write(b"\x55\xaa")
        disk.seek(MIB)
        disk.write(random.Random(7).randbytes(2 * MIB))
        disk.seek(6 * MIB + 1536)
        disk.write(b"a block of text, again and again. " * 20_000)
    return path


def with_footer(source: Path, target: Path) -> Path:
    """Write a stream-optimised VMDK as VMware does: its header only says that a footer knows where the directory is."""
    content = source.read_bytes()
    header, at_end = content[:512], b"\xff" * 8
    marker = struct.pack("<QII496x", 1, 0, 3)
    target.write_bytes(header[:56] + at_end + header[64:] + content[512:] + marker + header + bytes(512))
    return target


def qemu_img(*arguments: str | os.PathLike[str]) -> None:
    subprocess.run(["qemu-img", *arguments], check=True, capture_output=True, timeout=30)
