"""What is copied of a guest that writes: by mark, by overlay and whole, each compared byte by byte with what the guest has."""

import hashlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from held_socket import HeldSocket
from machine_hosts import MIB, disk_id, wait_until
from tiny_guest import BOOT_S, Guest, read_from_disk

from linocut.blocks import BlockServer, IngestGone, RegionStore, StoreUnavailable
from linocut.machines import DiskTake, MachineDisk, MachineState, MarkGone, NbdExport, SnapshotFailed

_SIZE_BYTES: Final = 16 * MIB
_DATA: Final = disk_id(9)
_OTHER: Final = disk_id(8)

pytestmark = pytest.mark.guest


class Writer(Guest):
    """A guest with a data disk on a tree of random bytes, to which it writes at random places."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, number=78, has_agent=True)
        self.base = folder / "data.raw"
        self.base.write_bytes(os.urandom(_SIZE_BYTES // 2))
        os.truncate(self.base, _SIZE_BYTES)
        self.nothing = folder / "nothing"
        self.nothing.touch()
        export = self.servers.serve("data", self.base, read_only=True)
        self.folder, self.sockets = folder, export.socket_path.parent
        self.data = MachineDisk(_DATA, _SIZE_BYTES, export)
        self.blank = MachineDisk(_OTHER, _SIZE_BYTES, None)
        self.prepare(self.data, self.blank)
        self._count = 0

    def start_writing(self) -> None:
        """Write blocks of 4 to 64 KiB, and now and then zeros, at random places until told to stop."""
        self.run(
            f"""(while [ ! -e /run/stop ]; do
                from=/dev/urandom; [ $((RANDOM % 4)) != 0 ] || from=/dev/zero
                dd if=$from of=/dev/{self.device(9)} bs=4k seek=$((RANDOM % 4000)) count=$((RANDOM % 16 + 1)) conv=notrunc,fsync
                echo . >>/run/written
            done) >/dev/null 2>&1 & echo $! >/run/writer"""
        )

    def written(self) -> int:
        return int(self.run("cat /run/written 2>/dev/null | wc -l"))

    def stop_writing(self) -> None:
        self.run("touch /run/stop; while kill -0 $(cat /run/writer); do usleep 10000; done 2>/dev/null; sync; rm /run/stop")

    def digest(self) -> str:
        """Return the digest of the data disk as the guest reads it."""
        return self.run(f"echo 3 >/proc/sys/vm/drop_caches; md5sum </dev/{self.device(9)}").split()[0]

    def copy(self, of: Path | None, mark: str, since: str | None = None) -> Path:
        """Take the data disk onto a copy of a file, or, with none, whole onto nothing; return what came of it."""
        self._count += 1
        file, target = self.servers.serve_copy(f"copy-{self._count}", of or self.nothing, _SIZE_BYTES)
        try:
            self.take(DiskTake(_DATA, target, mark, since, whole=of is None))
        finally:
            self.servers.end(f"copy-{self._count}")
        return file


def write_some(guest: Writer) -> None:
    before = guest.written()
    guest.start_writing()
    wait_until("it writes", lambda: guest.written() > before + 5)
    guest.stop_writing()


def digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    found = Writer(tmp_path_factory.mktemp("writer"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def guest(writer: Writer) -> Writer:
    if writer.machines.state(writer.spec.instance_id) is MachineState.STOPPED:
        writer.boot()
    return writer


def assert_all_ways_agree(guest: Writer, latest: Path, since: str) -> tuple[Path, str]:
    """Take the disk since a mark, by its overlay and whole; all are what the guest reads. Return the last, and its mark."""
    truth = guest.digest()
    by_mark = guest.copy(latest, f"{since}-by-mark", since)
    by_overlay = guest.copy(guest.base, f"{since}-by-overlay")
    whole = guest.copy(None, f"{since}-whole")
    assert [digest_of(file) for file in (by_mark, by_overlay, whole)] == [truth] * 3
    for file in (by_overlay, whole, latest):
        file.unlink()
    return by_mark, f"{since}-whole"


def test_a_disk_taken_by_mark_by_overlay_and_whole_is_what_the_guest_has(guest: Writer) -> None:
    latest = guest.copy(guest.base, "m")
    mark = "m"

    for number in range(2):
        guest.start_writing()
        for step in ("one", "two"):  # while it writes: each builds on the one before, so the last tells whether all were right
            before = guest.written()
            latest, mark = guest.copy(latest, f"m{number}{step}", mark), f"m{number}{step}"
            wait_until("it writes on", lambda before=before: guest.written() > before + 3)
        guest.stop_writing()
        latest, mark = assert_all_ways_agree(guest, latest, mark)


def test_a_mark_outlives_stops_and_starts_and_takes_in_between(guest: Writer) -> None:
    latest, mark = guest.copy(guest.base, "on"), "on"
    write_some(guest)
    truth = guest.digest()
    guest.shut_down()
    latest, mark = guest.copy(latest, "off", mark), "off"
    assert digest_of(latest) == truth
    guest.boot()
    write_some(guest)
    assert_all_ways_agree(guest, latest, mark)


def test_a_take_after_a_crash_is_right_whatever_became_of_the_mark(guest: Writer) -> None:
    latest = guest.copy(guest.base, "before")
    guest.start_writing()
    wait_until("it writes", guest.written)

    guest.crash()

    with pytest.raises(MarkGone) as gone:
        guest.copy(latest, "after", "before")
    assert gone.value.disk_id == _DATA
    off = guest.copy(guest.base, "after")
    guest.boot()
    assert digest_of(off) == guest.digest()
    write_some(guest)
    assert_all_ways_agree(guest, off, "after")


def test_a_crash_in_the_middle_of_a_take_leaves_the_next_one_right(guest: Writer) -> None:
    latest = guest.copy(guest.base, "before")
    guest.start_writing()
    wait_until("it writes", guest.written)
    _, target = guest.servers.serve_copy("cut", latest, _SIZE_BYTES)
    with pytest.raises(SnapshotFailed):
        guest.machines.take(
            guest.spec.instance_id,
            [DiskTake(_DATA, target, "cut", "before")],
            progress=lambda _done, _total: guest.kill(),
        )
    guest.servers.end("cut")
    guest.crash()
    guest.boot()
    write_some(guest)

    for mark in ("cut", "before"):
        with pytest.raises(MarkGone):
            guest.copy(latest, "next", mark)

    latest = guest.copy(guest.base, "next")
    assert digest_of(latest) == guest.digest()
    assert_all_ways_agree(guest, latest, "next")


@pytest.fixture
def blocks(tmp_path: Path) -> Iterator[BlockServer]:
    """A block server that the guest's QEMU may connect to."""
    tmp_path.chmod(0o711)
    found = BlockServer.start(tmp_path / "blocks", f"file://{tmp_path}/store")
    found.directory.chmod(0o711)
    found.socket_path.chmod(0o666)
    yield found
    if (last := BlockServer.find(found.directory)) is not None:
        last.stop()


def failed_writes(guest: Writer) -> str:
    return guest.run("dmesg | grep -i error || true")


def test_a_store_that_takes_no_more_fails_the_take_and_no_write_of_the_guest(guest: Writer, blocks: BlockServer) -> None:
    guest.start_writing()
    wait_until("it writes", guest.written)
    ingest = blocks.ingest(_SIZE_BYTES)
    resource.prlimit(blocks.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    guest.take(DiskTake(_DATA, NbdExport(blocks.socket_path, ingest.shielded_export), "full", whole=True))

    with pytest.raises(StoreUnavailable):
        ingest.seal()
    before = guest.written()
    wait_until("it writes on", lambda: guest.written() > before + 3)
    guest.stop_writing()
    assert failed_writes(guest) == ""


_TAKE: Final = """
import sys
from pathlib import Path
from linocut.machines import Accelerator, DiskTake, NbdExport, QemuMachines
folder, instance_id, disk_id, socket_path, export = sys.argv[1:]
machines = QemuMachines(Path(folder, "machines"), Path(folder, "disks"), accelerator=Accelerator.TCG)
machines.take(instance_id, [DiskTake(disk_id, NbdExport(Path(socket_path), export), "killed", whole=True)])
"""


@pytest.mark.parametrize("with_service", [False, True])
def test_a_block_server_killed_during_a_take_fails_the_take_and_no_write_of_the_guest(
    guest: Writer, blocks: BlockServer, tmp_path: Path, *, with_service: bool
) -> None:
    guest.start_writing()
    wait_until("it writes", guest.written)
    ingest = blocks.ingest(_SIZE_BYTES)

    with HeldSocket(guest.sockets / f"held-{with_service}", blocks.socket_path, pass_bytes=4 * MIB) as held:
        what = (str(guest.spec.instance_id), _DATA, str(held.path), ingest.shielded_export)
        with subprocess.Popen([sys.executable, "-c", _TAKE, str(guest.folder), *what]) as service:
            assert held.is_holding.wait(BOOT_S)
            os.kill(blocks.pid, signal.SIGKILL)
            if with_service:
                service.kill()
                guest.restart_service()
            held.release()
            wait_until("it is gone", lambda: not blocks.alive())
            again = BlockServer.start(blocks.directory, f"file://{tmp_path}/store")
            assert service.wait(BOOT_S) == (-signal.SIGKILL if with_service else 0)
        again.socket_path.chmod(0o666)
        with pytest.raises(IngestGone):
            ingest.seal()
        ingest = again.ingest(_SIZE_BYTES)
        with guest.machines.connect_display(guest.spec.instance_id):  # it gets a number of what QEMU has closed since
            guest.take(DiskTake(_DATA, NbdExport(held.path, ingest.shielded_export), "next", whole=True))
        ingest.seal()

    before = guest.written()
    wait_until("it writes on", lambda: guest.written() > before + 3)
    guest.stop_writing()
    assert failed_writes(guest) == ""

    ingest = again.ingest(_SIZE_BYTES)
    guest.take(DiskTake(_DATA, NbdExport(again.socket_path, ingest.shielded_export), "last", whole=True))
    with RegionStore.open(f"file://{tmp_path}/store") as store:
        (tmp_path / "last").write_bytes(store.tree(ingest.seal()).read(0, _SIZE_BYTES))
    assert digest_of(tmp_path / "last") == guest.digest()


def test_two_disks_are_taken_of_one_moment(guest: Writer) -> None:
    guest.run(
        f"""(number=0; while [ ! -e /run/stop ]; do
            number=$((number + 1))
            for disk in {guest.device(9)} {guest.device(8)}; do
                printf 'step %d\n' $number | dd of=/dev/$disk bs=512 conv=notrunc,fsync; done
        done) >/dev/null 2>&1 & echo $! >/run/lockstep"""
    )
    wait_until("it writes to both", lambda: guest.run(f"head -c 4 /dev/{guest.device(8)}") == "step")
    steps: list[tuple[int, int]] = []

    for number in range(10):
        names = [f"first-{number}", f"second-{number}"]
        first, one = guest.servers.serve_copy(names[0], guest.base, _SIZE_BYTES)
        second, two = guest.servers.serve_copy(names[1], guest.nothing, _SIZE_BYTES)
        guest.take(DiskTake(_DATA, one, f"lock-{number}"), DiskTake(_OTHER, two, f"lock-{number}"))
        steps.append((_step(first), _step(second)))
        for name in names:
            guest.servers.end(name)

    guest.run("touch /run/stop; while kill -0 $(cat /run/lockstep); do usleep 10000; done 2>/dev/null; rm /run/stop")
    assert all(first - second in {0, 1} for first, second in steps), steps
    assert steps[-1][0] > steps[0][0]


def _step(file: Path) -> int:
    with file.open("rb") as content:
        return int(re.match(rb"step (\d+)\n", content.read(512))[1])


def test_a_guest_with_an_agent_is_frozen_at_the_moment_and_then_goes_on(guest: Writer) -> None:
    wait_until("the agent listens", lambda: guest.run("pidof qemu-ga || true"))
    file, target = guest.servers.serve_copy("frozen", guest.tree, 20 << 30)
    guest.run("echo unsynced >/state/unsynced")

    taken = guest.take(DiskTake(guest.spec.disks[0].disk_id, target, "frozen"))

    guest.servers.end("frozen")
    assert taken.frozen
    assert read_from_disk(file, "/state/unsynced") == b"unsynced\n"
    assert guest.run("echo on >/state/on; sync; cat /state/on") == "on"


def test_a_guest_without_an_agent_is_taken_as_it_is(guest: Writer) -> None:
    guest.run("kill $(pidof qemu-ga); while pidof qemu-ga; do usleep 10000; done >/dev/null")
    _, target = guest.servers.serve_copy("plain", guest.base, _SIZE_BYTES)

    taken = guest.take(DiskTake(_DATA, target, "plain"))

    guest.servers.end("plain")
    guest.run("qemu-ga -d -m virtio-serial -p /dev/vport* -t /run -f /run/qemu-ga.pid")
    assert not taken.frozen


def test_a_guest_that_a_killed_service_left_frozen_is_thawed_by_the_next(guest: Writer) -> None:
    folder = guest._folder / "machines" / guest.spec.instance_id
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(str(folder / "agent.sock"))
        agent.settimeout(10)
        agent.sendall(b'{"execute": "guest-fsfreeze-freeze"}\n')
        assert b"return" in agent.recv(1000)
        (folder / "frozen").touch()

    wait_until("it is thawed", lambda: not (folder / "frozen").exists(), BOOT_S)

    assert guest.run("echo thawed >/state/thawed; sync; cat /state/thawed") == "thawed"
