"""Exporting images: their disks, as files of a bucket."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import listing, tasks
from linocut.cloud.arrears import require_not_isolated
from linocut.cloud.buckets import require_own_bucket
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import own_image
from linocut.cloud.new_images import DryRunPassed, end_dry_run
from linocut.formats import EXPORT_FORMATS
from linocut.model import errors
from linocut.model.ids import TaskId
from linocut.model.records import DiskUsage, Export, Image, Snapshot
from linocut.model.states import ImageState

_IMAGES: Final = 10
_FORMATS: Final = {disk_format.value.upper(): disk_format.value for disk_format in EXPORT_FORMATS}
_ROLE: Final = "CVM_QcsRole"
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """Which images to export, in which format, and to where."""

    image_ids: tuple[str, ...]
    bucket: str
    format: str = "RAW"
    prefixes: tuple[str, ...] = ()
    root_disk_only: bool = False
    role: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Exporting:
    """What an order began: the number of its first image's task, and the files that will be there, image by image."""

    task_id: TaskId
    keys: tuple[str, ...]


def export_images(cloud: Cloud, caller: Caller, order: ExportOrder) -> Exporting | None:
    """Begin to write the disks of own images into an own bucket; return the files' names at once, or None on a dry run.

    An image is EXPORTING meanwhile and NORMAL afterwards, whatever comes of it; its task says what did. Of several images, the
    tasks are numbered one after the other.

    Raises OneParameterNeeded, InvalidValue, BucketNotFound, RoleUnknown, FileNamePrefixesInvalid, TooManyValues,
    ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic, ImageStateForbids, ImageIsWindows, ImageIsRedHat,
    ImageTooLargeToExport, ExportsExceeded.
    Source: CVM ExportImages.
    """
    disk_format = _format_of(order)
    prefixes = _prefixes_of(order)
    bucket = require_own_bucket(caller, order.bucket)
    if order.role not in {"", _ROLE}:
        raise errors.RoleUnknown(f"RoleName takes {_ROLE}.")
    with suppress(DryRunPassed), cloud.catalog.begin() as tx:
        tx.exports.lock(caller.account.uin, caller.region)
        keys: list[str] = []
        for image_id, prefix in zip(order.image_ids, prefixes, strict=True):
            image, snapshots = _exportable(cloud, tx, caller, image_id)
            taken = snapshots[:1] if order.root_disk_only else snapshots
            mine = tuple(_key(prefix, image, snapshot, disk_format) for snapshot in taken)
            tx.images.move(image, ImageState.EXPORTING)
            tx.exports.add(
                Export(image.image_id, image.owner, image.region, bucket, mine, disk_format, caller.request_id, cloud.now())
            )
            keys += mine
        if tx.exports.count(caller.account.uin, caller.region) > cloud.settings.export_tasks:
            raise errors.ExportsExceeded(f"Up to {cloud.settings.export_tasks} images are exported at a time.")
        task_ids = tasks.begin(cloud, tx, caller, "ExportImages", order.image_ids)
        end_dry_run(dry_run=order.dry_run)
    if order.dry_run:
        return None
    for image_id in order.image_ids:
        cloud.workflows.start("export-image", image_id, key=caller.request_id)
    return Exporting(task_ids[0], tuple(keys))


def _format_of(order: ExportOrder) -> str:
    found = _FORMATS.get((order.format or "RAW").upper())
    if found is None:
        raise errors.InvalidValue(f"ExportFormat takes {', '.join(_FORMATS)}.")
    return found


def _prefixes_of(order: ExportOrder) -> Sequence[str]:
    """Return a prefix for each image, empty for none."""
    if not order.image_ids:
        raise errors.OneParameterNeeded("ImageIds is needed.")
    listing.check_count("ImageIds", order.image_ids, _IMAGES)
    if len(set(order.image_ids)) != len(order.image_ids):
        raise errors.InvalidValue("ImageIds names an image twice.")
    if not order.prefixes:
        return ("",) * len(order.image_ids)
    if len(order.prefixes) != len(order.image_ids):
        raise errors.FileNamePrefixesInvalid("FileNamePrefixList takes one prefix for each image.")
    for prefix in order.prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise errors.FileNamePrefixesInvalid("A prefix takes up to 100 letters, digits, dots, dashes and underscores.")
    return order.prefixes


def _exportable(cloud: Cloud, tx: Tx, caller: Caller, image_id: str) -> tuple[Image, tuple[Snapshot, ...]]:
    """Return an image that may be exported, with its snapshots, the system disk's first."""
    image = own_image(tx, caller, image_id)
    require_not_isolated(tx, image)
    if image.platform == "Windows":
        raise errors.ImageIsWindows(f"Image {image_id} holds Windows.")
    if image.platform == "RedHat":
        raise errors.ImageIsRedHat(f"Image {image_id} holds Red Hat Enterprise Linux.")
    if image.state is not ImageState.NORMAL:
        raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
    snapshots = tx.images.snapshots_of(image.image_id)
    if any(snapshot.size_bytes > cloud.settings.export_disk_bytes for snapshot in snapshots):
        limit = cloud.settings.export_disk_bytes // _GIB
        raise errors.ImageTooLargeToExport(f"Image {image_id} has a disk of more than {limit} GiB.")
    return image, snapshots


def _key(prefix: str, image: Image, snapshot: Snapshot, disk_format: str) -> str:
    """Return the name of a disk's file. Source: CVM ExportImages, CosPaths."""
    kind = "system" if snapshot.usage is DiskUsage.SYSTEM_DISK else "data"
    return f"{prefix + '_' if prefix else ''}{image.image_id}_{kind}_{snapshot.snapshot_id}.{disk_format}"
