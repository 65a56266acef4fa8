"""What becomes of a machine's disks when it is prepared as another spec, and the order in which that is done.

Every step may be the last before the service is killed; `loose` says how each move is found again. The machine's record is
written when all that it names is there, and before a running machine's guest is given it: so an overlay that QEMU has open is
always one that the record names.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from linocut.machines.conversations import Conversations
from linocut.machines.errors import MachineBusy, MachineError
from linocut.machines.folder import MachineFolder
from linocut.machines.held_folder import HeldFolder
from linocut.machines.hotplug import grow_all
from linocut.machines.interface import Firmware, MachineDisk, MachineSpec
from linocut.machines.loose import LooseDisks
from linocut.machines.monitor import MonitorLost, OrderRefused
from linocut.machines.storage_daemon import opened_disks
from linocut.model.ids import DiskId


@dataclass(frozen=True)
class DiskChange:
    """Which disks of a machine stay, grow, leave, come, or begin anew, from one spec to the next."""

    spec: MachineSpec
    kept: tuple[MachineDisk, ...]
    grown: tuple[MachineDisk, ...]
    left: tuple[MachineDisk, ...]
    new: tuple[MachineDisk, ...]
    fresh: tuple[MachineDisk, ...]

    @classmethod
    def between(cls, before: MachineSpec | None, spec: MachineSpec) -> "DiskChange":
        """Return what is to change; raises MachineError when a disk is to shrink."""
        known = {disk.disk_id: disk for disk in before.disks} if before else {}
        wanted = {disk.disk_id for disk in spec.disks}
        kept = tuple(disk for disk in spec.disks if disk.disk_id in known and known[disk.disk_id].has_content_of(disk))
        return cls(
            spec,
            kept,
            tuple(disk for disk in kept if is_grown(known[disk.disk_id], disk)),
            tuple(disk for disk_id, disk in known.items() if disk_id not in wanted),
            tuple(disk for disk in spec.disks if disk.disk_id not in known),
            tuple(disk for disk in spec.disks if disk.disk_id in known and disk not in kept),
        )

    def require_possible_while_it_runs(self, before: MachineSpec) -> None:
        """Raise MachineBusy where the machine must be off for this."""
        if self.fresh:
            raise MachineBusy(f"disk {self.fresh[0].disk_id} of machine {self.spec.instance_id} is in use")
        if before.disks[0].disk_id != self.spec.disks[0].disk_id:
            raise MachineBusy(f"machine {self.spec.instance_id} runs from its first disk")


def is_grown(known: MachineDisk, disk: MachineDisk) -> bool:
    """Tell whether a disk is larger than it was known to be; raises MachineError when it is smaller."""
    if disk.size_bytes < known.size_bytes:
        raise MachineError(f"disk {disk.disk_id} has {known.size_bytes} bytes, and cannot shrink to {disk.size_bytes}")
    return disk.size_bytes > known.size_bytes


def change_disks(
    folder: MachineFolder,
    change: DiskChange,
    loose: LooseDisks,
    talks: Conversations,
    grow_kept: Callable[[tuple[MachineDisk, ...]], None],
) -> None:
    """Bring a machine's files to what its new spec says; the caller holds the machine, or it runs and has let go of what left.

    Raises MachineBusy, MachineError, OSError.
    """
    for disk in change.kept:
        if not folder.overlay(disk.disk_id).exists():
            raise MachineError(f"what disk {disk.disk_id} held is gone")
    with ExitStack() as stack:
        for disk in change.left:
            loose.expect(disk.disk_id)
        for disk in sorted([*change.left, *change.new], key=lambda disk: disk.disk_id):
            hold = stack.enter_context(loose.held(disk.disk_id))
            if hold is not None and disk in change.new:
                grow_loose(loose, disk, talks, hold)
        _bring_overlays(folder, change, loose)
        grow_kept(change.grown)
        if change.spec.firmware is Firmware.UEFI and (change.spec.disks[0] not in change.kept or not folder.has_variables()):
            folder.make_variables()
        folder.change(change.spec)
        for disk in change.left:
            loose.move_in(disk.disk_id, folder)
        for disk in change.new:
            loose.drop(disk.disk_id)


def _bring_overlays(folder: MachineFolder, change: DiskChange, loose: LooseDisks) -> None:
    for disk in change.left:
        loose.announce(disk, folder)
    for disk in change.new:
        loose.move_out(disk, folder)
    for disk in change.fresh:
        folder.make_overlay(disk)


def grow_loose(loose: LooseDisks, disk: MachineDisk, talks: Conversations, hold: int) -> None:
    """Make what is kept of a disk as large as the disk is; the caller holds it. Raises MachineError."""
    known = loose.find(disk.disk_id)
    if known is not None and known.has_content_of(disk) and is_grown(known, disk):
        grow_overlays(loose.folder(disk.disk_id), [disk], talks, hold)
        loose.note_size(disk)


def grow_overlays(folder: HeldFolder, disks: Iterable[MachineDisk], talks: Conversations, hold: int) -> None:
    """Make overlays in a held folder as large as their disks are; what lies under them is not needed. Raises MachineError."""
    alone = [replace(disk, base=None) for disk in disks]
    if not alone:
        return
    try:
        with opened_disks(folder, alone, [], talks, hold=hold) as (monitor, _):
            grow_all(monitor, alone)
    except (MonitorLost, OrderRefused, OSError) as problem:
        raise MachineError(f"disks of {folder.path.name} do not grow", detail=f"{problem}\n{folder.log_tail()}") from problem


def keep_disks(folder: MachineFolder, doomed: Iterable[MachineDisk], loose: LooseDisks) -> None:
    """Make disks of a machine that is about to be removed loose; those that are so already stay so. Raises MachineBusy."""
    for disk in doomed:
        if folder.overlay(disk.disk_id).exists():
            loose.expect(disk.disk_id)
            with loose.held(disk.disk_id):
                loose.announce(disk, folder)
                loose.move_in(disk.disk_id, folder)


def keep_strays(folder: MachineFolder, loose: LooseDisks) -> None:
    """Let loose disks go home whose move from or to this machine was cut short. Raises MachineBusy."""
    for overlay in folder.path.glob("disk-*.qcow2"):
        with loose.held(DiskId(overlay.stem)):
            pass  # whoever holds a disk finds it set right
