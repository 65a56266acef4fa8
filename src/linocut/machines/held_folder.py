"""A folder with disks in it that one program at a time has open: a running machine's QEMU, or a storage daemon.

Whoever changes the folder or runs a program on it holds its lock (flock). The program inherits the descriptor, so the folder is
held for as long as the program lives, whatever becomes of us.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from linocut.machines.command import Wiring, overlay_name
from linocut.machines.confinement import Confinement
from linocut.machines.interface import MachineDisk, NbdExport
from linocut.machines.overlay import write_empty_overlay
from linocut.model.ids import DiskId

CONTROL_SOCKET: Final = "control.sock"
JOBS_SOCKET: Final = "jobs.sock"
AGENT_SOCKET: Final = "agent.sock"
QEMU_LOG: Final = "qemu.log"
_SOCKETS: Final = (CONTROL_SOCKET, JOBS_SOCKET, AGENT_SOCKET)
_FOLDER_MODE: Final = 0o711
_LOCK_POLL_S: Final = 0.005
_CONNECT_S: Final = 5.0
_LOG_TAIL_BYTES: Final = 4000


class HeldFolder:
    """The parts that a machine's folder and a loose disk's have in common."""

    lock_name: str

    def __init__(self, path: Path, confinement: Confinement) -> None:
        self.path = path
        self.confinement = confinement

    @property
    def qemu_log(self) -> Path:
        """What QEMU says."""
        return self.path / QEMU_LOG

    def overlay(self, disk_id: DiskId) -> Path:
        """Return where a disk's overlay is, if it is here."""
        return self.path / overlay_name(disk_id)

    def make(self) -> None:
        """Make the folder and the log in it, where they are missing."""
        self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self.make_log(QEMU_LOG)

    def make_log(self, name: str) -> None:
        """Make an empty file that QEMU may write, where it is missing."""
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.confinement.own(descriptor)
        os.close(descriptor)

    def make_overlay(self, disk: MachineDisk) -> None:
        """Give a disk an overlay that holds nothing, in place of the one that it may have."""
        with self.replacing(overlay_name(disk.disk_id)) as descriptor:
            self.confinement.own(descriptor)
            write_empty_overlay(descriptor, disk.size_bytes)

    def hold(self, *, wait_s: float) -> int | None:
        """Take the folder's lock and return its descriptor, to be closed; None when someone else keeps it that long.

        Raises FileNotFoundError where there is no folder. A lock that went with its folder while we waited is not the one.
        """
        deadline = time.monotonic() + wait_s
        while True:
            descriptor = os.open(self.path / self.lock_name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if self._locks(descriptor):
                return descriptor
            os.close(descriptor)
            if time.monotonic() >= deadline:
                return None
            time.sleep(_LOCK_POLL_S)

    def listen(self, name: str) -> socket.socket:
        """Return a new socket that listens under this name; the caller holds the folder's lock."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with self._reachable(name) as address:
            (self.path / name).unlink(missing_ok=True)
            listening.bind(address)
        listening.listen(1)
        return listening

    def connect(self, name: str) -> socket.socket:
        """Return a connection to the socket of this name; raises OSError when nobody listens."""
        with self._reachable(name) as address:
            return connected(address)

    @contextmanager
    def wired(self, exports: Iterable[NbdExport]) -> Iterator[Wiring]:
        """Give what a program on this folder inherits so that we reach it, and it these exports; raises OSError."""
        with ExitStack() as stack:
            control, jobs, agent = (stack.enter_context(self.listen(name)) for name in _SOCKETS)
            folders: dict[Path, int] = {}
            for path in {export.socket_path.parent for export in exports}:
                folders[path] = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, folders[path])
            yield Wiring(control.fileno(), jobs.fileno(), agent.fileno(), folders)

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

    @contextmanager
    def replacing(self, name: str) -> Iterator[int]:
        """Give an empty file that takes this name when it is complete."""
        unfinished = self.path / f".{name}.new"
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        unfinished.rename(self.path / name)

    def _locks(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(descriptor), (self.path / self.lock_name).stat())
        except (BlockingIOError, FileNotFoundError):
            return False

    @contextmanager
    def _reachable(self, name: str) -> Iterator[str]:
        """Give an address for a socket in the folder that fits into 108 bytes, however deep the folder is."""
        folder = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/{name}"
        finally:
            os.close(folder)


def connected(address: str) -> socket.socket:
    """Return a connection to a Unix socket; raises OSError when nobody listens."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.settimeout(_CONNECT_S)
    try:
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened


def encode(value: Any) -> Any:  # noqa: ANN401 - msgspec hands over what it does not know
    """Write what msgspec does not know of a record."""
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value)} is no part of a record")


def decode(kind: type, value: Any) -> Any:  # noqa: ANN401 - msgspec hands over what it does not know
    """Read what msgspec does not know of a record."""
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"{kind} is no part of a record")
