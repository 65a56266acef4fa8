"""How an image comes to another region: an own image's copy, or a public image that is needed there.

The nodes of its trees come first, and then what the region's store lacks of their chunks. A copy that was killed goes on where it
was, for what is there is not copied again. One that fails is undone, unless a disk stands on what has arrived: then it is tried
again until all has.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import arrivals, tasks
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Failed, step, workflow
from linocut.cloud.workflows.pacing import paced
from linocut.model import errors
from linocut.model.ids import ImageId, Region, RootDigest
from linocut.model.records import Image, TreeCopy
from linocut.model.states import CopyState, ImageState

_TEXT: Final = 1024
_TURN_S: Final = 0.5
_CONCURRENT_COPIES: Final = threading.BoundedSemaphore(2)
"""Each copy has threads and a list of all its chunks; the rest wait their turn, readable meanwhile."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An image in a region that it goes to."""

    region: Region
    image_id: ImageId

    @classmethod
    def of(cls, resource: str) -> "_Place":
        """Return the place that a workflow's resource names: ``<region>/<image id>``."""
        region, _, image_id = resource.partition("/")
        return cls(Region(region), ImageId(image_id))


@workflow("copy-image")
def copy_image(resource: str) -> None:
    """Bring an image to a region."""
    roots = copy_nodes(resource)
    copied = roots if isinstance(roots, Failed) else copy_chunks(resource)
    recorded = copied if isinstance(copied, Failed) else record_copied(resource)
    if isinstance(recorded, Failed):
        record_copy_failed(resource, recorded.reason)
    if not isinstance(roots, Failed):
        end_read_through(resource, roots)


@step("copy-image.nodes")
def copy_nodes(cloud: Cloud, resource: str) -> list[RootDigest]:
    """Make the image's trees readable in the region; return their roots."""
    place = _Place.of(resource)
    copies = _copies(cloud, place)
    _require_wanted(cloud, place)
    for copy in copies:
        if copy.state is CopyState.WAITING:
            source = cloud.stores.store(copy.source_region)
            cloud.stores.store(place.region).copy_nodes(source, [copy.root])
            _record_readable(cloud, copy)
    return [copy.root for copy in copies]


@step("copy-image.chunks")
def copy_chunks(cloud: Cloud, resource: str) -> None:
    """Copy what the region lacks of the image's trees."""
    place = _Place.of(resource)
    copies = _copies(cloud, place)
    image = _find(cloud, place.image_id)
    if not copies:
        return
    request_id = image.request_id if image else ""
    show = paced(lambda done, total: show_progress(cloud, resource, done, total))
    cancelled = tasks.canceller(cloud, place.image_id, request_id)
    with _turn(cancelled):
        cloud.stores.store(place.region).copy_trees(
            cloud.stores.store(copies[0].source_region),
            [copy.root for copy in copies],
            progress=show,
            cancelled=cancelled,
        )


@step("copy-image.record")
def record_copied(cloud: Cloud, resource: str) -> None:
    """Say that the image has arrived."""
    place = _Place.of(resource)
    with cloud.catalog.begin() as tx:
        image, copies = _held(tx, place)
        if not copies:
            return
        if image is not None and image.is_public:
            for copy in copies:
                tx.copies.move(copy, CopyState.WHOLE)
            return
        tx.copies.remove(copies)
        if image is None or image.region != place.region:  # a public image that was withdrawn meanwhile
            return
        _finish(cloud, tx, image, copies)


@step("copy-image.record-failed")
def record_copy_failed(cloud: Cloud, resource: str, reason: str) -> None:
    """Say that the image does not arrive, and why; or, where a disk needs it, that it is to be tried again."""
    fail_copy(cloud, resource, reason)


@step("copy-image.end-read-through")
def end_read_through(cloud: Cloud, resource: str, roots: list[RootDigest]) -> None:
    """Read the trees from their region alone again."""
    arrivals.forget_arrived(cloud, _Place.of(resource).region, roots)


def fail_copy(cloud: Cloud, resource: str, reason: str) -> None:
    """End a copy that failed, unless a disk stands on it; harmless where it has ended."""
    place = _Place.of(resource)
    with cloud.catalog.begin() as tx:
        image, copies = _held(tx, place)
        copies = tuple(copy for copy in copies if copy.state is not CopyState.WHOLE)
        if not copies:
            return
        if tx.copies.is_needed(copies):
            tx.copies.renew(copies, f"again-{cloud.now():%s%f}")
            return
        tx.copies.remove(copies)
        if image is None or image.region != place.region or image.state is not ImageState.SYNCING:
            return
        tx.images.move(image, ImageState.CREATEFAILED, failure=reason[:_TEXT])
        for copy in copies:
            tx.snapshots.set_root(copy.snapshot_id, None)
        tasks.fail(cloud, tx, image.image_id, image.request_id, reason)
        arrivals.release_source(tx, copies[0].source_image)


def show_progress(cloud: Cloud, resource: str, done: int, total: int) -> None:
    """Show the progress of a copy, and with it that of its source, whose copies have as many bytes each."""
    place = _Place.of(resource)
    percent = 100 * done // total if total else 100
    with cloud.catalog.begin() as tx:
        image = tx.images.find(place.image_id)
        if image is None or image.state is not ImageState.SYNCING:
            return
        tx.images.set_percent(image.image_id, percent)
        tasks.report(tx, image.image_id, image.request_id, percent=percent, bytes_done=done, bytes_total=total)
        for copy in tx.copies.of(place.region, place.image_id)[:1]:
            tx.images.set_percent(copy.source_image, tx.tasks.progress("SyncImages", image.request_id))


@contextmanager
def _turn(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Wait until few copies are under way. Raises TaskCancelled."""
    while not _CONCURRENT_COPIES.acquire(timeout=_TURN_S):
        if cancelled():
            raise errors.TaskCancelled("The copy was cancelled.")
    try:
        yield
    finally:
        _CONCURRENT_COPIES.release()


def _record_readable(cloud: Cloud, copy: TreeCopy) -> None:
    with cloud.catalog.begin() as tx:
        tx.copies.move(copy, CopyState.READABLE)
        if copy.image_id != copy.source_image:
            tx.snapshots.set_root(copy.snapshot_id, copy.root)


def _finish(cloud: Cloud, tx: Tx, image: Image, copies: tuple[TreeCopy, ...]) -> None:
    sizes = {snapshot.snapshot_id: snapshot.size_bytes for snapshot in tx.images.snapshots_of(image.image_id)}
    for copy in copies:
        tx.snapshots.finish(copy.snapshot_id, copy.root, sizes[copy.snapshot_id])
    tx.images.move(image, ImageState.NORMAL, percent=100)
    tasks.succeed(cloud, tx, image.image_id, image.request_id)
    arrivals.release_source(tx, copies[0].source_image)


def _held(tx: Tx, place: _Place) -> tuple[Image | None, tuple[TreeCopy, ...]]:
    """Return the image, if it is still there, and its copies, with its source held until the transaction ends.

    The source comes first, in every transaction of all its copies.
    """
    copies = tx.copies.of(place.region, place.image_id)
    source = tx.images.find(copies[0].source_image) if copies else None
    if source is not None:
        tx.images.hold(source)
    image = tx.images.find(place.image_id)
    if image is not None and image != source:
        tx.images.hold(image)
    return image, copies


def _copies(cloud: Cloud, place: _Place) -> tuple[TreeCopy, ...]:
    with cloud.catalog.read() as tx:
        copies = tx.copies.of(place.region, place.image_id)
    return tuple(copy for copy in copies if copy.state is not CopyState.WHOLE)


def _find(cloud: Cloud, image_id: ImageId) -> Image | None:
    with cloud.catalog.read() as tx:
        return tx.images.find(image_id)


def _require_wanted(cloud: Cloud, place: _Place) -> None:
    image = _find(cloud, place.image_id)
    if image is not None:
        tasks.require_wanted(cloud, image.image_id, image.request_id)
