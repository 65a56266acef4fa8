import re

import pytest
from belongings import ZONE, a_name, an_import, importing_image, normal_image, running_instance
from signed_calls import Person

from linocut.cloud.context import Cloud

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _images(person: Person, **parameters: object) -> list[str]:
    return [image["ImageId"] for image in person.call("DescribeImages", parameters)["ImageSet"]]


def _filter(name: str, *values: str) -> list[dict[str, object]]:
    return [{"Name": name, "Values": list(values)}]


def test_an_image_says_what_its_import_said(person: Person) -> None:
    tags = [{"ResourceType": "image", "Tags": [{"Key": "team", "Value": "a"}, {"Key": "use", "Value": ""}]}]
    order = an_import(ImageDescription="for tests", ImageFamily="debian", TagSpecification=tags, BootMode="Legacy BIOS")
    image_id = person.call("ImportImage", order)["ImageId"]

    [image] = person.call("DescribeImages", {"ImageIds": [image_id]}, language="en-US")["ImageSet"]
    assert TIME.fullmatch(image.pop("CreatedTime"))
    [snapshot] = image.pop("SnapshotSet")
    assert snapshot == {"SnapshotId": snapshot["SnapshotId"], "DiskUsage": "SYSTEM_DISK", "DiskSize": 0}
    assert image == {
        "ImageId": image_id,
        "ImageName": order["ImageName"],
        "ImageDescription": "for tests",
        "ImageType": "PRIVATE_IMAGE",
        "ImageState": "IMPORTING",
        "ImageSource": "EXTERNAL_IMPORT",
        "ImageCreator": person.account.uin,
        "ImageSize": 0,
        "OsName": "Debian 12 64bit",
        "Platform": "Debian",
        "Architecture": "x86_64",
        "SyncPercent": 0,
        "IsSupportCloudinit": True,
        "LicenseType": "TencentCloud",
        "ImageFamily": "debian",
        "ImageDeprecated": False,
        "Tags": [{"Key": "team", "Value": "a"}, {"Key": "use", "Value": ""}],
    }


def test_operating_systems_are_named_in_the_callers_language(person: Person) -> None:
    image_id = importing_image(person)

    def named(language: str | None) -> object:
        return person.call("DescribeImages", {"ImageIds": [image_id]}, language=language)["ImageSet"][0]["OsName"]

    assert (named(None), named("zh-CN"), named("en-US")) == ("Debian 12 64位", "Debian 12 64位", "Debian 12 64bit")


def test_lists_are_filtered_and_paged(person: Person) -> None:
    ids = [importing_image(person, ImageName=f"web-{number}") for number in range(3)]
    importing_image(person, ImageName="db", OsType="Ubuntu", OsVersion="24")

    assert set(_images(person, Filters=_filter("image-name", "web"))) == set(ids)
    assert _images(person, Filters=_filter("image-name", "web-1")) == [ids[1]]
    assert len(_images(person, Filters=_filter("platform", "ubuntu"))) == 1
    both = [*_filter("image-name", "web-0", "web-2", "db"), *_filter("platform", "Debian")]
    assert set(_images(person, Filters=both)) == {ids[0], ids[2]}
    page = person.call("DescribeImages", {"Filters": _filter("image-name", "web"), "Offset": 1, "Limit": 1})
    assert (page["TotalCount"], len(page["ImageSet"])) == (3, 1)
    assert _images(person, ImageIds=["img-00000000"]) == []
    assert len(_images(person, ImageIds=[], Filters=[])) == 4


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"ImageIds": ["img-1"]}, "InvalidImageId.Malformed"),
        (
            {"ImageIds": ["img-00000000"], "Filters": _filter("image-name", "x")},
            "InvalidParameter.InvalidParameterCoexistImageIdsFilters",
        ),
        ({"Filters": _filter("colour", "red")}, "InvalidFilter"),
        ({"Filters": _filter("image-name", *"abcdef")}, "InvalidFilterValue.LimitExceeded"),
        ({"Filters": [*_filter("image-name", "a"), *_filter("image-name", "b")]}, "InvalidParameterValue"),
        ({"Limit": 0}, "InvalidParameterValue.LimitExceeded"),
        ({"Limit": 101}, "InvalidParameterValue.LimitExceeded"),
        ({"Offset": -1}, "InvalidParameterValue.LimitExceeded"),
        ({"ImageIds": ["img-00000000"] * 101}, "InvalidParameterValue.LimitExceeded"),
        ({"InstanceType": "nonsense"}, "InvalidInstanceType.Malformed"),
        ({"InstanceType": "S5.NONE"}, "InvalidParameterValue.InstanceTypeNotFound"),
    ],
)
def test_a_list_that_cannot_be_is_refused(person: Person, parameters: dict[str, object], code: str) -> None:
    assert person.code("DescribeImages", parameters) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImageName": ""}, "InvalidParameterValue"),
        ({"ImageName": "x" * 61}, "InvalidParameterValue.TooLarge"),
        ({"ImageDescription": "x" * 257}, "InvalidParameterValue.TooLarge"),
        ({"ImageFamily": "not a family"}, "InvalidParameterValue.InvalidImageFamily"),
        ({"OsType": "BeOS"}, "InvalidImageOsType.Unsupported"),
        ({"OsVersion": "99"}, "InvalidImageOsVersion.Unsupported"),
        ({"ImageUrl": "file:///etc/passwd"}, "InvalidParameter.InvalidParameterUrlError"),
        ({"ImageUrl": "upload://none"}, "InvalidParameter.InvalidParameterUrlError"),
        ({"LicenseType": "GPL"}, "InvalidParameterValue.InvalidLicenseType"),
        ({"BootMode": "PXE"}, "InvalidParameterValue.InvalidBootMode"),
        ({"BootMode": "UEFI", "Architecture": "i386"}, "UnsupportedOperation"),
        ({"Architecture": "vax"}, "InvalidParameterValue"),
        ({"TagSpecification": [{"ResourceType": "instance", "Tags": []}]}, "InvalidParameterValue"),
        ({"TagSpecification": [{"ResourceType": "image", "Tags": [{"Key": "a", "Value": ""}] * 2}]}, "InvalidParameterValue"),
    ],
)
def test_an_import_that_cannot_be_is_refused_and_leaves_nothing(person: Person, changes: dict[str, object], code: str) -> None:
    assert person.code("ImportImage", an_import(**changes)) == code
    assert (
        _images(person) == []
        or person.call("DescribeImages", {"Filters": _filter("image-type", "PRIVATE_IMAGE")})["TotalCount"] == 0
    )


def test_a_dry_run_has_no_id_and_leaves_nothing(person: Person) -> None:
    assert set(person.call("ImportImage", an_import(DryRun=True))) == {"RequestId"}
    assert _images(person, Filters=_filter("image-type", "PRIVATE_IMAGE")) == []


def test_names_are_unique_until_changed(person: Person, cloud: Cloud) -> None:
    first, second = normal_image(cloud, person, ImageName="one"), normal_image(cloud, person, ImageName="two")

    assert person.code("ImportImage", an_import(ImageName="one")) == "InvalidImageName.Duplicate"
    assert person.code("ModifyImageAttribute", {"ImageId": second, "ImageName": "one"}) == "InvalidImageName.Duplicate"
    assert person.code("ModifyImageAttribute", {"ImageId": first, "ImageName": "three"}) == "OK"
    assert person.code("ModifyImageAttribute", {"ImageId": second, "ImageName": "one"}) == "OK"


def test_absent_attributes_stay_and_empty_ones_are_cleared_save_the_name(person: Person, cloud: Cloud) -> None:
    image_id = normal_image(cloud, person, ImageName="kept", ImageDescription="text", ImageFamily="family")

    def now(**changes: object) -> tuple[object, ...]:
        assert person.code("ModifyImageAttribute", {"ImageId": image_id, **changes}) == "OK"
        [image] = person.call("DescribeImages", {"ImageIds": [image_id]})["ImageSet"]
        return image["ImageName"], image["ImageDescription"], image["ImageFamily"], image["ImageDeprecated"]

    assert now() == ("kept", "text", "family", False)
    assert now(ImageDeprecated=True) == ("kept", "text", "family", True)
    assert now(ImageName="", ImageDescription="", ImageFamily="") == ("kept", "", "", True)


def test_an_image_in_the_making_can_not_be_changed_shared_started_or_deleted(person: Person) -> None:
    image_id = importing_image(person)

    assert person.code("ModifyImageAttribute", {"ImageId": image_id, "ImageName": "x"}) == "InvalidImageId.IncorrectState"
    assert person.code("DeleteImages", {"ImageIds": [image_id]}) == "InvalidImageId.IncorrectState"
    share = {"ImageId": image_id, "AccountIds": ["100000000000"], "Permission": "SHARE"}
    assert person.code("ModifyImageSharePermission", share) in {
        "InvalidParameterValue.InvalidImageState",
        "InvalidAccountId.NotFound",
    }
    assert (
        person.code("RunInstances", {"Placement": {"Zone": ZONE}, "ImageId": image_id})
        == "InvalidParameterValue.InvalidImageState"
    )


@pytest.mark.parametrize("said", ["True", "true", "TRUE", "False", "false", "FALSE", ""])
def test_force_poweroff_is_text_in_any_case(person: Person, cloud: Cloud, said: str) -> None:
    instance_id = running_instance(cloud, person, normal_image(cloud, person))
    order = {"ImageName": a_name(), "InstanceId": instance_id, "ForcePoweroff": said, "Sysprep": "False"}

    assert person.code("CreateImage", order | {"ForcePoweroff": "maybe"}) == "InvalidParameterValue"
    assert person.code("CreateImage", order | {"Sysprep": "True"}) == "UnsupportedOperation"
    assert person.code("CreateImage", order | {"DryRun": True}) == "OK"
    assert re.fullmatch(r"img-[0-9a-z]{8}", person.call("CreateImage", order)["ImageId"])
    assert person.code("CreateImage", order | {"ImageName": a_name()}) == "OperationDenied.InstanceOperationInProgress"


def test_an_image_is_taken_of_an_instance_that_is_named(person: Person) -> None:
    assert person.code("CreateImage", {"ImageName": "x"}) == "InvalidParameter.SpecifyOneParameter"
    assert person.code("CreateImage", {"ImageName": "x", "InstanceId": "nonsense"}) == "InvalidInstanceId.NotFound"


def test_sharing_is_with_others_and_takes_one_of_two_words(person: Person, cloud: Cloud) -> None:
    image_id = normal_image(cloud, person)

    def share(account: str, permission: str = "SHARE") -> str:
        order = {"ImageId": image_id, "AccountIds": [account], "Permission": permission}
        return person.code("ModifyImageSharePermission", order)

    assert share(person.account.uin) == "FailedOperation.AccountIsYourSelf"
    assert share("100000000000") == "InvalidAccountId.NotFound"
    assert share("100000000000", "share") == "InvalidParameterValue"
