"""Records to put into a catalog: whole ones, of which a test names what matters to it."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from linocut.catalog import Catalog, Tx, Upload
from linocut.model.ids import (
    AppId,
    DiskId,
    GroupId,
    ImageId,
    InstanceId,
    KeyId,
    Region,
    RootDigest,
    SecretId,
    SnapshotId,
    SubnetId,
    Uin,
    VpcId,
    Zone,
)
from linocut.model.networks import Protocol, Rule, RuleAction, SecurityGroup, Subnet, Vpc
from linocut.model.records import (
    AccessKey,
    Account,
    AuditEntry,
    ClientToken,
    Disk,
    DiskUsage,
    Image,
    ImageSource,
    Instance,
    KeyPair,
    Session,
    Snapshot,
    Tag,
)
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState, SnapshotState

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
HERE = Region("ap-guangzhou")
THERE = Region("ap-shanghai")
ANNA, BERT, CLEO = Uin("100000000001"), Uin("100000000002"), Uin("100000000003")

_numbers = itertools.count(1)


def _id(prefix: str) -> str:
    return f"{prefix}-{next(_numbers):08d}"


def a_root(digit: str) -> RootDigest:
    return RootDigest(digit * 64)


def an_account(uin: Uin, **fields: Any) -> Account:
    return replace(Account(uin, AppId(int(uin) - 10**11), f"account {uin}", is_operator=False, created_at=NOW), **fields)


def an_access_key(uin: Uin, **fields: Any) -> AccessKey:
    return replace(AccessKey(SecretId(f"AKID{uin}"), uin, b"\x00sealed\xff", NOW), **fields)


def join(catalog: Catalog, *uins: Uin) -> None:
    """Add accounts."""
    with catalog.begin() as tx:
        join_in(tx, *uins)


def join_in(tx: Tx, *uins: Uin) -> None:
    for uin in uins:
        tx.accounts.add(an_account(uin), an_access_key(uin))


def an_image(owner: Uin = ANNA, **fields: Any) -> Image:
    image_id = ImageId(_id("img"))
    image = Image(
        image_id=image_id,
        owner=owner,
        region=HERE,
        name=f"image {image_id}",
        description="what it is for",
        state=ImageState.NORMAL,
        source=ImageSource.EXTERNAL_IMPORT,
        is_public=False,
        platform="Debian",
        os_name="Debian 12 64bit",
        architecture="x86_64",
        size_gb=20,
        license_type="TencentCloud",
        boot_mode="Legacy BIOS",
        family="debian",
        deprecated=False,
        supports_cloud_init=True,
        percent=40,
        failure="",
        source_url="http://127.0.0.1/debian.qcow2",
        source_instance=InstanceId("ins-00000000"),
        force_poweroff=True,
        request_id="request",
        created_at=NOW,
        tags=(Tag("role", "web"), Tag("env", "test")),
    )
    return replace(image, **fields)


def a_snapshot(owner: Uin = ANNA, **fields: Any) -> Snapshot:
    snapshot = Snapshot(
        snapshot_id=SnapshotId(_id("snap")),
        owner=owner,
        region=HERE,
        name="system",
        usage=DiskUsage.SYSTEM_DISK,
        state=SnapshotState.NORMAL,
        size_bytes=500 * 2**40,
        root=a_root("a"),
        disk_id=DiskId("disk-00000000"),
        percent=100,
        created_at=NOW,
    )
    return replace(snapshot, **fields)


def a_disk(instance: Instance, **fields: Any) -> Disk:
    disk = Disk(
        disk_id=DiskId(_id("disk")),
        owner=instance.owner,
        region=instance.region,
        zone=instance.zone,
        instance_id=instance.instance_id,
        usage=DiskUsage.SYSTEM_DISK,
        position=0,
        name="system",
        disk_type="CLOUD_PREMIUM",
        size_gb=50,
        state=DiskState.ATTACHING,
        base_root=a_root("b"),
        synced_root=None,
        synced_mark=None,
        delete_with_instance=True,
        created_at=NOW,
    )
    return replace(disk, **fields)


def an_instance(owner: Uin = ANNA, **fields: Any) -> Instance:
    instance = Instance(
        instance_id=InstanceId(_id("ins")),
        uuid="0d2c0b9a-7d2f-4b52-9d0f-5fbb3a1c7c11",
        owner=owner,
        region=HERE,
        zone=Zone("ap-guangzhou-3"),
        name="web",
        host_name="web-1",
        instance_type="S5.SMALL1",
        vcpus=1,
        memory_mb=1024,
        image_id=ImageId("img-00000000"),
        os_name="Debian 12 64bit",
        state=InstanceState.PENDING,
        address="127.0.31.7",
        mac="52:54:00:00:00:07",
        key_ids=(KeyId("skey-00000002"), KeyId("skey-00000001")),
        password_hash="$6$salt$hash",
        keep_image_login=False,
        user_data=b"#!/bin/sh\x00\xff",
        charge_type="POSTPAID_BY_HOUR",
        disable_termination=False,
        latest_operation="RunInstances",
        latest_operation_state=OperationState.OPERATING,
        latest_operation_error="",
        latest_request_id="request-1",
        created_at=NOW,
        started_at=None,
        launch_ms={"overlay": 1.5, "qemu": 20.25},
        tags=(Tag("role", "web"),),
    )
    return replace(instance, **fields)


def a_key(owner: Uin = ANNA, **fields: Any) -> KeyPair:
    key_id = KeyId(_id("skey"))
    key = KeyPair(
        key_id=key_id,
        owner=owner,
        name=f"key_{key_id[-4:]}",
        project_id=0,
        description="",
        public_key=f"ssh-ed25519 {key_id}",
        created_at=NOW,
        tags=(Tag("team", "a"),),
    )
    return replace(key, **fields)


def a_token(owner: Uin = ANNA, **fields: Any) -> ClientToken:
    token = ClientToken(owner, HERE, "token", "digest", (InstanceId("ins-00000002"), InstanceId("ins-00000001")), NOW)
    return replace(token, **fields)


def an_upload(owner: Uin = ANNA, **fields: Any) -> Upload:
    return replace(Upload(_id("upload"), owner, HERE, 2**40, "f" * 64, NOW), **fields)


def a_session(uin: Uin = ANNA, **fields: Any) -> Session:
    session = Session(SecretId(_id("akid")), uin, "roleName/build", "ci", b"sealed\x00", "d" * 64, NOW, NOW + timedelta(hours=2))
    return replace(session, **fields)


def an_audit_entry(uin: Uin = ANNA, **fields: Any) -> AuditEntry:
    entry = AuditEntry(NOW, uin, SecretId("AKID"), "127.0.0.1", HERE, "cvm", "RunInstances", "request-1", "ok", ("ins-00000001",))
    return replace(entry, **fields)


def a_vpc(owner: Uin = ANNA, **fields: Any) -> Vpc:
    vpc = Vpc(
        vpc_id=VpcId(_id("vpc")),
        owner=owner,
        region=HERE,
        name="Net",
        cidr="10.0.0.0/16",
        is_default=False,
        multicast=True,
        route_table_id=_id("rtb"),
        created_at=NOW,
        tags=(Tag("team", "a"),),
    )
    return replace(vpc, **fields)


def a_subnet(vpc: Vpc, **fields: Any) -> Subnet:
    subnet = Subnet(
        subnet_id=SubnetId(_id("subnet")),
        vpc_id=vpc.vpc_id,
        owner=vpc.owner,
        region=vpc.region,
        zone=Zone("ap-guangzhou-3"),
        name="Part",
        cidr="10.0.8.0/24",
        is_default=False,
        broadcast=False,
        created_at=NOW,
        tags=(Tag("team", "b"),),
    )
    return replace(subnet, **fields)


def a_rule(**fields: Any) -> Rule:
    rule = Rule(Protocol.TCP, "22,8000-8010", RuleAction.ACCEPT, cidr="0.0.0.0/0", description="ssh", modified_at=NOW)
    return replace(rule, **fields)


def a_group(owner: Uin = ANNA, **fields: Any) -> SecurityGroup:
    group = SecurityGroup(
        group_id=GroupId(_id("sg")),
        owner=owner,
        region=HERE,
        name="Web",
        description="what it is for",
        is_default=False,
        version=7,
        ingress=(a_rule(), a_rule(ports="ALL", action=RuleAction.DROP, modified_at=None)),
        egress=(),
        created_at=NOW,
        updated_at=NOW,
        tags=(Tag("team", "c"),),
    )
    return replace(group, **fields)
