"""The calls that Terraform's provider for Tencent Cloud makes, in their order, with the values it sends.

What the provider reads of an answer without asking whether it is there is read so here too. Source:
terraform-provider-tencentcloud, resources and data sources of CVM.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from official_clients import Sdk, Service, wait_until
from test_client_sdk import import_image, run

ZONE: Final = "ap-guangzhou-3"
AGENTS: Final = {name: {"Enabled": True} for name in ("SecurityService", "MonitorService", "AutomationService")}
"""What the provider asks for wherever it launches and reinstalls, for its options to leave them out are false by default."""


class Terraform:
    """The provider's resources, each a few functions that make the provider's calls."""

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk
        self.cbs, self.tag, self.vpc = sdk.of("cbs"), sdk.of("tag"), sdk.of("vpc")

    def set_tags(self, kind: str, resource_id: str, replace: dict[str, str], *gone: str) -> None:
        self.tag.ModifyResourceTags(
            Resource=f"qcs::cvm:ap-guangzhou:uin/:{kind}/{resource_id}",
            ReplaceTags=[{"TagKey": key, "TagValue": value} for key, value in replace.items()],
            DeleteTags=[{"TagKey": key} for key in gone],
        )

    def tags(self, kind: str, resource_id: str) -> dict[str, str]:
        found = self.tag.DescribeResourceTagsByResourceIds(
            ServiceType="cvm", ResourcePrefix=kind, ResourceRegion="ap-guangzhou", ResourceIds=[resource_id], Limit=20, Offset=0
        )
        return {tag.TagKey: tag.TagValue for tag in found.Tags if tag.ResourceId == resource_id}

    def create_image(self, name: str, tags: dict[str, str], **source: Any) -> str:
        made = [{"ResourceType": "image", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
        image_id = str(
            self.sdk.CreateImage(
                ImageName=name,
                ForcePoweroff="true",
                ImageDescription="made by terraform",
                Sysprep="false",
                TagSpecification=made,
                **source,
            ).ImageId
        )
        self.set_tags("image", image_id, tags)
        self.read_image(image_id)
        return image_id

    def read_image(self, image_id: str) -> Any:
        def look() -> Any:
            found = self.sdk.DescribeImages(ImageIds=[image_id]).ImageSet
            assert not found or found[0].ImageState != "CREATEFAILED"
            return found[0] if found and found[0].ImageState == "NORMAL" else None

        image = wait_until("the image is NORMAL", look)
        assert len(image.SnapshotSet) > 0
        return image

    def destroy_image(self, image_id: str) -> None:
        self.sdk.DeleteImages(ImageIds=[image_id])
        wait_until("the image is gone", lambda: not self.sdk.DescribeImages(ImageIds=[image_id]).ImageSet)

    def create_instance(self, image_id: str, tags: dict[str, str], **more: Any) -> str:
        order: dict[str, Any] = {
            "Placement": {"Zone": ZONE, "ProjectId": 0},
            "ImageId": image_id,
            "InstanceCount": 1,
            "InstanceName": "Terraform-CVM-Instance",
            "InstanceChargeType": "POSTPAID_BY_HOUR",
            "InstanceType": "S5.SMALL1",
            "InternetAccessible": {"InternetMaxBandwidthOut": 0},
            "SystemDisk": {"DiskType": "CLOUD_PREMIUM", "DiskSize": 50},
            "EnhancedService": AGENTS,
            "TagSpecification": [
                {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            ],
        }
        [instance_id] = self.sdk.RunInstances(**order | more).InstanceIdSet
        self.await_state(instance_id, "RUNNING")
        wait_until("the tags are there", lambda: tags.items() <= self.tags("instance", instance_id).items())
        return str(instance_id)

    def await_state(self, instance_id: str, state: str) -> None:
        def look() -> bool:
            found = self.sdk.DescribeInstances(InstanceIds=[instance_id])
            assert found.TotalCount == 1
            return bool(found.InstanceSet[0].InstanceState == state)

        wait_until(f"{instance_id} is {state}", look)

    def read_instance(self, instance_id: str) -> Any:
        def look() -> Any:
            [instance] = self.sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet
            return None if instance.LatestOperationState == "OPERATING" else instance

        instance = wait_until("nothing is under way", look)
        images = self.sdk.DescribeImages()
        assert images.TotalCount >= len(images.ImageSet) > 0
        for part in ("Placement", "InternetAccessible", "VirtualPrivateCloud", "SystemDisk", "LoginSettings"):
            assert getattr(instance, part) is not None
        assert instance.InstanceChargeType == "POSTPAID_BY_HOUR"
        [system] = self.cbs.DescribeDisks(DiskIds=[instance.SystemDisk.DiskId]).DiskSet
        assert (system.DiskState, system.DiskName) != ("EXPANDING", None)
        wanted = [disk.DiskId for disk in instance.DataDisks]
        for disk in instance.DataDisks:  # the provider crashes where one is absent
            assert None not in (disk.DiskSize, disk.DiskType, disk.Encrypt, disk.DeleteWithInstance, disk.ThroughputPerformance)
        data = self.cbs.DescribeDisks(DiskIds=wanted).DiskSet if wanted else []
        for disk in data:
            assert disk.DiskId in wanted
            assert None not in (disk.DiskName, disk.DiskSize, disk.DiskType, disk.Encrypt)
            assert None not in (disk.ThroughputPerformance, disk.DeleteWithInstance)
        attributes = self.sdk.DescribeInstancesAttributes(InstanceIds=[instance_id], Attributes=["UserData"]).InstanceSet
        instance.UserData = attributes[0].Attributes.UserData
        return instance

    def create_storage(self, tags: dict[str, str], **more: Any) -> str:
        order: dict[str, Any] = {
            "DiskName": "terraform storage",
            "DiskType": "CLOUD_SSD",
            "DiskSize": 10,
            "Placement": {"Zone": ZONE, "ProjectId": 0},
            "DiskChargeType": "POSTPAID_BY_HOUR",
            "ThroughputPerformance": 0,
            "BurstPerformance": False,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        disk_id = str(self.cbs.CreateDisks(**order | more).DiskIdSet[0])
        assert self.tags("volume", disk_id) == tags
        return disk_id

    def storage(self, disk_id: str) -> Any:
        """Return a disk with all that the provider reads of it; None where there is none."""
        found = self.cbs.DescribeDisks(DiskIds=[disk_id], Limit=100).DiskSet
        for disk in found:
            assert None not in (disk.DiskType, disk.DiskSize, disk.Placement, disk.DiskName, disk.Encrypt, disk.DiskState)
            assert None not in (disk.Attached, disk.DiskChargeType, disk.ThroughputPerformance, disk.MigratePercent)
        return found[0] if found else None

    def attach(self, disk_id: str, instance_id: str) -> None:
        """Attach a disk as `cbs_storage_attachment` does, of which Terraform makes several at once."""
        self.cbs.AttachDisks(DiskIds=[disk_id], InstanceId=instance_id)

        def look() -> bool:
            state = self.storage(disk_id).DiskState
            assert state in {"ATTACHING", "UNATTACHED", "ATTACHED"}
            return bool(state == "ATTACHED")

        wait_until(f"{disk_id} is attached", look)
        assert (self.storage(disk_id).Attached, self.storage(disk_id).InstanceId) == (True, instance_id)

    def detach(self, disk_id: str) -> None:
        if self.storage(disk_id).Attached:
            self.cbs.DetachDisks(DiskIds=[disk_id], InstanceId=self.storage(disk_id).InstanceId)
        wait_until(f"{disk_id} is detached", lambda: not self.storage(disk_id).Attached)

    def resize_storage(self, disk_id: str, size_gb: int) -> None:
        self.cbs.ResizeDisk(DiskId=disk_id, DiskSize=size_gb)

        def look() -> bool:
            disk = self.storage(disk_id)
            return disk.DiskState != "EXPANDING" and bool(disk.DiskSize == size_gb)

        wait_until(f"{disk_id} is larger", look)

    def destroy_storage(self, disk_id: str) -> None:
        self.cbs.TerminateDisks(DiskIds=[disk_id])
        wait_until(f"{disk_id} is gone", lambda: self.storage(disk_id) is None)
        assert self.tags("volume", disk_id) == {}

    def destroy_instance(self, instance_id: str) -> None:
        [instance] = self.sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet
        self.sdk.TerminateInstances(InstanceIds=[instance_id])
        wait_until("the instance is gone", lambda: not self.sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet)
        network = instance.VirtualPrivateCloud

        def freed() -> bool:
            used = self.vpc.DescribeUsedIpAddress(
                VpcId=network.VpcId,
                SubnetId=network.SubnetId,
                IpAddresses=list(instance.PrivateIpAddresses),
                Offset=0,
                Limit=20,
            )
            return not used.IpAddressStates

        wait_until("its address is free", freed)


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
