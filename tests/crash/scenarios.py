"""What users do while the service is killed: each scenario names the steps that it reaches."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from crash_world import ELSEWHERE, REGION, World, attempt
from guest_disk import DISK_BYTES, READ_AT, WRITTEN_AT
from service_process import wait_until

from linocut.cli.wire import CBS
from linocut.model.ids import InstanceId, PolicyId
from linocut.model.usage import SnapshotUse, hour_of, month_of

GIB: Final = 1 << 30


@dataclass(frozen=True)
class Scenario:
    """One operation: what it needs, how it is asked for, what must have come of it, and the steps to kill the service at.

    `prepare` returns the ids that the others get; `check` asserts what a user sees once the service is back, and puts the world
    in order again. What `prepare` broke, `mend` mends before that. Steps are those of workflows, and `<workflow>.start`.
    """

    steps: tuple[str, ...]
    prepare: Callable[[World], str]
    act: Callable[[World, str], None]
    check: Callable[[World, str], None]
    mend: Callable[[str], None] = lambda _: None


def _new_image(world: World, before: str) -> str:
    """Return the image that came after those that are named, joined by commas."""
    (image,) = [image for image in world.images() if str(image["ImageId"]) not in before.split(",")]
    return str(image["ImageId"])


def _known_images(world: World) -> str:
    return ",".join(str(image["ImageId"]) for image in world.images())


def _drop_image(world: World, image_id: str) -> None:
    world.call("DeleteImages", ImageIds=[image_id], DeleteBindedSnap=True)


def _check_imported(world: World, before: str, again: Callable[[], str]) -> None:
    image_id = _new_image(world, before)
    assert world.await_image(image_id) == "NORMAL"
    with world.tree(image_id) as tree:
        assert tree.read(0, DISK_BYTES) == (world.folder / "guest.raw").read_bytes()
    second = again()
    assert world.await_image(second) == "NORMAL"
    assert world.root(second) == world.root(image_id)
    for each in (image_id, second):
        _drop_image(world, each)


def _check_import(world: World, before: str) -> None:
    _check_imported(world, before, lambda: world.import_image(world.files.url("guest.qcow2")))


def _announce_upload(world: World) -> str:
    return f"{_known_images(world)},{world.upload('guest.raw')}"


def _import_upload(world: World, before: str) -> None:
    attempt(world.import_image, before.rpartition(",")[2])


def _check_upload(world: World, before: str) -> None:
    _check_imported(world, before, lambda: world.import_image(world.upload("guest.raw")))


def _check_unsafe(world: World, before: str) -> None:
    image_id = _new_image(world, before)
    assert world.await_image(image_id) == "IMPORTFAILED"
    assert "backing" in world.failure(image_id)
    _drop_image(world, image_id)


def _check_created(world: World, before: str) -> None:
    image_id = _new_image(world, before)
    assert world.await_image(image_id) == "NORMAL"
    with world.tree(image_id) as tree:
        assert tree.size_bytes == 50 * GIB
        assert tree.read(WRITTEN_AT, 4) != bytes(4), "what the guest wrote is missing"
        assert tree.read(READ_AT, 4096) == (world.folder / "guest.raw").read_bytes()[READ_AT : READ_AT + 4096]
    instance_id = world.running_one()
    assert world.instance_of(instance_id)["LatestOperationState"] == "SUCCESS"
    world.await_console(instance_id, b"d.")
    second = world.create_image(instance_id)
    assert world.await_image(second) == "NORMAL"
    world.await_instance(instance_id)
    for each in (image_id, second):
        _drop_image(world, each)


def _check_ran(world: World, before: str) -> None:
    (instance_id,) = [each["InstanceId"] for each in world.instances() if each["InstanceId"] not in before]
    assert world.await_instance(instance_id) == "RUNNING"
    world.await_console(instance_id, b"d.")
    (second,) = world.run(world.base)
    assert world.await_instance(second) == "RUNNING"
    world.call("TerminateInstances", InstanceIds=[instance_id, second])
    world.await_rest()


def _hide_base(world: World) -> str:
    """Take the base image's tree away, so that no machine starts from it."""
    tree = world.object_of(world.root(world.base))
    tree.rename(tree.with_suffix(".hidden"))
    return str(tree)


def _show_base(tree: str) -> None:
    Path(tree).with_suffix(".hidden").rename(tree)


def _check_failed_launch(world: World, _tree: str) -> None:
    (failed,) = [each for each in world.instances() if each["InstanceState"] == "LAUNCH_FAILED"]
    assert failed["LatestOperationState"] == "FAILED"
    assert "store" in failed["LatestOperationErrorMsg"]
    (second,) = world.run(world.base)
    assert world.await_instance(second) == "RUNNING"
    world.call("TerminateInstances", InstanceIds=[second])
    world.await_rest()
    world.forget_failed_launches()


def _images_elsewhere(world: World) -> list[dict[str, Any]]:
    return list(world.elsewhere().pages("DescribeImages", "ImageSet"))


def _copy_base(world: World, _: str) -> None:
    attempt(world.copy_image, world.base)


def _check_copied(world: World, _: str) -> None:
    assert world.await_image(world.base) == "NORMAL"
    (copy,) = _images_elsewhere(world)
    assert copy["ImageState"] == "NORMAL"
    with world.tree(copy["ImageId"], ELSEWHERE) as tree:
        assert tree.read(0, DISK_BYTES) == (world.folder / "guest.raw").read_bytes()
    _drop_elsewhere(world)


def _check_failed_copy(world: World, _: str) -> None:
    assert world.await_image(world.base) == "NORMAL"
    assert [copy["ImageState"] for copy in _images_elsewhere(world)] == ["CREATEFAILED"]
    _drop_elsewhere(world)


def _drop_elsewhere(world: World) -> None:
    ids = [copy["ImageId"] for copy in _images_elsewhere(world)]
    world.elsewhere().call("DeleteImages", ImageIds=ids, DeleteBindedSnap=True)


def _base_snapshot(world: World) -> str:
    """Return the snapshot that the base image is made of."""
    image = world.image(world.base)
    assert image is not None
    return str(image["SnapshotSet"][0]["SnapshotId"])


def _copy_snapshot(world: World, _: str) -> None:
    copied = {"SnapshotId": _base_snapshot(world), "DestinationRegions": [ELSEWHERE]}
    attempt(world.wire.call_cbs, "CopySnapshotCrossRegions", **copied)


def _snapshots_elsewhere(world: World) -> list[dict[str, Any]]:
    return list(world.elsewhere().pages("DescribeSnapshots", "SnapshotSet", of=CBS))


def _check_snapshot_copied(world: World, _: str) -> None:
    (copy,) = _snapshots_elsewhere(world)
    assert (copy["SnapshotState"], copy["Percent"], copy["CopyFromRemote"]) == ("NORMAL", 100, True)
    with world.store(ELSEWHERE) as store:
        assert store.tree(world.root(world.base)).read(0, DISK_BYTES) == (world.folder / "guest.raw").read_bytes()
    world.elsewhere().call_cbs("DeleteSnapshots", SnapshotIds=[copy["SnapshotId"]])


def _check_snapshot_not_copied(world: World, _: str) -> None:
    assert _snapshots_elsewhere(world) == []
    task = world.wire.call_own("DescribeTasks", Limit=1)["TaskSet"][0]
    assert (task["Action"], task["State"]) == ("CopySnapshotCrossRegions", "FAILED")


def _bound_policy(world: World) -> str:
    """Return a policy that the system disk of the running instance is bound to."""
    rule = {"Hour": [3], "IntervalDays": 365}
    policy_id = str(world.wire.call_cbs("CreateAutoSnapshotPolicy", Policy=[rule])["AutoSnapshotPolicyId"])
    disk_id = world.instance_of(world.running_one())["SystemDisk"]["DiskId"]
    world.wire.call_cbs("BindAutoSnapshotPolicy", AutoSnapshotPolicyId=policy_id, DiskIds=[disk_id])
    return policy_id


def _let_be_due(world: World, policy_id: str) -> None:
    """Have the policy be due since an hour."""
    with world.catalog() as catalog, catalog.begin() as tx:
        tx.snapshot_policies.update(PolicyId(policy_id), next_at=datetime.now(UTC) - timedelta(hours=1))


def _check_taken_once(world: World, policy_id: str) -> None:
    def look() -> list[dict[str, Any]]:
        found = world.wire.pages("DescribeSnapshots", "SnapshotSet", of=CBS)
        return [each for each in found if each["AutoSnapshotPolicyId"] == policy_id]

    (snapshot,) = wait_until("it is taken", look)
    assert (snapshot["SnapshotState"], snapshot["IsPermanent"]) == ("NORMAL", False)
    world.wire.call_cbs("DeleteAutoSnapshotPolicies", AutoSnapshotPolicyIds=[policy_id])
    world.wire.call_cbs("DeleteSnapshots", SnapshotIds=[snapshot["SnapshotId"]])


def _bucket(world: World) -> Path:
    """Return the folder of the operator's bucket, without its files."""
    app_id = json.loads((world.state / "credentials.json").read_text())["AppId"]
    folder = world.state / "buckets" / f"golden-{app_id}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.unlink(missing_ok=True)
    return folder


def _export(world: World, bucket: str) -> None:
    attempt(world.call, "ExportImages", ImageIds=[world.base], BucketName=Path(bucket).name)


def _check_exported(world: World, bucket: str) -> None:
    assert world.await_image(world.base) == "NORMAL"
    (file,) = Path(bucket).iterdir()
    assert file.read_bytes() == (world.folder / "guest.raw").read_bytes()
    _export(world, bucket)
    assert world.await_image(world.base) == "NORMAL"
    assert list(Path(bucket).iterdir()) == [file]


def _stand_in_the_way(world: World) -> str:
    """Let a file have the name of the bucket, so that nothing goes into it."""
    bucket = _bucket(world)
    bucket.parent.mkdir(exist_ok=True)
    bucket.write_text("in the way")
    return str(bucket)


def _check_not_exported(world: World, bucket: str) -> None:
    assert world.await_image(world.base) == "NORMAL"
    assert not Path(bucket).exists()
    task = world.wire.call_own("DescribeTasks", Limit=1)["TaskSet"][0]
    assert (task["Action"], task["State"]) == ("ExportImages", "FAILED")
    _export(world, bucket)
    assert world.await_image(world.base) == "NORMAL"
    assert len(list(Path(bucket).iterdir())) == 1


def _stop(how: str) -> Callable[[World, str], None]:
    return lambda world, instance_id: attempt(world.call, "StopInstances", InstanceIds=[instance_id], StopType=how)


def _reboot(how: str) -> Callable[[World, str], None]:
    return lambda world, instance_id: attempt(world.call, "RebootInstances", InstanceIds=[instance_id], StopType=how)


def _check_stopped(world: World, instance_id: str) -> None:
    assert world.instance_of(instance_id)["InstanceState"] == "STOPPED"
    world.await_rest()
    world.power_on(instance_id)
    world.await_console(instance_id, b"d.")


def _check_still_on(world: World, instance_id: str) -> None:
    assert world.instance_of(instance_id)["InstanceState"] == "RUNNING"
    assert world.instance_of(instance_id)["LatestOperationState"] == "FAILED"


def _check_running(world: World, instance_id: str) -> None:
    assert world.instance_of(instance_id)["InstanceState"] == "RUNNING"
    world.await_console(instance_id, b"d.")


def _generation(world: World, instance_id: str) -> int:
    """Return how often the system disk of an instance's machine was replaced, on which its row agrees."""
    with world.catalog() as catalog, catalog.read() as tx:
        row = tx.disks.of([InstanceId(instance_id)])[InstanceId(instance_id)][0]
    made = int(world.machine(instance_id)["disks"][0].get("generation", 0))
    assert row.generation == made
    return made


def _running_with_generation(world: World) -> str:
    instance_id = world.running_one()
    return f"{instance_id},{_generation(world, instance_id)}"


def _stopped_with_generation(world: World) -> str:
    instance_id = world.stopped_one()
    return f"{instance_id},{_generation(world, instance_id)}"


def _reset(world: World, subject: str) -> None:
    attempt(world.call, "ResetInstance", InstanceId=subject.partition(",")[0])


def _check_reset(world: World, subject: str) -> None:
    instance_id, _, before = subject.partition(",")
    assert world.instance_of(instance_id)["LatestOperationState"] == "SUCCESS"
    _check_running(world, instance_id)
    assert _generation(world, instance_id) == int(before) + 1


def _snapshots_of(world: World, disk_id: str) -> list[dict[str, Any]]:
    by_disk = [{"Name": "disk-id", "Values": [disk_id]}]
    found: list[dict[str, Any]] = world.call_cbs("DescribeSnapshots", Filters=by_disk, Limit=100)["SnapshotSet"]
    return found


def _disk_of(world: World, instance_id: str) -> str:
    return str(world.instance_of(instance_id)["SystemDisk"]["DiskId"])


def _await_snapshot(world: World, disk_id: str) -> str:
    """Take a snapshot and return it when it is there."""
    snapshot_id = str(world.call_cbs("CreateSnapshot", DiskId=disk_id)["SnapshotId"])
    world.await_rest()
    (found,) = [one for one in _snapshots_of(world, disk_id) if one["SnapshotId"] == snapshot_id]
    assert found["SnapshotState"] == "NORMAL"
    return snapshot_id


def _check_snapshot(world: World, instance_id: str) -> None:
    """Check the one snapshot that there is of the instance's disk, and that the next one goes on."""
    disk_id = _disk_of(world, instance_id)
    (snapshot,) = _snapshots_of(world, disk_id)
    assert snapshot["SnapshotState"] == "NORMAL"
    with world.tree_of(snapshot["SnapshotId"]) as tree:
        assert tree.read(WRITTEN_AT, 4) != bytes(4), "what the guest wrote is missing"
        assert tree.read(READ_AT, 4096) == (world.folder / "guest.raw").read_bytes()[READ_AT : READ_AT + 4096]
    second = _await_snapshot(world, disk_id)
    world.call_cbs("DeleteSnapshots", SnapshotIds=[snapshot["SnapshotId"], second])


def _check_group(world: World, instance_id: str) -> None:
    (group,) = world.call_cbs("DescribeSnapshotGroups")["SnapshotGroupSet"]
    assert group["SnapshotGroupState"] == "NORMAL"
    _check_snapshot(world, instance_id)
    assert world.call_cbs("DescribeSnapshotGroups")["SnapshotGroupSet"] == []


def _with_lost_tree(world: World) -> str:
    """Return a new instance, stopped, on a tree which is taken away; of it no snapshot has been, on whose tree to go on."""
    instance_id = world.another_one()
    world.call("StopInstances", InstanceIds=[instance_id], StopType="HARD")
    assert world.await_instance(instance_id) == "STOPPED"
    return f"{instance_id},{_hide_base(world)}"


def _check_no_snapshot(world: World, subject: str) -> None:
    instance_id = subject.partition(",")[0]
    assert _snapshots_of(world, _disk_of(world, instance_id)) == []
    assert "store" in world.call_own("DescribeTasks")["TaskSet"][0]["Error"]
    world.call("TerminateInstances", InstanceIds=[instance_id])
    world.await_rest()


def _running_with_snapshot(world: World) -> str:
    return _with_snapshot(world, world.running_one())


def _stopped_with_snapshot(world: World) -> str:
    return _with_snapshot(world, world.stopped_one())


def _with_snapshot(world: World, instance_id: str) -> str:
    snapshot_id = _await_snapshot(world, _disk_of(world, instance_id))
    return f"{instance_id},{snapshot_id},{_generation(world, instance_id)}"


def _apply(world: World, subject: str, **power: bool) -> None:
    instance_id, snapshot_id, _ = subject.split(",")
    attempt(world.call_cbs, "ApplySnapshot", SnapshotId=snapshot_id, DiskId=_disk_of(world, instance_id), **power)


def _check_applied(world: World, subject: str, *, runs: bool) -> None:
    instance_id, snapshot_id, before = subject.split(",")
    instance = world.instance_of(instance_id)
    assert (instance["LatestOperation"], instance["LatestOperationState"]) == ("ApplySnapshot", "SUCCESS")
    assert _generation(world, instance_id) == int(before) + 1
    (disk,) = world.call_cbs("DescribeDisks", DiskIds=[_disk_of(world, instance_id)])["DiskSet"]
    assert disk["DiskState"] == "ATTACHED"
    if not runs:
        assert world.await_instance(instance_id) == "STOPPED"
        world.power_on(instance_id)
    _check_running(world, instance_id)
    world.call_cbs("DeleteSnapshots", SnapshotIds=[snapshot_id])


def _loose_with_snapshot(world: World) -> str:
    """Return a disk of no instance, which once had one, and a snapshot of it."""
    disk_id = world.loose_disk()
    return f"{disk_id},{_await_snapshot(world, disk_id)}"


def _check_loose(world: World, subject: str) -> None:
    disk_id, snapshot_id = subject.split(",")
    (disk,) = world.call_cbs("DescribeDisks", DiskIds=[disk_id])["DiskSet"]
    assert (disk["DiskState"], disk["Rollbacking"]) == ("UNATTACHED", False)
    again = _await_snapshot(world, disk_id)
    world.call_cbs("DeleteSnapshots", SnapshotIds=[snapshot_id, again])
    world.forget_disk(disk_id)


def _instance_and_key(world: World) -> str:
    pair = world.call("CreateKeyPair", KeyName=world.new_name("key").replace("-", "_"), ProjectId=0)["KeyPair"]
    return f"{world.running_one()},{pair['KeyId']}"


def _bind(world: World, subject: str) -> None:
    instance_id, _, key_id = subject.partition(",")
    attempt(world.call, "AssociateInstancesKeyPairs", InstanceIds=[instance_id], KeyIds=[key_id], ForceStop=True)


def _check_bound(world: World, subject: str) -> None:
    instance_id, _, key_id = subject.partition(",")
    assert world.instance_of(instance_id)["LatestOperationState"] == "SUCCESS"
    _check_running(world, instance_id)
    key = world.call("DescribeKeyPairs", KeyIds=[key_id])["KeyPairSet"][0]["PublicKey"]
    assert world.machine(instance_id)["guest"]["public_keys"] == [key]
    world.call("DisassociateInstancesKeyPairs", InstanceIds=[instance_id], KeyIds=[key_id], ForceStop=True)
    assert world.await_instance(instance_id) == "RUNNING"
    assert world.machine(instance_id)["guest"]["public_keys"] == []
    world.call("DeleteKeyPairs", KeyIds=[key_id])


_RULE: Final = {"Ingress": [{"Protocol": "TCP", "Port": "8000", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}]}


def _change_rules(world: World, action: str, instance_id: str) -> None:
    (group_id,) = world.instance_of(instance_id)["SecurityGroupIds"]
    attempt(world.call_vpc, action, SecurityGroupId=group_id, SecurityGroupPolicySet=_RULE)


def _is_open(world: World, instance_id: str) -> bool:
    with socket.socket() as client:
        listens = client.connect_ex((world.instance_of(instance_id)["PrivateIpAddresses"][0], 8000)) == 0
    assert listens == (8000 in world.machine(instance_id)["forwarded_ports"])
    return listens


def _check_opened(world: World, instance_id: str) -> None:
    assert _is_open(world, instance_id)
    _change_rules(world, "DeleteSecurityGroupPolicies", instance_id)
    world.await_rest()
    assert not _is_open(world, instance_id)


def _with_new_disk(world: World) -> str:
    return f"{world.running_one()},{world.new_disk()}"


def _with_disk(world: World) -> str:
    instance_id = world.running_one()
    return f"{instance_id},{world.attached_disk(instance_id)}"


def _stopped_with_disk(world: World) -> str:
    subject = _with_disk(world)
    world.stopped_one()
    return subject


def _with_loose_disk(world: World) -> str:
    subject = _stopped_with_disk(world)
    instance_id, _, disk_id = subject.partition(",")
    world.call_cbs("DetachDisks", DiskIds=[disk_id])
    assert world.await_disk(disk_id) == "UNATTACHED"
    world.power_on(instance_id)
    return disk_id


def _another_with_disk(world: World) -> str:
    instance_id = world.another_one()
    return f"{instance_id},{world.attached_disk(instance_id)}"


def _on_disk(action: str, **parameters: object) -> Callable[[World, str], None]:
    return lambda world, subject: attempt(world.call_cbs, action, DiskIds=[subject.rpartition(",")[2]], **parameters)


def _attach(world: World, subject: str) -> None:
    instance_id, _, disk_id = subject.partition(",")
    attempt(world.call_cbs, "AttachDisks", InstanceId=instance_id, DiskIds=[disk_id])


def _grow(world: World, subject: str) -> None:
    attempt(world.call_cbs, "ResizeDisk", DiskId=subject.rpartition(",")[2], DiskSize=20)


def _sizes(world: World, instance_id: str) -> dict[str, int]:
    return {disk["disk_id"]: disk["size_bytes"] // GIB for disk in world.machine(instance_id)["disks"]}


def _check_attached(world: World, subject: str, *, size_gb: int = 10) -> None:
    """Assert that a disk is attached to a running instance, and take it from there again, for which this guest must be off."""
    instance_id, _, disk_id = subject.partition(",")
    assert world.await_disk(disk_id) == "ATTACHED"
    assert _sizes(world, instance_id)[disk_id] == size_gb
    _check_running(world, instance_id)
    world.stopped_one()
    world.call_cbs("DetachDisks", DiskIds=[disk_id])
    _check_detached(world, subject)


def _check_detached(world: World, subject: str) -> None:
    instance_id, _, disk_id = subject.partition(",")
    assert world.await_disk(disk_id) == "UNATTACHED"
    assert disk_id not in _sizes(world, instance_id)
    assert world.loose() == {disk_id}
    world.power_on(instance_id)
    _give_back(world, disk_id)


def _give_back(world: World, disk_id: str) -> None:
    world.call_cbs("TerminateDisks", DiskIds=[disk_id])
    world.await_rest()
    _check_given_back(world, disk_id)


def _check_given_back(world: World, disk_id: str) -> None:
    assert world.disk(disk_id) is None
    assert world.loose() == set()


def _check_gone_but_for_its_disk(world: World, subject: str) -> None:
    instance_id, _, disk_id = subject.partition(",")
    assert world.instance(instance_id) is None
    assert world.await_disk(disk_id) == "UNATTACHED"
    assert world.loose() == {disk_id}
    _give_back(world, disk_id)


def _check_gone(world: World, instance_id: str) -> None:
    assert world.instance(instance_id) is None


def _use_for_hours(world: World) -> str:
    """Have everything that there is be there for three hours, none of which is closed; return when they ended."""
    with closing(sqlite3.connect(world.state / "linocut.db", timeout=30)) as connection, connection:
        begun = datetime.now(UTC) - timedelta(hours=4)
        connection.execute("UPDATE spans SET began_at = ? WHERE ended_at IS NULL", (f"{begun:%Y-%m-%d %H}:30:00.000000",))
        for table in ("meters", "charges", "balances"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  constants
    return ""


def _close_hours(world: World, _: str) -> None:
    attempt(world.wire.call_own, "CloseHours")


def _check_closed(world: World, _: str) -> None:
    """Assert that each hour is charged once, whatever was closed before, and by whom."""
    world.wire.call_own("CloseHours")
    world.await_rest()
    with world.catalog() as catalog, catalog.read() as tx:
        operator = tx.accounts.operator()
        assert operator is not None
        closed = tx.charges.closed_until(operator.uin)[REGION]
        spans = [
            one for one in tx.history.touching(operator.uin, REGION, closed - timedelta(hours=1), closed) if not one.ended_at
        ]
        months = {month_of(hour_of(closed - timedelta(hours=back))) for back in range(1, 6)}
        bill = [one for month in sorted(months) for one in tx.charges.of_month(operator.uin, month)]
        for span in spans:
            if isinstance(span.use, SnapshotUse):
                hours = [one.run.hours for one in bill if one.run.charge.usage.resource_id == span.resource_id]
                assert sum(hours) == hour_of(closed) - hour_of(span.began_at) >= 3
        assert any(isinstance(span.use, SnapshotUse) for span in spans)
        assert tx.balances.get(operator.uin).amount == -tx.charges.total(operator.uin)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "closing hours": Scenario(
        steps=("close-hours.start", "close-hours.plan", "close-hours.close"),
        prepare=_use_for_hours,
        act=_close_hours,
        check=_check_closed,
    ),
    "importing from a URL": Scenario(
        (
            "import-image.start",
            "import-image.plan",
            "import-image.fetch",
            "import-image.inspect",
            "import-image.ingest",
            "import-image.record",
            "import-image.tidy",
        ),
        _known_images,
        lambda world, _: attempt(world.import_image, world.files.url("guest.qcow2")),
        _check_import,
    ),
    "importing an upload": Scenario(
        ("import-image.fetch", "import-image.ingest", "import-image.tidy"), _announce_upload, _import_upload, _check_upload
    ),
    "importing an unsafe disk": Scenario(
        ("import-image.inspect", "image.record-failed"),
        _known_images,
        lambda world, _: attempt(world.import_image, world.files.url("unsafe.qcow2")),
        _check_unsafe,
    ),
    "imaging a running instance": Scenario(
        (
            "create-image.start",
            "create-image.plan",
            "create-image.copy",
            "create-image.record",
            "create-image.release",
        ),
        _known_images,
        lambda world, _: attempt(world.create_image, world.running()[0]),
        _check_created,
    ),
    "imaging an instance with its power off": Scenario(
        ("create-image.quiesce", "create-image.copy", "create-image.resume", "create-image.release"),
        _known_images,
        lambda world, _: attempt(world.create_image, world.running()[0], force_poweroff=True),
        _check_created,
    ),
    "taking a snapshot": Scenario(
        ("create-snapshot.start", "create-snapshot.take", "create-snapshot.record"),
        World.running_one,
        lambda world, instance_id: attempt(world.call_cbs, "CreateSnapshot", DiskId=_disk_of(world, instance_id)),
        _check_snapshot,
    ),
    "taking a group of snapshots": Scenario(
        ("create-snapshot.start", "create-snapshot.take", "create-snapshot.record"),
        World.running_one,
        lambda world, instance_id: attempt(world.call_cbs, "CreateSnapshotGroup", DiskIds=[_disk_of(world, instance_id)]),
        _check_group,
    ),
    "a snapshot that cannot be taken": Scenario(
        ("create-snapshot.undo",),
        _with_lost_tree,
        lambda world, subject: attempt(world.call_cbs, "CreateSnapshot", DiskId=_disk_of(world, subject.partition(",")[0])),
        _check_no_snapshot,
        lambda subject: _show_base(subject.partition(",")[2]),
    ),
    "rolling a disk back and starting again": Scenario(
        ("roll-back.start", "roll-back.plan", "instance.power-off", "instance.power-on", "roll-back.settle"),
        _running_with_snapshot,
        lambda world, subject: _apply(world, subject, AutoStopInstance=True, AutoStartInstance=True),
        lambda world, subject: _check_applied(world, subject, runs=True),
    ),
    "rolling a disk back while the power is off": Scenario(
        ("roll-back.start", "roll-back.plan", "roll-back.renew", "roll-back.settle"),
        _stopped_with_snapshot,
        _apply,
        lambda world, subject: _check_applied(world, subject, runs=False),
    ),
    "rolling a disk back that has no instance": Scenario(
        ("roll-back-disk.start", "roll-back-disk.drop", "roll-back-disk.settle"),
        _loose_with_snapshot,
        lambda world, subject: attempt(
            world.call_cbs, "ApplySnapshot", SnapshotId=subject.partition(",")[2], DiskId=subject.partition(",")[0]
        ),
        _check_loose,
    ),
    "copying to another region": Scenario(
        (
            "copy-image.start",
            "copy-image.nodes",
            "copy-image.chunks",
            "copy-image.record",
            "copy-image.end-read-through",
        ),
        lambda world: world.base,
        _copy_base,
        _check_copied,
    ),
    "a copy that fails": Scenario(("copy-image.record-failed",), _hide_base, _copy_base, _check_failed_copy, _show_base),
    "a policy that is due": Scenario(
        ("create-snapshot.start", "create-snapshot.take"), _bound_policy, _let_be_due, _check_taken_once
    ),
    "copying a snapshot": Scenario(
        ("copy-snapshot.start", "copy-snapshot.nodes", "copy-snapshot.chunks", "copy-snapshot.record"),
        lambda world: world.base,
        _copy_snapshot,
        _check_snapshot_copied,
    ),
    "a copy of a snapshot that fails": Scenario(
        ("copy-snapshot.undo",), _hide_base, _copy_snapshot, _check_snapshot_not_copied, _show_base
    ),
    "exporting": Scenario(
        (
            "export-image.start",
            "export-image.plan",
            "export-image.write",
            "export-image.find-free",
            "export-image.put",
            "export-image.settle",
        ),
        lambda world: str(_bucket(world)),
        _export,
        _check_exported,
    ),
    "an export that fails": Scenario(
        ("export-image.withdraw",), _stand_in_the_way, _export, _check_not_exported, lambda bucket: Path(bucket).unlink()
    ),
    "running an instance": Scenario(
        ("run-instance.start", "run-instance.launch", "run-instance.record-launched"),
        lambda world: ",".join(world.running()),
        lambda world, _: attempt(world.run, world.base),
        _check_ran,
    ),
    "a launch that fails": Scenario(
        ("run-instance.undo-launch", "run-instance.record-failed"),
        _hide_base,
        lambda world, _: attempt(world.run, world.base),
        _check_failed_launch,
        _show_base,
    ),
    "asking to stop": Scenario(
        ("stop-instance-soft.start", "instance.power-off"), World.running_one, _stop("SOFT"), _check_still_on
    ),
    "asking to stop, then stopping": Scenario(
        ("instance.power-off", "instance.settle"),
        World.running_one,
        _stop("SOFT_FIRST"),
        _check_stopped,
    ),
    "a way of stopping that is forgotten": Scenario(
        ("stop-instance-soft_first.start",), World.running_one, _stop("SOFT_FIRST"), _check_still_on
    ),
    "another way of stopping that is forgotten": Scenario(
        ("stop-instance-hard.start",), World.running_one, _stop("HARD"), _check_still_on
    ),
    "starting": Scenario(
        ("start-instance.start", "instance.power-on", "instance.settle"),
        World.stopped_one,
        lambda world, instance_id: attempt(world.call, "StartInstances", InstanceIds=[instance_id]),
        _check_running,
    ),
    "asking to reboot": Scenario(("reboot-instance-soft.start",), World.running_one, _reboot("SOFT"), _check_running),
    "asking to reboot, then rebooting": Scenario(
        ("reboot-instance-soft_first.start",), World.running_one, _reboot("SOFT_FIRST"), _check_running
    ),
    "rebooting": Scenario(
        ("reboot-instance-hard.start", "instance.power-off", "instance.power-on"),
        World.running_one,
        _reboot("HARD"),
        _check_running,
    ),
    "reinstalling": Scenario(
        ("reboot-instance-soft_first.start", "instance.power-off", "instance.power-on"),
        _running_with_generation,
        _reset,
        _check_reset,
    ),
    "reinstalling with the power off": Scenario(
        ("start-instance.start", "instance.power-on"), _stopped_with_generation, _reset, _check_reset
    ),
    "changing a login": Scenario(
        ("reboot-instance-soft_first.start", "instance.power-on"),
        _instance_and_key,
        _bind,
        _check_bound,
    ),
    "opening a port": Scenario(
        ("forward-ports.start", "forward-ports.apply"),
        World.running_one,
        lambda world, instance_id: _change_rules(world, "CreateSecurityGroupPolicies", instance_id),
        _check_opened,
    ),
    "terminating": Scenario(
        ("terminate-instance.start", "terminate-instance.destroy", "terminate-instance.forget"),
        World.another_one,
        lambda world, instance_id: attempt(world.call, "TerminateInstances", InstanceIds=[instance_id]),
        _check_gone,
    ),
    "terminating all but a disk": Scenario(
        ("terminate-instance.destroy", "terminate-instance.forget"),
        _another_with_disk,
        lambda world, subject: attempt(world.call, "TerminateInstances", InstanceIds=[subject.partition(",")[0]]),
        _check_gone_but_for_its_disk,
    ),
    "attaching a disk": Scenario(
        ("attach-disk.start", "disk.plan", "attach-disk.plug"), _with_new_disk, _attach, _check_attached
    ),
    "detaching a disk": Scenario(
        ("detach-disk.start", "detach-disk.unplug"), _stopped_with_disk, _on_disk("DetachDisks"), _check_detached
    ),
    "detaching a disk that the guest holds": Scenario(("disk.put-back",), _with_disk, _on_disk("DetachDisks"), _check_attached),
    "growing a disk": Scenario(
        ("expand-disk.start", "expand-disk.grow"),
        _with_disk,
        _grow,
        lambda world, subject: _check_attached(world, subject, size_gb=20),
    ),
    "giving a disk back": Scenario(
        ("drop-disk.start", "drop-disk.drop"), _with_loose_disk, _on_disk("TerminateDisks"), _check_given_back
    ),
}
