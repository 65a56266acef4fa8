"""The official SDK orders instances of every kind, and changes those that are there."""

import base64
from typing import Any

from official_clients import Sdk, wait_until
from test_client_sdk import PLACEMENT, code, import_image, run, wait_for


def state(sdk: Sdk, instance_id: str) -> tuple[str, str]:
    found = sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet[0]
    return found.InstanceState, found.LatestOperationState


def test_an_instance_is_ordered_as_packer_does_and_loses_its_key(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url, ImportImageDataDiskList=[{"ImageUrl": disk_url}])
    key = sdk.CreateKeyPair(KeyName="packer_12345678", ProjectId=0).KeyPair
    data_disks = [
        {"DiskType": "CLOUD_PREMIUM", "DiskSize": one.DiskSize, "SnapshotId": one.SnapshotId}
        for one in sdk.DescribeImages(ImageIds=[image.ImageId]).ImageSet[0].SnapshotSet
        if one.DiskUsage == "DATA_DISK"
    ]

    [instance] = run(
        sdk,
        image.ImageId,
        InstanceChargeType="POSTPAID_BY_HOUR",
        InstanceType="S5.SMALL1",
        SystemDisk={"DiskType": "CLOUD_PREMIUM", "DiskSize": 50},
        DataDisks=data_disks,
        InstanceName="packer_12345678",
        LoginSettings={"KeyIds": [key.KeyId]},
        ClientToken="packer_12345678",
        HostName="packer-12345678",
        UserData="",
        CamRoleName="",
    )
    assert [disk.SnapshotId for disk in instance.DataDisks] == [one.get("SnapshotId") for one in data_disks]
    assert [(disk.DiskSize, disk.DiskType, disk.DeleteWithInstance) for disk in instance.DataDisks] == [
        (1, "CLOUD_PREMIUM", True)
    ]
    assert code(sdk.DeleteKeyPairs, KeyIds=[key.KeyId]) == "InvalidParameterValue.KeyPairNotSupported"

    unbound = {"InstanceIds": [instance.InstanceId], "KeyIds": [key.KeyId]}
    assert code(sdk.DisassociateInstancesKeyPairs, **unbound) == "UnsupportedOperation.InstanceStateRunning"
    sdk.DisassociateInstancesKeyPairs(**unbound, ForceStop=True)
    assert state(sdk, instance.InstanceId) in {("REBOOTING", "OPERATING"), ("RUNNING", "SUCCESS")}
    wait_for(sdk, [instance.InstanceId], "RUNNING")
    sdk.DeleteKeyPairs(KeyIds=[key.KeyId])
    [again] = run(sdk, image.ImageId, LoginSettings={})
    assert again.LoginSettings.KeyIds == []


def test_disks_names_and_metadata_are_those_that_were_ordered(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    order: dict[str, Any] = {"Placement": PLACEMENT, "ImageId": image.ImageId}

    [instance] = run(
        sdk,
        image.ImageId,
        SystemDisk={"DiskSize": 60, "DiskName": "root"},
        DataDisks=[{"DiskSize": 20, "DiskType": "CLOUD_SSD", "DiskName": "data", "DeleteWithInstance": True, "Encrypt": False}],
        LoginSettings={"KeepImageLogin": "TRUE"},
        Metadata={"Items": [{"Key": "colour", "Value": "red"}]},
        TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}],
    )

    assert (instance.SystemDisk.DiskSize, instance.SystemDisk.DiskName) == (60, "root")
    assert [(disk.DiskSize, disk.DiskType, disk.DiskName) for disk in instance.DataDisks] == [(20, "CLOUD_SSD", "data")]
    assert [(item.Key, item.Value) for item in instance.Metadata.Items] == [("colour", "red")]
    for more, refusal in (
        ({"DataDisks": [{"DiskSize": 20, "Encrypt": True}]}, "UnsupportedOperation"),
        ({"DataDisks": [{"DiskSize": 15}]}, "InvalidParameterValue.Range"),
        ({"DataDisks": [{"DiskSize": 10}] * 22}, "InvalidParameterValue.LimitExceeded"),
        ({"DataDisks": [{"DiskSize": 10, "SnapshotId": "snap-00000000"}]}, "InvalidParameter.SnapshotNotFound"),
        ({"DataDisks": [{"DiskSize": 10, "SnapshotId": "mine"}]}, "InvalidParameterValue.SnapshotIdMalformed"),
        ({"InstanceCount": 501}, "InvalidParameterValue.Range"),
        ({"LoginSettings": {"Password": "Passw0rd", "KeepImageLogin": "true"}}, "InvalidParameter.ParameterConflict"),
    ):
        assert code(sdk.RunInstances, **order, **more) == refusal


def test_an_instance_is_reinstalled(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    [before] = run(sdk, image.ImageId, DataDisks=[{"DiskSize": 10}])
    name = before.InstanceId
    other = import_image(sdk, disk_url, "other")

    sdk.ResetInstance(InstanceId=name, ImageId=other.ImageId, SystemDisk={"DiskSize": 80}, LoginSettings={"Password": "Passw0rd"})
    [after] = wait_for(sdk, [name], "RUNNING")

    assert (after.ImageId, after.LatestOperation, after.SystemDisk.DiskSize) == (other.ImageId, "ResetInstance", 80)
    kept = ("InstanceName", "PrivateIpAddresses", "Uuid", "CreatedTime")
    assert [getattr(after, field) for field in kept] == [getattr(before, field) for field in kept]
    assert after.SystemDisk.DiskId == before.SystemDisk.DiskId
    assert [disk.DiskId for disk in after.DataDisks] == [disk.DiskId for disk in before.DataDisks]
    assert code(sdk.ResetInstance, InstanceId=name, SystemDisk={"DiskSize": 50}) == "InvalidParameterValue"
    assert code(sdk.ResetInstance, InstanceId=name, ImageId="img-00000000") == "InvalidImageId.NotFound"
    assert code(sdk.ResetInstance, InstanceId="ins-00000000") == "InvalidInstanceId.NotFound"
    sdk.DeleteImages(ImageIds=[other.ImageId])
    assert code(sdk.ResetInstance, InstanceId=name) == "InvalidImageId.NotFound"


def test_logins_and_attributes_change(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    [instance] = run(sdk, image.ImageId)
    ids = [instance.InstanceId]
    keys = [sdk.CreateKeyPair(KeyName=f"key{number}", ProjectId=0).KeyPair.KeyId for number in range(2)]

    assert code(sdk.ResetInstancesPassword, InstanceIds=ids, Password="Passw0rd") == "UnsupportedOperation.InstanceStateRunning"
    sdk.ResetInstancesPassword(InstanceIds=ids, Password="Passw0rd", ForceStop=True)
    wait_for(sdk, ids, "RUNNING")
    sdk.ModifyInstancesAttribute(InstanceIds=ids, HostName="renamed")
    [found] = wait_for(sdk, ids, "RUNNING")
    assert (found.HostName, found.LatestOperation) == ("renamed", "ModifyInstancesAttribute")
    sdk.ModifyInstancesAttribute(InstanceIds=ids, InstanceName="web")
    sdk.ModifyInstancesAttribute(InstanceIds=ids, UserData=base64.b64encode(b"hello").decode())
    assert (
        sdk.DescribeInstancesAttributes(InstanceIds=ids, Attributes=["UserData"]).InstanceSet[0].Attributes.UserData == "aGVsbG8="
    )
    sdk.ModifyInstancesAttribute(InstanceIds=ids, DisableApiTermination=True)
    assert code(sdk.TerminateInstances, InstanceIds=ids) == "UnsupportedOperation.InstancesProtected"
    sdk.ModifyInstancesAttribute(InstanceIds=ids, DisableApiTermination=False)
    sdk.ModifyInstancesProject(InstanceIds=ids, ProjectId=0)
    assert code(sdk.ModifyInstancesProject, InstanceIds=ids, ProjectId=7) == "InvalidProjectId.NotFound"
    assert code(sdk.ModifyInstancesAttribute, InstanceIds=ids) == "InvalidParameterValue"

    sdk.StopInstances(InstanceIds=ids, StopType="HARD")
    wait_for(sdk, ids, "STOPPED")
    sdk.AssociateInstancesKeyPairs(InstanceIds=ids, KeyIds=keys)
    [found] = sdk.DescribeInstances(InstanceIds=ids).InstanceSet
    assert (found.InstanceState, found.LatestOperationState, found.LoginSettings.KeyIds) == ("STOPPED", "SUCCESS", keys)
    assert sdk.DescribeKeyPairs(KeyIds=keys[:1]).KeyPairSet[0].AssociatedInstanceIds == ids
    sdk.DisassociateInstancesKeyPairs(InstanceIds=ids, KeyIds=keys[:1])
    assert sdk.DescribeInstances(InstanceIds=ids).InstanceSet[0].LoginSettings.KeyIds == keys[1:]
    sdk.ModifyKeyPairAttribute(KeyId=keys[0], KeyName="renamed", Description="first")
    assert sdk.DescribeKeyPairs(KeyIds=keys[:1]).KeyPairSet[0].Description == "first"
    assert code(sdk.ModifyKeyPairAttribute, KeyId=keys[0], KeyName="key1") == "InvalidKeyPairName.Duplicate"
    assert code(sdk.AssociateInstancesKeyPairs, InstanceIds=["ins-00000000"], KeyIds=keys) == "InvalidInstanceId.NotFound"
    sdk.TerminateInstances(InstanceIds=ids)
    wait_until("it is gone", lambda: sdk.DescribeInstances(InstanceIds=ids).TotalCount == 0)
    sdk.DeleteKeyPairs(KeyIds=keys)
