"""What is QEMU's own about QemuMachines: processes, privileges, crashes, bytes."""

import dataclasses
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from machine_hosts import MIB, NOBODY, Host, NbdServers, disk_id, machine_spec, qemu_host, wait_until

from linocut.machines import (
    Accelerator,
    Cancelled,
    DiskTake,
    Forward,
    ForwardRefused,
    MachineBusy,
    MachineDisk,
    MachineError,
    MachineSpec,
    MachineState,
    MarkGone,
    NbdExport,
    NoSpace,
    QemuMachines,
    SnapshotFailed,
    Snapshotted,
    StartFailed,
)
from linocut.machines.command import forwards

_PATTERN: Final = 0x5A


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with qemu_host(tmp_path) as found:
        yield found


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[NbdServers]:
    found = NbdServers(tmp_path / "targets")
    yield found
    found.close()


def folder_of(tmp_path: Path, spec: MachineSpec) -> Path:
    return tmp_path / "machines" / spec.instance_id


def process_of(tmp_path: Path, spec: MachineSpec) -> int:
    return int((folder_of(tmp_path, spec) / "qemu.pid").read_text())


def fill(tmp_path: Path, spec: MachineSpec, offset: int, length: int) -> None:
    """Write a pattern into a stopped machine's overlay, as its guest might have."""
    overlay = folder_of(tmp_path, spec) / f"{spec.disks[0].disk_id}.qcow2"
    order = f"write -P {_PATTERN} {offset} {length}"
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", order, overlay], check=True, stdout=subprocess.DEVNULL)


def take(host: Host, spec: MachineSpec, target: NbdExport, mark: str, since: str | None = None, **watch: Any) -> Snapshotted:
    """Take a machine's first disk."""
    (taken,) = host.machines.take(spec.instance_id, [DiskTake(spec.disks[0].disk_id, target, mark, since)], **watch).disks
    return taken


def restarted(tmp_path: Path) -> QemuMachines:
    return QemuMachines(tmp_path / "machines", tmp_path / "disks", accelerator=Accelerator.TCG, guest_user=NOBODY)


def test_a_restarted_service_finds_its_machines_and_hears_of_their_ends(host: Host, tmp_path: Path) -> None:
    spec = host.running()
    host.machines.close()
    exited: list[str] = []

    again = restarted(tmp_path)
    again.watch(exited.append)

    assert again.list() == {spec.instance_id: MachineState.RUNNING}
    assert again.start(spec.instance_id).already_running
    os.kill(process_of(tmp_path, spec), signal.SIGKILL)
    wait_until("its end is told", lambda: exited == [spec.instance_id])
    assert again.state(spec.instance_id) is MachineState.STOPPED
    again.close()
    host.machines = restarted(tmp_path)


def test_a_machine_killed_from_outside_is_told_and_starts_again(host: Host, tmp_path: Path) -> None:
    spec = host.running()

    os.kill(process_of(tmp_path, spec), signal.SIGKILL)

    wait_until("its end is told", lambda: host.exited == [spec.instance_id])
    assert not host.machines.start(spec.instance_id).already_running


def test_a_service_killed_right_after_spawning_leaves_no_second_machine(host: Host, tmp_path: Path) -> None:
    spec = host.running()
    process = process_of(tmp_path, spec)
    host.machines.close()
    (folder_of(tmp_path, spec) / "qemu.pid").unlink()

    host.machines = restarted(tmp_path)

    assert host.machines.start(spec.instance_id).already_running
    assert process_of(tmp_path, spec) == process


def test_a_number_of_a_process_that_is_not_ours_is_not_believed(host: Host, tmp_path: Path) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    with subprocess.Popen(["sleep", "10"]) as bystander:
        (folder_of(tmp_path, spec) / "qemu.pid").write_text(str(bystander.pid))

        assert host.machines.state(spec.instance_id) is MachineState.STOPPED
        host.machines.kill(spec.instance_id)

        assert bystander.poll() is None
        bystander.kill()


def test_a_stranger_that_holds_the_lock_is_no_machine(host: Host, tmp_path: Path) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    lock = os.open(folder_of(tmp_path, spec) / "machine.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with subprocess.Popen(["sleep", "10"], pass_fds=(lock,)) as stranger:
        os.close(lock)

        with pytest.raises(MachineBusy):
            host.machines.start(spec.instance_id)

        assert stranger.poll() is None
        stranger.kill()
    assert not host.machines.start(spec.instance_id).already_running


def test_half_a_machine_is_no_machine_and_is_completed(host: Host, tmp_path: Path) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    (folder_of(tmp_path, spec) / "machine.json").unlink()
    assert host.machines.list() == {}

    host.machines.prepare(spec)

    assert not host.machines.start(spec.instance_id).already_running


def test_half_a_removal_is_completed_at_the_next_start_of_the_service(host: Host, tmp_path: Path) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    host.machines.close()
    folder = folder_of(tmp_path, spec)
    folder.rename(folder.with_name(f".gone-{folder.name}"))

    host.machines = restarted(tmp_path)

    assert list((tmp_path / "machines").iterdir()) == []


def test_qemu_has_no_privilege_and_no_descriptor_too_many(host: Host, tmp_path: Path) -> None:
    if NOBODY is None:
        pytest.skip("only root can give privileges up")
    spec = host.running()
    process = Path(f"/proc/{process_of(tmp_path, spec)}")

    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    opened = {str(entry.readlink()) for entry in (process / "fd").iterdir()}

    assert status["Uid"].split() == ["65534"] * 4
    assert status["Groups"].strip() == ""
    assert int(status["CapEff"], 16) == 1 << 10
    assert status["Seccomp"].strip() == "2"
    ours = [path for path in opened if path.startswith("/") and not path.startswith(("/dev/", f"{tmp_path}/"))]
    assert ours == []
    assert (process / "environ").read_bytes().count(b"\0") == 2


def test_many_machines_start_at_once(host: Host) -> None:
    specs = [host.spec(number) for number in range(1, 7)]

    def launch(spec: MachineSpec) -> bool:
        host.machines.prepare(spec)
        return host.machines.start(spec.instance_id).already_running

    with ThreadPoolExecutor(len(specs)) as pool:
        assert not any(pool.map(launch, specs))

    assert set(host.machines.list().values()) == {MachineState.RUNNING}


def test_one_machine_started_twice_at_once_runs_once(host: Host) -> None:
    spec = host.spec()
    host.machines.prepare(spec)

    with ThreadPoolExecutor(3) as pool:
        started = [found.already_running for found in pool.map(host.machines.start, [spec.instance_id] * 3)]

    assert sorted(started) == [False, True, True]


def test_a_start_that_fails_says_why_and_leaves_nothing(host: Host) -> None:
    first = host.running(1)
    second = dataclasses.replace(host.spec(2), address=first.address)
    host.machines.prepare(second)

    with pytest.raises(StartFailed) as failed:
        host.machines.start(second.instance_id)

    assert "forward" in failed.value.detail
    assert host.machines.state(second.instance_id) is MachineState.STOPPED


def test_a_machine_whose_block_server_has_no_folder_does_not_start(host: Host) -> None:
    lost = MachineDisk(disk_id(1), 8 * MIB, NbdExport(Path("/nowhere/nbd.sock"), "base"))
    spec = dataclasses.replace(host.spec(), disks=(lost,))
    host.machines.prepare(spec)

    with pytest.raises(StartFailed):
        host.machines.start(spec.instance_id)


def test_a_disk_on_another_base_starts_empty_and_one_that_left_is_gone(host: Host, tmp_path: Path) -> None:
    spec = host.spec()
    blank = MachineDisk(disk_id(2), MIB, None)
    host.machines.prepare(dataclasses.replace(spec, disks=(*spec.disks, blank)))
    fill(tmp_path, spec, MIB, MIB)
    (disk,) = spec.disks
    overlay = folder_of(tmp_path, spec) / f"{disk.disk_id}.qcow2"
    written = overlay.stat().st_size

    moved = NbdExport(tmp_path / "elsewhere", host.base.export)
    host.machines.prepare(dataclasses.replace(spec, disks=(dataclasses.replace(disk, base=moved),)))
    assert overlay.stat().st_size == written
    assert not (folder_of(tmp_path, spec) / f"{blank.disk_id}.qcow2").exists()

    other = NbdExport(host.base.socket_path, "another")
    host.machines.prepare(dataclasses.replace(spec, disks=(dataclasses.replace(disk, base=other),)))
    assert overlay.stat().st_size < written


@pytest.mark.parametrize("runs", [True, False])
def test_a_snapshot_copies_what_was_written_and_nothing_else(
    host: Host, servers: NbdServers, tmp_path: Path, *, runs: bool
) -> None:
    size_bytes = 20 << 30
    spec = machine_spec(1, (MachineDisk(disk_id(1), size_bytes, host.base),))
    host.machines.prepare(spec)
    fill(tmp_path, spec, MIB, 2 * MIB)
    fill(tmp_path, spec, size_bytes - MIB, MIB)
    file, target = servers.serve_copy("target", tmp_path / "boot.raw", size_bytes)
    if runs:
        host.machines.start(spec.instance_id)
    progress: list[tuple[int, int]] = []

    found = take(host, spec, target, "one", progress=lambda *done: progress.append(done))

    assert found.copied_bytes == 3 * MIB
    assert progress[-1] == (3 * MIB, 3 * MIB)
    assert host.machines.state(spec.instance_id) is (MachineState.RUNNING if runs else MachineState.STOPPED)
    with file.open("rb") as content:
        assert content.read(MIB)[510:512] == b"\x55\xaa"
        assert content.read(2 * MIB) == bytes([_PATTERN]) * (2 * MIB)
        assert content.read(MIB) == bytes(MIB)
        content.seek(size_bytes - MIB)
        assert content.read() == bytes([_PATTERN]) * MIB


def test_a_snapshot_onto_a_full_disk_says_so_and_can_be_repeated(host: Host, servers: NbdServers, tmp_path: Path) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    fill(tmp_path, spec, MIB, MIB)
    host.machines.start(spec.instance_id)
    full = tmp_path / "full.raw"
    os.truncate(os.open(full, os.O_CREAT | os.O_RDWR), 8 * MIB)
    faulty = f"driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={full},"
    faults = "file.inject-error.0.event=write_aio,file.inject-error.0.errno=28"

    with pytest.raises(NoSpace):
        take(host, spec, servers.serve("full", full, image=faulty + faults), "one")

    found = take(host, spec, host.new_target(), "one")
    assert found.copied_bytes == MIB


def filled_and_running(host: Host, tmp_path: Path) -> MachineSpec:
    spec = machine_spec(1, (MachineDisk(disk_id(1), 64 * MIB, host.base),))
    host.machines.prepare(spec)
    fill(tmp_path, spec, MIB, 63 * MIB)
    host.machines.start(spec.instance_id)
    return spec


@pytest.mark.parametrize("runs", [True, False])
def test_a_copy_is_cancelled_half_way(host: Host, servers: NbdServers, tmp_path: Path, *, runs: bool) -> None:
    spec = filled_and_running(host, tmp_path)
    if not runs:
        host.machines.kill(spec.instance_id)
    target = servers.serve_slowly("target", 64 * MIB)
    done: list[int] = []

    with pytest.raises(Cancelled):
        take(
            host,
            spec,
            target,
            "one",
            progress=lambda copied, _: done.append(copied),
            cancelled=lambda: bool(done),
        )

    with pytest.raises(MarkGone):
        take(host, spec, target, "two", since="one")


def test_a_target_that_dies_is_waited_for(host: Host, servers: NbdServers, tmp_path: Path) -> None:
    spec = filled_and_running(host, tmp_path)
    wait_until("it has booted", lambda: host.machines.console(spec.instance_id, 0, 0).size_bytes)
    target = servers.serve_slowly("target", 64 * MIB)
    died = threading.Event()

    def end_target(_done: int, _total: int) -> None:
        if not died.is_set():
            servers.end("target")
            died.set()

    with ThreadPoolExecutor() as pool:
        found = pool.submit(take, host, spec, target, "one", progress=end_target)
        died.wait()
        printed = host.machines.console(spec.instance_id, 0, 0).size_bytes
        wait_until("the guest goes on", lambda: host.machines.console(spec.instance_id, 0, 0).size_bytes > printed + 3)
        assert not found.done()
        servers.serve("target", tmp_path / "targets" / "target.raw")
        assert found.result().copied_bytes == 63 * MIB


def test_a_stopped_machine_does_not_start_while_its_disk_is_copied(host: Host, servers: NbdServers, tmp_path: Path) -> None:
    spec = filled_and_running(host, tmp_path)
    host.machines.kill(spec.instance_id)
    target = servers.serve_slowly("target", 64 * MIB)
    refused: list[MachineError] = []

    def start(_done: int, _total: int) -> None:
        if not refused:
            with pytest.raises(MachineBusy) as busy:
                host.machines.start(spec.instance_id)
            refused.append(busy.value)

    take(host, spec, target, "one", progress=start)

    assert refused
    assert not host.machines.start(spec.instance_id).already_running


def test_a_machine_killed_during_a_copy_fails_the_copy(host: Host, servers: NbdServers, tmp_path: Path) -> None:
    spec = filled_and_running(host, tmp_path)
    target = servers.serve_slowly("target", 64 * MIB)

    with pytest.raises(SnapshotFailed):
        take(
            host,
            spec,
            target,
            "one",
            progress=lambda _done, _total: host.machines.kill(spec.instance_id),
        )

    assert host.machines.state(spec.instance_id) is MachineState.STOPPED


def test_a_chattering_guest_does_not_fill_the_disk(host: Host, tmp_path: Path) -> None:
    spec = host.running()
    host.machines.close()
    log = folder_of(tmp_path, spec) / "console.log"
    with log.open("ab") as chatter:
        chatter.write(b"." * (4 * MIB))

    host.machines = restarted(tmp_path)

    wait_until("the log takes less space", lambda: log.stat().st_blocks * 512 < 2 * MIB)
    printed = host.machines.console(spec.instance_id, 4 * MIB, 0).size_bytes
    wait_until("the guest goes on", lambda: host.machines.console(spec.instance_id, 0, 0).size_bytes > printed)


def listens(place: Forward) -> bool:
    with socket.socket() as client:
        return client.connect_ex((place.address, place.port)) == 0


def test_the_host_listens_on_open_ports_and_on_no_others_also_after_a_crash_in_between(host: Host) -> None:
    spec = host.running()
    (ssh, web) = host.machines.start(spec.instance_id).forwards
    assert listens(ssh)
    assert listens(web)

    (_, other) = host.machines.forward(spec.instance_id, tcp=[22, 8000])

    assert listens(ssh)
    assert listens(other)
    assert not listens(web)

    # The record of before, as a crash between QEMU's answer and the record leaves it.
    host.machines.prepare(dataclasses.replace(spec, forwarded_ports=(22, 80)))
    assert [listens(place) for place in (ssh, web, other)] == [True, True, False]


def test_a_port_that_the_host_lacks_is_refused_and_the_others_are_opened(host: Host) -> None:
    spec = host.running()
    with socket.create_server((spec.address, 8001)):
        with pytest.raises(ForwardRefused, match="8001"):
            host.machines.forward(spec.instance_id, tcp=[8000, 8001])
        assert listens(Forward(8000, spec.address, 8000))

    (_, late) = host.machines.forward(spec.instance_id, tcp=[8000, 8001])
    assert listens(late)


def test_a_port_that_may_not_be_bound_is_moved_up() -> None:
    spec = dataclasses.replace(machine_spec(1, ()), forwarded_ports=(22, 3389))

    assert [place.port for place in forwards(spec, 1024)] == [20022, 3389]
    assert [place.port for place in forwards(spec, 1)] == [22, 3389]


@pytest.mark.parametrize("wrong", [{"instance_id": "ins-../../x"}, {"address": "127.0.0.1,smb=/"}, {"uuid": "1,2"}])
def test_a_spec_cannot_smuggle_words_onto_the_command_line(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        dataclasses.replace(machine_spec(1, ()), **wrong)


def test_a_start_takes_little_of_our_own_time(host: Host) -> None:
    spec = host.spec()
    begun = time.monotonic()
    host.machines.prepare(spec)
    prepared_s = time.monotonic() - begun

    started = host.machines.start(spec.instance_id)

    assert prepared_s + started.ready_s < 1.0
    assert 0 < started.spawn_s <= started.ready_s
