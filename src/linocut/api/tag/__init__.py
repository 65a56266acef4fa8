"""The service `tag`: tags on resources of any service. Source: TAG API, version 2018-08-13."""

import hashlib
from typing import Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int, is_one_of
from linocut.api.table import Action, Service
from linocut.cloud import tags
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.tags import ResourceKind
from linocut.model import errors, records
from linocut.model.ids import Region

_DEFAULT_LIMIT: Final = 15
_CUSTOM: Final = "Custom"


class Tag(Shape):
    """A key and a value."""

    tag_key: str
    tag_value: str


class TagKeyObject(Shape):
    """A key."""

    tag_key: str


class ModifyResourceTags(Shape):
    """A resource in six segments, the tags that it is to have, and the keys that it is not to have."""

    resource: str
    replace_tags: tuple[Tag, ...] = ()
    delete_tags: tuple[TagKeyObject, ...] = ()


class DescribeResourceTagsByResourceIds(Shape):
    """Resources of one kind in one region, and a page."""

    service_type: str
    resource_prefix: str
    resource_ids: Ids
    resource_region: str
    offset: Int = 0
    limit: Int = _DEFAULT_LIMIT


class TagResource(Shape):
    """A tag, and the resource that has it."""

    tag_key: str
    tag_value: str
    resource_id: str
    tag_key_md5: str
    tag_value_md5: str
    service_type: str
    category: str = _CUSTOM


class ResourceTags(Answer):
    """The answer of DescribeResourceTagsByResourceIds."""

    total_count: int
    offset: int
    limit: int
    tags: list[TagResource]


def modify_resource_tags(cloud: Cloud, caller: Caller, request: ModifyResourceTags) -> Answer:
    """Change the tags of a resource."""
    tags.modify_tags(
        cloud,
        caller,
        request.resource,
        replace=[records.Tag(tag.tag_key, tag.tag_value) for tag in request.replace_tags],
        delete=[tag.tag_key for tag in request.delete_tags],
    )
    return Answer()


def describe_resource_tags(cloud: Cloud, caller: Caller, request: DescribeResourceTagsByResourceIds) -> ResourceTags:
    """List the tags of resources."""
    kind = ResourceKind(request.service_type, request.resource_prefix, Region(request.resource_region))
    page = tags.tags_of_resources(cloud, caller, kind, request.resource_ids, offset=request.offset, limit=request.limit)
    return ResourceTags(
        total_count=page.total,
        offset=request.offset,
        limit=request.limit,
        tags=[_tag_resource(request.service_type, resource_id, tag) for resource_id, tag in page.items],
    )


def _tag_resource(service: str, resource_id: str, tag: records.Tag) -> TagResource:
    return TagResource(
        tag_key=tag.key,
        tag_value=tag.value,
        resource_id=resource_id,
        tag_key_md5=_md5(tag.key),
        tag_value_md5=_md5(tag.value),
        service_type=service,
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


TAG: Final = Service(
    name="tag",
    version="2018-08-13",
    actions=(
        Action(
            name="ModifyResourceTags",
            request=ModifyResourceTags,
            handle=modify_resource_tags,
            is_mutating=True,
            needs_region=False,
            codes=codes(
                errors.TaggedResourceInvalid,
                errors.TaggedResourceNotFound,
                errors.ParameterMissing,
                errors.TooManyTags,
                errors.LostRace,
                special={
                    errors.TagsDuplicate: "InvalidParameterValue.TagKeyDuplicate",
                    errors.TagInvalid: "InvalidParameter.Tag",
                },
            ),
            unsupported={"ReplaceTags.Category": is_one_of(_CUSTOM)},
        ),
        Action(
            name="DescribeResourceTagsByResourceIds",
            request=DescribeResourceTagsByResourceIds,
            handle=describe_resource_tags,
            needs_region=False,
            codes=codes(
                special={
                    errors.TaggedResourceInvalid: "InvalidParameterValue.ResourcePrefixInvalid",
                    errors.TooManyValues: "LimitExceeded.ResourceNumPerRequest",
                    errors.PageOutOfRange: "InvalidParameterValue.OffsetInvalid",
                },
            ),
            unsupported={"Category": is_one_of("All", _CUSTOM)},
        ),
    ),
)
