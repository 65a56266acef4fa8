"""SyncImages, DescribeTasks and CancelTask over the wire: what clients send and dereference, and the documented codes."""

from collections.abc import Callable
from typing import Any

import pytest
from belongings import a_name, importing_image, normal_image
from signed_calls import Person

from linocut.cloud.context import Cloud

ELSEWHERE = "ap-shanghai"


def order(image_id: str, **changes: Any) -> dict[str, Any]:
    return {"ImageIds": [image_id], "DestinationRegions": [ELSEWHERE]} | changes


def copyable(cloud: Cloud, person: Person) -> str:
    """Return an image in the state NORMAL, which has no disk at all."""
    image_id = normal_image(cloud, person)
    with cloud.catalog.begin() as tx:
        for snapshot in tx.images.snapshots_of(image_id):  # type: ignore[arg-type]
            tx.snapshots.finish(snapshot.snapshot_id, "0" * 64, 1 << 20)  # type: ignore[arg-type]
    return image_id


def test_the_list_of_copies_is_there_only_where_it_was_asked_for(cloud: Cloud, person: Person) -> None:
    assert person.call("SyncImages", order(copyable(cloud, person)))["ImageSet"] == []
    name = a_name()
    answer = person.call("SyncImages", order(copyable(cloud, person), ImageSetRequired=True, ImageName=name))
    ((copy_id, region),) = [(copy["ImageId"], copy["Region"]) for copy in answer["ImageSet"]]
    assert region == ELSEWHERE
    (copy,) = person.call("DescribeImages", {"ImageIds": [copy_id]}, region=ELSEWHERE)["ImageSet"]
    assert (copy["ImageName"], copy["ImageState"], copy["SyncPercent"]) == (name, "SYNCING", 0)
    assert copy["ImageSource"] == "EXTERNAL_IMPORT"


def test_a_source_is_syncing_and_takes_nothing_else(cloud: Cloud, person: Person) -> None:
    image_id = copyable(cloud, person)
    assert person.code("SyncImages", order(image_id)) == "OK"
    (source,) = person.call("DescribeImages", {"ImageIds": [image_id]})["ImageSet"]
    assert (source["ImageState"], source["SyncPercent"]) == ("SYNCING", 0)
    assert person.code("SyncImages", order(image_id, DestinationRegions=["ap-beijing"])) == "InvalidImageId.IncorrectState"
    assert person.code("DeleteImages", {"ImageIds": [image_id]}) == "InvalidImageId.IncorrectState"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DestinationRegions": ["ap-tokyo"]}, "InvalidRegion.Unavailable"),
        ({"DestinationRegions": ["ap-shanghai-fsi"]}, "InvalidRegion.Unavailable"),
        ({"DestinationRegions": ["ap-taipei"]}, "InvalidRegion.NotFound"),
        ({"DestinationRegions": ["ap-guangzhou"]}, "UnsupportedOperation.Region"),
        ({"DestinationRegions": []}, "MissingParameter"),
        ({"ImageIds": ["img-00000000"]}, "InvalidImageId.NotFound"),
        ({"ImageIds": ["web"]}, "InvalidImageId.Malformed"),
        ({"Encrypt": True}, "UnsupportedOperation"),
        ({"Encrypt": False, "KmsKeyId": ""}, "OK"),
        ({"KmsKeyId": "key"}, "UnsupportedOperation"),
        ({"ImageName": "x" * 61}, "InvalidParameterValue"),
    ],
)
def test_a_copy_that_cannot_be_has_its_documented_code(cloud: Cloud, person: Person, changes: dict[str, Any], code: str) -> None:
    image_id = copyable(cloud, person)
    assert person.code("SyncImages", order(image_id, DryRun=True) | changes) == code
    assert (
        person.code("SyncImages", order(image_id) | {"ImageIds": [image_id, image_id]}) == "InvalidParameterValue.LimitExceeded"
    )
    (source,) = person.call("DescribeImages", {"ImageIds": [image_id]})["ImageSet"]
    assert source["ImageState"] == "NORMAL"


def test_a_name_that_the_other_region_has_is_taken(cloud: Cloud, person: Person) -> None:
    name = a_name()
    assert person.code("SyncImages", order(copyable(cloud, person), ImageName=name)) == "OK"
    assert person.code("SyncImages", order(copyable(cloud, person), ImageName=name)) == "InvalidImageName.Duplicate"


def test_a_task_is_described_and_cancelled_by_its_own_account(cloud: Cloud, new_person: Callable[[], Person]) -> None:
    person, stranger = new_person(), new_person()
    image_id = importing_image(person)

    (task,) = person.call("DescribeTasks", service="linocut")["TaskSet"]
    assert (task["Action"], task["Resource"], task["State"], task["EndedTime"]) == ("ImportImage", image_id, "RUNNING", None)
    assert isinstance(task["TaskId"], int)
    assert stranger.call("DescribeTasks", {"TaskIds": [task["TaskId"]]}, service="linocut")["TaskSet"] == []
    assert stranger.code("CancelTask", {"TaskId": task["TaskId"]}, service="linocut") == "ResourceNotFound"
    assert person.code("CancelTask", {"TaskId": task["TaskId"]}, service="linocut", region=ELSEWHERE) == "ResourceNotFound"
    assert person.code("CancelTask", {"TaskId": task["TaskId"]}, service="linocut") == "OK"
    assert person.call("DescribeTasks", service="linocut")["TaskSet"][0]["CancelAsked"]
    assert cloud
