"""Listing images. Source: CVM DescribeImages, DescribeImageFromFamily, DescribeImageQuota."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.places import Nothing
from linocut.api.cvm.shapes import Filter, PageRequest, Tag, filters_by_name, ids_asked, os_name, tag_list, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import images
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import ImageQuery, ImageType, VisibleImage
from linocut.model import errors
from linocut.model.states import ImageState

_GIB: Final = 1024**3


class DescribeImages(PageRequest):
    """Which images: ids or filters, and a page."""

    image_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    instance_type: str = ""


class Snapshot(Shape):
    """A snapshot that an image is made of."""

    snapshot_id: str
    disk_usage: str
    disk_size: int


class Image(Shape):
    """An image as its viewer sees it."""

    image_id: str
    image_name: str
    image_description: str
    image_type: str
    image_state: str
    image_source: str
    image_creator: str
    image_size: int
    os_name: str
    platform: str
    architecture: str
    created_time: str
    sync_percent: int
    is_support_cloudinit: bool
    license_type: str
    image_family: str
    image_deprecated: bool
    snapshot_set: list[Snapshot]
    tags: list[Tag]


class Images(Answer):
    """The answer of DescribeImages."""

    total_count: int
    image_set: list[Image]


class DescribeImageFromFamily(Shape):
    """Which family."""

    image_family: str


class ImageFromFamily(Answer):
    """The answer of DescribeImageFromFamily: null where no image of the family is there."""

    image: Image | None


class ImageQuota(Answer):
    """The answer of DescribeImageQuota."""

    image_num_quota: int


def describe_images(cloud: Cloud, caller: Caller, request: DescribeImages) -> Images:
    """List the images that the caller sees."""
    query = ImageQuery(
        ids=ids_asked(request.image_ids),
        filters=filters_by_name(request.filters),
        offset=request.offset,
        limit=request.limit,
        instance_type=request.instance_type or None,
    )
    page = images.list_images(cloud, caller, query)
    return Images(total_count=page.total, image_set=[_image(visible, caller) for visible in page.items])


def describe_image_from_family(cloud: Cloud, caller: Caller, request: DescribeImageFromFamily) -> ImageFromFamily:
    """Return the image that a family stands for."""
    found = images.image_of_family(cloud, caller, request.image_family)
    return ImageFromFamily(image=None if found is None else _image(found, caller))


def describe_image_quota(cloud: Cloud, caller: Caller, _request: Nothing) -> ImageQuota:
    """Tell how many images the caller may have in the region."""
    return ImageQuota(image_num_quota=images.image_quota(cloud, caller))


def _image(visible: VisibleImage, caller: Caller) -> Image:
    image = visible.image
    return Image(
        image_id=image.image_id,
        image_name=image.name,
        image_description=image.description,
        image_type=visible.image_type.value,
        image_state=image.state.value,
        image_source=image.source.value,
        image_creator=image.owner,
        image_size=image.size_gb,
        os_name=os_name(image.os_name, caller),
        platform=image.platform,
        architecture=image.architecture,
        created_time=wire_time(image.created_at),
        sync_percent=100 if image.state is ImageState.NORMAL else image.percent,
        is_support_cloudinit=image.supports_cloud_init,
        license_type=image.license_type,
        image_family=image.family,
        image_deprecated=image.deprecated,
        snapshot_set=[
            Snapshot(
                snapshot_id=snapshot.snapshot_id,
                disk_usage=snapshot.usage.value,
                disk_size=-(-snapshot.size_bytes // _GIB),
            )
            for snapshot in visible.snapshots
            if visible.image_type is not ImageType.PUBLIC_IMAGE
        ],
        tags=tag_list(image.tags if image.owner == caller.account.uin else ()),
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeImages",
        request=DescribeImages,
        handle=describe_images,
        codes=codes(
            errors.ImageIdMalformed,
            errors.FilterUnknown,
            errors.TooManyFilterValues,
            errors.TooManyValues,
            errors.PageOutOfRange,
            errors.InstanceTypeMalformed,
            errors.InstanceTypeNotFound,
            errors.InvalidValue,
            special={errors.IdsWithFilters: "InvalidParameter.InvalidParameterCoexistImageIdsFilters"},
        ),
    ),
    Action(
        name="DescribeImageFromFamily",
        request=DescribeImageFromFamily,
        handle=describe_image_from_family,
        codes=codes(special={errors.ImageFamilyInvalid: "InvalidParameterValue"}),
    ),
    Action(name="DescribeImageQuota", request=Nothing, handle=describe_image_quota),
)
