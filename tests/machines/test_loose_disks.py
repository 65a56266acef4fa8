"""Disks that move between machines and the host's own keeping, and the service killed at every step of that."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from machine_hosts import MIB, NOBODY, NbdServers, boot_disk, disk_id, end_processes_in, machine_spec

from linocut.machines import Accelerator, DiskTake, MachineDisk, MachineError, MachineSpec, NbdExport, QemuMachines

_DISK: Final = MachineDisk(disk_id(9), MIB, None)
_MOVED: Final = disk_id(9)


class Killed(BaseException):
    """Stands for the end of the service."""


class _Reaper:
    """Ends whoever changes files, before the n-th change."""

    def __init__(self) -> None:
        self.left: int | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.left is None or not self._changes(event, arguments):
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Killed

    @staticmethod
    def _changes(event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open":
            return isinstance(arguments[2], int) and bool(arguments[2] & os.O_CREAT)
        return event in {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}


_REAPER: Final = _Reaper()


def service(folder: Path) -> QemuMachines:
    return QemuMachines(folder / "machines", folder / "disks", accelerator=Accelerator.TCG, guest_user=NOBODY)


def machine(number: int, *disks: MachineDisk) -> MachineSpec:
    return machine_spec(number, (MachineDisk(disk_id(number), MIB, None), *disks))


def overlays(folder: Path) -> list[Path]:
    return [*folder.glob(f"machines/*/{_MOVED}.qcow2"), *folder.glob(f"disks/*/{_MOVED}.qcow2")]


def write(overlay: Path) -> None:
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", overlay], check=True, stdout=subprocess.DEVNULL)


def is_written(overlay: Path) -> bool:
    read = ["qemu-io", "-r", "-U", "-f", "qcow2", "-c", "read -P 7 0 64k", overlay]
    return "failed" not in subprocess.run(read, check=True, capture_output=True, text=True).stdout


def _leave(machines: QemuMachines) -> None:
    machines.prepare(machine(1))


def _come(machines: QemuMachines) -> None:
    machines.prepare(machine(2, _DISK))


def _come_live(machines: QemuMachines) -> None:
    machines.prepare(machine(2, _DISK))
    (number,) = (int(path.read_text()) for path in machines._root.glob("*-00000002/qemu.pid"))
    opened = {str(path.readlink()) for path in Path(f"/proc/{number}/fd").iterdir()}
    assert any(path.endswith(f"{_MOVED}.qcow2") for path in opened)


def _keep(machines: QemuMachines) -> None:
    machines.destroy(machine(1).instance_id, keep=[_MOVED])


_MOVES: Final[dict[str, tuple[Callable[[QemuMachines], None], str]]] = {
    "it leaves a machine": (_leave, f"disks/{_MOVED}"),
    "it comes to a machine": (_come, "machines/ins-00000002"),
    "it comes to a running machine": (_come_live, "machines/ins-00000002"),
    "its machine is destroyed": (_keep, f"disks/{_MOVED}"),
}


@pytest.mark.parametrize("name", _MOVES)
def test_a_disk_is_in_one_place_with_what_it_holds_wherever_its_move_was_cut_short(tmp_path: Path, name: str) -> None:
    move, place = _MOVES[name]
    for step in range(1000):
        folder = tmp_path / str(step)
        machines = service(folder)
        machines.prepare(machine(1, _DISK))
        write(overlays(folder)[0])
        if move in {_come, _come_live}:
            machines.prepare(machine(1))
        if move is _come_live:
            machines.prepare(machine(2))
            machines.start(machine(2).instance_id)
        was_killed = False
        _REAPER.left = step
        try:
            move(machines)
        except Killed:
            was_killed = True
        finally:
            _REAPER.left = None
            machines.close()

        machines = service(folder)
        (found,) = overlays(folder)
        assert (found.parent.parent.name == "disks") == (machines.loose() == {_MOVED})
        move(machines)

        assert overlays(folder) == [folder / place / f"{_MOVED}.qcow2"]
        assert is_written(overlays(folder)[0])
        assert list(folder.glob("disks/*")) == list((folder / place).parent.glob("disk-*"))
        for instance_id in machines.list():
            machines.kill(instance_id)
        machines.close()
        if not was_killed:
            assert step > 5
            return


def test_a_move_that_is_not_repeated_is_settled_when_its_machine_goes(tmp_path: Path) -> None:
    for step in range(1000):
        folder = tmp_path / str(step)
        machines = service(folder)
        machines.prepare(machine(1, _DISK))
        write(overlays(folder)[0])
        _REAPER.left = step
        try:
            machines.prepare(machine(1))
        except Killed:
            machines.destroy(machine(1).instance_id, keep=[_MOVED])
        else:
            return
        finally:
            _REAPER.left = None

        assert machines.loose() == {_MOVED}
        assert is_written(overlays(folder)[0])
        machines.close()


def test_a_record_of_a_later_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    machines = service(tmp_path)
    machines.prepare(machine(1, _DISK))
    machines.prepare(machine(1))
    record = tmp_path / "disks" / _MOVED / "disk.json"
    stored = json.loads(record.read_bytes())
    record.write_text(json.dumps({**stored, "format": 2}))

    with pytest.raises(MachineError):
        machines.prepare(machine(1, _DISK))

    record.write_text(json.dumps(stored))
    machines.close()
    machines = service(tmp_path)
    machines.prepare(machine(1, _DISK))
    machines.close()


_FIRST: Final = {
    "format": 1,
    "machine": "ins-00000001",
    "disk": {
        "disk_id": "disk-00000009",
        "size_bytes": MIB,
        "base": {"socket_path": "/run/blocks.sock", "export": f"tree/{'a' * 64}"},
        "generation": 3,
    },
}
"""As the first release that had loose disks wrote it; whoever has such disks loses them if it is not understood any more."""


def test_a_record_of_the_first_release_is_understood(tmp_path: Path) -> None:
    machines = service(tmp_path)
    base = NbdExport(Path("/run/blocks.sock"), f"tree/{'a' * 64}")
    disk = MachineDisk(_MOVED, MIB, base, 3)
    machines.prepare(machine(1, disk))
    write(overlays(tmp_path)[0])
    machines.prepare(machine(1))
    (tmp_path / "disks" / _MOVED / "disk.json").write_text(json.dumps(_FIRST))

    machines.prepare(machine(2, disk))

    assert is_written(overlays(tmp_path)[0])
    machines.close()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[NbdServers]:
    found = NbdServers(tmp_path / "nbd")
    yield found
    found.close()
    end_processes_in(tmp_path)


def test_what_a_loose_disk_holds_is_taken_onto_its_base(tmp_path: Path, servers: NbdServers) -> None:
    raw = boot_disk(tmp_path / "boot.raw")
    disk = MachineDisk(_MOVED, 8 * MIB, servers.serve("base", raw, read_only=True))
    machines = service(tmp_path)
    machines.prepare(machine(1, disk))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 1M", overlays(tmp_path)[0]], check=True, capture_output=True)
    machines.prepare(machine(1))
    grown = dataclasses.replace(disk, size_bytes=16 * MIB)
    first, target = servers.serve_copy("first", raw, 16 * MIB)

    found = machines.take_loose(grown, DiskTake(_MOVED, target, "one"))

    assert found.copied_bytes == MIB
    assert first.read_bytes() == raw.read_bytes()[:MIB] + bytes([7]) * MIB + bytes(14 * MIB)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 8 15M 64k", overlays(tmp_path)[0]], check=True, capture_output=True)
    second, target = servers.serve_copy("second", first)
    assert machines.take_loose(grown, DiskTake(_MOVED, target, "two", since="one")).copied_bytes == MIB // 16
    assert second.read_bytes() == first.read_bytes()[: 15 * MIB] + bytes([8]) * 65536 + bytes(MIB - 65536)
    with suppress(MachineError):
        machines.drop_disk(_MOVED)
    assert overlays(tmp_path) == []
    machines.close()
