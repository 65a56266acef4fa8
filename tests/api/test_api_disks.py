"""Disks and snapshots as CBS lists them."""

import re
from typing import Any

import pytest
from belongings import REGION, an_import, normal_image, running_instance
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.model.ids import ImageId, RootDigest
from linocut.model.states import ImageState

BEIJING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def disks(person: Person, **parameters: Any) -> list[dict[str, Any]]:
    answer = person.call("DescribeDisks", parameters, service="cbs")
    found: list[dict[str, Any]] = answer["DiskSet"]
    return found


def snapshots(person: Person, **parameters: Any) -> list[dict[str, Any]]:
    answer = person.call("DescribeSnapshots", parameters, service="cbs")
    found: list[dict[str, Any]] = answer["SnapshotSet"]
    return found


def by(name: str, *values: str) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": values}]}


def image_with_content(cloud: Cloud, person: Person, **changes: Any) -> str:
    """Return an image whose snapshots are whole."""
    image_id = person.call("ImportImage", an_import(**changes))["ImageId"]
    with cloud.catalog.begin() as tx:
        image = tx.images.get(REGION, ImageId(image_id))
        assert image is not None
        for snapshot in tx.images.snapshots_of(image.image_id):
            tx.snapshots.finish(snapshot.snapshot_id, RootDigest("ab" * 32), 3 << 30)
        tx.images.move(image, ImageState.NORMAL, size_gb=3)
    return str(image_id)


@pytest.fixture
def instance_id(cloud: Cloud, person: Person) -> str:
    return running_instance(
        cloud,
        person,
        image_with_content(cloud, person),
        InstanceName="Web server",
        DataDisks=[{"DiskSize": 20, "DiskType": "CLOUD_SSD", "DiskName": "Books"}],
    )


def test_disks_are_listed_with_what_clients_read_of_them(person: Person, instance_id: str) -> None:
    data, system = sorted(disks(person), key=lambda disk: str(disk["DiskUsage"]))

    assert (system["DiskUsage"], system["DiskSize"], system["DiskType"]) == ("SYSTEM_DISK", 50, "CLOUD_PREMIUM")
    assert (data["DiskUsage"], data["DiskSize"], data["DiskType"], data["DiskName"]) == ("DATA_DISK", 20, "CLOUD_SSD", "Books")
    for disk in (system, data):
        assert disk["InstanceId"] == instance_id
        assert disk["DiskChargeType"] == "POSTPAID_BY_HOUR"
        assert disk["Placement"]["Zone"] == "ap-guangzhou-3"
        assert (disk["DeleteWithInstance"], disk["Encrypt"], disk["ThroughputPerformance"]) == (True, False, 0)
        assert BEIJING.fullmatch(disk["CreateTime"])
        assert disk["AutoSnapshotPolicyIds"] is None
    assert disks(person, ReturnBindAutoSnapshotPolicy=True)[0]["AutoSnapshotPolicyIds"] == []


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("disk-usage", ["DATA_DISK"], 1),
        ("disk-usage", ["DATA_DISK", "SYSTEM_DISK"], 2),
        ("disk-type", ["CLOUD_SSD"], 1),
        ("disk-charge-type", ["POSTPAID_BY_HOUR"], 2),
        ("disk-charge-type", ["PREPAID"], 0),
        ("disk-name", ["book"], 1),
        ("disk-name", ["%"], 0),
        ("disk-state", ["ATTACHED"], 2),
        ("disk-state", ["UNATTACHED"], 0),
        ("portable", ["FALSE"], 1),
        ("portable", ["TRUE"], 1),
        ("portable", ["TRUE", "FALSE"], 2),
        ("project-id", ["0"], 2),
        ("project-id", ["7"], 0),
        ("zone", ["ap-guangzhou-3"], 2),
        ("zone", ["ap-guangzhou-4"], 0),
        ("instance-name", ["web"], 2),
        ("instance-name", ["mail"], 0),
        ("instance-ip-address", ["127.0.0.1"], 0),
        ("tag-key", ["k"], 0),
        ("tag-value", ["v"], 0),
        ("tag:k", ["v"], 0),
        ("dedicated-cluster-id", ["cluster-1"], 0),
        ("cluster-group-id", ["g"], 0),
    ],
)
@pytest.mark.usefixtures("instance_id")
def test_disks_are_filtered(person: Person, name: str, values: list[str], found: int) -> None:
    assert len(disks(person, **by(name, *values))) == found


def test_disks_are_found_by_their_ids_and_those_of_their_instance(person: Person, instance_id: str) -> None:
    ids = [disk["DiskId"] for disk in disks(person)]

    assert [disk["DiskId"] for disk in disks(person, DiskIds=ids[:1])] == ids[:1]
    assert [disk["DiskId"] for disk in disks(person, **by("disk-id", *ids))] == ids
    assert [disk["DiskId"] for disk in disks(person, **by("instance-id", instance_id))] == ids
    assert disks(person, DiskIds=["disk-00000000"]) == []


@pytest.mark.usefixtures("instance_id")
def test_disks_come_in_pages_from_either_end(person: Person) -> None:
    answer = person.call("DescribeDisks", {"Limit": 1, "Offset": 1}, service="cbs")
    assert (answer["TotalCount"], len(answer["DiskSet"])) == (2, 1)
    assert len(disks(person, OrderField="CREATE_TIME", Order="ASC")) == 2


def test_the_oldest_or_the_newest_come_first(cloud: Cloud, person: Person) -> None:
    first, second = normal_image(cloud, person), normal_image(cloud, person)

    def images(order: str) -> list[str]:
        return [snapshot["Images"][0]["ImageId"] for snapshot in snapshots(person, Order=order)]

    assert images("ASC") == [first, second]
    assert images("DESC") == images("") == [second, first]


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("DescribeDisks", {"DiskIds": ["ins-1"]}, "InvalidParameterValue"),
        ("DescribeDisks", {"DiskIds": ["disk-00000000"], **by("zone", "x")}, "InvalidParameterValue"),
        ("DescribeDisks", by("colour", "red"), "InvalidFilter"),
        ("DescribeDisks", by("portable", "maybe"), "InvalidParameterValue"),
        ("DescribeDisks", {"Limit": 101}, "InvalidParameterValue"),
        ("DescribeDisks", {"Order": "UP"}, "InvalidParameterValue"),
        ("DescribeDisks", {"OrderField": "COLOUR"}, "InvalidParameterValue"),
        ("DescribeDisks", by("zone", *map(str, range(101))), "InvalidFilter"),
        ("DescribeSnapshots", {"SnapshotIds": ["disk-00000000"]}, "InvalidParameterValue"),
        ("DescribeSnapshots", by("tag:k", "v"), "InvalidFilter"),
        ("DescribeSnapshots", by("snapshot-type", "OTHER"), "InvalidParameterValue"),
        ("DescribeSnapshots", by("encrypt", "maybe"), "InvalidParameterValue"),
        ("DescribeSnapshots", by("disk-id", *[f"disk-{number:08}" for number in range(11)]), "InvalidParameterValue"),
        ("DescribeSnapshots", {"OrderField": "DEADLINE"}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_listed_is_refused(person: Person, action: str, parameters: dict[str, Any], code: str) -> None:
    assert person.code(action, parameters, service="cbs") == code


def test_a_snapshot_says_which_images_are_made_of_it(cloud: Cloud, person: Person) -> None:
    image_id = image_with_content(cloud, person, ImageName="golden")
    [shown] = person.call("DescribeImages", {"ImageIds": [image_id]})["ImageSet"]

    [snapshot] = snapshots(person, SnapshotIds=[one["SnapshotId"] for one in shown["SnapshotSet"]])

    assert snapshot["Images"] == [{"ImageId": image_id, "ImageName": "golden"}]
    assert (snapshot["ImageCount"], snapshot["DiskUsage"], snapshot["DiskSize"]) == (1, "SYSTEM_DISK", 3)
    assert (snapshot["SnapshotState"], snapshot["Percent"], snapshot["CopyFromRemote"]) == ("NORMAL", 100, False)
    assert BEIJING.fullmatch(snapshot["CreateTime"])


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("snapshot-state", ["NORMAL"], 1),
        ("snapshot-state", ["CREATING"], 0),
        ("snapshot-state", ["COPYING_FROM_REMOTE"], 0),
        ("disk-usage", ["SYSTEM_DISK"], 1),
        ("disk-usage", ["DATA_DISK"], 0),
        ("project-id", ["0"], 1),
        ("project-id", ["1"], 0),
        ("encrypt", ["true"], 0),
        ("encrypt", ["false"], 1),
        ("snapshot-type", ["PRIVATE_SNAPSHOT"], 1),
        ("snapshot-type", ["SHARED_SNAPSHOT"], 0),
        ("disk-id", ["disk-00000000"], 0),
        ("zone", ["ap-guangzhou-3"], 0),
        ("snapshot-id", ["snap-00000000"], 0),
        ("snapshot-name", ["no such name"], 0),
    ],
)
def test_snapshots_are_filtered(cloud: Cloud, person: Person, name: str, values: list[str], found: int) -> None:
    image_with_content(cloud, person)

    assert len(snapshots(person, **by(name, *values))) == found


def test_snapshots_are_filtered_by_the_zone_of_their_disk(person: Person, instance_id: str) -> None:
    of_disk = [disk["DiskId"] for disk in disks(person, **by("instance-id", instance_id)) if disk["DiskUsage"] == "DATA_DISK"]
    taken = person.call("CreateSnapshot", {"DiskId": of_disk[0]}, service="cbs")["SnapshotId"]

    assert [one["SnapshotId"] for one in snapshots(person, **by("zone", "ap-guangzhou-4", "ap-guangzhou-3"))] == [taken]
    assert snapshots(person, **by("zone", "ap-guangzhou-4")) == []


def test_a_shared_image_does_not_bring_its_snapshots_with_it(cloud: Cloud, person: Person, operator: Person) -> None:
    image_id = normal_image(cloud, person)
    share = {"ImageId": image_id, "AccountIds": [operator.account.uin], "Permission": "SHARE"}
    assert person.code("ModifyImageSharePermission", share) == "OK"
    [snapshot] = snapshots(person, **by("disk-usage", "SYSTEM_DISK"))

    assert snapshots(operator, SnapshotIds=[snapshot["SnapshotId"]]) == []
