"""Public images: what the operator offers to everybody, by the same id in every region.

A public image stays where it was made, and belongs to the operator; every account sees it in every region, may start and
reinstall instances from it, and nothing else. Its trees come to another region when an instance is first started there.
"""

from dataclasses import replace
from enum import StrEnum

from linocut.catalog import Tx
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.new_images import take_quota
from linocut.model import errors
from linocut.model.ids import ImageId, is_id
from linocut.model.records import Image
from linocut.model.states import CopyState, ImageState

__all__ = ["Replaced", "publish_image"]


class Replaced(StrEnum):
    """What becomes of the images that were public in the family of one that is published."""

    KEEP = "KEEP"
    DEPRECATE = "DEPRECATE"
    WITHDRAW = "WITHDRAW"


def publish_image(cloud: Cloud, caller: Caller, image_id: str, *, public: bool, replaced: Replaced = Replaced.KEEP) -> None:
    """Make an own image public in every region, or private again; neither touches instances that run.

    Published in place of others, it takes over their family: they are deprecated, or withdrawn as well.
    Raises OperatorOnly, ImageIdMalformed, ImageNotFound, ImageStateForbids, ImageQuotaExceeded, ImageFamilyInvalid, LostRace.
    """
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator may publish images.")
    if not is_id("img", image_id):
        raise errors.ImageIdMalformed(f"{image_id!r} is no image id.")
    with cloud.catalog.begin() as tx:
        image = tx.images.get(caller.region, ImageId(image_id))
        if image is None or image.owner != caller.account.uin:
            raise errors.ImageNotFound(f"There is no image {image_id}.")
        if image.state is not ImageState.NORMAL:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        if not public:
            _withdraw(cloud, caller, tx, image)
            return
        if replaced is not Replaced.KEEP:
            _replace(cloud, caller, tx, image, replaced)
        if not image.is_public:
            tx.images.update(image, is_public=True)


def _replace(cloud: Cloud, caller: Caller, tx: Tx, image: Image, replaced: Replaced) -> None:
    """Deprecate the other public images of the image's family, and withdraw them if that is asked for."""
    if not image.family:
        raise errors.ImageFamilyInvalid(f"Image {image.image_id} has no family in which to replace others.")
    for other in tx.images.public_in_family(image.owner, image.family):
        if other.image_id == image.image_id:
            continue
        deprecated = other if other.deprecated else tx.images.update(other, deprecated=True)
        if replaced is Replaced.WITHDRAW:
            _withdraw(cloud, caller, tx, deprecated)


def _withdraw(cloud: Cloud, caller: Caller, tx: Tx, image: Image) -> None:
    """Make a public image private again, and forget its trees in other regions save those on their way that a disk needs."""
    if not image.is_public:
        return
    take_quota(cloud, replace(caller, region=image.region), tx)
    tx.images.update(image, is_public=False)
    tx.copies.remove(
        copy for copy in tx.copies.of_image(image.image_id) if copy.state is CopyState.WHOLE or not tx.copies.is_needed([copy])
    )
