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
      frozen                there while the guest's file systems may be frozen
      control.sock jobs.sock  QMP; we listen and pass them on, so the first conversation begins without polling
      agent.sock            the guest's agent, likewise
      guest/vnc.sock        made by QEMU

Whether a machine runs is asked of the kernel, and never of a number on disk alone. QEMU inherits the descriptor that holds
`machine.lock`, so there is no moment, from before it is spawned until it is gone, in which a second one could start; and the
process in `qemu.pid` is believed only while it has that very file open.
"""

import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from linocut.machines.command import CONFIG_DRIVE, CONSOLE_LOG, GUEST_FOLDER, UEFI_VARIABLES, VNC_SOCKET
from linocut.machines.config_drive import config_drive
from linocut.machines.errors import MachineError, MachineGone
from linocut.machines.firmware import uefi_files
from linocut.machines.held_folder import HeldFolder, connected, decode, encode
from linocut.machines.interface import MachineSpec

_RECORD: Final = "machine.json"
_LOCK: Final = "machine.lock"
_PID_FILE: Final = "qemu.pid"
FROZEN: Final = "frozen"
_FORMAT: Final = 1
_DESCRIPTOR: Final = re.compile(rb"/proc/self/fd/(\d+)/")


class MachineFolder(HeldFolder):
    """The files of one machine under the host's root folder."""

    lock_name = _LOCK

    @property
    def console_log(self) -> Path:
        """The serial console's log."""
        return self.path / CONSOLE_LOG

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
        return msgspec.convert(stored["spec"], MachineSpec, dec_hook=decode)

    def change(self, spec: MachineSpec) -> None:
        """Write the config drive and the record; disks stay as they are."""
        with self.replacing(CONFIG_DRIVE) as descriptor:
            self.confinement.own(descriptor)
            os.write(descriptor, config_drive(spec.guest, spec.mac))
        with self.replacing(_RECORD) as descriptor:
            os.write(descriptor, msgspec.json.encode({"format": _FORMAT, "spec": spec}, enc_hook=encode))

    def make(self) -> None:
        """Make the folder and QEMU's own files in it, where they are missing."""
        super().make()
        guest = self.path / GUEST_FOLDER
        guest.mkdir(mode=0o700, exist_ok=True)
        self.confinement.own(guest)
        self.make_log(CONSOLE_LOG)

    def make_variables(self) -> None:
        """Let UEFI firmware begin anew; raises MachineError where the host has none."""
        with self.replacing(UEFI_VARIABLES) as descriptor:
            self.confinement.own(descriptor)
            os.write(descriptor, uefi_files().variables.read_bytes())

    def has_variables(self) -> bool:
        """Tell whether UEFI firmware has run here, or is to."""
        return (self.path / UEFI_VARIABLES).exists()

    def remove(self) -> None:
        """Remove everything; what a crash leaves of it is no machine any more, and `sweep` removes it."""
        doomed = self.path.with_name(f".gone-{self.path.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def note_freeze(self) -> None:
        """Write down that the guest's file systems may be frozen."""
        (self.path / FROZEN).touch(mode=0o600)

    def note_thaw(self) -> None:
        """Write down that the guest's file systems are not frozen."""
        (self.path / FROZEN).unlink(missing_ok=True)

    def may_be_frozen(self) -> bool:
        """Tell whether the guest's file systems may be frozen."""
        return (self.path / FROZEN).exists()

    @contextmanager
    def process(self) -> Iterator[int | None]:
        """Give a pidfd of the machine's QEMU; None when none runs."""
        pidfd = self.pidfd()
        try:
            yield pidfd
        finally:
            if pidfd is not None:
                os.close(pidfd)

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
        with self.replacing(_PID_FILE) as descriptor:
            os.write(descriptor, str(process).encode())

    def find_process(self) -> None:
        """Record a QEMU whose service was killed before it could; does nothing when there is none.

        A child of ours that is not yet the program it will be has our descriptors for a moment, the lock too, and is no QEMU.
        """
        for process in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()):
            if process != os.getpid() and self._is_held_by(process) and _is_qemu(process):
                self.write_pid(process)
                return

    def inherited(self, path: Path) -> int | None:
        """Return the number of a descriptor of this folder that the machine's QEMU was started with; None when it has none.

        Its command line names the numbers, and the kernel tells what each is. One that came over QMP later is not among them:
        QEMU closes those when the conversation ends.
        """
        with suppress(OSError, ValueError):
            process = Path(f"/proc/{int((self.path / _PID_FILE).read_text())}")
            wanted = path.stat()
            for number in sorted({int(found) for found in _DESCRIPTOR.findall((process / "cmdline").read_bytes())}):
                with suppress(OSError):
                    if os.path.samestat((process / "fd" / str(number)).stat(), wanted):
                        return number
        return None

    def connect_display(self) -> socket.socket:
        """Return a connection to the machine's VNC server; raises OSError when nobody listens.

        QEMU made the socket and could have made something else, so we connect to what we opened, and follow no link.
        """
        opened = os.open(self.path / VNC_SOCKET, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISSOCK(os.fstat(opened).st_mode):
                raise ConnectionRefusedError(f"{VNC_SOCKET} of machine {self.path.name} is no socket")
            return connected(f"/proc/self/fd/{opened}")
        finally:
            os.close(opened)

    def _is_held_by(self, process: int) -> bool:
        """Tell whether a live process has the machine's lock open."""
        with suppress(OSError):
            lock = (self.path / _LOCK).stat()
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                with suppress(FileNotFoundError):
                    if os.path.samestat(descriptor.stat(), lock):
                        return True
        return False


def _is_qemu(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/comm").read_text().startswith("qemu-system")
    except OSError:
        return False


def sweep(root: Path) -> None:
    """Remove what crashed removals left."""
    for doomed in root.glob(".gone-*"):
        shutil.rmtree(doomed, ignore_errors=True)
