"""What `linocut policy …` and `linocut snapshot share|unshare|copy` send, and what they print."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Linocut
from fake_wire import FakeWire, Refused

Answer = Callable[..., Any]

POLICY = {
    "AutoSnapshotPolicyId": "asp-00000001",
    "AutoSnapshotPolicyName": "nightly",
    "NextTriggerTime": "2026-11-24 03:00:00",
    "IsPermanent": False,
    "RetentionDays": 7,
    "RetentionAmount": 3,
    "Policy": [{"Hour": [3], "DayOfWeek": [0, 6], "DayOfMonth": [], "IntervalDays": 0}],
    "DiskIdSet": ["disk-00000001"],
}


def sent(wire: FakeWire, action: str) -> dict[str, Any]:
    (found,) = [call.parameters for call in wire.calls if call.action == action]
    return found


@pytest.fixture
def policies(wire: FakeWire) -> None:
    wire.answers |= {
        "CreateAutoSnapshotPolicy": lambda _: {
            "AutoSnapshotPolicyId": "asp-00000001",
            "NextTriggerTime": "2026-11-24 03:00:00",
        },
        "ModifyPolicyRetention": lambda _: {},
        "BindAutoSnapshotPolicy": lambda _: {},
        "UnbindAutoSnapshotPolicy": lambda _: {},
        "DeleteAutoSnapshotPolicies": lambda _: {},
        "DescribeAutoSnapshotPolicies": lambda asked: {
            "TotalCount": 1,
            "AutoSnapshotPolicySet": [POLICY] if asked.get("AutoSnapshotPolicyIds") != ["asp-00000000"] else [],
        },
    }


@pytest.mark.usefixtures("policies")
def test_an_hourly_policy_that_keeps_three_is_one_command(wire: FakeWire, answer: Answer) -> None:
    made = answer("policy", "create", "hourly", "--keep", 3, "--disk", "disk-00000001", "disk-00000002")

    assert made["AutoSnapshotPolicyId"] == "asp-00000001"
    assert sent(wire, "CreateAutoSnapshotPolicy") == {
        "Policy": [{"Hour": list(range(24)), "DayOfWeek": list(range(7))}],
        "AutoSnapshotPolicyName": "hourly",
    }
    assert sent(wire, "ModifyPolicyRetention") == {"AutoSnapshotPolicyId": "asp-00000001", "RetentionAmount": 3}
    assert sent(wire, "BindAutoSnapshotPolicy")["DiskIds"] == ["disk-00000001", "disk-00000002"]


@pytest.mark.usefixtures("policies")
@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--hours", "3", "--days", "sat,sun"], {"Hour": [3], "DayOfWeek": [6, 0]}),
        (["--hours", "0,12", "--days", "1,31"], {"Hour": [0, 12], "DayOfMonth": [1, 31]}),
        (["--hours", "5", "--every", "2"], {"Hour": [5], "IntervalDays": 2}),
    ],
)
def test_days_are_named_in_each_documented_way(
    wire: FakeWire, answer: Answer, arguments: list[str], rule: dict[str, Any]
) -> None:
    answer("policy", "create", "nightly", "--for-ever", *arguments)

    created = sent(wire, "CreateAutoSnapshotPolicy")
    assert (created["Policy"], created["IsPermanent"]) == ([rule], True)


@pytest.mark.usefixtures("policies")
@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "x", "--hours", "24"],
        ["create", "x", "--days", "someday"],
        ["create", "x", "--keep", "0"],
        ["create", "x", "--keep-days", "0"],
        ["create", "x", "--every", "-1"],
        ["create", "x", "--every", "2", "--days", "mon"],
        ["create", "x", "--for-ever", "--keep", "3"],
        ["bind", "asp-00000001"],
        ["delete"],
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(
    wire: FakeWire, linocut: Linocut, state: Path, arguments: list[str]
) -> None:
    assert linocut("policy", *arguments, "--state", state).returncode == 2
    assert wire.calls == []


def test_a_day_that_is_none_is_answered_with_all_that_are(linocut: Linocut) -> None:
    refused = linocut("policy", "create", "x", "--days", "foo").stderr
    assert refused == "linocut: --days takes sun, mon, tue, wed, thu, fri, sat, or 1 to 31, joined by commas, or all\n"


@pytest.mark.usefixtures("policies")
def test_a_policy_that_is_made_but_not_as_asked_is_named(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise Refused("InvalidDiskId.NotFound", "There is no disk disk-00000009.")

    wire.answers["BindAutoSnapshotPolicy"] = refuse
    done = linocut("policy", "create", "x", "--disk", "disk-00000009", "--state", state)

    assert done.returncode == 1
    assert "asp-00000001 is made, but not as asked" in done.stderr


@pytest.mark.usefixtures("policies")
def test_policies_are_listed_shown_bound_and_deleted(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    listed = linocut("policy", "list", "--state", state).stdout.splitlines()
    assert listed[1].split() == ["asp-00000001", "nightly", "2026-11-23T19:00:00Z", "3", "of", "each,", "7", "days", "1"]
    shown = linocut("policy", "show", "asp-00000001", "--state", state).stdout
    assert "sun,sat at 3, in Beijing" in shown
    assert "2026-11-23T19:00:00Z" in shown
    assert "disk-00000001" in shown
    assert linocut("policy", "show", "asp-00000000", "--state", state).returncode == 1
    assert linocut("policy", "bind", "asp-00000001", "disk-00000002", "--state", state).stdout == "disk-00000002\n"
    assert linocut("policy", "unbind", "asp-00000001", "disk-00000002", "--state", state).returncode == 0
    assert sent(wire, "UnbindAutoSnapshotPolicy") == {"AutoSnapshotPolicyId": "asp-00000001", "DiskIds": ["disk-00000002"]}
    assert linocut("policy", "delete", "asp-00000001", "--state", state).stdout == "asp-00000001\n"


def test_a_snapshot_is_shared_and_taken_back(wire: FakeWire, linocut: Linocut, state: Path, answer: Answer) -> None:
    shares = [{"AccountId": "100000000002", "CreatedTime": "2026-11-23 15:00:00"}]
    wire.answers |= {
        "ModifySnapshotsSharePermission": lambda _: {},
        "DescribeSnapshotSharePermission": lambda _: {"SharePermissionSet": shares},
    }
    assert answer("snapshot", "share", "snap-00000001", "100000000002") == shares
    assert sent(wire, "ModifySnapshotsSharePermission") == {
        "SnapshotIds": ["snap-00000001"],
        "AccountIds": ["100000000002"],
        "Permission": "SHARE",
    }
    shown = linocut("snapshot", "share", "snap-00000001", "--state", state).stdout.splitlines()[1]
    assert shown.split() == ["100000000002", "2026-11-23T07:00:00Z"]
    answer("snapshot", "unshare", "snap-00000001", "100000000002")
    assert [call.parameters["Permission"] for call in wire.calls if call.action.startswith("Modify")] == ["SHARE", "CANCEL"]
    assert answer("snapshot", "share", "snap-00000001") == shares


def _result(region: str, snapshot_id: str, code: str = "Success", message: str = "") -> dict[str, str]:
    return {"DestinationRegion": region, "SnapshotId": snapshot_id, "Code": code, "Message": message}


def test_a_copy_is_awaited_by_its_task(wire: FakeWire, answer: Answer) -> None:
    looks = iter(["RUNNING", "SUCCESS"])
    wire.answers |= {
        "CopySnapshotCrossRegions": lambda _: {"SnapshotCopyResultSet": [_result("ap-shanghai", "snap-00000002")]},
        "DescribeTasks": lambda _: {
            "TotalCount": 1,
            "TaskSet": [{"Resource": "snap-00000002", "State": next(looks), "Percent": 50, "Error": ""}],
        },
    }
    [copy] = answer("snapshot", "copy", "snap-00000001", "ap-shanghai", "--name", "far")

    assert copy["SnapshotId"] == "snap-00000002"
    assert wire.count("DescribeTasks") == 2
    assert sent(wire, "CopySnapshotCrossRegions")["SnapshotName"] == "far"


def test_a_copy_that_fails_or_is_refused_says_so(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    refused = _result("ap-beijing", "", "ResourceInUse.CopySnapshotConflict", "It is being copied there already.")
    results = [_result("ap-shanghai", "snap-00000002"), refused]
    wire.answers |= {
        "CopySnapshotCrossRegions": lambda _: {"SnapshotCopyResultSet": results},
        "DescribeTasks": lambda _: {
            "TotalCount": 1,
            "TaskSet": [{"Resource": "snap-00000002", "State": "FAILED", "Percent": 0, "Error": "No room."}],
        },
    }
    done = linocut("snapshot", "copy", "snap-00000001", "ap-shanghai", "--state", state)
    assert (done.returncode, "No room." in done.stderr) == (1, True)
    done = linocut("snapshot", "copy", "snap-00000001", "ap-shanghai", "ap-beijing", "--no-wait", "--state", state)
    assert (done.returncode, "ap-beijing" in done.stderr) == (1, True)
    assert "It is being copied there already." in done.stdout
