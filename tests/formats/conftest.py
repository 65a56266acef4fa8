import ipaddress
import socket
from pathlib import Path

import pytest
from foreign_disks import VARIANTS, MakeDisk, qemu_img, write_raw_disk

from linocut.formats import DiskLimits


@pytest.fixture(autouse=True)
def _stay_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection elsewhere, so that a hole in the checks is seen and not used."""
    connect = socket.socket.connect

    def guarded(connection: socket.socket, address: tuple[str, int]) -> None:
        if connection.family != socket.AF_UNIX:
            target = ipaddress.ip_address(address[0])
            inner = getattr(target, "ipv4_mapped", None) or target
            if inner not in ipaddress.ip_network("127.0.0.0/8"):
                raise ConnectionRefusedError(f"a test tried to connect to {address[0]}")
        connect(connection, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def limits() -> DiskLimits:
    return DiskLimits(inspect_timeout_s=20, timeout_s=30)


@pytest.fixture(scope="session")
def raw_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw_disk(tmp_path_factory.mktemp("disks") / "disk.raw")


@pytest.fixture(scope="session")
def make_disk(raw_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeDisk:
    """Return a function that gives the same disk in another format; the file must not be changed."""
    folder = tmp_path_factory.mktemp("variants")

    def make(variant: str) -> Path:
        path = folder / variant.replace(" ", "-")
        if not path.exists():
            qemu_img("convert", "-f", "raw", *VARIANTS[variant], raw_disk, path)
        return path

    return make
