"""Which images an account sees, filtered and paged, in four statements however long the page is.

What is visible is the union of three disjoint sets, each found by its own index: the caller's own images, public images, and
images that are shared to the caller. The set an image comes from is its type as the caller sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Subquery, case, func, literal, or_, select, union_all

from linocut.catalog.page import Page
from linocut.catalog.rows import batches, contains_any, record_of
from linocut.catalog.schema import IMAGE_SNAPSHOTS, IMAGES, SHARES, SNAPSHOTS
from linocut.catalog.tags import tagged, tags_of
from linocut.model.ids import ImageId, Region, Uin
from linocut.model.records import Image, Snapshot
from linocut.model.states import ImageState

DEFAULT_LIMIT: Final = 20


class ImageType(StrEnum):
    """What an image is to the one who looks at it."""

    PUBLIC_IMAGE = "PUBLIC_IMAGE"
    PRIVATE_IMAGE = "PRIVATE_IMAGE"
    SHARED_IMAGE = "SHARED_IMAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """What a caller asks for. Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing.

    `ids` and `architectures` are None when not asked for, and match nothing when empty. `names` and `platforms` match any part
    of the text, whatever its case.
    """

    caller: Uin
    region: Region
    ids: tuple[str, ...] | None = None
    image_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    tag_keys: tuple[str, ...] = ()
    tag_values: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    architectures: tuple[str, ...] | None = None
    family: str | None = None
    deprecated: bool | None = None
    offset: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class VisibleImage:
    """An image as one caller sees it, with its snapshots, the system disk's first."""

    image: Image
    image_type: ImageType
    snapshots: tuple[Snapshot, ...]


def visible(connection: Connection, query: ImageQuery) -> Page[VisibleImage]:
    """Return a page of the images that the caller sees in the region.

    Others' public images are seen once they are NORMAL. Images whose name is exactly one of `names` come first, then the newest.
    """
    seen = _seen(query)
    if seen is None:
        return Page((), 0)
    total = connection.execute(select(func.count()).select_from(seen)).scalar_one()
    order = (seen.c.inexact, seen.c.created_at.desc(), seen.c.image_id)
    page = select(seen).order_by(*order).offset(query.offset).limit(query.limit).subquery("page")
    listed = (
        select(IMAGES, page.c.image_type)
        .join(page, page.c.image_id == IMAGES.c.image_id)
        .order_by(page.c.inexact, page.c.created_at.desc(), page.c.image_id)
    )
    rows = connection.execute(listed).mappings().all()
    ids = [row["image_id"] for row in rows]
    tags = tags_of(connection, ids)
    snapshots = snapshots_by_image(connection, ids)
    return Page(
        tuple(
            VisibleImage(
                record_of(Image, row, tags=tags.get(row["image_id"], ())),
                ImageType(row["image_type"]),
                snapshots.get(row["image_id"], ()),
            )
            for row in rows
        ),
        total,
    )


def snapshots_by_image(connection: Connection, image_ids: list[ImageId]) -> dict[ImageId, tuple[Snapshot, ...]]:
    """Return the snapshots of these images in their order; an image without any is absent."""
    found: dict[ImageId, list[Snapshot]] = {}
    for batch in batches(image_ids):
        query = (
            select(IMAGE_SNAPSHOTS.c.image_id, SNAPSHOTS)
            .join(SNAPSHOTS, SNAPSHOTS.c.snapshot_id == IMAGE_SNAPSHOTS.c.snapshot_id)
            .where(IMAGE_SNAPSHOTS.c.image_id.in_(batch))
            .order_by(IMAGE_SNAPSHOTS.c.image_id, IMAGE_SNAPSHOTS.c.position)
        )
        for row in connection.execute(query).mappings():
            found.setdefault(row["image_id"], []).append(record_of(Snapshot, row))
    return {image_id: tuple(snapshots) for image_id, snapshots in found.items()}


def _seen(query: ImageQuery) -> Subquery | None:
    """Return the ids that match, each with its type and what it is sorted by; None when no type is asked for."""
    wanted = [kind for kind in ImageType if not query.types or kind in query.types]
    if not wanted:
        return None
    inexact: ColumnElement[int] = case((IMAGES.c.name.in_(query.names), 0), else_=1) if query.names else literal(0)
    conditions = _conditions(query)
    branches = [
        _branch(
            kind,
            query,
            select(IMAGES.c.image_id, IMAGES.c.created_at, literal(kind.value).label("image_type"), inexact.label("inexact")),
        ).where(*conditions)
        for kind in wanted
    ]
    return union_all(*branches).subquery("seen")


def _branch(kind: ImageType, query: ImageQuery, images: Select[Any]) -> Select[Any]:
    """Return the selection narrowed to the images of the region that are of this type to the caller."""
    images = images.where(IMAGES.c.region == query.region)
    match kind:
        case ImageType.PRIVATE_IMAGE:
            return images.where(IMAGES.c.owner == query.caller, IMAGES.c.is_public.is_(False))
        case ImageType.PUBLIC_IMAGE:
            ready = or_(IMAGES.c.state == ImageState.NORMAL, IMAGES.c.owner == query.caller)
            return images.where(IMAGES.c.is_public.is_(True), ready)
        case ImageType.SHARED_IMAGE:
            shared = images.join(SHARES, SHARES.c.image_id == IMAGES.c.image_id).where(SHARES.c.account == query.caller)
            return shared.where(IMAGES.c.owner != query.caller, IMAGES.c.is_public.is_(False))


def _conditions(query: ImageQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.ids is not None:
        conditions.append(IMAGES.c.image_id.in_(query.ids))
    if query.architectures is not None:
        conditions.append(IMAGES.c.architecture.in_(query.architectures))
    if query.family is not None:
        conditions.append(IMAGES.c.family == query.family)
    if query.deprecated is not None:
        conditions.append(IMAGES.c.deprecated.is_(query.deprecated))
    if query.image_ids:
        conditions.append(IMAGES.c.image_id.in_(query.image_ids))
    if query.states:
        conditions.append(IMAGES.c.state.in_(query.states))
    if query.names:
        conditions.append(contains_any(IMAGES.c.name_folded, query.names))
    if query.platforms:
        conditions.append(contains_any(IMAGES.c.platform_folded, query.platforms))
    return conditions + tagged(IMAGES.c.image_id, query.tag_keys, query.tag_values, query.tags)
