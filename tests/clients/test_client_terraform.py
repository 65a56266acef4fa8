"""What is described to Terraform is made, read, changed and destroyed by the calls of its provider for Tencent Cloud."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from official_clients import Sdk, Service
from terraform_provider import AGENTS, ZONE, Terraform
from test_client_sdk import import_image, run


@pytest.fixture
def terraform(service: Service, sdk: Sdk) -> Terraform:
    return Terraform(Sdk(service, sdk.keys, language="en-US"))


def test_an_image_is_created_read_changed_and_destroyed(terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    [instance] = run(sdk, import_image(sdk, disk_url).ImageId)

    image_id = terraform.create_image("golden", {"made": "by terraform"}, InstanceId=instance.InstanceId, ImageFamily="golden")
    [disk] = terraform.cbs.DescribeDisks(Filters=[{"Name": "instance-id", "Values": [instance.InstanceId]}]).DiskSet
    assert (disk.SnapshotCount, disk.SnapshotSize) == (1, disk.DiskSize * 1024)
    image = terraform.read_image(image_id)
    assert (image.ImageName, image.ImageDescription, image.ImageFamily) == ("golden", "made by terraform", "golden")
    assert terraform.tags("image", image_id) == {"made": "by terraform"}

    sdk.ModifyImageAttribute(ImageId=image_id, ImageName="renamed", ImageDescription="", ImageFamily="")
    terraform.set_tags("image", image_id, {"made": "new"}, "absent")
    image = terraform.read_image(image_id)
    assert (image.ImageName, image.ImageDescription) == ("renamed", "")
    assert terraform.tags("image", image_id) == {"made": "new"}

    snapshot_ids = [snapshot.SnapshotId for snapshot in image.SnapshotSet]
    terraform.destroy_image(image_id)
    of_snapshots = terraform.create_image("of snapshots", {"k": "v"}, SnapshotIds=snapshot_ids)
    terraform.destroy_image(of_snapshots)


def test_an_instance_is_created_read_reinstalled_stopped_and_destroyed(terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    other = import_image(sdk, disk_url, "other").ImageId
    user_data = base64.b64encode(b"#!/bin/sh\n").decode()
    disk = {"DiskType": "CLOUD_PREMIUM", "DiskSize": 20, "ThroughputPerformance": 0, "Encrypt": False, "DeleteWithInstance": True}

    instance_id = terraform.create_instance(
        image.ImageId,
        {"k": "v"},
        ClientToken="0123456789-terraform",
        DataDisks=[disk],
        LoginSettings={"Password": "Passw0rd-1"},
        UserData=user_data,
        DisableApiTermination=False,
    )
    instance = terraform.read_instance(instance_id)
    assert (instance.ImageId, len(instance.DataDisks), instance.UserData) == (image.ImageId, 1, user_data)
    data_disk = instance.DataDisks[0].DiskId

    sdk.ResetInstance(InstanceId=instance_id, ImageId=other, EnhancedService=AGENTS, LoginSettings={"Password": "Passw0rd-2"})
    terraform.await_state(instance_id, "RUNNING")
    instance = terraform.read_instance(instance_id)
    assert (instance.ImageId, [one.DiskId for one in instance.DataDisks]) == (other, [data_disk])

    sdk.ModifyInstancesAttribute(InstanceIds=[instance_id], InstanceName="renamed")
    for kind, resource_id in (("instance", instance_id), ("volume", instance.SystemDisk.DiskId), ("volume", data_disk)):
        terraform.set_tags(kind, resource_id, {"k": "w"})
    sdk.StopInstances(InstanceIds=[instance_id], StopType="SOFT_FIRST", StoppedMode="KEEP_CHARGING")
    terraform.await_state(instance_id, "STOPPED")
    sdk.ResetInstancesPassword(InstanceIds=[instance_id], Password="Passw0rd-3")
    terraform.read_instance(instance_id)
    sdk.StartInstances(InstanceIds=[instance_id])
    terraform.await_state(instance_id, "RUNNING")
    instance = terraform.read_instance(instance_id)
    assert (instance.InstanceName, terraform.tags("instance", instance_id)) == ("renamed", {"k": "w"})

    tagged = [{"Name": "tag:k", "Values": ["w"]}]
    disks = terraform.cbs.DescribeDisks(Filters=tagged).DiskSet
    assert {one.DiskId for one in disks} == {instance.SystemDisk.DiskId, data_disk}
    terraform.destroy_instance(instance_id)
    assert terraform.tags("volume", data_disk) == {}


def test_storage_is_created_changed_attached_detached_and_destroyed(terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    instance_id = terraform.create_instance(import_image(sdk, disk_url).ImageId, {})
    storages = [terraform.create_storage({"k": str(number)}) for number in range(3)]
    terraform.cbs.ModifyDiskAttributes(DiskIds=[storages[0]], DiskName="renamed", ProjectId=0)
    terraform.set_tags("volume", storages[0], {"k": "new"})
    terraform.resize_storage(storages[0], 20)
    assert (terraform.storage(storages[0]).DiskName, terraform.tags("volume", storages[0])) == ("renamed", {"k": "new"})

    with ThreadPoolExecutor(len(storages)) as pool:
        list(pool.map(lambda disk_id: terraform.attach(disk_id, instance_id), storages))
    assert {disk.DiskId for disk in terraform.read_instance(instance_id).DataDisks} == set(storages)
    terraform.resize_storage(storages[1], 20)
    with ThreadPoolExecutor(len(storages)) as pool:
        list(pool.map(terraform.detach, storages))
    assert terraform.read_instance(instance_id).DataDisks == []

    terraform.attach(storages[2], instance_id)
    terraform.destroy_instance(instance_id)
    assert (terraform.storage(storages[2]).Attached, terraform.storage(storages[2]).LastAttachInsId) == (False, instance_id)
    for disk_id in storages:
        terraform.destroy_storage(disk_id)


def test_disks_of_an_instance_grow_are_renamed_and_outlive_it(terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    disk = {
        "DiskType": "CLOUD_PREMIUM",
        "DiskSize": 20,
        "ThroughputPerformance": 0,
        "Encrypt": False,
        "DeleteWithInstance": False,
    }
    instance_id = terraform.create_instance(import_image(sdk, disk_url).ImageId, {}, DataDisks=[disk])
    instance = terraform.read_instance(instance_id)
    assert [one.DeleteWithInstance for one in instance.DataDisks] == [False]
    data_disk = instance.DataDisks[0].DiskId

    terraform.resize_storage(data_disk, 30)
    terraform.cbs.ModifyDiskAttributes(DiskIds=[data_disk], DiskName="data")
    terraform.cbs.ModifyDiskAttributes(DiskIds=[instance.SystemDisk.DiskId], DiskName="system")
    system = {"DiskSize": 60, "DiskType": instance.SystemDisk.DiskType}
    sdk.ResizeInstanceDisks(InstanceId=instance_id, SystemDisk=system, ForceStop=True)
    terraform.await_state(instance_id, "RUNNING")
    instance = terraform.read_instance(instance_id)
    assert (instance.SystemDisk.DiskSize, instance.SystemDisk.DiskName) == (60, "system")
    assert [(one.DiskSize, one.DiskName) for one in instance.DataDisks] == [(30, "data")]
    assert (instance.LatestOperation, instance.LatestOperationState) == ("ResizeInstanceDisks", "SUCCESS")

    terraform.destroy_instance(instance_id)
    assert terraform.storage(instance.SystemDisk.DiskId) is None
    assert terraform.storage(data_disk).DiskState == "UNATTACHED"
    terraform.destroy_storage(data_disk)


def test_a_snapshot_is_created_read_renamed_tagged_and_destroyed(terraform: Terraform) -> None:
    disk_id = terraform.create_storage({})
    snapshot_id = terraform.create_snapshot(disk_id, {"made": "by terraform"})
    snapshot = terraform.snapshot(snapshot_id)
    assert (snapshot.DiskId, snapshot.SnapshotName, snapshot.DiskUsage) == (disk_id, "terraform snapshot", "DATA_DISK")
    assert (snapshot.DiskSize, snapshot.Percent) == (10, 100)
    assert terraform.tags("snapshot", snapshot_id) == {"made": "by terraform"}

    terraform.cbs.ModifySnapshotAttribute(SnapshotId=snapshot_id, SnapshotName="renamed")
    terraform.set_tags("snapshot", snapshot_id, {"new": "tag"}, "made")
    assert terraform.snapshot(snapshot_id).SnapshotName == "renamed"
    assert terraform.tags("snapshot", snapshot_id) == {"new": "tag"}

    terraform.destroy_snapshot(snapshot_id)
    assert terraform.snapshot(snapshot_id) is None
    assert terraform.tags("snapshot", snapshot_id) == {}
    terraform.destroy_storage(disk_id)


def test_storage_is_created_of_a_snapshot_and_goes_back_to_another(terraform: Terraform) -> None:
    disk_id = terraform.create_storage({})
    snapshot_id = terraform.create_snapshot(disk_id, {})
    twin = terraform.create_storage({}, SnapshotId=snapshot_id)
    of_twin = terraform.create_snapshot(twin, {})

    terraform.roll_back_storage(twin, of_twin)
    terraform.destroy_snapshot(of_twin)
    terraform.destroy_snapshot(snapshot_id)
    for one in (twin, disk_id):
        terraform.destroy_storage(one)


def test_a_snapshot_of_a_system_disk_is_shared_as_one_of_a_data_disk(
    terraform: Terraform, sdk: Sdk, other: Sdk, operator: Sdk, disk_url: str
) -> None:
    instance_id = terraform.create_instance(import_image(sdk, disk_url).ImageId, {})
    system_disk = terraform.read_instance(instance_id).SystemDisk.DiskId
    snapshot_id = terraform.create_snapshot(system_disk, {}, DiskUsage="DATA_DISK")
    assert terraform.snapshot(snapshot_id).DiskUsage == "DATA_DISK"

    assert terraform.share(snapshot_id, "SHARE", other.keys.uin) == {other.keys.uin}
    assert terraform.share(snapshot_id, "SHARE", operator.keys.uin) == {other.keys.uin, operator.keys.uin}
    assert terraform.share(snapshot_id, "CANCEL", other.keys.uin) == {operator.keys.uin}
    assert terraform.share(snapshot_id, "CANCEL", *terraform.shares(snapshot_id)) == set()
    terraform.destroy_snapshot(snapshot_id)
    terraform.destroy_instance(instance_id)


def test_a_snapshot_is_copied_to_another_region_and_the_copy_destroyed(service: Service, terraform: Terraform, sdk: Sdk) -> None:
    there = Terraform(Sdk(service, sdk.keys, region="ap-shanghai"))
    disk_id = terraform.create_storage({})
    snapshot_id = terraform.create_snapshot(disk_id, {})

    copy_id = terraform.copy_snapshot(there, snapshot_id, "ap-shanghai", "copied")
    assert (there.snapshot(copy_id).SnapshotName, terraform.snapshot(copy_id)) == ("copied", None)
    assert [snapshot.SnapshotId for snapshot in there.snapshots()] == [copy_id]
    there.destroy_copy(copy_id)
    assert terraform.snapshot(snapshot_id).SnapshotState == "NORMAL"


def test_a_policy_is_created_changed_attached_detached_and_destroyed(terraform: Terraform) -> None:
    disks = [terraform.create_storage({}) for _ in range(4)]
    policy_id = terraform.create_policy("terraform policy", [4, 1], [12, 0])

    def read() -> tuple[str, list[int], list[int], int]:
        policy = terraform.policy(policy_id)
        return policy.AutoSnapshotPolicyName, policy.Policy[0].DayOfWeek, policy.Policy[0].Hour, policy.RetentionDays

    assert read() == ("terraform policy", [4, 1], [12, 0], 7)
    terraform.cbs.ModifyAutoSnapshotPolicyAttribute(AutoSnapshotPolicyId=policy_id, AutoSnapshotPolicyName="renamed")
    terraform.cbs.ModifyAutoSnapshotPolicyAttribute(AutoSnapshotPolicyId=policy_id, RetentionDays=10)
    assert read() == ("renamed", [4, 1], [12, 0], 10)
    terraform.cbs.ModifyAutoSnapshotPolicyAttribute(
        AutoSnapshotPolicyId=policy_id, Policy=[{"DayOfWeek": [0, 6, 3], "Hour": [23]}]
    )
    assert read() == ("renamed", [0, 6, 3], [23], 10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda disk_id: terraform.bind(policy_id, disk_id), disks[:2]))
    terraform.bind(policy_id, *disks[2:])
    assert set(terraform.policy(policy_id).DiskIdSet) == set(disks)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda disk_id: terraform.unbind(policy_id, disk_id), disks[:2]))
    assert not terraform.is_bound(policy_id, disks[0])
    terraform.unbind(policy_id, *disks[2:])
    assert terraform.policy(policy_id).DiskIdSet == []

    terraform.cbs.DeleteAutoSnapshotPolicies(AutoSnapshotPolicyIds=[policy_id])
    assert terraform.policy(policy_id) is None
    for disk_id in disks:
        terraform.destroy_storage(disk_id)


def test_a_key_pair_is_made_bound_changed_and_destroyed(terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    key_id = sdk.CreateKeyPair(KeyName="terraform_key", ProjectId=0).KeyPair.KeyId
    assert [pair.KeyName for pair in sdk.DescribeKeyPairs(KeyIds=[key_id]).KeyPairSet] == ["terraform_key"]
    sdk.ModifyKeyPairAttribute(KeyId=key_id, KeyName="new_name")
    terraform.set_tags("keypair", key_id, {"k": "v"})
    assert terraform.tags("keypair", key_id) == {"k": "v"}

    instance_id = terraform.create_instance(
        import_image(sdk, disk_url).ImageId, {}, LoginSettings={"KeyIds": [key_id]}, TagSpecification=[]
    )
    [pair] = sdk.DescribeKeyPairs(KeyIds=[key_id]).KeyPairSet
    assert pair.AssociatedInstanceIds == [instance_id]
    sdk.DisassociateInstancesKeyPairs(InstanceIds=[instance_id], KeyIds=[key_id], ForceStop=True)
    terraform.await_state(instance_id, "RUNNING")
    terraform.read_instance(instance_id)
    sdk.DeleteKeyPairs(KeyIds=[key_id])
    assert sdk.DescribeKeyPairs(KeyIds=[key_id]).KeyPairSet == []
    terraform.destroy_instance(instance_id)


def test_shares_are_set_changed_and_taken_back(sdk: Sdk, other: Sdk, operator: Sdk, disk_url: str) -> None:
    image_id = import_image(sdk, disk_url).ImageId

    def share(permission: str, *accounts: str) -> set[str]:
        sdk.ModifyImageSharePermission(ImageId=image_id, AccountIds=list(accounts), Permission=permission)
        return {one.AccountId for one in sdk.DescribeImageSharePermission(ImageId=image_id).SharePermissionSet}

    assert share("SHARE", other.keys.uin) == {other.keys.uin}
    assert share("SHARE", operator.keys.uin) == {other.keys.uin, operator.keys.uin}
    assert share("CANCEL", other.keys.uin) == {operator.keys.uin}
    assert share("CANCEL", operator.keys.uin) == set()


def test_an_image_is_copied_and_another_imported(service: Service, terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    imported = sdk.ImportImage(
        Architecture="x86_64",
        OsType="CentOS",
        OsVersion="7",
        ImageUrl=disk_url,
        ImageName="imported",
        ImageDescription="",
        DryRun=False,
        Force=False,
        LicenseType="TencentCloud",
        BootMode="Legacy BIOS",
        TagSpecification=[{"ResourceType": "image", "Tags": [{"Key": "k", "Value": "v"}]}],
    ).ImageId
    terraform.read_image(imported)

    synced = sdk.SyncImages(
        ImageIds=[imported], DestinationRegions=["ap-shanghai"], DryRun=False, ImageName="copied", ImageSetRequired=True
    )
    assert [(one.Region) for one in synced.ImageSet] == ["ap-shanghai"]
    terraform.read_image(imported)
    there = Terraform(Sdk(service, sdk.keys, region="ap-shanghai"))
    assert there.read_image(synced.ImageSet[0].ImageId).ImageName == "copied"
    for where, is_copy in ((terraform, False), (there, True)):
        [snapshot] = where.cbs.DescribeSnapshots(Filters=[{"Name": "snapshot-state", "Values": ["NORMAL"]}]).SnapshotSet
        assert (snapshot.CopyFromRemote, snapshot.Percent) == (is_copy, 100)


def test_an_image_is_exported_and_a_dry_run_exports_nothing(terraform: Terraform, sdk: Sdk, disk_url: str) -> None:
    image_id = import_image(sdk, disk_url).ImageId
    order: dict[str, Any] = {
        "BucketName": f"bucket-{sdk.DescribeAccountQuota().AppId}",
        "ImageIds": [image_id],
        "ExportFormat": "QCOW2",
        "FileNamePrefixList": ["golden"],
        "OnlyExportRootDisk": True,
    }

    sdk.ExportImages(**order, DryRun=True)
    assert sdk.own("DescribeBucketFiles", BucketName=order["BucketName"])["FileSet"] == []
    sdk.ExportImages(**order, DryRun=False)
    terraform.read_image(image_id)
    [file] = sdk.own("DescribeBucketFiles", BucketName=order["BucketName"])["FileSet"]
    assert file["Key"].startswith("golden")


def test_data_sources_read_what_there_is(terraform: Terraform, sdk: Sdk, other: Sdk, disk_url: str) -> None:
    own = import_image(sdk, disk_url, "own", ImageFamily="golden").ImageId
    theirs = import_image(other, disk_url, "theirs").ImageId
    other.ModifyImageSharePermission(ImageId=theirs, AccountIds=[sdk.keys.uin], Permission="SHARE")

    kinds = ["PRIVATE_IMAGE", "SHARED_IMAGE", "PUBLIC_IMAGE"]
    images = sdk.DescribeImages(
        Filters=[{"Name": "image-type", "Values": kinds}], InstanceType="S5.SMALL1", Offset=0, Limit=100
    ).ImageSet
    assert {own, theirs} <= {image.ImageId for image in images}
    for image in images:
        ids = [snapshot.SnapshotId for snapshot in image.SnapshotSet]
        found = terraform.cbs.DescribeSnapshots(SnapshotIds=ids, Offset=0, Limit=100).SnapshotSet if ids else []
        for snapshot in found:
            assert None not in (snapshot.SnapshotId, snapshot.SnapshotName, snapshot.DiskUsage, snapshot.DiskSize)
        assert bool(found) == (image.ImageId == own)

    assert sdk.DescribeImageFromFamily(ImageFamily="golden").Image.ImageId == own
    assert sdk.DescribeImageQuota().ImageNumQuota > 0
    assert sdk.DescribeImageSharePermission(ImageId=own).SharePermissionSet == []
    assert sdk.DescribeImportImageOs().ImportImageOsListSupported.Linux
    assert ZONE in {zone.Zone for zone in sdk.DescribeZones().ZoneSet}
    assert "ap-guangzhou" in {region.Region for region in sdk.DescribeRegions().RegionSet}
    assert sdk.DescribeImages(ImageIds=["img-00000000"]).ImageSet == []


def test_data_sources_read_snapshots_and_policies(terraform: Terraform, sdk: Sdk, other: Sdk, disk_url: str) -> None:
    import_image(sdk, disk_url)
    disk_id = terraform.create_storage({})
    snapshot_id = terraform.create_snapshot(disk_id, {}, SnapshotName="daily")
    theirs = Terraform(other)
    shared = theirs.create_snapshot(theirs.create_storage({}), {})
    theirs.share(shared, "SHARE", sdk.keys.uin)

    assert {snapshot_id, shared} < {snapshot.SnapshotId for snapshot in terraform.snapshots()}
    own = {
        "snapshot_id": snapshot_id,
        "snapshot_name": "daily",
        "disk_id": disk_id,
        "disk_usage": "DATA_DISK",
        "project_id": "0",
        "zone": ZONE,
    }
    assert [snapshot.SnapshotId for snapshot in terraform.snapshots(**own)] == [snapshot_id]
    for name, value in {"zone": "ap-guangzhou-4", "disk_usage": "SYSTEM_DISK", "project_id": "7"}.items():
        assert terraform.snapshots(**own | {name: value}) == []

    policies = {name: terraform.create_policy(name, [0], [0]) for name in ("first", "second")}
    terraform.bind(policies["first"], disk_id)
    assert {policy.AutoSnapshotPolicyId for policy in terraform.policies()} == set(policies.values())
    [first] = terraform.policies(auto_snapshot_policy_id=policies["first"], auto_snapshot_policy_name="first")
    assert (first.AutoSnapshotPolicyState, first.DiskIdSet) == ("NORMAL", [disk_id])
    assert terraform.policies(auto_snapshot_policy_id=policies["first"], auto_snapshot_policy_name="second") == []
