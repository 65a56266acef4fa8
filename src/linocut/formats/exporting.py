"""Writing a disk out as a file that other tools read: raw, qcow2, vhd or vmdk, by qemu-img, from an NBD export.

qemu-img runs as unprivileged and as bounded as it does for imports, and may write one file: the one that is made for it here.
What it reads is the service's own tree and what it writes is named by its format, so nothing is probed.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from linocut.formats import qemu_img
from linocut.formats.conversion import follow
from linocut.formats.disk import DiskFormat, DiskLimits
from linocut.formats.errors import ConversionFailed, NoSpace

EXPORT_FORMATS: Final = (DiskFormat.RAW, DiskFormat.QCOW2, DiskFormat.VHD, DiskFormat.VMDK)
_OPTIONS: Final = {DiskFormat.VHD: ("-o", "subformat=dynamic,force_size=on")}
_COROUTINES: Final = 16
_FORMAT_OVERHEAD: Final = 1.01
_FORMAT_BYTES: Final = 64 * 2**20
_FULL: Final = "No space left on device"


def convert_out(
    nbd_socket: Path,
    export: str,
    file: Path,
    disk_format: DiskFormat,
    *,
    limits: DiskLimits,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> None:
    """Write the disk behind an export into a new file, durable when this returns; what had its name is replaced.

    The folder of the file must be searchable for the user of `limits.run_as`; the file is ours when it is complete. Progress is a
    fraction from 0 to 1. Raises ConversionFailed, NoSpace, Cancelled; the file is then worth nothing, and no process is left.
    """
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if limits.run_as is not None:
            os.fchown(descriptor, limits.run_as.uid, limits.run_as.gid)
        _convert(nbd_socket, export, file, disk_format, limits, progress, cancelled)
        os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    progress(1.0)


def _convert(
    nbd_socket: Path,
    export: str,
    file: Path,
    disk_format: DiskFormat,
    limits: DiskLimits,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> None:
    options = ["convert", "-p", "-m", str(_COROUTINES), "-O", disk_format.qemu_driver, *_OPTIONS.get(disk_format, ())]
    output_bytes = int(limits.virtual_size_bytes * _FORMAT_OVERHEAD) + _FORMAT_BYTES
    with qemu_img.opened(nbd_socket.parent) as server, qemu_img.opened(file.parent) as folder:
        arguments = [*options, qemu_img.nbd_node(server, nbd_socket.name, export), f"/proc/self/fd/{folder}/{file.name}"]
        with qemu_img.start(arguments, [server, folder], limits, output_bytes=output_bytes) as process:
            try:
                messages = follow(process, limits.timeout_s, progress, cancelled)
            except BaseException:
                process.kill()
                raise
    if process.returncode:
        detail = qemu_img.detail_of(messages)
        qemu_img.require_ran(process.returncode, detail)
        if _FULL in detail:
            raise NoSpace("There is no space left for the export.", detail)
        raise ConversionFailed("The disk could not be read to its end.", f"exit {process.returncode}: {detail}")
