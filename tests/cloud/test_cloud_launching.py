from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloud_bench import Bench, run_order

from linocut.cloud import instances, keys, launches, sharing
from linocut.cloud.launches import DataDiskOrder
from linocut.machines import StartFailed
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.ids import InstanceId
from linocut.model.records import Tag
from linocut.model.states import ImageState


def run(bench: Bench, caller: Any, image_id: str, **order: Any) -> tuple[InstanceId, ...]:
    return launches.run_instances(bench.cloud, caller, run_order(image_id, **order))


def test_instances_run_with_what_was_ordered(bench: Bench) -> None:
    owner = bench.caller("owner")
    pair, _ = keys.create_key_pair(bench.cloud, owner, name="laptop", project_id=0, tags=())

    ids = run(
        bench,
        owner,
        bench.image(owner),
        count=2,
        name="web{R:7}",
        host_name="h{R:1,F:2}",
        key_ids=(pair.key_id,),
        user_data="aGk=",
    )

    rows = [bench.instance_row(instance_id) for instance_id in ids]
    assert [(row.name, row.host_name, row.state) for row in rows] == [("web7", "h01", "RUNNING"), ("web8", "h02", "RUNNING")]
    specs = {spec.instance_id: spec for spec in bench.machines.prepared()}
    for row in rows:
        spec = specs[row.instance_id]
        assert spec.guest.public_keys == (pair.public_key,)
        assert spec.guest.user_data == b"hi"
        assert spec.guest.hostname == row.host_name
        assert (spec.address, spec.mac, spec.vcpus, spec.memory_mb) == (row.address, row.mac, 1, 1024)
        assert [disk.size_bytes for disk in spec.disks] == [50 << 30]
        assert spec.disks[0].base is not None
        assert spec.disks[0].base.export == f"tree/{bench.root}"
    assert len({row.address for row in rows} | {row.mac for row in rows} | {row.uuid for row in rows}) == 6


def test_capacity_is_taken_all_or_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    with pytest.raises(errors.CapacityExhausted):
        run(bench, owner, image_id, count=9)
    assert bench.rows()[1] == ()

    assert len(run(bench, owner, image_id, count=9, min_count=3)) == 8
    with pytest.raises(errors.CapacityExhausted):
        run(bench, owner, image_id)


def test_memory_is_a_capacity_too(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    assert len(run(bench, owner, image_id, count=9, min_count=1, instance_type="S5.SMALL4")) == 2
    with pytest.raises(errors.CapacityExhausted):
        run(bench, owner, image_id)


def test_an_instance_that_ends_gives_its_place_back_and_one_that_is_off_keeps_it(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    first, *_ = run(bench, owner, image_id, count=8)

    instances.stop_instances(bench.cloud, owner, [first], how=instances.StopHow.HARD)
    with pytest.raises(errors.CapacityExhausted):
        run(bench, owner, image_id)
    instances.terminate_instances(bench.cloud, owner, [first])

    assert len(run(bench, owner, image_id)) == 1


def test_a_launch_that_fails_gives_its_place_back_and_leaves_no_machine(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)

    def refuse(verb: str, _instance_id: str) -> None:
        if verb == "start":
            raise StartFailed("The machine does not start.")

    bench.machines.refused = refuse
    (failed,) = run(bench, owner, image_id)
    row = bench.instance_row(failed)
    assert (row.state, row.latest_operation_state) == ("LAUNCH_FAILED", "FAILED")
    assert row.latest_operation_error == "The machine does not start."
    assert bench.machines.list() == {}

    bench.machines.refused = lambda _verb, _instance_id: None
    assert len(run(bench, owner, image_id, count=8)) == 8


def test_the_last_places_of_a_host_are_taken_once_each(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    bench.change(host_vcpus=3)

    def attempt(_number: int) -> int:
        try:
            return len(run(bench, owner, image_id))
        except errors.CapacityExhausted:
            return 0

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 3
    assert len(bench.rows()[1]) == 3


def test_the_same_token_gives_the_same_instances(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    first = run(bench, owner, image_id, count=2, client_token="once")

    assert run(bench, owner, image_id, count=2, client_token="once") == first
    assert len(bench.rows()[1]) == 2
    with pytest.raises(errors.ClientTokenReused):
        run(bench, owner, image_id, count=1, client_token="once")
    assert run(bench, owner, image_id, count=2, client_token="twice") != first


def test_a_token_that_is_used_at_once_starts_instances_once(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)

    def attempt(_number: int) -> tuple[InstanceId, ...]:
        try:
            return run(bench, owner, image_id, client_token="once")
        except errors.LostRace:
            return ()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(attempt, range(4)))

    assert len(found - {()}) == 1
    assert len(bench.rows()[1]) == 1


def test_a_token_is_of_one_account_and_of_one_hour(bench: Bench) -> None:
    owner, other = bench.caller("owner"), bench.caller("other")
    first = run(bench, owner, bench.image(owner), client_token="once")
    assert run(bench, other, bench.image(other), client_token="once") != first

    image_id = bench.instance_row(first[0]).image_id
    bench.clock.advance(timedelta(minutes=59))
    assert run(bench, owner, image_id, client_token="once") == first
    bench.clock.advance(timedelta(minutes=2))
    assert run(bench, owner, image_id, client_token="once") != first


def test_a_token_whose_instances_have_ended_starts_new_ones(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    first = run(bench, owner, image_id, client_token="once")
    instances.terminate_instances(bench.cloud, owner, first)
    assert run(bench, owner, image_id, client_token="once") != first


def test_a_launch_that_is_only_tried_leaves_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    before = bench.rows(), list(bench.workflows.asked)

    assert run(bench, owner, image_id, count=8, client_token="once", dry_run=True) == ()
    with pytest.raises(errors.CapacityExhausted):
        run(bench, owner, image_id, count=9, dry_run=True)

    assert (bench.rows(), bench.workflows.asked) == before
    assert len(run(bench, owner, image_id, client_token="once")) == 1


ORDERS: list[tuple[dict[str, Any], type[Refusal]]] = [
    ({"count": 0}, errors.ValueOutOfRange),
    ({"count": 501}, errors.ValueOutOfRange),
    ({"count": 2, "min_count": 3}, errors.MinCountInvalid),
    ({"count": 2, "min_count": 0}, errors.MinCountInvalid),
    ({"zone": "ap-shanghai-2"}, errors.ZoneNotFound),
    ({"zone": "nowhere"}, errors.ZoneNotFound),
    ({"instance_type": "S9.HUGE"}, errors.InstanceTypeNotFound),
    ({"instance_type": "huge"}, errors.InstanceTypeMalformed),
    ({"image_id": "img-00000000"}, errors.ImageNotFound),
    ({"image_id": "debian"}, errors.ImageIdMalformed),
    ({"charge_type": "PREPAID"}, errors.ParameterUnsupported),
    ({"project_id": 7}, errors.ProjectNotFound),
    ({"system_disk_gb": 0}, errors.DiskTooSmall),
    ({"system_disk_gb": 4096}, errors.ValueOutOfRange),
    ({"system_disk_type": "TAPE"}, errors.InvalidValue),
    ({"password": "weak"}, errors.PasswordInvalid),
    ({"password": "Passw0rd", "keep_image_login": True}, errors.ParameterConflict),
    ({"key_ids": ("laptop",)}, errors.KeyIdMalformed),
    ({"key_ids": ("skey-00000000",)}, errors.KeyNotFound),
    ({"user_data": "?"}, errors.UserDataInvalid),
    ({"host_name": "-"}, errors.HostNameInvalid),
    ({"name": "n" * 129}, errors.InstanceNameTooLong),
    ({"client_token": "t" * 65}, errors.ClientTokenTooLong),
    ({"system_disk_name": "n" * 129}, errors.ValueTooLong),
    ({"metadata": (("no spaces", "x"),)}, errors.InvalidValue),
    ({"metadata": (("key", "1"), ("key", "2"))}, errors.InvalidValue),
    ({"metadata": (("key", "x" * 256 * 1024),)}, errors.ValueTooLong),
    ({"data_disks": (DataDiskOrder(10),) * 22}, errors.TooManyValues),
    ({"data_disks": (DataDiskOrder(15),)}, errors.ValueOutOfRange),
    ({"data_disks": (DataDiskOrder(-10),)}, errors.ValueOutOfRange),
    ({"data_disks": (DataDiskOrder(32_010),)}, errors.ValueOutOfRange),
    ({"data_disks": (DataDiskOrder(10, "TAPE"),)}, errors.InvalidValue),
    ({"data_disks": (DataDiskOrder(10, name="n" * 129),)}, errors.ValueTooLong),
    ({"data_disks": (DataDiskOrder(10, snapshot_id="disk-00000000"),)}, errors.SnapshotIdMalformed),
    ({"data_disks": (DataDiskOrder(10, snapshot_id="snap-00000000"),)}, errors.ImageSnapshotNotFound),
]


def test_an_order_that_makes_no_sense_is_refused_and_leaves_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    for changes, refusal in ORDERS:
        with pytest.raises(refusal):
            launches.run_instances(bench.cloud, owner, replace(run_order(image_id), **changes))
        assert bench.rows()[1] == ()


def test_a_password_is_kept_as_a_hash_alone(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, password="Passw0rd")
    assert bench.instance_row(instance_id).password_hash.startswith("$6$")
    assert "Passw0rd" not in str(bench.rows())


def test_an_instance_has_a_console_before_it_has_a_machine(bench: Bench) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        (instance_id,) = run(bench, owner, bench.image(owner))
    assert instances.console(bench.cloud, owner, instance_id, offset=0, limit=100).data == b""


def test_a_zone_that_is_sold_out_takes_no_instances(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)

    with pytest.raises(errors.ZoneSoldOut):
        run(bench, owner, image_id, zone="ap-guangzhou-1")


def test_a_launch_that_is_only_tried_is_checked_as_one_that_is_meant(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)

    with pytest.raises(errors.TagsDuplicate):
        run(bench, owner, image_id, tags=(Tag("a", "1"), Tag("a", "2")), dry_run=True)
    assert run(bench, owner, image_id, client_token="once")
    assert run(bench, owner, image_id, client_token="once", dry_run=True) == ()


def data_disks(bench: Bench, instance_id: InstanceId) -> list[tuple[int, str | None, str]]:
    """Return the data disks of an instance's machine: size in GiB and base; and their names."""
    with bench.cloud.catalog.read() as tx:
        rows = {disk.disk_id: disk for disk in tx.disks.of([instance_id])[instance_id]}
    spec = next(spec for spec in bench.machines.prepared() if spec.instance_id == instance_id)
    return [
        (disk.size_bytes >> 30, disk.base.export if disk.base else None, rows[disk.disk_id].name)
        for disk in spec.disks
        if rows[disk.disk_id].usage == "DATA_DISK"
    ]


def snapshots(bench: Bench, image_id: str, usage: str) -> list[str]:
    with bench.cloud.catalog.read() as tx:
        return [one.snapshot_id for one in tx.images.snapshots_of(bench.image_row(image_id).image_id) if one.usage == usage]


def test_data_disks_are_blank_or_of_snapshots(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    of_others = snapshots(bench, bench.image(owner, "other"), "SYSTEM_DISK")[0]

    instance_id = bench.instance(
        owner,
        image_id,
        data_disks=(
            DataDiskOrder(20, "CLOUD_SSD", name="logs"),
            DataDiskOrder(0),
            DataDiskOrder(10, snapshot_id=of_others),
            DataDiskOrder(0, snapshot_id=of_others),
        ),
    )

    tree = f"tree/{bench.root}"
    assert data_disks(bench, instance_id) == [(20, None, "logs"), (10, tree, ""), (1, tree, "")]


def test_the_data_disks_of_an_image_come_unless_others_are_ordered(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner, data_disk_urls=("http://127.0.0.1:1/a", "http://127.0.0.1:1/b"))
    first, _ = snapshots(bench, image_id, "DATA_DISK")
    tree = f"tree/{bench.root}"

    assert data_disks(bench, bench.instance(owner, image_id)) == [(1, tree, ""), (1, tree, "")]
    as_packer = bench.instance(owner, image_id, data_disks=(DataDiskOrder(1, "CLOUD_PREMIUM", first),))
    assert data_disks(bench, as_packer) == [(1, tree, "")]
    assert data_disks(bench, bench.instance(owner, image_id, data_disks=(DataDiskOrder(10),))) == [(10, None, "")]
    assert data_disks(bench, bench.instance(owner, image_id, data_disks=(DataDiskOrder(0),))) == []


def test_a_disk_that_is_smaller_than_its_snapshot_is_refused(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.importing(owner, data_disk_urls=("http://127.0.0.1:1/a",))
    with bench.cloud.catalog.begin() as tx:
        for one in tx.images.snapshots_of(image_id):
            tx.snapshots.finish(one.snapshot_id, bench.root, 20 << 30 if one.usage == "DATA_DISK" else 1 << 20)
    with bench.cloud.catalog.begin() as tx:
        tx.images.move(bench.image_row(image_id), ImageState.NORMAL, percent=100, size_gb=1)
    (snapshot_id,) = snapshots(bench, image_id, "DATA_DISK")

    with pytest.raises(errors.SnapshotLargerThanDisk):
        run(bench, owner, image_id, data_disks=(DataDiskOrder(10, snapshot_id=snapshot_id),))

    assert bench.rows()[1] == ()
    assert (
        data_disks(bench, bench.instance(owner, image_id, data_disks=(DataDiskOrder(30, snapshot_id=snapshot_id),)))[0][0] == 30
    )


def test_the_snapshots_of_a_shared_image_are_of_use_as_its_data_disks_alone(bench: Bench) -> None:
    owner, sharee = bench.caller("owner"), bench.caller("sharee")
    image_id = bench.image(owner, data_disk_urls=("http://127.0.0.1:1/a",))
    (system,), (data,) = snapshots(bench, image_id, "SYSTEM_DISK"), snapshots(bench, image_id, "DATA_DISK")
    sharing.share_image(bench.cloud, owner, image_id, [sharee.account.uin])

    assert data_disks(bench, bench.instance(sharee, image_id, data_disks=(DataDiskOrder(10, snapshot_id=data),)))
    with pytest.raises(errors.ImageSnapshotNotFound):
        run(bench, sharee, image_id, data_disks=(DataDiskOrder(10, snapshot_id=system),))
    with pytest.raises(errors.ImageSnapshotNotFound):
        run(bench, sharee, bench.image(sharee, "mine"), data_disks=(DataDiskOrder(10, snapshot_id=data),))


def test_a_snapshot_that_is_not_there_yet_makes_no_disk(bench: Bench) -> None:
    owner = bench.caller("owner")
    (unfinished,) = snapshots(bench, bench.importing(owner, "arriving"), "SYSTEM_DISK")
    with pytest.raises(errors.SnapshotUnfinished):
        run(bench, owner, bench.image(owner), data_disks=(DataDiskOrder(10, snapshot_id=unfinished),))


def test_instances_are_told_what_their_user_wants_and_where_they_are(bench: Bench) -> None:
    owner = bench.caller("owner")

    ids = run(bench, owner, bench.image(owner), count=2, host_name="web-{IP}-{R:8}", metadata=(("colour", "red"),))

    for number, instance_id in enumerate(ids, 8):
        row = bench.instance_row(instance_id)
        assert row.host_name == f"web-{row.address}-{number}"
        told = next(spec.guest for spec in bench.machines.prepared() if spec.instance_id == instance_id)
        assert (told.hostname, told.metadata) == (row.host_name, {"colour": "red"})


def test_windows_has_rules_of_its_own(bench: Bench) -> None:
    owner = bench.caller("owner")
    pair, _ = keys.create_key_pair(bench.cloud, owner, name="laptop", project_id=0, tags=())
    image_id = bench.image(owner, "windows", os_type="Windows Server 2022", os_version="-")
    for changes, refusal in (
        ({"key_ids": (pair.key_id,)}, errors.KeyPairOnWindows),
        ({"password": "Passw0rd"}, errors.PasswordInvalid),
        ({"password": "passw0rdpassw0rd"}, errors.PasswordInvalid),
        ({"host_name": "n" * 16}, errors.HostNameInvalid),
        ({"host_name": "web.example"}, errors.HostNameInvalid),
        ({"host_name": "1234"}, errors.HostNameInvalid),
    ):
        with pytest.raises(refusal):
            run(bench, owner, image_id, **changes)
    assert bench.instance(owner, image_id, password="Passw0rd-Windows", host_name="web-1")


def test_an_image_for_another_processor_starts_no_instance(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    with bench.cloud.catalog.begin() as tx:
        tx.images.update(bench.image_row(image_id), architecture="arm64")
    with pytest.raises(errors.ArchitectureMismatch):
        run(bench, owner, image_id)
