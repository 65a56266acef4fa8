"""Images: publishing them, how their creation or import goes, and what they take in the store."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import images, publishing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import ImageQuery
from linocut.cloud.publishing import Replaced
from linocut.model import errors

_LONGEST_PAGE: Final = 100


class PublishImage(Shape):
    """Which image, whether everybody sees it, and what becomes of others in its family: KEEP, DEPRECATE or WITHDRAW."""

    image_id: str
    public: bool
    replaced: str = Replaced.KEEP.value


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


def publish_image(cloud: Cloud, caller: Caller, request: PublishImage) -> Answer:
    """Make an image public, or private again."""
    if request.replaced not in set(Replaced):
        raise errors.InvalidValue(f"Replaced takes {', '.join(Replaced)}.")
    publishing.publish_image(cloud, caller, request.image_id, public=request.public, replaced=Replaced(request.replaced))
    return Answer()


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


_IMAGES: Final = (errors.ImageIdMalformed, errors.ImageNotFound, errors.TooManyValues)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="PublishImage",
        request=PublishImage,
        handle=publish_image,
        is_mutating=True,
        codes=codes(
            *_IMAGES,
            errors.OperatorOnly,
            errors.ImageStateForbids,
            errors.ImageQuotaExceeded,
            errors.ImageFamilyInvalid,
            errors.InvalidValue,
            errors.LostRace,
        ),
    ),
    Action(name="DescribeImageUsage", request=ImagesAsked, handle=describe_image_usage, codes=codes(*_IMAGES)),
    Action(name="DescribeImageProgress", request=ImagesAsked, handle=describe_image_progress, codes=codes(*_IMAGES)),
)
