"""Changing and deleting images. Source: CVM ModifyImageAttribute, DeleteImages."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import images
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


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


ACTIONS: Final[tuple[Action[Any], ...]] = (
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
)
