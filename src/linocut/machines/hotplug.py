"""Disks of a running machine come, go and grow, and its guest sees it.

What is there is asked of QEMU each time, for a guest may let go of a disk long after it was asked to, and an earlier service
process may have been killed half way.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linocut.machines.command import base_node, disk_device, disk_nodes, file_node
from linocut.machines.errors import DiskInUse, MachineError
from linocut.machines.interface import MachineDisk
from linocut.machines.marks import drop_unsound_marks
from linocut.machines.monitor import Monitor, OrderRefused
from linocut.model.ids import DiskId, is_id

_POLL_S: Final = 0.05
_ASK_AGAIN_S: Final = 2.0
_RELEASE_S: Final = 10.0
_BACKEND: Final = "/virtio-backend"


@dataclass(frozen=True)
class OpenDisk:
    """A disk that QEMU has open; `device` is the guest's, None where it has let go of it or never had it."""

    size_bytes: int
    device: str | None


def open_disks(monitor: Monitor) -> Mapping[DiskId, OpenDisk]:
    """Return the disks that QEMU has open; raises OrderRefused, MonitorLost."""
    devices: dict[str, str] = {}
    for entry in monitor.execute("query-block"):
        if entry.get("qdev") and "inserted" in entry:
            devices[entry["inserted"]["node-name"]] = entry["qdev"].removesuffix(_BACKEND)
    nodes = {node["node-name"]: node for node in monitor.execute("query-named-block-nodes", {"flat": True})}
    return {
        DiskId(name): OpenDisk(int(node["image"]["virtual-size"]), devices.get(name))
        for name, node in nodes.items()
        if is_id("disk", name)
    }


def plug_all(monitor: Monitor, disks: Iterable[MachineDisk], inherited: Callable[[Path], int | None]) -> None:
    """Give the guest those of the disks that it does not have.

    `inherited` says by which descriptor QEMU has the folder of a base's socket open, for as long as it runs. Raises MachineError,
    OrderRefused, MonitorLost; a disk that is refused is not open then.
    """
    known = open_disks(monitor)
    for disk in disks:
        found = known.get(disk.disk_id)
        if found is None:
            _open(monitor, disk, inherited)
        if found is None or found.device is None:
            try:
                monitor.execute("device_add", disk_device(disk.disk_id))
            except OrderRefused:
                _close(monitor, disk.disk_id)
                raise


def unplug_all_but(monitor: Monitor, disk_ids: Collection[DiskId], *, within_s: float) -> None:
    """Take every other disk from the guest, which is asked to let go of them, and close them, which writes their marks.

    Raises DiskInUse, OrderRefused, MonitorLost.
    """
    for disk_id, disk in open_disks(monitor).items():
        if disk_id not in disk_ids:
            if disk.device is not None:
                _unplug(monitor, disk_id, disk.device, within_s)
            _close(monitor, disk_id)


def grow_all(monitor: Monitor, disks: Iterable[MachineDisk]) -> None:
    """Make open disks as large as they are to be; raises MachineError when one is larger, OrderRefused, MonitorLost."""
    known = open_disks(monitor)
    for disk in disks:
        size_bytes = known[disk.disk_id].size_bytes
        if size_bytes > disk.size_bytes:
            raise MachineError(f"disk {disk.disk_id} has {size_bytes} bytes, and cannot shrink to {disk.size_bytes}")
        if size_bytes < disk.size_bytes:
            drop_unsound_marks(monitor, disk.disk_id)  # an overlay with such does not grow
            monitor.execute("block_resize", {"node-name": disk.disk_id, "size": disk.size_bytes})


def _open(monitor: Monitor, disk: MachineDisk, inherited: Callable[[Path], int | None]) -> None:
    folders: dict[Path, int] = {}
    if disk.base is not None:
        path = disk.base.socket_path.parent
        number = inherited(path)
        if number is None:
            raise MachineError(f"the base of disk {disk.disk_id} is not within the reach of a machine that runs")
        folders[path] = number
    try:
        for node in disk_nodes(disk, folders, open_s=0):  # the guest stands still meanwhile
            monitor.execute("blockdev-add", node)
    except OrderRefused:
        _close(monitor, disk.disk_id)
        raise


def _unplug(monitor: Monitor, disk_id: DiskId, device: str, within_s: float) -> None:
    """Ask a guest to let go of a disk, and again every few seconds, for one that boots does not listen yet."""
    deadline = time.monotonic() + within_s
    asked_at = -math.inf
    while _has_device(monitor, disk_id):
        now = time.monotonic()
        if now > deadline:
            raise DiskInUse(f"the guest does not let go of disk {disk_id}")
        if now - asked_at > _ASK_AGAIN_S:
            asked_at = now
            with suppress(OrderRefused):  # it has been asked, and has not answered
                monitor.execute("device_del", {"id": device})
        time.sleep(_POLL_S)


def _close(monitor: Monitor, disk_id: DiskId) -> None:
    """Close what is open of a disk, which the guest does not have.

    QEMU lets go of the disk a while after its device has vanished, and refuses until then.
    """
    names = {node["node-name"] for node in monitor.execute("query-named-block-nodes", {"flat": True})}
    deadline = time.monotonic() + _RELEASE_S
    for name in (disk_id, file_node(disk_id), base_node(disk_id)):
        while name in names:
            try:
                monitor.execute("blockdev-del", {"node-name": name})
                break
            except OrderRefused:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)


def _has_device(monitor: Monitor, disk_id: DiskId) -> bool:
    known = open_disks(monitor).get(disk_id)
    return known is not None and known.device is not None
