"""Rows and host that disagree, and what becomes of each."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from cloud_bench import Bench, run_order
from disk_bench import attached_disk, disk_row, disks_of, machine_disks, new_disk, next_call, task_of

from linocut.cloud import attaching, disk_changes, imaging, instances, launches, resizing, uploads
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.instances import StopHow
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.resizing import InstanceDiskSize
from linocut.cloud.workflows import durable
from linocut.cloud.workflows.instances import settle
from linocut.cloud.workflows.reconcile import machine_ended, reconcile
from linocut.model.errors import UploadNotFound
from linocut.model.ids import DiskId
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState, TaskState


def lose(bench: Bench) -> None:
    """Forget every workflow that was asked for and did not run, as a crash between row and start does."""
    bench.workflows.asked = [work for work in bench.workflows.asked if work in bench.workflows.ended]


def interrupt(bench: Bench) -> None:
    """End every workflow that was asked for, without its having done a thing."""
    bench.workflows.ended.update(bench.workflows.asked)


def test_a_world_in_order_is_left_alone(bench: Bench) -> None:
    owner = bench.caller("owner")
    running, stopped = bench.instance(owner), bench.instance(owner)
    instances.stop_instances(bench.cloud, owner, [stopped], how=StopHow.HARD)
    before = bench.rows(), list(bench.workflows.asked), bench.machines.list()

    for _ in range(2):
        reconcile(bench.cloud, bench.workflows)

    assert (bench.rows(), bench.workflows.asked, bench.machines.list()) == before
    assert bench.instance_row(running).state is InstanceState.RUNNING


@pytest.mark.parametrize("again", ["", "again-1700000000"])
def test_a_step_that_runs_again_ends_no_later_request(bench: Bench, monkeypatch: pytest.MonkeyPatch, again: str) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    instances.stop_instances(bench.cloud, next_call(bench, owner), [instance_id], how=StopHow.HARD)
    with bench.holding():
        instances.start_instances(bench.cloud, next_call(bench, owner), [instance_id])
    stop, start = (":".join(work) for work in bench.workflows.asked[-2:])

    monkeypatch.setattr(durable, "DBOS", SimpleNamespace(workflow_id=stop + again))
    settle(instance_id, "")
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.STARTING, OperationState.OPERATING)

    monkeypatch.setattr(durable, "DBOS", SimpleNamespace(workflow_id=start + again))
    settle(instance_id, "it failed")
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.STOPPED, OperationState.FAILED)


def test_an_import_that_was_never_started_is_started(bench: Bench) -> None:
    image_id = bench.importing(bench.caller("owner"))
    lose(bench)

    reconcile(bench.cloud, bench.workflows)

    assert bench.image_row(image_id).state is ImageState.IMPORTFAILED  # nothing answers at its URL: but it was tried
    assert bench.image_row(image_id).failure
    assert ("import-image", image_id, "") in bench.workflows.ended


@pytest.mark.parametrize(("state", "failed"), [("IMPORTING", "IMPORTFAILED"), ("CREATING", "CREATEFAILED")])
def test_an_image_whose_work_ended_without_it_has_failed(bench: Bench, state: str, failed: str) -> None:
    image_id = bench.image_in(bench.caller("owner"), ImageState(state))
    interrupt(bench)

    reconcile(bench.cloud, bench.workflows)

    assert bench.image_row(image_id).state == failed
    assert bench.image_row(image_id).failure == "The service was interrupted."


def test_an_instance_whose_imaging_was_lost_takes_orders_again(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    with bench.holding():
        imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))
    reconcile(bench.cloud, bench.workflows)
    assert bench.instance_row(instance_id).latest_operation_state is OperationState.OPERATING

    interrupt(bench)
    reconcile(bench.cloud, bench.workflows)
    reconcile(bench.cloud, bench.workflows)

    assert bench.instance_row(instance_id).latest_operation_state is OperationState.FAILED
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_a_launch_that_was_never_started_is_started(bench: Bench) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        (instance_id,) = launches.run_instances(bench.cloud, owner, run_order(bench.image(owner)))
    lose(bench)

    reconcile(bench.cloud, bench.workflows)

    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_a_launch_that_ended_half_way_has_failed_and_its_machine_is_gone(bench: Bench) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        (instance_id,) = launches.run_instances(bench.cloud, owner, run_order(bench.image(owner)))
    other = bench.instance(owner)
    bench.machines.prepare(replace(bench.machines.spec(other), instance_id=instance_id))
    interrupt(bench)

    reconcile(bench.cloud, bench.workflows)

    assert bench.instance_row(instance_id).state is InstanceState.LAUNCH_FAILED
    assert bench.instance_row(instance_id).latest_operation_error == "The service was interrupted."
    assert set(bench.machines.list()) == {other}


def test_a_failed_launch_is_forgotten_after_an_hour(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance_in(owner, InstanceState.LAUNCH_FAILED)
    interrupt(bench)
    bench.clock.advance(timedelta(minutes=59))
    reconcile(bench.cloud, bench.workflows)
    assert bench.instance_row(instance_id)

    bench.clock.advance(timedelta(minutes=2))
    reconcile(bench.cloud, bench.workflows)

    with bench.cloud.catalog.read() as tx:
        assert tx.instances.find(instance_id) is None


@pytest.mark.parametrize("how", StopHow)
@pytest.mark.parametrize("verb", [instances.stop_instances, instances.reboot_instances])
def test_an_order_to_a_running_instance_that_was_lost_is_carried_out_gently(bench: Bench, verb: object, how: StopHow) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    asked: list[str] = []
    bench.machines.refused = lambda done, _: asked.append(done)
    with bench.holding():
        verb(bench.cloud, owner, [instance_id], how=how)  # type: ignore[operator]
    lose(bench)

    reconcile(bench.cloud, bench.workflows)

    row = bench.instance_row(instance_id)
    assert row.state is (InstanceState.STOPPED if verb is instances.stop_instances else InstanceState.RUNNING)
    assert row.latest_operation_state is OperationState.SUCCESS
    assert "shut_down" in asked
    assert "kill" not in asked


def test_an_order_to_start_that_was_lost_is_carried_out(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    instances.stop_instances(bench.cloud, owner, [instance_id], how=StopHow.HARD)
    with bench.holding():
        instances.start_instances(bench.cloud, owner, [instance_id])
    lose(bench)

    reconcile(bench.cloud, bench.workflows)

    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


@pytest.mark.parametrize("state", [InstanceState.STARTING, InstanceState.STOPPING, InstanceState.REBOOTING])
def test_an_operation_that_ended_half_way_has_failed_and_the_row_says_what_the_machine_is(
    bench: Bench, state: InstanceState
) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance_in(owner, state, OperationState.OPERATING)
    name = {"STARTING": "start-instance", "STOPPING": "stop-instance-hard", "REBOOTING": "reboot-instance-soft"}[state]
    bench.workflows.ended.add((name, instance_id, bench.instance_row(instance_id).latest_request_id))

    reconcile(bench.cloud, bench.workflows)

    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.RUNNING, OperationState.FAILED)
    assert row.latest_operation_error == "The service was interrupted."


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_instance_that_is_ending_ends_in_the_end(bench: Bench, *, is_lost: bool) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    with bench.holding():
        instances.terminate_instances(bench.cloud, owner, [instance_id])
    (lose if is_lost else interrupt)(bench)

    reconcile(bench.cloud, bench.workflows)

    assert bench.rows()[1] == ()
    assert bench.machines.list() == {}


def test_a_machine_that_ended_on_its_own_is_stopped(bench: Bench) -> None:
    owner = bench.caller("owner")
    heard, unheard = bench.instance(owner), bench.instance(owner)

    bench.machines.crash(heard)
    machine_ended(bench.cloud, heard)
    bench.machines.crash(unheard)
    reconcile(bench.cloud, bench.workflows)

    assert {bench.instance_row(heard).state, bench.instance_row(unheard).state} == {InstanceState.STOPPED}


def test_a_machine_that_runs_though_its_instance_is_stopped_is_ended(bench: Bench) -> None:
    instance_id = bench.instance_in(bench.caller("owner"), InstanceState.STOPPED)

    reconcile(bench.cloud, bench.workflows)

    assert bench.machines.list() == {instance_id: "STOPPED"}
    assert bench.instance_row(instance_id).state is InstanceState.STOPPED


def test_a_machine_whose_files_are_gone_is_a_stopped_instance_that_can_end(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    bench.machines.destroy(instance_id)

    reconcile(bench.cloud, bench.workflows)

    assert bench.instance_row(instance_id).state is InstanceState.STOPPED
    instances.terminate_instances(bench.cloud, owner, [instance_id])
    assert bench.rows()[1] == ()


def test_a_machine_of_no_instance_is_removed(bench: Bench) -> None:
    instance_id = bench.instance(bench.caller("owner"))
    with bench.cloud.catalog.begin() as tx:
        tx.instances.remove(instance_id)

    reconcile(bench.cloud, bench.workflows)

    assert bench.machines.list() == {}


def test_downloads_of_no_import_are_removed_and_others_stay(bench: Bench) -> None:
    image_id = bench.importing(bench.caller("owner"))
    imports = bench.cloud.settings.state / "imports"
    for name in (image_id, "img-00000000"):
        (imports / name).mkdir(parents=True)
        (imports / name / "disk-0").write_bytes(b"disk")

    reconcile(bench.cloud, bench.workflows)

    assert [entry.name for entry in imports.iterdir()] == [image_id]


def test_an_upload_that_nobody_imports_is_forgotten_after_a_day(bench: Bench) -> None:
    upload = uploads.create_upload(bench.cloud, bench.caller("owner"), size_bytes=1, sha256="")
    uploads.receive_upload(bench.cloud, upload.upload_id, 0, [b"x"])
    bench.clock.advance(timedelta(hours=23))
    reconcile(bench.cloud, bench.workflows)
    assert uploads.upload_offset(bench.cloud, upload.upload_id) == 1

    bench.clock.advance(timedelta(hours=2))
    reconcile(bench.cloud, bench.workflows)

    with pytest.raises(UploadNotFound):
        uploads.upload_offset(bench.cloud, upload.upload_id)
    assert list((bench.cloud.settings.state / "uploads").iterdir()) == []


@pytest.mark.parametrize("how", ["attach", "detach", "resize"])
def test_what_was_decided_on_a_disk_and_never_started_is_started(bench: Bench, how: str) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = new_disk(bench, owner) if how == "attach" else attached_disk(bench, owner, instance_id)
    call = next_call(bench, owner)
    with bench.holding():
        match how:
            case "attach":
                attaching.attach_disks(bench.cloud, call, instance_id, [disk_id])
            case "detach":
                attaching.detach_disks(bench.cloud, call, [disk_id])
            case _:
                resizing.resize_instance_disk(bench.cloud, call, instance_id, InstanceDiskSize(20), online=True)
    lose(bench)

    for _ in range(2):
        reconcile(bench.cloud, bench.workflows)

    sizes = {"attach": 10, "resize": 20}
    assert machine_disks(bench, instance_id).get(disk_id) == sizes.get(how)
    assert disk_row(bench, disk_id).state is (DiskState.UNATTACHED if how == "detach" else DiskState.ATTACHED)
    assert bench.instance_row(instance_id).latest_operation_state is OperationState.SUCCESS


@pytest.mark.parametrize("how", ["attach", "detach", "resize"])
def test_a_disk_whose_work_ended_without_it_goes_back(bench: Bench, how: str) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = new_disk(bench, owner) if how == "attach" else attached_disk(bench, owner, instance_id)
    call = next_call(bench, owner)
    with bench.holding():
        match how:
            case "attach":
                attaching.attach_disks(bench.cloud, call, instance_id, [disk_id])
            case "detach":
                attaching.detach_disks(bench.cloud, call, [disk_id])
            case _:
                resizing.resize_instance_disk(bench.cloud, call, instance_id, InstanceDiskSize(20), online=True)
        reconcile(bench.cloud, bench.workflows)
        assert disk_row(bench, disk_id).state not in {DiskState.ATTACHED, DiskState.UNATTACHED}
    interrupt(bench)

    for _ in range(2):
        reconcile(bench.cloud, bench.workflows)

    action = {"attach": "AttachDisks", "detach": "DetachDisks", "resize": "ResizeInstanceDisks"}[how]
    assert task_of(bench, owner, disk_id, action).error == "The service was interrupted."
    assert task_of(bench, owner, disk_id, action).state is TaskState.FAILED
    assert disk_row(bench, disk_id).state is (DiskState.UNATTACHED if how == "attach" else DiskState.ATTACHED)
    assert (disk_id in machine_disks(bench, instance_id)) == (how != "attach")
    wanted = OperationState.FAILED if how == "resize" else OperationState.SUCCESS
    assert bench.instance_row(instance_id).latest_operation_state is wanted


def test_what_is_left_of_a_disk_that_was_given_back_is_removed(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id, kept = attached_disk(bench, owner, instance_id), attached_disk(bench, owner, instance_id)
    attaching.detach_disks(bench.cloud, next_call(bench, owner), [disk_id, kept])
    with bench.holding():
        disk_changes.terminate_disks(bench.cloud, owner, [disk_id])
    lose(bench)
    assert bench.machines.loose() == {disk_id, kept}

    reconcile(bench.cloud, bench.workflows)

    assert bench.machines.loose() == {kept}


def test_a_machine_gets_back_a_disk_that_its_row_says_it_has(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk_id = attached_disk(bench, owner, instance_id)
    spec = bench.machines.spec(instance_id)
    bench.machines.prepare(replace(spec, disks=spec.disks[:1]))
    assert bench.machines.loose() == {disk_id}

    reconcile(bench.cloud, bench.workflows)

    assert disk_id in machine_disks(bench, instance_id)
    assert bench.machines.loose() == frozenset()


def test_disks_of_a_launch_that_failed_go_with_it(bench: Bench) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        order = run_order(bench.image(owner), data_disks=(DataDiskOrder(10, delete_with_instance=False),))
        (instance_id,) = launches.run_instances(bench.cloud, owner, order)
    ids = [disk.disk_id for disk in disks_of(bench, instance_id)]
    interrupt(bench)
    reconcile(bench.cloud, bench.workflows)
    assert bench.instance_row(instance_id).state is InstanceState.LAUNCH_FAILED

    bench.clock.advance(timedelta(hours=2))
    reconcile(bench.cloud, bench.workflows)

    with bench.cloud.catalog.read() as tx:
        assert [tx.disks.get(DiskId(disk_id)) for disk_id in ids] == [None, None]
