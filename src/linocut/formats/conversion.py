"""Moving the content of a foreign disk file into an NBD export, by qemu-img.

Runs of zeros shorter than a chunk travel as data: an export that stores whole chunks would otherwise have to merge the pieces.
"""

import os
import re
import selectors
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from linocut.formats import qemu_img
from linocut.formats.disk import DiskFile, DiskLimits
from linocut.formats.errors import Cancelled, ConversionFailed, NoSpace

_PERCENT: Final = re.compile(rb"\((\d{1,3}(?:\.\d+)?)/100%\)")
_POLL_S: Final = 0.2
_READ_BYTES: Final = 4096
_COROUTINES: Final = 16
_ZERO_RUN: Final = "512k"
_FULL: Final = "No space left on device"


def convert_into(
    disk: DiskFile,
    nbd_socket: Path,
    export: str,
    *,
    limits: DiskLimits,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> None:
    """Write the whole disk into an export of at least its virtual size.

    Progress is a fraction from 0 to 1. The server's socket must be writable for the group of `limits.run_as`. Nothing is flushed
    or sealed: that is for the owner of the export. Raises ConversionFailed, NoSpace (the export's side is full), Cancelled; the
    export then holds some of the disk, and no process is left.
    """
    arguments = ["convert", "-n", "-W", "-p", "-m", str(_COROUTINES), "-S", _ZERO_RUN]
    with qemu_img.readable(disk.path, limits) as descriptor, qemu_img.opened(nbd_socket.parent) as folder:
        arguments += [qemu_img.source_node(disk.format, descriptor), qemu_img.nbd_node(folder, nbd_socket.name, export)]
        with qemu_img.start(arguments, [descriptor, folder], limits) as process:
            try:
                messages = follow(process, limits.timeout_s, progress, cancelled)
            except BaseException:
                process.kill()
                raise
    _require_success(process.returncode, qemu_img.detail_of(messages))
    progress(1.0)


def follow(
    process: subprocess.Popen[bytes], timeout_s: float, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> bytes:
    """Report progress until qemu-img closes its outputs, and return the end of its messages."""
    deadline = time.monotonic() + timeout_s
    messages = b""
    with selectors.DefaultSelector() as selector:
        for output in (process.stdout, process.stderr):
            selector.register(output, selectors.EVENT_READ)  # type: ignore[arg-type]  # both are pipes
        while selector.get_map():
            if cancelled():
                raise Cancelled("The conversion was cancelled.")
            if time.monotonic() > deadline:
                raise ConversionFailed("The disk took too long to convert.", f"{timeout_s} s")
            for key, _ in selector.select(_POLL_S):
                block = os.read(key.fd, _READ_BYTES)
                if not block:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    messages = (messages + block)[-_READ_BYTES:]
                elif percents := _PERCENT.findall(block):
                    progress(min(float(percents[-1]) / 100, 1.0))
    return messages


def _require_success(code: int, detail: str) -> None:
    if not code:
        return
    qemu_img.require_ran(code, detail)
    if _FULL in detail:
        raise NoSpace("There is no space left for the disk.", detail)
    raise ConversionFailed("The disk could not be read to its end.", f"exit {code}: {detail}")
