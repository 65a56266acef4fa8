"""How an image becomes files of a bucket: each disk is written to a file here, whole, and only then gets its name there.

A step that is killed is repeated from its beginning, and what it had written is replaced. Undoing is removing the files whose
names were free before. What an earlier export left under a name holds the same disk, so a newer file in its place stays.
"""

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from linocut.blocks import CHUNK_BYTES, Tree
from linocut.cloud import tasks
from linocut.cloud.buckets import open_bucket
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, step, workflow
from linocut.formats import DIRECT_FORMATS, DiskFormat, DiskLimits, FetchFailed, FormatError, convert_out, write_disk
from linocut.model import errors
from linocut.model.ids import ImageId
from linocut.model.records import Export, Snapshot
from linocut.model.states import ImageState

_WRITTEN_PERCENT: Final = 70
_PROGRESS_INTERVAL_S: Final = 0.5
_SLACK_BYTES: Final = 64 * 1024**2
_FOLDER_MODE: Final = 0o711
_READERS: Final = 2
_READ_AHEAD: Final = 16
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Part:
    """Which part of an export's progress a step makes: that of one file in several, between two percentages."""

    position: int
    count: int
    first: int
    last: int


@workflow("export-image")
def export_image(image_id: str) -> None:
    """Write an image's disks into a bucket."""
    plan = plan_export(image_id)
    if isinstance(plan, Failed):
        return
    request_id, count = plan
    free = _write_all(image_id, count)
    failed = free if isinstance(free, Failed) else _put_all(image_id, count)
    if failed is None:
        settled = settle_export(image_id, request_id, "")
        failed = settled if isinstance(settled, Failed) else None
    if failed is not None:
        withdrawn = None if isinstance(free, Failed) else withdraw_files(image_id, free)
        left = f" {withdrawn.reason}" if isinstance(withdrawn, Failed) else ""
        settle_export(image_id, request_id, f"{failed.reason}{left}")


def _write_all(image_id: str, count: int) -> list[int] | Failed:
    for position in range(count):
        written = write_file(image_id, position, count)
        if isinstance(written, Failed):
            return written
    return find_free(image_id)


def _put_all(image_id: str, count: int) -> Failed | None:
    for position in range(count):
        put = put_file(image_id, position, count)
        if isinstance(put, Failed):
            return put
    return None


@step("export-image.plan")
def plan_export(cloud: Cloud, image_id: str) -> tuple[str, int]:
    """Return which request asked for the export, and how many files there will be."""
    export, _ = _read(cloud, image_id)
    return export.request_id, len(export.keys)


@step("export-image.write")
def write_file(cloud: Cloud, image_id: str, position: int, count: int) -> None:
    """Write a disk to a file here."""
    export, snapshots = _read(cloud, image_id)
    snapshot = snapshots[position]
    _require_room(cloud, export, snapshot)
    show = _shower(cloud, export, snapshots, _Part(position, count, 0, _WRITTEN_PERCENT))
    is_to_stop = tasks.canceller(cloud, image_id, export.request_id)
    file, disk_format = _file(cloud, export, position), DiskFormat(export.format)
    if disk_format in DIRECT_FORMATS:
        write_disk(file, disk_format, snapshot.size_bytes, _pieces(_tree(cloud, export, snapshot), show, is_to_stop))
        return
    convert_out(
        cloud.stores.server(export.region).socket_path,
        f"tree/{snapshot.root}",
        file,
        disk_format,
        limits=DiskLimits(virtual_size_bytes=snapshot.size_bytes, run_as=cloud.stores.run_as),
        progress=show,
        cancelled=is_to_stop,
    )


@step("export-image.find-free")
def find_free(cloud: Cloud, image_id: str) -> list[int]:
    """Return which of the files have names that the bucket does not have yet."""
    export, _ = _read(cloud, image_id)
    bucket = open_bucket(cloud, export.bucket)
    return [position for position, key in enumerate(export.keys) if bucket.info(key) is None]


@step("export-image.put")
def put_file(cloud: Cloud, image_id: str, position: int, count: int) -> None:
    """Bring a file into the bucket, under its name."""
    export, snapshots = _read(cloud, image_id)
    show = _shower(cloud, export, snapshots, _Part(position, count, _WRITTEN_PERCENT, 99))
    tasks.require_wanted(cloud, image_id, export.request_id)
    open_bucket(cloud, export.bucket).put(
        export.keys[position],
        _file(cloud, export, position),
        progress=lambda done, total: show(done / total if total else 1.0),
        cancelled=tasks.canceller(cloud, image_id, export.request_id),
    )


@step("export-image.withdraw")
def withdraw_files(cloud: Cloud, image_id: str, positions: list[int]) -> None:
    """Take back those files of an export that failed on its way into the bucket; fail with the names of those that stay."""
    export, _ = _read(cloud, image_id)
    left = []
    for key in (export.keys[position] for position in positions):
        try:
            open_bucket(cloud, export.bucket).delete(key)
        except FormatError as error:
            left.append(key)
            _log.warning("file is not withdrawn", bucket=export.bucket, key=key, why=error.detail)
    if left:
        raise FetchFailed(f"The bucket may keep parts of it: {', '.join(left)}.", export.bucket)


@step("export-image.settle")
def settle_export(cloud: Cloud, image_id: str, request_id: str, reason: str) -> None:
    """Remove the files here, and let the image be NORMAL again; its task says what came of it."""
    end_export(cloud, ImageId(image_id), request_id, reason)


def end_export(cloud: Cloud, image_id: ImageId, request_id: str, reason: str) -> None:
    """End the export that a request began, well where there is no reason to the contrary; harmless where it has ended."""
    with cloud.catalog.read() as tx:
        image, export = tx.images.find(image_id), tx.exports.of(image_id)
    if export is not None and export.request_id != request_id:
        return  # a later one
    if image is not None and export is not None:
        with cloud.catalog.begin() as tx:
            tx.exports.remove(image_id)
            tx.images.move(image, ImageState.NORMAL)
            tasks.end(cloud, tx, image_id, request_id, reason)
    shutil.rmtree(export_directory(cloud, image_id), ignore_errors=True)


def export_directory(cloud: Cloud, image_id: str) -> Path:
    """Return where an export keeps its files on their way."""
    return cloud.settings.state / "exports" / image_id


def _read(cloud: Cloud, image_id: str) -> tuple[Export, tuple[Snapshot, ...]]:
    """Return an export and the snapshots that it writes, the system disk's first."""
    with cloud.catalog.read() as tx:
        export = tx.exports.of(ImageId(image_id))
        if export is None:
            raise LookupError(f"there is no export of {image_id}")
        return export, tx.images.snapshots_of(export.image_id)[: len(export.keys)]


def _file(cloud: Cloud, export: Export, position: int) -> Path:
    return export_directory(cloud, export.image_id) / export.keys[position]


def _require_room(cloud: Cloud, export: Export, snapshot: Snapshot) -> None:
    """Make the folder for the files, and raise DiskSpaceExhausted where another one would not fit."""
    folder = export_directory(cloud, export.image_id)
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    needed = _data_bytes(cloud, export, snapshot) + _SLACK_BYTES
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < needed:
        raise errors.DiskSpaceExhausted("The service's disk has no room for this export.", detail=f"{needed} bytes are needed")


def _data_bytes(cloud: Cloud, export: Export, snapshot: Snapshot) -> int:
    """Return how much of a disk is not nothing, at most."""
    tree = _tree(cloud, export, snapshot)
    return sum(extent.length for extent in tree.runs(0, tree.size_bytes) if extent.is_data)


def _tree(cloud: Cloud, export: Export, snapshot: Snapshot) -> Tree:
    if snapshot.root is None:
        raise LookupError(f"{snapshot.snapshot_id} has no content")
    return cloud.stores.store(export.region).tree(snapshot.root)


def _pieces(tree: Tree, show: Callable[[float], None], is_to_stop: Callable[[], bool]) -> Iterator[tuple[int, bytes]]:
    """Yield what a disk holds, a chunk at a time in rising order, verified, some chunks being read ahead in threads."""
    ahead: deque[tuple[int, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_READERS, thread_name_prefix="export") as readers:
        try:
            for offset, length in _chunks(tree):
                ahead.append((offset, readers.submit(tree.read, offset, length)))
                if len(ahead) > _READ_AHEAD:
                    yield _first_of(ahead, tree, show, is_to_stop)
            while ahead:
                yield _first_of(ahead, tree, show, is_to_stop)
        finally:
            for _, left in ahead:
                left.cancel()


def _first_of(
    ahead: deque[tuple[int, Future[bytes]]], tree: Tree, show: Callable[[float], None], is_to_stop: Callable[[], bool]
) -> tuple[int, bytes]:
    if is_to_stop():
        raise errors.TaskCancelled("The export was cancelled.")
    offset, read = ahead.popleft()
    data = read.result()
    show(offset / tree.size_bytes)
    return offset, data


def _chunks(tree: Tree) -> Iterator[tuple[int, int]]:
    """Yield where a disk has data, in pieces of a chunk."""
    for extent in tree.runs(0, tree.size_bytes):
        if extent.is_data:
            end = extent.offset + extent.length
            for offset in range(extent.offset, end, CHUNK_BYTES):
                yield offset, min(CHUNK_BYTES, end - offset)


def _shower(cloud: Cloud, export: Export, snapshots: tuple[Snapshot, ...], part: _Part) -> Callable[[float], None]:
    """Return a function that shows a step's progress, a fraction, and not too often."""
    total = sum(snapshot.size_bytes for snapshot in snapshots)
    shown_at = [0.0]

    def show(fraction: float) -> None:
        if time.monotonic() - shown_at[0] < _PROGRESS_INTERVAL_S:
            return
        shown_at[0] = time.monotonic()
        percent = part.first + int((part.last - part.first) * (part.position + min(fraction, 1.0)) / part.count)
        with cloud.catalog.begin() as tx:
            tasks.report(
                tx, export.image_id, export.request_id, percent=percent, bytes_done=total * percent // 100, bytes_total=total
            )

    return show
