"""Taking what disks hold: the one way from disks to trees, for snapshots, groups of them, and images.

All disks of one take are of one moment. Of each is taken what was written since the last tree was taken from it. Where that is
not known any more, it is what its overlay holds, onto the tree that it began on; and where that tree cannot be read, it is the
whole disk. A machine that goes away meanwhile, stopped or killed, is taken again as it then is, so that what was asked for comes
to be all the same; a disk that is gone is not. It is taken again as well after a block server or a store went away; where the
store is full, the take fails. No guest pays for either: QEMU copies onto exports that are shielded.
"""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final

import structlog

from linocut.blocks import IngestGone, IngestHandle, ObjectUnreadable, ServerUnavailable, StoreFull, StoreUnavailable
from linocut.catalog import Tx
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.machine_specs import machine_disk, prepare_stopped
from linocut.cloud.workflows.pacing import turn
from linocut.machines import DiskTake, MachineBusy, MachineGone, MarkGone, NbdExport, SnapshotFailed, Snapshotted, Taken
from linocut.model import errors
from linocut.model.ids import DiskId, Region, RootDigest, SnapshotId
from linocut.model.records import Disk, Snapshot
from linocut.model.states import SnapshotState

_GIB: Final = 1024**3
_CONCURRENT_TAKES: Final = threading.BoundedSemaphore(8)
"""Each take moves bytes as fast as it can; the rest wait their turn, and are of a later moment."""
_PAUSES_S: Final = (0.1, 0.5, 2.0, 4.0)
"""Between one attempt and the next, of which there is one more than pauses."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A disk's content in the region store; `mark` is where the next take of this `generation` of it may go on from."""

    snapshot_id: SnapshotId
    root: RootDigest
    size_bytes: int
    disk_id: DiskId | None = None
    mark: str | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class TakenDisks:
    """Disks' contents of one moment; `is_frozen` tells that the guest's file systems were at rest then."""

    stored: list[Stored]
    is_frozen: bool = False
    moment: datetime | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What a take tells while it goes on, and how it is ended."""

    progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]


class _Way(IntEnum):
    """What of a disk is copied: each way asks less of what is there than the one before."""

    SINCE_MARK = 0
    OVERLAY = 1
    WHOLE = 2


class _ParentUnreadable(Exception):
    """The tree that a disk's content was to add to cannot be read; the cause is ObjectUnreadable."""

    def __init__(self, disk_id: DiskId) -> None:
        super().__init__(disk_id)
        self.disk_id = disk_id


@dataclass
class _Ways:
    """How each disk is to be taken, as far as that is known to differ from the first way."""

    of: dict[DiskId, _Way] = field(default_factory=dict)

    def way(self, disk: Disk) -> _Way:
        """Return how a disk is to be taken."""
        is_marked = disk.synced_root is not None and disk.synced_mark is not None
        return max(self.of.get(disk.disk_id, _Way.SINCE_MARK), _Way.SINCE_MARK if is_marked else _Way.OVERLAY)

    def give_up(self, disk: Disk) -> bool:
        """Go over to the next way of taking a disk; return whether there is one."""
        way = self.way(disk)
        self.of[disk.disk_id] = _Way(min(way + 1, _Way.WHOLE))
        return way is not _Way.WHOLE


def take_disks(cloud: Cloud, region: Region, snapshots: Sequence[Snapshot], watch: Watch) -> TakenDisks:
    """Return what the disks of these snapshots, all of one instance or one of none, hold at one moment.

    Raises DiskNotFound, DisksOfSeveralInstances, TaskCancelled, MachineError, BlockError.
    """
    ways = _Ways()
    with turn(_CONCURRENT_TAKES, watch.cancelled):
        for attempt, pause_s in enumerate(_PAUSES_S):
            try:
                return _take_in_any_way(cloud, region, snapshots, ways, watch)
            except StoreFull:
                raise
            except (MachineGone, MachineBusy, SnapshotFailed, ServerUnavailable, IngestGone, StoreUnavailable) as problem:
                _log.info("taken again", snapshots=[one.snapshot_id for one in snapshots], why=str(problem))
                _wait(pause_s, watch)
                if attempt % 2 and isinstance(problem, SnapshotFailed):  # twice: what is below may be what cannot be read
                    for disk in _disks(cloud, snapshots):
                        ways.give_up(disk)
        return _take_in_any_way(cloud, region, snapshots, ways, watch)


def record_taken(tx: Tx, snapshots: Sequence[Snapshot], taken: TakenDisks) -> None:
    """Say of those of the snapshots that are CREATING what they hold, and of the disks since when writes are recorded.

    What was asked for may be of a later moment than the asking: it waited for its turn, or was taken again.
    """
    unfinished = {one.snapshot_id for one in snapshots if one.state is SnapshotState.CREATING}
    for one in taken.stored:
        if one.snapshot_id in unfinished:
            tx.snapshots.finish(one.snapshot_id, one.root, one.size_bytes, is_frozen=taken.is_frozen, created_at=taken.moment)
        disk = tx.disks.get(one.disk_id) if one.disk_id is not None else None
        if disk is not None and disk.generation == one.generation:
            tx.disks.synced(disk.disk_id, one.root, one.mark)
    for group_id in {one.group_id for one in snapshots if one.snapshot_id in unfinished and one.group_id is not None}:
        if taken.moment is not None:
            tx.snapshot_groups.taken_at(group_id, taken.moment)


def _take_in_any_way(cloud: Cloud, region: Region, snapshots: Sequence[Snapshot], ways: _Ways, watch: Watch) -> TakenDisks:
    """Take the disks as they now are, by the first way that each of them can be taken."""
    while True:
        disks = _disks(cloud, snapshots)
        by_id = {disk.disk_id: disk for disk in disks}
        try:
            return _take(cloud, region, snapshots, disks, ways, watch)
        except MarkGone as gone:  # the machine crashed: what the disk wrote is told by its overlay alone
            ways.give_up(by_id[gone.disk_id])
        except _ParentUnreadable as unreadable:
            if not ways.give_up(by_id[unreadable.disk_id]):
                raise (unreadable.__cause__ or unreadable) from None


def _take(
    cloud: Cloud, region: Region, snapshots: Sequence[Snapshot], disks: Sequence[Disk], ways: _Ways, watch: Watch
) -> TakenDisks:
    server = cloud.stores.server(region)
    with ExitStack() as stack:
        ingests: list[IngestHandle] = []
        takes: list[DiskTake] = []
        for disk in disks:
            way = ways.way(disk)
            parent = (disk.synced_root, disk.base_root, None)[way]
            try:
                ingest = server.ingest(disk.size_gb * _GIB, parent)
            except ObjectUnreadable as error:
                raise _ParentUnreadable(disk.disk_id) from error
            stack.callback(ingest.abort)
            ingests.append(ingest)
            target = NbdExport(server.socket_path, ingest.shielded_export)
            since = disk.synced_mark if way is _Way.SINCE_MARK else None
            mark = f"mark-{secrets.token_hex(8)}"
            takes.append(DiskTake(disk.disk_id, target, mark, since, whole=way is _Way.WHOLE, generation=disk.generation))
        began: list[datetime] = []

        def progress(done: int, total: int) -> None:
            if not began:
                began.append(cloud.now())
            watch.progress(done, total)

        taken = _copy(cloud, disks, takes, Watch(progress, watch.cancelled))
        return TakenDisks(
            [
                Stored(
                    snapshot.snapshot_id,
                    _sealed(ingest, disk),
                    disk.size_gb * _GIB,
                    disk.disk_id,
                    copied.mark,
                    disk.generation,
                )
                for snapshot, disk, ingest, copied in zip(snapshots, disks, ingests, taken.disks, strict=True)
            ],
            taken.frozen,
            began[0] if began else cloud.now(),
        )


def _copy(cloud: Cloud, disks: Sequence[Disk], takes: list[DiskTake], watch: Watch) -> Taken:
    """Copy what the disks hold at this moment onto their targets."""
    instance_id = disks[0].instance_id
    if instance_id is not None:
        prepare_stopped(cloud, instance_id)  # its row may be ahead of it, after something that failed; if it runs, it is refused
        return cloud.machines.take(instance_id, takes, progress=watch.progress, cancelled=watch.cancelled)
    (disk,), (take,) = disks, takes
    if disk.last_instance is None and disk.generation == 0:  # nobody has written to it: it is its tree
        return Taken((Snapshotted(0, take.mark),), frozen=False)
    machine = machine_disk(cloud, disk)
    return Taken((cloud.machines.take_loose(machine, take, progress=watch.progress, cancelled=watch.cancelled),), frozen=False)


def _disks(cloud: Cloud, snapshots: Sequence[Snapshot]) -> list[Disk]:
    """Return the disks of snapshots as they now are. Raises DiskNotFound, DisksOfSeveralInstances."""
    found: list[Disk] = []
    with cloud.catalog.read() as tx:
        for snapshot in snapshots:
            disk = None if snapshot.disk_id is None else tx.disks.get(snapshot.disk_id)
            if disk is None:
                raise errors.DiskNotFound(f"There is no disk {snapshot.disk_id}.")
            found.append(disk)
    if len({disk.instance_id for disk in found}) > 1 or (len(found) > 1 and found[0].instance_id is None):
        raise errors.DisksOfSeveralInstances("The disks are not attached to one instance.")
    return found


def _sealed(ingest: IngestHandle, disk: Disk) -> RootDigest:
    try:
        return ingest.seal()
    except ObjectUnreadable as error:
        raise _ParentUnreadable(disk.disk_id) from error


def _wait(pause_s: float, watch: Watch) -> None:
    """Let a machine come to rest. Raises TaskCancelled."""
    if watch.cancelled():
        raise errors.TaskCancelled("The task was cancelled.")
    time.sleep(pause_s)
