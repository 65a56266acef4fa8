"""Images.

Source: CVM DescribeImages, ImportImage, DescribeImportImageOs, CreateImage, ModifyImageAttribute, DeleteImages,
DescribeImageQuota.
"""

from typing import Any, Final

from msgspec import UNSET, UnsetType

from linocut.api.codes import codes
from linocut.api.cvm.places import Nothing
from linocut.api.cvm.shapes import (
    Filter,
    Ids,
    PageRequest,
    Tag,
    TagSpecification,
    filters_by_name,
    ids_asked,
    os_name,
    tag_list,
    tags_for,
    wire_time,
)
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import is_empty, is_one_of
from linocut.api.table import Action
from linocut.cloud import images, imaging, imports
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import ImageQuery, VisibleImage
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.imports import ImportOrder
from linocut.model import errors, rules
from linocut.model.states import ImageState, InstanceState

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


class ImportImageDataDisk(Shape):
    """A data disk to import with an image."""

    image_url: str


class ImportImage(Shape):
    """What to import, and as what."""

    architecture: str
    os_type: str
    os_version: str
    image_url: str
    image_name: str
    image_description: str = ""
    dry_run: bool = False
    force: bool = False
    tag_specification: tuple[TagSpecification, ...] = ()
    license_type: str = ""
    boot_mode: str = ""
    image_family: str = ""
    import_image_data_disk_list: tuple[ImportImageDataDisk, ...] = ()


class ImageCreated(Answer):
    """The answer of ImportImage and CreateImage; a dry run has no id."""

    image_id: str | UnsetType = UNSET


class ImageOsList(Shape):
    """Names of operating systems."""

    windows: list[str]
    linux: list[str]


class OsVersion(Shape):
    """The versions and architectures of an operating system."""

    os_name: str
    os_versions: list[str]
    architecture: list[str]


class ImportImageOs(Answer):
    """The answer of DescribeImportImageOs."""

    import_image_os_list_supported: ImageOsList
    import_image_os_version_set: list[OsVersion]


class CreateImage(Shape):
    """Which instance to take an image of."""

    image_name: str
    instance_id: str = ""
    image_description: str = ""
    force_poweroff: str = ""
    data_disk_ids: tuple[str, ...] = ()
    dry_run: bool = False
    tag_specification: tuple[TagSpecification, ...] = ()
    image_family: str = ""


class ModifyImageAttribute(Shape):
    """What to change; what is absent stays. Empty text clears a description or a family."""

    image_id: str
    image_name: str = ""
    image_description: str | None = None
    image_family: str | None = None
    image_deprecated: bool | None = None


class DeleteImages(Shape):
    """Which images to delete."""

    image_ids: Ids
    delete_binded_snap: bool = False
    dry_run: bool = False


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


def import_image(cloud: Cloud, caller: Caller, request: ImportImage) -> ImageCreated:
    """Import an image from a URL."""
    order = ImportOrder(
        name=request.image_name,
        url=request.image_url,
        architecture=request.architecture,
        os_type=request.os_type,
        os_version=request.os_version,
        description=request.image_description,
        force=request.force,
        license_type=request.license_type or "TencentCloud",
        boot_mode=request.boot_mode or "Legacy BIOS",
        family=request.image_family,
        tags=tags_for("image", request.tag_specification),
        data_disk_urls=tuple(disk.image_url for disk in request.import_image_data_disk_list),
        dry_run=request.dry_run,
    )
    return ImageCreated(image_id=imports.import_image(cloud, caller, order) or UNSET)


def describe_import_image_os(cloud: Cloud, _caller: Caller, _request: Nothing) -> ImportImageOs:
    """List the operating systems that can be imported."""
    systems = imports.import_systems(cloud)
    return ImportImageOs(
        import_image_os_list_supported=ImageOsList(windows=list(systems.windows), linux=list(systems.linux)),
        import_image_os_version_set=[
            OsVersion(os_name=name, os_versions=list(versions), architecture=list(architectures))
            for name, versions, architectures in systems.versions
        ],
    )


def create_image(cloud: Cloud, caller: Caller, request: CreateImage) -> ImageCreated:
    """Take an image of an instance."""
    if not request.instance_id:
        raise errors.OneParameterNeeded("InstanceId is needed: images are taken of instances.")
    order = CreateOrder(
        name=request.image_name,
        instance_id=request.instance_id,
        description=request.image_description,
        force_poweroff=rules.truth("ForcePoweroff", request.force_poweroff or "false"),
        family=request.image_family,
        tags=tags_for("image", request.tag_specification),
        data_disk_ids=tuple(request.data_disk_ids),
        dry_run=request.dry_run,
    )
    return ImageCreated(image_id=imaging.create_image(cloud, caller, order) or UNSET)


def modify_image_attribute(cloud: Cloud, caller: Caller, request: ModifyImageAttribute) -> Answer:
    """Change an image's name, description, family or deprecation."""
    images.modify_image(
        cloud,
        caller,
        request.image_id,
        name=request.image_name or None,
        description=request.image_description,
        family=request.image_family,
        deprecated=request.image_deprecated,
    )
    return Answer()


def delete_images(cloud: Cloud, caller: Caller, request: DeleteImages) -> Answer:
    """Delete images, all or none."""
    images.delete_images(cloud, caller, request.image_ids, delete_snapshots=request.delete_binded_snap, dry_run=request.dry_run)
    return Answer()


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
        ],
        tags=tag_list(image.tags),
    )


_NEW_IMAGE: Final = (
    errors.ImageNameTaken,
    errors.ImageQuotaExceeded,
    errors.ImageFamilyInvalid,
    errors.ValueTooLong,
    errors.InvalidValue,
    errors.TagsDuplicate,
    errors.TagInvalid,
    errors.LostRace,
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
        name="ImportImage",
        request=ImportImage,
        handle=import_image,
        is_mutating=True,
        codes=codes(
            *_NEW_IMAGE,
            errors.OsTypeUnsupported,
            errors.OsVersionUnsupported,
            errors.UrlInvalid,
            errors.LicenseTypeInvalid,
            errors.BootModeInvalid,
            errors.ParameterUnsupported,
            errors.DiskSpaceExhausted,
            special={
                errors.TooManyValues: "InvalidParameterValue",
                errors.UploadNotFound: "InvalidParameter.InvalidParameterUrlError",
                errors.UploadIncomplete: "InvalidParameter.InvalidParameterUrlError",
            },
        ),
    ),
    Action(name="DescribeImportImageOs", request=Nothing, handle=describe_import_image_os),
    Action(
        name="CreateImage",
        request=CreateImage,
        handle=create_image,
        is_mutating=True,
        unsupported={"SnapshotIds": is_empty, "Sysprep": is_one_of("false", "False", "FALSE")},
        codes=codes(
            *_NEW_IMAGE,
            errors.InstanceNotFound,
            errors.DiskIsSystemDisk,
            errors.DiskNotOfInstance,
            special={
                errors.InstanceIdMalformed: "InvalidInstanceId.NotFound",
                errors.OneParameterNeeded: "InvalidParameter.SpecifyOneParameter",
                errors.TaskRunning: "OperationDenied.InstanceOperationInProgress",
                errors.InstanceStateForbids: "UnsupportedOperation",
                errors.DiskSpaceExhausted: "ResourceInsufficient.CloudDiskUnavailable",
            },
            states=(InstanceState.REBOOTING, InstanceState.STARTING, InstanceState.STOPPING, InstanceState.TERMINATING),
        ),
    ),
    Action(
        name="ModifyImageAttribute",
        request=ModifyImageAttribute,
        handle=modify_image_attribute,
        is_mutating=True,
        codes=codes(
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.ImageIsPublic,
            errors.ImageStateForbids,
            errors.ImageNameTaken,
            errors.ImageFamilyInvalid,
            errors.ValueTooLong,
            errors.InvalidValue,
            errors.LostRace,
            special={
                errors.ImageIsShared: "UnsupportedOperation.SharedImageModifyUnsupported",
                errors.ImageInShared: "UnsupportedOperation.SharedImageModifyUnsupported",
            },
        ),
    ),
    Action(
        name="DeleteImages",
        request=DeleteImages,
        handle=delete_images,
        is_mutating=True,
        codes=codes(
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.ImageStateForbids,
            errors.ImageInShared,
            errors.TooManyValues,
            errors.TaskRunning,
            errors.LostRace,
            special={
                errors.ImageIsShared: "InvalidParameterValue.InvalidImageIdIsShared",
                errors.ImageIsPublic: "InvalidParameterValue.InvalidImageId",
            },
        ),
    ),
    Action(name="DescribeImageQuota", request=Nothing, handle=describe_image_quota),
)
