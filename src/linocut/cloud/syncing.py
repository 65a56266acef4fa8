"""Copying images: an own one to other regions, or a shared one to the caller's own images of the same region.

A copy is an image of its own: it has another id, and nothing that is done to its source later harms it. In the same region it is
made of rows alone, for the trees are there.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from linocut.catalog import Tx
from linocut.cloud import listing, places, tasks
from linocut.cloud.arrears import require_not_isolated
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.images import visible_image
from linocut.cloud.new_images import DryRunPassed, add_new_image, end_dry_run, new_snapshot, take_quota
from linocut.model import errors, rules
from linocut.model.ids import ImageId, Region, new_id
from linocut.model.places import may_copy
from linocut.model.records import Image, Snapshot, TreeCopy
from linocut.model.states import CopyState, ImageState, SnapshotState

__all__ = ["ImageCopy", "SyncOrder", "sync_image"]


@dataclass(frozen=True, slots=True)
class SyncOrder:
    """Which image to copy, to which regions, and how to name the copies; as their source if the name is empty."""

    image_ids: tuple[str, ...]
    regions: tuple[str, ...]
    name: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImageCopy:
    """A copy that was begun, or made."""

    image_id: ImageId
    region: Region


def sync_image(cloud: Cloud, caller: Caller, order: SyncOrder) -> tuple[ImageCopy, ...]:
    """Copy one image; return its copies at once, none on a dry run.

    While they are under way, they and their source are SYNCING. Copies go where the source's region may send them: among the
    regions of mainland China, among those elsewhere, or among those for finance. All of them are begun, or none.
    Raises ParameterMissing, TooManyValues, ImageIdMalformed, ImageNotFound, ImageIsPublic, ImageStateForbids, RegionNotFound,
    RegionUnreachable, RegionUnsuitable, ImageNameTaken, ImageQuotaExceeded, InvalidValue, LostRace. Source: CVM SyncImages.
    """
    if not order.image_ids or not order.regions:
        raise errors.ParameterMissing("ImageIds and DestinationRegions name an image and where to copy it.")
    listing.check_count("ImageIds", order.image_ids, 1)
    regions = tuple(places.check_region(cloud, region) for region in sorted(set(order.regions)))
    copies: tuple[Image, ...] = ()
    with suppress(DryRunPassed), cloud.catalog.begin() as tx:
        source = _source(tx, caller, order.image_ids[0])
        _check_regions(caller, source, regions)
        copies = tuple(_new_copy(cloud, caller, order, source, region) for region in regions)
        for copy in copies:
            take_quota(cloud, replace(caller, region=copy.region), tx)
            _add(cloud, caller, tx, source, copy)
        tasks.begin(cloud, tx, caller, "SyncImages", [copy.image_id for copy in copies])
        if source.region in regions:
            tasks.succeed(cloud, tx, copies[0].image_id, caller.request_id)
        else:
            tx.images.move(source, ImageState.SYNCING, percent=0)
        end_dry_run(dry_run=order.dry_run)
    if order.dry_run:
        return ()
    for copy in copies:
        if copy.state is ImageState.SYNCING:
            cloud.workflows.start("copy-image", f"{copy.region}/{copy.image_id}", key=caller.request_id)
    return tuple(ImageCopy(copy.image_id, copy.region) for copy in copies)


def _source(tx: Tx, caller: Caller, image_id: str) -> Image:
    image = visible_image(tx, caller, image_id)
    if image.is_public:
        raise errors.ImageIsPublic(f"Image {image_id} is public: every region has it.")
    if image.state is not ImageState.NORMAL:
        raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
    require_not_isolated(tx, image)
    tx.images.hold(image)  # its trees must not be swept before those of its copies are recorded
    return image


def _check_regions(caller: Caller, source: Image, regions: Sequence[Region]) -> None:
    """Raise RegionUnsuitable, RegionUnreachable where an image may not be copied to one of the regions."""
    is_own = source.owner == caller.account.uin
    for region in regions:
        if not is_own and region != source.region:
            raise errors.RegionUnsuitable("A shared image is copied to its own region only.")
        if is_own and region == source.region:
            raise errors.RegionUnsuitable(f"Image {source.image_id} is in {region} already.")
        if not may_copy(source.region, region):
            raise errors.RegionUnreachable(f"Images of {source.region} are not copied to {region}.")


def _new_copy(cloud: Cloud, caller: Caller, order: SyncOrder, source: Image, region: Region) -> Image:
    is_whole = region == source.region
    return replace(
        source,
        image_id=ImageId(new_id("img", cloud.randomness)),
        owner=caller.account.uin,
        region=region,
        name=rules.image_name(order.name) if order.name else source.name,
        state=ImageState.NORMAL if is_whole else ImageState.SYNCING,
        percent=100 if is_whole else 0,
        source_url="",
        source_instance=None,
        force_poweroff=False,
        deprecated=False,
        request_id=caller.request_id,
        created_at=cloud.now(),
        tags=(),
    )


def _add(cloud: Cloud, caller: Caller, tx: Tx, source: Image, copy: Image) -> None:
    """Write the rows of a copy and its snapshots; those of another region have their trees still to come."""
    originals = tx.images.snapshots_of(source.image_id)
    snapshots = tuple(
        replace(
            new_snapshot(cloud, replace(caller, region=copy.region), copy, usage=original.usage, size_bytes=original.size_bytes),
            is_copy=copy.region != source.region,
        )
        for original in originals
    )
    if copy.state is ImageState.NORMAL:
        snapshots = tuple(
            replace(new, state=SnapshotState.NORMAL, root=original.root, percent=100)
            for new, original in zip(snapshots, originals, strict=True)
        )
    add_new_image(tx, copy, snapshots)
    if copy.state is ImageState.SYNCING:
        for new, original in zip(snapshots, originals, strict=True):
            tx.copies.add(_coming(source, copy, new, original))


def _coming(source: Image, copy: Image, new: Snapshot, original: Snapshot) -> TreeCopy:
    if original.root is None:
        raise LookupError(f"{original.snapshot_id} of {source.image_id} holds no tree")
    return TreeCopy(
        region=copy.region,
        snapshot_id=new.snapshot_id,
        image_id=copy.image_id,
        source_image=source.image_id,
        source_region=source.region,
        root=original.root,
        state=CopyState.WAITING,
        request_id=copy.request_id,
        created_at=copy.created_at,
    )
