"""What all lists share: pages, filters and the number of ids. Source: CVM Describe actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from linocut.model import errors

_LONGEST_PAGE: Final = 100
_FILTERS: Final = 10
_VALUES: Final = 5
_VALUE_CHARACTERS: Final = 1000
"""Of one value of a filter: more than anything that is filtered by has, and less than makes a search a burden."""
BLOCK_VALUES: Final = 100
"""Values of one filter of CBS."""
_TAG_PREFIX: Final = "tag:"


@dataclass(frozen=True, slots=True)
class BlockQuery:
    """Which disks or snapshots to list: ids or filters, a page, and from which end."""

    ids: tuple[str, ...] | None
    filters: Mapping[str, tuple[str, ...]]
    offset: int
    limit: int
    oldest_first: bool = False


def check_page(offset: int, limit: int) -> None:
    """Check a page's bounds. Raises PageOutOfRange."""
    if offset < 0 or offset > 2**31:
        raise errors.PageOutOfRange("Offset is outside its range.")
    if not 1 <= limit <= _LONGEST_PAGE:
        raise errors.PageOutOfRange(f"Limit takes 1 to {_LONGEST_PAGE}.")


def check_filters(
    ids: tuple[str, ...] | None, filters: Mapping[str, tuple[str, ...]], known: frozenset[str], *, values: int = _VALUES
) -> Mapping[str, tuple[str, ...]]:
    """Return the filters. Raises IdsWithFilters, FilterUnknown, TooManyFilterValues, TooManyValues."""
    if ids is not None and filters:
        raise errors.IdsWithFilters("Ids and Filters exclude each other.")
    check_count("Ids", ids or (), _LONGEST_PAGE)
    if len(filters) > _FILTERS:
        raise errors.TooManyFilterValues(f"There are more than {_FILTERS} filters.")
    for name, wanted in filters.items():
        if name not in known and not (name.startswith(_TAG_PREFIX) and len(name) > len(_TAG_PREFIX)):
            raise errors.FilterUnknown(f"There is no filter {name}.")
        if len(wanted) > values:
            raise errors.TooManyFilterValues(f"Filter {name} has more than {values} values.")
        if any(len(value) > _VALUE_CHARACTERS for value in wanted):
            raise errors.TooManyFilterValues(f"Filter {name} has a value of more than {_VALUE_CHARACTERS} characters.")
    return filters


def tag_filters(filters: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the `tag:<key>` filters by their key."""
    return {name.removeprefix(_TAG_PREFIX): values for name, values in filters.items() if name.startswith(_TAG_PREFIX)}


def check_count(parameter: str, values: Sequence[object], longest: int) -> None:
    """Check the length of a list. Raises TooManyValues."""
    if len(values) > longest:
        raise errors.TooManyValues(f"{parameter} takes up to {longest} values.")


def time_filter(filters: Mapping[str, tuple[str, ...]], name: str) -> datetime | None:
    """Return the time of a filter, ``YYYY-MM-DD hh:mm:ss`` in UTC. Raises TimeInvalid."""
    if not filters.get(name):
        return None
    try:
        return datetime.strptime(filters[name][0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise errors.TimeInvalid(f"Filter {name} takes YYYY-MM-DD hh:mm:ss.") from error
