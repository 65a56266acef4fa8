"""Lists of instances. Source: CVM DescribeInstances, DescribeInstancesStatus."""

from typing import Any, Final

from msgspec import UNSET, UnsetType, field

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, PageRequest, Tag, filters_by_name, ids_asked, os_name, tag_list, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import instances
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.instances import InstanceQuery, InstanceView
from linocut.model import errors, records
from linocut.model.states import InstanceState

_SSH_PORT: Final = 22
_RDP_PORT: Final = 3389
_TRAFFIC: Final = "TRAFFIC_POSTPAID_BY_HOUR"


class DescribeInstances(PageRequest):
    """Which instances: ids or filters, and a page."""

    instance_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()


class DescribeInstancesStatus(PageRequest):
    """Which instances, and a page."""

    instance_ids: tuple[str, ...] = ()


class Placement(Shape):
    """Where an instance is."""

    zone: str
    project_id: int = 0


class SystemDisk(Shape):
    """An instance's system disk."""

    disk_type: str = ""
    disk_id: str = ""
    disk_size: int = 0
    disk_name: str = ""
    encrypt: bool = False


class DataDisk(Shape):
    """An instance's data disk."""

    disk_type: str
    disk_id: str
    disk_size: int
    disk_name: str
    delete_with_instance: bool
    snapshot_id: str | UnsetType = UNSET
    encrypt: bool = False
    throughput_performance: int = 0
    burst_performance: bool = False


class InternetAccessible(Shape):
    """The bandwidth of an instance, and whether it has a public address."""

    internet_charge_type: str = _TRAFFIC
    internet_max_bandwidth_out: int = 0
    public_ip_assigned: bool = False


class VirtualPrivateCloud(Shape):
    """The network of an instance."""

    private_ip_addresses: list[str]
    vpc_id: str = ""
    subnet_id: str = ""
    as_vpc_gateway: bool = False


class LoginSettings(Shape):
    """The key pairs of an instance."""

    key_ids: list[str]


class MetadataItem(Shape):
    """A key and a value that an instance is told."""

    key: str
    value: str


class Metadata(Shape):
    """What an instance is told."""

    items: tuple[MetadataItem, ...]


class Instance(Shape):
    """An instance as its owner sees it."""

    instance_id: str
    instance_name: str
    instance_state: str
    instance_type: str
    instance_charge_type: str
    placement: Placement
    cpu: int = field(name="CPU")
    memory: int
    system_disk: SystemDisk
    data_disks: list[DataDisk]
    private_ip_addresses: list[str]
    internet_accessible: InternetAccessible
    virtual_private_cloud: VirtualPrivateCloud
    image_id: str
    os_name: str
    created_time: str
    login_settings: LoginSettings
    tags: list[Tag]
    uuid: str
    latest_operation: str | None
    latest_operation_state: str | None
    latest_operation_request_id: str | None
    latest_operation_error_msg: str | None
    stop_charging_mode: str
    disable_api_termination: bool
    host_name: str
    default_login_user: str
    default_login_port: int
    metadata: Metadata
    public_ip_addresses: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    restrict_state: str = "NORMAL"
    isolated_source: str = "NOTISOLATED"
    renew_flag: str | None = None
    expired_time: str | None = None
    ipv6_addresses: list[str] = field(name="IPv6Addresses", default_factory=list)
    disaster_recover_group_ids: tuple[str, ...] = ()
    cam_role_name: str = ""


class Instances(Answer):
    """The answer of DescribeInstances."""

    total_count: int
    instance_set: list[Instance]


class InstanceStatus(Shape):
    """The state of an instance."""

    instance_id: str
    instance_state: str


class InstanceStatuses(Answer):
    """The answer of DescribeInstancesStatus."""

    total_count: int
    instance_status_set: list[InstanceStatus]


def describe_instances(cloud: Cloud, caller: Caller, request: DescribeInstances) -> Instances:
    """List instances with all that is known of them."""
    query = InstanceQuery(
        ids=ids_asked(request.instance_ids),
        filters=filters_by_name(request.filters),
        offset=request.offset,
        limit=request.limit,
    )
    page = instances.list_instances(cloud, caller, query)
    return Instances(total_count=page.total, instance_set=[_instance(view, caller) for view in page.items])


def describe_instances_status(cloud: Cloud, caller: Caller, request: DescribeInstancesStatus) -> InstanceStatuses:
    """List instances with their states."""
    query = InstanceQuery(ids=ids_asked(request.instance_ids), filters={}, offset=request.offset, limit=request.limit)
    page = instances.list_instances(cloud, caller, query)
    return InstanceStatuses(
        total_count=page.total,
        instance_status_set=[
            InstanceStatus(instance_id=view.instance.instance_id, instance_state=view.instance.state.value) for view in page.items
        ],
    )


def _instance(view: InstanceView, caller: Caller) -> Instance:
    instance = view.instance
    data_disks = [disk for disk in view.disks if disk.usage is records.DiskUsage.DATA_DISK]
    return Instance(
        instance_id=instance.instance_id,
        instance_name=instance.name,
        instance_state=instance.state.value,
        instance_type=instance.instance_type,
        instance_charge_type=instance.charge_type,
        placement=Placement(zone=instance.zone),
        cpu=instance.vcpus,
        memory=instance.memory_mb // 1024,
        system_disk=_system_disk(view),
        data_disks=[_data_disk(disk) for disk in data_disks],
        private_ip_addresses=[instance.address],
        internet_accessible=InternetAccessible(
            internet_charge_type=instance.internet_charge_type,
            internet_max_bandwidth_out=instance.bandwidth_mbps,
            public_ip_assigned=instance.has_public_address,
        ),
        public_ip_addresses=(instance.address,) if instance.has_public_address else (),
        security_group_ids=instance.group_ids,
        virtual_private_cloud=VirtualPrivateCloud(
            private_ip_addresses=[instance.address], vpc_id=instance.vpc_id, subnet_id=instance.subnet_id
        ),
        image_id=instance.image_id,
        os_name=os_name(instance.os_name, caller),
        created_time=wire_time(instance.created_at),
        login_settings=LoginSettings(key_ids=list(instance.key_ids)),
        tags=tag_list(instance.tags),
        uuid=instance.uuid,
        latest_operation=instance.latest_operation or None,
        latest_operation_state=instance.latest_operation_state.value,
        latest_operation_request_id=instance.latest_request_id or None,
        latest_operation_error_msg=instance.latest_operation_error or None,
        stop_charging_mode="KEEP_CHARGING" if instance.state is InstanceState.STOPPED else "NOT_APPLICABLE",
        disable_api_termination=instance.disable_termination,
        host_name=instance.host_name,
        default_login_user="Administrator" if instance.is_windows else "root",
        default_login_port=_RDP_PORT if instance.is_windows else _SSH_PORT,
        metadata=Metadata(items=tuple(MetadataItem(key=key, value=value) for key, value in instance.metadata.items())),
    )


def _system_disk(view: InstanceView) -> SystemDisk:
    for disk in view.disks:
        if disk.usage is records.DiskUsage.SYSTEM_DISK:
            return SystemDisk(disk_type=disk.disk_type, disk_id=disk.disk_id, disk_size=disk.size_gb, disk_name=disk.name)
    return SystemDisk()


def _data_disk(disk: records.Disk) -> DataDisk:
    return DataDisk(
        disk_type=disk.disk_type,
        disk_id=disk.disk_id,
        disk_size=disk.size_gb,
        disk_name=disk.name,
        delete_with_instance=disk.delete_with_instance,
        snapshot_id=disk.base_snapshot or UNSET,
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeInstances",
        request=DescribeInstances,
        handle=describe_instances,
        codes=codes(
            errors.InstanceIdMalformed,
            errors.IdsWithFilters,
            errors.FilterUnknown,
            errors.TooManyFilterValues,
            errors.TooManyValues,
            errors.PageOutOfRange,
            errors.InvalidValue,
            errors.TimeInvalid,
        ),
    ),
    Action(
        name="DescribeInstancesStatus",
        request=DescribeInstancesStatus,
        handle=describe_instances_status,
        codes=codes(errors.InstanceIdMalformed, errors.TooManyValues, errors.PageOutOfRange),
    ),
)
