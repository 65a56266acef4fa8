"""Tasks: asynchronous operations, as whoever asked for them follows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from linocut.catalog.page import Page
from linocut.catalog.rows import record_of, values_of
from linocut.catalog.schema import TASKS
from linocut.model.ids import Region, TaskId, Uin
from linocut.model.records import Task
from linocut.model.states import TaskState

_COMPLETE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Which tasks of an account and region, and which page of them. What is None or empty asks for nothing."""

    owner: Uin
    region: Region
    ids: tuple[TaskId, ...] | None = None
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    offset: int = 0
    limit: int = 20


class Tasks:
    """The tasks in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, tasks: Sequence[Task]) -> tuple[TaskId, ...]:
        """Add tasks, in one statement, and return the numbers that they are given in place of their own."""
        if not tasks:
            return ()
        numbers = insert(TASKS).returning(TASKS.c.task_id, sort_by_parameter_order=True)
        rows = [{name: value for name, value in values_of(task, TASKS).items() if name != "task_id"} for task in tasks]
        return tuple(TaskId(number) for number in self._connection.scalars(numbers, rows))

    def get(self, task_id: TaskId) -> Task | None:
        """Return the task, whoever asked for it; or None."""
        return self._first(TASKS.c.task_id == task_id)

    def of(self, resource: str, request_id: str) -> Task | None:
        """Return the last task that a call started on a resource, or None."""
        return self._first(TASKS.c.resource == resource, TASKS.c.request_id == request_id)

    def page(self, asked: TaskQuery) -> Page[Task]:
        """Return a page of the tasks, the newest first, and how many there are in all."""
        conditions = _conditions(asked)
        total = self._connection.execute(select(func.count()).select_from(TASKS).where(*conditions)).scalar_one()
        query = select(TASKS).where(*conditions).order_by(TASKS.c.task_id.desc()).offset(asked.offset).limit(asked.limit)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(record_of(Task, row) for row in rows), total)

    def running(self) -> tuple[Task, ...]:
        """Return every task that has not ended, the oldest first."""
        query = select(TASKS).where(TASKS.c.ended_at.is_(None)).order_by(TASKS.c.task_id)
        return tuple(record_of(Task, row) for row in self._connection.execute(query).mappings())

    def report(self, resource: str, request_id: str, *, percent: int, bytes_done: int | None, bytes_total: int) -> None:
        """Show progress, without bytes that of the percentage alone.

        It only goes forwards; less than before, or a task that has ended, is no error.
        """
        forwards = [*_running(resource, request_id), TASKS.c.percent <= percent]
        values = {"percent": percent}
        if bytes_done is not None:
            forwards.append(TASKS.c.bytes_done <= bytes_done)
            values |= {"bytes_done": bytes_done, "bytes_total": bytes_total}
        self._connection.execute(update(TASKS).where(*forwards).values(values))

    def progress(self, action: str, request_id: str) -> int:
        """Return how far the tasks of one call are together in percent, each of them having as many bytes to move."""
        far = func.sum(TASKS.c.bytes_done), func.max(TASKS.c.bytes_total), func.count()
        mine = (TASKS.c.action == action, TASKS.c.request_id == request_id)
        done, total, count = self._connection.execute(select(*far).where(*mine)).one()
        return int(_COMPLETE * done // (total * count)) if total else 0

    def ask_to_cancel(self, task_id: TaskId) -> bool:
        """Let a task know that it is to end; return whether it was still running."""
        running = (TASKS.c.task_id == task_id, TASKS.c.state == TaskState.RUNNING)
        return self._connection.execute(update(TASKS).where(*running).values(cancel_asked=True)).rowcount == 1

    def is_cancel_asked(self, resource: str, request_id: str) -> bool:
        """Tell whether a running task is to end."""
        query = select(TASKS.c.task_id).where(*_running(resource, request_id), TASKS.c.cancel_asked)
        return self._connection.execute(query).first() is not None

    def succeed(self, resource: str, request_id: str, at: datetime) -> bool:
        """End a running task that nobody has asked to cancel; return whether there was one."""
        mine = (*_running(resource, request_id), TASKS.c.cancel_asked.is_(False))
        ended = {"state": TaskState.SUCCESS, "percent": _COMPLETE, "bytes_done": TASKS.c.bytes_total, "ended_at": at}
        return self._connection.execute(update(TASKS).where(*mine).values(ended)).rowcount > 0

    def fail(self, resource: str, request_id: str, error: str, at: datetime) -> None:
        """End a running task: CANCELLED where that was asked for, FAILED otherwise. One that has ended is no error."""
        mine = _running(resource, request_id)
        asked = update(TASKS).where(*mine, TASKS.c.cancel_asked).values(state=TaskState.CANCELLED, error=error, ended_at=at)
        self._connection.execute(asked)
        self._connection.execute(update(TASKS).where(*mine).values(state=TaskState.FAILED, error=error, ended_at=at))

    def expire(self, before: datetime) -> int:
        """Forget the tasks that ended before this moment, and return how many they were."""
        return self._connection.execute(delete(TASKS).where(TASKS.c.ended_at < before)).rowcount

    def _first(self, *conditions: ColumnElement[bool]) -> Task | None:
        query = select(TASKS).where(*conditions).order_by(TASKS.c.task_id.desc()).limit(1)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else record_of(Task, row)


def _running(resource: str, request_id: str) -> tuple[ColumnElement[bool], ...]:
    return (TASKS.c.resource == resource, TASKS.c.request_id == request_id, TASKS.c.state == TaskState.RUNNING)


def _conditions(asked: TaskQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [TASKS.c.owner == asked.owner, TASKS.c.region == asked.region]
    if asked.ids is not None:
        conditions.append(TASKS.c.task_id.in_(asked.ids))
    if asked.actions:
        conditions.append(TASKS.c.action.in_(asked.actions))
    if asked.resources:
        conditions.append(TASKS.c.resource.in_(asked.resources))
    if asked.states:
        conditions.append(TASKS.c.state.in_(asked.states))
    return conditions
