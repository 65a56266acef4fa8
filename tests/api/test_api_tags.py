"""Tags that are put on resources after they were made."""

from typing import Any

import pytest
from belongings import Belongings, normal_image, one_of_each
from signed_calls import Person

from linocut.cloud.context import Cloud

KINDS = {"image": "image_id", "instance": "instance_id", "keypair": "key_id"}


def _resource(kind: str, resource_id: str, *, uin: str = "", region: str = "ap-guangzhou") -> str:
    return f"qcs::cvm:{region}:uin/{uin}:{kind}/{resource_id}"


def _tags(**tags: str) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def _code(person: Person, resource: str, **asked: Any) -> str:
    return person.code("ModifyResourceTags", {"Resource": resource} | asked, service="tag", region=None)


def _found(person: Person, kind: str, *ids: str, **more: Any) -> dict[str, Any]:
    asked = {"ServiceType": "cvm", "ResourcePrefix": kind, "ResourceIds": list(ids), "ResourceRegion": "ap-guangzhou"} | more
    return person.call("DescribeResourceTagsByResourceIds", asked, service="tag", region=None)


@pytest.fixture
def mine(cloud: Cloud, person: Person) -> Belongings:
    return one_of_each(cloud, person)


@pytest.mark.parametrize("kind", KINDS)
def test_tags_are_put_on_changed_and_taken_off(person: Person, mine: Belongings, kind: str) -> None:
    resource_id = getattr(mine, KINDS[kind])

    def tags() -> dict[str, str]:
        answer = _found(person, kind, resource_id)
        assert answer["TotalCount"] == len(answer["Tags"])
        assert {tag["ResourceId"] for tag in answer["Tags"]} <= {resource_id}
        return {tag["TagKey"]: tag["TagValue"] for tag in answer["Tags"]}

    assert _code(person, _resource(kind, resource_id), ReplaceTags=_tags(team="a", use="x")) == "OK"
    assert tags() == {"team": "a", "use": "x"}
    own = _resource(kind, resource_id, uin=person.account.uin)
    assert _code(person, own, ReplaceTags=_tags(team="b", new=""), DeleteTags=[{"TagKey": "use"}, {"TagKey": "no"}]) == "OK"
    assert tags() == {"team": "b", "new": ""}
    assert _code(person, own, DeleteTags=[{"TagKey": "team"}, {"TagKey": "new"}]) == "OK"
    assert tags() == {}


def test_tags_show_at_once_where_the_resource_is_listed(person: Person, mine: Belongings) -> None:
    for kind, attribute in KINDS.items():
        assert _code(person, _resource(kind, getattr(mine, attribute)), ReplaceTags=_tags(k=kind)) == "OK"

    listed = {
        "image": person.call("DescribeImages", {"Filters": [{"Name": "tag:k", "Values": ["image"]}]})["ImageSet"],
        "instance": person.call("DescribeInstances", {"InstanceIds": [mine.instance_id]})["InstanceSet"],
        "keypair": person.call("DescribeKeyPairs", {"KeyIds": [mine.key_id]})["KeyPairSet"],
    }
    for kind, [one] in listed.items():
        assert one["Tags"] == [{"Key": "k", "Value": kind}]


def test_networks_and_security_groups_take_tags_as_terraform_puts_them(person: Person) -> None:
    vpc = person.call("CreateVpc", {"VpcName": "a", "CidrBlock": "10.0.0.0/16"}, service="vpc")["Vpc"]["VpcId"]
    subnet = {"VpcId": vpc, "SubnetName": "a", "CidrBlock": "10.0.0.0/24", "Zone": "ap-guangzhou-3"}
    asked = {"GroupName": "a", "GroupDescription": "a"}
    made = {
        "vpc:ap-guangzhou:uin/:vpc": vpc,
        "vpc:ap-guangzhou:uin/:subnet": person.call("CreateSubnet", subnet, service="vpc")["Subnet"]["SubnetId"],
        "cvm:ap-guangzhou:uin/:sg": person.call("CreateSecurityGroup", asked, service="vpc")["SecurityGroup"]["SecurityGroupId"],
    }
    for kind, resource_id in made.items():
        assert _code(person, f"qcs::{kind}/{resource_id}", ReplaceTags=_tags(k="v")) == "OK", kind
    listed = person.call("DescribeVpcs", {"VpcIds": [vpc]}, service="vpc")["VpcSet"]
    assert listed[0]["TagSet"] == [{"Key": "k", "Value": "v"}]


def test_tags_of_several_resources_are_paged(cloud: Cloud, person: Person) -> None:
    first, second = normal_image(cloud, person), normal_image(cloud, person)
    for image_id in (first, second):
        assert _code(person, _resource("image", image_id), ReplaceTags=_tags(a="1", b="2")) == "OK"

    pages = [_found(person, "image", first, second, Limit=3, Offset=offset) for offset in (0, 3)]

    assert [(page["TotalCount"], page["Limit"], page["Offset"]) for page in pages] == [(4, 3, 0), (4, 3, 3)]
    got = [(tag["ResourceId"], tag["TagKey"]) for page in pages for tag in page["Tags"]]
    assert got == [(first, "a"), (first, "b"), (second, "a"), (second, "b")]
    assert pages[0]["Tags"][0] == {
        "TagKey": "a",
        "TagValue": "1",
        "ResourceId": first,
        "TagKeyMd5": "0cc175b9c0f1b6a831c399e269772661",
        "TagValueMd5": "c4ca4238a0b923820dcc509a6f75849b",
        "ServiceType": "cvm",
        "Category": "Custom",
    }


def test_a_resource_has_tags_in_its_own_region_and_under_its_own_kind(person: Person, mine: Belongings) -> None:
    assert _code(person, _resource("image", mine.image_id), ReplaceTags=_tags(k="v")) == "OK"

    assert _found(person, "image", mine.image_id, ResourceRegion="ap-shanghai")["Tags"] == []
    assert _found(person, "instance", mine.image_id)["Tags"] == []
    elsewhere = _resource("image", mine.image_id, region="ap-shanghai")
    assert _code(person, elsewhere, ReplaceTags=_tags(k="w")) == "InvalidParameterValue.ResourceIdInvalid"
    assert _found(person, "keypair", mine.key_id, ResourceRegion="")["TotalCount"] == 0


TOO_MANY = {str(number): "v" for number in range(11)}


@pytest.mark.parametrize(
    ("resource", "asked", "code"),
    [
        ("{image}", {}, "MissingParameter"),
        ("{image}", {"ReplaceTags": [], "DeleteTags": []}, "MissingParameter"),
        ("img-00000000", {"ReplaceTags": _tags(k="v")}, "InvalidParameterValue.ResourceDescriptionError"),
        ("qcs::cvm:ap-guangzhou:uin/:dragon/x", {"ReplaceTags": _tags(k="v")}, "InvalidParameterValue.ResourceDescriptionError"),
        ("qcs::cos:ap-guangzhou:uin/:image/x", {"ReplaceTags": _tags(k="v")}, "InvalidParameterValue.ResourceDescriptionError"),
        ("qcs::cvm:ap-guangzhou:uin/1:image/{id}", {"ReplaceTags": _tags(k="v")}, "InvalidParameterValue.ResourceIdInvalid"),
        (
            "qcs::cvm:ap-guangzhou:uin/:image/img-00000000",
            {"ReplaceTags": _tags(k="v")},
            "InvalidParameterValue.ResourceIdInvalid",
        ),
        ("qcs::cvm:ap-guangzhou::image/{id}", {"ReplaceTags": _tags(k="v")}, "OK"),
        ("{image}", {"ReplaceTags": _tags(k="v") * 2}, "InvalidParameterValue.TagKeyDuplicate"),
        ("{image}", {"ReplaceTags": _tags(k="v"), "DeleteTags": [{"TagKey": "k"}]}, "InvalidParameterValue.TagKeyDuplicate"),
        ("{image}", {"ReplaceTags": [{"TagKey": "", "TagValue": "v"}]}, "InvalidParameter.Tag"),
        ("{image}", {"ReplaceTags": [{"TagKey": "k" * 128, "TagValue": "v"}]}, "InvalidParameter.Tag"),
        ("{image}", {"ReplaceTags": _tags(**TOO_MANY)}, "LimitExceeded.TagNumPerRequest"),
        ("{image}", {"ReplaceTags": [{"TagKey": "k", "TagValue": "v", "Category": "Custom"}]}, "OK"),
        ("{image}", {"ReplaceTags": [{"TagKey": "k", "TagValue": "v", "Category": "System"}]}, "UnsupportedOperation"),
    ],
)
def test_what_cannot_be_tagged_is_refused(
    person: Person, mine: Belongings, resource: str, asked: dict[str, Any], code: str
) -> None:
    described = resource.format(image=_resource("image", mine.image_id), id=mine.image_id)

    assert _code(person, described, **asked) == code


def test_a_resource_takes_fifty_tags(person: Person, mine: Belongings) -> None:
    for batch in range(5):
        tags = _tags(**{f"{batch}{number}": "v" for number in range(10)})
        assert _code(person, _resource("image", mine.image_id), ReplaceTags=tags) == "OK"

    assert _code(person, _resource("image", mine.image_id), ReplaceTags=_tags(more="v")) == "InvalidParameter.Tag"
    assert _code(person, _resource("image", mine.image_id), ReplaceTags=_tags(**{"00": "w"})) == "OK"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"ServiceType": "cos"}, "InvalidParameterValue.ResourcePrefixInvalid"),
        ({"ResourcePrefix": "dragon"}, "InvalidParameterValue.ResourcePrefixInvalid"),
        ({"ResourceIds": ["img-00000000"] * 51}, "LimitExceeded.ResourceNumPerRequest"),
        ({"Limit": 0}, "InvalidParameterValue.OffsetInvalid"),
        ({"Limit": 1001}, "InvalidParameterValue.OffsetInvalid"),
        ({"Offset": -1}, "InvalidParameterValue.OffsetInvalid"),
        ({"Category": "All"}, "OK"),
        ({"Category": "System"}, "UnsupportedOperation"),
    ],
)
def test_a_list_of_tags_is_asked_for_within_its_bounds(person: Person, asked: dict[str, Any], code: str) -> None:
    whole = {
        "ServiceType": "cvm",
        "ResourcePrefix": "image",
        "ResourceIds": ["img-00000000"],
        "ResourceRegion": "ap-guangzhou",
    } | asked

    assert person.code("DescribeResourceTagsByResourceIds", whole, service="tag") == code
