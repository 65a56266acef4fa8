"""The official SDK calls every action there is, and every answer is to the letter what the official model says."""

import base64
import random
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from official_clients import VERSIONS, Sdk, wait_until
from strict_answers import complaints, fields_of, models_of
from test_client_sdk import PLACEMENT, import_image, run, wait_for

from linocut.api.app import SERVICES

ZONE: Final = PLACEMENT["Zone"]
OFFICIAL: Final = [(service, action.name) for service in SERVICES if service.name != "linocut" for action in service.actions]
OWN: Final = [action.name for service in SERVICES if service.name == "linocut" for action in service.actions]

NOT_ANSWERED: Final = {
    "DescribeSubnetsResponse": "NextToken",
    "Image": "CdcCacheStatus",
    "Instance": (
        "CpuTopology DedicatedClusterId DisasterRecoverGroupId EnableJumboFrame ExpiredTime GPUInfo HpcClusterId "
        "LicenseType PartitionNumber PublicIPv6Addresses RenewFlag"
    ),
    "InstanceTypeConfig": "GpuMemory GpuType",
    "InstanceTypeQuotaItem": "CpuType Externals Frequency InstanceBandwidth InstancePps",
    "InternetAccessible": "AntiDDoSPackageId BandwidthPackageId IPv4AddressType IPv6AddressType InternetServiceProvider",
    "ItemPrice": (
        "DiscountPrice OriginalPrice UnitPriceDiscountSecondStep UnitPriceDiscountThirdStep UnitPriceSecondStep "
        "UnitPriceThirdStep"
    ),
    "LoginSettings": "KeepImageLogin Password",
    "Placement": "DedicatedResourcePackIds DedicatedResourcePackTenancy HostId HostIds RackId",
    "Price": "BandwidthPrice",
    "SecurityGroupPolicy": "AddressTemplate Priority ServiceTemplate",
    "SecurityGroupPolicySet": "PolicyStatistics",
    "Subnet": "StackType",
    "SystemDisk": "KmsKeyId",
    "VirtualPrivateCloud": "Ipv6AddressCount",
    "Vpc": "Ipv6CidrBlockSet StackType",
}
"""Documented fields of what there is not here: prepaid and stepped prices, dedicated hosts, GPUs, IPv6, templates of rules."""


def a_name() -> str:
    return f"n{random.getrandbits(60):015x}"


class World:
    """What one account has; what an action uses up is made for it."""

    def __init__(self, sdk: Sdk, other: Sdk, disk_url: str) -> None:
        self.sdk, self.other, self._disk_url = sdk, other, disk_url
        self.vpcs = sdk.of("vpc")

    @cached_property
    def image(self) -> str:
        return self.new_image(ImageFamily="family")

    @cached_property
    def instance(self) -> str:
        return self.new_instance()

    @cached_property
    def key(self) -> str:
        return self.new_key()

    @cached_property
    def vpc(self) -> str:
        return self.new_vpc()

    @cached_property
    def bucket(self) -> str:
        return f"bucket-{self.sdk.DescribeAccountQuota().AppId}"

    @cached_property
    def group(self) -> str:
        return self.new_group()

    @cached_property
    def subnet(self) -> str:
        return self.new_subnet("10.0.1.0/24")

    @cached_property
    def disk(self) -> str:
        return str(self.sdk.DescribeInstances(InstanceIds=[self.instance]).InstanceSet[0].SystemDisk.DiskId)

    @cached_property
    def policy(self) -> str:
        """Return a policy that the disk is bound to."""
        policy_id = self.new_policy()
        self.sdk.of("cbs").BindAutoSnapshotPolicy(AutoSnapshotPolicyId=policy_id, DiskIds=[self.disk])
        return policy_id

    def new_policy(self) -> str:
        made = self.sdk.of("cbs").CreateAutoSnapshotPolicy(Policy=[{"Hour": [3], "DayOfMonth": [1, 31]}])
        return str(made.AutoSnapshotPolicyId)

    def new_image(self, **more: Any) -> str:
        return str(import_image(self.sdk, self._disk_url, a_name(), **more).ImageId)

    def new_instance(self, state: str = "RUNNING", **more: Any) -> str:
        [instance] = run(self.sdk, self.image, **more)
        if state == "STOPPED":
            self.sdk.StopInstances(InstanceIds=[instance.InstanceId], StopType="HARD")
            wait_for(self.sdk, [instance.InstanceId], "STOPPED")
        return str(instance.InstanceId)

    def new_key(self) -> str:
        return str(self.sdk.CreateKeyPair(KeyName=a_name(), ProjectId=0).KeyPair.KeyId)

    def new_vpc(self) -> str:
        return str(self.vpcs.CreateVpc(VpcName=a_name(), CidrBlock="10.0.0.0/16").Vpc.VpcId)

    def new_subnet(self, block: str) -> str:
        made = self.vpcs.CreateSubnet(VpcId=self.vpc, SubnetName=a_name(), CidrBlock=block, Zone=ZONE)
        return str(made.Subnet.SubnetId)

    def new_group(self, *ports: str) -> str:
        group_id = str(self.vpcs.CreateSecurityGroup(GroupName=a_name(), GroupDescription="").SecurityGroup.SecurityGroupId)
        for port in ports:
            rules = {"Ingress": [_rule(port)]}
            self.vpcs.CreateSecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet=rules)
        return group_id

    def new_disk(self, **more: Any) -> str:
        order = {"Placement": PLACEMENT, "DiskChargeType": "POSTPAID_BY_HOUR", "DiskType": "CLOUD_SSD", "DiskSize": 10}
        return str(self.sdk.of("cbs").CreateDisks(**order | more).DiskIdSet[0])

    def attached_disk(self) -> str:
        disk_id = self.new_disk()
        self.sdk.of("cbs").AttachDisks(InstanceId=self.new_instance(), DiskIds=[disk_id])
        self.await_disk(disk_id, "ATTACHED")
        return disk_id

    def await_disk(self, disk_id: str, state: str) -> None:
        def look() -> bool:
            return bool(self.sdk.of("cbs").DescribeDisks(DiskIds=[disk_id]).DiskSet[0].DiskState == state)

        wait_until(f"{disk_id} is {state}", look)

    def stopped_with_key(self) -> dict[str, Any]:
        key = self.new_key()
        return {"InstanceIds": [self.new_instance("STOPPED", LoginSettings={"KeyIds": [key]})], "KeyIds": [key]}

    def system_disk(self) -> str:
        """Return the system disk of a new instance."""
        [instance] = self.sdk.DescribeInstances(InstanceIds=[self.new_instance()]).InstanceSet
        return str(instance.SystemDisk.DiskId)

    def new_snapshot(self, disk_id: str) -> str:
        cbs = self.sdk.of("cbs")
        snapshot_id = str(cbs.CreateSnapshot(DiskId=disk_id).SnapshotId)
        wait_until("it is taken", lambda: cbs.DescribeSnapshots(SnapshotIds=[snapshot_id]).SnapshotSet[0].Percent == 100)
        return snapshot_id

    def rollback(self) -> dict[str, Any]:
        disk_id = self.system_disk()
        return {"SnapshotId": self.new_snapshot(disk_id), "DiskId": disk_id, "AutoStopInstance": True, "AutoStartInstance": True}

    def new_snapshot_group(self, disk_id: str) -> str:
        cbs = self.sdk.of("cbs")
        group_id = str(cbs.CreateSnapshotGroup(DiskIds=[disk_id], SnapshotGroupName=a_name()).SnapshotGroupId)
        named = [{"Name": "snapshot-group-id", "Values": [group_id]}]
        wait_until(
            "it is taken",
            lambda: cbs.DescribeSnapshotGroups(Filters=named).SnapshotGroupSet[0].SnapshotGroupState == "NORMAL",
        )
        return group_id

    def group_rollback(self) -> dict[str, Any]:
        disk_id = self.system_disk()
        group_id = self.new_snapshot_group(disk_id)
        named = [{"Name": "snapshot-group-id", "Values": [group_id]}]
        [group] = self.sdk.of("cbs").DescribeSnapshotGroups(Filters=named).SnapshotGroupSet
        disks = [{"SnapshotId": group.SnapshotIdSet[0], "DiskId": disk_id}]
        return {"SnapshotGroupId": group_id, "ApplyDisks": disks, "AutoStopInstance": True}

    def lone_snapshot(self) -> str:
        image_id = self.new_image()
        [image] = self.sdk.DescribeImages(ImageIds=[image_id]).ImageSet
        self.sdk.DeleteImages(ImageIds=[image_id])
        return str(image.SnapshotSet[0].SnapshotId)

    def data_snapshot(self) -> str:
        """Return a new snapshot of a data disk."""
        instance_id = self.new_instance(DataDisks=[{"DiskSize": 10}])
        [instance] = self.sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet
        made = self.sdk.CreateImage(
            ImageName=a_name(), InstanceId=instance_id, DataDiskIds=[disk.DiskId for disk in instance.DataDisks]
        )

        def found() -> Any:
            [image] = self.sdk.DescribeImages(ImageIds=[made.ImageId]).ImageSet
            return image.ImageState == "NORMAL" and image.SnapshotSet

        [snapshot] = [one for one in wait_until("it is taken", found) if one.DiskUsage == "DATA_DISK"]
        return str(snapshot.SnapshotId)

    def shared_snapshot(self) -> str:
        snapshot_id = self.data_snapshot()
        share = {"SnapshotIds": [snapshot_id], "AccountIds": [self.other.keys.uin], "Permission": "SHARE"}
        self.sdk.of("cbs").ModifySnapshotsSharePermission(**share)
        return snapshot_id

    def shared_image(self) -> str:
        image_id = self.new_image()
        self.sdk.ModifyImageSharePermission(ImageId=image_id, AccountIds=[self.other.keys.uin], Permission="SHARE")
        return image_id


def _rule(port: str, action: str = "ACCEPT") -> dict[str, Any]:
    return {"Protocol": "TCP", "Port": port, "CidrBlock": "0.0.0.0/0", "Action": action}


def _public_key() -> str:
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _of_image(world: World) -> str:
    return f"qcs::cvm:ap-guangzhou:uin/{world.sdk.keys.uin}:image/{world.image}"


def _in_group(world: World) -> dict[str, Any]:
    named = {"InstanceIds": [world.instance], "SecurityGroupIds": [world.new_group()]}
    world.sdk.AssociateSecurityGroups(**named)
    return named


def _tagged(world: World) -> dict[str, Any]:
    world.sdk.of("tag").ModifyResourceTags(Resource=_of_image(world), ReplaceTags=[{"TagKey": "k", "TagValue": "v"}])
    return {"ServiceType": "cvm", "ResourcePrefix": "image", "ResourceRegion": "ap-guangzhou", "ResourceIds": [world.image]}


def _used(world: World) -> dict[str, Any]:
    world.new_instance(VirtualPrivateCloud={"VpcId": world.vpc, "SubnetId": world.subnet})
    return {"VpcId": world.vpc, "SubnetId": world.subnet, "Offset": 0, "Limit": 20}


Case = Callable[[World], dict[str, Any]]
CASES: dict[str, Case] = {
    "cvm.DescribeRegions": lambda _: {},
    "cvm.DescribeZones": lambda _: {},
    "cvm.DescribeInstanceTypeConfigs": lambda _: {"Filters": [{"Name": "zone", "Values": [ZONE]}]},
    "cvm.DescribeZoneInstanceConfigInfos": lambda _: {"Filters": [{"Name": "zone", "Values": [ZONE]}]},
    "cvm.InquiryPriceRunInstances": lambda world: {"Placement": PLACEMENT, "ImageId": world.image, "InstanceCount": 2},
    "cvm.InquiryPriceResetInstance": lambda world: {"InstanceId": world.instance, "ImageId": world.image},
    "cvm.DescribeAccountQuota": lambda _: {"Filters": [{"Name": "quota-type", "Values": ["ImageQuotaSet", "PostPaidQuotaSet"]}]},
    "cvm.DescribeImages": lambda world: {"ImageIds": [world.image], "InstanceType": "S5.SMALL1"},
    "cvm.DescribeImageFromFamily": lambda world: {"ImageFamily": world.image and "family"},
    "cvm.DescribeImageQuota": lambda _: {},
    "cvm.ImportImage": lambda world: {
        "Architecture": "x86_64",
        "OsType": "Debian",
        "OsVersion": "12",
        "ImageUrl": world._disk_url,
        "ImageName": a_name(),
    },
    "cvm.DescribeImportImageOs": lambda _: {},
    "cvm.CreateImage": lambda world: {"ImageName": a_name(), "InstanceId": world.instance, "ForcePoweroff": "False"},
    "cvm.ModifyImageAttribute": lambda world: {"ImageId": world.new_image(), "ImageName": a_name(), "ImageDescription": ""},
    "cvm.DeleteImages": lambda world: {"ImageIds": [world.new_image()], "DeleteBindedSnap": True},
    "cvm.ExportImages": lambda world: {
        "ImageIds": [world.new_image()],
        "BucketName": world.bucket,
        "FileNamePrefixList": ["out"],
        "ExportFormat": "QCOW2",
    },
    "cvm.ModifyImageSharePermission": lambda world: {
        "ImageId": world.new_image(),
        "AccountIds": [world.other.keys.uin],
        "Permission": "SHARE",
    },
    "cvm.DescribeImageSharePermission": lambda world: {"ImageId": world.shared_image()},
    "cvm.SyncImages": lambda world: {
        "ImageIds": [world.new_image()],
        "DestinationRegions": ["ap-shanghai"],
        "ImageSetRequired": True,
    },
    "cvm.RunInstances": lambda world: {"Placement": PLACEMENT, "ImageId": world.image, "LoginSettings": {}},
    "cvm.DescribeInstances": lambda world: {"InstanceIds": [world.instance]},
    "cvm.DescribeInstancesStatus": lambda world: {"InstanceIds": [world.instance]},
    "cvm.StartInstances": lambda world: {"InstanceIds": [world.new_instance("STOPPED")]},
    "cvm.StopInstances": lambda world: {"InstanceIds": [world.new_instance()], "StopType": "HARD"},
    "cvm.RebootInstances": lambda world: {"InstanceIds": [world.new_instance()], "StopType": "HARD"},
    "cvm.TerminateInstances": lambda world: {"InstanceIds": [world.new_instance()]},
    "cvm.ResetInstance": lambda world: {"InstanceId": world.new_instance(), "LoginSettings": {"Password": "Passw0rd-2"}},
    "cvm.ResetInstancesPassword": lambda world: {
        "InstanceIds": [world.new_instance("STOPPED")],
        "Password": "Passw0rd-2",
        "UserName": "root",
    },
    "cvm.ModifyInstancesAttribute": lambda world: {"InstanceIds": [world.instance], "InstanceName": a_name()},
    "cvm.ModifyInstancesProject": lambda world: {"InstanceIds": [world.instance], "ProjectId": 0},
    "cvm.DescribeInstancesAttributes": lambda world: {
        "InstanceIds": [world.new_instance(UserData=base64.b64encode(b"#!/bin/sh\n").decode())],
        "Attributes": ["UserData"],
    },
    "cvm.DescribeInstanceVncUrl": lambda world: {"InstanceId": world.instance},
    "cvm.CreateKeyPair": lambda _: {"KeyName": a_name(), "ProjectId": 0},
    "cvm.ImportKeyPair": lambda _: {"KeyName": a_name(), "ProjectId": 0, "PublicKey": _public_key()},
    "cvm.DescribeKeyPairs": lambda world: {"KeyIds": [world.key]},
    "cvm.ModifyKeyPairAttribute": lambda world: {"KeyId": world.key, "KeyName": a_name(), "Description": "laptop"},
    "cvm.AssociateInstancesKeyPairs": lambda world: {
        "InstanceIds": [world.new_instance("STOPPED")],
        "KeyIds": [world.new_key()],
    },
    "cvm.DisassociateInstancesKeyPairs": World.stopped_with_key,
    "cvm.DeleteKeyPairs": lambda world: {"KeyIds": [world.new_key()]},
    "cvm.AssociateSecurityGroups": lambda world: {"InstanceIds": [world.instance], "SecurityGroupIds": [world.new_group()]},
    "cvm.DisassociateSecurityGroups": _in_group,
    "cbs.CreateDisks": lambda _: {
        "Placement": PLACEMENT,
        "DiskChargeType": "POSTPAID_BY_HOUR",
        "DiskType": "CLOUD_SSD",
        "DiskSize": 20,
        "DiskName": "books",
        "DiskCount": 2,
        "ClientToken": a_name(),
        "Tags": [{"Key": "k", "Value": "v"}],
    },
    "cbs.AttachDisks": lambda world: {
        "InstanceId": world.new_instance(),
        "DiskIds": [world.new_disk()],
        "DeleteWithInstance": True,
    },
    "cbs.DetachDisks": lambda world: {"DiskIds": [world.attached_disk()]},
    "cbs.ResizeDisk": lambda world: {"DiskId": world.new_disk(), "DiskSize": 20},
    "cbs.ModifyDiskAttributes": lambda world: {"DiskIds": [world.new_disk()], "DiskName": "new", "DeleteWithInstance": True},
    "cbs.TerminateDisks": lambda world: {"DiskIds": [world.new_disk()]},
    "cbs.InitializeDisks": lambda world: {"DiskIds": [world.new_disk()]},
    "cbs.DescribeDiskConfigQuota": lambda _: {"InquiryType": "INQUIRY_CVM_CONFIG", "DiskChargeType": "POSTPAID_BY_HOUR"},
    "cbs.DescribeInstancesDiskNum": lambda world: {"InstanceIds": [world.instance]},
    "cbs.InquiryPriceCreateDisks": lambda _: {
        "DiskChargeType": "POSTPAID_BY_HOUR",
        "DiskType": "CLOUD_SSD",
        "DiskSize": 100,
        "DiskCount": 2,
    },
    "cbs.InquiryPriceResizeDisk": lambda world: {"DiskId": world.new_disk(), "DiskSize": 100},
    "cvm.ResizeInstanceDisks": lambda world: {
        "InstanceId": world.new_instance("STOPPED"),
        "SystemDisk": {"DiskSize": 100},
    },
    "cbs.DescribeDisks": lambda world: {"Filters": [{"Name": "instance-id", "Values": [world.instance]}]},
    "cbs.CreateSnapshot": lambda world: {
        "DiskId": world.system_disk(),
        "SnapshotName": a_name(),
        "Deadline": "2126-01-08T09:47:55+00:00",
        "Tags": [{"Key": "team", "Value": "web"}],
        "DiskUsage": "DATA_DISK",
    },
    "cbs.ModifySnapshotAttribute": lambda world: {
        "SnapshotId": world.new_snapshot(world.system_disk()),
        "SnapshotName": a_name(),
    },
    "cbs.ApplySnapshot": World.rollback,
    "cbs.CreateSnapshotGroup": lambda world: {"DiskIds": [world.system_disk()], "SnapshotGroupName": a_name()},
    "cbs.DescribeSnapshotGroups": lambda world: {
        "Filters": [{"Name": "snapshot-group-id", "Values": [world.new_snapshot_group(world.system_disk())]}]
    },
    "cbs.ApplySnapshotGroup": World.group_rollback,
    "cbs.DeleteSnapshotGroup": lambda world: {"SnapshotGroupId": world.new_snapshot_group(world.system_disk())},
    "cbs.DeleteSnapshots": lambda world: {"SnapshotIds": [world.lone_snapshot()]},
    "cbs.ModifySnapshotsSharePermission": lambda world: {
        "SnapshotIds": [world.data_snapshot()],
        "AccountIds": [world.other.keys.uin],
        "Permission": "SHARE",
    },
    "cbs.CopySnapshotCrossRegions": lambda world: {
        "SnapshotId": world.lone_snapshot(),
        "DestinationRegions": ["ap-shanghai", "ap-beijing"],
    },
    "cbs.DescribeSnapshotSharePermission": lambda world: {"SnapshotId": world.shared_snapshot()},
    "cbs.CreateAutoSnapshotPolicy": lambda _: {"Policy": [{"Hour": [0, 12], "DayOfWeek": [4]}], "RetentionDays": 3},
    "cbs.ModifyAutoSnapshotPolicyAttribute": lambda world: {
        "AutoSnapshotPolicyId": world.new_policy(),
        "Policy": [{"Hour": [5], "IntervalDays": 2}],
        "IsPermanent": True,
        "IsActivated": False,
    },
    "cbs.DeleteAutoSnapshotPolicies": lambda world: {"AutoSnapshotPolicyIds": [world.new_policy()]},
    "cbs.DescribeAutoSnapshotPolicies": lambda world: {"AutoSnapshotPolicyIds": [world.policy]},
    "cbs.BindAutoSnapshotPolicy": lambda world: {"AutoSnapshotPolicyId": world.new_policy(), "DiskIds": [world.disk]},
    "cbs.UnbindAutoSnapshotPolicy": lambda world: {"AutoSnapshotPolicyId": world.new_policy(), "DiskIds": [world.disk]},
    "cbs.DescribeDiskAssociatedAutoSnapshotPolicy": lambda world: {"DiskId": world.policy and world.disk},
    "cbs.DescribeSnapshots": lambda world: {"Limit": 100 if world.image else 1},
    "cbs.DescribeSnapshotOverview": lambda _: {},
    "cbs.GetSnapOverview": lambda _: {},
    "billing.DescribeAccountBalance": lambda _: {},
    "billing.DescribeBillSummaryByProduct": lambda _: {"BeginTime": "2026-11", "EndTime": "2026-11"},
    "billing.DescribeBillSummaryByRegion": lambda _: {"BeginTime": "2026-11", "EndTime": "2026-11"},
    "billing.DescribeBillDetail": lambda _: {"Offset": 0, "Limit": 10, "Month": "2026-11"},
    "billing.DescribeBillResourceSummary": lambda _: {"Offset": 0, "Limit": 10, "Month": "2026-11"},
    "sts.GetCallerIdentity": lambda _: {},
    "sts.AssumeRole": lambda world: {
        "RoleArn": f"qcs::cam::uin/{world.sdk.keys.uin}:roleName/builder",
        "RoleSessionName": "ci",
        "DurationSeconds": 7200,
    },
    "tag.ModifyResourceTags": lambda world: {"Resource": _of_image(world), "ReplaceTags": [{"TagKey": "k", "TagValue": "v"}]},
    "tag.DescribeResourceTagsByResourceIds": _tagged,
    "vpc.CreateVpc": lambda _: {"VpcName": a_name(), "CidrBlock": "10.0.0.0/16"},
    "vpc.DescribeVpcs": lambda world: {"VpcIds": [world.vpc]},
    "vpc.DeleteVpc": lambda world: {"VpcId": world.new_vpc()},
    "vpc.ModifyVpcAttribute": lambda world: {"VpcId": world.vpc, "VpcName": a_name()},
    "vpc.CreateDefaultVpc": lambda _: {},
    "vpc.DescribeUsedIpAddress": _used,
    "vpc.CreateSubnet": lambda world: {
        "VpcId": world.vpc,
        "SubnetName": a_name(),
        "CidrBlock": "10.0.2.0/24",
        "Zone": ZONE,
    },
    "vpc.DescribeSubnets": lambda world: {"SubnetIds": [world.subnet]},
    "vpc.DeleteSubnet": lambda world: {"SubnetId": world.new_subnet("10.0.3.0/24")},
    "vpc.ModifySubnetAttribute": lambda world: {"SubnetId": world.subnet, "SubnetName": a_name()},
    "vpc.CreateSecurityGroup": lambda _: {"GroupName": a_name(), "GroupDescription": "securitygroup for packer"},
    "vpc.CreateSecurityGroupWithPolicies": lambda _: {
        "GroupName": a_name(),
        "GroupDescription": "",
        "SecurityGroupPolicySet": {"Ingress": [_rule("22")]},
    },
    "vpc.CreateDefaultSecurityGroup": lambda _: {},
    "vpc.DescribeSecurityGroups": lambda world: {"SecurityGroupIds": [world.group]},
    "vpc.DeleteSecurityGroup": lambda world: {"SecurityGroupId": world.new_group()},
    "vpc.ModifySecurityGroupAttribute": lambda world: {"SecurityGroupId": world.group, "GroupName": a_name()},
    "vpc.DescribeSecurityGroupAssociationStatistics": lambda world: {"SecurityGroupIds": [world.group]},
    "vpc.CreateSecurityGroupPolicies": lambda world: {
        "SecurityGroupId": world.new_group(),
        "SecurityGroupPolicySet": {"Ingress": [_rule("22")]},
    },
    "vpc.DescribeSecurityGroupPolicies": lambda world: {"SecurityGroupId": world.new_group("22", "80")},
    "vpc.DeleteSecurityGroupPolicies": lambda world: {
        "SecurityGroupId": world.new_group("22"),
        "SecurityGroupPolicySet": {"Ingress": [{"PolicyIndex": 0}]},
    },
    "vpc.ReplaceSecurityGroupPolicy": lambda world: {
        "SecurityGroupId": world.new_group("22"),
        "SecurityGroupPolicySet": {"Ingress": [_rule("23") | {"PolicyIndex": 0}]},
    },
    "vpc.ReplaceSecurityGroupPolicies": lambda world: {
        "SecurityGroupId": world.new_group("22"),
        "SecurityGroupPolicySet": {"Ingress": [_rule("23") | {"PolicyIndex": 0}]},
    },
    "vpc.ModifySecurityGroupPolicies": lambda world: {
        "SecurityGroupId": world.new_group("22"),
        "SecurityGroupPolicySet": {"Ingress": [_rule("23")], "Egress": []},
    },
}


def _file(world: World) -> dict[str, Any]:
    """Export an image; return where its file is."""
    order = {"BucketName": world.bucket, "FileNamePrefixList": [a_name()], "ExportFormat": "QCOW2"}
    world.sdk.ExportImages(ImageIds=[world.new_image()], **order)

    def look() -> Any:
        return world.sdk.own("DescribeBucketFiles", BucketName=world.bucket)["FileSet"]

    return {"BucketName": world.bucket, "Key": wait_until("it is exported", look)[0]["Key"]}


OWN_CASES: dict[str, Case] = {
    "CreateDownload": _file,
    "DeleteBucketFiles": lambda world: {"BucketName": world.bucket, "Keys": ["not-there.raw"]},
    "DescribeAuditEntries": lambda _: {},
    "DescribeBill": lambda _: {},
    "DescribePrices": lambda _: {},
    "DescribeBillForecast": lambda _: {},
    "DescribeBucketFiles": lambda world: {"BucketName": world.bucket},
    "DescribeImageUsage": lambda world: {"ImageIds": [world.image]},
    "DescribeImageProgress": lambda world: {"ImageIds": [world.image]},
    "DescribeSnapshotMoments": lambda world: {"SnapshotIds": [world.lone_snapshot()]},
    "DescribeInstanceConsole": lambda world: {"InstanceId": world.instance},
    "DescribeStorageUsage": lambda _: {"By": "IMAGE"},
    "DescribeLaunches": lambda world: {"InstanceIds": [world.instance]},
    "DescribeTasks": lambda _: {},
    "ModifyPolicyRetention": lambda world: {"AutoSnapshotPolicyId": world.new_policy(), "RetentionAmount": 3},
    "CreateUpload": lambda _: {"SizeBytes": 512},
}
OWN_ELSEWHERE: Final = {
    "PublishImage": "test_a_public_image_is_for_everybody_to_start_and_for_nobody_to_change",
    **dict.fromkeys(("SetPrice", "TopUpAccount", "CloseHours"), "test_what_only_the_operator_does_is_done_for_the_operator"),
    "DescribeCharge": "test_a_charge_is_explained_down_to_what_its_resource_was",
    "CancelTask": "test_a_copy_may_be_cancelled_and_leaves_nothing_but_its_failed_row",
}


@pytest.fixture(scope="module")
def world(service: Any, operator: Sdk, disk_url: str) -> World:
    assert operator
    owner, other = (Sdk(service, service.accounts.pop()) for _ in range(2))
    return World(owner, other, disk_url)


def test_no_action_is_forgotten_here() -> None:
    assert {f"{service.name}.{action}" for service, action in OFFICIAL} == CASES.keys()
    assert set(OWN) == OWN_CASES.keys() | OWN_ELSEWHERE.keys()
    written = "".join(file.read_text() for file in Path(__file__).parents[1].rglob("test_*.py"))
    assert all(f"def {test}(" in written for test in OWN_ELSEWHERE.values())


def test_what_need_not_be_answered_is_documented() -> None:
    known = [models_of(*version) for version in VERSIONS.items()]
    for model, absent in NOT_ANSWERED.items():
        documented = {name for models in known if hasattr(models, model) for name in fields_of(models, model)}
        assert set(absent.split()) <= documented, model


@pytest.mark.parametrize("name", CASES)
def test_the_official_sdk_calls_it_and_the_answer_is_to_the_letter_of_the_model(world: World, name: str) -> None:
    service, _, action = name.partition(".")
    client = world.sdk.of(service)
    parameters = CASES[name](world)

    answer = client.raw(action, parameters)

    models = models_of(service, client.version)
    assert answer.pop("RequestId")
    assert list(complaints(models, f"{action}Response", answer | {"RequestId": ""}, NOT_ANSWERED)) == []
    decoded = getattr(models, f"{action}Response")()
    decoded._deserialize(answer | {"RequestId": ""})


@pytest.mark.parametrize("action", OWN_CASES)
def test_the_official_sdk_calls_the_actions_of_our_own(world: World, action: str) -> None:
    assert world.sdk.own(action, **OWN_CASES[action](world))["RequestId"]


def test_what_an_action_began_comes_to_its_end(world: World) -> None:
    def settled() -> bool:
        images = world.sdk.DescribeImages(Filters=[{"Name": "image-type", "Values": ["PRIVATE_IMAGE"]}], Limit=100).ImageSet
        return all(image.ImageState in {"NORMAL", "CREATEFAILED", "IMPORTFAILED"} for image in images)

    wait_until("nothing is under way", settled)
