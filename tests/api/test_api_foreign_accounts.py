"""To one account, what belongs to another does not exist: every action answers as if the id had never been given out."""

from collections.abc import Callable
from typing import Any

import pytest
from belongings import ZONE, Belongings, a_name, normal_image, one_of_each
from signed_calls import Person
from wire_values import EVERY_ACTION

from linocut.api.table import Action, Service
from linocut.cloud.context import Cloud

NOBODYS = Belongings(
    image_id="img-00000000",
    instance_id="ins-00000000",
    key_id="skey-00000000",
    vpc_id="vpc-00000000",
    subnet_id="subnet-00000000",
    group_id="sg-00000000",
    disk_id="disk-00000000",
    snapshot_id="snap-00000000",
    policy_id="asp-00000000",
    snapshot_group_id="csnap-00000000",
)

MINE = {"disk": "my disk", "policy": "my policy"}
"""What stands for a thing of the account that asks."""
HOURLY = "POSTPAID_BY_HOUR"

Requests = Callable[[Belongings], list[dict[str, Any]]]


def _filter(name: str, value: str) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": [value]}]}


def _from_group(of: Belongings) -> dict[str, Any]:
    return {"SecurityGroupId": of.group_id, "Action": "ACCEPT"}


NAMING_IDS: dict[str, Requests] = {
    "DescribeImages": lambda of: [{"ImageIds": [of.image_id]}, _filter("image-id", of.image_id)],
    "CreateImage": lambda of: [
        {"InstanceId": of.instance_id, "ImageName": a_name()},
        {"SnapshotIds": [of.snapshot_id], "ImageName": a_name()},
    ],
    "ModifyImageAttribute": lambda of: [{"ImageId": of.image_id, "ImageName": a_name()}],
    "DeleteImages": lambda of: [{"ImageIds": [of.image_id]}, {"ImageIds": [of.image_id], "DryRun": True}],
    "ModifyImageSharePermission": lambda of: [
        {"ImageId": of.image_id, "AccountIds": ["100000000000"], "Permission": permission} for permission in ("SHARE", "CANCEL")
    ],
    "ExportImages": lambda of: [
        {"ImageIds": [of.image_id], "BucketName": "golden-1250000000"},
        {"ImageIds": [of.image_id], "BucketName": "golden-1250000000", "DryRun": True},
    ],
    "DescribeImageSharePermission": lambda of: [{"ImageId": of.image_id}],
    "SyncImages": lambda of: [{"ImageIds": [of.image_id], "DestinationRegions": ["ap-shanghai"]}],
    "RunInstances": lambda of: [
        {"Placement": {"Zone": ZONE}, "ImageId": of.image_id},
        {"Placement": {"Zone": ZONE}, "ImageId": "mine", "LoginSettings": {"KeyIds": [of.key_id]}},
        {
            "Placement": {"Zone": ZONE},
            "ImageId": "mine",
            "VirtualPrivateCloud": {"VpcId": of.vpc_id, "SubnetId": of.subnet_id},
        },
        {"Placement": {"Zone": ZONE}, "ImageId": "mine", "SecurityGroupIds": [of.group_id]},
        {"Placement": {"Zone": ZONE}, "ImageId": "mine", "DataDisks": [{"DiskSize": 10, "SnapshotId": of.snapshot_id}]},
    ],
    "DescribeDisks": lambda of: [
        {"DiskIds": [of.disk_id]},
        _filter("disk-id", of.disk_id),
        _filter("instance-id", of.instance_id),
    ],
    "CreateDisks": lambda of: [
        {"Placement": {"Zone": ZONE}, "DiskChargeType": HOURLY, "DiskType": "CLOUD_SSD", "SnapshotId": of.snapshot_id}
    ],
    "AttachDisks": lambda of: [
        {"InstanceId": of.instance_id, "DiskIds": ["disk-00000000"]},
        {"InstanceId": of.instance_id, "DiskIds": [of.disk_id]},
    ],
    "DetachDisks": lambda of: [{"DiskIds": [of.disk_id]}, {"DiskIds": [of.disk_id], "InstanceId": of.instance_id}],
    "ResizeDisk": lambda of: [{"DiskId": of.disk_id, "DiskSize": 100}],
    "ModifyDiskAttributes": lambda of: [{"DiskIds": [of.disk_id], "DiskName": "new"}],
    "TerminateDisks": lambda of: [{"DiskIds": [of.disk_id]}, {"DiskIds": [of.disk_id], "DeleteSnapshot": 1}],
    "InitializeDisks": lambda of: [{"DiskIds": [of.disk_id]}],
    "DescribeInstancesDiskNum": lambda of: [{"InstanceIds": [of.instance_id]}],
    "InquiryPriceResizeDisk": lambda of: [
        {"DiskId": of.disk_id, "DiskSize": 100},
        {"DiskIds": [of.disk_id], "DiskSize": 100},
    ],
    "ResizeInstanceDisks": lambda of: [
        {"InstanceId": of.instance_id, "SystemDisk": {"DiskSize": 100}},
        {"InstanceId": of.instance_id, "DataDisks": [{"DiskId": of.disk_id, "DiskSize": 100}]},
    ],
    "DescribeSnapshots": lambda of: [
        {"SnapshotIds": [of.snapshot_id]},
        _filter("snapshot-id", of.snapshot_id),
        _filter("disk-id", of.disk_id),
    ],
    "CreateSnapshot": lambda of: [{"DiskId": of.disk_id}],
    "DescribeSnapshotMoments": lambda of: [{"SnapshotIds": [of.snapshot_id]}],
    "ModifySnapshotAttribute": lambda of: [{"SnapshotId": of.snapshot_id, "SnapshotName": "new"}],
    "ApplySnapshot": lambda of: [
        {"SnapshotId": of.snapshot_id, "DiskId": of.disk_id},
        {"SnapshotId": of.snapshot_id, "DiskId": MINE["disk"]},
    ],
    "CreateSnapshotGroup": lambda of: [{"DiskIds": [of.disk_id]}],
    "DescribeSnapshotGroups": lambda of: [
        _filter("snapshot-group-id", of.snapshot_group_id),
        _filter("snapshot-id", of.snapshot_id),
    ],
    "ApplySnapshotGroup": lambda of: [
        {"SnapshotGroupId": of.snapshot_group_id, "ApplyDisks": [{"SnapshotId": of.snapshot_id, "DiskId": of.disk_id}]}
    ],
    "DeleteSnapshotGroup": lambda of: [
        {"SnapshotGroupId": of.snapshot_group_id},
        {"SnapshotGroupIds": [of.snapshot_group_id], "DeleteBindImages": True},
    ],
    "DeleteSnapshots": lambda of: [
        {"SnapshotIds": [of.snapshot_id]},
        {"SnapshotIds": [of.snapshot_id], "DeleteBindImages": True},
    ],
    "ModifyAutoSnapshotPolicyAttribute": lambda of: [
        {"AutoSnapshotPolicyId": of.policy_id, "AutoSnapshotPolicyName": "new"},
    ],
    "ModifyPolicyRetention": lambda of: [{"AutoSnapshotPolicyId": of.policy_id, "RetentionAmount": 3}],
    "DeleteAutoSnapshotPolicies": lambda of: [{"AutoSnapshotPolicyIds": [of.policy_id]}],
    "DescribeAutoSnapshotPolicies": lambda of: [
        {"AutoSnapshotPolicyIds": [of.policy_id]},
        _filter("auto-snapshot-policy-id", of.policy_id),
    ],
    "BindAutoSnapshotPolicy": lambda of: [
        {"AutoSnapshotPolicyId": of.policy_id, "DiskIds": [MINE["disk"]]},
        {"AutoSnapshotPolicyId": MINE["policy"], "DiskIds": [of.disk_id]},
    ],
    "UnbindAutoSnapshotPolicy": lambda of: [
        {"AutoSnapshotPolicyId": of.policy_id, "DiskIds": [MINE["disk"]]},
        {"AutoSnapshotPolicyId": MINE["policy"], "DiskIds": [of.disk_id]},
        {"AutoSnapshotPolicyId": MINE["policy"], "InstanceIds": [of.instance_id]},
    ],
    "DescribeDiskAssociatedAutoSnapshotPolicy": lambda of: [{"DiskId": of.disk_id}],
    "ModifySnapshotsSharePermission": lambda of: [
        {"SnapshotIds": [of.snapshot_id], "AccountIds": ["100000000000"], "Permission": permission}
        for permission in ("SHARE", "CANCEL")
    ],
    "CopySnapshotCrossRegions": lambda of: [{"SnapshotId": of.snapshot_id, "DestinationRegions": ["ap-shanghai"]}],
    "DescribeSnapshotSharePermission": lambda of: [{"SnapshotId": of.snapshot_id}],
    "DescribeInstances": lambda of: [
        {"InstanceIds": [of.instance_id]},
        _filter("instance-id", of.instance_id),
        _filter("image-id", of.image_id),
        _filter("vpc-id", of.vpc_id),
        _filter("subnet-id", of.subnet_id),
        _filter("security-group-id", of.group_id),
    ],
    "DescribeInstancesStatus": lambda of: [{"InstanceIds": [of.instance_id]}],
    "StartInstances": lambda of: [{"InstanceIds": [of.instance_id]}],
    "StopInstances": lambda of: [{"InstanceIds": [of.instance_id], "StopType": "HARD"}],
    "RebootInstances": lambda of: [{"InstanceIds": [of.instance_id]}],
    "TerminateInstances": lambda of: [{"InstanceIds": [of.instance_id]}],
    "ResetInstance": lambda of: [{"InstanceId": of.instance_id}],
    "ResetInstancesPassword": lambda of: [{"InstanceIds": [of.instance_id], "Password": "Passw0rd-2"}],
    "ModifyInstancesAttribute": lambda of: [{"InstanceIds": [of.instance_id], "InstanceName": a_name()}],
    "ModifyInstancesProject": lambda of: [{"InstanceIds": [of.instance_id], "ProjectId": 0}],
    "DescribeInstancesAttributes": lambda of: [{"InstanceIds": [of.instance_id], "Attributes": ["UserData"]}],
    "AssociateInstancesKeyPairs": lambda of: [{"InstanceIds": [of.instance_id], "KeyIds": [of.key_id]}],
    "DisassociateInstancesKeyPairs": lambda of: [{"InstanceIds": [of.instance_id], "KeyIds": [of.key_id]}],
    "ModifyKeyPairAttribute": lambda of: [{"KeyId": of.key_id, "KeyName": a_name()[:25]}],
    "InquiryPriceRunInstances": lambda of: [{"Placement": {"Zone": ZONE}, "ImageId": of.image_id}],
    "InquiryPriceResetInstance": lambda of: [
        {"InstanceId": of.instance_id},
        {"InstanceId": of.instance_id, "ImageId": of.image_id},
    ],
    "DescribeInstanceVncUrl": lambda of: [{"InstanceId": of.instance_id}],
    "DescribeKeyPairs": lambda of: [{"KeyIds": [of.key_id]}],
    "DeleteKeyPairs": lambda of: [{"KeyIds": [of.key_id]}],
    "PublishImage": lambda of: [{"ImageId": of.image_id, "Public": True}],
    "DescribeInstanceConsole": lambda of: [{"InstanceId": of.instance_id}],
    "DescribeImageUsage": lambda of: [{"ImageIds": [of.image_id]}],
    "DescribeImageProgress": lambda of: [{"ImageIds": [of.image_id]}],
    "DescribeLaunches": lambda of: [{"InstanceIds": [of.instance_id]}],
    "ModifyResourceTags": lambda of: [
        {"Resource": f"qcs::cvm:ap-guangzhou:uin/:{kind}/{resource_id}", "ReplaceTags": [{"TagKey": "k", "TagValue": "v"}]}
        for kind, resource_id in (("image", of.image_id), ("instance", of.instance_id), ("keypair", of.key_id))
    ],
    "DescribeResourceTagsByResourceIds": lambda of: [
        {"ServiceType": "cvm", "ResourcePrefix": kind, "ResourceIds": [resource_id], "ResourceRegion": "ap-guangzhou"}
        for kind, resource_id in (("image", of.image_id), ("instance", of.instance_id), ("keypair", of.key_id))
    ],
}
NAMING_IDS |= {
    "AssociateSecurityGroups": lambda of: [{"InstanceIds": [of.instance_id], "SecurityGroupIds": [of.group_id]}],
    "DisassociateSecurityGroups": lambda of: [{"InstanceIds": [of.instance_id], "SecurityGroupIds": [of.group_id]}],
    "DescribeVpcs": lambda of: [{"VpcIds": [of.vpc_id]}, _filter("vpc-id", of.vpc_id)],
    "DeleteVpc": lambda of: [{"VpcId": of.vpc_id}],
    "ModifyVpcAttribute": lambda of: [{"VpcId": of.vpc_id, "VpcName": "new"}],
    "DescribeUsedIpAddress": lambda of: [{"VpcId": of.vpc_id}, {"VpcId": of.vpc_id, "SubnetId": of.subnet_id}],
    "CreateSubnet": lambda of: [{"VpcId": of.vpc_id, "SubnetName": "new", "CidrBlock": "10.0.9.0/24", "Zone": ZONE}],
    "DescribeSubnets": lambda of: [
        {"SubnetIds": [of.subnet_id]},
        _filter("subnet-id", of.subnet_id),
        _filter("vpc-id", of.vpc_id),
    ],
    "DeleteSubnet": lambda of: [{"SubnetId": of.subnet_id}],
    "ModifySubnetAttribute": lambda of: [{"SubnetId": of.subnet_id, "SubnetName": "new"}],
    "CreateSecurityGroupWithPolicies": lambda of: [
        {"GroupName": "new", "GroupDescription": "", "SecurityGroupPolicySet": {"Ingress": [_from_group(of)]}}
    ],
    "DescribeSecurityGroups": lambda of: [
        {"SecurityGroupIds": [of.group_id]},
        _filter("security-group-id", of.group_id),
    ],
    "DeleteSecurityGroup": lambda of: [{"SecurityGroupId": of.group_id}],
    "ModifySecurityGroupAttribute": lambda of: [{"SecurityGroupId": of.group_id, "GroupName": "new"}],
    "DescribeSecurityGroupAssociationStatistics": lambda of: [{"SecurityGroupIds": [of.group_id]}],
    "DescribeSecurityGroupPolicies": lambda of: [{"SecurityGroupId": of.group_id}],
} | {
    action: lambda of: [
        {"SecurityGroupId": of.group_id, "SecurityGroupPolicySet": {"Ingress": [{"CidrBlock": "0.0.0.0/0", "Action": "DROP"}]}},
        {"SecurityGroupId": of.group_id, "SecurityGroupPolicySet": {"Ingress": [_from_group(of)]}},
    ]
    for action in (
        "CreateSecurityGroupPolicies",
        "DeleteSecurityGroupPolicies",
        "ReplaceSecurityGroupPolicy",
        "ReplaceSecurityGroupPolicies",
        "ModifySecurityGroupPolicies",
    )
}
NAMING_NONE = {
    *("CreateVpc", "CreateDefaultVpc", "CreateSecurityGroup", "CreateDefaultSecurityGroup"),
    "GetCallerIdentity",
    "AssumeRole",
    # Of these, tests/cloud: test_nobody_but_the_operator_sees_another_account_s_bill
    *("DescribeAccountBalance", "DescribeBillSummaryByProduct", "DescribeBillSummaryByRegion"),
    *("DescribeBillDetail", "DescribeBillResourceSummary", "DescribeSnapshotOverview", "GetSnapOverview"),
    *("DescribeBill", "DescribeCharge", "DescribeBillForecast", "DescribePrices", "SetPrice", "TopUpAccount", "CloseHours"),
    "DescribeAuditEntries",
    "DescribeRegions",
    "DescribeZones",
    "DescribeInstanceTypeConfigs",
    "DescribeZoneInstanceConfigInfos",
    "ImportImage",
    "DescribeImportImageOs",
    "DescribeImageQuota",
    "DescribeAccountQuota",
    "DescribeImageFromFamily",  # tests/cloud: test_a_family_is_of_those_who_see_its_images
    "DescribeBucketFiles",  # and the next, tests/cloud: test_a_link_leads_to_one_file_of_an_own_bucket_for_an_hour
    "CreateDownload",
    "DeleteBucketFiles",  # tests/cloud: test_exported_files_are_deleted_by_their_owner_but_not_while_they_are_written
    "DescribeStorageUsage",  # tests/cloud: test_what_an_account_is_told_does_not_depend_on_what_others_store
    "DescribeTasks",  # and the next, tests/cloud: test_what_belongs_to_another_account_does_not_exist
    "CancelTask",
    "CreateAutoSnapshotPolicy",
    "CreateKeyPair",
    "ImportKeyPair",
    "CreateUpload",
    "DescribeDiskConfigQuota",
    "InquiryPriceCreateDisks",
}


def test_no_action_is_forgotten_here() -> None:
    assert {action.name for _, action in EVERY_ACTION} == NAMING_IDS.keys() | NAMING_NONE


def _mine(value: Any, mine: Belongings) -> Any:
    if isinstance(value, list):
        return [_mine(item, mine) for item in value]
    known = {"mine": mine.image_id, MINE["disk"]: mine.disk_id, MINE["policy"]: mine.policy_id}
    return known.get(value, value) if isinstance(value, str) else value


def _said(person: Person, service: Service, action: Action[Any], of: Belongings, mine: Belongings) -> list[dict[str, Any]]:
    said = []
    for request in NAMING_IDS[action.name](of):
        sent = {key: _mine(value, mine) for key, value in request.items()}
        answer = person.call(action.name, sent, service=service.name)
        answer.pop("RequestId")
        if "Error" in answer:
            for theirs, nobodys in zip(vars(of).values(), vars(NOBODYS).values(), strict=True):
                answer["Error"]["Message"] = answer["Error"]["Message"].replace(theirs, nobodys)
        said.append(answer)
    return said


@pytest.mark.parametrize(
    "entry", [entry for entry in EVERY_ACTION if entry[1].name in NAMING_IDS], ids=lambda entry: entry[1].name
)
def test_another_accounts_resource_does_not_exist(
    cloud: Cloud, new_person: Callable[[], Person], entry: tuple[Service, Action[Any]]
) -> None:
    owner, other = new_person(), new_person()
    theirs, mine = one_of_each(cloud, owner), one_of_each(cloud, other)
    before = _everything(owner)

    assert _said(other, *entry, theirs, mine) == _said(other, *entry, NOBODYS, mine)
    assert _everything(owner) == before


def _everything(person: Person) -> list[dict[str, Any]]:
    answers = [person.call(action) for action in ("DescribeImages", "DescribeInstances", "DescribeKeyPairs")]
    answers.append(person.call("DescribeDisks", service="cbs"))
    answers += [person.call(action, service="vpc") for action in ("DescribeVpcs", "DescribeSubnets", "DescribeSecurityGroups")]
    return [{name: value for name, value in answer.items() if name != "RequestId"} for answer in answers]


@pytest.mark.parametrize("region", ["ap-shanghai", "ap-hongkong"])
def test_images_and_instances_are_of_one_region(cloud: Cloud, person: Person, region: str) -> None:
    mine = one_of_each(cloud, person)

    assert person.call("DescribeImages", {"ImageIds": [mine.image_id]}, region=region)["TotalCount"] == 0
    assert person.call("DescribeInstances", {"InstanceIds": [mine.instance_id]}, region=region)["TotalCount"] == 0
    assert person.code("DeleteImages", {"ImageIds": [mine.image_id]}, region=region) == "InvalidImageId.NotFound"
    assert person.code("StopInstances", {"InstanceIds": [mine.instance_id]}, region=region) == "InvalidInstanceId.NotFound"
    assert person.call("DescribeKeyPairs", {"KeyIds": [mine.key_id]}, region=region)["TotalCount"] == 1


def test_a_shared_image_is_for_starting_instances_and_nothing_else(cloud: Cloud, new_person: Callable[[], Person]) -> None:
    owner, sharee = new_person(), new_person()
    image_id = normal_image(cloud, owner)
    share = {"ImageId": image_id, "AccountIds": [sharee.account.uin], "Permission": "SHARE"}
    assert owner.code("ModifyImageSharePermission", share) == "OK"

    def may(action: str, service: str = "cvm", **parameters: object) -> str:
        return sharee.code(action, parameters, service=service)

    onwards: dict[str, Any] = {"AccountIds": [new_person().account.uin], "Permission": "SHARE"}
    assert may("DescribeImages", ImageIds=[image_id]) == "OK"
    assert may("RunInstances", Placement={"Zone": ZONE}, ImageId=image_id) == "OK"
    assert may("ModifyImageAttribute", ImageId=image_id, ImageName="x") == "UnsupportedOperation.SharedImageModifyUnsupported"
    assert may("DeleteImages", ImageIds=[image_id]) == "InvalidParameterValue.InvalidImageIdIsShared"
    assert may("ModifyImageSharePermission", ImageId=image_id, **onwards) == "UnauthorizedOperation.ImageNotBelongToAccount"
    assert may("DescribeImageSharePermission", ImageId=image_id) == "UnauthorizedOperation.ImageNotBelongToAccount"
    assert may("DescribeImageUsage", "linocut", ImageIds=[image_id]) == "InvalidImageId.NotFound"
    assert may("PublishImage", "linocut", ImageId=image_id, Public=True) == "UnauthorizedOperation"
    assert owner.code("DeleteImages", {"ImageIds": [image_id]}) == "InvalidImageId.InShared"
    assert owner.code("ModifyImageSharePermission", share | {"Permission": "CANCEL"}) == "OK"
    assert sharee.call("DescribeImages", {"ImageIds": [image_id]})["TotalCount"] == 0
    assert may("RunInstances", Placement={"Zone": ZONE}, ImageId=image_id) == "InvalidImageId.NotFound"
