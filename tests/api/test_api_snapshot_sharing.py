"""Shared snapshots on the wire."""

from collections.abc import Callable
from typing import Any

import pytest
from belongings import REGION, an_import, running_instance
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.model.ids import ImageId, PolicyId, RootDigest, SnapshotId, new_id
from linocut.model.records import DiskUsage, Snapshot
from linocut.model.states import ImageState, SnapshotState


@pytest.fixture
def snapshot_id(cloud: Cloud, person: Person) -> str:
    snapshot = Snapshot(
        snapshot_id=SnapshotId(new_id("snap", cloud.randomness)),
        owner=person.account.uin,
        region=REGION,
        name="books",
        usage=DiskUsage.DATA_DISK,
        state=SnapshotState.NORMAL,
        size_bytes=10 << 30,
        root=RootDigest("ab" * 32),
        disk_id=None,
        percent=100,
        created_at=cloud.now(),
        policy_id=PolicyId(new_id("asp", cloud.randomness)),
    )
    with cloud.catalog.begin() as tx:
        tx.snapshots.add(snapshot)
    return snapshot.snapshot_id


def permission(snapshot_id: str, person: Person, permission: str = "SHARE") -> dict[str, Any]:
    return {"SnapshotIds": [snapshot_id], "AccountIds": [person.account.uin], "Permission": permission}


def normal_image(cloud: Cloud, person: Person) -> str:
    image_id = person.call("ImportImage", an_import())["ImageId"]
    with cloud.catalog.begin() as tx:
        image = tx.images.get(REGION, ImageId(image_id))
        assert image is not None
        for one in tx.images.snapshots_of(image.image_id):
            tx.snapshots.finish(one.snapshot_id, RootDigest("cd" * 32), 1 << 30)
        tx.images.move(image, ImageState.NORMAL, size_gb=1)
    return str(image_id)


def test_a_shared_snapshot_says_so_to_both_and_no_more_than_needed(
    cloud: Cloud, snapshot_id: str, person: Person, new_person: Callable[[], Person]
) -> None:
    friend = new_person()
    assert person.code("ModifySnapshotsSharePermission", permission(snapshot_id, friend), service="cbs") == "OK"

    [mine] = person.call("DescribeSnapshots", service="cbs")["SnapshotSet"]
    [theirs] = friend.call("DescribeSnapshots", {"SnapshotIds": [snapshot_id]}, service="cbs")["SnapshotSet"]
    [share] = person.call("DescribeSnapshotSharePermission", {"SnapshotId": snapshot_id}, service="cbs")["SharePermissionSet"]

    assert (mine["SnapshotType"], mine["ShareReference"]) == ("PRIVATE_SNAPSHOT", 1)
    assert (theirs["SnapshotType"], theirs["ShareReference"]) == ("SHARED_SNAPSHOT", 0)
    assert mine["TimeStartShare"] == theirs["TimeStartShare"] == share["CreatedTime"]
    assert share["AccountId"] == friend.account.uin
    assert (theirs["Images"], theirs["DiskId"], theirs["Tags"], theirs["AutoSnapshotPolicyId"]) == ([], "", [], "")
    assert mine["AutoSnapshotPolicyId"]
    disk = {"DataDisks": [{"DiskSize": 10, "SnapshotId": snapshot_id}]}
    assert running_instance(cloud, friend, normal_image(cloud, friend), **disk)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Permission": "SELL"}, "InvalidParameter"),
        ({"AccountIds": ["100000000000"]}, "InvalidParameter"),
        ({"AccountIds": []}, "MissingParameter"),
        ({"AccountIds": [str(number) for number in range(51)]}, "InvalidParameter"),
        ({"SnapshotIds": ["snap-00000000"]}, "InvalidSnapshotId.NotFound"),
    ],
)
def test_what_is_not_shared_has_the_documented_code(
    snapshot_id: str, person: Person, operator: Person, changes: dict[str, Any], code: str
) -> None:
    request = permission(snapshot_id, operator) | changes
    assert person.code("ModifySnapshotsSharePermission", request, service="cbs") == code


def test_a_shared_snapshot_is_not_deleted(snapshot_id: str, person: Person, operator: Person) -> None:
    person.call("ModifySnapshotsSharePermission", permission(snapshot_id, operator), service="cbs")
    delete = {"SnapshotIds": [snapshot_id]}

    assert person.code("DeleteSnapshots", delete, service="cbs") == "UnsupportedOperation.SnapHasShared"
    person.call("ModifySnapshotsSharePermission", permission(snapshot_id, operator, "CANCEL"), service="cbs")
    assert person.code("DeleteSnapshots", delete, service="cbs") == "OK"
