"""The nouns of this room: a format, a file that has been proven safe, and the limits it was measured against."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

GIB: Final = 2**30
SECTOR_BYTES: Final = 512


class DiskFormat(StrEnum):
    """A format of disk file that is taken in; the value is the name that users know."""

    RAW = "raw"
    QCOW2 = "qcow2"
    VMDK = "vmdk"
    VHD = "vhd"
    VHDX = "vhdx"
    VDI = "vdi"

    @property
    def qemu_driver(self) -> str:
        """Return QEMU's name for the driver that reads this format."""
        return "vpc" if self is DiskFormat.VHD else self.value


@dataclass(frozen=True)
class DiskFile:
    """A file that `inspect_disk` found to be a self-contained disk of this format."""

    path: Path
    format: DiskFormat
    virtual_size_bytes: int
    file_size_bytes: int


@dataclass(frozen=True)
class RunAs:
    """The unprivileged user that foreign disk files are read as, where the service is root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class DiskLimits:
    """What a foreign disk file may cost.

    Sizes are inclusive. `memory_bytes` is the address space of one QEMU program, `cpu_s` its processor time, `timeout_s`
    its time by the clock; `inspect_timeout_s` bounds the short look that `inspect_disk` lets QEMU take.
    """

    virtual_size_bytes: int = 500 * GIB
    file_size_bytes: int = 50 * GIB
    memory_bytes: int = 2 * GIB
    cpu_s: int = 4 * 3600
    timeout_s: float = 4 * 3600.0
    inspect_timeout_s: float = 120.0
    run_as: RunAs | None = None
