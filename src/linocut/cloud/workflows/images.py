"""How images come to be: by import from a URL, or from an instance.

An import fetches each file, proves what it is, writes it into the region store, and only then names the trees in the catalog.
An image of an instance copies what its disks hold at one moment, while the guest goes on. Undoing either is forgetting: objects
that no row names are swept later.
"""

import hashlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from linocut.cloud import tasks
from linocut.cloud.buckets import open_bucket
from linocut.cloud.context import Cloud
from linocut.cloud.uploads import remove_upload, upload_file
from linocut.cloud.workflows.durable import Failed, step, workflow
from linocut.cloud.workflows.instances import settle_row
from linocut.cloud.workflows.pacing import paced
from linocut.cloud.workflows.taking import Stored, TakenDisks, Watch, record_taken, take_disks
from linocut.formats import (
    Checksum,
    DiskFile,
    DiskFormat,
    DiskLimits,
    FetchFailed,
    FetchPolicy,
    SumsFile,
    checksum_listed,
    checksum_told,
    convert_into,
    fetch,
    inspect_disk,
)
from linocut.model import errors
from linocut.model.ids import ImageId, InstanceId, Region, RootDigest
from linocut.model.records import Image, Snapshot
from linocut.model.states import ImageState, InstanceState

_GIB: Final = 1024**3
_TEXT: Final = 1024
_FETCHED_PERCENT: Final = 50
_SUMS_BYTES: Final = 1 << 20
_CONCURRENT_INGESTS: Final = threading.BoundedSemaphore(2)
"""Two imports at a time take all that a disk and two cores have; the rest wait their turn."""


@workflow("import-image")
def import_image(image_id: str) -> None:
    """Bring an image from its URLs into the region store."""
    urls = plan_import(image_id)
    stored = urls if isinstance(urls, Failed) else _import_all(image_id, len(urls))
    recorded = stored if isinstance(stored, Failed) else record_imported(image_id, stored)
    if isinstance(recorded, Failed):
        record_failed(image_id, recorded.reason)
    tidy_import(image_id)


def _import_all(image_id: str, count: int) -> list[Stored] | Failed:
    stored: list[Stored] = []
    for position in range(count):
        file = fetch_disk(image_id, position, count)
        disk = file if isinstance(file, Failed) else inspect_file(image_id, position)
        one = disk if isinstance(disk, Failed) else ingest_disk(image_id, position, count, disk)
        if isinstance(one, Failed):
            return one
        stored.append(one)
    return stored


@workflow("create-image")
def create_image(image_id: str) -> None:
    """Take an image of an instance."""
    source = plan_image(image_id)
    if isinstance(source, Failed):
        record_failed(image_id, source.reason)
        return
    was_running = quiesce(image_id)
    copied = was_running if isinstance(was_running, Failed) else copy_disks(image_id)
    recorded = copied if isinstance(copied, Failed) else record_created(image_id, copied)
    if isinstance(recorded, Failed):
        record_failed(image_id, recorded.reason)
    resumed = resume(*source) if was_running is True else None
    reason = next((each.reason for each in (recorded, resumed) if isinstance(each, Failed)), "")
    release_instance(source[0], reason)


@step("import-image.plan")
def plan_import(cloud: Cloud, image_id: str) -> list[str]:
    """Return the URLs to import, the system disk's first."""
    image, _ = _read(cloud, image_id)
    return image.source_url.split("\n")


@step("import-image.fetch")
def fetch_disk(cloud: Cloud, image_id: str, position: int, count: int) -> None:
    """Download a disk file, going on where an earlier attempt was cut off."""
    image, _ = _read(cloud, image_id)
    url = image.source_url.split("\n")[position]
    file = _file(cloud, image_id, position)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = sum(_file(cloud, image_id, earlier).stat().st_size for earlier in range(position))
    show = _shower(cloud, image, position, count, 0, _FETCHED_PERCENT, before=before)
    if urlsplit(url).scheme == "upload":
        _take_upload(cloud, urlsplit(url).netloc, file)
        return
    if file.exists():
        return
    if urlsplit(url).scheme == "s3":
        bucket, _, key = url.removeprefix("s3://").partition("/")
        wanted = tasks.canceller(cloud, image_id, image.request_id)
        open_bucket(cloud, bucket).download(key, file, limits=_limits(cloud), progress=show, cancelled=wanted)
        return
    cancelled = tasks.canceller(cloud, image_id, image.request_id)
    fetch(
        url,
        file,
        policy=FetchPolicy(allow=cloud.settings.fetch_networks),
        limits=_limits(cloud),
        progress=lambda done, total: show(done, total or cloud.settings.import_file_bytes),
        cancelled=cancelled,
        expected=_checksum(cloud, url, file, cancelled),
    )


@step("import-image.inspect")
def inspect_file(cloud: Cloud, image_id: str, position: int) -> tuple[str, int, int]:
    """Decide what the file is and prove it safe; return its format, virtual size and file size."""
    _require_wanted(cloud, image_id)
    disk = inspect_disk(_file(cloud, image_id, position), limits=_limits(cloud))
    return disk.format.value, disk.virtual_size_bytes, disk.file_size_bytes


@step("import-image.ingest")
def ingest_disk(cloud: Cloud, image_id: str, position: int, count: int, found: tuple[str, int, int]) -> Stored:
    """Write the disk's content into the region store as a tree."""
    image, snapshots = _read(cloud, image_id)
    _require_wanted(cloud, image_id)
    disk = DiskFile(_file(cloud, image_id, position), DiskFormat(found[0]), found[1], found[2])
    show = _shower(cloud, image, position, count, _FETCHED_PERCENT, 99)
    with _CONCURRENT_INGESTS:
        root = _ingest_raw(cloud, image, disk, show) if disk.format is DiskFormat.RAW else _ingest(cloud, image, disk, show)
    return Stored(snapshots[position].snapshot_id, root, disk.virtual_size_bytes)


@step("import-image.record")
def record_imported(cloud: Cloud, image_id: str, stored: list[Stored]) -> None:
    """Name the trees in the catalog: the image is there."""
    _record(cloud, image_id, TakenDisks(stored))


@step("import-image.tidy")
def tidy_import(cloud: Cloud, image_id: str) -> None:
    """Remove the downloaded files and uploads. The image may be published, changed or deleted meanwhile: it is there."""
    with cloud.catalog.read() as tx:
        image = tx.images.find(ImageId(image_id))
    for url in image.source_url.split("\n") if image else ():
        if urlsplit(url).scheme == "upload":
            remove_upload(cloud, urlsplit(url).netloc)
    shutil.rmtree(import_directory(cloud, image_id), ignore_errors=True)
    with cloud.catalog.begin() as tx:
        tx.images.forget_source(ImageId(image_id))


@step("create-image.plan")
def plan_image(cloud: Cloud, image_id: str) -> tuple[InstanceId, Region]:
    """Return of which instance the image is to be, and where that is: a failed image may be deleted before all is done."""
    image, _ = _read(cloud, image_id)
    return _source(image), image.region


@step("create-image.quiesce")
def quiesce(cloud: Cloud, image_id: str) -> bool:
    """Power the instance off where that was asked for; return whether it has to be powered on again.

    Its row says whether it was on: an earlier attempt at this step may have ended the machine already.
    """
    image, _ = _read(cloud, image_id)
    instance_id = _source(image)
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(instance_id)
    if not image.force_poweroff or instance is None or instance.state is not InstanceState.RUNNING:
        return False
    if not cloud.machines.shut_down(instance_id, timeout_s=cloud.settings.shutdown_timeout_s):
        cloud.machines.kill(instance_id)
    return True


@step("create-image.copy")
def copy_disks(cloud: Cloud, image_id: str) -> TakenDisks:
    """Take what the disks hold at one moment."""
    image, snapshots = _read(cloud, image_id)
    watch = Watch(_shower(cloud, image, 0, 1, 0, 99, before=0), tasks.canceller(cloud, image.image_id, image.request_id))
    return take_disks(cloud, image.region, snapshots, watch)


@step("create-image.record")
def record_created(cloud: Cloud, image_id: str, taken: TakenDisks) -> None:
    """Name the trees in the catalog, and remember since when the disks' writes are recorded."""
    _record(cloud, image_id, taken)


@step("create-image.resume")
def resume(cloud: Cloud, instance_id: InstanceId, region: Region) -> None:
    """Power the instance on again."""
    cloud.stores.server(region)
    cloud.machines.start(instance_id)


@step("create-image.release")
def release_instance(cloud: Cloud, instance_id: InstanceId, reason: str) -> None:
    """Let the instance take other operations again."""
    settle_row(cloud, instance_id, reason)


@step("image.record-failed")
def record_failed(cloud: Cloud, image_id: str, reason: str) -> None:
    """Say that the image did not come to be, and why."""
    fail_image(cloud, ImageId(image_id), reason)


def fail_image(cloud: Cloud, image_id: ImageId, reason: str) -> None:
    """Move an image under way to its failed state; harmless where it is not under way."""
    with cloud.catalog.read() as tx:
        image = tx.images.find(image_id)
    failed = {ImageState.IMPORTING: ImageState.IMPORTFAILED, ImageState.CREATING: ImageState.CREATEFAILED}
    if image is None or image.state not in failed:
        return
    with cloud.catalog.begin() as tx:
        tx.images.move(image, failed[image.state], failure=reason[:_TEXT])
        tasks.fail(cloud, tx, image.image_id, image.request_id, reason)


def import_directory(cloud: Cloud, image_id: str) -> Path:
    """Return where an import keeps its downloads."""
    return cloud.settings.state / "imports" / image_id


def _read(cloud: Cloud, image_id: str) -> tuple[Image, tuple[Snapshot, ...]]:
    with cloud.catalog.read() as tx:
        image = tx.images.find(ImageId(image_id))
        if image is None:
            raise LookupError(f"there is no row of {image_id}")
        return image, tx.images.snapshots_of(image.image_id)


def _source(image: Image) -> InstanceId:
    if image.source_instance is None:
        raise LookupError(f"{image.image_id} is of no instance")
    return image.source_instance


def _file(cloud: Cloud, image_id: str, position: int) -> Path:
    return import_directory(cloud, image_id) / f"disk-{position}"


def _limits(cloud: Cloud) -> DiskLimits:
    return DiskLimits(
        virtual_size_bytes=cloud.settings.import_disk_bytes,
        file_size_bytes=cloud.settings.import_file_bytes,
        run_as=cloud.stores.run_as,
    )


def _checksum(cloud: Cloud, url: str, file: Path, cancelled: Callable[[], bool]) -> Checksum | None:
    """Return what the URL tells of the file's checksum, from the list that it names if it names one. Raises FetchFailed."""
    told = checksum_told(url)
    if not isinstance(told, SumsFile):
        return told
    sums = file.with_name(f"{file.name}.sums")
    fetch(
        told.url,
        sums,
        policy=FetchPolicy(allow=cloud.settings.fetch_networks),
        limits=DiskLimits(file_size_bytes=_SUMS_BYTES),
        progress=lambda _done, _total: None,
        cancelled=cancelled,
        is_text=True,
    )
    found = checksum_listed(sums.read_text(errors="replace"), PurePosixPath(unquote(urlsplit(url).path)).name, told.algorithm)
    if found is None:
        raise FetchFailed("The list of checksums does not name the file.", told.url)
    return found


def _require_wanted(cloud: Cloud, image_id: str) -> None:
    """Raise TaskCancelled where the image is not wanted any more."""
    image, _ = _read(cloud, image_id)
    tasks.require_wanted(cloud, image_id, image.request_id)


def _take_upload(cloud: Cloud, upload_id: str, file: Path) -> None:
    """Link an upload's file to where imports look for it, once its checksum is right."""
    if file.exists():
        return
    arrived, expected = upload_file(cloud, upload_id)
    if expected is not None:
        with arrived.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if digest != expected:
            raise errors.InvalidValue("What was uploaded does not have the announced SHA-256.")
    file.hardlink_to(arrived)


def _ingest_raw(cloud: Cloud, image: Image, disk: DiskFile, show: Callable[[int, int], None]) -> RootDigest:
    is_to_stop = tasks.canceller(cloud, image.image_id, image.request_id)

    def progress(done: int, total: int) -> None:
        if is_to_stop():
            raise errors.TaskCancelled("The import was cancelled.")
        show(done, total)

    store = cloud.stores.store(image.region)
    return store.ingest_file(disk.path, disk.virtual_size_bytes, progress=progress)


def _ingest(cloud: Cloud, image: Image, disk: DiskFile, show: Callable[[int, int], None]) -> RootDigest:
    server = cloud.stores.server(image.region)
    ingest = server.ingest(disk.virtual_size_bytes, None)
    try:
        convert_into(
            disk,
            server.socket_path,
            ingest.export,
            limits=_limits(cloud),
            progress=lambda share: show(int(share * disk.virtual_size_bytes), disk.virtual_size_bytes),
            cancelled=tasks.canceller(cloud, image.image_id, image.request_id),
        )
        return ingest.seal()
    finally:
        ingest.abort()  # the tree stays; the block server forgets how it came to be


def _record(cloud: Cloud, image_id: str, taken: TakenDisks) -> None:
    image, snapshots = _read(cloud, image_id)
    if image.state not in {ImageState.IMPORTING, ImageState.CREATING}:  # it has been done, and more may have been since
        return
    with cloud.catalog.begin() as tx:
        record_taken(tx, snapshots, taken)
        tx.images.move(image, ImageState.NORMAL, percent=100, size_gb=-(-taken.stored[0].size_bytes // _GIB))
        tasks.succeed(cloud, tx, image.image_id, image.request_id)


def _shower(
    cloud: Cloud, image: Image, position: int, count: int, first: int, last: int, *, before: int | None = None
) -> Callable[[int, int], None]:
    """Return a function that shows progress on one disk of several, between two percentages, and not too often.

    `before` are the bytes of earlier disks; None where what is shown does not count as bytes moved.
    """

    def show(done: int, total: int) -> None:
        part = first + (last - first) * (min(done / total, 1.0) if total > 0 else 0.0)
        percent = int((100 * position + part) / count)
        moved = {} if before is None else {"bytes_done": before + done, "bytes_total": before + total}
        with cloud.catalog.begin() as tx:
            tx.images.set_percent(image.image_id, percent)
            tasks.report(tx, image.image_id, image.request_id, percent=percent, **moved)

    return paced(show)
