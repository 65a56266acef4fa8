"""Which images an account sees, filtered and paged, in one statement however long the page is.

What is visible is the union of disjoint sets, each found by its own index and in the order of the page: the caller's own images,
public images that are ready, wherever they are, the caller's own public images that are not, and images that are shared to the
caller. The set an image comes from is its type as the caller sees it. From each set no more is read than the page may need.

How many there are on all pages is known beforehand (`image_counts`) unless a filter asks for less than all; then they are
counted. The statement for each shape of a question is built once; see `prepared`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    ScalarSelect,
    Select,
    String,
    Text,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from linocut.catalog.image_counts import EVERYBODY, EVERYWHERE, ImageType
from linocut.catalog.page import Page
from linocut.catalog.prepared import Prepared
from linocut.catalog.rows import batches, folded, record_of
from linocut.catalog.schema import IMAGE_COUNTS, IMAGE_SNAPSHOTS, IMAGES, SHARES, SNAPSHOTS, TAGS
from linocut.model.ids import ImageId, Region, SnapshotId, Uin
from linocut.model.records import DiskUsage, Image, Snapshot, Tag
from linocut.model.states import ImageState

__all__ = ["DEFAULT_LIMIT", "ImageDisk", "ImageQuery", "ImageType", "VisibleImage", "snapshots_by_image", "visible"]

DEFAULT_LIMIT: Final = 20
_SHAPES: Final = 256
_SMALLEST_REACH: Final = 32
_IMAGE_FIELDS: Final = tuple(each.name for each in fields(Image))[:-1]
"""All but the last, which is the tags: another table keeps them."""
_TYPES: Final = {kind.value: kind for kind in ImageType}
_USAGES: Final = {usage.value: usage for usage in DiskUsage}


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
class ImageDisk:
    """What a list tells of one of an image's snapshots."""

    snapshot_id: SnapshotId
    usage: DiskUsage
    size_bytes: int


@dataclass(frozen=True, slots=True)
class VisibleImage:
    """An image as one caller sees it, with its snapshots, the system disk's first."""

    image: Image
    image_type: ImageType
    snapshots: tuple[ImageDisk, ...]


def visible(connection: Connection, query: ImageQuery) -> Page[VisibleImage]:
    """Return a page of the images that the caller sees in the region.

    Others' public images are seen once they are NORMAL. Images whose name is exactly one of `names` come first, then the newest.
    """
    shape = _Shape.of(query)
    if not shape.kinds or query.ids == () or query.architectures == ():
        return Page((), 0)
    values = _values(query)
    rows = _page_statement(connection.dialect, shape).rows(connection, values)
    total = rows[0][-1] if rows else _total(connection, shape, values)
    return Page(tuple(_visible_image(row) for row in rows), total)


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


_LISTS: Final[Mapping[str, Column[str]]] = {
    "ids": IMAGES.c.image_id,
    "image_ids": IMAGES.c.image_id,
    "architectures": IMAGES.c.architecture,
    "states": IMAGES.c.state,
}
"""Filters that ask for one of some values, with their columns."""

_PARTS: Final[Mapping[str, Column[str]]] = {"names": IMAGES.c.name_folded, "platforms": IMAGES.c.platform_folded}
"""Filters that ask for text which contains one of some parts, whatever its case."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a question decides how its statement reads: which filters it has, and how many values in each."""

    kinds: tuple[ImageType, ...]
    lengths: tuple[tuple[str, int], ...]
    tags: tuple[int, ...]
    family: bool
    deprecated: bool | None
    reach: int
    """How far into each set the page may reach: a power of two, so that pages have statements in common."""

    @classmethod
    def of(cls, query: ImageQuery) -> "_Shape":
        given = ((name, len(getattr(query, name) or ())) for name in (*_LISTS, *_PARTS, "tag_keys", "tag_values"))
        return cls(
            kinds=tuple(kind for kind in ImageType if not query.types or kind in query.types),
            lengths=tuple((name, length) for name, length in given if length),
            tags=tuple(len(wanted) for wanted in query.tags.values() if wanted),
            family=query.family is not None,
            deprecated=query.deprecated,
            reach=max(_SMALLEST_REACH, 1 << (query.offset + query.limit - 1).bit_length()),
        )

    @property
    def asks_for_all(self) -> bool:
        """Tell whether no filter leaves anything out."""
        return not (self.lengths or self.tags or self.family or self.deprecated is not None)


def _values(query: ImageQuery) -> dict[str, Any]:
    """Return the parameters of a question's statement."""
    values: dict[str, Any] = {
        "caller": query.caller,
        "region": query.region,
        "offset": query.offset,
        "limit": query.limit,
        "family": query.family,
    }
    for name in (*_LISTS, *_PARTS, "tag_keys", "tag_values"):
        values |= {f"{name}_{number}": str(value) for number, value in enumerate(getattr(query, name) or ())}
    for name in _PARTS:
        values |= {f"{name}_{number}_part": _pattern(part) for number, part in enumerate(getattr(query, name))}
    for place, (key, wanted) in enumerate((key, wanted) for key, wanted in query.tags.items() if wanted):
        values[f"tag_{place}"] = key
        values |= {f"tag_{place}_{number}": value for number, value in enumerate(wanted)}
    return values


def _pattern(part: str) -> str:
    """Return the LIKE pattern of a text that contains the part, with `/` before what would mean something to LIKE."""
    plain = folded(part).replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"%{plain}%"


def _visible_image(row: list[Any]) -> VisibleImage:
    """Return the image of a page's row."""
    *image, image_type, tags, disks, _ = row
    image.append(tuple(Tag(key, value) for _, key, value in _in_order(tags)))
    return VisibleImage(
        Image(*image),
        _TYPES[image_type],
        tuple(ImageDisk(snapshot_id, _USAGES[usage], size_bytes) for _, snapshot_id, usage, size_bytes in _in_order(disks)),
    )


def _in_order(rows: str | None) -> list[list[Any]]:
    """Return the rows of a JSON list, by their positions, which come first in each."""
    found: list[list[Any]] = [] if rows is None else msgspec.json.decode(rows)
    if len(found) > 1:
        found.sort()
    return found


def _total(connection: Connection, shape: _Shape, values: Mapping[str, Any]) -> int:
    (row,) = _total_statement(connection.dialect, shape).rows(connection, values)
    return int(row[0])


@lru_cache(_SHAPES)
def _total_statement(dialect: Dialect, shape: _Shape) -> Prepared:
    counted = select(func.count()).select_from(union_all(*_branches(shape)).subquery("seen")).scalar_subquery()
    return Prepared(dialect, select((_known(shape) if shape.asks_for_all else counted).label("total")))


@lru_cache(_SHAPES)
def _page_statement(dialect: Dialect, shape: _Shape) -> Prepared:
    """Return the statement of a page: its images with all that a list tells of them, and how many there are in all."""
    if shape.asks_for_all:
        seen: FromClause = union_all(*(_first(branch, shape) for branch in _branches(shape))).subquery("seen")
        total = _known(shape)
    else:
        seen = union_all(*_branches(shape)).cte("seen")
        total = select(func.count()).select_from(seen).scalar_subquery()
    order = [*([seen.c.inexact] if "inexact" in seen.c else []), seen.c.created_at.desc(), seen.c.image_id]
    page = select(seen).order_by(*order).limit(_number("limit")).offset(_number("offset")).subquery("page")
    order = [*([page.c.inexact] if "inexact" in page.c else []), page.c.created_at.desc(), page.c.image_id]
    tags = _json_rows(dialect, TAGS.c.position, TAGS.c.key, TAGS.c.value).where(TAGS.c.resource_id == IMAGES.c.image_id)
    disks = (
        _json_rows(dialect, IMAGE_SNAPSHOTS.c.position, SNAPSHOTS.c.snapshot_id, SNAPSHOTS.c.usage, SNAPSHOTS.c.size_bytes)
        .join_from(IMAGE_SNAPSHOTS, SNAPSHOTS, SNAPSHOTS.c.snapshot_id == IMAGE_SNAPSHOTS.c.snapshot_id)
        .where(IMAGE_SNAPSHOTS.c.image_id == IMAGES.c.image_id)
    )
    listed = (
        select(
            *(IMAGES.c[name] for name in _IMAGE_FIELDS),
            page.c.image_type,
            tags.correlate(IMAGES).scalar_subquery().label("tags"),
            disks.correlate(IMAGES).scalar_subquery().label("disks"),
            total.label("total"),
        )
        .join_from(page, IMAGES, page.c.image_id == IMAGES.c.image_id)
        .order_by(*order)
    )
    return Prepared(dialect, listed)


def _json_rows(dialect: Dialect, *columns: Column[Any]) -> Select[Any]:
    """Return the selection of rows as one text, a JSON list of lists, in no order; null or empty where there are none."""
    if dialect.name == "postgresql":
        return select(cast(func.json_agg(func.json_build_array(*columns)), Text))
    return select(func.json_group_array(func.json_array(*columns), type_=Text))


def _known(shape: _Shape) -> ScalarSelect[int]:
    """Return what the counters say of how many images there are."""
    known = (
        IMAGE_COUNTS.c.account.in_([_word("caller"), _constant(EVERYBODY)]),
        IMAGE_COUNTS.c.region.in_([_word("region"), _constant(EVERYWHERE)]),
        IMAGE_COUNTS.c.kind.in_([_constant(kind) for kind in shape.kinds]),
    )
    total = cast(func.coalesce(func.sum(IMAGE_COUNTS.c.count), literal_column("0")), BigInteger)
    return select(total).where(*known).scalar_subquery()


def _first(branch: Select[Any], shape: _Shape) -> Select[Any]:
    """Return as many images of a set as the page may need, those that come first in its order."""
    first = branch.order_by(IMAGES.c.created_at.desc(), IMAGES.c.image_id).limit(literal_column(str(shape.reach)))
    return select(first.subquery("first"))


def _branches(shape: _Shape) -> Iterator[Select[Any]]:
    """Yield the disjoint sets of images that the caller sees, as far as they are asked for."""
    conditions = _conditions(shape)
    for kind in shape.kinds:
        columns = [IMAGES.c.image_id, IMAGES.c.created_at, _constant(kind).label("image_type")]
        if _has_names(shape):
            exact = IMAGES.c.name.in_(_words("names", shape))
            columns.append(case((exact, literal_column("0")), else_=literal_column("1")).label("inexact"))
        yield from _sets(kind, select(*columns).where(*conditions))


def _sets(kind: ImageType, images: Select[Any]) -> Iterator[Select[Any]]:
    """Yield the selection narrowed to images of this type to the caller; public images are two sets, for two indexes.

    No index serves coalesce: that keeps SQLite from those that look good to it and lead to images by the thousand.
    """
    caller, region = _word("caller"), _word("region")
    match kind:
        case ImageType.PRIVATE_IMAGE:
            yield images.where(IMAGES.c.owner == caller, IMAGES.c.region == region, IMAGES.c.is_public.is_(False))
        case ImageType.PUBLIC_IMAGE:
            public = images.where(IMAGES.c.is_public.is_(True))
            yield public.where(IMAGES.c.state == _constant(ImageState.NORMAL))
            unready = [_constant(state) for state in ImageState if state is not ImageState.NORMAL]
            yield public.where(IMAGES.c.state.in_(unready), func.coalesce(IMAGES.c.owner, _constant("")) == caller)
        case ImageType.SHARED_IMAGE:
            shared = images.join(SHARES, SHARES.c.image_id == IMAGES.c.image_id).where(SHARES.c.account == caller)
            here = func.coalesce(IMAGES.c.region, _constant("")) == region
            yield shared.where(here, IMAGES.c.owner != caller, func.coalesce(IMAGES.c.is_public, true()).is_(False))


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    """Return the conditions of the filters."""
    asked = dict(shape.lengths)
    conditions: list[ColumnElement[bool]] = [column.in_(_words(name, shape)) for name, column in _LISTS.items() if name in asked]
    for name, column in _PARTS.items():
        if name in asked:
            patterns = (_word(f"{name}_{number}_part") for number in range(asked[name]))
            conditions.append(or_(*(column.like(pattern, escape="/") for pattern in patterns)))
    if shape.family:
        conditions.append(IMAGES.c.family == _word("family"))
    if shape.deprecated is not None:
        conditions.append(IMAGES.c.deprecated.is_(shape.deprecated))
    own = TAGS.c.resource_id == IMAGES.c.image_id
    mine = IMAGES.c.owner == _word("caller")
    for name, column in (("tag_keys", TAGS.c.key), ("tag_values", TAGS.c.value)):
        if name in asked:
            conditions += [mine, exists().where(own, column.in_(_words(name, shape)))]
    for place, length in enumerate(shape.tags):
        wanted = [_word(f"tag_{place}_{number}") for number in range(length)]
        conditions += [mine, exists().where(own, TAGS.c.key == _word(f"tag_{place}"), TAGS.c.value.in_(wanted))]
    return conditions


def _has_names(shape: _Shape) -> bool:
    return any(name == "names" for name, _ in shape.lengths)


def _words(name: str, shape: _Shape) -> list[BindParameter[str]]:
    return [_word(f"{name}_{number}") for number in range(dict(shape.lengths)[name])]


def _constant(text: str) -> ColumnElement[str]:
    """Return a word of ours as it stands in the statement."""
    return literal_column(f"'{text}'", String)


def _word(name: str) -> BindParameter[str]:
    return bindparam(name, type_=String)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)
