"""Instances: what a guest wrote to its serial console, and what launches took."""

import base64
from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import instances
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.instances import InstanceQuery
from linocut.model import errors

_CONSOLE_BYTES: Final = 65536
_LONGEST_PAGE: Final = 100


class DescribeInstanceConsole(Shape):
    """Which instance, and which part of its serial output in bytes."""

    instance_id: str
    offset: Int = 0
    limit: Int = _CONSOLE_BYTES


class InstanceConsole(Answer):
    """Serial output in base64, from Offset on (later than asked for where older output was dropped), up to NextOffset."""

    output: str
    offset: int
    next_offset: int
    size: int


class InstancesAsked(Shape):
    """Which instances."""

    instance_ids: Ids


class Launch(Shape):
    """What the service's own part of a launch took, step by step."""

    instance_id: str
    requested_time: str
    started_time: str | None
    milliseconds: dict[str, float]


class Launches(Answer):
    """The answer of DescribeLaunches."""

    launch_set: list[Launch]


def describe_instance_console(cloud: Cloud, caller: Caller, request: DescribeInstanceConsole) -> InstanceConsole:
    """Return what an instance wrote to its serial console."""
    chunk = instances.console(cloud, caller, request.instance_id, offset=request.offset, limit=request.limit)
    return InstanceConsole(
        output=base64.b64encode(chunk.data).decode(),
        offset=chunk.offset,
        next_offset=chunk.next_offset,
        size=chunk.size_bytes,
    )


def describe_launches(cloud: Cloud, caller: Caller, request: InstancesAsked) -> Launches:
    """Return what launches took."""
    query = InstanceQuery(ids=tuple(request.instance_ids), filters={}, offset=0, limit=_LONGEST_PAGE)
    views = instances.list_instances(cloud, caller, query).items
    return Launches(
        launch_set=[
            Launch(
                instance_id=view.instance.instance_id,
                requested_time=wire_time(view.instance.created_at),
                started_time=wire_time(view.instance.started_at) if view.instance.started_at else None,
                milliseconds=dict(view.instance.launch_ms),
            )
            for view in views
        ]
    )


_INSTANCES: Final = (errors.InstanceIdMalformed, errors.InstanceNotFound, errors.TooManyValues)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeInstanceConsole",
        request=DescribeInstanceConsole,
        handle=describe_instance_console,
        codes=codes(*_INSTANCES, errors.PageOutOfRange),
    ),
    Action(name="DescribeLaunches", request=InstancesAsked, handle=describe_launches, codes=codes(*_INSTANCES)),
)
