"""Reinstalling: a fresh system disk, and all else as it was."""

from typing import Any

import pytest
from cloud_bench import REGION, Bench

from linocut.cloud import images, imaging, instances, keys, publishing, reinstalling, sharing
from linocut.cloud.launches import DataDiskOrder
from linocut.cloud.logins import LoginOrder
from linocut.cloud.reinstalling import ResetOrder
from linocut.machines import MachineSpec, StartFailed
from linocut.model import errors
from linocut.model.ids import InstanceId
from linocut.model.records import Disk
from linocut.model.states import ImageState, InstanceState


def reset(bench: Bench, owner: Any, instance_id: str, **order: Any) -> None:
    reinstalling.reset_instance(bench.cloud, owner, ResetOrder(instance_id, **order))


def spec(bench: Bench, instance_id: str) -> MachineSpec:
    return next(spec for spec in bench.machines.prepared() if spec.instance_id == instance_id)


def disks(bench: Bench, instance_id: str) -> tuple[Disk, ...]:
    with bench.cloud.catalog.read() as tx:
        return tx.disks.of([InstanceId(instance_id)])[InstanceId(instance_id)]


@pytest.mark.parametrize("state", [InstanceState.RUNNING, InstanceState.STOPPED])
def test_an_instance_gets_a_fresh_system_disk_and_runs(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, password="Passw0rd-1", data_disks=(DataDiskOrder(20),), user_data="aGk=")
    if state is InstanceState.STOPPED:
        instances.stop_instances(bench.cloud, owner, [instance_id], how=instances.StopHow.HARD)
    before, row, (system, data) = spec(bench, instance_id), bench.instance_row(instance_id), disks(bench, instance_id)

    reset(bench, owner, instance_id)

    after, now = spec(bench, instance_id), bench.instance_row(instance_id)
    assert (now.state, now.latest_operation, now.latest_operation_state) == ("RUNNING", "ResetInstance", "SUCCESS")
    assert not after.disks[0].has_content_of(before.disks[0])
    assert after.disks[0].disk_id == before.disks[0].disk_id
    assert after.disks[1] == before.disks[1]
    assert after.guest.reinstalls == 1
    assert (after.guest.password_hash, after.guest.user_data) == (before.guest.password_hash, b"hi")
    assert (now.address, now.mac, now.uuid, now.name, now.host_name) == (row.address, row.mac, row.uuid, row.name, row.host_name)
    assert [disk.disk_id for disk in disks(bench, instance_id)] == [system.disk_id, data.disk_id]


def test_an_instance_moves_to_another_image_with_another_login_and_a_larger_disk(bench: Bench) -> None:
    owner = bench.caller("owner")
    pair, _ = keys.create_key_pair(bench.cloud, owner, name="laptop", project_id=0, tags=())
    instance_id = bench.instance(owner, password="Passw0rd-1")
    other = bench.image(owner, "other", os_type="Ubuntu", os_version="22")

    reset(
        bench,
        owner,
        instance_id,
        image_id=other,
        system_disk_gb=80,
        login=LoginOrder(key_ids=(pair.key_id,)),
        host_name="again",
        user_data="",
    )

    row, told = bench.instance_row(instance_id), spec(bench, instance_id)
    assert (row.image_id, row.os_name) == (other, bench.image_row(other).os_name)
    assert told.disks[0].size_bytes == 80 << 30
    assert (told.guest.public_keys, told.guest.password_hash, told.guest.user_data) == ((pair.public_key,), None, None)
    assert told.guest.hostname == "again"
    assert told.guest.login_generation == 1


def test_what_was_taken_of_the_disk_before_is_forgotten(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    disk = disks(bench, instance_id)[0]
    with bench.cloud.catalog.begin() as tx:
        tx.disks.synced(disk.disk_id, bench.root, "mark-1")

    reset(bench, owner, instance_id)

    assert (disks(bench, instance_id)[0].synced_root, disks(bench, instance_id)[0].synced_mark) == (None, None)


def test_a_reset_that_cannot_be_is_refused_and_leaves_everything(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    instance_id = bench.instance(owner, system_disk_gb=60)
    large = bench.image_row(bench.image(owner, "large"))
    with bench.cloud.catalog.begin() as tx:
        tx.images.update(large, size_gb=100)
    byol = bench.image(owner, "byol", license_type="BYOL")
    unfinished = bench.image_in(owner, ImageState.IMPORTING, "unfinished")
    refused: list[tuple[dict[str, Any], type[errors.Refusal]]] = [
        ({"image_id": "img-00000000"}, errors.ImageNotFound),
        ({"image_id": "debian"}, errors.ImageIdMalformed),
        ({"image_id": bench.image(stranger, "theirs")}, errors.ImageNotFound),
        ({"image_id": unfinished}, errors.ImageStateForbids),
        ({"image_id": large.image_id}, errors.DiskTooSmall),
        ({"image_id": byol}, errors.LicenseTypeStays),
        ({"system_disk_gb": 50}, errors.DiskTooSmall),
        ({"system_disk_gb": 4096}, errors.ValueOutOfRange),
        ({"system_disk_type": "CLOUD_TSSD"}, errors.InvalidValue),
        ({"host_name": "-"}, errors.HostNameInvalid),
        ({"user_data": "?"}, errors.UserDataInvalid),
        ({"login": LoginOrder(password="weak")}, errors.PasswordInvalid),
        ({"login": LoginOrder(key_ids=("skey-00000000",))}, errors.KeyNotFound),
        ({"login": LoginOrder(password="Passw0rd-1", keep_image_login=True)}, errors.ParameterConflict),
    ]
    before = bench.rows(), disks(bench, instance_id)
    for order, refusal in refused:
        with pytest.raises(refusal):
            reset(bench, owner, instance_id, **order)
        assert (bench.rows(), disks(bench, instance_id)) == before


def test_an_image_that_is_gone_or_no_longer_shared_gives_no_fresh_disk(bench: Bench) -> None:
    owner, sharee = bench.caller("owner"), bench.caller("sharee")
    image_id = bench.image(owner)
    sharing.share_image(bench.cloud, owner, image_id, [sharee.account.uin])
    theirs, mine = bench.instance(sharee, image_id), bench.instance(owner, image_id)
    reset(bench, sharee, theirs)

    sharing.unshare_image(bench.cloud, owner, image_id, [sharee.account.uin])
    with pytest.raises(errors.ImageNotFound):
        reset(bench, sharee, theirs)
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    with pytest.raises(errors.ImageNotFound):
        reset(bench, owner, mine)
    assert bench.instance_row(theirs).state is InstanceState.RUNNING


def test_a_public_image_has_no_login_to_keep(bench: Bench) -> None:
    image_id = bench.image(bench.operator)
    instance_id = bench.instance(bench.operator, image_id, keep_image_login=True)
    publishing.publish_image(bench.cloud, bench.operator, image_id, public=True)

    reset(bench, bench.operator, instance_id)

    assert not spec(bench, instance_id).guest.keeps_login


def test_a_fresh_disk_that_cannot_be_made_leaves_an_instance_to_start_or_reset_again(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    machine = spec(bench, instance_id)

    def refuse(verb: str, _instance_id: str) -> None:
        if verb == "prepare":
            raise StartFailed("There is no room.")

    bench.machines.refused = refuse
    reset(bench, owner, instance_id)
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == ("STOPPED", "FAILED")
    assert spec(bench, instance_id) == machine
    with pytest.raises(errors.ReinstallFailed):
        imaging.create_image(bench.cloud, owner, imaging.CreateOrder("half", instance_id))

    bench.machines.refused = lambda _verb, _instance_id: None
    instances.start_instances(bench.cloud, owner, [instance_id])

    assert bench.instance_row(instance_id).state is InstanceState.RUNNING
    assert not spec(bench, instance_id).disks[0].has_content_of(machine.disks[0])
    assert imaging.create_image(bench.cloud, owner, imaging.CreateOrder("whole", instance_id))


def test_the_tree_of_a_fresh_disk_is_kept_from_the_sweep(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    instance_id = bench.instance(owner, image_id)
    reset(bench, owner, instance_id)
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    with bench.cloud.catalog.read() as tx:
        assert tx.snapshots.live_roots(REGION) == {bench.root}
