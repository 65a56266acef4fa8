"""Machines that exist in memory only, for the tests of everything above this room.

They keep the contract of `Machines` (states, errors, marks, consoles) and move no bytes. What goes wrong is put in through the
constructor: `fault` is called before every verb with its name and the instance (or the disk, where it is loose), and may raise.
"""

import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from linocut.machines.black_screen import show_black
from linocut.machines.command import forwards
from linocut.machines.errors import Cancelled, DiskInUse, MachineBusy, MachineError, MachineGone, MarkGone
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
from linocut.model.ids import DiskId, InstanceId


@dataclass
class _Overlay:
    """What a disk would have written: here, whose it is and which marks it has."""

    disk: MachineDisk
    marks: set[str] = field(default_factory=set)


@dataclass
class _Machine:
    spec: MachineSpec
    runs: bool = False
    console: bytearray = field(default_factory=bytearray)
    overlays: dict[DiskId, _Overlay] = field(default_factory=dict)
    screens: list[socket.socket] = field(default_factory=list)


class MemoryMachines:
    """The twin of QemuMachines.

    Guests obey the power button unless `obeys_power_button` is false, let go of disks unless `holds_disks`, and freeze when
    they are asked to where they have an agent. `crash` and `say` do what a guest would.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator = Accelerator.TCG,
        fault: Callable[[str, str], None] | None = None,
        obeys_power_button: bool = True,
        holds_disks: bool = False,
        has_agent: bool = False,
        console_bytes: int = 1 << 20,
    ) -> None:
        self.accelerator = accelerator
        self._fault = fault or (lambda _verb, _instance_id: None)
        self._obeys = obeys_power_button
        self._holds_disks = holds_disks
        self._has_agent = has_agent
        self._console_bytes = console_bytes
        self._machines: dict[InstanceId, _Machine] = {}
        self._loose: dict[DiskId, _Overlay] = {}
        self._guard = threading.RLock()
        self._on_exit: tuple[Callable[[InstanceId], None], ...] = ()

    def prepare(self, spec: MachineSpec) -> None:
        """See Machines."""
        self._fault("prepare", spec.instance_id)
        with self._guard:
            machine = self._machines.get(spec.instance_id) or _Machine(spec)
            self._require_possible(machine, spec)
            wanted = {disk.disk_id: disk for disk in spec.disks}
            for disk_id in machine.overlays.keys() - wanted.keys():
                self._loose[disk_id] = machine.overlays.pop(disk_id)
            machine.overlays = {disk.disk_id: self._overlay(machine, disk) for disk in spec.disks}
            machine.spec = spec
            self._machines[spec.instance_id] = machine

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

    def destroy(self, instance_id: InstanceId, *, keep: Collection[DiskId] = ()) -> None:
        """See Machines."""
        self._fault("destroy", instance_id)
        with self._guard:
            machine = self._machines.pop(instance_id, None)
            if machine is not None:
                self._loose |= {disk_id: machine.overlays[disk_id] for disk_id in machine.overlays.keys() & set(keep)}
        if machine is not None:
            self._power_off(machine)

    def take(
        self,
        instance_id: InstanceId,
        takes: Sequence[DiskTake],
        *,
        freeze: bool = True,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Taken:
        """See Machines. Nothing is copied, which is what overlays that hold nothing give."""
        machine = self._machine("take", instance_id)
        with self._guard:
            for take in takes:
                if take.disk_id not in machine.overlays:
                    raise MachineGone(f"machine {instance_id} has no disk {take.disk_id}")
                if take.generation != machine.overlays[take.disk_id].disk.generation:
                    raise MachineBusy(f"disk {take.disk_id} of machine {instance_id} has another content until it is restarted")
            _mark([(machine.overlays[take.disk_id], take) for take in takes], cancelled)
        if progress is not None:
            progress(0, 0)
        return Taken(tuple(Snapshotted(0, take.mark) for take in takes), freeze and machine.runs and self._has_agent)

    def take_loose(
        self,
        disk: MachineDisk,
        take: DiskTake,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Snapshotted:
        """See Machines. Nothing is copied."""
        self._fault("take_loose", disk.disk_id)
        with self._guard:
            if any(disk.disk_id in machine.overlays for machine in self._machines.values()):
                raise MachineBusy(f"a machine has disk {disk.disk_id}")
            self._loose[disk.disk_id] = _grown(self._loose.get(disk.disk_id), disk)
            _mark([(self._loose[disk.disk_id], take)], cancelled)
        if progress is not None:
            progress(0, 0)
        return Snapshotted(0, take.mark)

    def drop_disk(self, disk_id: DiskId) -> None:
        """See Machines."""
        self._fault("drop_disk", disk_id)
        with self._guard:
            self._loose.pop(disk_id, None)

    def loose(self) -> frozenset[DiskId]:
        """See Machines."""
        with self._guard:
            return frozenset(self._loose)

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
        """End a machine as if its process had been killed from outside, which loses all marks."""
        machine = self._machine("crash", instance_id)
        for overlay in machine.overlays.values():
            overlay.marks.clear()
        self._power_off(machine)

    def say(self, instance_id: InstanceId, data: bytes) -> None:
        """Print on a machine's serial console."""
        self._machine("say", instance_id).console.extend(data)

    def spec(self, instance_id: InstanceId) -> MachineSpec:
        """Return what a machine was prepared as."""
        return replace(self._machine("spec", instance_id).spec)

    def _require_possible(self, machine: _Machine, spec: MachineSpec) -> None:
        """Raise what Machines says where the machine's disks cannot become what the spec says."""
        for disk in spec.disks:
            before = machine.overlays.get(disk.disk_id)
            if before is not None and not before.disk.has_content_of(disk) and machine.runs:
                raise MachineBusy(f"disk {disk.disk_id} of machine {spec.instance_id} is in use")
            _require_growth(before or self._loose.get(disk.disk_id), disk)
        if not machine.runs:
            return
        if [disk.disk_id for disk in machine.spec.disks[:1]] != [disk.disk_id for disk in spec.disks[:1]]:
            raise MachineBusy(f"machine {spec.instance_id} runs from its first disk")
        left = machine.overlays.keys() - {disk.disk_id for disk in spec.disks}
        if left and self._holds_disks:
            raise DiskInUse(f"the guest of machine {spec.instance_id} keeps {', '.join(sorted(left))}")

    def _overlay(self, machine: _Machine, disk: MachineDisk) -> _Overlay:
        """Return the overlay of a disk that the machine has or gets, from the loose ones where it is among them."""
        loose = self._loose.pop(disk.disk_id, None)
        return _grown(machine.overlays.get(disk.disk_id, loose), disk)

    def _power_off(self, machine: _Machine) -> None:
        with self._guard:
            ran, machine.runs = machine.runs, False
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


def _require_growth(before: _Overlay | None, disk: MachineDisk) -> None:
    if before is not None and before.disk.has_content_of(disk) and before.disk.size_bytes > disk.size_bytes:
        raise MachineError(f"disk {disk.disk_id} has {before.disk.size_bytes} bytes, and cannot shrink to {disk.size_bytes}")


def _grown(before: _Overlay | None, disk: MachineDisk) -> _Overlay:
    """Return what a disk's overlay becomes: itself where the content is the same, or a fresh one; raises MachineError."""
    _require_growth(before, disk)
    return _Overlay(disk, before.marks if before is not None and before.disk.has_content_of(disk) else set())


def _mark(takes: Sequence[tuple[_Overlay, DiskTake]], cancelled: Callable[[], bool] | None) -> None:
    """Leave each disk with the marks that its take leaves it with; raises MarkGone, Cancelled."""
    for overlay, take in takes:
        if take.since is not None and take.since not in overlay.marks:
            raise MarkGone(take.disk_id, take.since)
    if cancelled is not None and cancelled():
        raise Cancelled("the copy was cancelled")
    for overlay, take in takes:
        overlay.marks = {take.mark} if take.since is None else {take.since, take.mark}
