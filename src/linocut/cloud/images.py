"""Images: list, modify, delete, and what they take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import ImageChanges, ImageType, Page, Tx, VisibleImage
from linocut.catalog import ImageQuery as CatalogQuery
from linocut.cloud import listing, places
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors, rules
from linocut.model.ids import ImageId, is_id
from linocut.model.records import Image, Snapshot
from linocut.model.states import ImageState

__all__ = ["ImageQuery", "ImageType", "ImageUsage", "Page", "VisibleImage"]

_FILTERS: Final = frozenset(
    {
        *("image-id", "image-type", "image-name", "platform", "image-state", "tag-key", "tag-value"),
        *("dedicated-cluster-id", "cdc-cache-status"),
    }
)
_DEDICATED: Final = frozenset({"dedicated-cluster-id", "cdc-cache-status"})
"""Filters for what dedicated clusters cache; there are none here, so nothing passes them."""
_TYPES: Final = frozenset({"PUBLIC_IMAGE", "PRIVATE_IMAGE", "SHARED_IMAGE", "MARKET_IMAGE"})
_IDS: Final = 100
_TRANSIENT: Final = frozenset({ImageState.CREATING, ImageState.IMPORTING, ImageState.SYNCING, ImageState.EXPORTING})


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Which images to list: ids or filters, and a page."""

    ids: tuple[str, ...] | None
    filters: Mapping[str, tuple[str, ...]]
    offset: int
    limit: int
    instance_type: str | None


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """An image's bytes: logical size, what its chunks take in the store, and what only it takes there.

    `added_bytes` counts the chunks that no older snapshot of the region's caller has.
    """

    image_id: ImageId
    logical_bytes: int
    stored_bytes: int
    added_bytes: int


def list_images(cloud: Cloud, caller: Caller, query: ImageQuery) -> Page[VisibleImage]:
    """Return a page of the images that the caller sees: its own, public ones, and those shared to it in the region.

    Exact matches of a name come first, then the newest. Raises ImageIdMalformed, IdsWithFilters, FilterUnknown,
    TooManyFilterValues, PageOutOfRange, InstanceTypeNotFound. Source: CVM DescribeImages.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS)
    ids = _image_ids(query.ids) if query.ids is not None else None
    _image_ids(filters.get("image-id", ()))
    architectures = None
    if query.instance_type is not None:
        places.find_instance_type(query.instance_type)
        architectures = ("x86_64", "i386")
    if _DEDICATED & filters.keys():
        return Page((), 0)
    asked = CatalogQuery(
        caller=caller.account.uin,
        region=caller.region,
        ids=ids,
        image_ids=tuple(ImageId(text) for text in filters.get("image-id", ())),
        types=_known("image-type", filters.get("image-type", ()), _TYPES),
        names=filters.get("image-name", ()),
        platforms=filters.get("platform", ()),
        states=filters.get("image-state", ()),
        tag_keys=filters.get("tag-key", ()),
        tag_values=filters.get("tag-value", ()),
        tags=listing.tag_filters(filters),
        architectures=architectures,
        offset=query.offset,
        limit=query.limit,
    )
    return cloud.catalog.ask(lambda tx: tx.images.visible(asked))


def modify_image(
    cloud: Cloud,
    caller: Caller,
    image_id: str,
    *,
    name: str | None,
    description: str | None,
    family: str | None,
    deprecated: bool | None,
) -> None:
    """Change an own image's name, description, family (empty for none) or deprecation; None leaves a field as it is.

    Those an image is shared with rely on what they see: it changes no more until its shares are cancelled, and a call that asks
    for what is so already is harmless. Raises ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic, ImageInShared,
    ImageStateForbids, ImageNameTaken, InvalidValue, ValueTooLong, ImageFamilyInvalid. Source: CVM ModifyImageAttribute.
    """
    changes: ImageChanges = {}
    if name is not None:
        changes["name"] = rules.image_name(name)
    if description is not None:
        changes["description"] = rules.description(description)
    if family is not None:
        changes["family"] = rules.image_family(family)
    if deprecated is not None:
        changes["deprecated"] = deprecated
    with cloud.catalog.begin() as tx:
        image = own_image(tx, caller, image_id)
        if image.state in _TRANSIENT:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        if all(getattr(image, field) == value for field, value in changes.items()):
            return
        tx.images.hold(image)
        if tx.shares.count(image.image_id):
            raise errors.ImageInShared(f"Image {image_id} is shared: cancel its shares first.")
        tx.images.update(image, **changes)


def delete_images(cloud: Cloud, caller: Caller, image_ids: Sequence[str], *, delete_snapshots: bool, dry_run: bool) -> None:
    """Delete own images, all or none of them; their snapshots stay unless `delete_snapshots`.

    A snapshot that another image is made of stays all the same. Instances started from the images go on.

    Raises ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic, ImageStateForbids, ImageInShared, TooManyValues.
    Source: CVM DeleteImages.
    """
    listing.check_count("ImageIds", image_ids, _IDS)
    with cloud.catalog.begin() as tx:
        delete_held(tx, caller, image_ids, delete_snapshots=delete_snapshots, dry_run=dry_run)


def delete_held(tx: Tx, caller: Caller, image_ids: Iterable[str], *, delete_snapshots: bool, dry_run: bool = False) -> None:
    """Delete own images within a transaction, under the rules of `delete_images`, and raise what it raises."""
    for image_id in dict.fromkeys(image_ids):
        image = own_image(tx, caller, image_id)
        if image.state in _TRANSIENT:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        tx.images.hold(image)
        if tx.shares.count(image.image_id):
            raise errors.ImageInShared(f"Image {image_id} is shared: cancel its shares first.")
        if dry_run:
            continue
        bound = tx.snapshots.bound(image.image_id)
        tx.images.remove(image)
        if delete_snapshots or image.state is not ImageState.NORMAL:
            tx.snapshot_shares.lock(image.owner, image.region, bound)
            if tx.snapshot_shares.shared_ones(bound):
                raise errors.ImageInShared(f"A snapshot of image {image_id} is shared: cancel its shares first.")
            tx.snapshots.remove(bound)


def image_of_family(cloud: Cloud, caller: Caller, family: str) -> VisibleImage | None:
    """Return the image that a family stands for, or None: the newest that is NORMAL, or being exported, and not deprecated.

    A caller's own images come before public ones, whatever their age: who builds a newer `debian-12` gets it. Those shared to it
    come last, so that nobody can put an image of theirs in the place of a public one. Raises ImageFamilyInvalid.
    Source: CVM DescribeImageFromFamily.
    """
    if not rules.image_family(family):
        raise errors.ImageFamilyInvalid("ImageFamily is empty.")
    with cloud.catalog.read() as tx:
        for kind in (ImageType.PRIVATE_IMAGE, ImageType.PUBLIC_IMAGE, ImageType.SHARED_IMAGE):
            page = tx.images.visible(
                CatalogQuery(
                    caller=caller.account.uin,
                    region=caller.region,
                    types=(kind,),
                    states=(ImageState.NORMAL, ImageState.EXPORTING),
                    family=family,
                    deprecated=False,
                    limit=1,
                )
            )
            if page.items:
                return page.items[0]
    return None


def image_quota(cloud: Cloud, _caller: Caller) -> int:
    """Return how many custom images an account may have in a region. Source: CVM DescribeImageQuota."""
    return cloud.settings.image_quota


def image_usage(cloud: Cloud, caller: Caller, image_ids: Sequence[str]) -> tuple[ImageUsage, ...]:
    """Return the bytes of own images. Raises ImageIdMalformed, ImageNotFound, TooManyValues."""
    listing.check_count("ImageIds", image_ids, _IDS)
    with cloud.catalog.read() as tx:
        images = [_owned(tx, caller, image_id) for image_id in image_ids]
        snapshots = [tx.images.snapshots_of(image.image_id) for image in images]
        owned = {image.region: tx.snapshots.owned(caller.account.uin, image.region) for image in images}
    return tuple(_usage(cloud, image, mine, owned[image.region]) for image, mine in zip(images, snapshots, strict=True))


def own_image(tx: Tx, caller: Caller, image_id: str) -> Image:
    """Return a custom image of the caller's. Raises ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic."""
    image = visible_image(tx, caller, image_id)
    if image.is_public:
        raise errors.ImageIsPublic(f"Image {image_id} is public.")
    if image.owner != caller.account.uin:
        raise errors.ImageIsShared(f"Image {image_id} is only shared to you.")
    return image


def visible_image(tx: Tx, caller: Caller, image_id: str) -> Image:
    """Return an image that the caller may see. Raises ImageIdMalformed, ImageNotFound."""
    if not is_id("img", image_id):
        raise errors.ImageIdMalformed(f"{image_id!r} is no image id.")
    image = tx.images.get(caller.region, ImageId(image_id))
    if image is None or not (
        image.is_public or image.owner == caller.account.uin or tx.shares.is_shared(image.image_id, caller.account.uin)
    ):
        raise errors.ImageNotFound(f"There is no image {image_id}.")
    return image


def _owned(tx: Tx, caller: Caller, image_id: str) -> Image:
    image = visible_image(tx, caller, image_id)
    if image.owner != caller.account.uin:
        raise errors.ImageNotFound(f"There is no image {image_id} of yours.")
    return image


def _image_ids(texts: Sequence[str]) -> tuple[ImageId, ...]:
    for text in texts:
        if not is_id("img", text):
            raise errors.ImageIdMalformed(f"{text!r} is no image id.")
    return tuple(ImageId(text) for text in texts)


def _known(filter_name: str, values: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise errors.InvalidValue(f"Filter {filter_name} takes {', '.join(sorted(known))}.")
    return values


def _usage(cloud: Cloud, image: Image, mine: tuple[Snapshot, ...], owned: tuple[Snapshot, ...]) -> ImageUsage:
    store = cloud.stores.store(image.region)
    roots = [snapshot.root for snapshot in mine if snapshot.root is not None]
    mine_ids = {snapshot.snapshot_id for snapshot in mine}
    older = [
        snapshot.root
        for snapshot in owned
        if snapshot.root is not None and snapshot.snapshot_id not in mine_ids and snapshot.created_at <= image.created_at
    ]
    usage = store.usage(roots)
    return ImageUsage(
        image.image_id,
        logical_bytes=sum(snapshot.size_bytes for snapshot in mine),
        stored_bytes=usage.stored_bytes,
        added_bytes=sum(store.added_bytes(root, older) for root in dict.fromkeys(roots)),
    )
