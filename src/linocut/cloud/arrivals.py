"""Trees on their way: what may be done with an image of which a region has not got everything yet.

An image is copied to another region by its trees: first their nodes, which say which chunks there are, then the chunks. With the
nodes there a disk can stand on the tree: what is missing is read from the region that it comes from.
"""

from typing import Final

from linocut.catalog import Tx
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.records import Image
from linocut.model.states import CopyState, ImageState

_WHOLE: Final = frozenset({ImageState.NORMAL, ImageState.EXPORTING})


def require_launchable(cloud: Cloud, tx: Tx, image: Image) -> None:
    """Raise ImageStateForbids unless instances may be started from the image.

    They may while it is exported, or copied to elsewhere; and from the copy by a setting, once the nodes of its trees are there.
    """
    if image.state in _WHOLE:
        return
    if image.state is ImageState.SYNCING:
        arriving = tx.copies.of(image.region, image.image_id)
        if not arriving:
            return
        readable = all(copy.state is not CopyState.WAITING for copy in arriving)
        if readable and cloud.settings.launch_while_syncing:
            return
    raise errors.ImageStateForbids(f"Image {image.image_id} is {image.state}.")
