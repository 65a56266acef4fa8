"""What the client commands send over the wire, and what they print."""

import re
import signal
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_program import PROGRAM, Linocut, clean_environment
from fake_wire import FakeWire, Refused, image, instance

Answer = Callable[..., Any]


def import_arguments(source: object) -> list[object]:
    return ["image", "import", source, "--name", "deb", "--os-type", "Debian", "--os-version", "12"]


def import_in_two_looks(wire: FakeWire) -> None:
    """Let an import be NORMAL at the second look."""

    def begin(_: dict[str, Any]) -> dict[str, Any]:
        wire.images.append(image("img-00000009", "deb", state="IMPORTING") | {"SyncPercent": 40})
        return {"ImageId": "img-00000009"}

    def look(parameters: dict[str, Any]) -> dict[str, Any]:
        shown = {"ImageSet": [dict(held) for held in wire.images], "TotalCount": len(wire.images)}
        wire.images = [held | {"ImageState": "NORMAL"} for held in wire.images]
        assert parameters["ImageIds"] == ["img-00000009"]
        return shown

    wire.answers |= {"ImportImage": begin, "DescribeImages": look, "PublishImage": lambda _: {}}


def test_a_display_is_a_url_that_a_viewer_takes(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.answers["DescribeInstanceVncUrl"] = lambda asked: {
        "InstanceVncUrl": "ws%3A%2F%2Fhost%2Fvnc%3Fs%3D" + asked["InstanceId"]
    }

    assert linocut("instance", "display", "ins-00000001", "--state", state).stdout == "ws://host/vnc?s=ins-00000001\n"


def test_every_image_is_listed_page_by_page(wire: FakeWire, answer: Answer) -> None:
    wire.images = [image(f"img-{number:08}", f"image-{number}") for number in range(250)]

    listed = answer("image", "list")

    assert listed == wire.images
    assert wire.count("DescribeImages") == 3


def test_a_list_for_programs_is_plain_columns_that_no_width_cuts(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.images = [image("img-00000001", "n" * 200)]

    done = linocut("image", "list", "--state", state)

    heading, row = done.stdout.splitlines()
    assert heading.split()[:3] == ["ID", "NAME", "STATE"]
    assert row.split()[:3] == ["img-00000001", "n" * 200, "NORMAL"]


def test_importing_a_url_waits_until_the_image_is_normal(wire: FakeWire, answer: Answer) -> None:
    import_in_two_looks(wire)

    imported = answer(*import_arguments("http://127.0.0.1/deb.qcow2"))

    assert imported["ImageId"] == "img-00000009"
    assert imported["ImageState"] == "NORMAL"
    assert wire.last("ImportImage") == {
        "ImageUrl": "http://127.0.0.1/deb.qcow2",
        "ImageName": "deb",
        "OsType": "Debian",
        "OsVersion": "12",
        "Architecture": "x86_64",
    }


def test_an_import_that_fails_ends_with_one_line_and_code_1(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    import_in_two_looks(wire)
    failed = image("img-00000009", "deb", state="IMPORTFAILED")
    wire.answers["DescribeImages"] = lambda _: {"ImageSet": [failed], "TotalCount": 1}
    why = {"ImageId": "img-00000009", "Failure": "The file has a backing file."}
    wire.answers["DescribeImageProgress"] = lambda _: {"ImageProgressSet": [why]}

    done = linocut(*import_arguments("http://127.0.0.1/deb.qcow2"), "--state", state)

    assert done.returncode == 1
    assert done.stderr == "linocut: img-00000009 is IMPORTFAILED: The file has a backing file.\n"
    assert done.stdout == ""


def test_a_public_import_is_published_once_it_is_ready(wire: FakeWire, answer: Answer) -> None:
    import_in_two_looks(wire)

    answer(*import_arguments("http://127.0.0.1/deb.qcow2"), "--public")

    assert wire.last("PublishImage") == {"ImageId": "img-00000009", "Public": True}
    published = next(call for call in wire.calls if call.action == "PublishImage")
    assert published.service == "linocut 2026-11-01"


def test_a_local_file_is_uploaded_whole_and_imported_from_there(wire: FakeWire, answer: Answer, tmp_path: Path) -> None:
    import_in_two_looks(wire)
    file = tmp_path / "deb.qcow2"
    file.write_bytes(b"disk" * 700_000)

    answer(*import_arguments(file))

    assert wire.upload is not None
    assert wire.upload.content == file.read_bytes()
    assert wire.last("ImportImage")["ImageUrl"] == "upload://upl-1"


def test_an_upload_that_breaks_off_goes_on_from_the_byte_that_arrived_last(
    wire: FakeWire, answer: Answer, tmp_path: Path
) -> None:
    import_in_two_looks(wire)
    wire.break_upload_at = 1_234_567
    file = tmp_path / "deb.qcow2"
    file.write_bytes(b"disk" * 700_000)

    answer(*import_arguments(file))

    assert wire.upload is not None
    assert wire.upload.content == file.read_bytes()


def test_an_upload_that_was_told_another_offset_goes_on_there(wire: FakeWire, answer: Answer, tmp_path: Path) -> None:
    import_in_two_looks(wire)
    wire.lost_from_upload = True
    file = tmp_path / "deb.qcow2"
    file.write_bytes(b"disk" * 1000)

    answer(*import_arguments(file))

    assert wire.upload is not None
    assert wire.upload.content == file.read_bytes()


def test_a_source_that_is_neither_file_nor_url_is_refused_before_any_call(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    done = linocut(*import_arguments("no-such.qcow2"), "--state", state)

    assert done.returncode == 1
    assert "no-such.qcow2 is neither a file nor an http(s) URL" in done.stderr
    assert wire.calls == []


def run_one(wire: FakeWire) -> None:
    wire.instances = [instance("ins-00000001")]
    wire.answers["RunInstances"] = lambda _: {"InstanceIdSet": ["ins-00000001"]}


def test_run_starts_instances_of_an_image_named_exactly(wire: FakeWire, answer: Answer, tmp_path: Path) -> None:
    run_one(wire)
    wire.images = [image("img-00000002", "deb-old"), image("img-00000001", "deb")]
    wire.keys = [{"KeyId": "skey-00000001", "KeyName": "mine", "CreatedTime": "2026-11-23T00:00:00Z"}]
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\n")

    started = answer("run", "deb", "--key", "mine", "--host-name", "web", "--user-data", script, "--wait")

    assert started == wire.instances
    sent = wire.last("RunInstances")
    assert b64decode(sent.pop("UserData")) == b"#!/bin/sh\n"
    assert sent == {
        "ImageId": "img-00000001",
        "InstanceCount": 1,
        "InstanceType": "S5.SMALL1",
        "Placement": {"Zone": "ap-guangzhou-3"},
        "LoginSettings": {"KeyIds": ["skey-00000001"]},
        "HostName": "web",
    }


def test_run_takes_a_family_for_its_newest_image_where_no_image_has_the_name(wire: FakeWire, answer: Answer) -> None:
    wire.answers["DescribeImageFromFamily"] = lambda _: {"Image": image("img-00000007", "debian-12-20261123")}
    wire.answers["RunInstances"] = lambda _: {"InstanceIdSet": ["ins-00000001"]}
    answer("run", "debian-12")
    assert wire.last("RunInstances")["ImageId"] == "img-00000007"
    wire.images = [image("img-00000001", "debian-12")]
    answer("run", "debian-12")
    assert wire.last("RunInstances")["ImageId"] == "img-00000001"


def test_ones_own_image_comes_before_a_public_one_of_the_same_name(wire: FakeWire, answer: Answer) -> None:
    run_one(wire)
    wire.images = [image("img-00000001", "deb", "PUBLIC_IMAGE"), image("img-00000002", "deb")]

    answer("run", "deb")

    assert wire.last("RunInstances")["ImageId"] == "img-00000002"


def test_an_image_that_somebody_shared_is_never_meant_by_name(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    run_one(wire)
    wire.images = [image("img-00000001", "deb", "SHARED_IMAGE")]

    done = linocut("run", "deb", "--state", state)

    assert done.returncode == 1
    assert "there is no image named deb" in done.stderr
    assert "img-00000001" in done.stderr
    assert wire.count("RunInstances") == 0


def test_a_launch_that_fails_says_why(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    run_one(wire)
    wire.instances = [instance("ins-00000001", "LAUNCH_FAILED") | {"LatestOperationErrorMsg": "The disk is full."}]

    done = linocut("run", "img-00000001", "--wait", "--state", state)

    assert done.returncode == 1
    assert done.stderr == "linocut: ins-00000001 is LAUNCH_FAILED: The disk is full.\n"


def test_stopping_all_stops_every_running_instance_a_hundred_at_a_time(wire: FakeWire, answer: Answer) -> None:
    wire.instances = [instance(f"ins-{number:08}") for number in range(120)] + [instance("ins-stopped0", "STOPPED")]
    wire.answers["StopInstances"] = lambda _: {}

    stopped = answer("instance", "stop", "--all")

    batches = [call.parameters["InstanceIds"] for call in wire.calls if call.action == "StopInstances"]
    assert [len(batch) for batch in batches] == [100, 20]
    assert [*batches[0], *batches[1]] == stopped == [f"ins-{number:08}" for number in range(120)]


@pytest.mark.parametrize(
    ("arguments", "action", "sent"),
    [
        (["instance", "start", "ins-1", "ins-2"], "StartInstances", {"InstanceIds": ["ins-1", "ins-2"]}),
        (["instance", "stop", "ins-1", "--hard"], "StopInstances", {"InstanceIds": ["ins-1"], "StopType": "HARD"}),
        (["instance", "reboot", "ins-1"], "RebootInstances", {"InstanceIds": ["ins-1"]}),
        (["instance", "terminate", "ins-1"], "TerminateInstances", {"InstanceIds": ["ins-1"]}),
        (["image", "delete", "img-00000001"], "DeleteImages", {"ImageIds": ["img-00000001"], "DeleteBindedSnap": True}),
        (["disk", "rename", "disk-1", "--name", "new"], "ModifyDiskAttributes", {"DiskIds": ["disk-1"], "DiskName": "new"}),
        (["disk", "delete", "disk-1", "disk-2"], "TerminateDisks", {"DiskIds": ["disk-1", "disk-2"]}),
        (["disk", "delete", "disk-1", "--with-snapshots"], "TerminateDisks", {"DiskIds": ["disk-1"], "DeleteSnapshot": 1}),
        (["snapshot", "delete", "snap-1"], "DeleteSnapshots", {"SnapshotIds": ["snap-1"]}),
        (
            ["snapshot", "rename", "snap-1", "before"],
            "ModifySnapshotAttribute",
            {"SnapshotId": "snap-1", "SnapshotName": "before"},
        ),
        (["snapshot", "keep", "snap-1"], "ModifySnapshotAttribute", {"SnapshotId": "snap-1", "IsPermanent": True}),
        (
            ["snapshot", "group", "delete", "csnap-1", "--with-images"],
            "DeleteSnapshotGroup",
            {"SnapshotGroupIds": ["csnap-1"], "DeleteBindImages": True},
        ),
        (
            ["snapshot", "delete", "snap-1", "--with-images"],
            "DeleteSnapshots",
            {"SnapshotIds": ["snap-1"], "DeleteBindImages": True},
        ),
        (
            ["bucket", "delete", "a.raw", "--bucket", "b-1"],
            "DeleteBucketFiles",
            {"BucketName": "b-1", "Keys": ["a.raw"]},
        ),
        (["key", "delete", "skey-00000001"], "DeleteKeyPairs", {"KeyIds": ["skey-00000001"]}),
        (["instance", "reset", "ins-00000001"], "ResetInstance", {"InstanceId": "ins-00000001"}),
        (
            ["instance", "reset", "ins-00000001", "--image", "img-00000001", "--key", "skey-00000001", "--disk-gb", "80"],
            "ResetInstance",
            {
                "InstanceId": "ins-00000001",
                "ImageId": "img-00000001",
                "LoginSettings": {"KeyIds": ["skey-00000001"]},
                "SystemDisk": {"DiskSize": 80},
            },
        ),
        (
            ["key", "bind", "skey-00000001", "ins-00000001", "ins-00000002", "--force"],
            "AssociateInstancesKeyPairs",
            {"InstanceIds": ["ins-00000001", "ins-00000002"], "KeyIds": ["skey-00000001"], "ForceStop": True},
        ),
        (
            ["key", "unbind", "skey-00000001", "ins-00000001"],
            "DisassociateInstancesKeyPairs",
            {"InstanceIds": ["ins-00000001"], "KeyIds": ["skey-00000001"], "ForceStop": False},
        ),
    ],
)
def test_a_command_on_named_things_sends_their_ids(
    wire: FakeWire, answer: Answer, arguments: list[str], action: str, sent: dict[str, Any]
) -> None:
    wire.answers[action] = lambda _: {}

    answer(*arguments)

    assert wire.last(action) == sent


def test_a_password_is_read_from_standard_input_and_never_from_the_command_line(wire: FakeWire, state: Path) -> None:
    wire.answers["ResetInstancesPassword"] = lambda _: {}

    done = subprocess.run(
        [PROGRAM, "instance", "set-password", "ins-00000001", "--force", "--state", state],
        input="Passw0rd-1\n",
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "ins-00000001\n")
    sent = {"InstanceIds": ["ins-00000001"], "Password": "Passw0rd-1", "ForceStop": True}
    assert wire.last("ResetInstancesPassword") == sent


def test_an_image_of_a_running_instance_is_awaited(wire: FakeWire, answer: Answer) -> None:
    import_in_two_looks(wire)
    wire.answers["CreateImage"] = wire.answers["ImportImage"]

    made = answer("instance", "create-image", "ins-00000001", "--name", "golden")

    assert made["ImageState"] == "NORMAL"
    assert wire.last("CreateImage") == {"InstanceId": "ins-00000001", "ImageName": "golden"}


def test_sharing_prints_who_may_use_the_image(wire: FakeWire, answer: Answer) -> None:
    shares = [{"AccountId": "100000000002", "CreatedTime": "2026-11-23T00:00:00Z"}]
    wire.images = [image("img-00000001", "deb")]
    wire.answers["ModifyImageSharePermission"] = lambda _: {}
    wire.answers["DescribeImageSharePermission"] = lambda _: {"SharePermissionSet": shares}

    assert answer("image", "share", "deb", "100000000002") == shares

    sent = wire.last("ModifyImageSharePermission")
    assert sent == {"ImageId": "img-00000001", "AccountIds": ["100000000002"], "Permission": "SHARE"}


def test_the_console_is_printed_byte_by_byte_as_it_was_written(wire: FakeWire, state: Path, tmp_path: Path) -> None:
    wire.console = b"boot \xff\x1b[1m\r\n" * 20

    done = subprocess.run(
        [PROGRAM, "instance", "console", "ins-00000001", "--state", state],
        cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=20, check=True,
    )  # fmt: skip

    assert done.stdout == wire.console


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let programs that the test starts be interrupted, also where the tests themselves run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_followed_console_goes_on_until_it_is_interrupted(wire: FakeWire, state: Path, tmp_path: Path) -> None:
    wire.console = b"one\n"
    with subprocess.Popen(
        [PROGRAM, "instance", "console", "ins-00000001", "--follow", "--state", state],
        cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        assert following.stdout.readline() == b"one\n"
        wire.console += b"two\n"
        assert following.stdout.readline() == b"two\n"
        following.send_signal(signal.SIGINT)
        _, complaint = following.communicate(timeout=10)

    assert (following.returncode, complaint) == (130, b"")


def test_a_new_private_key_goes_to_a_file_that_only_its_owner_reads(
    wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path
) -> None:
    wire.answers["CreateKeyPair"] = lambda _: {"KeyPair": {"KeyId": "skey-00000001", "PrivateKey": "PRIVATE"}}

    done = linocut("key", "create", "mine", "--out", "id", "--state", state)

    assert done.stdout == "skey-00000001\n"
    assert (tmp_path / "id").read_text() == "PRIVATE\n"
    assert (tmp_path / "id").stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_exists_is_left_alone_and_no_key_is_made(
    wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path
) -> None:
    (tmp_path / "id").write_text("precious")

    done = linocut("key", "create", "mine", "--out", "id", "--state", state)

    assert done.returncode == 1
    assert (tmp_path / "id").read_text() == "precious"
    assert wire.count("CreateKeyPair") == 0


def test_a_refusal_is_one_line_with_code_message_and_request_id(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise Refused("InvalidInstanceId.NotFound", "There is no ins-00000001.")

    wire.answers["TerminateInstances"] = refuse

    done = linocut("instance", "terminate", "ins-00000001", "--state", state)

    assert done.returncode == 1
    assert done.stderr == "linocut: InvalidInstanceId.NotFound: There is no ins-00000001. (RequestId req-1)\n"
    assert done.stdout == ""


def test_a_service_that_is_not_there_is_named(linocut: Linocut, state: Path) -> None:
    done = linocut("image", "list", "--state", state, "--endpoint", "http://127.0.0.1:9")

    assert done.returncode == 1
    assert "nothing answers at http://127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1


def exporting(wire: FakeWire, *states: str) -> None:
    """Let an export go through these states of its task."""
    wire.images = [image("img-00000001", "web")]
    left = list(states)
    wire.download = b"d" * 3_000_000 + bytes(2_000_000) + b"e"
    wire.answers |= {
        "DescribeBucketFiles": lambda _: {"BucketName": "images-1250000000", "FileSet": []},
        "ExportImages": lambda _: {"TaskId": 7, "CosPaths": ["img-00000001_system_snap-1.qcow2"]},
        "DescribeTasks": lambda asked: {
            "TaskSet": [{"TaskId": asked["TaskIds"][0], "State": left.pop(0), "Percent": 50, "Error": "It broke."}]
        },
        "CreateDownload": lambda _: {"Url": "/bucket/link"},
    }


def test_an_export_is_awaited_and_named(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    exporting(wire, "RUNNING", "SUCCESS")

    done = linocut("image", "export", "web", "--state", state)

    assert done.stdout == "s3://images-1250000000/img-00000001_system_snap-1.qcow2\n"
    assert wire.last("ExportImages") == {
        "BucketName": "images-1250000000",
        "ImageIds": ["img-00000001"],
        "ExportFormat": "QCOW2",
    }


def test_an_export_comes_here_and_goes_on_where_it_broke_off(
    wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path
) -> None:
    exporting(wire, "SUCCESS", "SUCCESS")
    wire.break_download_at = 1_500_000

    done = linocut("image", "export", "web", "--output", tmp_path / "web.raw", "--format", "raw", "--state", state)

    assert done.stdout == f"{tmp_path / 'web.raw'}\n"
    assert (tmp_path / "web.raw").read_bytes() == wire.download
    assert wire.last("ExportImages")["OnlyExportRootDisk"] is True
    again = linocut("image", "export", "web", "--output", tmp_path / "web.raw", "--state", state)
    assert (again.returncode, wire.count("ExportImages")) == (2, 1)


def test_an_export_to_where_nothing_can_be_written_is_not_asked_for(
    wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path
) -> None:
    exporting(wire, "SUCCESS")
    done = linocut("image", "export", "web", "-o", tmp_path / "none" / "x", "--state", state)
    assert (done.returncode, done.stderr) == (1, f"linocut: there is no folder {tmp_path / 'none'}\n")
    assert wire.count("ExportImages") == 0


def test_a_file_of_a_bucket_comes_here(wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path) -> None:
    exporting(wire)
    done = linocut("bucket", "get", "nightly/web.raw", "-o", tmp_path / "web.raw", "--state", state)
    assert done.stdout == f"{tmp_path / 'web.raw'}\n"
    assert (tmp_path / "web.raw").read_bytes() == wire.download
    assert wire.last("CreateDownload") == {"BucketName": "images-1250000000", "Key": "nightly/web.raw"}


def test_a_download_that_fails_leaves_no_part_of_a_file(wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path) -> None:
    exporting(wire)
    wire.answers["CreateDownload"] = lambda _: {"Url": "/nothing/here"}
    folder = tmp_path / "here"
    folder.mkdir()
    done = linocut("bucket", "get", "web.raw", "-o", folder / "web.raw", "--state", state)
    assert (done.returncode, list(folder.iterdir())) == (1, [])


def test_snapshots_are_listed_with_the_images_made_of_them(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    names = ("SnapshotId", "SnapshotName", "DiskUsage", "DiskSize", "SnapshotState")
    held = dict(zip(names, ("snap-00000001", "web", "SYSTEM_DISK", 2, "NORMAL"), strict=True))
    images = [{"ImageId": "img-00000001", "ImageName": "a"}, {"ImageId": "img-00000002", "ImageName": "b"}]
    mine = {"DiskId": "disk-00000001", "CreateTime": "2026-11-23 15:00:00", "IsPermanent": True, "DeadlineTime": ""}
    theirs = {"DiskId": "", "CreateTime": "2026-11-23 07:00:00", "IsPermanent": False, "DeadlineTime": "2026-12-01 00:00:00"}
    both = [
        held | mine | {"Images": images, "SnapshotType": "PRIVATE_SNAPSHOT"},
        held | theirs | {"Images": [], "SnapshotType": "SHARED_SNAPSHOT"},
    ]
    wire.answers["DescribeSnapshots"] = lambda _: {"TotalCount": 2, "SnapshotSet": both}

    own, shared = (re.split("  +", line) for line in linocut("snapshot", "list", "--state", state).stdout.splitlines()[1:])

    of = ["snap-00000001", "web", "disk-00000001", "system", "2", "NORMAL", "2026-11-23T07:00:00Z", "for ever", "own"]
    assert own == [*of, "img-00000001 img-00000002"]
    assert shared[2] == "-"
    assert shared[6:] == ["2026-11-22T23:00:00Z", "2026-11-30T16:00:00Z", "shared with you"]


def disk(disk_id: str, state: str, instance_id: str = "") -> dict[str, Any]:
    return {
        "DiskId": disk_id,
        "DiskName": "books",
        "DiskUsage": "DATA_DISK",
        "DiskType": "CLOUD_SSD",
        "DiskSize": 10,
        "DiskState": state,
        "InstanceId": instance_id,
        "Placement": {"Zone": "ap-guangzhou-3"},
    }


def going_through(wire: FakeWire, *states: str, failure: str = "") -> None:
    """Have a disk go through states, one each time it is looked at, and its task end so."""
    left = list(states)
    wire.answers |= dict.fromkeys(
        ("AttachDisks", "DetachDisks", "ResizeDisk", "CreateDisks"), lambda _: {"DiskIdSet": ["disk-1"]}
    )
    wire.answers["DescribeDisks"] = lambda _: {
        "TotalCount": 1,
        "DiskSet": [disk("disk-1", left.pop(0) if len(left) > 1 else left[0])],
    }
    task = {"State": "FAILED" if failure else "SUCCESS", "Error": failure}
    wire.answers["DescribeTasks"] = lambda _: {"TaskSet": [task], "TotalCount": 1}


@pytest.mark.parametrize(
    ("arguments", "states", "action", "sent"),
    [
        (
            ["attach", "disk-1", "--to", "ins-1", "--delete-with-instance"],
            ("ATTACHING", "ATTACHED"),
            "AttachDisks",
            {"InstanceId": "ins-1", "DiskIds": ["disk-1"], "DeleteWithInstance": True},
        ),
        (["detach", "disk-1"], ("DETACHING", "UNATTACHED"), "DetachDisks", {"DiskIds": ["disk-1"]}),
        (["resize", "disk-1", "--size-gb", "20"], ("EXPANDING", "ATTACHED"), "ResizeDisk", {"DiskId": "disk-1", "DiskSize": 20}),
    ],
)
def test_what_moves_a_disk_waits_until_it_has_moved(
    wire: FakeWire,
    linocut: Linocut,
    state: Path,
    arguments: list[str],
    states: tuple[str, ...],
    action: str,
    sent: dict[str, Any],
) -> None:
    going_through(wire, *states)
    done = linocut("disk", *arguments, "--state", state)
    assert (done.returncode, done.stdout) == (0, "disk-1\n")
    assert wire.last(action) == sent
    assert wire.count("DescribeDisks") == 2


@pytest.mark.parametrize(
    ("arguments", "states"),
    [(["attach", "disk-1", "--to", "ins-1"], ("UNATTACHED",)), (["detach", "disk-1"], ("DETACHING", "ATTACHED"))],
)
def test_a_disk_that_does_not_move_says_why(
    wire: FakeWire, linocut: Linocut, state: Path, arguments: list[str], states: tuple[str, ...]
) -> None:
    going_through(wire, *states, failure="It broke.")
    done = linocut("disk", *arguments, "--state", state)
    assert (done.returncode, done.stderr) == (1, f"linocut: disk-1 is {states[-1]}: It broke.\n")


def test_disks_are_made_in_the_first_zone_that_takes_them_and_listed(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    going_through(wire, "UNATTACHED")
    made = linocut("disk", "create", "--size-gb", "10", "--name", "books", "--state", state).stdout.splitlines()[1]
    assert made.split() == ["disk-1", "books", "data", "CLOUD_SSD", "10", "UNATTACHED", "ap-guangzhou-3"]
    assert wire.last("CreateDisks")["Placement"] == {"Zone": "ap-guangzhou-3"}
    listed = linocut("disk", "list", "--instance", "ins-1", "--state", state).stdout.splitlines()[1]
    assert listed == made
    assert wire.last("DescribeDisks")["Filters"] == [{"Name": "instance-id", "Values": ["ins-1"]}]
    assert linocut("disk", "detach", "--state", state).stderr == "linocut: name at least one disk\n"


def snapshots(wire: FakeWire, *states: str) -> None:
    """Have a snapshot go through states; after the last it is gone if that is empty."""
    left = list(states)

    def told(_: object) -> dict[str, object]:
        state = left.pop(0) if len(left) > 1 else left[0]
        found = {"SnapshotId": "snap-00000001", "DiskId": "disk-00000001", "SnapshotState": state, "Percent": 50}
        return {"TotalCount": 1, "SnapshotSet": [found] if state else []}

    wire.answers["CreateSnapshot"] = lambda _: {"SnapshotId": "snap-00000001"}
    wire.answers["DescribeSnapshots"] = told
    wire.answers["DescribeTasks"] = lambda _: {"TotalCount": 1, "TaskSet": [{"Error": "" if left[0] else "It is full."}]}


def test_a_snapshot_is_awaited(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    snapshots(wire, "CREATING", "CREATING", "NORMAL")
    done = linocut("snapshot", "create", "disk-00000001", "--name", "before", "--wait", "--state", state)
    assert (done.returncode, done.stdout) == (0, "snap-00000001\n")
    assert wire.count("DescribeSnapshots") == 3


def test_a_snapshot_that_fails_says_why(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    snapshots(wire, "CREATING", "")
    done = linocut("snapshot", "create", "disk-00000001", "--keep-days", "7", "--wait", "--state", state)
    assert (done.returncode, done.stderr) == (1, "linocut: snap-00000001 did not come to be: It is full.\n")
    assert any("Deadline" in call.parameters for call in wire.calls)


def test_a_disk_is_rolled_back_to_a_snapshot(wire: FakeWire, answer: Answer) -> None:
    snapshots(wire, "NORMAL")
    wire.answers["ApplySnapshot"] = lambda _: {}
    going = [True, False]
    wire.answers["DescribeDisks"] = lambda _: {"TotalCount": 1, "DiskSet": [{"Rollbacking": going.pop(0)}]}

    assert answer("snapshot", "apply", "snap-00000001", "--stop", "--start") == {"DiskId": "disk-00000001"}

    (call,) = [call for call in wire.calls if call.action == "ApplySnapshot"]
    both = {"AutoStopInstance": True, "AutoStartInstance": True}
    assert call.parameters == {"SnapshotId": "snap-00000001", "DiskId": "disk-00000001", **both}


@pytest.mark.parametrize(
    ("of", "action"), [(["snap-00000001"], "ApplySnapshot"), (["group", "csnap-00000001"], "ApplySnapshotGroup")]
)
def test_an_instance_is_not_stopped_unless_asked(
    wire: FakeWire, linocut: Linocut, state: Path, of: list[str], action: str
) -> None:
    def refuse(_: object) -> dict[str, Any]:
        raise Refused("InvalidParameterValue", "AutoStartInstance is for AutoStopInstance alone.")

    snapshots(wire, "NORMAL")
    group = {"SnapshotGroupId": "csnap-00000001", "SnapshotIdSet": ["snap-00000001"]}
    wire.answers["DescribeSnapshotGroups"] = lambda _: {"TotalCount": 1, "SnapshotGroupSet": [group]}
    wire.answers[action] = refuse
    before, name = of[:-1], of[-1]

    done = linocut("snapshot", *before, "apply", name, "--start", "--state", state)

    assert (done.returncode, "for AutoStopInstance alone" in done.stderr) == (1, True)
    assert wire.last(action)["AutoStartInstance"]
    assert "AutoStopInstance" not in wire.last(action)


def test_a_group_is_taken_of_all_disks_of_an_instance(wire: FakeWire, answer: Answer) -> None:
    wire.answers["DescribeDisks"] = lambda _: {"TotalCount": 2, "DiskSet": [{"DiskId": "disk-1"}, {"DiskId": "disk-2"}]}
    wire.answers["CreateSnapshotGroup"] = lambda _: {"SnapshotGroupId": "csnap-00000001"}
    state = {"SnapshotGroupId": "csnap-00000001", "SnapshotGroupState": "NORMAL", "Percent": 100}
    wire.answers["DescribeSnapshotGroups"] = lambda _: {"TotalCount": 1, "SnapshotGroupSet": [state]}

    assert answer("snapshot", "group", "create", "ins-1", "--wait")["SnapshotGroupId"] == "csnap-00000001"

    (call,) = [call for call in wire.calls if call.action == "CreateSnapshotGroup"]
    assert call.parameters == {"DiskIds": ["disk-1", "disk-2"]}


def test_an_option_that_is_missing_is_named(linocut: Linocut) -> None:
    done = linocut("image", "import", "x.raw", "--name", "x")
    assert (done.returncode, done.stderr) == (2, "linocut: --os-type is missing\n")


def test_an_export_that_fails_says_why(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    exporting(wire, "RUNNING", "FAILED")
    done = linocut("image", "export", "img-00000001", "--state", state)
    assert (done.returncode, done.stderr) == (1, "linocut: task 7 is FAILED: It broke.\n")
