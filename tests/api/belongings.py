"""Things of an account, made over the wire and moved on in the catalog as its workflows would."""

import random
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.model.ids import ImageId, InstanceId, Region, SnapshotGroupId, new_id
from linocut.model.records import SnapshotGroup
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState

REGION = Region("ap-guangzhou")
ZONE = "ap-guangzhou-3"


def a_name() -> str:
    return f"name_{random.getrandbits(64):016x}"


def an_import(**changes: Any) -> dict[str, Any]:
    """Return the parameters of an import."""
    return {
        "Architecture": "x86_64",
        "OsType": "Debian",
        "OsVersion": "12",
        "ImageUrl": "http://example.org/disk.qcow2",
        "ImageName": a_name(),
    } | changes


def importing_image(person: Person, **changes: Any) -> str:
    image_id: str = person.call("ImportImage", an_import(**changes))["ImageId"]
    return image_id


def normal_image(cloud: Cloud, person: Person, **changes: Any) -> str:
    image_id = importing_image(person, **changes)
    with cloud.catalog.begin() as tx:
        image = tx.images.get(REGION, ImageId(image_id))
        assert image is not None
        tx.images.move(image, ImageState.NORMAL)
    return image_id


def move_instance(cloud: Cloud, instance_id: str, *states: InstanceState) -> None:
    """Move an instance through these states, and let its latest operation end."""
    with cloud.catalog.begin() as tx:
        for state in states:
            instance = tx.instances.get(REGION, InstanceId(instance_id))
            assert instance is not None
            tx.instances.move(instance, state, latest_operation_state=OperationState.SUCCESS)
        for disk in tx.disks.of([InstanceId(instance_id)])[InstanceId(instance_id)]:
            if disk.state is DiskState.ATTACHING:
                tx.disks.move(disk, DiskState.ATTACHED)


def pending_instance(person: Person, image_id: str, **changes: Any) -> str:
    order = {"Placement": {"Zone": ZONE}, "ImageId": image_id} | changes
    instance_id: str = person.call("RunInstances", order)["InstanceIdSet"][0]
    return instance_id


def running_instance(cloud: Cloud, person: Person, image_id: str, **changes: Any) -> str:
    instance_id = pending_instance(person, image_id, **changes)
    move_instance(cloud, instance_id, InstanceState.RUNNING)
    return instance_id


def public_key() -> str:
    """Return a new public key in OpenSSH's form."""
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def key_pair(person: Person) -> str:
    parameters = {"KeyName": a_name()[:25], "ProjectId": 0, "PublicKey": public_key()}
    key_id: str = person.call("ImportKeyPair", parameters)["KeyId"]
    return key_id


@dataclass(frozen=True)
class Belongings:
    """One of each."""

    image_id: str
    instance_id: str
    key_id: str
    vpc_id: str
    subnet_id: str
    group_id: str
    disk_id: str
    snapshot_id: str
    policy_id: str
    snapshot_group_id: str


def networks(person: Person) -> tuple[str, str, str]:
    """Make a VPC, a subnet and a security group, and return their ids."""
    vpc = {"VpcName": "net", "CidrBlock": "10.0.0.0/16"}
    vpc_id: str = person.call("CreateVpc", vpc, service="vpc")["Vpc"]["VpcId"]
    subnet = {"VpcId": vpc_id, "SubnetName": "part", "CidrBlock": "10.0.8.0/24", "Zone": ZONE}
    subnet_id: str = person.call("CreateSubnet", subnet, service="vpc")["Subnet"]["SubnetId"]
    group = {"GroupName": "web", "GroupDescription": "what it is for"}
    group_id: str = person.call("CreateSecurityGroup", group, service="vpc")["SecurityGroup"]["SecurityGroupId"]
    return vpc_id, subnet_id, group_id


def policy(person: Person, **changes: Any) -> str:
    rules = [{"Hour": [7], "DayOfWeek": [1]}]
    made = person.call("CreateAutoSnapshotPolicy", {"Policy": rules} | changes, service="cbs")
    return str(made["AutoSnapshotPolicyId"])


def snapshot_group(cloud: Cloud, person: Person, instance_id: str) -> str:
    """Make a group of no snapshots."""
    group = SnapshotGroup(
        group_id=SnapshotGroupId(new_id("csnap", cloud.randomness)),
        owner=person.account.uin,
        region=REGION,
        name="nightly",
        instance_id=InstanceId(instance_id),
        policy_id=None,
        deadline=None,
        request_id="",
        created_at=cloud.now(),
        changed_at=cloud.now(),
    )
    with cloud.catalog.begin() as tx:
        tx.snapshot_groups.add(group)
    return group.group_id


def one_of_each(cloud: Cloud, person: Person) -> Belongings:
    image_id = normal_image(cloud, person)
    instance_id = running_instance(cloud, person, image_id)
    [disk] = person.call("DescribeDisks", service="cbs")["DiskSet"]
    [snapshot] = person.call("DescribeSnapshots", service="cbs")["SnapshotSet"]
    ids = (disk["DiskId"], snapshot["SnapshotId"], policy(person), snapshot_group(cloud, person, instance_id))
    return Belongings(image_id, instance_id, key_pair(person), *networks(person), *ids)
