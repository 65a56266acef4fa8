"""Disks that grow, what they cost, and which may be had."""

from decimal import Decimal
from typing import Any

import pytest
from cloud_bench import Bench
from disk_bench import attached_disk, disk_row, disks_of, machine_disks, new_disk, next_call, snapshot, task_of

from linocut.cloud import attaching, disk_offers, instances, resizing
from linocut.cloud.disk_offers import OffersAsked
from linocut.cloud.instances import StopHow
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.resizing import InstanceDiskSize
from linocut.machines import MachineError
from linocut.model import errors
from linocut.model.ids import InstanceId
from linocut.model.records import DiskUsage
from linocut.model.states import DiskState, InstanceState, OperationState, SnapshotState, TaskState


def stopped(bench: Bench, owner: Any, **order: Any) -> InstanceId:
    instance_id = bench.instance(owner, **order)
    instances.stop_instances(bench.cloud, next_call(bench, owner), [instance_id], how=StopHow.HARD)
    return instance_id


def test_a_disk_that_is_attached_to_nothing_is_larger_at_once(bench: Bench) -> None:
    owner = bench.caller("owner")
    disk_id = new_disk(bench, owner)

    resizing.resize_disk(bench.cloud, owner, disk_id, 30)

    assert (disk_row(bench, disk_id).size_gb, disk_row(bench, disk_id).state) == (30, DiskState.UNATTACHED)
    instance_id = bench.instance(owner)
    attaching.attach_disks(bench.cloud, next_call(bench, owner), instance_id, [disk_id])
    assert machine_disks(bench, instance_id)[disk_id] == 30


@pytest.mark.parametrize("state", [InstanceState.RUNNING, InstanceState.STOPPED])
def test_a_disk_grows_with_its_machine(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner) if state is InstanceState.RUNNING else stopped(bench, owner)
    disk_id = attached_disk(bench, owner, instance_id)
    with bench.holding():
        resizing.resize_disk(bench.cloud, next_call(bench, owner), disk_id, 30)
        assert disk_row(bench, disk_id).state is DiskState.EXPANDING
        with pytest.raises(errors.DiskBusy):
            resizing.resize_disk(bench.cloud, next_call(bench, owner), disk_id, 40)
    bench.workflows.run(bench.workflows.asked[-1])

    assert disk_row(bench, disk_id).state is DiskState.ATTACHED
    assert machine_disks(bench, instance_id)[disk_id] == 30
    assert task_of(bench, owner, disk_id, "ResizeDisk").state is TaskState.SUCCESS
    assert bench.instance_row(instance_id).state is state


@pytest.mark.parametrize("size_gb", [0, 10, 20, 25, 32_010])
def test_disks_only_grow_and_in_steps(bench: Bench, size_gb: int) -> None:
    owner = bench.caller("owner")
    disk_id = new_disk(bench, owner, size_gb=20)
    with pytest.raises((errors.DiskTooSmall, errors.ValueOutOfRange)):
        resizing.resize_disk(bench.cloud, owner, disk_id, size_gb)
    assert disk_row(bench, disk_id).size_gb == 20


def test_system_disks_grow_as_their_instance_s(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = stopped(bench, owner)
    system = disks_of(bench, instance_id)[0].disk_id
    with pytest.raises(errors.DiskUnsuitable):
        resizing.resize_disk(bench.cloud, owner, system, 100)
    for size_gb, error in ((50, errors.DiskTooSmall), (2049, errors.ValueOutOfRange)):
        with pytest.raises(error):
            resizing.resize_instance_disk(bench.cloud, owner, instance_id, InstanceDiskSize(size_gb, is_system=True))
    begun = next_call(bench, owner)

    with bench.holding():
        resizing.resize_instance_disk(bench.cloud, begun, instance_id, InstanceDiskSize(101, is_system=True))
        assert bench.instance_row(instance_id).latest_operation_state is OperationState.OPERATING
        with pytest.raises(errors.TaskRunning):
            instances.start_instances(bench.cloud, next_call(bench, owner), [instance_id])
    bench.workflows.run(bench.workflows.asked[-1])

    row = bench.instance_row(instance_id)
    assert (row.latest_operation, row.latest_operation_state) == ("ResizeInstanceDisks", OperationState.SUCCESS)
    assert (row.state, row.latest_request_id) == (InstanceState.STOPPED, begun.request_id)
    assert machine_disks(bench, instance_id)[system] == 101
    instances.start_instances(bench.cloud, next_call(bench, owner), [instance_id])
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_a_running_instance_is_restarted_for_a_larger_disk_where_that_is_allowed(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10),))
    system, data = (disk.disk_id for disk in disks_of(bench, instance_id))
    for wanted, online in ((InstanceDiskSize(100, is_system=True), True), (InstanceDiskSize(20), False)):
        with pytest.raises(errors.InstanceStateForbids):
            resizing.resize_instance_disk(bench.cloud, next_call(bench, owner), instance_id, wanted, online=online)
    assert disk_row(bench, system).size_gb == 50

    resizing.resize_instance_disk(
        bench.cloud, next_call(bench, owner), instance_id, InstanceDiskSize(100, is_system=True), force_stop=True
    )
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.RUNNING, OperationState.SUCCESS)
    assert machine_disks(bench, instance_id) == {system: 100, data: 10}

    resizing.resize_instance_disk(bench.cloud, next_call(bench, owner), instance_id, InstanceDiskSize(20), online=True)
    assert machine_disks(bench, instance_id) == {system: 100, data: 20}
    assert bench.instance_row(instance_id).latest_operation_state is OperationState.SUCCESS


def test_which_data_disk_is_to_grow_is_said_where_there_are_several(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = stopped(bench, owner, data_disks=(DataDiskOrder(10),) * 2)
    first, second = (disk.disk_id for disk in disks_of(bench, instance_id)[1:])
    for named in ("", "disk-00000000"):
        with pytest.raises(errors.DiskNotOfInstance):
            resizing.resize_instance_disk(bench.cloud, owner, instance_id, InstanceDiskSize(20, named))
    with pytest.raises(errors.InvalidValue):
        resizing.resize_instance_disk(bench.cloud, owner, instance_id, InstanceDiskSize(20, second, "CLOUD_HSSD"))

    resizing.resize_instance_disk(bench.cloud, next_call(bench, owner), instance_id, InstanceDiskSize(20, second))

    assert (disk_row(bench, first).size_gb, disk_row(bench, second).size_gb) == (10, 20)


def test_a_disk_that_cannot_grow_now_does_so_when_its_machine_is_next_started(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = stopped(bench, owner)
    disk_id = attached_disk(bench, owner, instance_id)

    def refuse(verb: str, _name: InstanceId) -> None:
        if verb == "prepare":
            raise MachineError("no")

    bench.machines.refused = refuse
    resizing.resize_instance_disk(bench.cloud, next_call(bench, owner), instance_id, InstanceDiskSize(20))
    row = bench.instance_row(instance_id)
    assert (row.latest_operation_state, row.latest_operation_error) == (OperationState.FAILED, "no")
    assert disk_row(bench, disk_id).state is DiskState.ATTACHED
    assert machine_disks(bench, instance_id)[disk_id] == 10

    bench.machines.refused = lambda _verb, _name: None
    instances.start_instances(bench.cloud, next_call(bench, owner), [instance_id])
    assert machine_disks(bench, instance_id)[disk_id] == 20


def test_a_disk_does_not_grow_while_a_snapshot_of_it_is_taken(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = stopped(bench, owner)
    disk_id = attached_disk(bench, owner, instance_id)
    snapshot(bench, owner, disk_id=disk_id, state=SnapshotState.CREATING, root=None)
    with pytest.raises(errors.SnapshotUnderWay):
        resizing.resize_disk(bench.cloud, next_call(bench, owner), disk_id, 20)
    with pytest.raises(errors.SnapshotUnderWay):
        resizing.resize_instance_disk(bench.cloud, next_call(bench, owner), instance_id, InstanceDiskSize(20))


def test_prices_of_disks_are_those_of_the_book_by_the_gb(bench: Bench) -> None:
    owner = bench.caller("owner")
    one = disk_offers.price_of_disks(bench.cloud, owner, "CLOUD_SSD", 100)
    assert one > 0
    assert disk_offers.price_of_disks(bench.cloud, owner, "CLOUD_SSD", 50, count=4) == 2 * one
    disk_id = new_disk(bench, owner)
    assert disk_offers.price_of_growth(bench.cloud, owner, [disk_id], 100) == one
    assert disk_offers.price_of_growth(bench.cloud, owner, [disk_id, new_disk(bench, owner)], 100) == 2 * one
    for order, error in (
        ({"size_gb": 15}, errors.ValueOutOfRange),
        ({"count": 0}, errors.ValueOutOfRange),
        ({"charge_type": "PREPAID"}, errors.ParameterUnsupported),
        ({"disk_type": "CLOUD_TSSD"}, errors.InvalidValue),
        ({"project_id": 1}, errors.ProjectNotFound),
    ):
        wanted: dict[str, Any] = {"disk_type": "CLOUD_SSD", "size_gb": 100} | order
        with pytest.raises(error):
            disk_offers.price_of_disks(bench.cloud, owner, **wanted)
    with pytest.raises(errors.DiskTooSmall):
        disk_offers.price_of_growth(bench.cloud, owner, [disk_id], 10)


def test_what_disks_may_be_had_is_told_by_zone_type_and_usage(bench: Bench) -> None:
    owner = bench.caller("owner")
    asked = OffersAsked(with_instances=False, disk_types=("CLOUD_SSD",), usage="DATA_DISK")
    offers = disk_offers.list_offers(bench.cloud, owner, asked)
    assert {offer.zone for offer in offers if offer.available} == {f"ap-guangzhou-{number}" for number in (3, 4, 6, 7)}
    assert {(offer.least_gb, offer.most_gb, offer.step_gb) for offer in offers} == {(10, 32_000, 10)}
    assert {offer.price for offer in offers} == {disk_offers.price_of_disks(bench.cloud, owner, "CLOUD_SSD", 10)}
    small = OffersAsked(
        with_instances=True,
        zones=("ap-guangzhou-3",),
        usage="SYSTEM_DISK",
        disk_types=("CLOUD_PREMIUM",),
        families=("S5",),
        vcpus=1,
        memory_gb=1,
    )
    [offer] = disk_offers.list_offers(bench.cloud, owner, small)
    assert offer.instance_type is not None
    assert (offer.instance_type.name, offer.usage) == ("S5.SMALL1", DiskUsage.SYSTEM_DISK)
    assert isinstance(offer.price, Decimal)
    assert disk_offers.list_offers(bench.cloud, owner, OffersAsked(with_instances=False, charge_type="PREPAID")) == ()
    for wrong, error in (({"usage": "x"}, errors.InvalidValue), ({"zones": ("x",)}, errors.ZoneNotFound)):
        with pytest.raises(error):
            disk_offers.list_offers(bench.cloud, owner, OffersAsked(with_instances=False, **wrong))


def test_data_disks_of_instances_are_counted(bench: Bench) -> None:
    owner = bench.caller("owner")
    with_disks, without = bench.instance(owner, data_disks=(DataDiskOrder(10),) * 3), bench.instance(owner)

    assert set(disk_offers.disk_counts(bench.cloud, owner, [with_disks, without])) == {(with_disks, 3, 20), (without, 0, 20)}
