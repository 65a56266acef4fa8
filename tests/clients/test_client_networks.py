"""Networks through the official SDK, in the order and with the values that Packer and the Terraform provider send.

Source: their own call sequences, which are those of the provider's `tencentcloud_vpc`, `_subnet`, `_security_group`,
`_security_group_rule_set` and `_instance`, and of the builder `tencentcloud-cvm`.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from official_clients import REGION, Keys, Sdk, Service, wait_until
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.vpc.v20170312 import models
from tencentcloud.vpc.v20170312.vpc_client import VpcClient
from test_client_sdk import code, import_image

ZONE = "ap-guangzhou-3"
OPEN = {"CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}
SSH = OPEN | {"Protocol": "TCP", "Port": "22"}


class Network:
    """The official client of VPC as one account."""

    def __init__(self, service: Service, keys: Keys) -> None:
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=service.host), language="en-US")
        self._client = VpcClient(Credential(keys.secret_id, keys.secret_key), REGION, profile)

    def __getattr__(self, action: str) -> Callable[..., Any]:
        def call(**parameters: object) -> Any:
            request = getattr(models, f"{action}Request")()
            request.from_json_string(json.dumps(parameters))
            return getattr(self._client, action)(request)

        return call


@pytest.fixture
def network(service: Service, keys: Keys) -> Network:
    return Network(service, keys)


def ports_of(network: Network, group_id: str) -> list[tuple[int, str, str]]:
    rules = network.DescribeSecurityGroupPolicies(SecurityGroupId=group_id).SecurityGroupPolicySet.Ingress
    return [(rule.PolicyIndex, rule.Action, f"{rule.Protocol} {rule.Port} {rule.CidrBlock}") for rule in rules]


def test_packer_builds_in_a_network_of_its_own_and_removes_it(sdk: Sdk, network: Network, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    vpc_id = network.CreateVpc(VpcName="packer", CidrBlock="10.0.0.0/16").Vpc.VpcId
    subnet_id = network.CreateSubnet(VpcId=vpc_id, SubnetName="packer", CidrBlock="10.0.8.0/24", Zone=ZONE).Subnet.SubnetId
    group = network.CreateSecurityGroup(GroupName="packer", GroupDescription="securitygroup for packer").SecurityGroup
    group_id = group.SecurityGroupId
    network.CreateSecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet={"Ingress": [OPEN]})
    network.CreateSecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet={"Egress": [OPEN]})
    (instance_id,) = sdk.RunInstances(
        Placement={"Zone": ZONE},
        InstanceChargeType="POSTPAID_BY_HOUR",
        ImageId=image.ImageId,
        InstanceType="S5.SMALL1",
        SystemDisk={"DiskType": "CLOUD_PREMIUM", "DiskSize": 50},
        VirtualPrivateCloud={"VpcId": vpc_id, "SubnetId": subnet_id},
        InternetAccessible={"PublicIpAssigned": True, "InternetMaxBandwidthOut": 1},
        InstanceName="packer",
        LoginSettings={},
        SecurityGroupIds=[group_id],
        ClientToken="packer",
        UserData="",
        CamRoleName="",
    ).InstanceIdSet
    instance = wait_until("it runs", lambda: _running(sdk, instance_id))

    assert instance.PublicIpAddresses == instance.PrivateIpAddresses
    assert (instance.VirtualPrivateCloud.VpcId, instance.VirtualPrivateCloud.SubnetId) == (vpc_id, subnet_id)
    assert instance.VirtualPrivateCloud.PrivateIpAddresses == instance.PrivateIpAddresses
    assert instance.SecurityGroupIds == [group_id]
    assert (instance.InternetAccessible.PublicIpAssigned, instance.InternetAccessible.InternetMaxBandwidthOut) == (True, 1)
    assert code(network.DeleteSecurityGroup, SecurityGroupId=group_id) == "ResourceInUse"
    assert code(network.DeleteSubnet, SubnetId=subnet_id) == "ResourceInUse"
    assert code(network.DeleteVpc, VpcId=vpc_id) == "ResourceInUse"

    sdk.TerminateInstances(InstanceIds=[instance_id])
    used = {"VpcId": vpc_id, "SubnetId": subnet_id, "IpAddresses": instance.PrivateIpAddresses, "Offset": 0, "Limit": 20}
    wait_until("its address is free", lambda: not network.DescribeUsedIpAddress(**used).IpAddressStates)
    network.DeleteSecurityGroup(SecurityGroupId=group_id)
    network.DeleteSubnet(SubnetId=subnet_id)
    network.DeleteVpc(VpcId=vpc_id)
    assert code(network.DescribeVpcs, VpcIds=[vpc_id]) == "ResourceNotFound"


def _running(sdk: Sdk, instance_id: str) -> Any:
    found = sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet[0]
    return found if found.InstanceState == "RUNNING" and found.LatestOperationState != "OPERATING" else None


def test_packer_finds_the_networks_that_it_is_told_of(network: Network) -> None:
    vpc = network.DescribeVpcs(Filters=[{"Name": "is-default", "Values": ["true"]}]).VpcSet[0]
    subnets = network.DescribeSubnets(
        Filters=[{"Name": "vpc-id", "Values": [vpc.VpcId]}, {"Name": "zone", "Values": [ZONE]}], Offset="0", Limit="100"
    )

    assert network.DescribeVpcs(VpcIds=[vpc.VpcId]).VpcSet[0].VpcName == "Default-VPC"
    assert (subnets.TotalCount, subnets.SubnetSet[0].IsDefault) == (1, True)
    told = network.DescribeSubnets(SubnetIds=[subnets.SubnetSet[0].SubnetId]).SubnetSet[0]
    assert (told.VpcId, told.SubnetName) == (vpc.VpcId, "Default-Subnet")
    assert network.CreateDefaultVpc(Zone=ZONE).Vpc.SubnetId == told.SubnetId
    default = network.CreateDefaultSecurityGroup().SecurityGroup
    groups = network.DescribeSecurityGroups(SecurityGroupIds=[default.SecurityGroupId])
    assert groups.SecurityGroupSet[0].SecurityGroupName == "default"


def test_terraform_makes_reads_changes_and_destroys_networks(network: Network) -> None:
    vpc_id = network.CreateVpc(
        VpcName="net",
        CidrBlock="172.18.0.0/16",
        EnableMulticast="true",
        Tags=[{"Key": "team", "Value": "a"}],
        EnableRouteVpcPublish=False,
        EnableRouteVpcPublishIpv6=False,
    ).Vpc.VpcId
    by_id = {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}], "Limit": "100", "Offset": "0"}
    vpc = network.DescribeVpcs(**by_id).VpcSet[0]
    assert (vpc.VpcName, vpc.EnableMulticast, vpc.IsDefault, vpc.DnsServerSet) == ("net", True, False, [])
    assert [(tag.Key, tag.Value) for tag in vpc.TagSet] == [("team", "a")]
    network.ModifyVpcAttribute(VpcId=vpc_id, VpcName="new", EnableMulticast="false", EnableRouteVpcPublish=False)
    assert network.DescribeVpcs(**by_id).VpcSet[0].VpcName == "new"

    subnet = {"VpcId": vpc_id, "SubnetName": "part", "CidrBlock": "172.18.1.0/24", "Zone": ZONE}
    subnet_id = network.CreateSubnet(**subnet).Subnet.SubnetId
    network.ModifySubnetAttribute(SubnetId=subnet_id, SubnetName="part", EnableBroadcast="true")
    found = network.DescribeSubnets(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}], Limit="100", Offset="0")
    assert found.SubnetSet[0].RouteTableId.startswith("rtb-")
    assert found.SubnetSet[0].EnableBroadcast
    assert (found.SubnetSet[0].AvailableIpAddressCount, found.SubnetSet[0].CdcId) == (253, "")
    assert code(network.CreateSubnet, **subnet) == "InvalidParameterValue.SubnetConflict"
    assert code(network.CreateSubnet, **subnet | {"CidrBlock": "10.0.0.0/24"}) == "InvalidParameterValue.SubnetRange"
    assert code(network.CreateVpc, VpcName="net", CidrBlock="8.8.0.0/16") == "InvalidParameterValue"
    assert code(network.CreateVpc, VpcName="net", CidrBlock="10.0.0.0") == "InvalidParameterValue.Malformed"

    assert code(network.DeleteVpc, VpcId=vpc_id) == "ResourceInUse"
    network.DeleteSubnet(SubnetId=subnet_id)
    network.DeleteVpc(VpcId=vpc_id)
    assert network.DescribeVpcs(**by_id).TotalCount == 0


def test_terraform_makes_reads_changes_and_destroys_security_groups(network: Network) -> None:
    group_id = network.CreateSecurityGroup(GroupName="web", GroupDescription="", ProjectId="0").SecurityGroup.SecurityGroupId
    read = network.DescribeSecurityGroups(SecurityGroupIds=[group_id]).SecurityGroupSet[0]
    assert (read.SecurityGroupName, read.SecurityGroupDesc, read.ProjectId, read.IsDefault) == ("web", "", "0", False)
    web = OPEN | {"Protocol": "TCP", "Port": "80,443"}

    network.ModifySecurityGroupPolicies(
        SecurityGroupId=group_id, SecurityGroupPolicySet={"Ingress": [SSH, web], "Egress": [OPEN | {"Protocol": "ALL"}]}
    )
    assert ports_of(network, group_id) == [(0, "ACCEPT", "TCP 22 0.0.0.0/0"), (1, "ACCEPT", "TCP 80,443 0.0.0.0/0")]
    version = network.DescribeSecurityGroupPolicies(SecurityGroupId=group_id).SecurityGroupPolicySet.Version
    more = {"Ingress": [SSH | {"Port": "8080", "PolicyIndex": 0}], "Version": version}
    network.CreateSecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet=more)
    stale = "UnsupportedOperation.VersionMismatch"
    assert code(network.CreateSecurityGroupPolicies, SecurityGroupId=group_id, SecurityGroupPolicySet=more) == stale
    again = {"SecurityGroupId": group_id, "SecurityGroupPolicySet": {"Ingress": [SSH]}}
    assert code(network.CreateSecurityGroupPolicies, **again) == "UnsupportedOperation.DuplicatePolicy"
    network.ReplaceSecurityGroupPolicy(
        SecurityGroupId=group_id, SecurityGroupPolicySet={"Ingress": [SSH | {"Port": "9090", "PolicyIndex": 0}]}
    )
    network.DeleteSecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet={"Ingress": [web]})
    assert ports_of(network, group_id) == [(0, "ACCEPT", "TCP 9090 0.0.0.0/0"), (1, "ACCEPT", "TCP 22 0.0.0.0/0")]
    network.DeleteSecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet={"Ingress": [{"PolicyIndex": 0}]})
    assert ports_of(network, group_id) == [(0, "ACCEPT", "TCP 22 0.0.0.0/0")]
    assert code(network.DeleteSecurityGroupPolicies, SecurityGroupId=group_id, SecurityGroupPolicySet={"Ingress": [web]}) == (
        "ResourceNotFound"
    )
    network.ModifySecurityGroupPolicies(SecurityGroupId=group_id, SecurityGroupPolicySet={"Version": "0"})
    assert ports_of(network, group_id) == []

    network.ModifySecurityGroupAttribute(SecurityGroupId=group_id, GroupName="new", GroupDescription="described")
    statistics = network.DescribeSecurityGroupAssociationStatistics(SecurityGroupIds=[group_id])
    (counted,) = statistics.SecurityGroupAssociationStatisticsSet
    assert (counted.CVM, counted.CLB, counted.CDB, counted.ENI, counted.SG) == (0, 0, 0, 0, 0)
    network.DeleteSecurityGroup(SecurityGroupId=group_id)
    assert code(network.DescribeSecurityGroups, SecurityGroupIds=[group_id]) == "ResourceNotFound"


def test_a_group_that_another_one_names_is_in_use(network: Network) -> None:
    named = network.CreateSecurityGroup(GroupName="named", GroupDescription="").SecurityGroup.SecurityGroupId
    naming = network.CreateSecurityGroupWithPolicies(
        GroupName="naming",
        GroupDescription="",
        SecurityGroupPolicySet={"Ingress": [{"SecurityGroupId": named, "Action": "ACCEPT"}]},
    ).SecurityGroup.SecurityGroupId

    assert code(network.DeleteSecurityGroup, SecurityGroupId=named) == "ResourceInUse"
    network.DeleteSecurityGroup(SecurityGroupId=naming)
    network.DeleteSecurityGroup(SecurityGroupId=named)


def test_groups_of_instances_are_changed_as_terraform_and_the_console_do(sdk: Sdk, network: Network, disk_url: str) -> None:
    image = import_image(sdk, disk_url)
    first, second = (
        network.CreateSecurityGroup(GroupName=name, GroupDescription="").SecurityGroup.SecurityGroupId for name in ("a", "b")
    )
    (instance_id,) = sdk.RunInstances(
        Placement={"Zone": ZONE},
        ImageId=image.ImageId,
        VirtualPrivateCloud={"VpcId": "DEFAULT", "SubnetId": "DEFAULT"},
        SecurityGroupIds=[first],
    ).InstanceIdSet
    wait_until("it runs", lambda: _running(sdk, instance_id))

    def groups() -> list[str]:
        found: list[str] = sdk.DescribeInstances(InstanceIds=[instance_id]).InstanceSet[0].SecurityGroupIds
        return found

    sdk.AssociateSecurityGroups(SecurityGroupIds=[second], InstanceIds=[instance_id])
    assert groups() == [first, second]
    sdk.ModifyInstancesAttribute(InstanceIds=[instance_id], SecurityGroups=[second, first])
    assert groups() == [second, first]
    sdk.DisassociateSecurityGroups(SecurityGroupIds=[second], InstanceIds=[instance_id])
    assert groups() == [first]
    with pytest.raises(TencentCloudSDKException, match="安全组"):
        sdk.DisassociateSecurityGroups(SecurityGroupIds=[first], InstanceIds=[instance_id])
