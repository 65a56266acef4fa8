"""The filters, written twice: in SQL by the catalog, and here as a plain predicate. On any contents they agree."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from catalog_records import ANNA, BERT, CLEO, HERE, NOW, THERE, a_group, a_key, an_image, an_instance, join_in
from hypothesis import given, settings
from hypothesis import strategies as st
from undone import undone

from linocut.catalog import Catalog, ImageQuery, ImageType, InstanceQuery
from linocut.model.ids import GroupId, ImageId, SubnetId, Uin, VpcId, Zone
from linocut.model.records import Image, Instance, KeyPair, Tag
from linocut.model.states import ImageState, InstanceState

EXAMPLES = settings(max_examples=40, deadline=None)

WORDS = ("Debian 12", "debian_12", "DEBIANx12", "100%", "100x", "a/b", "ÄPFEL", "äpfel", "")
PARTS = ("debian", "Debian 12", "_", "%", "/", "n_1", "12", "äpfel", "ß", "", "zebra")
KEYS, VALUES = ("role", "Role", "%"), ("web", "WEB", "")

accounts = st.sampled_from([ANNA, BERT, CLEO])
regions = st.sampled_from([HERE, HERE, THERE])
times = st.integers(0, 3).map(lambda hours: NOW + timedelta(hours=hours))
tags = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2).map(
    lambda pairs: tuple(Tag(key, value) for key, value in pairs.items())
)


def some(values: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return the values of a filter, more often none than many."""
    return st.just(()) | st.lists(st.sampled_from(values), max_size=2).map(tuple)


tag_filters = {
    "tag_keys": some(KEYS),
    "tag_values": some(VALUES),
    "tags": st.dictionaries(st.sampled_from(KEYS), some(VALUES), max_size=1),
}
paging = {"offset": st.integers(0, 3), "limit": st.integers(0, 6)}

images = st.lists(
    st.fixed_dictionaries(
        {
            "owner": accounts,
            "region": regions,
            "name": st.sampled_from(WORDS),
            "platform": st.sampled_from(WORDS),
            "state": st.sampled_from([ImageState.NORMAL, ImageState.NORMAL, *ImageState]),
            "architecture": st.sampled_from(["x86_64", "arm"]),
            "is_public": st.booleans(),
            "created_at": times,
            "tags": tags,
        }
    ),
    max_size=10,
    unique_by=lambda fields: (fields["owner"], fields["region"], fields["name"]),
)


def image_number(number: int) -> ImageId:
    return ImageId(f"img-prop{number:04d}")


some_image_ids = tuple(image_number(number) for number in range(5))

image_queries = st.builds(
    ImageQuery,
    caller=accounts,
    region=regions,
    ids=st.none() | st.none() | some(some_image_ids),
    image_ids=some(some_image_ids),
    types=some((*ImageType, "MARKET_IMAGE")),
    names=some(PARTS),
    platforms=some(PARTS),
    states=some((*ImageState, "SYNCING")),
    architectures=st.none() | some(("x86_64", "i386")),
    **tag_filters,
    **paging,
)


@EXAMPLES
@given(contents=images, shared=st.sets(st.tuples(st.integers(0, 9), accounts)), query=image_queries)
def test_image_filters_mean_the_same_in_sql_and_in_words(
    lasting_catalog: Catalog, contents: list[dict[str, Any]], shared: set[tuple[int, Uin]], query: ImageQuery
) -> None:
    records = [replace(an_image(), image_id=image_number(number), **fields) for number, fields in enumerate(contents)]
    shares = {(image_number(number), account) for number, account in shared if number < len(records)}
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA, BERT, CLEO)
        for image in records:
            tx.images.add(image, [])
        for image_id, account in shares:
            tx.shares.add(image_id, [account], NOW)

        page = tx.images.visible(query)

    kinds = {image.image_id: kind_of_image(image, query.caller, shares) for image in records}
    expected = [image for image in records if image_matches(query, image, kinds[image.image_id])]
    expected.sort(key=lambda image: (image.name not in query.names, -image.created_at.timestamp(), image.image_id))
    shown = expected[query.offset :][: query.limit]
    assert page.total == len(expected)
    assert [item.image for item in page.items] == shown
    assert [item.image_type for item in page.items] == [kinds[image.image_id] for image in shown]


def kind_of_image(image: Image, caller: Uin, shares: set[tuple[ImageId, Uin]]) -> ImageType | None:
    if image.is_public:
        return ImageType.PUBLIC_IMAGE if image.state is ImageState.NORMAL or image.owner == caller else None
    if image.owner == caller:
        return ImageType.PRIVATE_IMAGE
    return ImageType.SHARED_IMAGE if (image.image_id, caller) in shares else None


def image_matches(query: ImageQuery, image: Image, kind: ImageType | None) -> bool:
    return (
        kind is not None
        and (image.region == query.region or image.is_public)
        and (query.ids is None or image.image_id in query.ids)
        and (query.architectures is None or image.architecture in query.architectures)
        and one_of(image.image_id, query.image_ids)
        and one_of(kind, query.types)
        and one_of(image.state, query.states)
        and contains_one(image.name, query.names)
        and contains_one(image.platform, query.platforms)
        and tags_match(query, image.tags if image.owner == query.caller else ())
    )


GROUP_IDS = (GroupId("sg-prop0001"), GroupId("sg-prop0002"), GroupId("sg-prop0003"))

instances = st.lists(
    st.fixed_dictionaries(
        {
            "owner": accounts,
            "region": regions,
            "zone": st.sampled_from([Zone("z-1"), Zone("z-2")]),
            "name": st.sampled_from(WORDS),
            "state": st.sampled_from(InstanceState),
            "address": st.sampled_from(["127.0.0.2", "127.0.0.3"]),
            "has_public_address": st.booleans(),
            "vpc_id": st.sampled_from([VpcId(""), VpcId("vpc-1")]),
            "subnet_id": st.sampled_from([SubnetId("subnet-1"), SubnetId("subnet-2")]),
            "group_ids": st.permutations(GROUP_IDS).map(lambda ids: tuple(ids[:2])),
            "charge_type": st.sampled_from(["POSTPAID_BY_HOUR", "SPOTPAID"]),
            "uuid": st.sampled_from(["u-1", "u-2"]),
            "image_id": st.sampled_from([ImageId("img-1"), ImageId("img-2")]),
            "created_at": times,
            "tags": tags,
        }
    ),
    max_size=10,
)

instance_queries = st.builds(
    InstanceQuery,
    owner=accounts,
    region=regions,
    ids=st.none() | st.none() | some(("ins-prop0000", "ins-prop0001")),
    instance_ids=some(("ins-prop0000", "ins-prop0001", "ins-prop0002")),
    zones=some(("z-1", "z-3")),
    names=some(PARTS),
    charge_types=some(("POSTPAID_BY_HOUR", "PREPAID")),
    states=some((*InstanceState, "SHUTDOWN")),
    private_addresses=some(("127.0.0.2", "127.0.0.4")),
    public_addresses=some(("127.0.0.2", "127.0.0.3")),
    uuids=some(("u-1", "u-3")),
    vpc_ids=some(("vpc-1", "vpc-2")),
    subnet_ids=some(("subnet-1", "subnet-3")),
    group_ids=some((GROUP_IDS[0], "sg-99999999")),
    image_ids=some(("img-1", "img-3")),
    created_from=st.none() | times,
    created_until=st.none() | times,
    **tag_filters,
    **paging,
)


@EXAMPLES
@given(contents=instances, query=instance_queries)
def test_instance_filters_mean_the_same_in_sql_and_in_words(
    lasting_catalog: Catalog, contents: list[dict[str, Any]], query: InstanceQuery
) -> None:
    records = [replace(an_instance(), instance_id=f"ins-prop{number:04d}", **fields) for number, fields in enumerate(contents)]
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA, BERT, CLEO)
        for group_id in GROUP_IDS:
            tx.security_groups.add(a_group(group_id=group_id))
        tx.instances.add_all(records)

        page = tx.instances.list(query)

    expected = [instance for instance in records if instance_matches(query, instance)]
    expected.sort(key=lambda instance: (-instance.created_at.timestamp(), instance.instance_id))
    assert page.total == len(expected)
    assert list(page.items) == expected[query.offset :][: query.limit]


def instance_matches(query: InstanceQuery, instance: Instance) -> bool:
    return (
        (instance.owner, instance.region) == (query.owner, query.region)
        and (query.ids is None or instance.instance_id in query.ids)
        and one_of(instance.instance_id, query.instance_ids)
        and one_of(instance.zone, query.zones)
        and contains_one(instance.name, query.names)
        and one_of(instance.charge_type, query.charge_types)
        and one_of(instance.state, query.states)
        and one_of(instance.address, query.private_addresses)
        and (not query.public_addresses or (instance.has_public_address and instance.address in query.public_addresses))
        and one_of(instance.vpc_id, query.vpc_ids)
        and one_of(instance.subnet_id, query.subnet_ids)
        and (not query.group_ids or any(group_id in query.group_ids for group_id in instance.group_ids))
        and one_of(instance.uuid, query.uuids)
        and one_of(instance.image_id, query.image_ids)
        and (query.created_from is None or instance.created_at >= query.created_from)
        and (query.created_until is None or instance.created_at <= query.created_until)
        and tags_match(query, instance.tags)
    )


keys = st.lists(
    st.fixed_dictionaries(
        {"owner": accounts, "name": st.sampled_from(WORDS), "project_id": st.integers(0, 1), "created_at": times, "tags": tags}
    ),
    max_size=8,
    unique_by=lambda fields: (fields["owner"], fields["name"]),
)

key_queries = st.fixed_dictionaries({"names": some(PARTS), "project_ids": some((0, 2)), **tag_filters, **paging})


@settings(EXAMPLES, max_examples=20)
@given(contents=keys, owner=accounts, query=key_queries)
def test_key_pair_filters_mean_the_same_in_sql_and_in_words(
    lasting_catalog: Catalog, contents: list[dict[str, Any]], owner: Uin, query: dict[str, Any]
) -> None:
    records = [replace(a_key(), key_id=f"skey-prop{number:04d}", **fields) for number, fields in enumerate(contents)]
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA, BERT, CLEO)
        for key in records:
            tx.keys.add(key)

        page = tx.keys.list(owner, **query)

    expected = [key for key in records if key.owner == owner and key_matches(query, key)]
    expected.sort(key=lambda key: (-key.created_at.timestamp(), key.key_id))
    assert page.total == len(expected)
    assert list(page.items) == expected[query["offset"] :][: query["limit"]]


def key_matches(query: dict[str, Any], key: KeyPair) -> bool:
    return (
        contains_one(key.name, query["names"])
        and one_of(key.project_id, query["project_ids"])
        and tags_match(ImageQuery(caller=ANNA, region=HERE, **{name: query[name] for name in tag_filters}), key.tags)
    )


def one_of(value: object, wanted: tuple[Any, ...]) -> bool:
    return not wanted or value in wanted


def contains_one(text: str, parts: tuple[str, ...]) -> bool:
    return not parts or any(part.casefold() in text.casefold() for part in parts)


def tags_match(query: ImageQuery | InstanceQuery, its_tags: tuple[Tag, ...]) -> bool:
    its_values = {tag.key: tag.value for tag in its_tags}
    return (
        (not query.tag_keys or any(key in query.tag_keys for key in its_values))
        and (not query.tag_values or any(value in query.tag_values for value in its_values.values()))
        and all(its_values.get(key) in wanted for key, wanted in query.tags.items() if wanted)
    )
