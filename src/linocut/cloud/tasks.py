"""Tasks: asynchronous operations, which their callers can follow and some of which they can cancel.

A task begins in the transaction that decides on an operation, and ends in the one that moves the operation's row on. In between
its workflow finds it by the resource and by the request that asked for it, reports progress, and asks now and then whether it is
to go on. Once `cancel_task` has returned, the operation cannot succeed any more: `succeed` refuses then, and what the operation
made is undone as after any failure.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from linocut.catalog import Page, TaskQuery, Tx
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import ImageId, TaskId
from linocut.model.records import Task
from linocut.model.states import ImageState, TaskState

__all__ = ["Page", "Task", "TasksAsked"]

_FILTERS: Final = frozenset({"action", "resource", "state"})
_CANCELLABLE: Final = frozenset(
    {
        *("ImportImage", "CreateImage", "SyncImages", "ExportImages"),
        *("CreateSnapshot", "CreateSnapshotGroup", "CopySnapshotCrossRegions"),
    }
)
_ASK_INTERVAL_S: Final = 0.5
_TEXT: Final = 1024
_CANCELLED: Final = "The task was cancelled."


@dataclass(frozen=True, slots=True)
class TasksAsked:
    """Which tasks to list: numbers or filters, and a page."""

    ids: tuple[int, ...] | None
    filters: dict[str, tuple[str, ...]]
    offset: int
    limit: int


def begin(cloud: Cloud, tx: Tx, caller: Caller, action: str, resources: Sequence[str]) -> tuple[TaskId, ...]:
    """Begin a task on each of the resources, and return their numbers. A batch takes one statement."""
    task = Task(
        task_id=TaskId(0),
        owner=caller.account.uin,
        region=caller.region,
        action=action,
        resource="",
        request_id=caller.request_id,
        state=TaskState.RUNNING,
        percent=0,
        bytes_done=0,
        bytes_total=0,
        error="",
        cancel_asked=False,
        created_at=cloud.now(),
        ended_at=None,
    )
    return tx.tasks.add([replace(task, resource=resource) for resource in resources])


def report(tx: Tx, resource: str, request_id: str, *, percent: int, bytes_done: int | None = None, bytes_total: int = 0) -> None:
    """Show progress, which only goes forwards; without bytes, those that were shown before stay."""
    tx.tasks.report(resource, request_id, percent=percent, bytes_done=bytes_done, bytes_total=bytes_total)


def succeed(cloud: Cloud, tx: Tx, resource: str, request_id: str) -> None:
    """End a task well, in the transaction that says so of its resource; harmless where it has ended.

    Raises TaskCancelled where it was to be cancelled: the transaction must not be committed then.
    """
    if not tx.tasks.succeed(resource, request_id, cloud.now()) and tx.tasks.is_cancel_asked(resource, request_id):
        raise errors.TaskCancelled(_CANCELLED)


def fail(cloud: Cloud, tx: Tx, resource: str, request_id: str, reason: str) -> None:
    """End a task that failed or was cancelled, in the transaction that says so of its resource; harmless where it has ended."""
    tx.tasks.fail(resource, request_id, reason[:_TEXT], cloud.now())


def end(cloud: Cloud, tx: Tx, resource: str, request_id: str, reason: str) -> None:
    """End a task as an operation ended: well where there is no reason to the contrary."""
    if reason:
        fail(cloud, tx, resource, request_id, reason)
    else:
        succeed(cloud, tx, resource, request_id)


def canceller(cloud: Cloud, resource: str, request_id: str) -> Callable[[], bool]:
    """Return what a long step calls often, to be told whether to stop: its task is to be cancelled, or the service goes down.

    It looks no more than twice a second.
    """
    asked_at = [-_ASK_INTERVAL_S]
    is_asked = [False]

    def is_to_stop() -> bool:
        if not is_asked[0] and time.monotonic() - asked_at[0] >= _ASK_INTERVAL_S:
            asked_at[0] = time.monotonic()
            with cloud.catalog.read() as tx:
                is_asked[0] = tx.tasks.is_cancel_asked(resource, request_id)
        return is_asked[0] or cloud.stopping()

    return is_to_stop


def require_wanted(cloud: Cloud, resource: str, request_id: str) -> None:
    """Raise TaskCancelled where the task of this resource and request is to be cancelled."""
    with cloud.catalog.read() as tx:
        unwanted = tx.tasks.is_cancel_asked(resource, request_id)
    if unwanted:
        raise errors.TaskCancelled(_CANCELLED)


def list_tasks(cloud: Cloud, caller: Caller, asked: TasksAsked) -> Page[Task]:
    """Return a page of the caller's tasks in the region, the newest first.

    Raises PageOutOfRange, IdsWithFilters, FilterUnknown, TooManyFilterValues, TooManyValues.
    """
    listing.check_page(asked.offset, asked.limit)
    ids = None if asked.ids is None else tuple(str(number) for number in asked.ids)
    filters = listing.check_filters(ids, asked.filters, _FILTERS)
    with cloud.catalog.read() as tx:
        return tx.tasks.page(
            TaskQuery(
                owner=caller.account.uin,
                region=caller.region,
                ids=None if asked.ids is None else tuple(TaskId(number) for number in asked.ids),
                actions=filters.get("action", ()),
                resources=filters.get("resource", ()),
                states=filters.get("state", ()),
                offset=asked.offset,
                limit=asked.limit,
            )
        )


def cancel_task(cloud: Cloud, caller: Caller, task_id: int) -> None:
    """Have a task end before it is done: it ends CANCELLED, and what it made is undone. Cancelling twice is harmless.

    Imports, images of instances, snapshots, copies and exports can be cancelled; a copy only as long as no instance was started
    from it.
    Raises TaskNotFound, TaskNotCancellable.
    """
    with cloud.catalog.begin() as tx:
        task = tx.tasks.get(TaskId(task_id))
        if task is None or task.owner != caller.account.uin or task.region != caller.region:
            raise errors.TaskNotFound(f"There is no task {task_id}.")
        if task.action not in _CANCELLABLE:
            raise errors.TaskNotCancellable(f"{task.action} cannot be cancelled.")
        if task.action == "SyncImages":
            _require_unused(tx, task)
        if not tx.tasks.ask_to_cancel(task.task_id):
            raise errors.TaskNotCancellable(f"Task {task_id} has ended: {task.state}.")


def remove_old(cloud: Cloud) -> None:
    """Forget the tasks that ended longer ago than the setting says."""
    with cloud.catalog.begin() as tx:
        tx.tasks.expire(cloud.now() - timedelta(days=cloud.settings.task_days))


def _require_unused(tx: Tx, task: Task) -> None:
    """Raise TaskNotCancellable where a disk stands on a copy that is under way."""
    image = tx.images.find(ImageId(task.resource))
    if image is None or image.state is not ImageState.SYNCING:
        return
    tx.images.hold(image)  # a launch from it holds it, too
    copies = tx.copies.of(image.region, image.image_id)
    if tx.copies.is_used(copies):
        raise errors.TaskNotCancellable(f"Instances stand on image {image.image_id}: it must arrive.")
