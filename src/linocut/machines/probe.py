"""Finds out whether this host can execute guests in hardware, by executing one.

That /dev/kvm exists proves nothing: it may refuse, or take a guest and never run it. So a guest of one boot sector is started
which ends QEMU by itself; anything else within the deadline means software emulation.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

from linocut.machines.confinement import Confinement
from linocut.machines.interface import Accelerator
from linocut.machines.watcher import has_ended

_ANSWER: Final = 0x15
_EXIT_CODE: Final = _ANSWER << 1 | 1
_BOOT_SECTOR: Final = bytes([0xB0, _ANSWER, 0xE6, 0xF4, 0xF4]).ljust(510, b"\0") + b"\x55\xaa"
"""mov al, answer; out 0xf4, al; hlt."""
_DISK: Final = "boot"
_DISK_BYTES: Final = 1 << 20
"""The least that has a cylinder, which a BIOS wants."""
_KILL_S: Final = 1.0


def probe_accelerator(timeout_s: float = 5.0, *, guest_user: tuple[int, int] | None = None) -> Accelerator:
    """Return KVM when a guest runs on it within the timeout, else TCG; leaves nothing running."""
    kvm = can_execute(Accelerator.KVM, timeout_s=timeout_s, guest_user=guest_user)
    return Accelerator.KVM if kvm else Accelerator.TCG


def can_execute(accelerator: Accelerator, *, timeout_s: float, guest_user: tuple[int, int] | None = None) -> bool:
    """Tell whether a guest runs on this accelerator, as this user, within the timeout."""
    confinement = Confinement(guest_user)
    with tempfile.TemporaryDirectory(prefix="linocut-probe-") as name:
        folder = Path(name)
        (folder / _DISK).write_bytes(_BOOT_SECTOR)
        os.truncate(folder / _DISK, _DISK_BYTES)
        for path in (folder, folder / _DISK):
            confinement.own(path)
        return _boots(folder, confinement, accelerator, timeout_s)


def _boots(folder: Path, confinement: Confinement, accelerator: Accelerator, timeout_s: float) -> bool:
    command = [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-sandbox", "on"),
        *("-machine", "pc", "-accel", accelerator.value, "-m", "16", "-boot", "strict=on", "-no-reboot"),
        *("-blockdev", f"driver=file,filename={_DISK},node-name=file,read-only=on"),
        *("-blockdev", "driver=raw,file=file,node-name=boot,read-only=on"),
        *("-device", "virtio-blk-pci,drive=boot,bootindex=1", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
    ]
    log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    process = confinement.spawn(command, folder=folder, log=log, descriptors=(), accelerator=accelerator)
    os.close(log)
    pidfd = os.pidfd_open(process.pid)
    try:
        if has_ended(pidfd, timeout_s):
            return process.wait() == _EXIT_CODE
        process.kill()
        if has_ended(pidfd, _KILL_S):
            process.wait()
        return False
    finally:
        os.close(pidfd)
