"""Tasks and copies in SQL: given numbers, found by what workflows know, and moved forwards only."""

from datetime import timedelta
from typing import Any

import pytest
from catalog_records import ANNA, BERT, HERE, NOW, THERE, a_root, join

from linocut.catalog import Catalog, HolderKind, TaskQuery
from linocut.model.errors import LostRace
from linocut.model.ids import ImageId, SnapshotId, TaskId
from linocut.model.records import Task, TreeCopy
from linocut.model.states import CopyState, TaskState


def a_task(resource: str = "img-00000001", **fields: Any) -> Task:
    task = Task(TaskId(0), ANNA, HERE, "SyncImages", resource, "request", TaskState.RUNNING, 0, 0, 0, "", False, NOW, None)  # noqa: FBT003  the record's order
    return Task(**{name: fields.get(name, getattr(task, name)) for name in Task.__dataclass_fields__})


def a_copy(snapshot: str = "snap-00000001", **fields: Any) -> TreeCopy:
    copy = TreeCopy(
        THERE,
        SnapshotId(snapshot),
        ImageId("img-00000002"),
        ImageId("img-00000001"),
        HERE,
        a_root("a"),
        CopyState.WAITING,
        "r",
        NOW,
    )
    return TreeCopy(**{name: fields.get(name, getattr(copy, name)) for name in TreeCopy.__dataclass_fields__})


def test_a_task_comes_back_as_it_was_put_in_with_a_number(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        numbers = tx.tasks.add([a_task(f"img-{number:08}") for number in range(3)])
        assert list(numbers) == sorted(set(numbers))
    with catalog.read() as tx:
        assert [tx.tasks.get(number) for number in numbers] == [
            a_task(f"img-{position:08}", task_id=number) for position, number in enumerate(numbers)
        ]
        assert tx.tasks.of("img-00000002", "request") == tx.tasks.get(numbers[2])
        assert tx.tasks.of("img-00000002", "another") is None


def test_the_number_of_a_task_that_was_removed_is_not_given_again(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        (first,) = tx.tasks.add([a_task()])
        tx.tasks.fail("img-00000001", "request", "It broke.", NOW)
        assert tx.tasks.expire(NOW + timedelta(seconds=1)) == 1
        (second,) = tx.tasks.add([a_task()])
    assert second > first


def test_progress_only_goes_forwards_and_ends_with_the_task(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        (number,) = tx.tasks.add([a_task()])

        def after(percent: int, done: int | None) -> tuple[int, int, int]:
            tx.tasks.report("img-00000001", "request", percent=percent, bytes_done=done, bytes_total=200)
            task = tx.tasks.get(number)
            assert task is not None
            return task.percent, task.bytes_done, task.bytes_total

        assert after(10, 20) == (10, 20, 200)
        assert after(5, 10) == (10, 20, 200)
        assert after(60, None) == (60, 20, 200)
        assert tx.tasks.succeed("img-00000001", "request", NOW)
        assert after(70, 90) == (100, 200, 200)


def test_a_task_that_is_to_be_cancelled_does_not_succeed(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        (number,) = tx.tasks.add([a_task()])
        assert tx.tasks.ask_to_cancel(number)
        assert tx.tasks.is_cancel_asked("img-00000001", "request")
        assert not tx.tasks.succeed("img-00000001", "request", NOW)
        tx.tasks.fail("img-00000001", "request", "Cancelled.", NOW)
        tx.tasks.fail("img-00000001", "request", "Again.", NOW)
        task = tx.tasks.get(number)
        assert task is not None
        assert (task.state, task.error, task.ended_at) == (TaskState.CANCELLED, "Cancelled.", NOW)
        assert not tx.tasks.ask_to_cancel(number)


def test_the_copies_of_a_call_are_as_far_as_their_bytes_together(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.tasks.add([a_task("img-00000001"), a_task("img-00000002"), a_task("img-00000003", request_id="another")])
        assert tx.tasks.progress("SyncImages", "request") == 0
        tx.tasks.report("img-00000001", "request", percent=50, bytes_done=500, bytes_total=1000)
        assert tx.tasks.progress("SyncImages", "request") == 25


def test_tasks_are_of_one_account_and_region(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        (mine, *_) = tx.tasks.add([a_task(), a_task(owner=BERT), a_task(region=THERE)])
        page = tx.tasks.page(TaskQuery(owner=ANNA, region=HERE))
        assert ([task.task_id for task in page.items], page.total) == ([mine], 1)
        assert tx.tasks.page(TaskQuery(owner=ANNA, region=HERE, states=("FAILED",))).total == 0
        assert tx.tasks.page(TaskQuery(owner=ANNA, region=HERE, actions=("SyncImages",), resources=("img-00000001",))).total == 1


def test_a_copy_keeps_its_tree_in_both_regions(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        assert tx.copies.add(a_copy())
        assert not tx.copies.add(a_copy())
        assert tx.copies.of(THERE, ImageId("img-00000002")) == tx.copies.of_root(THERE, a_root("a")) == (a_copy(),)
        assert tx.snapshots.live_roots(HERE) == tx.snapshots.live_roots(THERE) == {a_root("a")}
        for region in (HERE, THERE):
            (holder,) = tx.tree_holders.of(region)
            assert (holder.kind, holder.roots, holder.images) == (HolderKind.COPY, {a_root("a")}, (ImageId("img-00000002"),))
        assert tx.copies.waiting_roots(THERE) == {a_root("a")}
        tx.copies.remove(tx.copies.under_way())
        assert tx.snapshots.live_roots(HERE) == tx.snapshots.live_roots(THERE) == set()


def test_a_copy_moves_by_its_table_and_once(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        tx.copies.add(a_copy())
        tx.copies.move(a_copy(), CopyState.READABLE)
        assert tx.copies.waiting_roots(THERE) == set()
        with pytest.raises(LostRace):
            tx.copies.move(a_copy(), CopyState.READABLE)
        with pytest.raises(ValueError, match="does not move"):
            tx.copies.move(a_copy(state=CopyState.WHOLE), CopyState.WAITING)


def test_a_public_image_in_other_regions_is_no_copy_of_itself(catalog: Catalog) -> None:
    public = a_copy(image_id=ImageId("img-00000001"))
    with catalog.begin() as tx:
        tx.copies.add(public)
        assert tx.copies.from_image(ImageId("img-00000001")) == ()
        assert tx.copies.of_image(ImageId("img-00000001")) == (public,)
