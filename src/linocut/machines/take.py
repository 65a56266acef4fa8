"""Copies what disks hold at one moment onto NBD targets, as one QEMU block job a disk.

One transaction makes a mark of each disk and begins each copy, so all speak of the same moment. From then on QEMU copies what the
guest is about to overwrite before it does, and the guest runs on. Without an earlier mark a job takes what the overlay holds
(`sync=top`); with one it takes what was written since (`sync=bitmap`). Both leave out what lies under the overlay, so the cost
follows the change. Where neither will do, a job reads everything (`sync=full`).

Jobs and targets have the same names for every attempt, so that a later one finds and removes what an earlier one left, of this
service process or of one before it.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from linocut.machines.command import RECONNECT_S, nbd_node
from linocut.machines.errors import Cancelled, MarkGone, NoSpace, SnapshotFailed
from linocut.machines.interface import DiskTake, Snapshotted, Taken
from linocut.machines.marks import drop_marks, mark_action, marks
from linocut.machines.monitor import Monitor, MonitorLost, OrderRefused
from linocut.model.ids import DiskId

_FIRST_POLL_S: Final = 0.002
_LONGEST_POLL_S: Final = 0.1
_CLEAR_S: Final = 45.0
_RETURN_S: Final = 20.0
"""QEMU looks for a target that went away every 16 s, and more often at first."""
_TARGET: Final = {"cache": {"no-flush": True}, "reconnect-delay": RECONNECT_S}
"""How QEMU opens a target.

QEMU flushes a node when it lets go of it, and a guest stands still until that is done: whoever seals the target makes it durable.
"""
_FULL: Final = "No space left"

Job = dict[str, Any]


@dataclass(frozen=True)
class Watch:
    """What a caller sees of a copy, and how it ends one."""

    progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]

    @classmethod
    def of(cls, progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None) -> "Watch":
        """Return a watch whose missing parts do nothing."""
        return cls(progress or (lambda _done, _total: None), cancelled or (lambda: False))


def take_disks(
    monitor: Monitor,
    takes: Sequence[DiskTake],
    folders: Mapping[Path, int],
    watch: Watch,
    *,
    still: AbstractContextManager[bool],
) -> Taken:
    """Copy disks that QEMU has open, to targets whose sockets' folders it has open as these descriptors.

    The moment is within `still`, which says whether the guest's file systems are frozen. Raises MarkGone, Cancelled, NoSpace,
    SnapshotFailed, and then leaves nothing behind.
    """
    try:
        _make_ready(monitor, takes)
        if watch.cancelled():
            raise Cancelled("the copy was cancelled")
        try:
            for take in takes:
                folder = folders[take.target.socket_path.parent]
                monitor.execute("blockdev-add", nbd_node(_target_node(take.disk_id), take.target, folder, **_TARGET))
            with still as frozen:
                monitor.execute("transaction", {"actions": [action for take in takes for action in _actions(take)]})
            copied = _wait(monitor, takes, watch)
            for take in takes:
                monitor.execute("blockdev-del", {"node-name": _target_node(take.disk_id)})
        except BaseException:
            with suppress(OrderRefused, MonitorLost, SnapshotFailed):
                for take in takes:
                    _give_up(monitor, take)
            raise
    except (OrderRefused, MonitorLost) as problem:
        raise _failure(str(problem)) from problem
    return Taken(tuple(Snapshotted(copied[take.disk_id], take.mark) for take in takes), frozen)


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


def clear_take(monitor: Monitor, disk_id: DiskId) -> None:
    """Remove the job and the target of a copy that did not end; raises OrderRefused, MonitorLost, SnapshotFailed.

    To cancel a job whose target is away fails the guest's writes that wait for it: the job is to move before it is cancelled.
    """
    begun_s = time.monotonic()
    seen: int | None = None
    while (job := _jobs(monitor).get(_job_id(disk_id))) is not None:
        if job["status"] == "concluded":
            monitor.execute("job-dismiss", {"id": job["id"]})
            continue
        waited_s = time.monotonic() - begun_s
        if waited_s > _RETURN_S or (seen is not None and job["current-progress"] > seen):
            with suppress(OrderRefused):
                monitor.execute("job-cancel", {"id": job["id"]})
        if waited_s > _CLEAR_S:
            raise SnapshotFailed(f"an earlier copy of disk {disk_id} does not end")
        seen = job["current-progress"] if seen is None else seen
        time.sleep(_FIRST_POLL_S)
    nodes = monitor.execute("query-named-block-nodes", {"flat": True})
    if any(node["node-name"] == _target_node(disk_id) for node in nodes):
        monitor.execute("blockdev-del", {"node-name": _target_node(disk_id)})


def is_taken(monitor: Monitor, disk_id: DiskId) -> bool:
    """Tell whether there is a copy of the disk that did not end; raises OrderRefused, MonitorLost."""
    return _job_id(disk_id) in _jobs(monitor)


def _make_ready(monitor: Monitor, takes: Sequence[DiskTake]) -> None:
    """Remove what earlier attempts left, and every mark that no take goes on from."""
    for take in takes:
        clear_take(monitor, take.disk_id)
    for take in takes:
        sound = {mark.name for mark in marks(monitor, take.disk_id) if mark.is_sound}
        if take.since is not None and take.since not in sound:
            raise MarkGone(take.disk_id, take.since)
    for take in takes:
        drop_marks(monitor, take.disk_id, but=take.since)


def _give_up(monitor: Monitor, take: DiskTake) -> None:
    clear_take(monitor, take.disk_id)
    drop_marks(monitor, take.disk_id, but=take.since)


def _actions(take: DiskTake) -> list[dict[str, Any]]:
    backup: dict[str, Any] = {"job-id": _job_id(take.disk_id), "device": take.disk_id, "target": _target_node(take.disk_id)}
    backup |= {"auto-dismiss": False, "sync": "full" if take.whole else "top"}
    if take.since is not None:
        backup |= {"sync": "bitmap", "bitmap": take.since, "bitmap-mode": "never"}
    return [mark_action(take.disk_id, take.mark), {"type": "blockdev-backup", "data": backup}]


def _wait(monitor: Monitor, takes: Sequence[DiskTake], watch: Watch) -> dict[DiskId, int]:
    """Return the bytes copied of each disk when all jobs have ended well."""
    pause_s = _FIRST_POLL_S
    while True:
        jobs = _jobs(monitor)
        ours = {take.disk_id: jobs.get(_job_id(take.disk_id)) for take in takes}
        running = [job for disk_id, job in ours.items() if _runs(disk_id, job)]
        copied = {disk_id: int(job["current-progress"]) for disk_id, job in ours.items() if job is not None}
        watch.progress(sum(copied.values()), sum(int(job["total-progress"]) for job in ours.values() if job is not None))
        if not running:
            break
        if watch.cancelled():
            raise Cancelled("the copy was cancelled")
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_POLL_S)
    for take in takes:
        monitor.execute("job-dismiss", {"id": _job_id(take.disk_id)})
    return copied


def _runs(disk_id: DiskId, job: Job | None) -> bool:
    """Tell whether a job still runs; raises SnapshotFailed, NoSpace where it ended otherwise than well."""
    if job is None:
        raise SnapshotFailed(f"the copy of disk {disk_id} vanished")
    if "error" in job:
        raise _failure(f"disk {disk_id}: {job['error']}")
    return bool(job["status"] != "concluded")


def _jobs(monitor: Monitor) -> dict[str, Job]:
    return {job["id"]: job for job in monitor.execute("query-jobs")}


def _job_id(disk_id: DiskId) -> str:
    return f"snapshot-{disk_id}"


def _target_node(disk_id: DiskId) -> str:
    return f"{disk_id}-target"


def _failure(reason: str) -> NoSpace | SnapshotFailed:
    message = "what the disks hold did not reach its target"
    return NoSpace(message, detail=reason) if _FULL in reason else SnapshotFailed(message, detail=reason)
