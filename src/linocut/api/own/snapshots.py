"""Snapshots: of what moment they are, which the official model has no field for."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Ids
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import snapshots
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class SnapshotsAsked(Shape):
    """Which snapshots."""

    snapshot_ids: Ids


class SnapshotMoment(Shape):
    """Whether the guest's file systems were at rest at a snapshot's moment, and the group of which it shares the moment."""

    snapshot_id: str
    file_systems_frozen: bool
    snapshot_group_id: str


class SnapshotMoments(Answer):
    """The answer of DescribeSnapshotMoments."""

    snapshot_moment_set: list[SnapshotMoment]


def describe_snapshot_moments(cloud: Cloud, caller: Caller, request: SnapshotsAsked) -> SnapshotMoments:
    """Tell of what moment snapshots are."""
    return SnapshotMoments(
        snapshot_moment_set=[
            SnapshotMoment(
                snapshot_id=snapshot.snapshot_id,
                file_systems_frozen=snapshot.is_frozen,
                snapshot_group_id=snapshot.group_id or "",
            )
            for snapshot in snapshots.own_snapshots(cloud, caller, request.snapshot_ids)
        ]
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeSnapshotMoments",
        request=SnapshotsAsked,
        handle=describe_snapshot_moments,
        codes=codes(errors.SnapshotNotFound, errors.TooManyValues),
    ),
)
