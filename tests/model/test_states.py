from collections.abc import Mapping
from enum import StrEnum

import pytest

from linocut.model.states import (
    COPY_MOVES,
    DISK_MOVES,
    IMAGE_MOVES,
    INSTANCE_MOVES,
    SNAPSHOT_MOVES,
    TASK_MOVES,
    CopyState,
    DiskState,
    ImageState,
    InstanceState,
    SnapshotState,
    TaskState,
)

TABLES = [
    (ImageState, IMAGE_MOVES, {ImageState.CREATING, ImageState.IMPORTING}),
    (SnapshotState, SNAPSHOT_MOVES, {SnapshotState.CREATING}),
    (DiskState, DISK_MOVES, {DiskState.ATTACHING, DiskState.UNATTACHED}),
    (InstanceState, INSTANCE_MOVES, {InstanceState.PENDING}),
    (TaskState, TASK_MOVES, {TaskState.RUNNING}),
    (CopyState, COPY_MOVES, {CopyState.WAITING}),
]
RESTING = {
    ImageState.NORMAL,
    ImageState.CREATEFAILED,
    ImageState.IMPORTFAILED,
    SnapshotState.NORMAL,
    DiskState.ATTACHED,
    DiskState.UNATTACHED,
    InstanceState.RUNNING,
    InstanceState.STOPPED,
    InstanceState.LAUNCH_FAILED,
    TaskState.SUCCESS,
    TaskState.FAILED,
    TaskState.CANCELLED,
    CopyState.WHOLE,
    InstanceState.TERMINATING,  # ends with the removal of the row
}
Moves = Mapping[StrEnum, frozenset[StrEnum]]
each_table = pytest.mark.parametrize(("kind", "moves", "first"), TABLES, ids=lambda value: getattr(value, "__name__", ""))


def reachable(moves: Moves, start: set[StrEnum]) -> set[StrEnum]:
    found = set(start)
    while more := {after for state in found for after in moves[state]} - found:
        found |= more
    return found


@each_table
def test_the_table_names_every_state_and_no_other(kind: type[StrEnum], moves: Moves, first: set[StrEnum]) -> None:
    assert set(moves) == set(kind)
    assert {after for afters in moves.values() for after in afters} | first <= set(kind)


@each_table
def test_every_state_is_reached_from_the_first(kind: type[StrEnum], moves: Moves, first: set[StrEnum]) -> None:
    assert reachable(moves, first) == set(kind)


@each_table
def test_no_state_is_a_trap(kind: type[StrEnum], moves: Moves, first: set[StrEnum]) -> None:
    for state in kind:
        assert state in RESTING or moves[state] & RESTING, f"{state} of {first} leads nowhere"


@each_table
def test_no_state_moves_to_itself(kind: type[StrEnum], moves: Moves, first: set[StrEnum]) -> None:
    assert kind
    assert first
    assert not [state for state, afters in moves.items() if state in afters]


def test_an_instance_that_ended_never_comes_back() -> None:
    assert reachable(INSTANCE_MOVES, {InstanceState.TERMINATING}) == {InstanceState.TERMINATING}
    assert reachable(INSTANCE_MOVES, {InstanceState.LAUNCH_FAILED}) == {InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING}


def test_every_instance_in_its_life_can_be_terminated() -> None:
    for state in InstanceState:
        assert InstanceState.TERMINATING in reachable(INSTANCE_MOVES, {state})
