"""Public images: what the operator offers to everybody."""

from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.new_images import take_quota
from linocut.model import errors
from linocut.model.ids import ImageId, is_id
from linocut.model.states import ImageState


def publish_image(cloud: Cloud, caller: Caller, image_id: str, *, public: bool) -> None:
    """Make an own image public in its region, or private again.

    Raises OperatorOnly, ImageIdMalformed, ImageNotFound, ImageStateForbids, ImageQuotaExceeded.
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
        if image.is_public and not public:
            take_quota(cloud, caller, tx)
        tx.images.update(image, is_public=public)
