"""Copies of snapshots on the wire."""

from typing import Any

import pytest
from belongings import REGION
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.model.ids import RootDigest, SnapshotId, new_id
from linocut.model.records import DiskUsage, Snapshot
from linocut.model.states import SnapshotState


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
    )
    with cloud.catalog.begin() as tx:
        tx.snapshots.add(snapshot)
    return snapshot.snapshot_id


def copies(person: Person, snapshot_id: str, *regions: str) -> list[dict[str, Any]]:
    request = {"SnapshotId": snapshot_id, "DestinationRegions": regions}
    answer = person.call("CopySnapshotCrossRegions", request, service="cbs")
    found: list[dict[str, Any]] = answer["SnapshotCopyResultSet"]
    return found


def test_each_region_says_what_came_of_its_copy(person: Person, snapshot_id: str) -> None:
    [first] = copies(person, snapshot_id, "ap-shanghai")
    again, other = copies(person, snapshot_id, "ap-shanghai", "ap-beijing")

    assert (first["DestinationRegion"], first["Code"], first["Message"]) == ("ap-shanghai", "Success", "")
    assert (again["SnapshotId"], again["Code"]) == ("", "ResourceInUse.CopySnapshotConflict")
    assert snapshot_id in again["Message"]
    assert (other["DestinationRegion"], other["Code"]) == ("ap-beijing", "Success")
    [source] = person.call("DescribeSnapshots", {"SnapshotIds": [snapshot_id]}, service="cbs")["SnapshotSet"]
    assert source["CopyingToRegions"] == ["ap-beijing", "ap-shanghai"]
    copying = {"Filters": [{"Name": "snapshot-state", "Values": ["COPYING_FROM_REMOTE"]}]}
    [copy] = person.call("DescribeSnapshots", copying, service="cbs", region="ap-shanghai")["SnapshotSet"]
    assert (copy["SnapshotId"], copy["SnapshotState"]) == (first["SnapshotId"], "COPYING_FROM_REMOTE")
    assert copy["CopyFromRemote"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DestinationRegions": ["ap-guangzhou"]}, "InvalidParameterValue"),
        ({"DestinationRegions": ["ap-tokyo"]}, "UnsupportedOperation.SnapshotNotSupportCopy"),
        ({"DestinationRegions": ["mars-north"]}, "InvalidParameterValue"),
        ({"DestinationRegions": []}, "MissingParameter"),
        ({"SnapshotId": ""}, "MissingParameter"),
        ({"SnapshotId": "snap-00000000"}, "InvalidSnapshotId.NotFound"),
        ({"SnapshotName": "x" * 61}, "InvalidParameterValue"),
    ],
)
def test_what_is_not_copied_has_the_documented_code(person: Person, snapshot_id: str, changes: dict[str, Any], code: str) -> None:
    request = {"SnapshotId": snapshot_id, "DestinationRegions": ["ap-shanghai"]} | changes
    assert person.code("CopySnapshotCrossRegions", request, service="cbs") == code
