"""Structures that the actions of CBS share, and the small conversions between them and the model."""

from collections.abc import Iterable
from typing import Final

from linocut.api.codes import Codes, codes
from linocut.api.cvm.shapes import Filter, PageRequest, Tag, filters_by_name, ids_asked
from linocut.api.envelope import Shape
from linocut.cloud.listing import BlockQuery
from linocut.model import errors, records

LIST_CODES: Final[Codes] = codes(
    errors.InvalidValue,
    errors.FilterUnknown,
    special={
        errors.IdsWithFilters: "InvalidParameterValue",
        errors.PageOutOfRange: "InvalidParameterValue",
        errors.TooManyValues: "InvalidParameterValue",
        errors.TooManyFilterValues: "InvalidFilter",
    },
)
"""What a list of CBS may answer."""


class Placement(Shape):
    """Where a disk is."""

    zone: str
    project_id: int = 0
    project_name: str = ""
    cage_id: str = ""
    cdc_id: str = ""
    cdc_name: str = ""
    dedicated_cluster_id: str = ""


class OrderedPageRequest(PageRequest):
    """Which page of a list, and from which end."""

    filters: tuple[Filter, ...] = ()
    order_field: str = ""
    order: str = ""


def model_tags(tags: Iterable[Tag]) -> tuple[records.Tag, ...]:
    """Return tags as the model has them."""
    return tuple(records.Tag(tag.key, tag.value) for tag in tags)


def block_query(request: OrderedPageRequest, ids: Iterable[str], order_fields: frozenset[str]) -> BlockQuery:
    """Return what a request asks for. Raises InvalidValue."""
    if request.order_field and request.order_field not in order_fields:
        raise errors.InvalidValue(f"OrderField takes {' and '.join(sorted(order_fields))}.")
    if request.order not in {"", "ASC", "DESC"}:
        raise errors.InvalidValue("Order takes ASC and DESC.")
    return BlockQuery(
        ids=ids_asked(tuple(ids)),
        filters=filters_by_name(request.filters),
        offset=request.offset,
        limit=request.limit,
        oldest_first=request.order == "ASC",
    )
