"""Tags put on resources, and taken off, after they were made.

A resource is described in six segments, as in `qcs::cvm:ap-guangzhou:uin/100000000001:image/img-9qabwvbn`; the Uin may be
left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Page
from linocut.catalog.tags import TAGGED
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors, rules
from linocut.model.ids import Region, Uin
from linocut.model.records import Tag

_SIX_SEGMENTS: Final = re.compile(
    r"qcs:[\w-]{0,64}:([a-z]{1,32}):([a-z0-9-]{0,32}):(?:uin/([0-9]{0,20}))?:([A-Za-z]{1,32})/([\w-]{1,64})", re.ASCII
)
_TAGS_IN_A_CALL: Final = 10
_IDS_IN_A_CALL: Final = 50
_LONGEST_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """A kind of resource that takes tags, in one region where it belongs to one."""

    service: str
    prefix: str
    region: Region


def modify_tags(cloud: Cloud, caller: Caller, resource: str, *, replace: Sequence[Tag], delete: Sequence[str]) -> None:
    """Give a resource of the caller's these tags, in place of those of the same keys, and take off others.

    A key to delete that the resource does not have is no error. Raises TaggedResourceInvalid, TaggedResourceNotFound,
    ParameterMissing, TooManyTags, TagsDuplicate, TagInvalid, LostRace. Source: TAG ModifyResourceTags.
    """
    segments = _SIX_SEGMENTS.fullmatch(resource)
    if segments is None:
        raise errors.TaggedResourceInvalid("Resource takes qcs::<service>:<region>:uin/<uin>:<kind>/<id>.")
    kind = ResourceKind(segments[1], segments[4], Region(segments[2]))
    _check_kind(kind)
    resource_id, uin = segments[5], Uin(segments[3] or caller.account.uin)
    if not replace and not delete:
        raise errors.ParameterMissing("One of ReplaceTags and DeleteTags is needed.")
    if len(replace) > _TAGS_IN_A_CALL or len(delete) > _TAGS_IN_A_CALL:
        raise errors.TooManyTags(f"ReplaceTags and DeleteTags take up to {_TAGS_IN_A_CALL} tags each.")
    new = {tag.key: tag for tag in rules.tags(replace)}
    if not new.keys().isdisjoint(delete):
        raise errors.TagsDuplicate("A tag key is in both ReplaceTags and DeleteTags.")
    with cloud.catalog.begin() as tx:
        if uin != caller.account.uin or not tx.tags.owned(kind.service, kind.prefix, uin, kind.region, [resource_id]):
            raise errors.TaggedResourceNotFound(f"There is no {kind.prefix} {resource_id} in this account and region.")
        read = tx.tags.of([resource_id]).get(resource_id, ())
        kept = {tag.key: tag for tag in read if tag.key not in delete}
        tx.tags.replace(kind.service, kind.prefix, resource_id, read, rules.tags(tuple((kept | new).values())))


def tags_of_resources(
    cloud: Cloud, caller: Caller, kind: ResourceKind, resource_ids: Sequence[str], *, offset: int, limit: int
) -> Page[tuple[str, Tag]]:
    """Return a page of the tags of these resources, each with its resource's id; what is not the caller's has none.

    Raises TaggedResourceInvalid, TooManyValues, PageOutOfRange. Source: TAG DescribeResourceTagsByResourceIds.
    """
    _check_kind(kind)
    if len(resource_ids) > _IDS_IN_A_CALL:
        raise errors.TooManyValues(f"ResourceIds takes up to {_IDS_IN_A_CALL} values.")
    if not 1 <= limit <= _LONGEST_PAGE or not 0 <= offset < 2**31:
        raise errors.PageOutOfRange(f"Limit takes 1 to {_LONGEST_PAGE}, Offset 0 and more.")
    with cloud.catalog.read() as tx:
        owned = tx.tags.owned(kind.service, kind.prefix, caller.account.uin, kind.region, resource_ids)
        found = tx.tags.of(owned)
    tags = [(resource_id, tag) for resource_id in dict.fromkeys(resource_ids) for tag in found.get(resource_id, ())]
    return Page(tuple(tags[offset : offset + limit]), len(tags))


def _check_kind(kind: ResourceKind) -> None:
    if (kind.service, kind.prefix) not in TAGGED:
        raise errors.TaggedResourceInvalid(f"There are no resources {kind.prefix} of the service {kind.service} that take tags.")
