"""Tasks: following asynchronous operations, and cancelling those that can be."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, PageRequest, filters_by_name, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import tasks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.tasks import TasksAsked
from linocut.model import errors


class DescribeTasks(PageRequest):
    """Which tasks: numbers, or the filters `action`, `resource` and `state`; and a page."""

    task_ids: tuple[Int, ...] = ()
    filters: tuple[Filter, ...] = ()


class CancelTask(Shape):
    """Which task."""

    task_id: Int


class Task(Shape):
    """An asynchronous operation. Percent and bytes tell how far it is; it has no bytes where it moves none."""

    task_id: int
    action: str
    resource: str
    state: str
    percent: int
    bytes_done: int
    bytes_total: int
    error: str
    cancel_asked: bool
    request_id: str
    created_time: str
    ended_time: str | None


class Tasks(Answer):
    """The answer of DescribeTasks, the newest first."""

    total_count: int
    task_set: list[Task]


def describe_tasks(cloud: Cloud, caller: Caller, request: DescribeTasks) -> Tasks:
    """List the caller's tasks in the region."""
    asked = TasksAsked(
        ids=tuple(request.task_ids) or None,
        filters=dict(filters_by_name(request.filters)),
        offset=request.offset,
        limit=request.limit,
    )
    page = tasks.list_tasks(cloud, caller, asked)
    return Tasks(total_count=page.total, task_set=[_task(task) for task in page.items])


def cancel_task(cloud: Cloud, caller: Caller, request: CancelTask) -> Answer:
    """Have a task end before it is done."""
    tasks.cancel_task(cloud, caller, request.task_id)
    return Answer()


def _task(task: tasks.Task) -> Task:
    return Task(
        task_id=task.task_id,
        action=task.action,
        resource=task.resource,
        state=task.state.value,
        percent=task.percent,
        bytes_done=task.bytes_done,
        bytes_total=task.bytes_total,
        error=task.error,
        cancel_asked=task.cancel_asked,
        request_id=task.request_id,
        created_time=wire_time(task.created_at),
        ended_time=None if task.ended_at is None else wire_time(task.ended_at),
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeTasks",
        request=DescribeTasks,
        handle=describe_tasks,
        codes=codes(
            errors.PageOutOfRange,
            errors.IdsWithFilters,
            errors.FilterUnknown,
            errors.TooManyFilterValues,
            errors.TooManyValues,
            errors.InvalidValue,
        ),
    ),
    Action(
        name="CancelTask",
        request=CancelTask,
        handle=cancel_task,
        is_mutating=True,
        codes=codes(errors.TaskNotFound, errors.TaskNotCancellable, errors.LostRace),
    ),
)
