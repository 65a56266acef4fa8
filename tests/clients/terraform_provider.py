"""The calls that Terraform's provider for Tencent Cloud makes, in their order, with the values it sends.

What the provider reads of an answer without asking whether it is there is read so here too. Source:
terraform-provider-tencentcloud, resources and data sources of CVM and CBS.
"""

from typing import Any, Final

from official_clients import Sdk, wait_until

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

    def roll_back_storage(self, disk_id: str, snapshot_id: str) -> None:
        """Give `cbs_storage` another `snapshot_id`."""
        self.cbs.ApplySnapshot(DiskId=disk_id, SnapshotId=snapshot_id)
        wait_until(f"{disk_id} is rolled back", lambda: self.storage(disk_id).DiskState != "ROLLBACKING")

    def create_snapshot(self, disk_id: str, tags: dict[str, str], **more: Any) -> str:
        order: dict[str, Any] = {"DiskId": disk_id, "SnapshotName": "terraform snapshot"}
        snapshot_id = str(self.cbs.CreateSnapshot(**order | more).SnapshotId)

        def look() -> bool:
            snapshot = self.snapshot(snapshot_id)
            assert snapshot is None or snapshot.SnapshotState in {"CREATING", "NORMAL"}
            return snapshot is not None and bool(snapshot.SnapshotState == "NORMAL")

        wait_until(f"{snapshot_id} is NORMAL", look)
        if tags:
            self.set_tags("snapshot", snapshot_id, tags)
        return snapshot_id

    def snapshot(self, snapshot_id: str) -> Any:
        """Return a snapshot with all that the provider reads of it; None where there is none."""
        found = self.cbs.DescribeSnapshots(SnapshotIds=[snapshot_id]).SnapshotSet
        for snapshot in found:
            assert None not in (snapshot.DiskId, snapshot.SnapshotName, snapshot.DiskUsage, snapshot.DiskSize)
            assert None not in (snapshot.SnapshotState, snapshot.Percent, snapshot.CreateTime)
        return found[0] if found else None

    def snapshots(self, **filters: str) -> list[Any]:
        """Return what the data source `cbs_snapshots` lists, of which the provider crashes where anything is absent."""
        asked = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        found: list[Any] = self.cbs.DescribeSnapshots(Filters=asked, Offset=0, Limit=100).SnapshotSet
        for snapshot in found:
            assert None not in (snapshot.SnapshotId, snapshot.SnapshotName, snapshot.DiskId, snapshot.DiskUsage)
            assert None not in (snapshot.DiskSize, snapshot.Percent, snapshot.CreateTime, snapshot.Encrypt)
            assert None not in (snapshot.Placement.Zone, snapshot.Placement.ProjectId)
        return found

    def destroy_snapshot(self, snapshot_id: str) -> None:
        self.cbs.DeleteSnapshots(SnapshotIds=[snapshot_id])

    def copy_snapshot(self, there: "Terraform", snapshot_id: str, region: str, name: str) -> str:
        """Copy a snapshot to another region, which the provider asks itself until the copy is there."""
        [copied] = self.cbs.CopySnapshotCrossRegions(
            SnapshotId=snapshot_id, DestinationRegions=[region], SnapshotName=name
        ).SnapshotCopyResultSet
        assert (copied.Code, copied.Message, copied.DestinationRegion) == ("Success", "", region)

        def look() -> bool:
            copy = there.snapshot(copied.SnapshotId)
            return copy is not None and bool(copy.SnapshotState == "NORMAL")

        wait_until("the copy is NORMAL", look)
        return str(copied.SnapshotId)

    def destroy_copy(self, snapshot_id: str) -> None:
        self.cbs.DeleteSnapshots(SnapshotIds=[snapshot_id], DeleteBindImages=False)
        wait_until("the copy is gone", lambda: self.snapshot(snapshot_id) is None)

    def shares(self, snapshot_id: str) -> set[str]:
        """Return the accounts that `cbs_snapshot_share_permission` reads."""
        found = self.cbs.DescribeSnapshotSharePermission(SnapshotId=snapshot_id).SharePermissionSet
        return {permission.AccountId for permission in found}

    def share(self, snapshot_id: str, permission: str, *accounts: str) -> set[str]:
        self.cbs.ModifySnapshotsSharePermission(SnapshotIds=[snapshot_id], Permission=permission, AccountIds=list(accounts))
        return self.shares(snapshot_id)

    def create_policy(self, name: str, days_of_week: list[int], hours: list[int]) -> str:
        return str(
            self.cbs.CreateAutoSnapshotPolicy(
                AutoSnapshotPolicyName=name, Policy=[{"DayOfWeek": days_of_week, "Hour": hours}], RetentionDays=7
            ).AutoSnapshotPolicyId
        )

    def policy(self, policy_id: str) -> Any:
        """Return a policy with all that the provider reads of it; None where there is none."""
        found = self.cbs.DescribeAutoSnapshotPolicies(AutoSnapshotPolicyIds=[policy_id]).AutoSnapshotPolicySet
        for policy in found:
            assert None not in (policy.AutoSnapshotPolicyName, policy.RetentionDays, policy.DiskIdSet)
            assert len(policy.Policy) > 0
        return found[0] if found else None

    def policies(self, **filters: str) -> list[Any]:
        """Return what the data source `cbs_snapshot_policies` lists."""
        asked = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        found: list[Any] = self.cbs.DescribeAutoSnapshotPolicies(Filters=asked).AutoSnapshotPolicySet
        for policy in found:
            assert None not in (policy.AutoSnapshotPolicyId, policy.AutoSnapshotPolicyName, policy.RetentionDays)
            assert None not in (policy.AutoSnapshotPolicyState, policy.CreateTime, policy.DiskIdSet)
            assert len(policy.Policy) > 0
        return found

    def bind(self, policy_id: str, *disk_ids: str) -> None:
        """Bind disks as `cbs_snapshot_policy_attachment` does: one, which it looks up by the disk, or several."""
        self.cbs.BindAutoSnapshotPolicy(AutoSnapshotPolicyId=policy_id, DiskIds=list(disk_ids))
        assert self.is_bound(policy_id, *disk_ids)

    def is_bound(self, policy_id: str, *disk_ids: str) -> bool:
        if len(disk_ids) > 1:
            return set(disk_ids) <= set(self.policy(policy_id).DiskIdSet)
        found = self.cbs.DescribeDiskAssociatedAutoSnapshotPolicy(DiskId=disk_ids[0]).AutoSnapshotPolicySet
        return policy_id in {policy.AutoSnapshotPolicyId for policy in found}

    def unbind(self, policy_id: str, *disk_ids: str) -> None:
        self.cbs.UnbindAutoSnapshotPolicy(AutoSnapshotPolicyId=policy_id, DiskIds=list(disk_ids))
