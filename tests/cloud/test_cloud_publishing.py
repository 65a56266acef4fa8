"""Public images: one id in every region, to be started and reinstalled from, and nothing else."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, run_order

from linocut.blocks import RegionStore
from linocut.cloud import exports, images, instances, launches, publishing, reinstalling, sharing, syncing
from linocut.cloud.caller import Caller
from linocut.cloud.images import ImageQuery, ImageType, VisibleImage
from linocut.cloud.publishing import Replaced
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.stores import collect_store
from linocut.cloud.syncing import SyncOrder
from linocut.cloud.workflows.copies import fail_copy
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.ids import ImageId, InstanceId, Region, RootDigest
from linocut.model.states import InstanceState
from linocut.settings import Settings

TOKYO = Region("ap-tokyo")
MIB = 1 << 20


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[RegionStores]:
    """Yield stores of the test's own, for some tests sweep them."""
    opened = RegionStores(Settings(state=tmp_path / "own", block_cache_mb=8), run_as=None, now=time.time)
    yield opened
    opened.close()
    opened.stop_servers()


@pytest.fixture
def root(stores: RegionStores, tmp_path: Path) -> RootDigest:
    """Return the root of a disk that one region has."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(random.randbytes(2 * MIB))
    return stores.store(REGION).ingest_file(disk)


@pytest.fixture
def public(bench: Bench) -> ImageId:
    """Return a public image."""
    image_id = bench.image(bench.operator, "debian", family="debian-12")
    publishing.publish_image(bench.cloud, bench.operator, image_id, public=True)
    return image_id


def seen(bench: Bench, caller: Caller, image_id: str) -> VisibleImage | None:
    found = images.list_images(bench.cloud, caller, ImageQuery((image_id,), {}, 0, 10, None)).items
    return found[0] if found else None


def launch(bench: Bench, caller: Caller, image_id: str) -> InstanceId:
    zone = {REGION: "ap-guangzhou-3"}.get(caller.region, f"{caller.region}-2")
    (instance_id,) = launches.run_instances(bench.cloud, caller, run_order(image_id, zone=zone))
    return instance_id


def store_of(bench: Bench, region: Region) -> RegionStore:
    return bench.cloud.stores.store(region)


@pytest.mark.parametrize("region", [REGION, ELSEWHERE, TOKYO])
def test_a_public_image_has_the_same_id_in_every_region(bench: Bench, public: ImageId, region: Region) -> None:
    for name in ("operator", "anna", "bert"):
        found = seen(bench, bench.caller(name, region), public)
        assert found is not None
        assert found.image.image_id == public
        assert found.image_type is ImageType.PUBLIC_IMAGE


def test_what_is_not_public_is_in_one_region(bench: Bench) -> None:
    image_id = bench.image(bench.operator)
    assert seen(bench, bench.caller("operator", ELSEWHERE), image_id) is None
    with pytest.raises(errors.ImageNotFound):
        publishing.publish_image(bench.cloud, bench.caller("operator", ELSEWHERE), image_id, public=True)


@pytest.mark.parametrize("region", [ELSEWHERE, TOKYO])
def test_a_public_image_comes_to_a_region_where_an_instance_is_started_from_it(
    bench: Bench, public: ImageId, root: RootDigest, region: Region
) -> None:
    anna = bench.caller("anna", region)
    instance_id = launch(bench, anna, public)

    assert bench.instance_row(instance_id).state is InstanceState.RUNNING
    assert store_of(bench, region).verify([root]).is_sound
    assert not store_of(bench, region).is_arriving(root)
    work = [work for work in bench.workflows.asked if work[0] == "copy-image"]
    launch(bench, bench.caller("bert", region), public)
    assert [work for work in bench.workflows.asked if work[0] == "copy-image"] == work


def test_an_instance_does_not_wait_for_the_whole_of_a_public_image(bench: Bench, public: ImageId, root: RootDigest) -> None:
    anna = bench.caller("anna", ELSEWHERE)
    with bench.holding():
        instance_id = launch(bench, anna, public)
    (copy,) = [work for work in bench.workflows.asked if work[0] == "copy-image"]

    bench.workflows.run(("run-instance", instance_id, ""))

    assert bench.instance_row(instance_id).state is InstanceState.RUNNING
    assert store_of(bench, ELSEWHERE).is_arriving(root)
    assert store_of(bench, ELSEWHERE).tree(root).read(0, MIB) == store_of(bench, REGION).tree(root).read(0, MIB)
    bench.workflows.run(copy)
    assert not store_of(bench, ELSEWHERE).is_arriving(root)


def test_a_region_keeps_a_public_image_that_came_until_it_is_withdrawn(bench: Bench, public: ImageId, root: RootDigest) -> None:
    anna = bench.caller("anna", ELSEWHERE)
    instances.terminate_instances(bench.cloud, anna, [launch(bench, anna, public)])

    collect_store(bench.cloud, ELSEWHERE, grace_s=-1e12)
    assert store_of(bench, ELSEWHERE).verify([root]).is_sound
    publishing.publish_image(bench.cloud, bench.operator, public, public=False)
    collect_store(bench.cloud, ELSEWHERE, grace_s=-1e12)
    assert not store_of(bench, ELSEWHERE).verify([root]).is_sound
    assert seen(bench, anna, public) is None

    publishing.publish_image(bench.cloud, bench.operator, public, public=True)
    assert bench.instance_row(launch(bench, bench.caller("anna", ELSEWHERE), public)).state is InstanceState.RUNNING


def test_instances_go_on_when_their_image_is_withdrawn_and_deleted(bench: Bench, public: ImageId, root: RootDigest) -> None:
    anna = bench.caller("anna", ELSEWHERE)
    with bench.holding():
        instance_id = launch(bench, anna, public)
    (copy,) = [work for work in bench.workflows.asked if work[0] == "copy-image"]
    bench.workflows.run(("run-instance", instance_id, ""))
    publishing.publish_image(bench.cloud, bench.operator, public, public=False)
    images.delete_images(bench.cloud, bench.operator, [public], delete_snapshots=True, dry_run=False)

    for region in (REGION, ELSEWHERE):
        collect_store(bench.cloud, region, grace_s=-1e12)
    fail_copy(bench.cloud, copy[1], "The source did not answer.")
    bench.workflows.run(copy)

    assert not store_of(bench, ELSEWHERE).is_arriving(root)
    assert store_of(bench, ELSEWHERE).verify([root]).is_sound
    with bench.cloud.catalog.read() as tx:
        assert tx.copies.of_root(ELSEWHERE, root) == ()
        assert root not in tx.snapshots.live_roots(REGION)
        assert root in tx.snapshots.live_roots(ELSEWHERE)


def test_a_public_image_is_for_starting_and_reinstalling_and_nothing_else(bench: Bench, public: ImageId) -> None:
    for region in (REGION, ELSEWHERE):
        for name in ("anna", "operator"):
            caller = bench.caller(name, region)
            instance_id = launch(bench, caller, public)
            reinstalling.reset_instance(bench.cloud, caller, reinstalling.ResetOrder(instance_id, public))
            refused: tuple[Callable[[], object], ...] = (
                lambda caller=caller: images.modify_image(  # type: ignore[misc]
                    bench.cloud, caller, public, name="mine", description=None, family=None, deprecated=None
                ),
                lambda caller=caller: images.delete_images(  # type: ignore[misc]
                    bench.cloud, caller, [public], delete_snapshots=True, dry_run=False
                ),
                lambda caller=caller: sharing.share_image(  # type: ignore[misc]
                    bench.cloud, caller, public, [bench.caller("bert").account.uin]
                ),
                lambda caller=caller: syncing.sync_image(  # type: ignore[misc]
                    bench.cloud, caller, SyncOrder((public,), ("ap-beijing",))
                ),
                lambda caller=caller: exports.export_images(  # type: ignore[misc]
                    bench.cloud, caller, exports.ExportOrder((public,), f"bucket-{caller.account.app_id}")
                ),
            )
            for act in refused:
                with pytest.raises(Refusal) as refusal:
                    act()
                assert isinstance(refusal.value, errors.ImageIsPublic | errors.NotImageOwner), refusal.value


def test_a_newer_image_takes_over_its_family(bench: Bench, public: ImageId) -> None:
    other = bench.image(bench.operator, "ubuntu", family="ubuntu-24.04")
    publishing.publish_image(bench.cloud, bench.operator, other, public=True)
    newer = bench.image(bench.operator, "debian-2", family="debian-12")
    publishing.publish_image(bench.cloud, bench.operator, newer, public=True, replaced=Replaced.DEPRECATE)

    assert bench.image_row(public).deprecated
    assert bench.image_row(public).is_public
    assert not bench.image_row(other).deprecated
    family = images.image_of_family(bench.cloud, bench.caller("anna", TOKYO), "debian-12")
    assert family is not None
    assert family.image.image_id == newer

    newest = bench.image(bench.operator, "debian-3", family="debian-12")
    publishing.publish_image(bench.cloud, bench.operator, newest, public=True, replaced=Replaced.WITHDRAW)
    assert not bench.image_row(public).is_public
    assert not bench.image_row(newer).is_public
    assert bench.image_row(newest).is_public
    assert bench.image_row(other).is_public


def test_an_image_without_a_family_replaces_none(bench: Bench) -> None:
    image_id = bench.image(bench.operator)
    with pytest.raises(errors.ImageFamilyInvalid):
        publishing.publish_image(bench.cloud, bench.operator, image_id, public=True, replaced=Replaced.DEPRECATE)
    assert not bench.image_row(image_id).is_public
