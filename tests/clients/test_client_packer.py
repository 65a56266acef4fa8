"""The calls that Packer's builder for Tencent Cloud makes, in their order, with the values it sends.

What the builder reads of an answer without asking whether it is there is read so here too. Source: packer-plugin-tencentcloud,
builder tencentcloud-cvm.
"""

from functools import partial
from typing import Any, Final

from official_clients import Sdk, Service, wait_until
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from test_client_sdk import code, import_image

ZONE: Final = "ap-guangzhou-3"
REGION_OF_COPY: Final = "ap-shanghai"
TARGET: Final = "PackerTarget"
RUN: Final = "packer_0123abcd"
ANYWHERE: Final = {"CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}


class Packer:
    """One run of the builder; each method is one of its steps."""

    def __init__(self, sdk: Sdk, elsewhere: Sdk, source: str) -> None:
        self.sdk, self.elsewhere, self.source = sdk, elsewhere, source
        self.vpc = sdk.of("vpc")

    def check_names(self) -> None:
        assert ZONE in {zone.Zone for zone in self.sdk.DescribeZones().ZoneSet}
        found = self.sdk.DescribeImages(Filters=[{"Name": "image-name", "Values": [TARGET]}])
        assert found.TotalCount == 0 or all(image.ImageName != TARGET for image in found.ImageSet)

    def find_source(self) -> list[dict[str, Any]]:
        """Return the data disks that the builder orders for the source image's."""
        found = self.sdk.DescribeImages(InstanceType="S5.SMALL1", ImageIds=[self.source])
        assert found.TotalCount > 0
        assert found.ImageSet[0].ImageId == self.source
        snapshots = found.ImageSet[0].SnapshotSet
        return [
            {"DiskType": "CLOUD_PREMIUM", "DiskSize": snapshot.DiskSize, "SnapshotId": snapshot.SnapshotId}
            for snapshot in snapshots
            if len(snapshots) > 1 and snapshot.DiskUsage == "DATA_DISK"
        ]

    def make_key(self) -> None:
        pair = self.sdk.CreateKeyPair(KeyName=RUN, ProjectId=0).KeyPair
        assert pair.PrivateKey.startswith("-----BEGIN RSA PRIVATE KEY-----")
        self.key = pair.KeyId

    def make_network(self) -> None:
        self.vpc_id = self.vpc.CreateVpc(VpcName=RUN, CidrBlock="10.0.0.0/16").Vpc.VpcId
        subnet = {"VpcId": self.vpc_id, "SubnetName": RUN, "CidrBlock": "10.0.8.0/24", "Zone": ZONE}
        self.subnet_id = self.vpc.CreateSubnet(**subnet).Subnet.SubnetId
        group = {"GroupName": RUN, "GroupDescription": "securitygroup for packer"}
        self.group_id = self.vpc.CreateSecurityGroup(**group).SecurityGroup.SecurityGroupId
        for direction in ("Ingress", "Egress"):
            rules = {"SecurityGroupId": self.group_id, "SecurityGroupPolicySet": {direction: [ANYWHERE]}}
            self.vpc.CreateSecurityGroupPolicies(**rules)

    def run_instance(self, data_disks: list[dict[str, Any]]) -> None:
        started = self.sdk.RunInstances(
            Placement={"Zone": ZONE},
            InstanceChargeType="POSTPAID_BY_HOUR",
            ImageId=self.source,
            InstanceType="S5.SMALL1",
            SystemDisk={"DiskType": "CLOUD_PREMIUM", "DiskSize": 50},
            DataDisks=data_disks,
            VirtualPrivateCloud={"VpcId": self.vpc_id, "SubnetId": self.subnet_id},
            InternetAccessible={"PublicIpAssigned": True, "InternetMaxBandwidthOut": 1},
            InstanceName=RUN,
            LoginSettings={"KeyIds": [self.key]},
            SecurityGroupIds=[self.group_id],
            ClientToken=RUN,
            HostName=RUN[:15].replace("_", "-"),
            UserData="",
            CamRoleName="",
            TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "who", "Value": "packer"}]}],
        )
        [self.instance_id] = started.InstanceIdSet
        self.await_instance()

    def await_instance(self) -> Any:
        def look() -> Any:
            found = self.sdk.DescribeInstances(InstanceIds=[self.instance_id])
            assert found.TotalCount != 0
            [instance] = found.InstanceSet
            ready = instance.InstanceState == "RUNNING" and instance.LatestOperationState != "OPERATING"
            return instance if ready else None

        return wait_until("the instance is RUNNING", look)

    def login_address(self) -> str:
        instance = self.await_instance()
        self.disk_ids = [disk.DiskId for disk in instance.DataDisks]
        return str((instance.PublicIpAddresses or instance.PrivateIpAddresses)[0])

    def take_key_off(self) -> None:
        self.sdk.DisassociateInstancesKeyPairs(InstanceIds=[self.instance_id], KeyIds=[self.key], ForceStop=True)
        self.await_instance()

    def make_image(self) -> None:
        self.sdk.CreateImage(
            ImageName=TARGET,
            ImageDescription="",
            InstanceId=self.instance_id,
            DataDiskIds=self.disk_ids,
            ForcePoweroff="True",
            Sysprep="False",
            TagSpecification=[{"ResourceType": "image", "Tags": [{"Key": "made", "Value": "by packer"}]}],
        )
        self.image_id = self.await_image(self.sdk)

    def await_image(self, sdk: Sdk) -> str:
        """Find the image by its name, as the builder does: only the first page, and only an exact name."""

        def look() -> Any:
            found = sdk.DescribeImages(Filters=[{"Name": "image-name", "Values": [TARGET]}])
            exact = [image for image in found.ImageSet if image.ImageName == TARGET] if found.TotalCount else []
            return exact[0].ImageId if exact and exact[0].ImageState == "NORMAL" else None

        return str(wait_until("the image is NORMAL", look))

    def share_and_copy(self, account: str) -> None:
        self.sdk.ModifyImageSharePermission(ImageId=self.image_id, AccountIds=[account], Permission="SHARE")
        self.sdk.SyncImages(ImageIds=[self.image_id], DestinationRegions=[REGION_OF_COPY])
        self.copy_id = self.await_image(self.elsewhere)

    def clean_up(self) -> None:
        """Remove what the run made; what is in use until the instance is gone is tried again on the codes that mean so."""
        self.sdk.TerminateInstances(InstanceIds=[self.instance_id])
        for remove, named in (
            (self.vpc.DeleteSecurityGroup, {"SecurityGroupId": self.group_id}),
            (self.vpc.DeleteSubnet, {"SubnetId": self.subnet_id}),
            (self.vpc.DeleteVpc, {"VpcId": self.vpc_id}),
            (self.sdk.DeleteKeyPairs, {"KeyIds": [self.key]}),
        ):
            wait_until(f"{named} is gone", partial(_removed, remove, named))

    def destroy(self, sdk: Sdk, image_id: str) -> None:
        """Destroy the artifact in one region."""
        assert sdk.DescribeImages(ImageIds=[image_id]).TotalCount == 1
        shares = [share.AccountId for share in sdk.DescribeImageSharePermission(ImageId=image_id).SharePermissionSet]
        if shares:
            sdk.ModifyImageSharePermission(ImageId=image_id, AccountIds=shares, Permission="CANCEL")
        sdk.DeleteImages(ImageIds=[image_id])
        assert sdk.DescribeImages(ImageIds=[image_id]).TotalCount == 0


def _removed(remove: Any, named: dict[str, Any]) -> bool:
    try:
        remove(**named)
    except TencentCloudSDKException as refusal:
        if "ResourceInUse" in refusal.code or refusal.code == "InvalidParameterValue.KeyPairNotSupported":
            return False
        raise
    return True


def test_packer_builds_shares_copies_and_destroys_an_image(service: Service, sdk: Sdk, other: Sdk, disk_url: str) -> None:
    source = import_image(sdk, disk_url, ImportImageDataDiskList=[{"ImageUrl": disk_url}]).ImageId
    english = Sdk(service, sdk.keys, language="en-US")
    packer = Packer(english, Sdk(service, sdk.keys, region=REGION_OF_COPY, language="en-US"), source)

    packer.check_names()
    data_disks = packer.find_source()
    assert len(data_disks) == 1
    packer.make_key()
    packer.make_network()
    packer.run_instance(data_disks)
    assert packer.login_address().startswith("127.")
    assert len(packer.disk_ids) == 1
    packer.take_key_off()
    packer.make_image()
    assert code(sdk.CreateImage, ImageName=TARGET, InstanceId=packer.instance_id) == "InvalidImageName.Duplicate"
    packer.share_and_copy(other.keys.uin)
    assert [image.ImageName for image in other.DescribeImages(ImageIds=[packer.image_id]).ImageSet] == [TARGET]
    packer.clean_up()
    assert sdk.DescribeKeyPairs(KeyIds=[packer.key]).TotalCount == 0

    [image] = sdk.DescribeImages(ImageIds=[packer.image_id]).ImageSet
    assert [snapshot.DiskUsage for snapshot in image.SnapshotSet] == ["SYSTEM_DISK", "DATA_DISK"]
    assert [(tag.Key, tag.Value) for tag in image.Tags] == [("made", "by packer")]
    packer.destroy(packer.sdk, packer.image_id)
    packer.destroy(packer.elsewhere, packer.copy_id)
    assert other.DescribeImages(ImageIds=[packer.image_id]).TotalCount == 0


def test_packer_that_is_given_its_network_and_its_key_uses_them(sdk: Sdk, disk_url: str) -> None:
    source = import_image(sdk, disk_url).ImageId
    packer = Packer(sdk, sdk, source)
    packer.make_key()
    packer.make_network()

    found = packer.vpc.DescribeVpcs(VpcIds=[packer.vpc_id])
    assert (found.TotalCount, found.VpcSet[0].VpcId, found.VpcSet[0].VpcName) == (1, packer.vpc_id, RUN)
    subnets = packer.vpc.DescribeSubnets(SubnetIds=[packer.subnet_id])
    assert (subnets.TotalCount, subnets.SubnetSet[0].VpcId) == (1, packer.vpc_id)
    groups = packer.vpc.DescribeSecurityGroups(SecurityGroupIds=[packer.group_id])
    assert (groups.TotalCount, groups.SecurityGroupSet[0].SecurityGroupName) == (1, RUN)
    packer.run_instance([])
    assert packer.login_address().startswith("127.")
    packer.clean_up()


def test_packer_that_is_run_again_under_one_name_gets_a_new_instance(sdk: Sdk, disk_url: str) -> None:
    packer = Packer(sdk, sdk, import_image(sdk, disk_url).ImageId)
    packer.make_key()
    packer.make_network()
    packer.run_instance([])
    first = packer.instance_id
    packer.clean_up()

    packer.make_key()
    packer.make_network()
    packer.run_instance([])

    assert packer.instance_id != first
    packer.clean_up()
