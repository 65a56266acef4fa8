"""What a host promises about its machines, whichever implementation runs them.

A machine is known by its instance's id. It is prepared (its files exist), then started and stopped any number of times, then
destroyed. A running machine outlives the service that started it. All verbs are synchronous and may be called from any thread;
each may be repeated after a crash at any point and then ends in the state it promises.
"""

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

from linocut.model.ids import AppId, DiskId, ImageId, InstanceId, Region, Zone, is_id


class Accelerator(StrEnum):
    """How a guest's instructions are executed."""

    KVM = "kvm"
    TCG = "tcg"


class Firmware(StrEnum):
    """What a machine runs before its own disk."""

    BIOS = "bios"
    UEFI = "uefi"


class MachineState(StrEnum):
    """Whether a machine's process is alive."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


@dataclass(frozen=True)
class NbdExport:
    """A disk's content behind an NBD server on a Unix socket."""

    socket_path: Path
    export: str


@dataclass(frozen=True)
class MachineDisk:
    """A writable disk: an overlay on a tree, or on nothing, which is a blank disk.

    It may be larger than its tree; the rest reads as zeros. Another `generation` is another content: a fresh overlay.
    """

    disk_id: DiskId
    size_bytes: int
    base: NbdExport | None
    generation: int = 0

    def has_content_of(self, other: "MachineDisk") -> bool:
        """Tell whether both are the same content, which began on the same tree at the same time."""
        return (self.base and self.base.export, self.generation) == (other.base and other.base.export, other.generation)


@dataclass(frozen=True)
class GuestConfig:
    """What a guest learns about itself from its config drive.

    `password_hash` is in the format of crypt(3) and is root's. `user_data` reaches the guest byte for byte. With `keeps_login`
    the image's own login stays as it is. Each change of the login counts `login_generation` up, and each new system disk
    `reinstalls`. `metadata` is what the user tells the guest.
    """

    hostname: str
    instance_id: InstanceId
    uuid: str
    region: Region
    zone: Zone
    app_id: AppId
    image_id: ImageId
    instance_type: str
    instance_name: str = ""
    public_keys: tuple[str, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    user_data: bytes | None = field(default=None, repr=False)
    local_ipv4: str = ""
    keeps_login: bool = False
    login_generation: int = 0
    reinstalls: int = 0
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MachineSpec:
    """All that a machine is; the first disk is its system disk.

    `address` is a loopback address (127.x.y.z) on which the guest's `forwarded_ports`, of TCP, and `forwarded_udp_ports` are
    reachable.
    """

    instance_id: InstanceId
    uuid: str
    vcpus: int
    memory_mb: int
    disks: tuple[MachineDisk, ...]
    guest: GuestConfig
    address: str
    forwarded_ports: tuple[int, ...]
    mac: str
    forwarded_udp_ports: tuple[int, ...] = ()
    firmware: Firmware = Firmware.BIOS

    def __post_init__(self) -> None:
        """Refuse, with ValueError, what could not stand in a file's name or on a command line."""
        ids = [("ins", self.instance_id), *(("disk", disk.disk_id) for disk in self.disks)]
        for prefix, text in ids:
            if not is_id(prefix, text):
                raise ValueError(f"{text!r} is no id that begins with {prefix}-")
        UUID(self.uuid)
        IPv4Address(self.address)


@dataclass(frozen=True)
class Forward:
    """A port of the guest and where it is reachable on the host."""

    guest_port: int
    address: str
    port: int
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True)
class Started:
    """A machine that runs, and what our part of its start took.

    `spawn_s` is until the process exists, `ready_s` until it answers; both are 0 when it ran already.
    """

    already_running: bool
    forwards: tuple[Forward, ...]
    spawn_s: float
    ready_s: float


@dataclass(frozen=True)
class DiskTake:
    """What is to be taken of one disk, and where to: an export of the disk's size, which has the content that this adds to.

    That is the disk's base tree, or, with `since`, what the take with that mark gave; only what was written after it is copied.
    With `whole` it is nothing, and all that the disk holds is read, also from below its overlay. `mark` names this moment, so
    that a later take can go on from it. Of a machine's disk another `generation` is another content, and is not taken.
    """

    disk_id: DiskId
    target: NbdExport
    mark: str
    since: str | None = None
    whole: bool = False
    generation: int = 0

    def __post_init__(self) -> None:
        """Refuse, with ValueError, to add the whole disk to what an earlier take gave."""
        if self.whole and self.since is not None:
            raise ValueError(f"all of disk {self.disk_id} is taken since nothing, and not since {self.since!r}")


@dataclass(frozen=True)
class Snapshotted:
    """A disk's content that reached its target whole; `mark` names the moment."""

    copied_bytes: int
    mark: str


@dataclass(frozen=True)
class Taken:
    """What several disks of a machine held at one moment, in the order in which they were asked for.

    `frozen` tells that the guest held its file systems still at that moment, so that nothing was half written.
    """

    disks: tuple[Snapshotted, ...]
    frozen: bool


@dataclass(frozen=True)
class ConsoleChunk:
    """A piece of a serial console's output.

    `offset` is where `data` begins, later than asked for where older output was dropped; `size_bytes` counts all output ever.
    """

    data: bytes
    offset: int
    next_offset: int
    size_bytes: int


class Machines(Protocol):
    """The machines of one host.

    Every verb that names a machine raises MachineGone when there is none, unless it says otherwise.
    """

    @property
    def accelerator(self) -> Accelerator:
        """How guests are executed here."""
        ...

    def prepare(self, spec: MachineSpec) -> None:
        """Make the machine what the spec says: its overlays, its config drive, its record.

        Repeating it is harmless. A disk that is there keeps its content, and grows to its size, unless its base or generation
        changed, which gives a fresh overlay of whatever size. A disk that is new comes from the loose ones, with what it holds,
        where one of its name, base and generation is among them; one that left becomes loose. All disks but the first come and
        go and grow also while the machine runs, and the guest sees it at once. Changes of the rest take effect at the next start.

        Raises MachineBusy when a base, a generation or the first disk changes under a running machine, or while disks are being
        copied; DiskInUse when the guest does not let go of a disk that left, and then nothing has changed, though it may let go
        later; MachineError when a disk shrank.
        """
        ...

    def start(self, instance_id: InstanceId) -> Started:
        """Run the machine, and return when its hypervisor answers; harmless when it runs already.

        Raises StartFailed, MachineBusy.
        """
        ...

    def state(self, instance_id: InstanceId) -> MachineState:
        """Tell whether the machine runs."""
        ...

    def list(self) -> Mapping[InstanceId, MachineState]:
        """Return every prepared machine of this host, those of earlier service processes included."""
        ...

    def shut_down(self, instance_id: InstanceId, *, timeout_s: float) -> bool:
        """Press the power button and wait; tell whether the machine is off."""
        ...

    def kill(self, instance_id: InstanceId) -> None:
        """Cut the machine's power; harmless when it is off."""
        ...

    def reset(self, instance_id: InstanceId) -> None:
        """Press the reset button of a running machine, which boots again at once, and start a stopped one."""
        ...

    def forward(self, instance_id: InstanceId, *, tcp: Sequence[int], udp: Sequence[int] = ()) -> tuple[Forward, ...]:
        """Have exactly these ports of the guest reachable, at once where it runs and at every start; return where they are.

        Connections through a port that is closed go on until they end by themselves. Repeating it is harmless. Raises
        ForwardRefused when the host has no such port free, with all the other ports as asked; the next call tries again.
        """
        ...

    def destroy(self, instance_id: InstanceId, *, keep: Collection[DiskId] = ()) -> None:
        """Cut the machine's power and remove all its files; harmless when there is no such machine.

        Those of its disks that are named become loose.
        """
        ...

    def take(
        self,
        instance_id: InstanceId,
        takes: Sequence[DiskTake],
        *,
        freeze: bool = True,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Taken:
        """Copy what disks of a machine, each named once, hold at one moment onto their targets.

        The guest runs on, and later writes do not show. With `freeze` a running guest that has an agent holds its file systems
        still at that moment; one that has none, or whose agent does not answer soon, is taken as it is. `progress` gets bytes
        done and bytes in all, of all the disks together.

        A mark outlives the machine's stops and starts, though not a crash of its process. A disk keeps the marks `since` and
        `mark` of its last take and no others. After any failure the new marks are forgotten, `since` is kept, and all the targets
        are worthless. Raises MarkGone (a disk's `since` is not known; it says which), SnapshotFailed, Cancelled, NoSpace, and
        MachineBusy, also where the machine was not prepared with this generation of a disk.
        """
        ...

    def take_loose(
        self,
        disk: MachineDisk,
        take: DiskTake,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Snapshotted:
        """Copy what a disk without a machine holds onto a target, as `take` does.

        A disk that no machine ever had holds what its base holds, and it becomes loose here. One that is larger by now grows
        first. Raises as `take` does, and MachineBusy when a machine has the disk.
        """
        ...

    def drop_disk(self, disk_id: DiskId) -> None:
        """Remove what a loose disk holds; harmless when it is not among them. Raises MachineBusy while it is being copied."""
        ...

    def loose(self) -> frozenset[DiskId]:
        """Return the disks that this host keeps for no machine."""
        ...

    def console(self, instance_id: InstanceId, offset: int, limit: int) -> ConsoleChunk:
        """Return at most `limit` bytes of the serial console from `offset` on, or from the oldest that is kept."""
        ...

    def connect_display(self, instance_id: InstanceId) -> socket.socket:
        """Return a new connection to a running machine's screen and keyboard, which speaks RFB and ends with the machine.

        Raises MachineError when it is off.
        """
        ...

    def watch(self, on_exit: Callable[[InstanceId], None]) -> None:
        """Have `on_exit` called, in a thread of ours, whenever a machine's process ends, however it ends.

        It should return soon, for the next end is told after it. The machine may run again by then.
        """
        ...

    def close(self) -> None:
        """Let go of the machines and leave them running."""
        ...
