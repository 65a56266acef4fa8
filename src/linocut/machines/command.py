"""What QEMU is told: one command line for a machine, one for a storage daemon that opens a stopped machine's disks.

Each disk is a chain of named block nodes, every one with its driver spelled out: `disk-x` (qcow2) on `disk-x-file`, backed by
`disk-x-base` (NBD). Files are named relative to the machine's folder; a socket is named through a descriptor of its folder,
which QEMU inherits, and is found again there when the block server comes back.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from linocut.machines.firmware import uefi_files
from linocut.machines.interface import Accelerator, Firmware, Forward, MachineDisk, MachineSpec, NbdExport
from linocut.model.ids import DiskId

CONFIG_DRIVE: Final = "config.iso"
CONSOLE_LOG: Final = "console.log"
UEFI_VARIABLES: Final = "uefi-vars.fd"
NETWORK: Final = "net0"
"""QEMU's name of the guest's network."""
AGENT: Final = "agent"
"""QEMU's name of the way to the guest's agent."""
GUEST_FOLDER: Final = "guest"
"""The one folder in which QEMU itself may make files: its VNC socket."""
VNC_SOCKET: Final = f"{GUEST_FOLDER}/vnc.sock"

RECONNECT_S: Final = 300
_OPEN_S: Final = 10
_SHIFTED_PORTS: Final = 20_000
_SANDBOX: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

Node = dict[str, Any]


@dataclass(frozen=True)
class Wiring:
    """The descriptors that QEMU inherits.

    `control` and `jobs` are listening sockets for QMP, one conversation each, and `agent` is one behind which the guest's agent
    may be; `socket_folders` are open folders of NBD sockets.
    """

    control: int
    jobs: int
    agent: int
    socket_folders: Mapping[Path, int]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (self.control, self.jobs, self.agent, *self.socket_folders.values())


def overlay_name(disk_id: DiskId) -> str:
    """Return the name of a disk's overlay in the machine's folder."""
    return f"{disk_id}.qcow2"


def base_node(disk_id: DiskId) -> str:
    """Return the name of the node under a disk's overlay."""
    return f"{disk_id}-base"


def file_node(disk_id: DiskId) -> str:
    """Return the name of the node of a disk's overlay as a plain file."""
    return f"{disk_id}-file"


def forwards(spec: MachineSpec, lowest_port: int) -> tuple[Forward, ...]:
    """Return where each forwarded port of the guest is reachable; a port that may not be bound is moved up by 20,000."""

    def host_port(port: int) -> int:
        return port if port >= lowest_port else port + _SHIFTED_PORTS

    return (
        *(Forward(port, spec.address, host_port(port)) for port in spec.forwarded_ports),
        *(Forward(port, spec.address, host_port(port), "udp") for port in spec.forwarded_udp_ports),
    )


def bases_of(disks: Iterable[MachineDisk]) -> tuple[NbdExport, ...]:
    """Return the exports that disks are on."""
    return tuple(disk.base for disk in disks if disk.base is not None)


def nbd_node(name: str, export: NbdExport, folder: int, **options: object) -> Node:
    """Return an NBD client node for an export whose socket's folder is open as this descriptor of QEMU's."""
    path = f"/proc/self/fd/{folder}/{export.socket_path.name}"
    server = {"type": "unix", "path": path}
    return {"driver": "nbd", "node-name": name, "server": server, "export": export.export, **options}


def disk_nodes(disk: MachineDisk, folders: Mapping[Path, int], *, open_s: int = _OPEN_S) -> list[Node]:
    """Return the nodes of one disk, lowest first; its base may take that long to answer for the first time."""
    access = {"read-only": False}
    nodes: list[Node] = []
    if disk.base is not None:
        folder = folders[disk.base.socket_path.parent]
        waits = {"read-only": True, "reconnect-delay": RECONNECT_S, "open-timeout": open_s}
        nodes.append(nbd_node(base_node(disk.disk_id), disk.base, folder, **waits))
    file = {"driver": "file", "node-name": file_node(disk.disk_id), "filename": overlay_name(disk.disk_id)}
    nodes.append({**file, **access, "discard": "unmap"})
    overlay = {"driver": "qcow2", "node-name": disk.disk_id, "file": file_node(disk.disk_id), "discard": "unmap"}
    nodes.append({**overlay, **access, "backing": base_node(disk.disk_id) if disk.base else None})
    return nodes


def disk_device(disk_id: DiskId) -> Node:
    """Return the device by which a guest has a disk."""
    device = {"driver": "virtio-blk-pci", "id": f"{disk_id}-device", "drive": disk_id, "serial": disk_id}
    return {**device, "werror": "report", "rerror": "report"}


def machine_command(
    spec: MachineSpec, accelerator: Accelerator, wiring: Wiring, forwarded: Iterable[Forward], *, outbound: bool
) -> list[str]:
    """Return the command that runs a machine."""
    cpu = {Accelerator.KVM: ("kvm", "host"), Accelerator.TCG: ("tcg,thread=multi", "max")}[accelerator]
    return [
        *("qemu-system-x86_64", "-name", spec.instance_id, "-uuid", spec.uuid),
        *("-nodefaults", "-no-user-config", "-sandbox", _SANDBOX, "-msg", "timestamp=on"),
        *_board(spec.firmware),
        *("-accel", cpu[0], "-cpu", cpu[1]),
        *("-smp", str(spec.vcpus), "-m", str(spec.memory_mb), "-rtc", "base=utc", "-boot", "strict=on"),
        *_monitor("control", wiring.control),
        *_monitor("jobs", wiring.jobs),
        *("-smbios", f"type=1,manufacturer=Linocut,product=CVM,serial={spec.instance_id}"),
        *("-chardev", f"file,id=console,path={CONSOLE_LOG},append=on", "-serial", "chardev:console"),
        *("-display", "none", "-vga", "std", "-vnc", f"unix:{VNC_SOCKET}"),
        *_network(spec, forwarded, outbound=outbound),
        *("-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"),
        *_disks(spec, wiring.socket_folders),
        *_agent(wiring.agent),
    ]


def storage_daemon_command(disks: Iterable[MachineDisk], wiring: Wiring) -> list[str]:
    """Return the command that opens disks of a stopped machine and waits for orders."""
    command = ["qemu-storage-daemon"]
    for disk in disks:
        for node in disk_nodes(disk, wiring.socket_folders):
            command += ["--blockdev", json.dumps(node)]
    command += ["--chardev", f"socket,id=jobs,fd={wiring.jobs},server=on,wait=off"]
    return [*command, "--monitor", "chardev=jobs"]


def _agent(listening: int) -> list[str]:
    """Return the port by which the guest's agent is reached, where it has one."""
    chardev = f"socket,id={AGENT},fd={listening},server=on,wait=off"
    port = {"driver": "virtserialport", "chardev": AGENT, "name": "org.qemu.guest_agent.0"}
    return ["-chardev", chardev, "-device", "virtio-serial-pci", "-device", json.dumps(port)]


def _monitor(name: str, listening: int) -> list[str]:
    chardev = f"socket,id={name},fd={listening},server=on,wait=off"
    return ["-chardev", chardev, "-mon", f"chardev={name},mode=control"]


def _board(firmware: Firmware) -> list[str]:
    """Return the machine's board, whose flash holds UEFI firmware unless it boots by BIOS."""
    board = "pc,usb=off,vmport=off"
    if firmware is Firmware.BIOS:
        return ["-machine", board]
    arguments: list[str] = []
    for name, file, read_only in (("uefi-code", str(uefi_files().code), True), ("uefi-vars", UEFI_VARIABLES, False)):
        nodes: list[Node] = [
            {"driver": "file", "node-name": f"{name}-file", "filename": file, "read-only": read_only},
            {"driver": "raw", "node-name": name, "file": f"{name}-file", "read-only": read_only},
        ]
        arguments += [part for node in nodes for part in ("-blockdev", json.dumps(node))]
    return [*arguments, "-machine", f"{board},pflash0=uefi-code,pflash1=uefi-vars"]


def _network(spec: MachineSpec, forwarded: Iterable[Forward], *, outbound: bool) -> list[str]:
    netdev = [f"user,id={NETWORK},ipv6=off,restrict={'off' if outbound else 'on'}"]
    netdev += [f"hostfwd={place.protocol}:{place.address}:{place.port}-:{place.guest_port}" for place in forwarded]
    device = {"driver": "virtio-net-pci", "netdev": NETWORK, "mac": spec.mac, "romfile": ""}
    return ["-netdev", ",".join(netdev), "-device", json.dumps(device)]


def _disks(spec: MachineSpec, folders: Mapping[Path, int]) -> list[str]:
    """Return the disks in their order and behind them the config drive."""
    arguments: list[str] = []
    for number, disk in enumerate(spec.disks):
        for node in disk_nodes(disk, folders):
            arguments += ["-blockdev", json.dumps(node)]
        boots = {"bootindex": 1} if number == 0 else {}
        arguments += ["-device", json.dumps({**disk_device(disk.disk_id), **boots})]
    file = {"driver": "file", "node-name": "config-file", "filename": CONFIG_DRIVE, "read-only": True}
    raw = {"driver": "raw", "node-name": "config", "file": "config-file", "read-only": True}
    for node in (file, raw):
        arguments += ["-blockdev", json.dumps(node)]
    device = {"driver": "virtio-blk-pci", "drive": "config", "serial": "config-2"}
    return [*arguments, "-device", json.dumps(device)]
