"""What tests of machines start: NBD servers, a guest of one boot sector, and hosts to run it on."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from linocut.machines import (
    Accelerator,
    GuestConfig,
    MachineDisk,
    Machines,
    MachineSpec,
    NbdExport,
    QemuMachines,
)
from linocut.model.ids import AppId, DiskId, ImageId, InstanceId, Region, Zone

MIB: Final = 1 << 20
NOBODY: Final = (65534, 65534) if os.geteuid() == 0 else None
_DEADLINE_S: Final = 8.0
_SLOW_BYTES_PER_S: Final = 16 * MIB
_DOTS_FOR_EVER: Final = bytes.fromhex("baf803 b02e ee fb f4 ebf9")
"""mov dx, 0x3f8; again: mov al, '.'; out dx, al; sti; hlt; jmp again."""


def wait_until(what: str, is_so: Callable[[], object], deadline_s: float = _DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, f"not in {deadline_s} s: {what}"
        time.sleep(0.005)


def boot_disk(path: Path, size_bytes: int = 8 * MIB) -> Path:
    """Make a disk whose guest prints dots on the serial console and is deaf to the power button."""
    path.write_bytes(_DOTS_FOR_EVER.ljust(510, b"\0") + b"\x55\xaa")
    os.truncate(path, size_bytes)
    return path


def _listens(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(socket_path)) == 0


class NbdServers:
    """qemu-nbd processes, each with one raw file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self._folder.chmod(0o711)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def serve(
        self, name: str, file: Path, *, read_only: bool = False, image: str = "", options: tuple[str, ...] = ()
    ) -> NbdExport:
        socket_path = self._folder / f"{name}.sock"
        socket_path.unlink(missing_ok=True)
        what = ["--image-opts", image] if image else ["-f", "raw", str(file)]
        access = ["--read-only"] if read_only else []
        command = ["qemu-nbd", "-x", name, "-t", "-e", "32", "-k", str(socket_path), *access, *options, *what]
        self._running[name] = subprocess.Popen(command)
        wait_until(f"{name} is served", lambda: _listens(socket_path))
        socket_path.chmod(0o666)
        return NbdExport(socket_path, name)

    def serve_copy(self, name: str, of: Path, size_bytes: int | None = None) -> tuple[Path, NbdExport]:
        """Serve a writable copy of a file, as the target of a snapshot."""
        file = self._folder / f"{name}.raw"
        subprocess.run(["cp", "--sparse=always", of, file], check=True)
        if size_bytes is not None:
            os.truncate(file, size_bytes)
        return file, self.serve(name, file)

    def serve_slowly(self, name: str, size_bytes: int) -> NbdExport:
        """Serve an empty target that takes its time, so that a copy to it is surely seen half-way."""
        file = self._folder / f"{name}.raw"
        with file.open("wb") as made:
            made.truncate(size_bytes)
        limit = f"throttle-group,id=slow,x-bps-write={_SLOW_BYTES_PER_S}"
        image = f"driver=throttle,throttle-group=slow,file.driver=raw,file.file.driver=file,file.file.filename={file}"
        return self.serve(name, file, image=image, options=("--object", limit))

    def end(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self._running):
            self.end(name)


def machine_spec(number: int, disks: tuple[MachineDisk, ...], *, memory_mb: int = 32) -> MachineSpec:
    """Return a machine with an address that no other test process uses at the same time."""
    instance_id = InstanceId(f"ins-{number:08d}")
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    guest = GuestConfig(
        hostname=f"host-{number}",
        instance_id=instance_id,
        uuid=uuid,
        region=Region("ap-guangzhou"),
        zone=Zone("ap-guangzhou-3"),
        app_id=AppId(1250000000),
        image_id=ImageId("img-00000001"),
        instance_type="S5.SMALL1",
    )
    address = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}.{number}"
    return MachineSpec(instance_id, uuid, 1, memory_mb, disks, guest, address, (22, 80), f"52:54:00:00:00:{number:02x}")


def disk_id(number: int) -> DiskId:
    return DiskId(f"disk-{number:08d}")


@dataclass
class Host:
    """A host under test with a tree to boot from."""

    machines: Machines
    base: NbdExport
    new_target: Callable[..., NbdExport]
    exited: list[InstanceId] = field(default_factory=list)

    def spec(self, number: int = 1) -> MachineSpec:
        return machine_spec(number, (MachineDisk(disk_id(number), 8 * MIB, self.base),))

    def running(self, number: int = 1) -> MachineSpec:
        spec = self.spec(number)
        self.machines.prepare(spec)
        self.machines.start(spec.instance_id)
        return spec


@contextmanager
def qemu_host(folder: Path) -> Iterator[Host]:
    """Give a host with QEMU; its machines and servers are gone at the end."""
    servers = NbdServers(folder / "nbd")
    disk = boot_disk(folder / "boot.raw")
    machines = QemuMachines(folder / "machines", folder / "disks", accelerator=Accelerator.TCG, guest_user=NOBODY, unplug_s=0.3)
    targets = iter(range(1000))
    with ExitStack() as stack:
        stack.callback(servers.close)
        stack.callback(end_processes_in, folder / "machines")
        base = servers.serve("base", disk, read_only=True)
        host = Host(machines, base, lambda size=None: servers.serve_copy(f"target-{next(targets)}", disk, size)[1])
        machines.watch(host.exited.append)
        stack.callback(lambda: clear(host.machines))
        yield host


def end_processes_in(folder: Path) -> None:
    """End what still works in a folder, which is nothing unless a test has failed."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                os.kill(int(process.name), signal.SIGKILL)


def clear(machines: Machines) -> None:
    """Destroy every machine."""
    for instance_id in machines.list():
        machines.destroy(instance_id)
    machines.close()
