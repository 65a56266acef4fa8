"""Copying snapshots to other regions. Source: CBS CopySnapshotCrossRegions."""

from typing import Any, Final

from linocut.api.chinese import catalogue
from linocut.api.codes import Codes, codes
from linocut.api.cvm.shapes import Ids, speaks_chinese
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import snapshot_copies
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.snapshot_copies import CopyBegun
from linocut.model import errors

_CODES: Final[Codes] = codes(
    errors.SnapshotNotFound,
    errors.SnapshotCopied,
    errors.AccountInArrears,
    errors.SnapshotQuotaExceeded,
    errors.ParameterMissing,
    errors.InvalidValue,
    special={
        errors.TooManyValues: "InvalidParameterValue",
        errors.ValueTooLong: "InvalidParameterValue",
        errors.RegionNotFound: "InvalidParameterValue",
        errors.RegionUnsuitable: "InvalidParameterValue",
        errors.RegionUnreachable: "UnsupportedOperation.SnapshotNotSupportCopy",
        errors.SnapshotUnfinished: "InvalidSnapshot.NotSupported",
        errors.LostRace: "ResourceBusy",
    },
)


class CopySnapshotCrossRegions(Shape):
    """Which snapshot to copy, where to, and under which name."""

    destination_regions: Ids
    snapshot_id: str = ""
    snapshot_name: str = ""


class SnapshotCopyResult(Shape):
    """What came of it in one region: the new snapshot's id and `Success`, or an error's code and sentence."""

    destination_region: str
    snapshot_id: str
    code: str
    message: str


class SnapshotCopies(Answer):
    """The answer of CopySnapshotCrossRegions."""

    snapshot_copy_result_set: list[SnapshotCopyResult]


def copy_snapshot_cross_regions(cloud: Cloud, caller: Caller, request: CopySnapshotCrossRegions) -> SnapshotCopies:
    """Copy a snapshot."""
    begun = snapshot_copies.copy_snapshot(cloud, caller, request.snapshot_id, request.destination_regions, request.snapshot_name)
    return SnapshotCopies(snapshot_copy_result_set=[_result(caller, one) for one in begun])


def _result(caller: Caller, begun: CopyBegun) -> SnapshotCopyResult:
    code, message = "Success", ""
    if begun.refusal is not None:
        failure = _CODES.failure(begun.refusal)
        said = catalogue().failure(failure) if speaks_chinese(caller) else failure
        code, message = said.code, str(said)
    return SnapshotCopyResult(destination_region=begun.region, snapshot_id=begun.snapshot_id or "", code=code, message=message)


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CopySnapshotCrossRegions",
        request=CopySnapshotCrossRegions,
        handle=copy_snapshot_cross_regions,
        is_mutating=True,
        codes=_CODES,
    ),
)
