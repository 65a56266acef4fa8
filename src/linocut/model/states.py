"""The states of images, snapshots, disks and instances, and the legal moves between them.

Each table lists every state, and for each the states that may follow. The catalog repeats the check when it updates a row
(``UPDATE … WHERE state = :read``). Source: CVM and CBS models, fields ImageState, SnapshotState, DiskState, InstanceState.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ImageState(StrEnum):
    """The life of an image."""

    CREATING = "CREATING"
    IMPORTING = "IMPORTING"
    NORMAL = "NORMAL"
    SYNCING = "SYNCING"
    EXPORTING = "EXPORTING"
    CREATEFAILED = "CREATEFAILED"
    IMPORTFAILED = "IMPORTFAILED"


class SnapshotState(StrEnum):
    """The life of a snapshot."""

    CREATING = "CREATING"
    NORMAL = "NORMAL"


class DiskState(StrEnum):
    """The life of a disk, which belongs to an instance or to none."""

    UNATTACHED = "UNATTACHED"
    ATTACHING = "ATTACHING"
    ATTACHED = "ATTACHED"
    DETACHING = "DETACHING"
    EXPANDING = "EXPANDING"
    ROLLBACKING = "ROLLBACKING"


class InstanceState(StrEnum):
    """The life of an instance."""

    PENDING = "PENDING"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    STOPPING = "STOPPING"
    REBOOTING = "REBOOTING"
    TERMINATING = "TERMINATING"


class OperationState(StrEnum):
    """How the latest operation on an instance stands."""

    SUCCESS = "SUCCESS"
    OPERATING = "OPERATING"
    FAILED = "FAILED"


class TaskState(StrEnum):
    """The life of an asynchronous operation."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class CopyState(StrEnum):
    """How much of a tree another region has: nothing to rely on, its nodes, or all of it."""

    WAITING = "WAITING"
    READABLE = "READABLE"
    WHOLE = "WHOLE"


IMAGE_MOVES: Final[Mapping[ImageState, frozenset[ImageState]]] = {
    ImageState.CREATING: frozenset({ImageState.NORMAL, ImageState.CREATEFAILED}),
    ImageState.IMPORTING: frozenset({ImageState.NORMAL, ImageState.IMPORTFAILED}),
    ImageState.NORMAL: frozenset({ImageState.SYNCING, ImageState.EXPORTING}),
    ImageState.SYNCING: frozenset(
        {
            ImageState.NORMAL,  # a copy that has arrived; or an image of which all copies have arrived or failed
            ImageState.CREATEFAILED,  # a copy that failed
        }
    ),
    ImageState.EXPORTING: frozenset({ImageState.NORMAL}),
    ImageState.CREATEFAILED: frozenset(),
    ImageState.IMPORTFAILED: frozenset(),
}
"""A row in NORMAL or a failed state leaves by deletion."""

SNAPSHOT_MOVES: Final[Mapping[SnapshotState, frozenset[SnapshotState]]] = {
    SnapshotState.CREATING: frozenset({SnapshotState.NORMAL}),
    SnapshotState.NORMAL: frozenset(),
}

DISK_MOVES: Final[Mapping[DiskState, frozenset[DiskState]]] = {
    DiskState.UNATTACHED: frozenset({DiskState.ATTACHING, DiskState.EXPANDING, DiskState.ROLLBACKING}),
    DiskState.ATTACHING: frozenset(
        {
            DiskState.ATTACHED,
            DiskState.UNATTACHED,  # its machine did not take it
        }
    ),
    DiskState.ATTACHED: frozenset(
        {
            DiskState.DETACHING,
            DiskState.EXPANDING,
            DiskState.ROLLBACKING,
            DiskState.UNATTACHED,  # its instance has ended
        }
    ),
    DiskState.DETACHING: frozenset(
        {
            DiskState.UNATTACHED,
            DiskState.ATTACHED,  # the guest did not let it go
        }
    ),
    DiskState.EXPANDING: frozenset({DiskState.ATTACHED, DiskState.UNATTACHED}),
    DiskState.ROLLBACKING: frozenset({DiskState.ATTACHED, DiskState.UNATTACHED}),
}
"""A row leaves from UNATTACHED by deletion, and from any state with its instance."""

INSTANCE_MOVES: Final[Mapping[InstanceState, frozenset[InstanceState]]] = {
    InstanceState.PENDING: frozenset({InstanceState.RUNNING, InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING}),
    InstanceState.LAUNCH_FAILED: frozenset({InstanceState.TERMINATING}),
    InstanceState.RUNNING: frozenset(
        {
            InstanceState.STOPPING,
            InstanceState.REBOOTING,
            InstanceState.STOPPED,  # the guest powered off, or its process was killed
            InstanceState.TERMINATING,
        }
    ),
    InstanceState.STOPPED: frozenset({InstanceState.STARTING, InstanceState.TERMINATING}),
    InstanceState.STARTING: frozenset({InstanceState.RUNNING, InstanceState.STOPPED}),
    InstanceState.STOPPING: frozenset({InstanceState.STOPPED, InstanceState.RUNNING}),
    InstanceState.REBOOTING: frozenset({InstanceState.RUNNING, InstanceState.STOPPED}),
    InstanceState.TERMINATING: frozenset(),
}

TASK_MOVES: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    TaskState.RUNNING: frozenset({TaskState.SUCCESS, TaskState.FAILED, TaskState.CANCELLED}),
    TaskState.SUCCESS: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}

COPY_MOVES: Final[Mapping[CopyState, frozenset[CopyState]]] = {
    CopyState.WAITING: frozenset({CopyState.READABLE, CopyState.WHOLE}),
    CopyState.READABLE: frozenset({CopyState.WHOLE}),
    CopyState.WHOLE: frozenset(),
}
