"""Copies what a disk has written onto an NBD target, as one QEMU block job.

One transaction begins a dirty bitmap (the mark) and the copy, so both speak of the same moment. From then on QEMU copies what the
guest is about to overwrite before it does, and the guest runs on. Without a base mark the job takes what the overlay holds
(`sync=top`); with one it takes what that bitmap has seen. Both leave out what lies under the overlay, so the cost follows the
change.

A bitmap lives in the QEMU process only. A mark of an earlier run is unknown, and its owner starts over from the base tree.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from linocut.machines.command import nbd_node
from linocut.machines.errors import Cancelled, MarkGone, NoSpace, SnapshotFailed
from linocut.machines.interface import NbdExport
from linocut.machines.monitor import Monitor, MonitorLost, OrderRefused
from linocut.model.ids import DiskId

_BITMAP_GRANULARITY: Final = 64 * 1024
_FIRST_POLL_S: Final = 0.002
_LONGEST_POLL_S: Final = 0.1
_CLEAR_S: Final = 30.0
_UNFLUSHED: Final = {"no-flush": True}
"""QEMU flushes a node when it lets go of it, and a guest stands still until that is done.

Whoever seals the target makes it durable."""
_FULL: Final = "No space left"


@dataclass(frozen=True)
class DiskCopy:
    """One copy of one disk: which node, where to, since when, and how it is to be called."""

    disk_id: DiskId
    target: NbdExport
    since: str | None
    mark: str | None
    progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]

    @property
    def job(self) -> str:
        """The block job's id, the same for every attempt, so that a later one finds what an earlier one left."""
        return f"snapshot-{self.disk_id}"

    @property
    def target_node(self) -> str:
        """The name of the target's block node."""
        return f"{self.disk_id}-target"


def copy_disk(monitor: Monitor, copy: DiskCopy, folder: int) -> int:
    """Return how many bytes were copied, to a target whose socket's folder QEMU has open as `folder`.

    Raises MarkGone, Cancelled, NoSpace, SnapshotFailed, and then leaves nothing behind.
    """
    try:
        _clear(monitor, copy)
        if copy.since is not None and copy.since not in marks(monitor, copy.disk_id):
            raise MarkGone(f"disk {copy.disk_id} has no mark {copy.since!r}")
        if copy.cancelled():
            raise Cancelled(f"the copy of disk {copy.disk_id} was cancelled")
        monitor.execute("blockdev-add", nbd_node(copy.target_node, copy.target, folder, cache=_UNFLUSHED))
        try:
            monitor.execute("transaction", {"actions": _actions(copy)})
            done = _wait(monitor, copy)
            monitor.execute("blockdev-del", {"node-name": copy.target_node})
        except BaseException:
            with suppress(OrderRefused, MonitorLost):
                _clear(monitor, copy)
            raise
    except (OrderRefused, MonitorLost) as problem:
        raise _failure(copy, str(problem)) from problem
    return done


@contextmanager
def sent_folder(monitor: Monitor, path: Path) -> Iterator[int]:
    """Open a folder for QEMU and give the descriptor that it is there; raises OSError, OrderRefused, MonitorLost."""
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sent = monitor.execute_with_descriptor("add-fd", folder)
    finally:
        os.close(folder)
    try:
        yield int(sent["fd"])
    finally:
        with suppress(OrderRefused, MonitorLost):
            monitor.execute("remove-fd", {"fdset-id": sent["fdset-id"], "fd": sent["fd"]})


def marks(monitor: Monitor, disk_id: DiskId) -> frozenset[str]:
    """Return the marks that this run of the machine knows of a disk."""
    nodes = monitor.execute("query-named-block-nodes", {"flat": True})
    bitmaps = [bitmap for node in nodes if node["node-name"] == disk_id for bitmap in node.get("dirty-bitmaps", ())]
    return frozenset(bitmap["name"] for bitmap in bitmaps if "name" in bitmap)


def drop_mark(monitor: Monitor, disk_id: DiskId, mark: str) -> None:
    """Forget a mark that is known."""
    monitor.execute("block-dirty-bitmap-remove", {"node": disk_id, "name": mark})


def _actions(copy: DiskCopy) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = []
    if copy.mark is not None:
        bitmap = {"node": copy.disk_id, "name": copy.mark, "granularity": _BITMAP_GRANULARITY}
        actions.append({"type": "block-dirty-bitmap-add", "data": bitmap})
    backup: dict[str, Any] = {"job-id": copy.job, "device": copy.disk_id, "target": copy.target_node}
    backup |= {"auto-dismiss": False, "sync": "top"}
    if copy.since is not None:
        backup |= {"sync": "bitmap", "bitmap": copy.since, "bitmap-mode": "never"}
    return [*actions, {"type": "blockdev-backup", "data": backup}]


def _wait(monitor: Monitor, copy: DiskCopy) -> int:
    """Return the bytes copied when the job has ended well."""
    pause_s = _FIRST_POLL_S
    stopped = False
    while (job := _job(monitor, copy)) is not None and job["status"] != "concluded":
        copy.progress(job["current-progress"], job["total-progress"])
        if not stopped and copy.cancelled():
            stopped = True
            monitor.execute("job-cancel", {"id": copy.job})
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_POLL_S)
    if job is None:
        raise SnapshotFailed(f"the copy of disk {copy.disk_id} vanished")
    monitor.execute("job-dismiss", {"id": copy.job})
    if stopped:
        raise Cancelled(f"the copy of disk {copy.disk_id} was cancelled")
    if "error" in job:
        raise _failure(copy, job["error"])
    copy.progress(job["current-progress"], job["total-progress"])
    return int(job["current-progress"])


def _job(monitor: Monitor, copy: DiskCopy) -> dict[str, Any] | None:
    return next((job for job in monitor.execute("query-jobs") if job["id"] == copy.job), None)


def _clear(monitor: Monitor, copy: DiskCopy) -> None:
    """Remove the job, the target and the mark of an attempt that did not end, of ours or of an earlier service process."""
    deadline = time.monotonic() + _CLEAR_S
    while (job := _job(monitor, copy)) is not None:
        if job["status"] == "concluded":
            monitor.execute("job-dismiss", {"id": copy.job})
            continue
        with suppress(OrderRefused):
            monitor.execute("job-cancel", {"id": copy.job})
        if time.monotonic() > deadline:
            raise SnapshotFailed(f"an earlier copy of disk {copy.disk_id} does not end")
        time.sleep(_FIRST_POLL_S)
    nodes = monitor.execute("query-named-block-nodes", {"flat": True})
    if any(node["node-name"] == copy.target_node for node in nodes):
        monitor.execute("blockdev-del", {"node-name": copy.target_node})
    if copy.mark is not None and copy.mark in marks(monitor, copy.disk_id):
        drop_mark(monitor, copy.disk_id, copy.mark)


def _failure(copy: DiskCopy, reason: str) -> NoSpace | SnapshotFailed:
    message = f"the content of disk {copy.disk_id} did not reach its target"
    return NoSpace(message, detail=reason) if _FULL in reason else SnapshotFailed(message, detail=reason)
