"""Machines that boot by UEFI: their firmware, and what it remembers."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_hosts import NOBODY, NbdServers, boot_disk, clear, disk_id, end_processes_in, machine_spec, wait_until

from linocut.machines import Accelerator, Firmware, MachineDisk, MachineSpec, NbdExport, QemuMachines

BUILDER = Path(__file__).parents[2] / "guests" / "tiny.py"
BOOT_S = 60.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[NbdServers]:
    found = NbdServers(tmp_path / "nbd")
    yield found
    found.close()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[QemuMachines]:
    found = QemuMachines(tmp_path / "machines", tmp_path / "disks", accelerator=Accelerator.TCG, guest_user=NOBODY)
    yield found
    clear(found)
    end_processes_in(tmp_path / "machines")


def uefi_spec(base: NbdExport, *, generation: int = 0) -> MachineSpec:
    disk = MachineDisk(disk_id(78), 1 << 30, base, generation)
    return dataclasses.replace(machine_spec(78, (disk,), memory_mb=224), firmware=Firmware.UEFI)


@pytest.mark.guest
def test_a_guest_that_boots_by_uefi_alone_boots(tmp_path: Path, servers: NbdServers, machines: QemuMachines) -> None:
    tree = tmp_path / "uefi.raw"
    subprocess.run([sys.executable, BUILDER, tree, "--raw", "--uefi"], check=True, capture_output=True)
    spec = uefi_spec(servers.serve("tree", tree, read_only=True))
    machines.prepare(spec)
    before = variables_of(tmp_path).read_bytes()

    machines.start(spec.instance_id)

    wait_until("it is ready", lambda: b"linocut-guest ready" in machines.console(spec.instance_id, 0, 1 << 20).data, BOOT_S)
    machines.kill(spec.instance_id)
    assert variables_of(tmp_path).read_bytes() != before, "the firmware remembers"


def variables_of(folder: Path) -> Path:
    (found,) = (folder / "machines").glob("*/uefi-vars.fd")
    return found


def test_what_firmware_remembers_stays_with_a_system_disk_and_goes_with_it(
    tmp_path: Path, servers: NbdServers, machines: QemuMachines
) -> None:
    base = servers.serve("base", boot_disk(tmp_path / "boot.raw"), read_only=True)
    spec = uefi_spec(base)
    machines.prepare(spec)
    fresh = variables_of(tmp_path).read_bytes()
    assert variables_of(tmp_path).stat().st_mode & 0o777 == 0o600
    variables_of(tmp_path).write_bytes(b"remembered")

    machines.prepare(dataclasses.replace(spec, memory_mb=256))
    assert variables_of(tmp_path).read_bytes() == b"remembered"
    machines.prepare(uefi_spec(base, generation=1))

    assert variables_of(tmp_path).read_bytes() == fresh


def test_a_machine_that_boots_by_bios_has_no_such_file(tmp_path: Path, servers: NbdServers, machines: QemuMachines) -> None:
    base = servers.serve("base", boot_disk(tmp_path / "boot.raw"), read_only=True)
    machines.prepare(dataclasses.replace(uefi_spec(base), firmware=Firmware.BIOS))
    assert list((tmp_path / "machines").glob("*/uefi-vars.fd")) == []
