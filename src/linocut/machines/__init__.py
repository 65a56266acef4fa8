"""Virtual machines of one host: QEMU and its in-memory twin, config drives and consoles.

Knows no catalog and no store. A machine's disks are overlays on content that an NBD server on this host offers, and a snapshot
is a copy to an export of such a server. `interface.Machines` is the contract; both implementations pass the same tests.
"""

from linocut.machines.errors import (
    Cancelled,
    DiskInUse,
    ForwardRefused,
    MachineBusy,
    MachineError,
    MachineGone,
    MarkGone,
    NoSpace,
    SnapshotFailed,
    StartFailed,
)
from linocut.machines.interface import (
    Accelerator,
    ConsoleChunk,
    DiskTake,
    Firmware,
    Forward,
    GuestConfig,
    MachineDisk,
    Machines,
    MachineSpec,
    MachineState,
    NbdExport,
    Snapshotted,
    Started,
    Taken,
)
from linocut.machines.memory import MemoryMachines
from linocut.machines.probe import probe_accelerator
from linocut.machines.qemu import QemuMachines

__all__ = [
    "Accelerator",
    "Cancelled",
    "ConsoleChunk",
    "DiskInUse",
    "DiskTake",
    "Firmware",
    "Forward",
    "ForwardRefused",
    "GuestConfig",
    "MachineBusy",
    "MachineDisk",
    "MachineError",
    "MachineGone",
    "MachineSpec",
    "MachineState",
    "Machines",
    "MarkGone",
    "MemoryMachines",
    "NbdExport",
    "NoSpace",
    "QemuMachines",
    "SnapshotFailed",
    "Snapshotted",
    "StartFailed",
    "Started",
    "Taken",
    "probe_accelerator",
]
