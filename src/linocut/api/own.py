"""The service `linocut`: what Tencent Cloud has no action for.

Publishing images, reading a guest's serial console, what images take in the store, how an import or launch goes, and uploads.
Everything of `cvm` stays as documented; these are additions beside it.
"""

import base64
from typing import Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action, Service
from linocut.cloud import images, instances, publishing, uploads
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import ImageQuery
from linocut.cloud.instances import InstanceQuery
from linocut.model import errors

_CONSOLE_BYTES: Final = 65536
_LONGEST_PAGE: Final = 100


class PublishImage(Shape):
    """Which image, and whether everybody sees it."""

    image_id: str
    public: bool


class DescribeInstanceConsole(Shape):
    """Which instance, and which part of its serial output in bytes."""

    instance_id: str
    offset: Int = 0
    limit: Int = _CONSOLE_BYTES


class InstanceConsole(Answer):
    """Serial output in base64, from Offset on (later than asked for where older output was dropped), up to NextOffset."""

    output: str
    offset: int
    next_offset: int
    size: int


class ImagesAsked(Shape):
    """Which images."""

    image_ids: Ids


class ImageUsage(Shape):
    """An image's bytes: as a disk, in the store, and those that it alone added to the store."""

    image_id: str
    logical_bytes: int
    stored_bytes: int
    added_bytes: int


class ImageUsages(Answer):
    """The answer of DescribeImageUsage."""

    image_usage_set: list[ImageUsage]


class ImageProgress(Shape):
    """How the creation or import of an image goes, and why it failed."""

    image_id: str
    image_state: str
    percent: int
    failure: str


class ImageProgresses(Answer):
    """The answer of DescribeImageProgress."""

    image_progress_set: list[ImageProgress]


class InstancesAsked(Shape):
    """Which instances."""

    instance_ids: Ids


class Launch(Shape):
    """What the service's own part of a launch took, step by step."""

    instance_id: str
    requested_time: str
    started_time: str | None
    milliseconds: dict[str, float]


class Launches(Answer):
    """The answer of DescribeLaunches."""

    launch_set: list[Launch]


class CreateUpload(Shape):
    """How large the file is, and its SHA-256 in hexadecimal."""

    size_bytes: Int
    sha256: str = ""


class Upload(Answer):
    """Where to send the file (a path of this service), and the URL to import it by."""

    upload_id: str
    url: str
    image_url: str


def publish_image(cloud: Cloud, caller: Caller, request: PublishImage) -> Answer:
    """Make an image public, or private again."""
    publishing.publish_image(cloud, caller, request.image_id, public=request.public)
    return Answer()


def describe_instance_console(cloud: Cloud, caller: Caller, request: DescribeInstanceConsole) -> InstanceConsole:
    """Return what an instance wrote to its serial console."""
    chunk = instances.console(cloud, caller, request.instance_id, offset=request.offset, limit=request.limit)
    return InstanceConsole(
        output=base64.b64encode(chunk.data).decode(),
        offset=chunk.offset,
        next_offset=chunk.next_offset,
        size=chunk.size_bytes,
    )


def describe_image_usage(cloud: Cloud, caller: Caller, request: ImagesAsked) -> ImageUsages:
    """Return what images take."""
    return ImageUsages(
        image_usage_set=[
            ImageUsage(
                image_id=usage.image_id,
                logical_bytes=usage.logical_bytes,
                stored_bytes=usage.stored_bytes,
                added_bytes=usage.added_bytes,
            )
            for usage in images.image_usage(cloud, caller, request.image_ids)
        ]
    )


def describe_image_progress(cloud: Cloud, caller: Caller, request: ImagesAsked) -> ImageProgresses:
    """Return how far images are."""
    query = ImageQuery(ids=tuple(request.image_ids), filters={}, offset=0, limit=_LONGEST_PAGE, instance_type=None)
    return ImageProgresses(
        image_progress_set=[
            ImageProgress(
                image_id=visible.image.image_id,
                image_state=visible.image.state.value,
                percent=visible.image.percent,
                failure=visible.image.failure,
            )
            for visible in images.list_images(cloud, caller, query).items
        ]
    )


def describe_launches(cloud: Cloud, caller: Caller, request: InstancesAsked) -> Launches:
    """Return what launches took."""
    query = InstanceQuery(ids=tuple(request.instance_ids), filters={}, offset=0, limit=_LONGEST_PAGE)
    views = instances.list_instances(cloud, caller, query).items
    return Launches(
        launch_set=[
            Launch(
                instance_id=view.instance.instance_id,
                requested_time=wire_time(view.instance.created_at),
                started_time=wire_time(view.instance.started_at) if view.instance.started_at else None,
                milliseconds=dict(view.instance.launch_ms),
            )
            for view in views
        ]
    )


def create_upload(cloud: Cloud, caller: Caller, request: CreateUpload) -> Upload:
    """Announce a disk file that will be sent to this service."""
    upload = uploads.create_upload(cloud, caller, size_bytes=request.size_bytes, sha256=request.sha256)
    return Upload(upload_id=upload.upload_id, url=f"/upload/{upload.upload_id}", image_url=upload.url)


_IMAGES: Final = (errors.ImageIdMalformed, errors.ImageNotFound, errors.TooManyValues)
_INSTANCES: Final = (errors.InstanceIdMalformed, errors.InstanceNotFound, errors.TooManyValues)

LINOCUT: Final = Service(
    name="linocut",
    version="2026-11-01",
    actions=(
        Action(
            name="PublishImage",
            request=PublishImage,
            handle=publish_image,
            is_mutating=True,
            codes=codes(*_IMAGES, errors.OperatorOnly, errors.ImageStateForbids, errors.ImageInShared, errors.LostRace),
        ),
        Action(
            name="DescribeInstanceConsole",
            request=DescribeInstanceConsole,
            handle=describe_instance_console,
            codes=codes(*_INSTANCES, errors.PageOutOfRange),
        ),
        Action(name="DescribeImageUsage", request=ImagesAsked, handle=describe_image_usage, codes=codes(*_IMAGES)),
        Action(name="DescribeImageProgress", request=ImagesAsked, handle=describe_image_progress, codes=codes(*_IMAGES)),
        Action(name="DescribeLaunches", request=InstancesAsked, handle=describe_launches, codes=codes(*_INSTANCES)),
        Action(
            name="CreateUpload",
            request=CreateUpload,
            handle=create_upload,
            is_mutating=True,
            codes=codes(errors.ValueOutOfRange, errors.InvalidValue, errors.DiskSpaceExhausted),
        ),
    ),
)
