"""Loose disks: what the host keeps of disks that no machine has.

::

    <disk id>/            ours; a storage daemon may enter it and open what it owns, and make nothing in it
      disk.json           the record: the disk, and the machine that it was last moved from or to
      disk.lock           held (flock) by whoever copies or moves the disk, a storage daemon included
      <disk id>.qcow2     the overlay; QEMU's
      qemu.log jobs.sock  as in a machine's folder

A disk moves between a machine's folder and one of these by a rename of its overlay. From a machine: the record here, the
machine's record without the disk, the rename. To a machine: the name of the machine into the record here, the rename, the
machine's record with the disk, and this folder goes. So where a record here has no overlay beside it, someone was killed, and the
machine's record tells where the disk belongs: to the machine where that names it, and here where it does not. Either is set right
before anything else is done with the disk, and when a service starts.
"""

import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from linocut.machines.confinement import Confinement
from linocut.machines.errors import MachineBusy, MachineError, MachineGone
from linocut.machines.folder import MachineFolder
from linocut.machines.held_folder import HeldFolder, decode, encode
from linocut.machines.interface import MachineDisk
from linocut.model.ids import DiskId, InstanceId, is_id

_RECORD: Final = "disk.json"
_FORMAT: Final = 1
_HOLD_S: Final = 2.0


@dataclass(frozen=True)
class _Record:
    disk: MachineDisk
    machine: InstanceId | None = None
    format: int = _FORMAT


class LooseFolder(HeldFolder):
    """The folder of one loose disk."""

    lock_name = "disk.lock"

    def record(self) -> _Record | None:
        """Return the record, None where there is none; raises MachineError on a format that we do not know."""
        try:
            stored = (self.path / _RECORD).read_bytes()
            return _known(msgspec.json.decode(stored, type=_Record, dec_hook=decode))
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as problem:
            raise MachineError(f"disk {self.path.name} has a record that is not understood", detail=str(problem)) from problem

    def write(self, record: _Record) -> None:
        """Write the record."""
        with self.replacing(_RECORD) as descriptor:
            os.write(descriptor, msgspec.json.encode(record, enc_hook=encode))

    def forget(self) -> None:
        """Remove the record; what is left is no disk."""
        (self.path / _RECORD).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything; what a crash leaves of it is no disk any more."""
        doomed = self.path.with_name(f".gone-{self.path.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


class LooseDisks:
    """The loose disks of a host whose machines' folders `machine` gives."""

    def __init__(self, root: Path, confinement: Confinement, machine: Callable[[InstanceId], MachineFolder]) -> None:
        self._root = root
        self._confinement = confinement
        self._machine = machine
        self._guard = threading.Lock()
        self._turns: defaultdict[DiskId, threading.RLock] = defaultdict(threading.RLock)
        root.mkdir(parents=True, exist_ok=True)

    def ids(self) -> frozenset[DiskId]:
        """Return the disks that are here; those that are just moving are not."""
        return frozenset(disk_id for disk_id in self._folders() if self._is_here(self.folder(disk_id)))

    def folder(self, disk_id: DiskId) -> LooseFolder:
        """Return where a disk is kept, if it is; raises MachineGone where no disk has such an id."""
        if not is_id("disk", disk_id):
            raise MachineGone(f"no disk is called {disk_id!r}")
        return LooseFolder(self._root / disk_id, self._confinement)

    @contextmanager
    def held(self, disk_id: DiskId) -> Iterator[int | None]:
        """Keep others from a loose disk, and give its lock's descriptor; None where there is no such disk. Raises MachineBusy."""
        folder = self.folder(disk_id)
        with self._guard:
            turn = self._turns[disk_id]
        if not turn.acquire(timeout=_HOLD_S):
            raise MachineBusy(f"disk {disk_id} is in use")
        try:
            try:
                lock = folder.hold(wait_s=_HOLD_S)
            except FileNotFoundError:
                yield None
                return
            if lock is None:
                raise MachineBusy(f"disk {disk_id} is in use")
            try:
                self._settle(folder)
                yield lock
            finally:
                os.close(lock)
        finally:
            turn.release()

    def settle_all(self) -> None:
        """Set right what a killed service left, and remove what crashed removals left."""
        for doomed in self._root.glob(".gone-*"):
            shutil.rmtree(doomed, ignore_errors=True)
        for disk_id in self._folders():
            if not self._is_here(self.folder(disk_id)):
                with suppress(MachineError), self.held(disk_id):
                    if self.find(disk_id) is None:
                        self.drop(disk_id)

    def find(self, disk_id: DiskId) -> MachineDisk | None:
        """Return a disk that is here; the caller holds it."""
        folder = self.folder(disk_id)
        record = folder.record()
        return record.disk if record is not None and self._is_here(folder) else None

    def expect(self, disk_id: DiskId) -> None:
        """Have a place for a disk, so that it can be held."""
        self.folder(disk_id).make()

    def make(self, disk: MachineDisk) -> None:
        """Keep an overlay that holds nothing for a disk, in place of what is kept of it; the caller holds it."""
        folder = self.folder(disk.disk_id)
        folder.forget()
        folder.make_overlay(disk)
        folder.write(_Record(disk))

    def note_size(self, disk: MachineDisk) -> None:
        """Write down that a disk that is here has grown; the caller holds it."""
        self.folder(disk.disk_id).write(_Record(disk))

    def announce(self, disk: MachineDisk, machine: MachineFolder) -> None:
        """Say that a machine's disk is coming here, before its record loses it; the caller holds it."""
        folder = self.folder(disk.disk_id)
        folder.forget()
        folder.overlay(disk.disk_id).unlink(missing_ok=True)
        folder.write(_Record(disk, InstanceId(machine.path.name)))

    def move_in(self, disk_id: DiskId, machine: MachineFolder) -> None:
        """Take the overlay of a disk that was announced; harmless when it has been taken."""
        with suppress(FileNotFoundError):
            machine.overlay(disk_id).rename(self.folder(disk_id).overlay(disk_id))

    def move_out(self, disk: MachineDisk, machine: MachineFolder) -> None:
        """Give a machine the overlay of a disk that is here, if it has that content, or an empty one; the caller holds it.

        It is to be dropped here once the machine's record names it.
        """
        known = self.find(disk.disk_id)
        folder = self.folder(disk.disk_id)
        if known is not None:
            folder.write(_Record(disk, InstanceId(machine.path.name)))
        if known is not None and known.has_content_of(disk):
            folder.overlay(disk.disk_id).rename(machine.overlay(disk.disk_id))
            return
        folder.overlay(disk.disk_id).unlink(missing_ok=True)
        machine.make_overlay(disk)

    def drop(self, disk_id: DiskId) -> None:
        """Forget what is kept of a disk; harmless when there is nothing."""
        self.folder(disk_id).remove()

    def _settle(self, folder: LooseFolder) -> None:
        disk_id = DiskId(folder.path.name)
        record = folder.record()
        if record is None or record.machine is None or self._is_here(folder):
            return
        machine = self._machine(record.machine)
        if machine.is_prepared() and any(disk.disk_id == disk_id for disk in machine.spec().disks):
            folder.forget()
        else:
            self.move_in(disk_id, machine)

    def _is_here(self, folder: LooseFolder) -> bool:
        return (folder.path / _RECORD).exists() and folder.overlay(DiskId(folder.path.name)).exists()

    def _folders(self) -> Iterator[DiskId]:
        return (DiskId(path.name) for path in self._root.iterdir() if is_id("disk", path.name))


def _known(record: _Record) -> _Record:
    if record.format != _FORMAT:
        raise MachineError(f"disk {record.disk.disk_id} has a record of format {record.format}")
    return record
