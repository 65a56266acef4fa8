"""What snapshots store, as they are billed. Source: CBS DescribeSnapshotOverview, GetSnapOverview."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import bills
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud

_GIB: Final = 1024**3


class DescribeSnapshotOverview(Shape):
    """Nothing to say."""


class GetSnapOverview(Shape):
    """Nothing to say."""


class SnapshotOverview(Answer):
    """How many snapshots the account has in the region, what they store in GiB, and how much of that is free and paid for."""

    total_nums: int
    total_size: float
    free_quota: float
    real_trade_size: float


def describe_snapshot_overview(cloud: Cloud, caller: Caller, _request: Shape) -> SnapshotOverview:
    """Tell what the snapshots of the region store."""
    found = bills.snapshot_overview(cloud, caller)
    return SnapshotOverview(
        total_nums=found.count,
        total_size=found.stored_bytes / _GIB,
        free_quota=found.free_bytes / _GIB,
        real_trade_size=found.billable_bytes / _GIB,
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(name="DescribeSnapshotOverview", request=DescribeSnapshotOverview, handle=describe_snapshot_overview, codes=codes()),
    Action(name="GetSnapOverview", request=GetSnapOverview, handle=describe_snapshot_overview, codes=codes()),
)
