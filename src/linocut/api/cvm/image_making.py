"""Making images: imports, and images of instances and snapshots. Source: CVM ImportImage, DescribeImportImageOs, CreateImage."""

from typing import Any, Final

from msgspec import UNSET, UnsetType

from linocut.api.codes import codes
from linocut.api.cvm.places import Nothing
from linocut.api.cvm.shapes import TagSpecification, tags_for
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import imaging, imports
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.imports import ImportOrder
from linocut.model import errors, rules
from linocut.model.states import InstanceState


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
    """Which instance, or which snapshots, to make an image of."""

    image_name: str
    instance_id: str = ""
    image_description: str = ""
    force_poweroff: str = ""
    sysprep: str = ""
    data_disk_ids: tuple[str, ...] = ()
    snapshot_ids: tuple[str, ...] = ()
    dry_run: bool = False
    tag_specification: tuple[TagSpecification, ...] = ()
    image_family: str = ""


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
    """Make an image of an instance or of snapshots."""
    order = CreateOrder(
        name=request.image_name,
        instance_id=request.instance_id,
        snapshot_ids=request.snapshot_ids,
        description=request.image_description,
        force_poweroff=rules.truth("ForcePoweroff", request.force_poweroff or "false"),
        sysprep=rules.truth("Sysprep", request.sysprep or "false"),
        family=request.image_family,
        tags=tags_for("image", request.tag_specification),
        data_disk_ids=tuple(request.data_disk_ids),
        dry_run=request.dry_run,
    )
    return ImageCreated(image_id=imaging.create_image(cloud, caller, order) or UNSET)


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
            errors.IsoNeedsForce,
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
        codes=codes(
            *_NEW_IMAGE,
            errors.AccountInArrears,
            errors.InstanceNotFound,
            errors.DiskIsSystemDisk,
            errors.DiskNotOfInstance,
            errors.ReinstallFailed,
            errors.DependsOnInstance,
            errors.ImageSnapshotNotFound,
            errors.SystemSnapshotMissing,
            errors.SystemSnapshotsSeveral,
            errors.SnapshotUnfinished,
            errors.TooManyValues,
            errors.ParameterUnsupported,
            special={
                errors.InstanceIdMalformed: "InvalidInstanceId.NotFound",
                errors.ParameterConflict: "InvalidParameterConflict",
                errors.OneParameterNeeded: "InvalidParameter.SpecifyOneParameter",
                errors.TaskRunning: "OperationDenied.InstanceOperationInProgress",
                errors.InstanceStateForbids: "UnsupportedOperation",
                errors.DiskSpaceExhausted: "ResourceInsufficient.CloudDiskUnavailable",
                errors.SnapshotUnderWay: "ResourceUnavailable.SnapshotCreating",
            },
            states=(InstanceState.REBOOTING, InstanceState.STARTING, InstanceState.STOPPING, InstanceState.TERMINATING),
        ),
    ),
)
