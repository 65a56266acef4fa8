"""Deciding, once, what a foreign file is and that it is safe; every later use names the format decided here.

Three judges must agree. The inspector of oslo.utils reads the stream and says what it is: exactly one thing. The strict check
of that format (one module each) reads the tables, and accepts only what it knows. Then qemu-img, told the format and confined,
must see the same size and no corruption. Disagreement between readers of one file is how disk images have hurt their hosts
(CVE-2015-1850, CVE-2022-47951, CVE-2024-32498), so any is refused.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from oslo_utils.imageutils import format_inspector

from linocut.formats import qemu_img
from linocut.formats.disk import DiskFile, DiskFormat, DiskLimits
from linocut.formats.errors import DiskTooLarge, FormatError, UnsafeDisk, UnsupportedDisk
from linocut.formats.layout import DiskBytes
from linocut.formats.qcow2 import check_qcow2
from linocut.formats.raw import check_raw
from linocut.formats.vdi import check_vdi
from linocut.formats.vhd import check_vhd, has_vhd_footer
from linocut.formats.vhdx import check_vhdx
from linocut.formats.vmdk import check_vmdk

_BLOCK_BYTES: Final = 2**20
_CHECKS: Final[Mapping[DiskFormat, Callable[[DiskBytes, DiskLimits], int]]] = {
    DiskFormat.RAW: check_raw,
    DiskFormat.QCOW2: check_qcow2,
    DiskFormat.VMDK: check_vmdk,
    DiskFormat.VHD: check_vhd,
    DiskFormat.VHDX: check_vhdx,
    DiskFormat.VDI: check_vdi,
}
_VMDK_DESCRIPTOR: Final = b"# Disk DescriptorFile"
_UNSTRUCTURED: Final = frozenset({"raw", "gpt"})
_VIOLATIONS: Final[Mapping[str, str]] = {
    "backing_file": "The disk file needs a backing file.",
    "data_file": "The disk file needs an external data file.",
    "unknown_features": "The disk file uses qcow2 features that are not taken.",
    "descriptor": "The disk file keeps its content in other files, or its descriptor is damaged.",
    "footer": "The disk file is cut short or contradicts itself: its footer is not sound.",
}
_CHECKED_BY_QEMU: Final = frozenset({DiskFormat.QCOW2, DiskFormat.VMDK, DiskFormat.VHDX, DiskFormat.VDI})
_SOUND: Final = (0, 3)  # 3: sound, with clusters that nothing uses


def inspect_disk(path: Path, *, limits: DiskLimits) -> DiskFile:
    """Tell what disk a file holds, having proven that it is self-contained, whole and within the limits.

    Raises UnsafeDisk, UnsupportedDisk, DiskTooLarge, and ConversionFailed where qemu-img cannot run. The file is not changed;
    with `limits.run_as`, its group and mode are.
    """
    with qemu_img.readable(path, limits) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnsupportedDisk("Only regular files are taken.", f"mode {status.st_mode:o}")
        if status.st_size > limits.file_size_bytes:
            reason = f"The file is larger than the limit of {limits.file_size_bytes} bytes."
            raise DiskTooLarge(reason, f"{status.st_size}")
        disk = DiskBytes(descriptor, status.st_size)
        disk_format = _decide_format(disk)
        size = _CHECKS[disk_format](disk, limits)
        _require_second_opinion(descriptor, disk_format, size, limits)
    return DiskFile(path, disk_format, virtual_size_bytes=size, file_size_bytes=status.st_size)


def _decide_format(disk: DiskBytes) -> DiskFormat:
    try:
        name = _inspect_stream(disk.descriptor)
    except FormatError:
        raise
    except Exception as error:
        raise UnsafeDisk("The disk file is damaged: its headers make no sense.", repr(error)) from error
    if name in _UNSTRUCTURED:
        if os.pread(disk.descriptor, len(_VMDK_DESCRIPTOR), 0) == _VMDK_DESCRIPTOR:
            raise UnsafeDisk("The file only describes a VMDK whose content lies in other files.", name)
        return DiskFormat.VHD if has_vhd_footer(disk) else DiskFormat.RAW
    try:
        return DiskFormat(name)
    except ValueError as error:
        if name == "luks":
            raise UnsafeDisk("The disk file is encrypted.", name) from error
        if name == "iso":
            raise UnsupportedDisk("The file is an optical disc (ISO), not a disk image.", name) from error
        raise UnsupportedDisk("Disks of this format are not taken.", name) from error


def _inspect_stream(descriptor: int) -> str:
    """Return the inspector's name for the content, after its safety checks.

    Most formats are decided by the first few blocks. A stream-optimised VMDK is read to its end, where its footer is.
    """
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as stream:
        wrapper = format_inspector.InspectWrapper(stream)
        while wrapper.formats is None and wrapper.read(_BLOCK_BYTES):
            pass
        wrapper.close()
    found = wrapper.formats or []
    names = sorted(str(inspector) for inspector in found)
    if "iso" in names:
        return "iso"  # one that boots from a USB stick shows an MBR as well
    if len(found) != 1:
        raise UnsafeDisk("The file claims to be of several formats at once.", ", ".join(names))
    if names[0] not in _UNSTRUCTURED and names[0] != "luks":
        _require_safe(found[0])
    return names[0]


def _require_safe(inspector: format_inspector.FileInspector) -> None:
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        known = [_VIOLATIONS[name] for name in error.failures if name in _VIOLATIONS]
        if inspector.NAME == "qed":
            raise UnsupportedDisk("Disks of this format are not taken.", "qed") from error
        reason = known[0] if known else "The disk file failed a safety check."
        raise UnsafeDisk(reason, ", ".join(f"{name}: {why}" for name, why in error.failures.items())) from error


def _require_second_opinion(descriptor: int, disk_format: DiskFormat, size: int, limits: DiskLimits) -> None:
    """Let QEMU read the file as this format, and require that it sees the same disk."""
    node = qemu_img.source_node(disk_format, descriptor)
    code, output, detail = qemu_img.ask(["info", "--output=json", node], descriptor, limits)
    if code:
        raise UnsafeDisk("The disk file is damaged.", detail)
    seen = json.loads(output)
    if seen.get("virtual-size") != size or "backing-filename" in seen or seen.get("encrypted"):
        raise UnsafeDisk("The disk file contradicts itself: two readers see two disks.", f"{size}: {output[:1000]!r}")
    if disk_format in _CHECKED_BY_QEMU:
        code, output, detail = qemu_img.ask(["check", "--output=json", node], descriptor, limits)
        if code not in _SOUND:
            raise UnsafeDisk("The disk file is cut short or damaged.", f"{detail} {output[-1000:]!r}")
