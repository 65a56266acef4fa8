"""A real operating system on QemuMachines: it keeps what it wrote, and does not notice that it is copied."""

import dataclasses
import hashlib
import socket
from collections.abc import Iterator

import pytest
from machine_hosts import disk_id, wait_until
from tiny_guest import BOOT_S, Guest, read_from_disk

from linocut.machines import MachineDisk, MachineState, NbdExport

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    found = Guest(tmp_path_factory.mktemp("guest"))
    try:
        found.boot()
        yield found
    finally:
        found.close()


def test_a_guest_reads_its_config_drive(guest: Guest) -> None:
    assert guest.meta()["hostname"] == "host-77"
    assert guest.run("hostname") == "host-77"
    assert guest.run("cat /state/told") == "told"
    assert guest.run("cat /sys/block/vda/serial") == guest.spec.disks[0].disk_id


def test_a_running_guest_is_copied_as_it_was_at_one_moment_while_it_writes_on(guest: Guest) -> None:
    guest.run("head -c 5000000 /dev/urandom >/state/before; sync")
    digest = guest.run("sha256sum </state/before")
    guest.run("(while sleep 0.01; do date >>/state/busy; sync; done) >/dev/null 2>&1 & echo $! >/run/writer")

    first, copied = guest.snapshot("first", guest.tree, "first")
    guest.run("echo later >/state/later; sync")
    lines = int(guest.run("wc -l </state/busy"))
    second, added = guest.snapshot("second", first, "second", since="first")
    wait_until("it writes on", lambda: int(guest.run("wc -l </state/busy")) > lines)
    guest.run("kill $(cat /run/writer)")

    assert 5_000_000 < copied < 20_000_000
    assert added < 3_000_000
    assert guest.run("sha256sum </state/before") == digest
    assert read_from_disk(first, "/state/later") == b""
    assert read_from_disk(second, "/state/later") == b"later\n"
    for disk in (first, second):
        assert hashlib.sha256(read_from_disk(disk, "/state/before")).hexdigest() == digest.split()[0]


def test_a_guest_outlives_its_block_server(guest: Guest) -> None:
    digest = guest.run("md5sum </bin/busybox")

    guest.servers.end("tree")
    again: NbdExport = guest.servers.serve("tree", guest.tree, read_only=True)

    assert again == guest.spec.disks[0].base
    assert guest.run("echo 3 >/proc/sys/vm/drop_caches; md5sum </bin/busybox") == digest


def test_a_guest_sees_a_disk_come_and_grow_and_go_and_come_back_with_what_it_holds(guest: Guest) -> None:
    disk = MachineDisk(disk_id(9), 64 << 20, None)
    guest.prepare(disk)
    wait_until("it has the disk", lambda: guest.device(9), BOOT_S)
    device = guest.device(9)
    guest.run(f"mke2fs /dev/{device} && mkdir -p /run/data && mount /dev/{device} /run/data && echo kept >/run/data/file")
    larger = dataclasses.replace(disk, size_bytes=96 << 20)

    guest.prepare(larger)

    wait_until("it sees the size", lambda: guest.run(f"blockdev --getsize64 /dev/{device}") == str(96 << 20), BOOT_S)
    guest.run("umount /run/data")
    guest.prepare()
    assert guest.device(9) == ""
    assert guest.machines.loose() == {disk_id(9)}
    guest.prepare(larger)
    wait_until("it has the disk again", lambda: guest.device(9), BOOT_S)
    assert guest.run(f"mount -t ext2 /dev/{guest.device(9)} /run/data && cat /run/data/file; umount /run/data") == "kept"
    guest.prepare()


def test_a_running_guest_takes_twenty_disks_on_trees_and_lets_go_of_them(guest: Guest) -> None:
    base = guest.spec.disks[0].base
    disks = [MachineDisk(disk_id(number), 2 << 30, base) for number in range(20)]

    guest.prepare(*disks)

    wait_until("it has all disks", lambda: guest.run("grep -l disk-000000 /sys/block/vd*/serial | wc -l") == "21", BOOT_S)
    last = guest.device(19)
    guest.servers.end("tree")
    guest.servers.serve("tree", guest.tree, read_only=True)
    assert guest.run(f"dd if=/dev/{last} bs=1M count=4 2>/dev/null | md5sum") == guest.run(
        "dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum"
    )
    guest.prepare()
    assert guest.run("grep -l disk-000000 /sys/block/vd*/serial | wc -l") == "1"
    for disk in disks:
        guest.machines.drop_disk(disk.disk_id)


def test_a_guest_that_is_shut_down_keeps_what_it_wrote(guest: Guest) -> None:
    guest.run("echo kept >/state/kept")
    boots = int(guest.run("cat /state/boots"))

    assert guest.machines.shut_down(guest.spec.instance_id, timeout_s=20)
    assert guest.machines.state(guest.spec.instance_id) is MachineState.STOPPED
    guest.boot()

    assert guest.run("cat /state/kept") == "kept"
    assert int(guest.run("cat /state/boots")) == boots + 1


def test_a_guest_shows_text_on_its_screen_and_takes_keys(guest: Guest) -> None:
    pressed = int(guest.run("awk '/i8042/ {print $2; exit}' /proc/interrupts"))

    lit = guest.screen()

    assert any(lit)
    wait_until("the key arrives", lambda: int(guest.run("awk '/i8042/ {print $2; exit}' /proc/interrupts")) > pressed)


def test_a_port_is_reached_while_it_is_open_and_not_when_it_is_closed(guest: Guest) -> None:
    guest.run("(while nc -l -p 7070 -e echo hello; do :; done) >/dev/null 2>&1 & echo $! >/run/tcp")
    unwanted = "grep ^Udp: /proc/net/snmp | tail -n 1 | cut -d' ' -f 3"  # datagrams that nobody in the guest listens for
    before = int(guest.run(unwanted))
    place = (guest.spec.address, 7070)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=5)

    guest.machines.forward(guest.spec.instance_id, tcp=[22, 80, 7070], udp=[7071])
    with socket.create_connection(place, timeout=10) as opened:
        assert opened.recv(100) == b"hello\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.sendto(b"anybody there?", (guest.spec.address, 7071))
        wait_until("the datagram arrives", lambda: int(guest.run(unwanted)) > before)

    guest.machines.forward(guest.spec.instance_id, tcp=[22, 80])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=5)
    guest.run("kill $(cat /run/tcp)")
