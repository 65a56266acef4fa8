"""Trees on their way: what a region may do with an image of which it has not got everything yet.

An image goes to another region by its trees: first their nodes, which say what chunks there are, then the chunks. With the nodes
there a disk can stand on a tree: what is missing is read from the region that it comes from, until it has arrived. A public
image, which is the same in every region, comes to one when it is first needed there.
"""

from collections.abc import Iterable
from typing import Final

from linocut.catalog import Tx
from linocut.cloud.arrears import require_not_isolated
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import ImageId, Region, RootDigest
from linocut.model.records import Image, TreeCopy
from linocut.model.states import CopyState, ImageState

_WHOLE: Final = frozenset({ImageState.NORMAL, ImageState.EXPORTING})


def require_launchable(cloud: Cloud, tx: Tx, image: Image) -> None:
    """Raise ImageStateForbids unless instances may be started from the image.

    They may while it is exported, or copied to elsewhere; and from the copy by a setting, once the nodes of its trees are there.
    """
    require_not_isolated(tx, image)
    if image.state in _WHOLE:
        return
    if image.state is ImageState.SYNCING:
        tx.images.hold(image)  # against a cancellation, which asks whether a disk stands on it
        arriving = tx.copies.of(image.region, image.image_id)
        if not arriving:
            return
        readable = all(copy.state is not CopyState.WAITING for copy in arriving)
        unwanted = tx.tasks.is_cancel_asked(image.image_id, image.request_id)
        if readable and not unwanted and cloud.settings.launch_while_syncing:
            return
    raise errors.ImageStateForbids(f"Image {image.image_id} is {image.state}.")


def bring(cloud: Cloud, tx: Tx, caller: Caller, image: Image) -> bool:
    """Have a public image's trees come to the caller's region unless they have; return whether `start_bringing` is to follow.

    To be called in the transaction that puts disks on them, with the image held.
    """
    if image.region == caller.region:
        return False
    added = [
        tx.copies.add(
            TreeCopy(
                region=caller.region,
                snapshot_id=snapshot.snapshot_id,
                image_id=image.image_id,
                source_image=image.image_id,
                source_region=image.region,
                root=snapshot.root,
                state=CopyState.WAITING,
                request_id=caller.request_id,
                created_at=cloud.now(),
            )
        )
        for snapshot in tx.images.snapshots_of(image.image_id)
        if snapshot.root is not None
    ]
    return any(added)


def start_bringing(cloud: Cloud, caller: Caller, image: Image) -> None:
    """Start what `bring` has written down, after its transaction."""
    cloud.workflows.start("copy-image", f"{caller.region}/{image.image_id}", key=caller.request_id)


def make_readable(cloud: Cloud, region: Region, root: RootDigest) -> None:
    """Let a tree be read in a region, whether or not it has arrived there. To be called before a disk on it is opened.

    Raises ObjectUnreadable, StoreUnavailable.
    """
    arriving = _arriving(cloud, region, root)
    if not arriving:
        return
    source = arriving[0].source_region
    target = cloud.stores.store(region)
    if all(copy.state is CopyState.WAITING for copy in arriving):
        target.copy_nodes(cloud.stores.store(source), [root])
    cloud.stores.read_through(region, root, source)
    if not _arriving(cloud, region, root):  # it has arrived meanwhile, and whoever said so may have been here before
        cloud.stores.end_read_through(region, root)


def forget_arrived(cloud: Cloud, region: Region, roots: Iterable[RootDigest]) -> None:
    """Read trees from their region alone again, save those that are still on their way."""
    for root in roots:
        if not _arriving(cloud, region, root):
            cloud.stores.end_read_through(region, root)


def wanted_elsewhere(cloud: Cloud) -> tuple[tuple[Region, RootDigest, Region], ...]:
    """Return every tree on its way that a disk needs, with the region that it goes to and the one where it is to be read."""
    with cloud.catalog.read() as tx:
        wanted = {
            (copy.region, copy.root): copy.source_region
            for copy in tx.copies.under_way()
            if copy.state is CopyState.READABLE and tx.copies.is_needed([copy])
        }
    return tuple((region, root, source) for (region, root), source in wanted.items())


def release_source(tx: Tx, source_image: ImageId) -> None:
    """Let an image be NORMAL again of which no copy is under way any more. Its row must be held."""
    source = tx.images.find(source_image)
    if source is not None and source.state is ImageState.SYNCING and not tx.copies.from_image(source_image):
        tx.images.move(source, ImageState.NORMAL, percent=100)


def _arriving(cloud: Cloud, region: Region, root: RootDigest) -> tuple[TreeCopy, ...]:
    """Return what brings a tree to a region that has not got all of it yet."""
    with cloud.catalog.read() as tx:
        if tx.copies.is_whole(region, root):
            return ()
        return tuple(copy for copy in tx.copies.of_root(region, root) if copy.state is not CopyState.WHOLE)
