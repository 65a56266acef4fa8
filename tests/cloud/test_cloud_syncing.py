"""Copying images: who may, where to, what stands in the rows, and what moves between the stores."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, run_order

from linocut.blocks import ObjectMissing, RegionStore
from linocut.cloud import images, launches, publishing, sharing, syncing, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.stores import collect_store
from linocut.cloud.syncing import ImageCopy, SyncOrder
from linocut.cloud.tasks import TasksAsked
from linocut.cloud.workflows import copies as copy_steps
from linocut.cloud.workflows.copies import fail_copy, show_progress
from linocut.cloud.workflows.durable import Failed
from linocut.cloud.workflows.reconcile import reconcile
from linocut.model import errors
from linocut.model.ids import ImageId, Region, RootDigest
from linocut.model.records import Snapshot, Task
from linocut.model.states import ImageState, InstanceState, SnapshotState, TaskState
from linocut.settings import Settings

BEIJING, TOKYO, SEOUL = Region("ap-beijing"), Region("ap-tokyo"), Region("ap-seoul")
FSI, OTHER_FSI = Region("ap-shanghai-fsi"), Region("ap-shenzhen-fsi")
MIB = 1 << 20

NewRoot = Callable[..., RootDigest]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[RegionStores]:
    """Yield stores of the test's own, for some tests sweep them."""
    opened = RegionStores(Settings(state=tmp_path / "own", block_cache_mb=8), run_as=None, now=time.time)
    yield opened
    opened.close()
    opened.stop_servers()


@pytest.fixture
def root(stores: RegionStores, tmp_path: Path) -> RootDigest:
    """Return the root of a disk that every region has which a test launches in."""
    disk = tmp_path / "common.raw"
    disk.write_bytes(b"disk" * (1 << 18))
    return [stores.store(region).ingest_file(disk) for region in (ELSEWHERE, REGION)][-1]


@pytest.fixture
def new_root(bench: Bench, tmp_path: Path) -> NewRoot:
    """Return a maker of disks that only one region has, of random bytes."""

    def make(size_mib: int = 2, region: Region = REGION) -> RootDigest:
        file = tmp_path / "disk.raw"
        file.write_bytes(random.randbytes(size_mib * MIB))
        return bench.cloud.stores.store(region).ingest_file(file)

    return make


@pytest.fixture
def image_id(bench: Bench, new_root: NewRoot) -> ImageId:
    """Return an image of the account `owner` whose tree only its own region has."""
    bench.root = new_root()
    return bench.image(bench.caller("owner"), description="what it is for", family="web")


def sync(bench: Bench, caller: Caller, image_id: str, *regions: Region, **order: object) -> tuple[ImageCopy, ...]:
    return syncing.sync_image(bench.cloud, caller, SyncOrder((image_id,), regions, **order))  # type: ignore[arg-type]


def only_task(bench: Bench, caller: Caller, resource: str) -> Task:
    (found,) = tasks.list_tasks(bench.cloud, caller, TasksAsked(None, {"resource": (resource,)}, 0, 10)).items
    return found


def snapshots_of(bench: Bench, image_id: ImageId) -> tuple[Snapshot, ...]:
    with bench.cloud.catalog.read() as tx:
        return tx.images.snapshots_of(image_id)


def has_all_of(store: RegionStore, root: RootDigest) -> bool:
    return store.verify([root]).is_sound and not store.is_arriving(root)


def run_copy(bench: Bench, copy: ImageCopy) -> None:
    (work,) = [work for work in bench.workflows.asked if work[1] == f"{copy.region}/{copy.image_id}"]
    bench.workflows.run(work)


def test_a_copy_is_an_image_of_its_own_with_all_that_its_source_had(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    (copy,) = sync(bench, owner, image_id, ELSEWHERE)

    source, made = bench.image_row(image_id), bench.image_row(copy.image_id)
    assert copy.image_id != image_id
    assert (made.region, made.state, made.percent) == (ELSEWHERE, ImageState.NORMAL, 100)
    for field in ("owner", "name", "description", "source", "platform", "os_name", "architecture", "size_gb", "family"):
        assert getattr(made, field) == getattr(source, field), field
    assert (source.state, source.percent) == (ImageState.NORMAL, 100)
    (original,), (snapshot,) = snapshots_of(bench, image_id), snapshots_of(bench, copy.image_id)
    assert snapshot.snapshot_id != original.snapshot_id
    assert (snapshot.region, snapshot.root, snapshot.size_bytes) == (ELSEWHERE, original.root, original.size_bytes)
    assert snapshot.state is SnapshotState.NORMAL
    assert has_all_of(bench.cloud.stores.store(ELSEWHERE), bench.root)


def test_while_copies_are_under_way_they_and_their_source_are_syncing(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        first, second = sync(bench, owner, image_id, ELSEWHERE, BEIJING, name="copy")
    states = [bench.image_row(each).state for each in (image_id, first.image_id, second.image_id)]
    assert states == [ImageState.SYNCING] * 3
    assert {bench.image_row(each.image_id).name for each in (first, second)} == {"copy"}
    assert {each.region for each in (first, second)} == {ELSEWHERE, BEIJING}

    run_copy(bench, first)
    assert bench.image_row(first.image_id).state is ImageState.NORMAL
    assert bench.image_row(image_id).state is ImageState.SYNCING
    assert bench.image_row(image_id).percent == 50

    run_copy(bench, second)
    assert bench.image_row(second.image_id).state is ImageState.NORMAL
    assert bench.image_row(image_id).state is ImageState.NORMAL


def test_a_shared_image_is_copied_into_the_caller_s_own_of_the_same_region_by_rows_alone(bench: Bench, image_id: ImageId) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])
    with bench.holding():
        (copy,) = sync(bench, friend, image_id, REGION)

    assert bench.workflows.asked[1:] == []
    made = bench.image_row(copy.image_id)
    assert (made.owner, made.region, made.state) == (friend.account.uin, REGION, ImageState.NORMAL)
    assert bench.image_row(image_id).state is ImageState.NORMAL
    (snapshot,) = snapshots_of(bench, copy.image_id)
    assert (snapshot.owner, snapshot.root, snapshot.state) == (friend.account.uin, bench.root, SnapshotState.NORMAL)
    assert only_task(bench, friend, copy.image_id).state is TaskState.SUCCESS

    sharing.unshare_image(bench.cloud, owner, image_id, [friend.account.uin])
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    launches.run_instances(bench.cloud, friend, run_order(copy.image_id))


@pytest.mark.parametrize(
    ("source", "to", "refusal"),
    [
        (REGION, ELSEWHERE, None),
        (TOKYO, SEOUL, None),
        (FSI, OTHER_FSI, None),
        (REGION, TOKYO, errors.RegionUnreachable),
        (TOKYO, REGION, errors.RegionUnreachable),
        (REGION, FSI, errors.RegionUnreachable),
        (FSI, ELSEWHERE, errors.RegionUnreachable),
        (REGION, REGION, errors.RegionUnsuitable),
        (REGION, Region("ap-taipei"), errors.RegionNotFound),
        (REGION, Region("mars-north"), errors.RegionNotFound),
    ],
)
def test_copies_go_where_the_region_may_send_them(
    bench: Bench, source: Region, to: Region, refusal: type[errors.Refusal] | None
) -> None:
    owner = bench.caller("owner", source)
    image_id = bench.image(owner)
    with bench.holding():
        if refusal is None:
            assert [copy.region for copy in sync(bench, owner, image_id, to)] == [to]
        else:
            with pytest.raises(refusal):
                sync(bench, owner, image_id, to)
            assert bench.image_row(image_id).state is ImageState.NORMAL


def test_a_shared_image_goes_nowhere_else(bench: Bench, image_id: ImageId) -> None:
    friend = bench.caller("friend")
    sharing.share_image(bench.cloud, bench.caller("owner"), image_id, [friend.account.uin])
    with pytest.raises(errors.RegionUnsuitable):
        sync(bench, friend, image_id, ELSEWHERE)


def test_a_public_image_is_not_copied(bench: Bench) -> None:
    image_id = bench.image(bench.operator)
    publishing.publish_image(bench.cloud, bench.operator, image_id, public=True)
    for caller in (bench.operator, bench.caller("owner")):
        with pytest.raises(errors.ImageIsPublic):
            sync(bench, caller, image_id, ELSEWHERE)


def test_all_copies_are_begun_or_none(bench: Bench, image_id: ImageId) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", BEIJING)
    bench.image(there, "web")
    with pytest.raises(errors.ImageNameTaken):
        sync(bench, owner, image_id, ELSEWHERE, BEIJING)
    bench.change(image_quota=1)
    with pytest.raises(errors.ImageQuotaExceeded):
        sync(bench, owner, image_id, ELSEWHERE, BEIJING, name="copy")
    with pytest.raises(errors.TooManyValues):
        syncing.sync_image(bench.cloud, owner, SyncOrder((image_id, image_id), (ELSEWHERE,)))
    with pytest.raises(errors.ParameterMissing):
        syncing.sync_image(bench.cloud, owner, SyncOrder((image_id,), ()))

    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert bench.image_names(bench.caller("owner", ELSEWHERE)) == set()


def test_a_dry_run_checks_and_does_nothing(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    before = bench.rows()
    assert sync(bench, owner, image_id, ELSEWHERE, dry_run=True) == ()
    with pytest.raises(errors.RegionUnreachable):
        sync(bench, owner, image_id, TOKYO, dry_run=True)
    assert bench.rows() == before


@pytest.mark.parametrize("state", [state for state in ImageState if state is not ImageState.NORMAL])
def test_only_an_image_that_is_there_is_copied(bench: Bench, state: ImageState) -> None:
    owner = bench.caller("owner")
    with pytest.raises(errors.ImageStateForbids):
        sync(bench, owner, bench.image_in(owner, state), ELSEWHERE)


def test_only_what_the_region_lacks_is_copied(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    sync(bench, owner, image_id, BEIJING)
    target = bench.cloud.stores.store(BEIJING)
    before = target.stat()
    ingest = bench.cloud.stores.store(REGION).ingest(2 * MIB, bench.root)
    ingest.write(0, random.randbytes(1000))
    bench.root = ingest.seal()
    (copy,) = sync(bench, bench.caller("owner"), bench.image(owner, "web-2"), BEIJING)

    whole = target.usage([bench.root]).stored_bytes
    added = target.stat().chunk_bytes - before.chunk_bytes
    assert 0 < added < whole / 2
    assert has_all_of(target, bench.root)
    ended = only_task(bench, owner, copy.image_id)
    assert (ended.state, ended.percent, ended.bytes_done) == (TaskState.SUCCESS, 100, ended.bytes_total)
    assert ended.bytes_total >= whole


def test_progress_tells_the_bytes_of_each_copy_and_of_all_together(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        first, second = sync(bench, owner, image_id, ELSEWHERE, BEIJING)

    def shown() -> list[int]:
        return [bench.image_row(each).percent for each in (first.image_id, second.image_id, image_id)]

    for copy, done, percents in (
        (first, 0, [0, 0, 0]),
        (first, 500, [50, 0, 25]),
        (second, 100, [50, 10, 30]),
        (first, 400, [50, 10, 30]),  # what an attempt shows that began anew
        (first, 1000, [100, 10, 55]),
        (second, 999, [100, 99, 99]),
    ):
        show_progress(bench.cloud, f"{copy.region}/{copy.image_id}", done, 1000)
        assert shown() == percents
    task = only_task(bench, owner, second.image_id)
    assert (task.percent, task.bytes_done, task.bytes_total) == (99, 999, 1000)


def test_what_happens_to_the_source_later_does_not_harm_the_copy(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)

    collect_store(bench.cloud, REGION, grace_s=-1e12)
    collect_store(bench.cloud, ELSEWHERE, grace_s=-1e12)

    with pytest.raises(ObjectMissing):
        bench.cloud.stores.store(REGION).tree(bench.root)
    assert has_all_of(bench.cloud.stores.store(ELSEWHERE), bench.root)
    (instance_id,) = launches.run_instances(bench.cloud, bench.caller("owner", ELSEWHERE), there_order(copy))
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def there_order(copy: ImageCopy) -> launches.RunOrder:
    return run_order(copy.image_id, zone=f"{copy.region}-2")


def test_sweeps_keep_what_a_copy_under_way_needs(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    resource = f"{copy.region}/{copy.image_id}"

    collect_store(bench.cloud, ELSEWHERE, grace_s=-1e12)
    copy_steps.copy_nodes(resource)
    for region in (REGION, ELSEWHERE):
        collect_store(bench.cloud, region, grace_s=-1e12)
    assert bench.cloud.stores.store(ELSEWHERE).is_arriving(bench.root)
    copy_steps.copy_chunks(resource)
    collect_store(bench.cloud, ELSEWHERE, grace_s=-1e12)
    copy_steps.record_copied(resource)

    assert has_all_of(bench.cloud.stores.store(ELSEWHERE), bench.root)


def test_a_copy_that_fails_says_so_and_lets_its_source_go(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        first, second = sync(bench, owner, image_id, ELSEWHERE, BEIJING)

    fail_copy(bench.cloud, f"{first.region}/{first.image_id}", "It broke.")
    failed = bench.image_row(first.image_id)
    assert (failed.state, failed.failure) == (ImageState.CREATEFAILED, "It broke.")
    assert only_task(bench, owner, first.image_id).state is TaskState.FAILED
    assert bench.image_row(image_id).state is ImageState.SYNCING

    run_copy(bench, second)
    assert bench.image_row(image_id).state is ImageState.NORMAL
    there = bench.caller("owner", first.region)
    images.delete_images(bench.cloud, there, [first.image_id], delete_snapshots=False, dry_run=False)


def test_a_copy_may_be_cancelled_and_leaves_nothing_but_its_failed_row(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    copy_steps.copy_nodes(f"{copy.region}/{copy.image_id}")
    tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, copy.image_id).task_id)
    run_copy(bench, copy)

    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert only_task(bench, owner, copy.image_id).state is TaskState.CANCELLED
    with bench.cloud.catalog.read() as tx:
        assert tx.copies.under_way() == ()
        assert bench.root not in tx.snapshots.live_roots(ELSEWHERE)
    with pytest.raises(errors.TaskNotCancellable):
        tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, copy.image_id).task_id)


def test_a_copy_that_is_cancelled_when_all_has_arrived_does_not_succeed_any_more(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    resource = f"{copy.region}/{copy.image_id}"
    copy_steps.copy_nodes(resource)
    copy_steps.copy_chunks(resource)
    tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, copy.image_id).task_id)

    failed = copy_steps.record_copied(resource)

    assert isinstance(failed, Failed)
    assert bench.image_row(copy.image_id).state is ImageState.SYNCING
    copy_steps.record_copy_failed(resource, failed.reason)
    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    assert only_task(bench, owner, copy.image_id).state is TaskState.CANCELLED


def test_an_instance_is_started_from_a_copy_under_way_where_the_operator_allows_it(bench: Bench, image_id: ImageId) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    order = there_order(copy)
    bench.change(launch_while_syncing=True)
    with pytest.raises(errors.ImageStateForbids):
        launches.run_instances(bench.cloud, there, order)
    copy_steps.copy_nodes(f"{copy.region}/{copy.image_id}")
    bench.change(launch_while_syncing=False)
    with pytest.raises(errors.ImageStateForbids):
        launches.run_instances(bench.cloud, there, order)
    bench.change(launch_while_syncing=True)

    (instance_id,) = launches.run_instances(bench.cloud, there, order)

    assert bench.instance_row(instance_id).state is InstanceState.RUNNING
    assert bench.image_row(copy.image_id).state is ImageState.SYNCING
    (spec,) = bench.machines.prepared()
    assert spec.disks[0].base is not None
    assert spec.disks[0].base.export == f"tree/{bench.root}"
    with pytest.raises(errors.TaskNotCancellable):
        tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, copy.image_id).task_id)

    run_copy(bench, copy)
    assert bench.image_row(copy.image_id).state is ImageState.NORMAL


def test_a_copy_that_a_disk_stands_on_is_tried_again_until_it_has_arrived(bench: Bench, image_id: ImageId) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    bench.change(launch_while_syncing=True)
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    resource = f"{copy.region}/{copy.image_id}"
    copy_steps.copy_nodes(resource)
    launches.run_instances(bench.cloud, there, there_order(copy))

    fail_copy(bench.cloud, resource, "The source did not answer.")

    assert bench.image_row(copy.image_id).state is ImageState.SYNCING
    with bench.cloud.catalog.read() as tx:
        (left,) = tx.copies.under_way()
    assert left.request_id != owner.request_id
    copy_steps.copy_image.__wrapped__(resource)  # type: ignore[attr-defined]
    assert bench.image_row(copy.image_id).state is ImageState.NORMAL
    assert only_task(bench, owner, copy.image_id).state is TaskState.SUCCESS


def test_a_copy_that_was_never_started_is_started(bench: Bench, image_id: ImageId) -> None:
    with bench.holding():
        (copy,) = sync(bench, bench.caller("owner"), image_id, ELSEWHERE)
    bench.workflows.asked.clear()

    reconcile(bench.cloud, bench.workflows)

    assert bench.image_row(copy.image_id).state is ImageState.NORMAL
    assert bench.image_row(image_id).state is ImageState.NORMAL


def test_a_copy_whose_work_ended_without_it_has_failed(bench: Bench, image_id: ImageId) -> None:
    with bench.holding():
        (copy,) = sync(bench, bench.caller("owner"), image_id, ELSEWHERE)
    bench.workflows.ended.update(bench.workflows.asked)

    reconcile(bench.cloud, bench.workflows)

    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    assert bench.image_row(copy.image_id).failure == "The service was interrupted."
    assert bench.image_row(image_id).state is ImageState.NORMAL


def test_a_copy_that_is_to_be_tried_again_is_started_once_each_time(bench: Bench, image_id: ImageId) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    bench.change(launch_while_syncing=True)
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    copy_steps.copy_nodes(f"{copy.region}/{copy.image_id}")
    launches.run_instances(bench.cloud, there, there_order(copy))
    bench.workflows.ended.update(bench.workflows.asked)
    reconcile(bench.cloud, bench.workflows)  # notices that the first try was lost
    tries = [work for work in bench.workflows.asked if work[0] == "copy-image"]
    assert len(tries) == 1

    with bench.holding():
        for _ in range(3):
            reconcile(bench.cloud, bench.workflows)

    again = [work for work in bench.workflows.asked if work[0] == "copy-image" and work not in tries]
    assert len(again) == 1
    bench.workflows.run(again[0])
    assert bench.image_row(copy.image_id).state is ImageState.NORMAL


def test_what_others_run_of_the_same_content_neither_keeps_a_copy_nor_shows(bench: Bench, image_id: ImageId) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger", ELSEWHERE)
    sync(bench, owner, image_id, ELSEWHERE)
    launches.run_instances(bench.cloud, stranger, run_order(bench.image(stranger, "same"), zone=f"{ELSEWHERE}-2"))
    with bench.holding():
        (copy,) = sync(bench, bench.caller("owner"), image_id, ELSEWHERE, name="again")
    copy_steps.copy_nodes(f"{copy.region}/{copy.image_id}")

    tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, copy.image_id).task_id)
    run_copy(bench, copy)

    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    assert bench.image_row(image_id).state is ImageState.NORMAL


def test_a_cancelled_copy_ends_although_another_image_of_its_tree_is_started(bench: Bench, image_id: ImageId) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    (whole,) = sync(bench, owner, image_id, ELSEWHERE)
    with bench.holding():
        (copy,) = sync(bench, bench.caller("owner"), image_id, ELSEWHERE, name="again")
    tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, copy.image_id).task_id)

    launches.run_instances(bench.cloud, there, there_order(whole))
    run_copy(bench, copy)

    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert only_task(bench, owner, copy.image_id).state is TaskState.CANCELLED


def test_a_disk_of_a_public_image_on_its_way_keeps_that_one_and_no_private_copy_of_its_tree(
    bench: Bench, image_id: ImageId
) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    public = bench.image(bench.operator, "public")
    publishing.publish_image(bench.cloud, bench.operator, public, public=True)
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
        launches.run_instances(bench.cloud, there, run_order(public, zone=f"{ELSEWHERE}-2"))

    fail_copy(bench.cloud, f"{ELSEWHERE}/{copy.image_id}", "It broke.")
    fail_copy(bench.cloud, f"{ELSEWHERE}/{public}", "It broke.")

    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    with bench.cloud.catalog.read() as tx:
        assert [left.image_id for left in tx.copies.under_way()] == [public]


def test_a_copy_whose_disks_stand_on_what_came_another_way_ends_when_it_fails(bench: Bench, image_id: ImageId) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    bench.change(launch_while_syncing=True)
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    copy_steps.copy_nodes(f"{copy.region}/{copy.image_id}")
    launches.run_instances(bench.cloud, there, there_order(copy))
    bench.image(bench.caller("stranger", ELSEWHERE), "the same, whole")

    fail_copy(bench.cloud, f"{copy.region}/{copy.image_id}", "The source is gone.")

    assert bench.image_row(copy.image_id).state is ImageState.CREATEFAILED
    assert bench.image_row(image_id).state is ImageState.NORMAL


def test_a_source_out_of_reach_keeps_nothing_else_from_being_mended(bench: Bench, image_id: ImageId, tmp_path: Path) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    bench.change(launch_while_syncing=True)
    with bench.holding():
        (copy,) = sync(bench, owner, image_id, ELSEWHERE)
    copy_steps.copy_nodes(f"{copy.region}/{copy.image_id}")
    (instance_id,) = launches.run_instances(bench.cloud, there, there_order(copy))
    bench.cloud.stores.store(ELSEWHERE).end_read_through(bench.root)
    bench.machines.kill(instance_id)
    source = tmp_path / "own" / "stores" / REGION
    source.rename(source.with_name("unmounted"))

    reconcile(bench.cloud, bench.workflows)

    assert bench.instance_row(instance_id).state is InstanceState.STOPPED


def test_a_copy_that_waits_for_its_turn_goes_on_when_another_ends_and_can_be_cancelled(bench: Bench, image_id: ImageId) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        first, second = sync(bench, owner, image_id, ELSEWHERE, BEIJING)
    tasks.cancel_task(bench.cloud, owner, only_task(bench, owner, second.image_id).task_id)

    with copy_steps._turn(bool), copy_steps._turn(bool), ThreadPoolExecutor(1) as other:
        assert isinstance(copy_steps.copy_chunks(f"{second.region}/{second.image_id}"), Failed)
        waiting = other.submit(copy_steps.copy_chunks, f"{first.region}/{first.image_id}")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        copy_steps._CONCURRENT_COPIES.release()
        assert waiting.result(timeout=30) is None
        copy_steps._CONCURRENT_COPIES.acquire()
    assert has_all_of(bench.cloud.stores.store(first.region), bench.root)
