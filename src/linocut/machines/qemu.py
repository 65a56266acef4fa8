"""Machines as QEMU processes that outlive the service.

Nothing about a machine is kept in memory that could not be found again: its folder says what it is, the kernel says whether it
runs (see `folder`), and orders go over its QMP sockets, one conversation an order.
"""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from linocut.machines.agent import has_agent, held_still, thaw_if_due
from linocut.machines.command import bases_of, forwards, machine_command, overlay_name
from linocut.machines.confinement import Confinement
from linocut.machines.console import read_log, trim_log
from linocut.machines.conversations import Conversations
from linocut.machines.disk_changes import DiskChange, change_disks, grow_loose, grow_overlays, keep_disks, keep_strays
from linocut.machines.errors import MachineBusy, MachineError, MachineGone, SnapshotFailed, StartFailed
from linocut.machines.folder import MachineFolder, sweep
from linocut.machines.forwarding import forward_ports
from linocut.machines.held_folder import CONTROL_SOCKET, JOBS_SOCKET
from linocut.machines.hotplug import grow_all, open_disks, plug_all, unplug_all_but
from linocut.machines.interface import (
    Accelerator,
    ConsoleChunk,
    DiskTake,
    Forward,
    MachineDisk,
    MachineSpec,
    MachineState,
    Snapshotted,
    Started,
    Taken,
)
from linocut.machines.loose import LooseDisks
from linocut.machines.monitor import Monitor, MonitorLost, OrderRefused
from linocut.machines.storage_daemon import opened_disks
from linocut.machines.take import Watch, clear_take, is_taken, sent_folder, take_disks
from linocut.machines.watcher import Watcher, end_process, has_ended
from linocut.model.ids import DiskId, InstanceId, is_id

_CONSOLE_BYTES: Final = 1 << 20
_HOLD_S: Final = 2.0
_READY_S: Final = 20.0
_UNPLUG_S: Final = 20.0
_PRESS_AGAIN_S: Final = 5.0
_TICK_S: Final = 1.0


class QemuMachines:
    """The machines whose folders lie under `root`, and the disks without a machine, whose folders lie under `loose`.

    Both are on one file system. A running guest has `unplug_s` seconds to let go of a disk.

    QEMU runs as `guest_user` (uid, gid), which needs root; None runs it as we are. That user must be able to connect to the NBD
    sockets; the folders above theirs may be closed to it.

    With `outbound` guests reach the network through the host, and by the nature of user networking also the host's own loopback
    services as 10.0.2.2; without it they are only reached.
    """

    def __init__(
        self,
        root: Path,
        loose: Path,
        *,
        accelerator: Accelerator,
        guest_user: tuple[int, int] | None = None,
        outbound: bool = True,
        console_bytes: int = _CONSOLE_BYTES,
        unplug_s: float = _UNPLUG_S,
    ) -> None:
        self.accelerator = accelerator
        self._root = root
        self._confinement = Confinement(guest_user)
        self._outbound = outbound
        self._console_bytes = console_bytes
        self._unplug_s = unplug_s
        self._talks = Conversations()
        self._loose = LooseDisks(loose, self._confinement, self._folder)
        self._guard = threading.Lock()
        self._locks: defaultdict[InstanceId, threading.RLock] = defaultdict(threading.RLock)
        self._on_exit: tuple[Callable[[InstanceId], None], ...] = ()
        root.mkdir(parents=True, exist_ok=True)
        sweep(root)
        self._loose.settle_all()
        self._thawing: set[InstanceId] = set()
        self._watcher = Watcher(self._ended, self._tend, tick_s=_TICK_S)
        for instance_id in self.list():
            self._watch(self._folder(instance_id))

    def prepare(self, spec: MachineSpec) -> None:
        """See Machines."""
        folder = self._folder(spec.instance_id)
        with self._lock(spec.instance_id):
            before = folder.spec() if folder.is_prepared() else None
            if before == spec and not self._watch(folder):
                return
            change = DiskChange.between(before, spec)
            folder.make()
            hold = self._hold_unless_running(folder)
            if hold is None:
                self._change_running(folder, change, before)
                return
            try:
                change_disks(
                    folder, change, self._loose, self._talks, lambda grown: grow_overlays(folder, grown, self._talks, hold)
                )
            finally:
                os.close(hold)

    def start(self, instance_id: InstanceId) -> Started:
        """See Machines."""
        folder = self._folder(instance_id)
        with self._lock(instance_id):
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
                end_process(pidfd)
                raise
            finally:
                os.close(pidfd)
            ready = time.monotonic()
        return Started(already_running=False, forwards=forwarded, spawn_s=spawned - begun, ready_s=ready - begun)

    def state(self, instance_id: InstanceId) -> MachineState:
        """See Machines."""
        with self._existing(instance_id).process() as pidfd:
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
        folder = self._existing(instance_id)
        with folder.process() as pidfd:
            if pidfd is None:
                return True
            while (left_s := deadline - time.monotonic()) > 0:
                with suppress(MonitorLost, OrderRefused), self._talks.talk(folder, CONTROL_SOCKET) as monitor:
                    monitor.execute("system_powerdown")
                if has_ended(pidfd, min(left_s, _PRESS_AGAIN_S)):
                    return True
            return has_ended(pidfd, 0)

    def kill(self, instance_id: InstanceId) -> None:
        """See Machines. QEMU is asked first, so that it writes what it still holds of the disks."""
        with self._existing(instance_id).process() as pidfd:
            if pidfd is not None and not end_process(pidfd):
                raise MachineError(f"machine {instance_id} cannot be ended")

    def reset(self, instance_id: InstanceId) -> None:
        """See Machines."""
        if self.start(instance_id).already_running:
            try:
                with self._talks.talk(self._existing(instance_id), CONTROL_SOCKET) as monitor:
                    monitor.execute("system_reset")
            except (MonitorLost, OrderRefused) as problem:
                raise MachineError(f"machine {instance_id} did not take the reset", detail=str(problem)) from problem

    def forward(self, instance_id: InstanceId, *, tcp: Sequence[int], udp: Sequence[int] = ()) -> tuple[Forward, ...]:
        """See Machines. The record is written last: after a crash in between, the next call finds work to do."""
        folder = self._existing(instance_id)
        with self._lock(instance_id):
            before = folder.spec()
            spec = replace(before, forwarded_ports=tuple(tcp), forwarded_udp_ports=tuple(udp))
            if spec != before:
                self._forward_live(folder, spec)
                folder.change(spec)
        return forwards(spec, self._confinement.lowest_port())

    def destroy(self, instance_id: InstanceId, *, keep: Collection[DiskId] = ()) -> None:
        """See Machines; raises MachineBusy while a stopped disk is being copied."""
        folder = self._folder(instance_id)
        with self._lock(instance_id):
            if not folder.path.exists():
                return
            while (hold := self._hold_unless_running(folder)) is None:
                self.kill(instance_id)
            try:
                if folder.is_prepared():
                    keep_disks(folder, [disk for disk in folder.spec().disks if disk.disk_id in keep], self._loose)
                keep_strays(folder, self._loose)
                folder.remove()
            finally:
                os.close(hold)

    def take(
        self,
        instance_id: InstanceId,
        takes: Sequence[DiskTake],
        *,
        freeze: bool = True,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Taken:
        """See Machines. A stopped machine's disks are opened by a storage daemon."""
        folder = self._existing(instance_id)
        known = {disk.disk_id: disk for disk in folder.spec().disks}
        if unknown := [take.disk_id for take in takes if take.disk_id not in known]:
            raise MachineGone(f"machine {instance_id} has no disk {unknown[0]}")
        if other := [take.disk_id for take in takes if take.generation != known[take.disk_id].generation]:
            raise MachineBusy(f"disk {other[0]} of machine {instance_id} has another content until it is restarted")
        watch = Watch.of(progress, cancelled)
        with folder.process() as pidfd:
            runs = pidfd is not None
        still: AbstractContextManager[bool] = nullcontext(enter_result=False)
        try:
            with ExitStack() as stack:
                if runs:
                    monitor = stack.enter_context(self._talks.talk(folder, JOBS_SOCKET))
                    paths = {take.target.socket_path.parent for take in takes}
                    folders: Mapping[Path, int] = {path: self._reach(stack, monitor, folder, path) for path in paths}
                    if freeze and has_agent(monitor):
                        still = held_still(folder)
                else:
                    disks, targets = [known[take.disk_id] for take in takes], [take.target for take in takes]
                    monitor, folders = stack.enter_context(opened_disks(folder, disks, targets, self._talks))
                return take_disks(monitor, takes, folders, watch, still=still)
        except (MonitorLost, OrderRefused, OSError) as problem:
            raise SnapshotFailed(f"disks of machine {instance_id} cannot be copied", detail=str(problem)) from problem

    @staticmethod
    def _reach(stack: ExitStack, monitor: Monitor, folder: MachineFolder, path: Path) -> int:
        """Return by which descriptor QEMU has a folder open: for as long as it runs, or at least for the conversation."""
        number = folder.inherited(path)
        return stack.enter_context(sent_folder(monitor, path)) if number is None else number

    def take_loose(
        self,
        disk: MachineDisk,
        take: DiskTake,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Snapshotted:
        """See Machines."""
        folder = self._loose.folder(disk.disk_id)
        watch = Watch.of(progress, cancelled)
        self._loose.expect(disk.disk_id)
        with self._loose.held(disk.disk_id) as hold:
            if hold is None or any(self._root.glob(f"*/{overlay_name(disk.disk_id)}")):
                raise MachineBusy(f"a machine has disk {disk.disk_id}")
            known = self._loose.find(disk.disk_id)
            if known is None or not known.has_content_of(disk):
                self._loose.make(disk)
            grow_loose(self._loose, disk, self._talks, hold)
            try:
                with opened_disks(folder, [disk], [take.target], self._talks, hold=hold) as (monitor, folders):
                    taken = take_disks(monitor, [take], folders, watch, still=nullcontext(enter_result=False))
            except (MonitorLost, OrderRefused, OSError) as problem:
                raise SnapshotFailed(f"disk {disk.disk_id} cannot be copied", detail=str(problem)) from problem
        return taken.disks[0]

    def drop_disk(self, disk_id: DiskId) -> None:
        """See Machines."""
        with self._loose.held(disk_id) as hold:
            if hold is not None:
                self._loose.drop(disk_id)

    def loose(self) -> frozenset[DiskId]:
        """See Machines."""
        return self._loose.ids()

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
        self._talks.close()

    def _change_running(self, folder: MachineFolder, change: DiskChange, before: MachineSpec | None) -> None:
        """Have a running machine's disks come, go and grow, and what it is told change; raises MachineBusy, MachineError."""
        if before is None:
            raise MachineBusy(f"machine {change.spec.instance_id} runs, and is not known")
        change.require_possible_while_it_runs(before)
        spec = change.spec
        try:
            with self._talks.talk(folder, CONTROL_SOCKET) as monitor:
                self._require_uncopied(monitor, folder, change)
                unplug_all_but(monitor, {disk.disk_id for disk in spec.disks}, within_s=self._unplug_s)
                if forwards(before, 1) != forwards(spec, 1):
                    forward_ports(monitor, forwards(spec, self._confinement.lowest_port()))
                change_disks(folder, change, self._loose, self._talks, lambda grown: grow_all(monitor, grown))
                try:
                    plug_all(monitor, spec.disks, folder.inherited)
                except (OrderRefused, MachineError):
                    plugged = tuple(disk for disk in spec.disks if disk.disk_id in open_disks(monitor))
                    back = DiskChange.between(spec, replace(spec, disks=plugged))
                    change_disks(folder, back, self._loose, self._talks, lambda _none: None)
                    raise
        except (MonitorLost, OrderRefused, OSError) as problem:
            raise MachineError(f"machine {spec.instance_id} does not change", detail=str(problem)) from problem

    def _require_uncopied(self, monitor: Monitor, folder: MachineFolder, change: DiskChange) -> None:
        """Raise MachineBusy where a disk that is to leave or grow is being copied; a copy of a killed service is ended."""
        for disk in (*change.left, *change.grown):
            if is_taken(monitor, disk.disk_id):
                with self._talks.talk(folder, JOBS_SOCKET, waits=False) as jobs:
                    clear_take(jobs, disk.disk_id)

    def _forward_live(self, folder: MachineFolder, spec: MachineSpec) -> None:
        """Forward the ports of the spec and no others, where the machine runs; raises ForwardRefused, MachineError."""
        with folder.process() as pidfd:
            if pidfd is None:
                return
            try:
                with self._talks.talk(folder, CONTROL_SOCKET) as monitor:
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
        folder.note_thaw()
        with folder.wired(bases_of(spec.disks)) as wiring, folder.opened_log() as log:
            process = self._confinement.spawn(
                machine_command(spec, self.accelerator, wiring, forwarded, outbound=self._outbound),
                folder=folder.path,
                log=log,
                descriptors=[hold, *wiring.descriptors],
                accelerator=self.accelerator,
                binds_low_ports=True,
            )
            folder.write_pid(process.pid)
            return os.pidfd_open(process.pid)

    def _await_ready(self, folder: MachineFolder) -> None:
        try:
            with self._talks.talk(folder, CONTROL_SOCKET, greeting_s=_READY_S):
                pass
        except MonitorLost as problem:
            raise StartFailed(f"machine {folder.path.name} did not come up", detail=folder.log_tail()) from problem

    def _watch(self, folder: MachineFolder) -> bool:
        """Have a running machine watched; tell whether it runs."""
        instance_id = InstanceId(folder.path.name)
        with folder.process() as pidfd:
            if pidfd is not None and not self._watcher.watches(instance_id):
                self._watcher.add(instance_id, os.dup(pidfd))
            return pidfd is not None

    def _ended(self, instance_id: InstanceId) -> None:
        self._trim([instance_id])
        for on_exit in self._on_exit:
            on_exit(instance_id)

    def _tend(self, instance_ids: Iterable[InstanceId]) -> None:
        self._trim(instance_ids)
        for instance_id in instance_ids:
            if self._folder(instance_id).may_be_frozen() and instance_id not in self._thawing:
                self._thawing.add(instance_id)
                threading.Thread(target=self._thaw, args=(instance_id,), name=f"thawing {instance_id}", daemon=True).start()

    def _thaw(self, instance_id: InstanceId) -> None:
        """Have a guest thaw that a crash of ours, or a silence of its own, may have left frozen; it is asked until it answers."""
        try:
            with suppress(OSError):
                thaw_if_due(self._folder(instance_id))
        finally:
            self._thawing.discard(instance_id)

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

    def _lock(self, instance_id: InstanceId) -> threading.RLock:
        with self._guard:
            return self._locks[instance_id]
