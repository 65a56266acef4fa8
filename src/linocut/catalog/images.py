"""Images: their rows, their legal moves, and what belongs to them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from linocut.catalog.image_counts import ImageCounts, Standing
from linocut.catalog.image_query import ImageQuery, VisibleImage, snapshots_by_image, visible
from linocut.catalog.page import Page
from linocut.catalog.rows import add_unless_taken, folded, guarded_update, lock_until_end, lost_race, record_of, values_of
from linocut.catalog.schema import IMAGE_SNAPSHOTS, IMAGES, SHARES
from linocut.catalog.tags import drop_tags, put_tags, replace_tags, tags_of
from linocut.model.errors import ImageNameTaken
from linocut.model.ids import ImageId, InstanceId, Region, SnapshotId, Uin
from linocut.model.records import Image, Snapshot, Tag
from linocut.model.states import IMAGE_MOVES, ImageState

_FOLDED: Final = ("name", "platform")
_UNGUARDED: Final = frozenset({"tags", "percent"})
"""Fields whose old value does not guard an update: tags are in another table and are compared there; progress runs by itself."""


class ImageChanges(TypedDict, total=False):
    """The fields of an image that may change after it was made."""

    name: str
    description: str
    platform: str
    os_name: str
    architecture: str
    size_gb: int
    license_type: str
    boot_mode: str
    family: str
    deprecated: bool
    supports_cloud_init: bool
    percent: int
    failure: str
    source_url: str
    request_id: str
    is_public: bool
    tags: tuple[Tag, ...]


class Images:
    """The images in one transaction."""

    def __init__(self, connection: Connection, counts: ImageCounts) -> None:
        self._connection = connection
        self._counts = counts

    def add(self, image: Image, snapshot_ids: Sequence[SnapshotId]) -> None:
        """Add an image of these snapshots, the system disk's first. Raises ImageNameTaken."""
        values = values_of(image, IMAGES) | _folded_of(image)
        if not add_unless_taken(self._connection, IMAGES, values, ["owner", "region", "name"]):
            raise _name_taken(image.name)
        self._counts.came(Standing.of(image))
        if snapshot_ids:
            links = [
                {"image_id": image.image_id, "snapshot_id": snapshot_id, "position": position}
                for position, snapshot_id in enumerate(snapshot_ids)
            ]
            self._connection.execute(insert(IMAGE_SNAPSHOTS), links)
        put_tags(self._connection, {image.image_id: image.tags})

    def get(self, region: Region, image_id: ImageId) -> Image | None:
        """Return the image of that region, or the public one of any, whoever owns it; or None."""
        return self._first(IMAGES.c.image_id == image_id, or_(IMAGES.c.region == region, IMAGES.c.is_public))

    def find(self, image_id: ImageId) -> Image | None:
        """Return the image, wherever it is; or None."""
        return self._first(IMAGES.c.image_id == image_id)

    def owned(self, uin: Uin, region: Region, image_id: ImageId) -> Image | None:
        """Return the account's own image of that region, or None."""
        return self._first(IMAGES.c.image_id == image_id, IMAGES.c.region == region, IMAGES.c.owner == uin)

    def visible(self, query: ImageQuery) -> Page[VisibleImage]:
        """Return a page of the images that the caller sees: its own, public ones, and ones shared to it."""
        self._counts.settle()
        return visible(self._connection, query)

    def in_states(self, states: Iterable[ImageState]) -> tuple[Image, ...]:
        """Return the images of every region and account that are in one of the states, oldest first."""
        return self._records(IMAGES.c.state.in_(tuple(states)))

    def failed_named(self, uin: Uin, region: Region, name: str) -> Image | None:
        """Return the account's image of this name in the region if it failed to come to be."""
        mine = (IMAGES.c.owner == uin, IMAGES.c.region == region, IMAGES.c.name == name)
        return next(iter(self._records(*mine, IMAGES.c.state.in_((ImageState.CREATEFAILED, ImageState.IMPORTFAILED)))), None)

    def public_in_family(self, uin: Uin, family: str) -> tuple[Image, ...]:
        """Return the account's public images of a family, oldest first."""
        return self._records(IMAGES.c.is_public, IMAGES.c.owner == uin, IMAGES.c.family == family)

    def of_owner(self, uin: Uin) -> tuple[Image, ...]:
        """Return the account's images of every region, in whatever state, oldest first."""
        return self._records(IMAGES.c.owner == uin)

    def made_of(self, instance_id: InstanceId) -> tuple[Image, ...]:
        """Return the images that were made of this instance."""
        return self._records(IMAGES.c.source_instance == instance_id)

    def snapshots_of(self, image_id: ImageId) -> tuple[Snapshot, ...]:
        """Return the image's snapshots, the system disk's first."""
        return snapshots_by_image(self._connection, [image_id]).get(image_id, ())

    def count_owned(self, uin: Uin, region: Region) -> int:
        """Return how many custom images the account has in the region, in whatever state."""
        mine = (IMAGES.c.owner == uin, IMAGES.c.region == region, IMAGES.c.is_public.is_(False))
        return self._connection.execute(select(func.count()).select_from(IMAGES).where(*mine)).scalar_one()

    def lock_quota(self, uin: Uin, region: Region) -> None:
        """Let only one transaction at a time count and add images of this account and region."""
        lock_until_end(self._connection, f"image quota of {uin} in {region}")

    def hold(self, image: Image) -> None:
        """Keep the image as it is until the transaction ends: nobody else moves, changes, shares or removes it.

        Raises LostRace when it is gone, or in another state than was read, or has been published or withdrawn since.
        """
        query = select(IMAGES.c.state, IMAGES.c.is_public).where(IMAGES.c.image_id == image.image_id).with_for_update()
        if self._connection.execute(query).first() != (image.state, image.is_public):
            raise lost_race(f"{image.image_id} is no longer {image.state}, or public as it was")

    def move(self, image: Image, to: ImageState, **changes: Unpack[ImageChanges]) -> Image:
        """Move the image to another state, with other changes at once, and return it as it then is.

        Raises ValueError for a move that is not legal, and LostRace as `update` does.
        """
        if to not in IMAGE_MOVES[image.state]:
            raise ValueError(f"an image does not move from {image.state} to {to}")
        return self._write(image, replace(image, state=to, **changes), changes)

    def update(self, image: Image, **changes: Unpack[ImageChanges]) -> Image:
        """Change the image and return it as it then is.

        Raises LostRace when the state or a field that is to change is not as it was read; ImageNameTaken.
        """
        return self._write(image, replace(image, **changes), changes)

    def set_percent(self, image_id: ImageId, percent: int) -> None:
        """Show progress. It only goes forwards; less than before, or an image that is gone, is no error."""
        forwards = (IMAGES.c.image_id == image_id, IMAGES.c.percent < percent)
        self._connection.execute(update(IMAGES).where(*forwards).values(percent=percent))

    def forget_source(self, image_id: ImageId) -> None:
        """Forget where an import read from; an image that is gone, or moved on meanwhile, is no error."""
        self._connection.execute(update(IMAGES).where(IMAGES.c.image_id == image_id).values(source_url=""))

    def remove(self, image: Image) -> None:
        """Remove the image with its shares, tags and links to snapshots; the snapshots stay.

        Raises LostRace as `hold` does.
        """
        self.hold(image)
        shared_with = self._shared_with(image.image_id)
        for table in (SHARES, IMAGE_SNAPSHOTS, IMAGES):
            self._connection.execute(delete(table).where(table.c.image_id == image.image_id))
        drop_tags(self._connection, [image.image_id])
        self._counts.went(Standing.of(image), shared_with)

    def _write(self, read: Image, changed: Image, changes: ImageChanges) -> Image:
        guards = ["state", "is_public", *(name for name in changes if name not in _UNGUARDED)]
        values = {name: getattr(changed, name) for name in ("state", *changes) if name != "tags"}
        values |= {name: value for name, value in _folded_of(changed).items() if name.removesuffix("_folded") in changes}
        try:
            with self._connection.begin_nested():
                guarded_update(self._connection, IMAGES.c.image_id, read, values, guards=guards)
        except IntegrityError as error:
            raise _name_taken(changed.name) from error
        if (before := Standing.of(read)) != (after := Standing.of(changed)):
            shared_with = self._shared_with(read.image_id) if before.is_public != after.is_public else ()
            self._counts.went(before, shared_with)
            self._counts.came(after, shared_with)
        if "tags" in changes:
            replace_tags(self._connection, read.image_id, read.tags, changed.tags)
        return changed

    def _shared_with(self, image_id: ImageId) -> Sequence[Uin]:
        """Return the accounts that the image is shared with. The caller holds the image's row."""
        return self._connection.scalars(select(SHARES.c.account).where(SHARES.c.image_id == image_id)).all()

    def _first(self, *conditions: ColumnElement[bool]) -> Image | None:
        images = self._records(*conditions)
        return images[0] if images else None

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[Image, ...]:
        query = select(IMAGES).where(*conditions).order_by(IMAGES.c.created_at, IMAGES.c.image_id)
        rows = self._connection.execute(query).mappings().all()
        tags = tags_of(self._connection, [row["image_id"] for row in rows])
        return tuple(record_of(Image, row, tags=tags.get(row["image_id"], ())) for row in rows)


def _folded_of(image: Image) -> dict[str, Any]:
    return {f"{name}_folded": folded(getattr(image, name)) for name in _FOLDED}


def _name_taken(name: str) -> ImageNameTaken:
    return ImageNameTaken(f"an image named {name} exists in this region")
