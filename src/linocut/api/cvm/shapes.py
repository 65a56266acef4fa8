"""Structures that several actions share, and the small conversions between them and the model."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import msgspec

from linocut.api.envelope import Shape
from linocut.api.parameters import Int
from linocut.cloud.caller import Caller
from linocut.model import errors, records

Ids = Annotated[list[str], msgspec.Meta(min_length=1)]
"""A list that must name something."""

DEFAULT_LIMIT = 20
_CHINESE = "zh-CN"
_BEIJING = timezone(timedelta(hours=8))


class Tag(Shape):
    """A key and a value on a resource."""

    key: str
    value: str


class TagSpecification(Shape):
    """Tags for the resources of one type that a call creates."""

    resource_type: str
    tags: list[Tag]


class Filter(Shape):
    """A condition on a list: any of the values."""

    name: str
    values: list[str]


class PageRequest(Shape):
    """Which page of a list."""

    offset: Int = 0
    limit: Int = DEFAULT_LIMIT


def filters_by_name(filters: Iterable[Filter]) -> dict[str, tuple[str, ...]]:
    """Return filters as a mapping. Raises InvalidValue where a name is given twice, for that would be one filter lost."""
    by_name: dict[str, tuple[str, ...]] = {}
    for one in filters:
        if one.name in by_name:
            raise errors.InvalidValue(f"Filters names {one.name} twice.")
        by_name[one.name] = tuple(one.values)
    return by_name


def ids_asked(ids: Sequence[str]) -> tuple[str, ...] | None:
    """Return the ids asked for; an empty list asks for none in particular."""
    return tuple(ids) or None


def tags_for(resource_type: str, specifications: Iterable[TagSpecification]) -> tuple[records.Tag, ...]:
    """Return the tags meant for resources of this type. Raises TagInvalid where tags are meant for another."""
    tags: list[records.Tag] = []
    for specification in specifications:
        if specification.resource_type != resource_type:
            raise errors.TagInvalid(f"TagSpecification.ResourceType takes `{resource_type}` in this action.")
        tags.extend(records.Tag(tag.key, tag.value) for tag in specification.tags)
    return tuple(tags)


def tag_list(tags: Iterable[records.Tag]) -> list[Tag]:
    """Return tags in their wire shape."""
    return [Tag(key=tag.key, value=tag.value) for tag in tags]


def wire_time(moment: datetime) -> str:
    """Return a time as CVM writes it: `2026-11-23T07:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def beijing_time(moment: datetime) -> str:
    """Return a time as CBS and VPC write it, in Beijing: `2026-11-23 15:00:00`."""
    return moment.astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def os_name(name: str, caller: Caller) -> str:
    """Return an operating system's name in the caller's language: `Debian 12 64位`, or `Debian 12 64bit`."""
    return name.replace("bit", "位") if speaks_chinese(caller) else name.replace("位", "bit")


def speaks_chinese(caller: Caller) -> bool:
    """Tell whether the caller wants names in Chinese."""
    return caller.language == _CHINESE
