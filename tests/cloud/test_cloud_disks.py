"""Disks that are made, attached, detached and given back."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from cloud_bench import ELSEWHERE, ZONE, Bench, run_order
from disk_bench import (
    attached_disk,
    disk_row,
    disks_of,
    is_gone,
    machine_disks,
    new_disk,
    next_call,
    snapshot,
    task_of,
)

from linocut.cloud import attaching, disk_changes, instances, launches, new_disks, new_snapshots, rollbacks, snapshot_sharing
from linocut.cloud.disk_changes import DiskAttributes
from linocut.cloud.imaging import CreateOrder, create_image
from linocut.cloud.instances import StopHow
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.new_disks import NewDisks
from linocut.cloud.new_snapshots import SnapshotOrder
from linocut.cloud.rollbacks import Power
from linocut.machines import DiskInUse, MachineBusy, MachineError
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.ids import DiskId, InstanceId
from linocut.model.records import DiskUsage, Tag
from linocut.model.states import DiskState, InstanceState, OperationState, SnapshotState, TaskState


def refuse(bench: Bench, error: Exception, *verbs: str) -> None:
    """Have the machines refuse these verbs from now on."""

    def ask(verb: str, _name: InstanceId) -> None:
        if verb in verbs:
            raise error

    bench.machines.refused = ask


def obey(bench: Bench) -> None:
    bench.machines.refused = lambda _verb, _name: None


def test_a_new_disk_is_a_row_and_belongs_to_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")

    ids = new_disks.create_disks(
        bench.cloud, owner, NewDisks(ZONE, "CLOUD_SSD", size_gb=20, name="books", count=2, tags=(Tag("k", "v"),))
    )

    assert len(set(ids)) == 2
    for disk_id in ids:
        disk = disk_row(bench, disk_id)
        assert (disk.state, disk.instance_id, disk.size_gb, disk.name) == (DiskState.UNATTACHED, None, 20, "books")
        assert (disk.portable, disk.delete_with_instance, disk.base_root) == (True, False, None)
    with bench.cloud.catalog.read() as tx:
        assert tx.tags.of(ids) == dict.fromkeys(ids, (Tag("k", "v"),))
    assert bench.machines.loose() == frozenset()
    assert bench.workflows.asked == []


def test_a_disk_of_a_snapshot_has_its_tree_and_at_least_its_size(bench: Bench) -> None:
    owner = bench.caller("owner")
    of = snapshot(bench, owner)

    assert disk_row(bench, new_disk(bench, owner, size_gb=0, snapshot_id=of)).size_gb == 20
    larger = disk_row(bench, new_disk(bench, owner, size_gb=50, snapshot_id=of))
    assert (larger.base_root, larger.base_snapshot, larger.size_gb) == (bench.root, of, 50)
    with pytest.raises(errors.SnapshotLargerThanDisk):
        new_disk(bench, owner, size_gb=10, snapshot_id=of)


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"size_gb": 0}, errors.ParameterMissing),
        ({"size_gb": 15}, errors.ValueOutOfRange),
        ({"size_gb": 32_010}, errors.ValueOutOfRange),
        ({"count": 0}, errors.ValueOutOfRange),
        ({"count": 51}, errors.ValueOutOfRange),
        ({"disk_type": "CLOUD_TSSD"}, errors.InvalidValue),
        ({"disk_type": "LOCAL_SSD"}, errors.InvalidValue),
        ({"charge_type": "PREPAID"}, errors.ParameterUnsupported),
        ({"zone": "ap-guangzhou-1"}, errors.ZoneSoldOut),
        ({"zone": "ap-shanghai-2"}, errors.ZoneNotFound),
        ({"project_id": 7}, errors.ProjectNotFound),
        ({"name": "名" * 21}, errors.ValueTooLong),
        ({"snapshot_id": "x"}, errors.InvalidValue),
        ({"snapshot_id": "snap-00000000"}, errors.SnapshotNotFound),
        ({"client_token": "x" * 65}, errors.ClientTokenTooLong),
        ({"tags": (Tag("", "v"),)}, errors.TagInvalid),
    ],
)
def test_an_order_that_makes_no_sense_leaves_no_disk(bench: Bench, order: dict[str, Any], error: type[Refusal]) -> None:
    owner = bench.caller("owner")

    with pytest.raises(error):
        new_disk(bench, owner, **order)

    with bench.cloud.catalog.read() as tx:
        assert tx.disks.count(owner.account.uin, owner.region) == 0


def test_disks_are_made_of_whole_snapshots_of_data_disks(bench: Bench) -> None:
    owner, other = bench.caller("owner"), bench.caller("other")
    with pytest.raises(errors.SnapshotUnsuitable):
        new_disk(bench, owner, snapshot_id=snapshot(bench, owner, usage=DiskUsage.SYSTEM_DISK), size_gb=20)
    with pytest.raises(errors.SnapshotUnfinished):
        new_disk(bench, owner, snapshot_id=snapshot(bench, owner, state=SnapshotState.CREATING), size_gb=20)
    of = snapshot(bench, owner)
    with pytest.raises(errors.SnapshotNotFound):
        new_disk(bench, other, snapshot_id=of, size_gb=20)
    with pytest.raises(errors.SnapshotNotFound):
        new_disk(bench, bench.caller("owner", ELSEWHERE), snapshot_id=of, size_gb=20, zone="ap-shanghai-2")

    snapshot_sharing.share_snapshots(bench.cloud, owner, [of], [other.account.uin])

    assert disk_row(bench, new_disk(bench, other, snapshot_id=of, size_gb=0)).base_root == bench.root


def test_a_client_token_gives_the_same_disks_as_long_as_one_of_them_is_there(bench: Bench) -> None:
    owner = bench.caller("owner")
    first = new_disk(bench, owner, client_token="once")

    assert new_disk(bench, owner, client_token="once") == first
    with pytest.raises(errors.ClientTokenReused):
        new_disk(bench, owner, client_token="once", size_gb=20)
    assert new_disk(bench, bench.caller("other"), client_token="once") != first
    assert bench.instance(owner, client_token="once")  # a token of another action is another one
    disk_changes.terminate_disks(bench.cloud, owner, [first])
    assert new_disk(bench, owner, client_token="once") != first


def test_an_account_has_so_many_disks_and_no_more(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.change(disk_quota=3)
    image_id = bench.image(owner)
    new_disks.create_disks(bench.cloud, owner, NewDisks(ZONE, "CLOUD_SSD", size_gb=10, count=2))

    with pytest.raises(errors.DiskQuotaExceeded):
        new_disks.create_disks(bench.cloud, owner, NewDisks(ZONE, "CLOUD_SSD", size_gb=10, count=2))
    bench.instance(owner, image_id)
    with pytest.raises(errors.DiskQuotaExceeded):
        launches.run_instances(bench.cloud, owner, run_order(image_id))
    assert new_disk(bench, bench.caller("other"))


@pytest.mark.parametrize("state", [InstanceState.RUNNING, InstanceState.STOPPED])
def test_a_disk_is_attached_and_detached_and_its_machine_follows(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    instance_id, other = bench.instance(owner), bench.instance(owner)
    if state is InstanceState.STOPPED:
        instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)
    disk_id = attached_disk(bench, owner, instance_id)

    disk = disk_row(bench, disk_id)
    assert (disk.instance_id, disk.position, disk.delete_with_instance) == (instance_id, 1, False)
    assert machine_disks(bench, instance_id)[disk_id] == 10
    assert task_of(bench, owner, disk_id, "AttachDisks").state is TaskState.SUCCESS

    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id], instance_id=instance_id)
    disk = disk_row(bench, disk_id)
    assert (disk.state, disk.instance_id, disk.last_instance) == (DiskState.UNATTACHED, None, instance_id)
    assert disk_id not in machine_disks(bench, instance_id)
    assert bench.machines.loose() == {disk_id}
    assert task_of(bench, owner, disk_id, "DetachDisks").state is TaskState.SUCCESS

    attaching.attach_disks(bench.cloud, next_call(bench, owner), other, [disk_id], delete_with_instance=True)
    assert disk_row(bench, disk_id).delete_with_instance
    assert disk_id in machine_disks(bench, other)
    assert bench.machines.loose() == frozenset()
    assert bench.instance_row(instance_id).state is state


def test_disks_take_the_lowest_free_places(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disks = [attached_disk(bench, owner, instance_id) for _ in range(3)]
    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disks[1]])
    new = [new_disk(bench, owner) for _ in range(2)]
    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, new)

    wanted = [disks[0], new[0], disks[2], new[1]]
    assert [disk.disk_id for disk in disks_of(bench, instance_id)[1:]] == wanted
    assert list(machine_disks(bench, instance_id))[1:] == wanted
    instances.reboot_instances(bench.cloud, next_call(bench, owner), [instance_id], how=StopHow.HARD)
    assert list(machine_disks(bench, instance_id))[1:] == wanted


def test_disks_are_attached_all_or_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id, taken = new_disk(bench, owner), attached_disk(bench, owner, bench.instance(owner))

    for other, error in ((taken, errors.DiskIsAttached), ("disk-00000000", errors.DiskNotFound), ("x", errors.InvalidValue)):
        with pytest.raises(error):
            attaching.attach_disks(bench.cloud, owner, instance_id, [disk_id, other])
    with pytest.raises(errors.DiskNotPortable):
        attaching.detach_disks(bench.cloud, owner, [taken, disks_of(bench, instance_id)[0].disk_id])
    with pytest.raises(errors.TooManyValues):
        attaching.attach_disks(bench.cloud, owner, instance_id, [f"disk-0000000{number}" for number in range(10)] + [disk_id])

    assert disk_row(bench, disk_id).state is DiskState.UNATTACHED
    assert disk_row(bench, taken).state is DiskState.ATTACHED


def test_an_instance_has_twenty_data_disks_at_most(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10),) * 9)
    ids = new_disks.create_disks(bench.cloud, owner, NewDisks(ZONE, "CLOUD_SSD", size_gb=10, count=12))
    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, ids[:10])

    with pytest.raises(errors.DisksOfInstanceExceeded):
        attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, ids[10:])

    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, ids[10:11])
    assert len(disks_of(bench, instance_id)) == 21


def test_disks_stay_in_their_zone_and_with_whom_they_are(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id, other = bench.instance(owner), bench.instance(owner)
    with pytest.raises(errors.DiskInOtherZone):
        attaching.attach_disks(bench.cloud, owner, instance_id, [new_disk(bench, owner, zone="ap-guangzhou-4")])
    disk_id, free = attached_disk(bench, owner, instance_id), new_disk(bench, owner)
    for disk_ids, named in (([disk_id], other), ([free], ""), ([disk_id, attached_disk(bench, owner, other)], "")):
        with pytest.raises(errors.DiskNotAttached):
            attaching.detach_disks(bench.cloud, owner, disk_ids, instance_id=named)


@pytest.mark.parametrize("state", set(InstanceState) - {InstanceState.RUNNING, InstanceState.STOPPED})
def test_disks_come_to_instances_that_run_or_are_stopped(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    disk_id = new_disk(bench, owner)

    with pytest.raises(errors.InstanceStateForbids):
        attaching.attach_disks(bench.cloud, owner, bench.instance_in(owner, state), [disk_id])

    assert disk_row(bench, disk_id).state is DiskState.UNATTACHED


def test_instances_and_their_disks_wait_for_each_other(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    first, second = new_disk(bench, owner), attached_disk(bench, owner, instance_id)
    with bench.holding():
        attaching.attach_disks(bench.cloud, owner, instance_id, [first])
        for act in (
            lambda: instances.terminate_instances(bench.cloud, owner, [instance_id]),
            lambda: instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD),
            lambda: create_image(bench.cloud, owner, CreateOrder("golden", instance_id)),
        ):
            with pytest.raises(errors.TaskRunning):
                act()
        with pytest.raises(errors.DiskBusy):
            attaching.detach_disks(bench.cloud, owner, [first])
        with pytest.raises(errors.DiskBusy):
            disk_changes.terminate_disks(bench.cloud, owner, [first])
        attaching.detach_disks(bench.cloud, next_call(bench, owner), [second])  # disks do not wait for each other
    for work in bench.workflows.asked[-2:]:
        bench.workflows.run(work)
    assert (disk_row(bench, first).state, disk_row(bench, second).state) == (DiskState.ATTACHED, DiskState.UNATTACHED)

    with bench.cloud.catalog.begin() as tx:
        tx.instances.update(bench.instance_row(instance_id), latest_operation_state=OperationState.OPERATING)
    with pytest.raises(errors.TaskRunning):
        attaching.detach_disks(bench.cloud, owner, [first])
    with pytest.raises(errors.TaskRunning):
        attaching.attach_disks(bench.cloud, owner, instance_id, [second])


def test_a_disk_stays_where_it_is_while_a_snapshot_of_it_is_taken(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id, free = attached_disk(bench, owner, instance_id), new_disk(bench, owner)
    snapshot(bench, owner, disk_id=disk_id, state=SnapshotState.CREATING, root=None)
    for act in (
        lambda: attaching.detach_disks(bench.cloud, owner, [disk_id]),
        lambda: attaching.attach_disks(bench.cloud, owner, instance_id, [free]),
    ):
        with pytest.raises(errors.SnapshotUnderWay):
            act()
    snapshot(bench, owner, disk_id=free, state=SnapshotState.CREATING, root=None)
    for act in (
        lambda: disk_changes.terminate_disks(bench.cloud, owner, [free]),
        lambda: disk_changes.initialize_disks(bench.cloud, owner, [free]),
        lambda: attaching.attach_disks(bench.cloud, owner, bench.instance(owner), [free]),
    ):
        with pytest.raises(errors.SnapshotUnderWay):
            act()


def test_a_guest_that_does_not_let_go_keeps_the_disk_and_the_task_says_so(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = attached_disk(bench, owner, instance_id)
    refuse(bench, DiskInUse("the guest does not let go"), "prepare")

    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id])

    assert disk_row(bench, disk_id).state is DiskState.ATTACHED
    assert disk_row(bench, disk_id).instance_id == instance_id
    task = task_of(bench, owner, disk_id, "DetachDisks")
    assert (task.state, task.error) == (
        TaskState.FAILED,
        "The guest does not let go of the disk: unmount it there, or stop the instance.",
    )
    obey(bench)
    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id])
    assert disk_row(bench, disk_id).state is DiskState.UNATTACHED


def test_a_disk_that_does_not_come_belongs_to_nothing_again(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = new_disk(bench, owner)
    failing = [True]

    def once(verb: str, _name: InstanceId) -> None:
        if verb == "prepare" and failing.pop() if failing else False:
            raise MachineBusy("another operation holds the machine")

    bench.machines.refused = once
    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, [disk_id])

    disk = disk_row(bench, disk_id)
    assert (disk.state, disk.instance_id) == (DiskState.UNATTACHED, None)
    assert disk_id not in machine_disks(bench, instance_id)
    assert task_of(bench, owner, disk_id, "AttachDisks").error == "another operation holds the machine"


def test_a_disk_that_neither_comes_nor_goes_stays_where_its_machine_may_have_it(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = new_disk(bench, owner)
    refuse(bench, MachineError("the machine does not answer"), "prepare")

    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, [disk_id])

    assert disk_row(bench, disk_id).instance_id == instance_id
    assert disk_row(bench, disk_id).state is DiskState.ATTACHED
    assert task_of(bench, owner, disk_id, "AttachDisks").state is TaskState.FAILED


def at_once(*acts: Callable[[], object]) -> list[Refusal]:
    """Do all of these at once, and return the refusals."""
    refused: list[Refusal] = []

    def tried(act: Callable[[], object]) -> None:
        try:
            act()
        except Refusal as refusal:
            refused.append(refusal)

    threads = [threading.Thread(target=tried, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_of_two_who_attach_one_disk_one_succeeds(bench: Bench) -> None:
    owner = bench.caller("owner")
    targets = [bench.instance(owner) for _ in range(2)]
    disk_id = new_disk(bench, owner)

    [refusal] = at_once(
        *(partial(attaching.attach_disks, bench.cloud, next_call(bench, owner), target, [disk_id]) for target in targets)
    )

    assert isinstance(refusal, errors.DiskBusy | errors.DiskIsAttached | errors.LostRace)
    assert sum(disk_id in machine_disks(bench, target) for target in targets) == 1
    assert disk_row(bench, disk_id).state is DiskState.ATTACHED


@pytest.mark.parametrize("number", range(5))
def test_of_attaching_and_terminating_one_is_refused(bench: Bench, number: int) -> None:
    owner = bench.caller("owner")
    instance_id, disk_id = bench.instance(owner), new_disk(bench, owner)
    acts = [
        partial(attaching.attach_disks, bench.cloud, next_call(bench, owner), instance_id, [disk_id]),
        partial(instances.terminate_instances, bench.cloud, next_call(bench, owner), [instance_id]),
    ]
    begun = len(bench.workflows.asked)

    with bench.holding():
        refused = at_once(*(acts if number % 2 else reversed(acts)))

    assert len(refused) == 1
    for work in bench.workflows.asked[begun:]:
        bench.workflows.run(work)
    if disk_row(bench, disk_id).state is DiskState.ATTACHED:
        assert disk_id in machine_disks(bench, instance_id)
    else:
        assert disk_row(bench, disk_id).state is DiskState.UNATTACHED
        assert bench.machines.list() == {}


def test_disks_that_do_not_end_with_their_instance_stay_with_what_they_hold(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10, delete_with_instance=False), DataDiskOrder(20)))
    system, kept, dropped = (disk.disk_id for disk in disks_of(bench, instance_id))
    attached = attached_disk(bench, owner, instance_id)

    instances.terminate_instances(bench.cloud, next_call(bench, owner), [instance_id])

    assert is_gone(bench, system)
    assert is_gone(bench, dropped)
    for disk_id in (kept, attached):
        disk = disk_row(bench, disk_id)
        assert (disk.state, disk.instance_id, disk.last_instance) == (DiskState.UNATTACHED, None, instance_id)
    assert bench.machines.loose() == {kept, attached}
    again = bench.instance(owner)
    attaching.attach_disks(bench.cloud, next_call(bench, owner), again, [kept])
    assert kept in machine_disks(bench, again)


def test_disks_are_given_back_with_what_is_kept_of_them(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = attached_disk(bench, owner, instance_id)
    with pytest.raises(errors.DiskIsAttached):
        disk_changes.terminate_disks(bench.cloud, owner, [disk_id])
    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id])
    with pytest.raises(errors.DiskNotFound):
        disk_changes.terminate_disks(bench.cloud, owner, [disk_id, "disk-00000000"])

    disk_changes.terminate_disks(bench.cloud, owner, [disk_id])

    assert is_gone(bench, disk_id)
    assert bench.machines.loose() == frozenset()


def test_snapshots_that_are_not_kept_for_ever_go_with_their_disk_where_that_is_asked_for(bench: Bench) -> None:
    owner, other = bench.caller("owner"), bench.caller("other")
    for asked in (False, True):
        disk_id = new_disk(bench, owner)
        passing = {"disk_id": disk_id, "deadline": bench.cloud.now()}
        permanent, gone, shared = snapshot(bench, owner, disk_id=disk_id), *(snapshot(bench, owner, **passing) for _ in "ab")
        snapshot_sharing.share_snapshots(bench.cloud, owner, [shared], [other.account.uin])

        disk_changes.terminate_disks(bench.cloud, owner, [disk_id], delete_snapshots=asked)

        with bench.cloud.catalog.read() as tx:
            left = [tx.snapshots.get(each) is not None for each in (permanent, gone, shared)]
        assert left == [True, not asked, True]


def test_attributes_of_disks_change(bench: Bench) -> None:
    owner = bench.caller("owner")
    disk_id = new_disk(bench, owner)
    system = disks_of(bench, bench.instance(owner))[0].disk_id

    disk_changes.modify_disks(bench.cloud, owner, [disk_id, system], DiskAttributes(name="new", disk_type=None, project_id=0))
    disk_changes.modify_disks(bench.cloud, owner, [disk_id], DiskAttributes(delete_with_instance=True, disk_type="CLOUD_SSD"))

    assert (disk_row(bench, disk_id).name, disk_row(bench, system).name) == ("new", "new")
    assert disk_row(bench, disk_id).delete_with_instance
    for new, error in (
        (DiskAttributes(), errors.ParameterMissing),
        (DiskAttributes(portable=False), errors.InvalidValue),
        (DiskAttributes(portable=True), errors.DiskUnsuitable),
        (DiskAttributes(delete_with_instance=False), errors.DiskUnsuitable),
        (DiskAttributes(disk_type="CLOUD_HSSD"), errors.ParameterUnsupported),
        (DiskAttributes(project_id=7), errors.ProjectNotFound),
        (DiskAttributes(name="x" * 61), errors.ValueTooLong),
    ):
        with pytest.raises(error):
            disk_changes.modify_disks(bench.cloud, owner, [disk_id, system], new)


def test_what_becomes_of_a_disk_does_not_change_once_its_instance_ends(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = attached_disk(bench, owner, instance_id)
    disk_changes.modify_disks(bench.cloud, owner, [disk_id], DiskAttributes(delete_with_instance=True))
    with bench.holding():
        instances.terminate_instances(bench.cloud, next_call(bench, owner), [instance_id])

    with pytest.raises(errors.DiskBusy):  # what it holds may be gone, and it would claim to be there
        disk_changes.modify_disks(bench.cloud, owner, [disk_id], DiskAttributes(delete_with_instance=False))
    disk_changes.modify_disks(bench.cloud, owner, [disk_id], DiskAttributes(name="renamed"))

    bench.workflows.run(bench.workflows.asked[-1])
    assert is_gone(bench, disk_id)


def test_a_disk_is_made_what_it_was_when_it_was_made(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    of = snapshot(bench, owner)
    disk_id = attached_disk(bench, owner, instance_id, snapshot_id=of, size_gb=20)
    with pytest.raises(errors.DiskIsAttached):
        disk_changes.initialize_disks(bench.cloud, owner, [disk_id])
    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id])

    disk_changes.initialize_disks(bench.cloud, owner, [disk_id])

    assert (disk_row(bench, disk_id).generation, disk_row(bench, disk_id).base_root) == (1, bench.root)
    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, [disk_id])
    [disk] = [one for one in bench.machines.spec(instance_id).disks if one.disk_id == disk_id]
    assert disk.generation == 1
    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id])
    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.remove([of])
    with pytest.raises(errors.DiskSnapshotGone):
        disk_changes.initialize_disks(bench.cloud, owner, [disk_id])


def test_a_disk_that_was_rolled_back_is_made_what_it_was_at_first(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    of = snapshot(bench, owner)
    for made_of, root in ((of, bench.root), ("", None)):
        disk_id = attached_disk(bench, owner, instance_id, snapshot_id=made_of, size_gb=20)
        attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id])
        kept = new_snapshots.create_snapshot(bench.cloud, next_call(bench, owner), SnapshotOrder(disk_id))
        rollbacks.apply_snapshot(bench.cloud, next_call(bench, owner), kept, disk_id, Power())
        assert disk_row(bench, disk_id).base_snapshot == kept

        disk_changes.initialize_disks(bench.cloud, owner, [disk_id])

        disk = disk_row(bench, disk_id)
        assert (disk.base_root, disk.base_snapshot, disk.generation) == (root, made_of or None, 2)


def test_twenty_instances_get_a_data_disk_each_of_one_snapshot(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.change(host_vcpus=100, host_memory_mb=100_000)
    of = snapshot(bench, owner)
    order = replace(
        run_order(bench.image(owner), count=20), data_disks=(DataDiskOrder(30, "CLOUD_SSD", of, delete_with_instance=False),)
    )

    ids = launches.run_instances(bench.cloud, owner, order)

    disks = [disks_of(bench, instance_id)[1] for instance_id in ids]
    assert len({disk.disk_id for disk in disks}) == 20
    assert {(disk.base_root, disk.base_snapshot, disk.size_gb, disk.state) for disk in disks} == {
        (bench.root, of, 30, DiskState.ATTACHED)
    }
    assert all(machine_disks(bench, disk.instance_id or "")[disk.disk_id] == 30 for disk in disks)
    instances.terminate_instances(bench.cloud, next_call(bench, owner), ids)
    assert {disk_row(bench, disk.disk_id).state for disk in disks} == {DiskState.UNATTACHED}
    assert bench.machines.loose() == {DiskId(disk.disk_id) for disk in disks}
