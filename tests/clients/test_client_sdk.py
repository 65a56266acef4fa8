"""The official SDK for Python, unchanged, does the service's main job."""

import base64
from typing import Any

import pytest
from official_clients import REGION, Sdk, Service, wait_until
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

PLACEMENT = {"Zone": "ap-guangzhou-3"}


def import_image(sdk: Sdk, disk_url: str, name: str = "imported", **more: Any) -> Any:
    image_id = sdk.ImportImage(
        Architecture="x86_64", OsType="Debian", OsVersion="12", ImageUrl=disk_url, ImageName=name, **more
    ).ImageId

    def look() -> Any:
        image = sdk.DescribeImages(ImageIds=[image_id]).ImageSet[0]
        assert image.ImageState != "IMPORTFAILED", sdk.own("DescribeImageProgress", ImageIds=[image_id])
        return image if image.ImageState == "NORMAL" else None

    return wait_until("the image is NORMAL", look)


def run(sdk: Sdk, image_id: str, count: int = 1, **more: Any) -> list[Any]:
    ids = sdk.RunInstances(Placement=PLACEMENT, ImageId=image_id, InstanceCount=count, **more).InstanceIdSet
    assert len(ids) == count
    return wait_for(sdk, ids, "RUNNING")


def wait_for(sdk: Sdk, ids: list[str], state: str) -> list[Any]:
    def look() -> Any:
        found = sdk.DescribeInstances(InstanceIds=ids).InstanceSet
        settled = all(one.InstanceState == state and one.LatestOperationState == "SUCCESS" for one in found)
        return found if settled else None

    found: list[Any] = wait_until(f"{ids} are {state}", look)
    return found


def code(call: Any, /, **parameters: Any) -> str:
    with pytest.raises(TencentCloudSDKException) as caught:
        call(**parameters)
    assert caught.value.requestId
    return str(caught.value.code)


def test_an_imported_image_starts_instances_and_is_imaged_and_shared(sdk: Sdk, other: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url, TagSpecification=[{"ResourceType": "image", "Tags": [{"Key": "k", "Value": "v"}]}])
    assert (image.ImageType, image.OsName, image.SyncPercent) == ("PRIVATE_IMAGE", "Debian 12 64位", 100)
    assert [(one.DiskUsage, one.DiskSize) for one in image.SnapshotSet] == [("SYSTEM_DISK", 1)]
    assert [(tag.Key, tag.Value) for tag in image.Tags] == [("k", "v")]

    key = sdk.CreateKeyPair(KeyName="mine", ProjectId=0).KeyPair
    assert key.PrivateKey.startswith("-----BEGIN RSA PRIVATE KEY-----")
    instances = run(
        sdk,
        image.ImageId,
        count=3,
        InstanceName="web{R:1}",
        LoginSettings={"KeyIds": [key.KeyId]},
        UserData=base64.b64encode(b"#!/bin/sh\n").decode(),
    )
    assert sorted(one.InstanceName for one in instances) == ["web1", "web2", "web3"]
    assert len({one.PrivateIpAddresses[0] for one in instances}) == 3
    assert {one.LoginSettings.KeyIds[0] for one in instances} == {key.KeyId}
    assert instances[0].SystemDisk.DiskId.startswith("disk-")
    assert code(sdk.DeleteKeyPairs, KeyIds=[key.KeyId]) == "InvalidParameterValue.KeyPairNotSupported"

    second = sdk.CreateImage(ImageName="second", InstanceId=instances[0].InstanceId, ForcePoweroff="False").ImageId
    wait_until("the second image is there", lambda: sdk.DescribeImages(ImageIds=[second]).ImageSet[0].ImageState == "NORMAL")
    usage = sdk.own("DescribeImageUsage", ImageIds=[second])["ImageUsageSet"][0]
    assert usage["LogicalBytes"] > 0

    sdk.ModifyImageSharePermission(ImageId=second, AccountIds=[other.keys.uin], Permission="SHARE")
    assert [one.AccountId for one in sdk.DescribeImageSharePermission(ImageId=second).SharePermissionSet] == [other.keys.uin]
    assert [one.ImageType for one in other.DescribeImages(ImageIds=[second]).ImageSet] == ["SHARED_IMAGE"]
    [theirs] = run(other, second)
    assert code(sdk.DeleteImages, ImageIds=[second]) == "InvalidImageId.InShared"

    sdk.ModifyImageSharePermission(ImageId=second, AccountIds=[other.keys.uin], Permission="CANCEL")
    sdk.DeleteImages(ImageIds=[second], DeleteBindedSnap=True)
    assert sdk.DescribeImages(ImageIds=[second]).ImageSet == []
    assert other.DescribeInstances(InstanceIds=[theirs.InstanceId]).InstanceSet[0].InstanceState == "RUNNING"


def test_an_image_of_several_disks_starts_instances_of_several_disks(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url, ImportImageDataDiskList=[{"ImageUrl": disk_url}])
    assert [one.DiskUsage for one in image.SnapshotSet] == ["SYSTEM_DISK", "DATA_DISK"]

    [instance] = run(sdk, image.ImageId, SystemDisk={"DiskSize": 20})
    [data_disk] = instance.DataDisks
    assert (instance.SystemDisk.DiskSize, data_disk.DiskSize) == (20, 1)

    order = {"InstanceId": instance.InstanceId, "ImageName": "both"}
    elsewhere = code(sdk.CreateImage, **order, DataDiskIds=["disk-00000000"])
    assert elsewhere == "InvalidParameter.DataDiskNotBelongSpecifiedInstance"
    root = code(sdk.CreateImage, **order, DataDiskIds=[instance.SystemDisk.DiskId])
    assert root == "InvalidParameter.DataDiskIdContainsRootDisk"
    both = sdk.CreateImage(**order, DataDiskIds=[data_disk.DiskId]).ImageId
    wait_until("the image of both is there", lambda: sdk.DescribeImages(ImageIds=[both]).ImageSet[0].ImageState == "NORMAL")
    sizes = [(one.DiskUsage, one.DiskSize) for one in sdk.DescribeImages(ImageIds=[both]).ImageSet[0].SnapshotSet]
    assert sizes == [("SYSTEM_DISK", 20), ("DATA_DISK", 1)]


def test_instances_stop_start_reboot_and_end(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    [instance] = run(sdk, image.ImageId)
    ids = [instance.InstanceId]

    assert code(sdk.StartInstances, InstanceIds=ids) == "UnsupportedOperation.InstanceStateRunning"
    sdk.RebootInstances(InstanceIds=ids, StopType="HARD")
    wait_for(sdk, ids, "RUNNING")
    sdk.StopInstances(InstanceIds=ids)
    wait_for(sdk, ids, "STOPPED")
    assert code(sdk.StopInstances, InstanceIds=ids) == "UnsupportedOperation.InstanceStateStopped"
    assert code(sdk.RebootInstances, InstanceIds=ids) == "UnsupportedOperation.InstanceStateStopped"
    sdk.StartInstances(InstanceIds=ids)
    wait_for(sdk, ids, "RUNNING")
    assert sdk.DescribeInstancesStatus(InstanceIds=ids).InstanceStatusSet[0].InstanceState == "RUNNING"
    launch = sdk.own("DescribeLaunches", InstanceIds=ids)["LaunchSet"][0]
    assert launch["StartedTime"]
    assert all(isinstance(value, float) for value in launch["Milliseconds"].values())
    sdk.TerminateInstances(InstanceIds=ids)
    wait_until("the instance is gone", lambda: sdk.DescribeInstances(InstanceIds=ids).TotalCount == 0)


def test_a_public_image_is_for_everybody_to_start_and_for_nobody_to_change(operator: Sdk, sdk: Sdk, disk_url: str) -> None:
    image = import_image(operator, disk_url)
    assert code(sdk.own, action="PublishImage", ImageId=image.ImageId, Public=True) == "UnauthorizedOperation"
    operator.own("PublishImage", ImageId=image.ImageId, Public=True)

    assert [one.ImageType for one in sdk.DescribeImages(ImageIds=[image.ImageId]).ImageSet] == ["PUBLIC_IMAGE"]
    assert run(sdk, image.ImageId)
    assert code(sdk.DeleteImages, ImageIds=[image.ImageId]) == "InvalidParameterValue.InvalidImageId"
    assert code(sdk.ModifyImageAttribute, ImageId=image.ImageId, ImageName="x") == "UnauthorizedOperation"
    assert (
        code(sdk.ModifyImageSharePermission, ImageId=image.ImageId, AccountIds=[operator.keys.uin], Permission="SHARE")
        == "UnauthorizedOperation.ImageNotBelongToAccount"
    )


def test_a_failed_import_says_so_and_why(sdk: Sdk, disk_url: str) -> None:
    gone = disk_url.replace("disk.qcow2", "gone.qcow2")
    image_id = sdk.ImportImage(Architecture="x86_64", OsType="Debian", OsVersion="12", ImageUrl=gone, ImageName="gone").ImageId

    wait_until("the import fails", lambda: sdk.DescribeImages(ImageIds=[image_id]).ImageSet[0].ImageState == "IMPORTFAILED")
    assert "404" in sdk.own("DescribeImageProgress", ImageIds=[image_id])["ImageProgressSet"][0]["Failure"]


def test_a_token_gives_the_same_instances_again(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    order = {"Placement": PLACEMENT, "ImageId": image.ImageId, "ClientToken": "once"}

    assert sdk.RunInstances(**order).InstanceIdSet == sdk.RunInstances(**order).InstanceIdSet
    assert code(sdk.RunInstances, **order, InstanceName="x") == "InvalidParameterValue.Duplicate"


def test_dry_runs_check_and_leave_nothing(sdk: Sdk, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    order = {"Placement": PLACEMENT, "ImageId": image.ImageId, "DryRun": True}

    assert sdk.RunInstances(**order).RequestId
    assert sdk.DescribeInstances().TotalCount == 0
    assert code(sdk.RunInstances, **order, InstanceType="S5.NONE") == "InvalidParameterValue.InstanceTypeNotFound"
    sdk.DeleteImages(ImageIds=[image.ImageId], DryRun=True)
    assert sdk.DescribeImages(ImageIds=[image.ImageId]).TotalCount == 1


def test_names_come_in_the_callers_language(service: Service, sdk: Sdk) -> None:
    english = Sdk(service, sdk.keys, language="en-US")

    assert "South China (Guangzhou)" in {region.RegionName for region in english.DescribeRegions().RegionSet}
    assert "华南地区(广州)" in {region.RegionName for region in sdk.DescribeRegions().RegionSet}
    assert {zone.ZoneName for zone in english.DescribeZones().ZoneSet} >= {"Guangzhou Zone 3"}
    assert {zone.ZoneName for zone in sdk.DescribeZones().ZoneSet} >= {"广州三区"}


def test_places_and_types_are_those_that_clients_look_for(sdk: Sdk) -> None:
    assert REGION in {region.Region for region in sdk.DescribeRegions().RegionSet}
    assert {zone.Zone: zone.ZoneId for zone in sdk.DescribeZones().ZoneSet}["ap-guangzhou-3"] == "100003"
    one = {"Filters": [{"Name": "instance-type", "Values": ["S5.SMALL1"]}, {"Name": "zone", "Values": ["ap-guangzhou-3"]}]}
    [config] = sdk.DescribeInstanceTypeConfigs(**one).InstanceTypeConfigSet
    assert (config.CPU, config.Memory, config.InstanceFamily, config.GPU) == (1, 1, "S5", 0)
    [item] = sdk.DescribeZoneInstanceConfigInfos(**one).InstanceTypeQuotaSet
    assert (item.Cpu, item.Memory, item.Status, item.InstanceChargeType) == (1, 1, "SELL", "POSTPAID_BY_HOUR")
    ordered = sdk.DescribeZoneInstanceConfigInfos(Filters=[{"Name": "sort-keys", "Values": ["cpu:desc", "memory:asc"]}])
    sizes = [(-one.Cpu, one.Memory) for one in ordered.InstanceTypeQuotaSet]
    assert sizes == sorted(sizes)
    assert code(sdk.DescribeInstanceTypeConfigs, Filters=[{"Name": "colour", "Values": ["red"]}]) == "InvalidFilter"
    assert "Debian" in sdk.DescribeImportImageOs().ImportImageOsListSupported.Linux
    assert sdk.DescribeImageQuota().ImageNumQuota == 500
