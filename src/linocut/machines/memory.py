"""Machines that exist in memory only, for the tests of everything above this room.

They keep the contract of `Machines` (states, errors, marks, consoles) and move no bytes. What goes wrong is put in through the
constructor: `fault` is called before every verb with its name and the instance, and may raise.
"""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from linocut.machines.black_screen import show_black
from linocut.machines.command import forwards
from linocut.machines.errors import Cancelled, MachineBusy, MachineError, MachineGone, MarkGone
from linocut.machines.interface import (
    Accelerator,
    ConsoleChunk,
    Forward,
    MachineSpec,
    MachineState,
    NbdExport,
    Snapshotted,
    Started,
)
from linocut.model.ids import DiskId, InstanceId


@dataclass
class _Machine:
    spec: MachineSpec
    runs: bool = False
    console: bytearray = field(default_factory=bytearray)
    marks: dict[DiskId, set[str]] = field(default_factory=dict)
    screens: list[socket.socket] = field(default_factory=list)


class MemoryMachines:
    """The twin of QemuMachines.

    Guests obey the power button unless `obeys_power_button` is false. `crash` and `say` do what a guest would.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator = Accelerator.TCG,
        fault: Callable[[str, InstanceId], None] | None = None,
        obeys_power_button: bool = True,
        console_bytes: int = 1 << 20,
    ) -> None:
        self.accelerator = accelerator
        self._fault = fault or (lambda _verb, _instance_id: None)
        self._obeys = obeys_power_button
        self._console_bytes = console_bytes
        self._machines: dict[InstanceId, _Machine] = {}
        self._guard = threading.RLock()
        self._on_exit: tuple[Callable[[InstanceId], None], ...] = ()

    def prepare(self, spec: MachineSpec) -> None:
        """See Machines."""
        self._fault("prepare", spec.instance_id)
        with self._guard:
            machine = self._machines.setdefault(spec.instance_id, _Machine(spec))
            if machine.runs and machine.spec.disks != spec.disks:
                raise MachineBusy(f"the disks of machine {spec.instance_id} are in use")
            kept = {disk.disk_id: disk for disk in machine.spec.disks}
            for disk in spec.disks:
                before = kept.get(disk.disk_id, disk)
                if before.has_content_of(disk) and before.size_bytes != disk.size_bytes:
                    raise MachineError(f"disk {disk.disk_id} has {before.size_bytes} bytes, not {disk.size_bytes}")
            machine.spec = spec

    def start(self, instance_id: InstanceId) -> Started:
        """See Machines."""
        with self._guard:
            machine = self._machine("start", instance_id)
            already, machine.runs = machine.runs, True
        return Started(already, forwards(machine.spec, 1), 0.0, 0.0)

    def state(self, instance_id: InstanceId) -> MachineState:
        """See Machines."""
        machine = self._machine("state", instance_id)
        return MachineState.RUNNING if machine.runs else MachineState.STOPPED

    def list(self) -> Mapping[InstanceId, MachineState]:
        """See Machines."""
        with self._guard:
            return {
                instance_id: MachineState.RUNNING if machine.runs else MachineState.STOPPED
                for instance_id, machine in self._machines.items()
            }

    def shut_down(self, instance_id: InstanceId, *, timeout_s: float) -> bool:
        """See Machines."""
        machine = self._machine("shut_down", instance_id)
        if self._obeys and timeout_s > 0:
            self._power_off(machine)
        return not machine.runs

    def kill(self, instance_id: InstanceId) -> None:
        """See Machines."""
        self._power_off(self._machine("kill", instance_id))

    def reset(self, instance_id: InstanceId) -> None:
        """See Machines."""
        self._machine("reset", instance_id).runs = True

    def forward(self, instance_id: InstanceId, *, tcp: Sequence[int], udp: Sequence[int] = ()) -> tuple[Forward, ...]:
        """See Machines."""
        machine = self._machine("forward", instance_id)
        with self._guard:
            machine.spec = replace(machine.spec, forwarded_ports=tuple(tcp), forwarded_udp_ports=tuple(udp))
        return forwards(machine.spec, 1)

    def destroy(self, instance_id: InstanceId) -> None:
        """See Machines."""
        self._fault("destroy", instance_id)
        with self._guard:
            machine = self._machines.pop(instance_id, None)
        if machine is not None:
            self._power_off(machine)

    def snapshot_disk(
        self,
        instance_id: InstanceId,
        disk_id: DiskId,
        *,
        target: NbdExport,  # noqa: ARG002 - no bytes move
        mark: str,
        since: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Snapshotted:
        """See Machines. Nothing is copied, which is what an overlay that holds nothing gives."""
        machine = self._machine("snapshot_disk", instance_id)
        if all(disk.disk_id != disk_id for disk in machine.spec.disks):
            raise MachineGone(f"machine {instance_id} has no disk {disk_id}")
        with self._guard:
            known = machine.marks.setdefault(disk_id, set())
            if since is not None and since not in known:
                raise MarkGone(f"disk {disk_id} has no mark {since!r}")
            if cancelled is not None and cancelled():
                raise Cancelled(f"the copy of disk {disk_id} was cancelled")
            if machine.runs:
                known.add(mark)
        if progress is not None:
            progress(0, 0)
        return Snapshotted(0, mark if machine.runs else None)

    def confirm_snapshot(self, instance_id: InstanceId, disk_id: DiskId, mark: str) -> None:
        """See Machines."""
        self._machine("confirm_snapshot", instance_id).marks.get(disk_id, set()).intersection_update({mark})

    def forget_snapshot(self, instance_id: InstanceId, disk_id: DiskId, mark: str) -> None:
        """See Machines."""
        self._machine("forget_snapshot", instance_id).marks.get(disk_id, set()).discard(mark)

    def console(self, instance_id: InstanceId, offset: int, limit: int) -> ConsoleChunk:
        """See Machines."""
        said = self._machine("console", instance_id).console
        size = len(said)
        start = min(max(offset, size - self._console_bytes, 0), size)
        data = bytes(said[start : start + max(limit, 0)])
        return ConsoleChunk(data, start, start + len(data), size)

    def connect_display(self, instance_id: InstanceId) -> socket.socket:
        """See Machines; the screen is black."""
        machine = self._machine("connect_display", instance_id)
        with self._guard:
            if not machine.runs:
                raise MachineError(f"machine {instance_id} shows nothing")
            screen, connected = socket.socketpair()
            machine.screens.append(screen)
        threading.Thread(target=show_black, args=(screen,), name=f"screen of {instance_id}", daemon=True).start()
        return connected

    def watch(self, on_exit: Callable[[InstanceId], None]) -> None:
        """See Machines; here it is called in the thread that ends the machine."""
        self._on_exit = (*self._on_exit, on_exit)

    def close(self) -> None:
        """See Machines."""
        self._on_exit = ()

    def crash(self, instance_id: InstanceId) -> None:
        """End a machine as if its process had been killed from outside."""
        self._power_off(self._machine("crash", instance_id))

    def say(self, instance_id: InstanceId, data: bytes) -> None:
        """Print on a machine's serial console."""
        self._machine("say", instance_id).console.extend(data)

    def spec(self, instance_id: InstanceId) -> MachineSpec:
        """Return what a machine was prepared as."""
        return replace(self._machine("spec", instance_id).spec)

    def _power_off(self, machine: _Machine) -> None:
        with self._guard:
            ran, machine.runs = machine.runs, False
            machine.marks.clear()
            for screen in machine.screens:
                with suppress(OSError):
                    screen.shutdown(socket.SHUT_RDWR)
            machine.screens.clear()
        if ran:
            for on_exit in self._on_exit:
                on_exit(machine.spec.instance_id)

    def _machine(self, verb: str, instance_id: InstanceId) -> _Machine:
        self._fault(verb, instance_id)
        with self._guard:
            machine = self._machines.get(instance_id)
        if machine is None:
            raise MachineGone(f"there is no machine {instance_id}")
        return machine
