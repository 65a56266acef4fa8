"""What the actions of this service share: pages in texts, times, and the codes of lists and of new things."""

from collections.abc import Iterable, Mapping
from typing import Final

from linocut.api.cvm.shapes import DEFAULT_LIMIT, Filter, Tag, filters_by_name, ids_asked
from linocut.api.envelope import Shape
from linocut.cloud.networks import NetworkQuery
from linocut.model import errors, records, rules

LIST_CODES: Final[Mapping[type[errors.Refusal], str]] = {
    errors.IdsWithFilters: "InvalidParameter.Coexist",
    errors.FilterUnknown: "InvalidParameter.FilterInvalidKey",
    errors.TooManyFilterValues: "InvalidParameterValue.LimitExceeded",
}
NAME_CODES: Final[Mapping[type[errors.Refusal], str]] = {errors.ValueTooLong: "InvalidParameterValue.TooLong"}
NEW_CODES: Final[Mapping[type[errors.Refusal], str]] = {
    **NAME_CODES,
    errors.TagsDuplicate: "InvalidParameterValue.TagDuplicateKey",
    errors.TagInvalid: "InvalidParameterValue.TagInvalidKey",
}


class TextPageRequest(Shape):
    """Which page of a list, in texts."""

    offset: str = ""
    limit: str = ""


def network_query(ids: Iterable[str], filters: Iterable[Filter], page: TextPageRequest) -> NetworkQuery:
    """Return what a request asks of a list. Raises PageOutOfRange, InvalidValue."""
    offset, limit = _number("Offset", page.offset, 0), _number("Limit", page.limit, DEFAULT_LIMIT)
    return NetworkQuery(ids=ids_asked(tuple(ids)), filters=filters_by_name(filters), offset=offset, limit=limit)


def plain_tags(tags: Iterable[Tag]) -> tuple[records.Tag, ...]:
    """Return the tags of a request."""
    return tuple(records.Tag(tag.key, tag.value) for tag in tags)


def optional_truth(parameter: str, text: str) -> bool | None:
    """Return what a text says that means true or false, None for an empty one. Raises InvalidValue."""
    return rules.truth(parameter, text) if text else None


def _number(parameter: str, text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004  more digits are beyond every list
        raise errors.PageOutOfRange(f"{parameter} takes a number in a text.")
    return int(text)
