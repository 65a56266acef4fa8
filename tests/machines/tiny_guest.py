"""A real operating system on QemuMachines, for tests of what it sees and what is copied of it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
from machine_hosts import NOBODY, NbdServers, clear, disk_id, end_processes_in, machine_spec, wait_until

from linocut.machines import Accelerator, DiskTake, MachineDisk, MachineSpec, MachineState, QemuMachines, Taken
from rfb_client import Viewer

BOOT_S: Final = 90.0
_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_SIZE_BYTES: Final = 20 << 30
_STATE_OFFSET_BYTES: Final = 25 << 20
_SPACE: Final = 0x20
_READY: Final = b"linocut-guest ready"


class Guest:
    """A tiny guest, and the servers behind its disk."""

    def __init__(self, folder: Path, *, number: int = 77, has_agent: bool = False) -> None:
        self._folder = folder
        self._boots_seen = 0
        self.servers = NbdServers(folder / "nbd")
        self.tree = folder / "tiny.raw"
        options = ["--raw", *(["--agent"] if has_agent else [])]
        subprocess.run([sys.executable, _BUILDER, self.tree, *options], check=True, capture_output=True)
        base = self.servers.serve("tree", self.tree, read_only=True)
        spec = machine_spec(number, (MachineDisk(disk_id(number), _SIZE_BYTES, base),), memory_mb=192)
        guest = dataclasses.replace(spec.guest, user_data=b"#!/bin/sh\necho told >/state/told\n")
        self.spec: MachineSpec = dataclasses.replace(spec, guest=guest)
        self.machines = self._service()
        self.machines.prepare(self.spec)

    def boot(self) -> None:
        forwards = self.machines.start(self.spec.instance_id).forwards
        self._url = next(f"http://{place.address}:{place.port}" for place in forwards if place.guest_port == 80)
        self._boots_seen += 1
        wait_until("it is ready", self._is_ready, BOOT_S)

    def run(self, script: str) -> str:
        answer = httpx.post(f"{self._url}/cgi-bin/sh", content=script, timeout=30)
        assert answer.headers["X-Exit-Code"] == "0", answer.text
        return answer.text.strip()

    def prepare(self, *disks: MachineDisk) -> None:
        """Have these disks beside the first."""
        self.machines.prepare(dataclasses.replace(self.spec, disks=(*self.spec.disks, *disks)))

    def device(self, number: int) -> str:
        """Return the name of a disk in the guest; nothing where it has none."""
        return self.run(f"grep -l {disk_id(number)} /sys/block/vd*/serial | cut -d/ -f4")

    def meta(self) -> dict[str, object]:
        return json.loads(httpx.get(f"{self._url}/cgi-bin/meta", timeout=10).content)

    def snapshot(self, name: str, of: Path, mark: str, since: str | None = None) -> tuple[Path, int]:
        """Copy the guest's disk onto a copy of a file; return that and the bytes copied."""
        file, target = self.servers.serve_copy(name, of, _SIZE_BYTES)
        wanted = DiskTake(self.spec.disks[0].disk_id, target, mark, since)
        (found,) = self.machines.take(self.spec.instance_id, [wanted]).disks
        self.servers.end(name)
        return file, found.copied_bytes

    def take(self, *takes: DiskTake) -> Taken:
        """Copy disks of the guest."""
        return self.machines.take(self.spec.instance_id, takes)

    def process(self) -> int:
        """Return the number of the guest's QEMU."""
        return int((self._folder / "machines" / self.spec.instance_id / "qemu.pid").read_text())

    def kill(self) -> None:
        """Kill the guest's QEMU from outside, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.process(), signal.SIGKILL)

    def crash(self) -> None:
        """Kill the guest's QEMU, as a crash of the host would, and the service with it."""
        self.kill()
        wait_until("it is off", lambda: self.machines.state(self.spec.instance_id) is MachineState.STOPPED)
        self.restart_service()

    def restart_service(self) -> None:
        self.machines.close()
        self.machines = self._service()

    def shut_down(self) -> None:
        assert self.machines.shut_down(self.spec.instance_id, timeout_s=BOOT_S)

    def close(self) -> None:
        try:
            clear(self.machines)
        finally:
            end_processes_in(self._folder)
            self.servers.close()

    def screen(self) -> bytes:
        """Return the pixels of the screen."""
        with self.machines.connect_display(self.spec.instance_id) as display:
            viewer = Viewer(lambda: display.recv(1 << 20), display.sendall)
            viewer.greet()
            viewer.press(_SPACE)
            parts = viewer.look()
        assert sum(part.width * part.height for part in parts) == viewer.width * viewer.height > 0
        return b"".join(part.pixels for part in parts)

    def _service(self) -> QemuMachines:
        folder = self._folder
        return QemuMachines(folder / "machines", folder / "disks", accelerator=Accelerator.TCG, guest_user=NOBODY)

    def _is_ready(self) -> bool:
        said = self.machines.console(self.spec.instance_id, 0, 1 << 20).data
        return said.count(_READY) == self._boots_seen


def read_from_disk(disk: Path, path: str) -> bytes:
    """Read a file of the guest's root file system from a raw disk."""
    partition = f"{disk}?offset={_STATE_OFFSET_BYTES}"
    return subprocess.run(["debugfs", "-R", f"cat {path}", partition], capture_output=True, check=True).stdout
