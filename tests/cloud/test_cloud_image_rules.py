"""What images may be made of, what may become of them, and which one a family stands for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, run_order

from linocut.catalog import ListedSnapshot
from linocut.cloud import images, imaging, launches, publishing, sharing, snapshots
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.listing import BlockQuery
from linocut.model import errors
from linocut.model.ids import ImageId, SnapshotId
from linocut.model.records import DiskUsage, Snapshot, Tag
from linocut.model.states import ImageState, SnapshotState


def snapshots_of(bench: Bench, image_id: str) -> list[SnapshotId]:
    with bench.cloud.catalog.read() as tx:
        return [snapshot.snapshot_id for snapshot in tx.images.snapshots_of(ImageId(image_id))]


def left(bench: Bench, owner: Caller) -> set[SnapshotId]:
    with bench.cloud.catalog.read() as tx:
        return {snapshot.snapshot_id for snapshot in tx.snapshots.owned(owner.account.uin, owner.region)}


def modify(bench: Bench, caller: Caller, image_id: str, **changes: Any) -> None:
    given: dict[str, Any] = {"name": None, "description": None, "family": None, "deprecated": None}
    images.modify_image(bench.cloud, caller, image_id, **given | changes)


def delete(bench: Bench, caller: Caller, *image_ids: str, delete_snapshots: bool = True) -> None:
    images.delete_images(bench.cloud, caller, image_ids, delete_snapshots=delete_snapshots, dry_run=False)


def of_snapshots(bench: Bench, caller: Caller, name: str, *snapshot_ids: str, **changes: Any) -> ImageId:
    image_id = imaging.create_image(bench.cloud, caller, CreateOrder(name, snapshot_ids=snapshot_ids, **changes))
    assert image_id is not None
    return image_id


def test_an_image_of_snapshots_is_there_at_once_and_copies_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")
    origin = bench.image(owner, data_disk_urls=("http://127.0.0.1:1/data.raw",), license_type="BYOL")
    system, data = snapshots_of(bench, origin)

    image_id = of_snapshots(bench, owner, "twin", data, system, system)

    twin, row = bench.image_row(image_id), bench.image_row(origin)
    assert (twin.state, twin.percent, twin.size_gb, twin.source) == (ImageState.NORMAL, 100, 1, "CREATE_IMAGE")
    assert (twin.os_name, twin.platform, twin.license_type) == (row.os_name, row.platform, "BYOL")
    assert snapshots_of(bench, image_id) == [system, data]
    assert left(bench, owner) == {system, data}
    assert launches.run_instances(bench.cloud, owner, run_order(image_id))


def test_a_snapshot_of_two_images_goes_with_the_last_of_them(bench: Bench) -> None:
    owner = bench.caller("owner")
    first = bench.image(owner, "first", data_disk_urls=("http://127.0.0.1:1/data.raw",))
    system, data = snapshots_of(bench, first)
    second = of_snapshots(bench, owner, "second", system)

    delete(bench, owner, first)
    assert left(bench, owner) == {system}
    delete(bench, owner, second)
    assert left(bench, owner) == set()
    assert data not in left(bench, owner)


def test_two_images_of_one_snapshot_are_deleted_together(bench: Bench) -> None:
    owner = bench.caller("owner")
    first = bench.image(owner, "first")
    second = of_snapshots(bench, owner, "second", *snapshots_of(bench, first))

    delete(bench, owner, first, second)

    assert left(bench, owner) == set()


def delete_snapshots(bench: Bench, caller: Caller, *snapshot_ids: str, delete_images: bool = False) -> None:
    snapshots.delete_snapshots(bench.cloud, caller, snapshot_ids, delete_images=delete_images)


def test_a_snapshot_that_outlived_its_image_is_deleted(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    kept = snapshots_of(bench, image_id)
    delete(bench, owner, image_id, delete_snapshots=False)

    delete_snapshots(bench, owner, *kept, *kept)

    assert left(bench, owner) == set()
    with pytest.raises(errors.SnapshotNotFound):
        delete_snapshots(bench, owner, *kept)


def test_a_snapshot_with_images_goes_only_where_they_go_too_and_all_snapshots_or_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    first = bench.image(owner, "first", data_disk_urls=("http://127.0.0.1:1/data.raw",))
    system, data = snapshots_of(bench, first)
    second = of_snapshots(bench, owner, "second", system)
    lone = _data_snapshot(bench, owner)

    with pytest.raises(errors.SnapshotHasImages):
        delete_snapshots(bench, owner, lone, system)
    with pytest.raises(errors.SnapshotNotFound):
        delete_snapshots(bench, owner, lone, "snap-00000000")
    with pytest.raises(errors.InvalidValue):
        delete_snapshots(bench, owner, lone, "disk-00000000")
    assert left(bench, owner) == {system, data, lone}

    delete_snapshots(bench, owner, lone, system, delete_images=True)

    assert left(bench, owner) == {data}
    for image_id in (first, second):
        with pytest.raises(errors.ImageNotFound):
            delete(bench, owner, image_id)


def test_a_shared_image_and_one_in_transition_keep_their_snapshots(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    shared, coming = bench.image(owner, "shared"), bench.importing(owner, "coming")
    sharing.share_image(bench.cloud, owner, shared, [friend.account.uin])
    both = left(bench, owner)
    (unfinished,) = snapshots_of(bench, coming)

    with pytest.raises(errors.ImageInShared):
        delete_snapshots(bench, owner, *snapshots_of(bench, shared), delete_images=True)
    with pytest.raises(errors.SnapshotUnfinished):
        delete_snapshots(bench, owner, unfinished, delete_images=True)
    with pytest.raises(errors.SnapshotNotFound):
        delete_snapshots(bench, friend, *snapshots_of(bench, shared), delete_images=True)
    assert left(bench, owner) == both


def test_an_image_comes_back_from_the_snapshots_that_it_left(bench: Bench) -> None:
    owner = bench.caller("owner")
    first = bench.image(owner, "first")
    kept = snapshots_of(bench, first)
    delete(bench, owner, first, delete_snapshots=False)

    image_id = of_snapshots(bench, owner, "first", *kept)

    assert bench.image_row(image_id).platform == "Other Linux"
    assert launches.run_instances(bench.cloud, owner, run_order(image_id))


def test_an_image_is_made_of_one_system_disk_s_snapshot_and_own_finished_ones_alone(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    first, second = bench.image(owner, "first"), bench.image(owner, "second")
    (system,), (other,) = snapshots_of(bench, first), snapshots_of(bench, second)
    (foreign,) = snapshots_of(bench, bench.image(stranger))
    (elsewhere,) = snapshots_of(bench, bench.image(bench.caller("owner", ELSEWHERE)))
    (unfinished,) = snapshots_of(bench, bench.importing(owner, "third"))
    data = _data_snapshot(bench, owner)
    instance_id = bench.instance(owner)
    before = bench.rows()
    refused: list[tuple[dict[str, Any], type[errors.Refusal]]] = [
        ({}, errors.OneParameterNeeded),
        ({"snapshot_ids": (system,), "instance_id": instance_id}, errors.ParameterConflict),
        ({"snapshot_ids": (system,), "data_disk_ids": ("disk-00000000",)}, errors.DependsOnInstance),
        ({"snapshot_ids": (data,)}, errors.SystemSnapshotMissing),
        ({"snapshot_ids": (system, other)}, errors.SystemSnapshotsSeveral),
        ({"snapshot_ids": (unfinished,)}, errors.SnapshotUnfinished),
        *(
            ({"snapshot_ids": (system, name)}, errors.ImageSnapshotNotFound)
            for name in (foreign, elsewhere, "snap-00000000", "x")
        ),
        ({"snapshot_ids": tuple(f"snap-{number:08}" for number in range(22))}, errors.TooManyValues),
        ({"snapshot_ids": (system,), "sysprep": True}, errors.ParameterUnsupported),
        ({"instance_id": instance_id, "sysprep": True}, errors.ParameterUnsupported),
    ]
    for given, refusal in refused:
        with pytest.raises(refusal):
            imaging.create_image(bench.cloud, owner, CreateOrder("new", **given))
    assert imaging.create_image(bench.cloud, owner, CreateOrder("new", snapshot_ids=(system, data), dry_run=True)) is None
    assert bench.rows() == before


def _data_snapshot(bench: Bench, owner: Caller) -> SnapshotId:
    snapshot_id = SnapshotId("snap-0000data")
    uin, at = owner.account.uin, bench.clock.now()
    usage, state = DiskUsage.DATA_DISK, SnapshotState.NORMAL
    row = Snapshot(snapshot_id, uin, REGION, "data", usage, state, 1 << 30, bench.root, None, 100, at)
    with bench.cloud.catalog.begin() as tx:
        tx.snapshots.add(row)
    return snapshot_id


def test_an_image_of_an_instance_has_the_licence_of_what_the_instance_came_from(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner, license_type="BYOL")

    taken = imaging.create_image(bench.cloud, owner, CreateOrder("golden", bench.instance(owner, image_id)))

    assert taken is not None
    assert bench.image_row(taken).license_type == "BYOL"
    with pytest.raises(errors.ByolImageShare):
        sharing.share_image(bench.cloud, owner, taken, [friend.account.uin])


def test_a_machine_boots_as_its_image_does(bench: Bench) -> None:
    owner = bench.caller("owner")
    for boot_mode, firmware in (("UEFI", "uefi"), ("Legacy BIOS", "bios")):
        instance_id = bench.instance(owner, bench.image(owner, boot_mode, boot_mode=boot_mode))
        assert bench.machines.spec(instance_id).firmware == firmware


def test_an_image_of_an_instance_remembers_the_system_of_a_deleted_origin(bench: Bench) -> None:
    owner = bench.caller("owner")
    origin = bench.image(owner, os_type="CentOS Stream", os_version="9", boot_mode="UEFI", license_type="BYOL")
    instance_id = bench.instance(owner, origin)
    delete(bench, owner, bench.instance_row(instance_id).image_id)

    taken = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))

    assert taken is not None
    row = bench.image_row(taken)
    assert (row.platform, row.boot_mode, row.license_type) == ("CentOS Stream", "UEFI", "BYOL")


def test_a_shared_image_changes_no_more_and_a_change_to_what_it_is_already_is_none(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner, family="web")
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])

    modify(bench, owner, image_id, name="web", description="", family="web")
    for change in ({"name": "new"}, {"description": "new"}, {"family": ""}, {"deprecated": True}):
        with pytest.raises(errors.ImageInShared):
            modify(bench, owner, image_id, **change)
    sharing.unshare_image(bench.cloud, owner, image_id, [friend.account.uin])
    modify(bench, owner, image_id, family="")

    assert bench.image_row(image_id).family == ""


def test_red_hat_is_not_shared(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner, os_type="Redhat", os_version="9")
    with pytest.raises(errors.ImageIsRedHat):
        sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])


def family_of(bench: Bench, caller: Caller, family: str = "web") -> str | None:
    found = images.image_of_family(bench.cloud, caller, family)
    return None if found is None else found.image.name


def test_a_family_stands_for_its_newest_image_that_is_there_and_not_deprecated(bench: Bench) -> None:
    owner = bench.caller("owner")
    assert family_of(bench, owner) is None
    for number in range(3):
        bench.clock.advance(timedelta(minutes=1))
        bench.image(owner, f"web-{number}", family="web")
    bench.clock.advance(timedelta(minutes=1))
    bench.importing(owner, "web-3", family="web")
    bench.image(owner, "other", family="website")
    assert family_of(bench, owner) == "web-2"

    newest = images.image_of_family(bench.cloud, owner, "web")
    assert newest is not None
    with bench.cloud.catalog.begin() as tx:
        tx.images.move(tx.images.move(newest.image, ImageState.EXPORTING), ImageState.NORMAL)
        tx.images.move(newest.image, ImageState.EXPORTING)
    assert family_of(bench, owner) == "web-2", "an export takes nothing away"
    with bench.cloud.catalog.begin() as tx:
        tx.images.move(bench.image_row(newest.image.image_id), ImageState.NORMAL)
    modify(bench, owner, newest.image.image_id, deprecated=True)

    assert family_of(bench, owner) == "web-1"
    assert launches.run_instances(bench.cloud, owner, run_order(newest.image.image_id))
    assert family_of(bench, bench.caller("owner", ELSEWHERE)) is None
    for bad in ("", "a b", "x" * 65):
        with pytest.raises(errors.ImageFamilyInvalid):
            images.image_of_family(bench.cloud, owner, bad)


def test_a_family_is_of_those_who_see_its_images(bench: Bench) -> None:
    owner, friend, stranger = (bench.caller(name) for name in ("owner", "friend", "stranger"))
    own = bench.image(friend, "own", family="web")
    bench.clock.advance(timedelta(minutes=1))
    shared = bench.image(owner, "shared", family="web")
    bench.clock.advance(timedelta(minutes=1))
    public = bench.image(bench.operator, "public", family="web")
    sharing.share_image(bench.cloud, owner, shared, [friend.account.uin])
    assert [family_of(bench, caller) for caller in (owner, friend, stranger)] == ["shared", "own", None]

    publishing.publish_image(bench.cloud, bench.operator, public, public=True)
    delete(bench, friend, own)

    assert [family_of(bench, caller) for caller in (owner, friend, stranger)] == ["shared", "public", "public"]
    publishing.publish_image(bench.cloud, bench.operator, public, public=False)
    assert family_of(bench, friend) == "shared"
    sharing.unshare_image(bench.cloud, owner, shared, [friend.account.uin])
    assert family_of(bench, friend) is None


@pytest.mark.parametrize("state", [ImageState.IMPORTFAILED, ImageState.CREATEFAILED])
def test_a_failed_image_makes_room_for_the_next_of_its_name(bench: Bench, state: ImageState) -> None:
    owner, other = bench.caller("owner"), bench.caller("other")
    failed, foreign = bench.image_in(owner, state), bench.image_in(other, state)
    assert [listed.snapshot.name for listed in listed_snapshots(bench, owner)] == ["web-origin"][: state == "CREATEFAILED"]

    again = bench.image(owner, "web")

    assert "web" in bench.image_names(owner)
    with bench.cloud.catalog.read() as tx:
        assert tx.images.find(failed) is None
        assert tx.images.find(foreign) is not None
    with pytest.raises(errors.ImageNameTaken):
        bench.importing(owner, "web")
    assert len(left(bench, owner)) == len(snapshots_of(bench, again)) + (state == "CREATEFAILED")


def listed_snapshots(bench: Bench, owner: Caller) -> tuple[ListedSnapshot, ...]:
    return snapshots.list_snapshots(bench.cloud, owner, BlockQuery(None, {}, 0, 100)).items


def test_tags_are_the_owner_s(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner, tags=(Tag("stage", "golden"),))
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])
    for filters in ({"tag:stage": ("golden",)}, {"tag-key": ("stage",)}, {"tag-value": ("golden",)}):
        query = images.ImageQuery(ids=None, filters=filters, offset=0, limit=20, instance_type=None)
        assert images.list_images(bench.cloud, owner, query).total == 1
        assert images.list_images(bench.cloud, friend, query).total == 0


def test_dedicated_clusters_cache_no_images(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.image(owner)
    everything = images.ImageQuery(ids=None, filters={}, offset=0, limit=20, instance_type=None)
    for name, value in (("dedicated-cluster-id", "cluster-1"), ("cdc-cache-status", "CACHED")):
        assert images.list_images(bench.cloud, owner, replace(everything, filters={name: (value,)})).total == 0
    assert images.list_images(bench.cloud, owner, everything).total == 1
