"""Marks: persistent dirty bitmaps in an overlay, which remember what was written since a moment.

QEMU keeps them in its memory while it has the overlay open, and writes them into the overlay when it closes it. So they outlive
the machine's stops and starts. One whose QEMU did not come to that is inconsistent: it is not known any more, and only removed.
"""

from dataclasses import dataclass
from typing import Any, Final

from linocut.machines.monitor import Monitor
from linocut.model.ids import DiskId

_GRANULARITY: Final = 64 * 1024


@dataclass(frozen=True)
class Mark:
    """A mark of an open disk; what it remembers can be relied on only where it is sound."""

    name: str
    is_sound: bool


def marks(monitor: Monitor, disk_id: DiskId) -> tuple[Mark, ...]:
    """Return the marks of a disk that QEMU has open; raises OrderRefused, MonitorLost."""
    nodes = monitor.execute("query-named-block-nodes", {"flat": True})
    bitmaps = [bitmap for node in nodes if node["node-name"] == disk_id for bitmap in node.get("dirty-bitmaps", ())]
    return tuple(Mark(bitmap["name"], _is_sound(bitmap)) for bitmap in bitmaps if "name" in bitmap)


def drop_marks(monitor: Monitor, disk_id: DiskId, *, but: str | None) -> None:
    """Remove the marks of a disk but this one, and this too where it is not sound; raises OrderRefused, MonitorLost."""
    for mark in marks(monitor, disk_id):
        if mark.name != but or not mark.is_sound:
            _drop(monitor, disk_id, mark)


def drop_unsound_marks(monitor: Monitor, disk_id: DiskId) -> None:
    """Remove the marks of a disk that are not known any more; raises OrderRefused, MonitorLost."""
    for mark in marks(monitor, disk_id):
        if not mark.is_sound:
            _drop(monitor, disk_id, mark)


def mark_action(disk_id: DiskId, name: str) -> dict[str, Any]:
    """Return the part of a transaction that makes a mark."""
    bitmap = {"node": disk_id, "name": name, "granularity": _GRANULARITY, "persistent": True}
    return {"type": "block-dirty-bitmap-add", "data": bitmap}


def _drop(monitor: Monitor, disk_id: DiskId, mark: Mark) -> None:
    monitor.execute("block-dirty-bitmap-remove", {"node": disk_id, "name": mark.name})


def _is_sound(bitmap: dict[str, Any]) -> bool:
    return bool(bitmap["recording"]) and not bitmap.get("inconsistent", False)
