"""What the service keeps of each noun: accounts, images, snapshots, disks, instances, key pairs, shares.

These are values: frozen, without behaviour beyond questions about themselves. Times are aware datetimes in UTC; sizes say
their unit in their name.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from linocut.model.ids import (
    AppId,
    DiskId,
    ImageId,
    InstanceId,
    KeyId,
    Region,
    RootDigest,
    SecretId,
    SnapshotId,
    Uin,
    Zone,
)
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState, SnapshotState


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
    failed creation or import. `percent` is the progress of a creation or import, 0 to 100.
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
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree with an owner: the content of one disk at one moment.

    `root` is None until the content is in the region store. `size_bytes` is the disk's virtual size.
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


@dataclass(frozen=True, slots=True)
class Share:
    """An account that an image is shared with."""

    image_id: ImageId
    account: Uin
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Disk:
    """A writable overlay on a tree, attached to an instance.

    `base_root` is the tree below the overlay, None for an empty disk. `synced_root` and `synced_mark` name the last tree taken
    from the disk and the mark in the running machine since which writes are recorded.
    """

    disk_id: DiskId
    owner: Uin
    region: Region
    zone: Zone
    instance_id: InstanceId
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


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine with its login, address and latest operation.

    `password_hash` is a crypt(3) hash or empty. `launch_ms` holds what our part of the launch took, a name and milliseconds each.
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
    tags: tuple[Tag, ...] = ()


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
    """A launch that may be asked for again: the same token gives the same instances."""

    owner: Uin
    region: Region
    token: str
    order_digest: str
    instance_ids: tuple[InstanceId, ...]
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
