"""`linocut task …`: asynchronous operations, followed and cancelled."""

import time
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed
from linocut.cli.output import print_json, print_table, progress_bar, size
from linocut.cli.wire import ClientOptions, JsonObject, Wire, connect

_PAGE: Final = 100
_POLL_S: Final = 0.3


def list_tasks(
    *,
    action: str | None = None,
    resource: str | None = None,
    running: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """List your tasks in the region, the newest first.

    Args:
        action: only those of this action, such as ImportImage.
        resource: only those on this image or instance.
        running: only those that have not ended.
        options: where and who.
    """
    options = options or ClientOptions()
    wanted = {"action": action, "resource": resource, "state": "RUNNING" if running else None}
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items() if value is not None]
    tasks = _tasks(connect(options), Filters=filters or None)
    if options.json:
        print_json(tasks)
        return
    headings = ("TASK", "ACTION", "RESOURCE", "STATE", "BYTES", "STARTED", "ENDED")
    print_table(headings, [_row(task) for task in tasks])


def show(task: int, /, *, options: ClientOptions | None = None) -> None:
    """Show a task with all that is known of it.

    Args:
        task: its number.
        options: where and who.
    """
    options = options or ClientOptions()
    found = _task(connect(options), task)
    if options.json:
        print_json(found)
        return
    print_table(("FIELD", "VALUE"), [(name, "" if value is None else value) for name, value in found.items()])


def cancel(task: int, /, *, options: ClientOptions | None = None) -> None:
    """Have a task end before it is done: an import, an image of an instance, a copy or an export.

    Args:
        task: its number.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    wire.call_own("CancelTask", TaskId=task)
    _print_one(_task(wire, task), options)


def wait(task: int, /, *, options: ClientOptions | None = None) -> None:
    """Wait until a task has ended; fail if it did.

    Args:
        task: its number.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    with progress_bar(f"Task {task}", 100) as advance:
        while (found := _task(wire, task))["State"] == "RUNNING":
            advance(found["Percent"])
            time.sleep(_POLL_S)
        advance(100)
    if found["State"] != "SUCCESS":
        raise CommandFailed(f"task {task} is {found['State']}" + (f": {found['Error']}" if found["Error"] else ""))
    _print_one(found, options)


def _tasks(wire: Wire, **asked: object) -> list[JsonObject]:
    found: list[JsonObject] = []
    while True:
        answer = wire.call_own("DescribeTasks", Offset=len(found), Limit=_PAGE, **asked)
        found += answer["TaskSet"]
        if not answer["TaskSet"] or len(found) >= answer["TotalCount"]:
            return found


def _task(wire: Wire, task: int) -> JsonObject:
    """Return a task. Raises CommandFailed where there is none of that number."""
    found: list[JsonObject] = wire.call_own("DescribeTasks", TaskIds=[task])["TaskSet"]
    if not found:
        raise CommandFailed(f"there is no task {task}")
    return found[0]


def _row(task: JsonObject) -> tuple[object, ...]:
    state = f"RUNNING {task['Percent']}%" if task["State"] == "RUNNING" else task["State"]
    moved = f"{size(task['BytesDone'])} of {size(task['BytesTotal'])}" if task["BytesTotal"] else ""
    return (task["TaskId"], task["Action"], task["Resource"], state, moved, task["CreatedTime"], task["EndedTime"] or "")


def _print_one(task: JsonObject, options: ClientOptions) -> None:
    if options.json:
        print_json(task)
    else:
        print(task["TaskId"])
