"""What the service keeps of each noun: accounts, images, snapshots, disks, instances, key pairs, shares.

These are values: frozen, without behaviour beyond questions about themselves. Times are aware datetimes in UTC; sizes say
their unit in their name.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from linocut.model.ids import (
    AppId,
    DiskId,
    GroupId,
    ImageId,
    InstanceId,
    KeyId,
    PolicyId,
    Region,
    RootDigest,
    SecretId,
    SnapshotGroupId,
    SnapshotId,
    SubnetId,
    TaskId,
    Uin,
    VpcId,
    Zone,
)
from linocut.model.states import CopyState, DiskState, ImageState, InstanceState, OperationState, SnapshotState, TaskState


@dataclass(frozen=True, slots=True)
class Tag:
    """A key and a value put on a resource."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant."""

    uin: Uin
    app_id: AppId
    name: str
    is_operator: bool
    created_at: datetime
    currency: str = "CNY"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A secret id and its secret key, the latter sealed by the service's own key."""

    secret_id: SecretId
    uin: Uin
    sealed_secret_key: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of a role of an account.

    `role` is the resource of its ARN, ``roleName/<name>`` or ``role/<number>``. The secret key is sealed by the service's own
    key; of the token, which goes with each request, only the SHA-256 is kept.
    """

    secret_id: SecretId
    uin: Uin
    role: str
    name: str
    sealed_secret_key: bytes
    token_digest: str
    created_at: datetime
    expires_at: datetime


BYOL: Final = "BYOL"
"""The licence type of an image that brings a licence of its own."""


class ImageSource(StrEnum):
    """Where an image comes from."""

    OFFICIAL = "OFFICIAL"
    CREATE_IMAGE = "CREATE_IMAGE"
    EXTERNAL_IMPORT = "EXTERNAL_IMPORT"


class DiskUsage(StrEnum):
    """What a disk is for."""

    SYSTEM_DISK = "SYSTEM_DISK"
    DATA_DISK = "DATA_DISK"


@dataclass(frozen=True, slots=True)
class Image:
    """A machine image: what is needed to start instances of it.

    `source_url` is where an import reads from; it is empty once the import has ended. `failure` is the public reason of a
    failed creation or import. `percent` is the progress of a creation or import, 0 to 100. `windows_of` is the public image of
    Windows that a custom image descends from, through whatever instances, snapshots, copies and regions.
    """

    image_id: ImageId
    owner: Uin
    region: Region
    name: str
    description: str
    state: ImageState
    source: ImageSource
    is_public: bool
    platform: str
    os_name: str
    architecture: str
    size_gb: int
    license_type: str
    boot_mode: str
    family: str
    deprecated: bool
    supports_cloud_init: bool
    percent: int
    failure: str
    source_url: str
    source_instance: InstanceId | None
    force_poweroff: bool
    request_id: str
    created_at: datetime
    windows_of: ImageId | None = None
    tags: tuple[Tag, ...] = ()

    @property
    def windows_licence(self) -> ImageId | None:
        """The public image of Windows whose licence, the service's, its instances take; None where they take none."""
        if self.license_type == BYOL:
            return None
        return self.image_id if self.is_public and self.platform == "Windows" else self.windows_of


@dataclass(frozen=True, slots=True)
class GuestSystem:
    """What is known of the operating system on a disk; by default as little as of any."""

    platform: str = "Other Linux"
    os_name: str = "Other Linux 64bit"
    architecture: str = "x86_64"
    license_type: str = "TencentCloud"
    boot_mode: str = "Legacy BIOS"
    supports_cloud_init: bool = True
    windows_of: ImageId | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree with an owner: the content of one disk at one moment.

    `root` is None until the content is in the region store. `size_bytes` is the disk's virtual size. `is_copy` says that it came,
    or comes, from a snapshot of another region. It is deleted at its `deadline`, unless that is None. `policy_id` is the policy
    that had it taken, `group_id` the group that it was taken with, at one moment. `is_frozen` says that the guest had brought its
    file systems to rest at that moment. `request_id` is the call that asked for it. `system` tells what is on a system disk where
    no image or instance of the region does. `windows_of` is what
    it is of images.
    """

    snapshot_id: SnapshotId
    owner: Uin
    region: Region
    name: str
    usage: DiskUsage
    state: SnapshotState
    size_bytes: int
    root: RootDigest | None
    disk_id: DiskId | None
    percent: int
    created_at: datetime
    is_copy: bool = False
    changed_at: datetime | None = None
    deadline: datetime | None = None
    policy_id: PolicyId | None = None
    group_id: SnapshotGroupId | None = None
    is_frozen: bool = False
    request_id: str = ""
    system: GuestSystem | None = None
    windows_of: ImageId | None = None


@dataclass(frozen=True, slots=True)
class SnapshotGroup:
    """Snapshots of several disks of one instance, of one moment. Its state is that of its snapshots."""

    group_id: SnapshotGroupId
    owner: Uin
    region: Region
    name: str
    instance_id: InstanceId
    policy_id: PolicyId | None
    deadline: datetime | None
    request_id: str
    created_at: datetime
    changed_at: datetime
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotShare:
    """An account that a snapshot is shared with."""

    snapshot_id: SnapshotId
    account: Uin
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """When a policy has snapshots taken: at these hours (0 to 23) of these days.

    Days are those of the week (0 is Sunday), or of the month, or every so many days since the policy was made. Of these the first
    that is given counts.
    """

    hours: tuple[int, ...]
    days_of_week: tuple[int, ...] = ()
    days_of_month: tuple[int, ...] = ()
    interval_days: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """Has snapshots of disks taken by schedule, and deletes its own when they are older than `retention_days`, unless that is 0.

    Of each disk it keeps no more than `retention_amount`, unless that is 0. `next_at` is when it is due next; None where it is
    not activated.
    """

    policy_id: PolicyId
    owner: Uin
    region: Region
    name: str
    is_activated: bool
    rules: tuple[PolicyRule, ...]
    retention_days: int
    next_at: datetime | None
    created_at: datetime
    retention_amount: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """An account that an image is shared with."""

    image_id: ImageId
    account: Uin
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Disk:
    """A writable overlay on a tree, attached to an instance or to none.

    A `portable` disk can be detached and attached; `last_instance` is the one that it was detached from. `request_id` is the call
    that asked for what is under way on it. `base_root` is the tree below the overlay, None for an empty disk, and `base_snapshot`
    the snapshot that it was of; `origin_snapshot` is the one that the disk was made of. `synced_root` and `synced_mark` name the
    last tree taken from the disk and the mark in its overlay since which writes are recorded. `generation` counts how often the
    content was thrown away for a fresh overlay.
    """

    disk_id: DiskId
    owner: Uin
    region: Region
    zone: Zone
    instance_id: InstanceId | None
    usage: DiskUsage
    position: int
    name: str
    disk_type: str
    size_gb: int
    state: DiskState
    base_root: RootDigest | None
    synced_root: RootDigest | None
    synced_mark: str | None
    delete_with_instance: bool
    created_at: datetime
    generation: int = 0
    base_snapshot: SnapshotId | None = None
    origin_snapshot: SnapshotId | None = None
    portable: bool = False
    charge_type: str = "POSTPAID_BY_HOUR"
    last_instance: InstanceId | None = None
    request_id: str = ""


RENEWING: Final = frozenset({"ResetInstance", "ApplySnapshot", "ApplySnapshotGroup"})
"""Operations that give disks of an instance another content."""
_NO_VPC: Final = VpcId("")
_NO_SUBNET: Final = SubnetId("")


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine with its login, address and latest operation.

    `password_hash` is a crypt(3) hash or empty; behind a `!` it waits until no key pair is bound. `login_generation` counts the
    changes of the login. `launch_ms` holds what our part of the launch took, a name and milliseconds each.
    Its network is empty where it is older than networks. `address` is its public address too, where it has one. `windows_of` is
    the public image of Windows that it descends from, if its licence is the service's.
    """

    instance_id: InstanceId
    uuid: str
    owner: Uin
    region: Region
    zone: Zone
    name: str
    host_name: str
    instance_type: str
    vcpus: int
    memory_mb: int
    image_id: ImageId
    os_name: str
    state: InstanceState
    address: str
    mac: str
    key_ids: tuple[KeyId, ...]
    password_hash: str
    keep_image_login: bool
    user_data: bytes
    charge_type: str
    disable_termination: bool
    latest_operation: str
    latest_operation_state: OperationState
    latest_operation_error: str
    latest_request_id: str
    created_at: datetime
    started_at: datetime | None = None
    launch_ms: dict[str, float] = field(default_factory=dict)
    login_generation: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    vpc_id: VpcId = _NO_VPC
    subnet_id: SubnetId = _NO_SUBNET
    group_ids: tuple[GroupId, ...] = ()
    has_public_address: bool = False
    bandwidth_mbps: int = 0
    internet_charge_type: str = "TRAFFIC_POSTPAID_BY_HOUR"
    boot_mode: str = "Legacy BIOS"
    license_type: str = "TencentCloud"
    windows_of: ImageId | None = None
    tags: tuple[Tag, ...] = ()

    @property
    def is_windows(self) -> bool:
        """Tell whether it runs Windows."""
        return "Windows" in self.os_name

    @property
    def is_half_reinstalled(self) -> bool:
        """Tell whether its latest operation was to give it a new system disk, or to roll disks back, and failed."""
        return self.latest_operation in RENEWING and self.latest_operation_state is OperationState.FAILED


@dataclass(frozen=True, slots=True)
class DisplayTicket:
    """A way to an instance's screen that opens once. Of its token only the SHA-256 is kept."""

    token_digest: str
    owner: Uin
    region: Region
    instance_id: InstanceId
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An SSH public key that instances take at their start."""

    key_id: KeyId
    owner: Uin
    name: str
    project_id: int
    description: str
    public_key: str
    created_at: datetime
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientToken:
    """What was made by a call that may be repeated: the same token gives the same instances, or the same disks.

    `token` is the client's, behind the action's name and a colon where that is not RunInstances.
    """

    owner: Uin
    region: Region
    token: str
    order_digest: str
    resource_ids: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One mutating call: who asked for what, and what came of it.

    `outcome` is `ok` or the error's code; `resources` are the ids that the request or its answer names.
    """

    at: datetime
    uin: Uin
    secret_id: SecretId
    source: str
    region: Region
    service: str
    action: str
    request_id: str
    outcome: str
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """An image whose disks are being written to files of a bucket, the system disk's first; `format` names a disk format."""

    image_id: ImageId
    owner: Uin
    region: Region
    bucket: str
    keys: tuple[str, ...]
    format: str
    request_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """An asynchronous operation, as whoever asked for it follows it.

    `resource` is what it works on, and `request_id` the call that asked for it: a workflow finds its task by the two.
    `percent`, `bytes_done` and `bytes_total` are its progress; the bytes are 0 where an operation moves none. `cancel_asked` says
    that it is to end as soon as it can.
    """

    task_id: TaskId
    owner: Uin
    region: Region
    action: str
    resource: str
    request_id: str
    state: TaskState
    percent: int
    bytes_done: int
    bytes_total: int
    error: str
    cancel_asked: bool
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TreeCopy:
    """A tree of an image that a region gets, or got, from another one.

    `snapshot_id` is the image's snapshot of the tree: of the image's copy where `source_image` is another image than `image_id`,
    or of a public image, which is the same in every region. `request_id` tells repeated copies apart.
    """

    region: Region
    snapshot_id: SnapshotId
    image_id: ImageId
    source_image: ImageId
    source_region: Region
    root: RootDigest
    state: CopyState
    request_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SnapshotCopy:
    """A snapshot that is to come to a region from one of another region: `snapshot_id` is the one to be.

    The tree is kept in both regions until it has come, whatever becomes of the snapshot that it is of there.
    """

    snapshot_id: SnapshotId
    region: Region
    source_snapshot: SnapshotId
    source_region: Region
    root: RootDigest
    request_id: str
    created_at: datetime
