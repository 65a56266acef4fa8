"""Machines as QEMU processes that outlive the service.

Nothing about a machine is kept in memory that could not be found again: its folder says what it is, the kernel says whether it
runs (see `folder`), and orders go over its QMP sockets, one conversation an order.
"""

import os
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Final

from linocut.machines.command import Wiring, bases_of, forwards, machine_command, storage_daemon_command
from linocut.machines.confinement import Confinement
from linocut.machines.console import read_log, trim_log
from linocut.machines.errors import MachineBusy, MachineError, MachineGone, SnapshotFailed, StartFailed
from linocut.machines.folder import CONTROL_SOCKET, JOBS_SOCKET, MachineFolder, sweep
from linocut.machines.forwarding import forward_ports
from linocut.machines.interface import (
    Accelerator,
    ConsoleChunk,
    DiskTake,
    Forward,
    MachineDisk,
    MachineSpec,
    MachineState,
    NbdExport,
    Snapshotted,
    Started,
    Taken,
)
from linocut.machines.monitor import Monitor, MonitorLoop, MonitorLost, OrderRefused
from linocut.machines.take import Watch, sent_folder, take_disks
from linocut.machines.watcher import Watcher, has_ended
from linocut.model.ids import DiskId, InstanceId, is_id

_CONSOLE_BYTES: Final = 1 << 20
_HOLD_S: Final = 2.0
_READY_S: Final = 20.0
_GREETING_S: Final = 5.0
_POLITE_S: Final = 2.0
_KILL_S: Final = 10.0
_CLOSE_S: Final = 10.0
_PRESS_AGAIN_S: Final = 5.0
_TICK_S: Final = 1.0


class QemuMachines:
    """The machines whose folders lie under `root`.

    QEMU runs as `guest_user` (uid, gid), which needs root; None runs it as we are. That user must be able to connect to the NBD
    sockets; the folders above theirs may be closed to it.

    With `outbound` guests reach the network through the host, and by the nature of user networking also the host's own loopback
    services as 10.0.2.2; without it they are only reached.
    """

    def __init__(
        self,
        root: Path,
        *,
        accelerator: Accelerator,
        guest_user: tuple[int, int] | None = None,
        outbound: bool = True,
        console_bytes: int = _CONSOLE_BYTES,
    ) -> None:
        self.accelerator = accelerator
        self._root = root
        self._confinement = Confinement(guest_user)
        self._outbound = outbound
        self._console_bytes = console_bytes
        self._loop = MonitorLoop()
        self._guard = threading.Lock()
        self._locks: defaultdict[tuple[InstanceId, str], threading.RLock] = defaultdict(threading.RLock)
        self._on_exit: tuple[Callable[[InstanceId], None], ...] = ()
        root.mkdir(parents=True, exist_ok=True)
        sweep(root)
        self._watcher = Watcher(self._ended, self._trim, tick_s=_TICK_S)
        for instance_id in self.list():
            self._watch(self._folder(instance_id))

    def prepare(self, spec: MachineSpec) -> None:
        """See Machines."""
        folder = self._folder(spec.instance_id)
        with self._lock(spec.instance_id, "state"):
            before = folder.spec() if folder.is_prepared() else None
            if before == spec:
                return
            folder.make()
            hold = self._hold_unless_running(folder)
            if hold is None:
                self._change_running(folder, spec, before)
                return
            try:
                folder.prepare(spec, before)
            finally:
                os.close(hold)

    def start(self, instance_id: InstanceId) -> Started:
        """See Machines."""
        folder = self._folder(instance_id)
        with self._lock(instance_id, "state"):
            spec = folder.spec()
            forwarded = forwards(spec, self._confinement.lowest_port())
            hold = self._hold_unless_running(folder)
            if hold is None:
                self._await_ready(folder)
                return Started(already_running=True, forwards=forwarded, spawn_s=0.0, ready_s=0.0)
            begun = time.monotonic()
            try:
                pidfd = self._spawn_machine(folder, spec, forwarded, hold)
            except OSError as problem:
                raise StartFailed(f"machine {instance_id} cannot be run", detail=str(problem)) from problem
            finally:
                os.close(hold)
            spawned = time.monotonic()
            self._watcher.add(instance_id, os.dup(pidfd))
            try:
                self._await_ready(folder)
            except BaseException:
                _end(pidfd)
                raise
            finally:
                os.close(pidfd)
            ready = time.monotonic()
        return Started(already_running=False, forwards=forwarded, spawn_s=spawned - begun, ready_s=ready - begun)

    def state(self, instance_id: InstanceId) -> MachineState:
        """See Machines."""
        with _process(self._existing(instance_id)) as pidfd:
            return MachineState.STOPPED if pidfd is None else MachineState.RUNNING

    def list(self) -> Mapping[InstanceId, MachineState]:
        """See Machines."""
        found: dict[InstanceId, MachineState] = {}
        for path in self._root.iterdir():
            if not path.name.startswith("."):
                with suppress(MachineGone):
                    found[InstanceId(path.name)] = self.state(InstanceId(path.name))
        return found

    def shut_down(self, instance_id: InstanceId, *, timeout_s: float) -> bool:
        """See Machines. The button is pressed again every few seconds, for a guest may not listen yet while it boots."""
        deadline = time.monotonic() + timeout_s
        with _process(self._existing(instance_id)) as pidfd:
            if pidfd is None:
                return True
            while (left_s := deadline - time.monotonic()) > 0:
                with suppress(MonitorLost, OrderRefused), self._talk(instance_id, CONTROL_SOCKET) as monitor:
                    monitor.execute("system_powerdown")
                if has_ended(pidfd, min(left_s, _PRESS_AGAIN_S)):
                    return True
            return has_ended(pidfd, 0)

    def kill(self, instance_id: InstanceId) -> None:
        """See Machines. QEMU is asked first, so that it writes what it still holds of the disks."""
        with _process(self._existing(instance_id)) as pidfd:
            if pidfd is not None and not _end(pidfd):
                raise MachineError(f"machine {instance_id} cannot be ended")

    def reset(self, instance_id: InstanceId) -> None:
        """See Machines."""
        if self.start(instance_id).already_running:
            try:
                with self._talk(instance_id, CONTROL_SOCKET) as monitor:
                    monitor.execute("system_reset")
            except (MonitorLost, OrderRefused) as problem:
                raise MachineError(f"machine {instance_id} did not take the reset", detail=str(problem)) from problem

    def forward(self, instance_id: InstanceId, *, tcp: Sequence[int], udp: Sequence[int] = ()) -> tuple[Forward, ...]:
        """See Machines. The record is written last: after a crash in between, the next call finds work to do."""
        folder = self._existing(instance_id)
        with self._lock(instance_id, "state"):
            before = folder.spec()
            spec = replace(before, forwarded_ports=tuple(tcp), forwarded_udp_ports=tuple(udp))
            if spec != before:
                self._forward_live(folder, spec)
                folder.change(spec)
        return forwards(spec, self._confinement.lowest_port())

    def destroy(self, instance_id: InstanceId, *, keep: Collection[DiskId] = ()) -> None:  # noqa: ARG002 - none is loose yet
        """See Machines; raises MachineBusy while a stopped disk is being copied."""
        folder = self._folder(instance_id)
        with self._lock(instance_id, "state"):
            if not folder.path.exists():
                return
            while (hold := self._hold_unless_running(folder)) is None:
                self.kill(instance_id)
            try:
                folder.remove()
            finally:
                os.close(hold)

    def take(
        self,
        instance_id: InstanceId,
        takes: Sequence[DiskTake],
        *,
        freeze: bool = True,  # noqa: ARG002 - guests have no agent yet
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Taken:
        """See Machines. A stopped machine's disks are opened by a storage daemon."""
        folder = self._existing(instance_id)
        known = {disk.disk_id: disk for disk in folder.spec().disks}
        if unknown := [take.disk_id for take in takes if take.disk_id not in known]:
            raise MachineGone(f"machine {instance_id} has no disk {unknown[0]}")
        watch = Watch.of(progress, cancelled)
        with _process(folder) as pidfd:
            runs = pidfd is not None
        try:
            if not runs:
                return self._take_stopped(folder, [known[take.disk_id] for take in takes], takes, watch)
            with self._talk(instance_id, JOBS_SOCKET) as monitor, ExitStack() as stack:
                paths = {take.target.socket_path.parent for take in takes}
                folders = {path: stack.enter_context(sent_folder(monitor, path)) for path in paths}
                return take_disks(monitor, takes, folders, watch, still=nullcontext(enter_result=False))
        except (MonitorLost, OrderRefused, OSError) as problem:
            raise SnapshotFailed(f"disks of machine {instance_id} cannot be copied", detail=str(problem)) from problem

    def take_loose(
        self,
        disk: MachineDisk,
        take: DiskTake,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Snapshotted:
        """See Machines."""
        raise NotImplementedError

    def drop_disk(self, disk_id: DiskId) -> None:
        """See Machines."""
        raise NotImplementedError

    def loose(self) -> frozenset[DiskId]:
        """See Machines."""
        return frozenset()

    def console(self, instance_id: InstanceId, offset: int, limit: int) -> ConsoleChunk:
        """See Machines."""
        return read_log(self._existing(instance_id).console_log, offset, limit)

    def connect_display(self, instance_id: InstanceId) -> socket.socket:
        """Return a connection to a running machine's VNC server, which speaks RFB; raises MachineError when it is off."""
        try:
            return self._existing(instance_id).connect_display()
        except OSError as problem:
            raise MachineError(f"machine {instance_id} shows nothing", detail=str(problem)) from problem

    def watch(self, on_exit: Callable[[InstanceId], None]) -> None:
        """See Machines."""
        self._on_exit = (*self._on_exit, on_exit)

    def close(self) -> None:
        """See Machines."""
        self._watcher.close()
        self._loop.close()

    def _take_stopped(
        self, folder: MachineFolder, disks: Sequence[MachineDisk], takes: Sequence[DiskTake], watch: Watch
    ) -> Taken:
        hold = folder.hold(wait_s=_READY_S)
        if hold is None:
            raise MachineBusy(f"machine {folder.path.name} is in use")
        with ExitStack() as stack:
            stack.callback(os.close, hold)
            wiring = self._wiring(stack, folder, [*(take.target for take in takes), *bases_of(disks)])
            log = stack.enter_context(folder.opened_log())
            daemon = self._confinement.spawn(
                storage_daemon_command(disks, wiring),
                folder=folder.path,
                log=log,
                descriptors=wiring.descriptors,
                dies_with_us=True,
            )
            stack.callback(_close, daemon)
            with self._talk(InstanceId(folder.path.name), JOBS_SOCKET, greeting_s=_READY_S) as monitor:
                try:
                    return take_disks(monitor, takes, wiring.socket_folders, watch, still=nullcontext(enter_result=False))
                finally:
                    with suppress(OrderRefused, MonitorLost):
                        monitor.execute("quit")

    def _change_running(self, folder: MachineFolder, spec: MachineSpec, before: MachineSpec | None) -> None:
        if before is None or before.disks != spec.disks:
            raise MachineBusy(f"the disks of machine {spec.instance_id} are in use")
        if forwards(before, 1) != forwards(spec, 1):
            self._forward_live(folder, spec)
        folder.change(spec)

    def _forward_live(self, folder: MachineFolder, spec: MachineSpec) -> None:
        """Forward the ports of the spec and no others, where the machine runs; raises ForwardRefused, MachineError."""
        with _process(folder) as pidfd:
            if pidfd is None:
                return
            try:
                with self._talk(spec.instance_id, CONTROL_SOCKET) as monitor:
                    forward_ports(monitor, forwards(spec, self._confinement.lowest_port()))
            except (MonitorLost, OrderRefused) as problem:
                if not has_ended(pidfd, 0):
                    raise MachineError(f"machine {spec.instance_id} keeps its ports", detail=str(problem)) from problem

    def _hold_unless_running(self, folder: MachineFolder) -> int | None:
        """Return the machine's lock, or None when its QEMU runs, which is then watched; raises MachineBusy.

        Neither is true for a moment while a QEMU comes up whose service was killed.
        """
        deadline = time.monotonic() + _HOLD_S
        while True:
            if self._watch(folder):
                return None
            hold = folder.hold(wait_s=_HOLD_S / 100)
            if hold is not None:
                return hold
            folder.find_process()
            if time.monotonic() > deadline:
                raise MachineBusy(f"machine {folder.path.name} is in use")

    def _spawn_machine(self, folder: MachineFolder, spec: MachineSpec, forwarded: Sequence[Forward], hold: int) -> int:
        """Return the pidfd of a new QEMU; raises OSError."""
        with ExitStack() as stack:
            wiring = self._wiring(stack, folder, bases_of(spec.disks))
            process = self._confinement.spawn(
                machine_command(spec, self.accelerator, wiring, forwarded, outbound=self._outbound),
                folder=folder.path,
                log=stack.enter_context(folder.opened_log()),
                descriptors=[hold, *wiring.descriptors],
                accelerator=self.accelerator,
                binds_low_ports=True,
            )
            folder.write_pid(process.pid)
            return os.pidfd_open(process.pid)

    def _wiring(self, stack: ExitStack, folder: MachineFolder, exports: Iterable[NbdExport]) -> Wiring:
        control, jobs = (stack.enter_context(folder.listen(name)) for name in (CONTROL_SOCKET, JOBS_SOCKET))
        folders: dict[Path, int] = {}
        for path in {export.socket_path.parent for export in exports}:
            folders[path] = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, folders[path])
        return Wiring(control.fileno(), jobs.fileno(), folders)

    def _await_ready(self, folder: MachineFolder) -> None:
        instance_id = InstanceId(folder.path.name)
        try:
            with self._talk(instance_id, CONTROL_SOCKET, greeting_s=_READY_S):
                pass
        except MonitorLost as problem:
            raise StartFailed(f"machine {instance_id} did not come up", detail=folder.log_tail()) from problem

    @contextmanager
    def _talk(self, instance_id: InstanceId, name: str, *, greeting_s: float = _GREETING_S) -> Iterator[Monitor]:
        with self._lock(instance_id, name):
            try:
                connected = self._folder(instance_id).connect(name)
            except OSError as problem:
                raise MonitorLost(f"nobody listens: {problem}") from problem
            with self._loop.talk(connected, greeting_s=greeting_s) as monitor:
                yield monitor

    def _watch(self, folder: MachineFolder) -> bool:
        """Have a running machine watched; tell whether it runs."""
        instance_id = InstanceId(folder.path.name)
        with _process(folder) as pidfd:
            if pidfd is not None and not self._watcher.watches(instance_id):
                self._watcher.add(instance_id, os.dup(pidfd))
            return pidfd is not None

    def _ended(self, instance_id: InstanceId) -> None:
        self._trim([instance_id])
        for on_exit in self._on_exit:
            on_exit(instance_id)

    def _trim(self, instance_ids: Iterable[InstanceId]) -> None:
        for instance_id in instance_ids:
            folder = self._folder(instance_id)
            trim_log(folder.console_log, self._console_bytes)
            trim_log(folder.qemu_log, self._console_bytes)

    def _folder(self, instance_id: InstanceId) -> MachineFolder:
        if not is_id("ins", instance_id):
            raise MachineGone(f"no machine is called {instance_id!r}")
        return MachineFolder(self._root / instance_id, self._confinement)

    def _existing(self, instance_id: InstanceId) -> MachineFolder:
        folder = self._folder(instance_id)
        if not folder.is_prepared():
            raise MachineGone(f"there is no machine {instance_id}")
        return folder

    def _lock(self, instance_id: InstanceId, what: str) -> threading.RLock:
        with self._guard:
            return self._locks[instance_id, what]


@contextmanager
def _process(folder: MachineFolder) -> Iterator[int | None]:
    pidfd = folder.pidfd()
    try:
        yield pidfd
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _end(pidfd: int) -> bool:
    """Ask a process to end, then force it; tell whether it did."""
    for number, wait_s in ((signal.SIGTERM, _POLITE_S), (signal.SIGKILL, _KILL_S)):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)
        if has_ended(pidfd, wait_s):
            return True
    return False


def _close(daemon: Popen[bytes]) -> None:
    """Wait for a daemon that was told to quit, and writes the marks as it closes the overlays; force it in the end."""
    with suppress(TimeoutExpired):
        daemon.wait(_CLOSE_S)
        return
    daemon.kill()
    daemon.wait()
