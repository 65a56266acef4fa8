"""Starts a guest disk with nothing but QEMU and a hand-made config drive, so that a builder is judged on its own."""

import io
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pycdlib

_BOOT_DEADLINE_S: Final = 40.0


def write_config_drive(iso: Path, meta_data: Mapping[str, object], user_data: bytes) -> None:
    """Write an ISO 9660 file labelled config-2 in OpenStack's layout."""
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="config-2")
    image.add_directory("/OPENSTAC", rr_name="openstack", joliet_path="/openstack")
    image.add_directory("/OPENSTAC/LATEST", rr_name="latest", joliet_path="/openstack/latest")
    files = (
        ("META", "meta_data.json", json.dumps(dict(meta_data)).encode()),
        ("USER", "user_data", user_data),
    )
    for short_name, name, content in files:
        folder = "/OPENSTAC/LATEST"
        joliet = f"/openstack/latest/{name}"
        image.add_fp(io.BytesIO(content), len(content), f"{folder}/{short_name}.;1", name, joliet)
    image.write(str(iso))
    image.close()


@dataclass
class PlainGuest:
    """A running guest: its process, its serial console, and where its ports are."""

    process: subprocess.Popen[bytes]
    serial: Path
    http_port: int
    ssh_port: int

    def wait_for_line(self, text: str, deadline_s: float = _BOOT_DEADLINE_S) -> str:
        """Return the first line of the serial console that holds the text."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end and self.process.poll() is None:
            lines = self.serial.read_text(errors="replace").split("\n")
            if found := [line.strip() for line in lines[:-1] if text in line]:
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no {text!r} on the console: {self.serial.read_text(errors='replace')[-2000:]}")

    def press_power_button(self) -> None:
        """Ask the guest to end, as a host would."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"system_powerdown\n")
        self.process.stdin.flush()


@contextmanager
def booted(disk: Path, disk_format: str, config_drive: Path, folder: Path, memory_mb: int) -> Iterator[PlainGuest]:
    """Start a guest from this disk, which it writes to; it is gone at the end."""
    http_port, ssh_port = _free_ports(2)
    forwards = f"hostfwd=tcp:127.0.0.1:{http_port}-:80,hostfwd=tcp:127.0.0.1:{ssh_port}-:22"
    serial = folder / "serial.log"
    serial.write_bytes(b"")
    command = [
        *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-sandbox", "on"),
        *("-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "1", "-m", str(memory_mb)),
        *("-drive", f"file={disk},format={disk_format},if=virtio,cache=unsafe"),
        *("-drive", f"file={config_drive},format=raw,if=virtio,readonly=on"),
        *("-netdev", f"user,id=net0,{forwards}", "-device", "virtio-net-pci,netdev=net0"),
        *("-serial", f"file:{serial}", "-monitor", "stdio"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            yield PlainGuest(process, serial, http_port, ssh_port)
        finally:
            process.kill()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
