"""A machine's folder: all that the host knows of it, so that a new service process finds what an earlier one left.

::

    <instance id>/          ours; QEMU may enter it and open what it owns, and make nothing in it
      machine.json          the record; written last, so without it the rest is an attempt that failed
      machine.lock          held (flock) by whoever runs or changes the machine, QEMU itself included
      qemu.pid              the process that was last started here
      <disk id>.qcow2       overlays; QEMU's
      config.iso            config drive
      uefi-vars.fd          what UEFI firmware remembers, where the machine has such; QEMU's
      console.log qemu.log  QEMU's
      control.sock jobs.sock  QMP; we listen and pass them on, so the first conversation begins without polling
      guest/vnc.sock        made by QEMU

Whether a machine runs is asked of the kernel, and never of a number on disk alone. QEMU inherits the descriptor that holds
`machine.lock`, so there is no moment, from before it is spawned until it is gone, in which a second one could start; and the
process in `qemu.pid` is believed only while it has that very file open.
"""

import fcntl
import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from linocut.machines.command import CONFIG_DRIVE, CONSOLE_LOG, GUEST_FOLDER, UEFI_VARIABLES, VNC_SOCKET, overlay_name
from linocut.machines.config_drive import config_drive
from linocut.machines.confinement import Confinement
from linocut.machines.errors import MachineError, MachineGone
from linocut.machines.firmware import uefi_files
from linocut.machines.interface import Firmware, MachineDisk, MachineSpec
from linocut.machines.overlay import write_empty_overlay
from linocut.model.ids import DiskId

CONTROL_SOCKET: Final = "control.sock"
JOBS_SOCKET: Final = "jobs.sock"
QEMU_LOG: Final = "qemu.log"
_RECORD: Final = "machine.json"
_LOCK: Final = "machine.lock"
_PID_FILE: Final = "qemu.pid"
_FORMAT: Final = 1
_FOLDER_MODE: Final = 0o711
_LOCK_POLL_S: Final = 0.005
_CONNECT_S: Final = 5.0
_LOG_TAIL_BYTES: Final = 4000


class MachineFolder:
    """The files of one machine under the host's root folder."""

    def __init__(self, path: Path, confinement: Confinement) -> None:
        self.path = path
        self._confinement = confinement

    @property
    def console_log(self) -> Path:
        """The serial console's log."""
        return self.path / CONSOLE_LOG

    @property
    def qemu_log(self) -> Path:
        """What QEMU says."""
        return self.path / QEMU_LOG

    def is_prepared(self) -> bool:
        """Tell whether the machine's record is there."""
        return (self.path / _RECORD).exists()

    def spec(self) -> MachineSpec:
        """Return the machine's record; raises MachineGone without one, MachineError on a format that we do not know."""
        try:
            stored = json.loads((self.path / _RECORD).read_bytes())
        except FileNotFoundError as problem:
            raise MachineGone(f"there is no machine {self.path.name}") from problem
        if stored.get("format") != _FORMAT:
            raise MachineError(f"machine {self.path.name} has a record of format {stored.get('format')}")
        return msgspec.convert(stored["spec"], MachineSpec, dec_hook=_decode)

    def prepare(self, spec: MachineSpec, before: MachineSpec | None) -> None:
        """Make what the spec needs and the folder lacks, then the record; the caller holds the machine's lock.

        A disk that `before` had on the same base, in the same generation, keeps its content. Raises MachineError when such a
        disk's size changed, or its content is gone.
        """
        kept = {disk.disk_id: disk for disk in before.disks} if before else {}
        if spec.firmware is Firmware.UEFI:
            self._make_variables(spec, kept)
        for disk in spec.disks:
            if not self._keeps(disk, kept.get(disk.disk_id)):
                self._make_overlay(disk)
        self.change(spec)
        for disk_id in kept.keys() - {disk.disk_id for disk in spec.disks}:
            (self.path / overlay_name(disk_id)).unlink(missing_ok=True)

    def change(self, spec: MachineSpec) -> None:
        """Write the config drive and the record; disks stay as they are."""
        with self._replacing(CONFIG_DRIVE) as descriptor:
            self._confinement.own(descriptor)
            os.write(descriptor, config_drive(spec.guest, spec.mac))
        with self._replacing(_RECORD) as descriptor:
            os.write(descriptor, msgspec.json.encode({"format": _FORMAT, "spec": spec}, enc_hook=_encode))

    def make(self) -> None:
        """Make the folder and QEMU's own files in it, where they are missing."""
        self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        guest = self.path / GUEST_FOLDER
        guest.mkdir(mode=0o700, exist_ok=True)
        self._confinement.own(guest)
        for name in (CONSOLE_LOG, QEMU_LOG):
            descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._confinement.own(descriptor)
            os.close(descriptor)

    def remove(self) -> None:
        """Remove everything; what a crash leaves of it is no machine any more, and `sweep` removes it."""
        doomed = self.path.with_name(f".gone-{self.path.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def hold(self, *, wait_s: float) -> int | None:
        """Take the machine's lock and return its descriptor, to be closed; None when someone else keeps it that long."""
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return None
                time.sleep(_LOCK_POLL_S)
            else:
                return descriptor

    def pidfd(self) -> int | None:
        """Return a pidfd of the machine's QEMU, to be closed; None when none runs."""
        try:
            process = int((self.path / _PID_FILE).read_text())
            pidfd = os.pidfd_open(process)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        if self._is_held_by(process):
            return pidfd
        os.close(pidfd)
        return None

    def write_pid(self, process: int) -> None:
        """Record the process of a QEMU that has inherited the lock."""
        with self._replacing(_PID_FILE) as descriptor:
            os.write(descriptor, str(process).encode())

    def find_process(self) -> None:
        """Record a QEMU whose service was killed before it could; does nothing when there is none.

        A child of ours that is not yet the program it will be has our descriptors for a moment, the lock too, and is no QEMU.
        """
        for process in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()):
            if process != os.getpid() and self._is_held_by(process) and _is_qemu(process):
                self.write_pid(process)
                return

    def listen(self, name: str) -> socket.socket:
        """Return a new socket that listens under this name; the caller holds the machine's lock."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with self._reachable(name) as address:
            (self.path / name).unlink(missing_ok=True)
            listening.bind(address)
        listening.listen(1)
        return listening

    def connect(self, name: str) -> socket.socket:
        """Return a connection to the socket of this name; raises OSError when nobody listens."""
        with self._reachable(name) as address:
            return _connected(address)

    def connect_display(self) -> socket.socket:
        """Return a connection to the machine's VNC server; raises OSError when nobody listens.

        QEMU made the socket and could have made something else, so we connect to what we opened, and follow no link.
        """
        opened = os.open(self.path / VNC_SOCKET, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISSOCK(os.fstat(opened).st_mode):
                raise ConnectionRefusedError(f"{VNC_SOCKET} of machine {self.path.name} is no socket")
            return _connected(f"/proc/self/fd/{opened}")
        finally:
            os.close(opened)

    @contextmanager
    def opened_log(self) -> Iterator[int]:
        """Give an empty log for a program of QEMU's to append to."""
        descriptor = os.open(self.qemu_log, os.O_WRONLY | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def log_tail(self) -> str:
        """Return the end of what QEMU said."""
        data = self.qemu_log.read_bytes() if self.qemu_log.exists() else b""
        return data[-_LOG_TAIL_BYTES:].decode(errors="replace")

    def _keeps(self, disk: MachineDisk, before: MachineDisk | None) -> bool:
        if before is None or not before.has_content_of(disk):
            return False
        if not (self.path / overlay_name(disk.disk_id)).exists():
            raise MachineError(f"what disk {disk.disk_id} held is gone")
        if before.size_bytes != disk.size_bytes:
            raise MachineError(f"disk {disk.disk_id} has {before.size_bytes} bytes, not {disk.size_bytes}")
        return True

    def _make_overlay(self, disk: MachineDisk) -> None:
        with self._replacing(overlay_name(disk.disk_id)) as descriptor:
            self._confinement.own(descriptor)
            write_empty_overlay(descriptor, disk.size_bytes)

    def _make_variables(self, spec: MachineSpec, kept: Mapping[DiskId, MachineDisk]) -> None:
        """Let UEFI firmware begin anew where it never ran here, or where it would remember how another system disk boots."""
        system = spec.disks[0]
        if (self.path / UEFI_VARIABLES).exists() and self._keeps(system, kept.get(system.disk_id)):
            return
        with self._replacing(UEFI_VARIABLES) as descriptor:
            self._confinement.own(descriptor)
            os.write(descriptor, uefi_files().variables.read_bytes())

    def _is_held_by(self, process: int) -> bool:
        """Tell whether a live process has the machine's lock open."""
        with suppress(OSError):
            lock = (self.path / _LOCK).stat()
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                with suppress(FileNotFoundError):
                    if os.path.samestat(descriptor.stat(), lock):
                        return True
        return False

    @contextmanager
    def _replacing(self, name: str) -> Iterator[int]:
        """Give an empty file that takes this name when it is complete."""
        unfinished = self.path / f".{name}.new"
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        unfinished.rename(self.path / name)

    @contextmanager
    def _reachable(self, name: str) -> Iterator[str]:
        """Give an address for a socket in the folder that fits into 108 bytes, however deep the folder is."""
        folder = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/{name}"
        finally:
            os.close(folder)


def _is_qemu(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/comm").read_text().startswith("qemu-system")
    except OSError:
        return False


def _connected(address: str) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(_CONNECT_S)
    try:
        connected.connect(address)
    except OSError:
        connected.close()
        raise
    return connected


def sweep(root: Path) -> None:
    """Remove what crashed removals left."""
    for doomed in root.glob(".gone-*"):
        shutil.rmtree(doomed, ignore_errors=True)


def _encode(value: Any) -> Any:  # noqa: ANN401 - msgspec hands over what it does not know
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value)} is no part of a machine's record")


def _decode(kind: type, value: Any) -> Any:  # noqa: ANN401 - msgspec hands over what it does not know
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"{kind} is no part of a machine's record")
