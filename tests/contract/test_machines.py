"""Every implementation of Machines keeps these promises."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from machine_hosts import MIB, Host, disk_id, qemu_host, wait_until

from linocut.machines import (
    Cancelled,
    DiskInUse,
    DiskTake,
    MachineBusy,
    MachineDisk,
    MachineError,
    MachineGone,
    Machines,
    MachineSpec,
    MachineState,
    MarkGone,
    MemoryMachines,
    NbdExport,
    Snapshotted,
    Taken,
)
from linocut.model.ids import InstanceId
from rfb_client import Viewer

_NOWHERE = NbdExport(Path("/nowhere/nbd.sock"), "nothing")


@pytest.fixture(params=["qemu", "memory"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param == "qemu":
        with qemu_host(tmp_path) as found:
            yield found
        return
    machines = MemoryMachines(obeys_power_button=False, holds_disks=True)
    found = Host(machines, _NOWHERE, lambda _size=None: _NOWHERE)
    machines.watch(found.exited.append)
    yield found


def test_a_prepared_machine_is_off_until_it_is_started(host: Host) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    assert host.machines.state(spec.instance_id) is MachineState.STOPPED

    started = host.machines.start(spec.instance_id)

    assert not started.already_running
    assert host.machines.list() == {spec.instance_id: MachineState.RUNNING}


def test_preparing_and_starting_again_changes_nothing(host: Host) -> None:
    spec = host.running()

    host.machines.prepare(spec)

    assert host.machines.start(spec.instance_id).already_running
    assert host.machines.state(spec.instance_id) is MachineState.RUNNING
    assert host.exited == []


def test_a_start_says_where_the_guests_ports_are(host: Host) -> None:
    spec = host.spec()
    host.machines.prepare(spec)

    forwards = host.machines.start(spec.instance_id).forwards

    assert [forward.guest_port for forward in forwards] == [22, 80]
    assert {forward.address for forward in forwards} == {spec.address}


def test_ports_are_opened_and_closed_while_the_machine_runs_and_stay_so(host: Host) -> None:
    spec = host.running()

    forwards = host.machines.forward(spec.instance_id, tcp=[22, 8000], udp=[53])

    assert [(place.protocol, place.guest_port) for place in forwards] == [("tcp", 22), ("tcp", 8000), ("udp", 53)]
    assert {place.address for place in forwards} == {spec.address}
    assert host.machines.forward(spec.instance_id, tcp=[22, 8000], udp=[53]) == forwards
    assert host.machines.start(spec.instance_id).forwards == forwards
    host.machines.kill(spec.instance_id)
    assert host.machines.start(spec.instance_id).forwards == forwards


def test_ports_of_a_machine_that_is_off_are_open_from_its_next_start(host: Host) -> None:
    spec = host.spec()
    host.machines.prepare(spec)

    forwards = host.machines.forward(spec.instance_id, tcp=[443])

    assert host.machines.start(spec.instance_id).forwards == forwards
    assert [place.guest_port for place in forwards] == [443]


_VERBS: dict[str, Callable[[Machines, InstanceId], Any]] = {
    "start": lambda machines, gone: machines.start(gone),
    "state": lambda machines, gone: machines.state(gone),
    "shut_down": lambda machines, gone: machines.shut_down(gone, timeout_s=1),
    "kill": lambda machines, gone: machines.kill(gone),
    "forward": lambda machines, gone: machines.forward(gone, tcp=[22]),
    "reset": lambda machines, gone: machines.reset(gone),
    "take": lambda machines, gone: machines.take(gone, [DiskTake(disk_id(1), _NOWHERE, "a")]),
    "console": lambda machines, gone: machines.console(gone, 0, 10),
    "display": lambda machines, gone: machines.connect_display(gone),
}


@pytest.mark.parametrize("gone", ["ins-99999999", "../../etc"])
def test_a_machine_that_is_not_there_is_gone_for_every_verb(host: Host, gone: str) -> None:
    for verb in _VERBS.values():
        with pytest.raises(MachineGone):
            verb(host.machines, InstanceId(gone))


def test_a_running_machine_shows_its_screen_and_takes_keys(host: Host) -> None:
    spec = host.running()

    with host.machines.connect_display(spec.instance_id) as display, host.machines.connect_display(spec.instance_id) as second:
        viewer = Viewer(lambda: display.recv(65536), display.sendall)
        viewer.greet()
        viewer.press(ord("a"))
        picture = viewer.look()
        Viewer(lambda: second.recv(65536), second.sendall).greet()

    assert viewer.width > 0
    assert sum(part.width * part.height for part in picture) > 0


def test_a_screen_goes_dark_with_its_machine_and_a_stopped_one_has_none(host: Host) -> None:
    spec = host.running()
    with host.machines.connect_display(spec.instance_id) as display:
        Viewer(lambda: display.recv(65536), display.sendall).greet()

        host.machines.kill(spec.instance_id)

        with suppress(ConnectionError):
            while display.recv(65536):
                pass
    with pytest.raises(MachineError):
        host.machines.connect_display(spec.instance_id)


def test_a_destroyed_machine_is_gone(host: Host) -> None:
    spec = host.running()

    host.machines.destroy(spec.instance_id)
    host.machines.destroy(spec.instance_id)

    assert host.machines.list() == {}
    wait_until("its end is told", lambda: host.exited == [spec.instance_id])


def test_a_killed_machine_is_off_and_starts_again(host: Host) -> None:
    spec = host.running()

    host.machines.kill(spec.instance_id)
    host.machines.kill(spec.instance_id)

    assert host.machines.state(spec.instance_id) is MachineState.STOPPED
    wait_until("its end is told", lambda: host.exited == [spec.instance_id])
    assert not host.machines.start(spec.instance_id).already_running


def test_a_deaf_guest_stays_on_and_the_caller_learns_it(host: Host) -> None:
    spec = host.running()

    assert not host.machines.shut_down(spec.instance_id, timeout_s=0.3)

    assert host.machines.state(spec.instance_id) is MachineState.RUNNING
    host.machines.kill(spec.instance_id)
    assert host.machines.shut_down(spec.instance_id, timeout_s=0.3)


def test_a_reset_leaves_the_machine_running_and_starts_a_stopped_one(host: Host) -> None:
    spec = host.spec()
    host.machines.prepare(spec)

    host.machines.reset(spec.instance_id)
    host.machines.reset(spec.instance_id)

    assert host.machines.state(spec.instance_id) is MachineState.RUNNING
    assert host.exited == []


def test_what_a_guest_is_told_may_change_while_it_runs(host: Host) -> None:
    spec = host.running()

    host.machines.prepare(dataclasses.replace(spec, guest=dataclasses.replace(spec.guest, hostname="new")))

    assert host.machines.start(spec.instance_id).already_running


def take(
    host: Host,
    mark: str,
    since: str | None = None,
    *,
    number: int = 1,
    whole: bool = False,
    generation: int = 0,
    size: int = 8 * MIB,
    **watch: Any,
) -> Taken:
    wanted = DiskTake(disk_id(number), host.new_target(size), mark, since, whole=whole, generation=generation)
    return host.machines.take(InstanceId("ins-00000001"), [wanted], **watch)


def with_disk(spec: MachineSpec, number: int, **changes: Any) -> MachineSpec:
    """Return the machine with another disk, of the base of its first."""
    disk = dataclasses.replace(spec.disks[0], disk_id=disk_id(number), **changes)
    return dataclasses.replace(spec, disks=(*spec.disks, disk))


def prepared(host: Host, spec: MachineSpec, *, runs: bool) -> MachineSpec:
    host.machines.prepare(spec)
    if runs:
        host.machines.start(spec.instance_id)
    return spec


@pytest.mark.parametrize("runs", [True, False])
def test_a_disk_grows_and_keeps_its_mark_and_does_not_shrink(host: Host, *, runs: bool) -> None:
    spec = prepared(host, with_disk(host.spec(), 9), runs=runs)
    take(host, "one", number=9)

    host.machines.prepare(with_disk(host.spec(), 9, size_bytes=16 * MIB))
    host.machines.prepare(with_disk(host.spec(), 9, size_bytes=16 * MIB))

    take(host, "two", since="one", number=9, size=16 * MIB)
    with pytest.raises(MachineError):
        host.machines.prepare(spec)
    host.machines.kill(spec.instance_id)
    host.machines.start(spec.instance_id)
    take(host, "three", since="two", number=9, size=16 * MIB)


@pytest.mark.parametrize("runs", [True, False])
def test_a_disk_comes_to_a_machine_and_is_there_after_its_next_start(host: Host, *, runs: bool) -> None:
    spec = prepared(host, host.spec(), runs=runs)

    host.machines.prepare(with_disk(spec, 9))
    host.machines.prepare(with_disk(spec, 9))

    take(host, "one", number=9)
    host.machines.kill(spec.instance_id)
    host.machines.start(spec.instance_id)
    take(host, "two", since="one", number=9)


def test_a_disk_that_its_guest_does_not_let_go_of_stays(host: Host) -> None:
    spec = prepared(host, with_disk(host.spec(), 9), runs=True)

    with pytest.raises(DiskInUse):
        host.machines.prepare(host.spec())

    take(host, "one", number=9)
    assert host.machines.loose() == frozenset()
    host.machines.prepare(spec)
    host.machines.kill(spec.instance_id)
    host.machines.prepare(host.spec())
    assert host.machines.loose() == {disk_id(9)}


@pytest.mark.parametrize("runs", [True, False])
def test_a_disk_that_left_one_machine_comes_to_another_with_its_marks(host: Host, *, runs: bool) -> None:
    first = prepared(host, with_disk(host.spec(1), 9), runs=False)
    take(host, "one", number=9)
    second = prepared(host, host.spec(2), runs=runs)

    host.machines.prepare(host.spec(1))
    assert host.machines.loose() == {disk_id(9)}
    host.machines.prepare(with_disk(second, 9, size_bytes=16 * MIB))

    assert host.machines.loose() == frozenset()
    wanted = DiskTake(disk_id(9), host.new_target(16 * MIB), "two", since="one")
    assert host.machines.take(second.instance_id, [wanted]).disks[0].mark == "two"
    with pytest.raises(MachineGone):
        host.machines.take(first.instance_id, [wanted])


@pytest.mark.parametrize("change", [{"generation": 1}, {"base": None}])
def test_a_disk_that_comes_with_another_content_comes_empty(host: Host, change: dict[str, Any]) -> None:
    prepared(host, with_disk(host.spec(), 9), runs=False)
    take(host, "one", number=9)
    host.machines.prepare(host.spec())

    host.machines.prepare(with_disk(host.spec(), 9, **change, size_bytes=MIB))

    assert host.machines.loose() == frozenset()
    with pytest.raises(MarkGone):
        take(host, "two", since="one", number=9, generation=change.get("generation", 0), size=MIB)


def test_a_loose_disk_is_taken_and_goes_on_from_its_marks_wherever_it_is(host: Host) -> None:
    spec = prepared(host, with_disk(host.spec(), 9), runs=False)
    take(host, "one", number=9)
    host.machines.prepare(host.spec())

    loose = dataclasses.replace(spec.disks[1], size_bytes=16 * MIB)
    found = host.machines.take_loose(loose, DiskTake(disk_id(9), host.new_target(16 * MIB), "two", since="one"))

    assert found == Snapshotted(0, "two")
    with pytest.raises(MarkGone):
        host.machines.take_loose(loose, DiskTake(disk_id(9), host.new_target(16 * MIB), "three", since="lost"))
    host.machines.prepare(with_disk(host.spec(), 9, size_bytes=16 * MIB))
    take(host, "three", since="two", number=9, size=16 * MIB)
    with pytest.raises(MachineBusy):
        host.machines.take_loose(loose, DiskTake(disk_id(9), host.new_target(16 * MIB), "four"))


def test_a_disk_that_no_machine_ever_had_is_taken_and_then_is_loose(host: Host) -> None:
    disk = MachineDisk(disk_id(9), 8 * MIB, host.base)

    found = host.machines.take_loose(disk, DiskTake(disk_id(9), host.new_target(), "one"))

    assert found == Snapshotted(0, "one")
    assert host.machines.loose() == {disk_id(9)}
    fresh = dataclasses.replace(disk, generation=1)
    with pytest.raises(MarkGone):
        host.machines.take_loose(fresh, DiskTake(disk_id(9), host.new_target(), "two", since="one"))
    with pytest.raises(Cancelled):
        host.machines.take_loose(fresh, DiskTake(disk_id(9), host.new_target(), "two"), cancelled=lambda: True)


def test_a_loose_disk_that_is_dropped_is_gone(host: Host) -> None:
    disk = MachineDisk(disk_id(9), 8 * MIB, host.base)
    host.machines.take_loose(disk, DiskTake(disk_id(9), host.new_target(), "one"))

    host.machines.drop_disk(disk_id(9))
    host.machines.drop_disk(disk_id(9))

    assert host.machines.loose() == frozenset()
    with pytest.raises(MarkGone):
        host.machines.take_loose(disk, DiskTake(disk_id(9), host.new_target(), "two", since="one"))


def test_dropping_a_disk_that_a_machine_has_changes_nothing(host: Host) -> None:
    spec = prepared(host, with_disk(host.spec(), 9), runs=False)

    host.machines.drop_disk(disk_id(9))

    assert not host.machines.start(spec.instance_id).already_running


@pytest.mark.parametrize("runs", [True, False])
def test_a_destroyed_machine_leaves_the_disks_that_are_to_be_kept(host: Host, *, runs: bool) -> None:
    spec = prepared(host, with_disk(with_disk(host.spec(), 8), 9), runs=runs)
    take(host, "one", number=9)

    host.machines.destroy(spec.instance_id, keep=[disk_id(9), disk_id(7)])
    host.machines.destroy(spec.instance_id, keep=[disk_id(9), disk_id(7)])

    assert host.machines.loose() == {disk_id(9)}
    host.machines.take_loose(spec.disks[2], DiskTake(disk_id(9), host.new_target(), "two", since="one"))


def test_the_first_disk_of_a_running_machine_stays(host: Host) -> None:
    spec = prepared(host, with_disk(host.spec(), 9), runs=True)

    with pytest.raises(MachineBusy):
        host.machines.prepare(dataclasses.replace(spec, disks=spec.disks[1:]))


@pytest.mark.parametrize("runs", [True, False])
def test_a_take_may_follow_on_an_earlier_one_and_a_disk_keeps_two_marks(host: Host, *, runs: bool) -> None:
    spec = host.running()
    if not runs:
        host.machines.kill(spec.instance_id)

    assert take(host, "one") == Taken((Snapshotted(0, "one"),), frozen=False)
    take(host, "two", since="one")
    take(host, "again", since="one")
    with pytest.raises(MarkGone) as gone:
        take(host, "three", since="two")
    take(host, "three", since="again")
    with pytest.raises(MarkGone):
        take(host, "four", since="one")

    assert gone.value.disk_id == disk_id(1)


def test_marks_outlive_stops_and_starts(host: Host) -> None:
    spec = host.running()
    take(host, "one")

    host.machines.kill(spec.instance_id)
    take(host, "two", since="one")
    host.machines.start(spec.instance_id)

    take(host, "three", since="two")


def test_a_take_of_everything_is_a_ground_for_others_and_follows_on_none(host: Host) -> None:
    host.running()
    if isinstance(host.machines, MemoryMachines):
        take(host, "one", whole=True)
    else:
        assert take(host, "one", whole=True).disks[0].copied_bytes > 0
    take(host, "two", since="one")

    with pytest.raises(ValueError, match="since nothing"):
        take(host, "three", since="two", whole=True)


def test_disks_are_taken_together_and_each_tells_its_own_mark(host: Host) -> None:
    spec = host.spec()
    spec = dataclasses.replace(spec, disks=(*spec.disks, MachineDisk(disk_id(9), 8 * MIB, host.base)))
    host.machines.prepare(spec)
    host.machines.start(spec.instance_id)
    wanted = [DiskTake(disk_id(number), host.new_target(), f"mark-{number}") for number in (9, 1)]

    taken = host.machines.take(spec.instance_id, wanted)

    assert [one.mark for one in taken.disks] == ["mark-9", "mark-1"]
    wanted = [
        DiskTake(disk_id(1), host.new_target(), "new", since="mark-1"),
        DiskTake(disk_id(9), host.new_target(), "new", since="lost"),
    ]
    with pytest.raises(MarkGone) as gone:
        host.machines.take(spec.instance_id, wanted)
    assert gone.value.disk_id == disk_id(9)
    take(host, "newer", since="mark-1")


def test_a_fresh_generation_has_no_marks(host: Host) -> None:
    spec = host.spec()
    host.machines.prepare(spec)
    take(host, "one")

    host.machines.prepare(dataclasses.replace(spec, disks=(dataclasses.replace(spec.disks[0], generation=1),)))

    with pytest.raises(MarkGone):
        take(host, "two", since="one", generation=1)


@pytest.mark.parametrize("runs", [True, False])
def test_only_the_content_that_is_meant_is_taken(host: Host, *, runs: bool) -> None:
    prepared(host, host.spec(), runs=runs)
    take(host, "one")

    with pytest.raises(MachineBusy):
        take(host, "two", since="one", generation=1)

    take(host, "three", since="one")


def test_a_take_of_a_disk_that_is_not_there_fails(host: Host) -> None:
    host.running()

    with pytest.raises(MachineGone):
        take(host, "one", number=7)


def test_a_cancelled_take_leaves_no_mark_and_keeps_the_one_before(host: Host) -> None:
    spec = host.running()
    take(host, "one")

    with pytest.raises(Cancelled):
        take(host, "two", since="one", cancelled=lambda: True)

    with pytest.raises(MarkGone):
        take(host, "three", since="two")
    take(host, "three", since="one")
    assert host.machines.state(spec.instance_id) is MachineState.RUNNING


def test_a_console_is_read_in_pieces(host: Host) -> None:
    spec = host.running()
    if isinstance(host.machines, MemoryMachines):
        host.machines.say(spec.instance_id, b"." * 10)
    wait_until("ten dots are printed", lambda: host.machines.console(spec.instance_id, 0, 99).size_bytes >= 10)

    first = host.machines.console(spec.instance_id, 0, 4)
    second = host.machines.console(spec.instance_id, first.next_offset, 4)
    beyond = host.machines.console(spec.instance_id, 1_000_000, 4)

    assert (first.data, first.offset, first.next_offset) == (b"....", 0, 4)
    assert (second.data, second.offset, second.next_offset) == (b"....", 4, 8)
    assert (beyond.data, beyond.offset) == (b"", beyond.size_bytes)


def test_another_generation_of_a_disk_is_a_fresh_one_of_any_size(host: Host) -> None:
    spec = host.running()
    (disk,) = spec.disks
    fresh = dataclasses.replace(spec, disks=(dataclasses.replace(disk, generation=1, size_bytes=16 * MIB),))
    with pytest.raises(MachineBusy):
        host.machines.prepare(fresh)
    host.machines.kill(spec.instance_id)

    host.machines.prepare(fresh)
    host.machines.prepare(fresh)

    assert not host.machines.start(spec.instance_id).already_running
    with pytest.raises(MachineBusy):
        host.machines.prepare(spec)
