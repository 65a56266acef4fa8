"""Exporting images. Source: CVM ExportImages."""

from typing import Any, Final

from msgspec import UNSET, UnsetType

from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import exports
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.exports import ExportOrder
from linocut.model import errors


class ExportImages(Shape):
    """Which images to export, in which format, and to where."""

    bucket_name: str
    image_ids: tuple[str, ...] = ()
    export_format: str = ""
    file_name_prefix_list: tuple[str, ...] = ()
    only_export_root_disk: bool = False
    dry_run: bool = False
    role_name: str = ""


class Exporting(Answer):
    """The answer of ExportImages; a dry run has neither task nor files."""

    task_id: int | UnsetType = UNSET
    cos_paths: list[str] | UnsetType = UNSET


def export_images(cloud: Cloud, caller: Caller, request: ExportImages) -> Exporting:
    """Begin to write the disks of images into a bucket."""
    order = ExportOrder(
        image_ids=request.image_ids,
        bucket=request.bucket_name,
        format=request.export_format,
        prefixes=request.file_name_prefix_list,
        root_disk_only=request.only_export_root_disk,
        role=request.role_name,
        dry_run=request.dry_run,
    )
    begun = exports.export_images(cloud, caller, order)
    return Exporting() if begun is None else Exporting(task_id=begun.task_id, cos_paths=list(begun.keys))


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="ExportImages",
        request=ExportImages,
        handle=export_images,
        is_mutating=True,
        codes=codes(
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.BucketNotFound,
            errors.RoleUnknown,
            errors.FileNamePrefixesInvalid,
            errors.TooManyValues,
            errors.InvalidValue,
            errors.ImageIsWindows,
            errors.ImageIsRedHat,
            errors.ImageTooLargeToExport,
            errors.ExportsExceeded,
            errors.LostRace,
            special={
                errors.OneParameterNeeded: "InvalidParameter.ImageIdsSnapshotIdsMustOne",
                errors.ImageIsPublic: "UnsupportedOperation.PublicImageExportUnsupported",
                errors.ImageIsShared: "UnsupportedOperation.SharedImageExportUnsupported",
                errors.ImageStateForbids: "InvalidParameterValue.InvalidImageState",
            },
        ),
    ),
)
