"""Copying images to other regions, and shared ones into the caller's own. Source: CVM SyncImages."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import is_empty
from linocut.api.table import Action
from linocut.cloud import syncing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.syncing import SyncOrder
from linocut.model import errors


class SyncImages(Shape):
    """Which image to copy, where to, and under which name; and whether the answer is to list the copies."""

    image_ids: Ids
    destination_regions: Ids
    dry_run: bool = False
    image_name: str = ""
    image_set_required: bool = False


class SyncImage(Shape):
    """A copy that was begun."""

    image_id: str
    region: str


class SyncedImages(Answer):
    """The answer of SyncImages; its list is never null, for clients look into it."""

    image_set: list[SyncImage]


def sync_images(cloud: Cloud, caller: Caller, request: SyncImages) -> SyncedImages:
    """Copy an image."""
    order = SyncOrder(tuple(request.image_ids), tuple(request.destination_regions), request.image_name, request.dry_run)
    copies = syncing.sync_image(cloud, caller, order)
    shown = copies if request.image_set_required else ()
    return SyncedImages(image_set=[SyncImage(image_id=copy.image_id, region=copy.region) for copy in shown])


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="SyncImages",
        request=SyncImages,
        handle=sync_images,
        is_mutating=True,
        unsupported={"Encrypt": is_empty, "KmsKeyId": is_empty},
        codes=codes(
            errors.ImageIdMalformed,
            errors.ImageNotFound,
            errors.ImageStateForbids,
            errors.ImageNameTaken,
            errors.ImageQuotaExceeded,
            errors.ParameterMissing,
            errors.RegionNotFound,
            errors.RegionUnreachable,
            errors.RegionUnsuitable,
            errors.TooManyValues,
            errors.InvalidValue,
            errors.LostRace,
            special={
                errors.ImageIsPublic: "InvalidParameterValue.InvalidImageId",
                errors.ValueTooLong: "InvalidParameterValue",
            },
        ),
    ),
)
