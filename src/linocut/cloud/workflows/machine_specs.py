"""What a machine is to be, as the rows of its instance and disks say.

A machine has all disks whose rows name its instance. A step that makes one so reads the rows, and then calls `Machines.prepare`,
in one turn of the instance: so the last to prepare it is the one that has read the latest rows.
"""

from collections.abc import Iterable
from typing import Final

from linocut.cloud import passwords
from linocut.cloud.arrivals import make_readable
from linocut.cloud.context import Cloud
from linocut.cloud.security_groups import open_ports_of
from linocut.machines import Firmware, GuestConfig, MachineDisk, MachineSpec, MachineState, NbdExport
from linocut.model.ids import InstanceId, Region
from linocut.model.records import Disk, Instance
from linocut.model.states import DiskState

_GIB: Final = 1024**3


def read_instance(cloud: Cloud, instance_id: str) -> tuple[Instance, tuple[Disk, ...]]:
    """Return an instance and its disks, the system disk first. Raises LookupError without a row."""
    known = InstanceId(instance_id)
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(known)
        if instance is None:
            raise LookupError(f"there is no row of {instance_id}")
        return instance, tx.disks.of([known])[known]


def require_trees(cloud: Cloud, region: Region, disks: Iterable[Disk]) -> None:
    """Raise ObjectUnreadable where a disk's tree cannot be opened, for which the hypervisor would wait long and say little."""
    store = cloud.stores.store(region)
    for disk in disks:
        if disk.base_root is not None:
            make_readable(cloud, region, disk.base_root)
            store.tree(disk.base_root)


def machine_disk(cloud: Cloud, disk: Disk) -> MachineDisk:
    """Return a disk as its host knows it."""
    socket = cloud.stores.server(disk.region).socket_path
    base = None if disk.base_root is None else NbdExport(socket, f"tree/{disk.base_root}")
    return MachineDisk(disk.disk_id, disk.size_gb * _GIB, base, disk.generation)


def spec_of(cloud: Cloud, instance: Instance, disks: tuple[Disk, ...]) -> MachineSpec:
    """Return what the machine of an instance with these disks is to be, the system disk first."""
    with cloud.catalog.read() as tx:
        account = tx.accounts.get(instance.owner)
        keys = tx.keys.owned(instance.owner, instance.key_ids)
        ports = open_ports_of(tx, instance)
    if account is None:
        raise LookupError(f"there is no row of account {instance.owner}")
    return MachineSpec(
        instance_id=instance.instance_id,
        uuid=instance.uuid,
        vcpus=instance.vcpus,
        memory_mb=instance.memory_mb,
        disks=tuple(machine_disk(cloud, disk) for disk in disks),
        guest=GuestConfig(
            hostname=instance.host_name,
            instance_id=instance.instance_id,
            uuid=instance.uuid,
            region=instance.region,
            zone=instance.zone,
            app_id=account.app_id,
            image_id=instance.image_id,
            instance_type=instance.instance_type,
            instance_name=instance.name,
            public_keys=tuple(pair.public_key for pair in keys),
            password_hash=passwords.usable(instance.password_hash),
            user_data=instance.user_data or None,
            local_ipv4=instance.address,
            keeps_login=instance.keep_image_login,
            login_generation=instance.login_generation,
            reinstalls=disks[0].generation,
            metadata=instance.metadata,
        ),
        address=instance.address,
        forwarded_ports=ports.tcp,
        forwarded_udp_ports=ports.udp,
        mac=instance.mac,
        firmware=Firmware.UEFI if instance.boot_mode == "UEFI" else Firmware.BIOS,
    )


def prepare_as_row_says(cloud: Cloud, instance_id: InstanceId) -> None:
    """Make a machine as its rows now say, fresh contents of disks included. Raises MachineError, ObjectUnreadable."""
    with cloud.turns.of(instance_id):
        instance, disks = read_instance(cloud, instance_id)
        settled = tuple(disk for disk in disks if disk.state is not DiskState.ATTACHING)
        cloud.machines.state(instance_id)  # one that is gone is not made anew: what its disks held is gone
        require_trees(cloud, instance.region, settled)
        cloud.machines.prepare(spec_of(cloud, instance, settled))


def prepare_stopped(cloud: Cloud, instance_id: InstanceId) -> None:
    """Make a machine that is off as its rows now say; one that runs stays as it is, though its rows be ahead of it.

    Raises MachineError, ObjectUnreadable.
    """
    if cloud.machines.state(instance_id) is MachineState.STOPPED:
        prepare_as_row_says(cloud, instance_id)
