"""Copying snapshots to other regions.

A copy is a snapshot of its own: it has another id, and nothing that is done to its source later harms it. Source: CBS
CopySnapshotCrossRegions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import listing, places, tasks
from linocut.cloud.arrears import require_funds
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.guest_systems import system_of_snapshot
from linocut.cloud.new_snapshots import take_snapshot_quota
from linocut.model import errors, rules
from linocut.model.errors import Refusal
from linocut.model.ids import Region, SnapshotId, new_id
from linocut.model.places import REGIONS, may_copy
from linocut.model.records import DiskUsage, Snapshot, SnapshotCopy
from linocut.model.states import SnapshotState

__all__ = ["CopyBegun", "copy_snapshot"]

_DESTINATIONS: Final = len(REGIONS)


@dataclass(frozen=True, slots=True)
class CopyBegun:
    """What came of the wish for a copy in one region: its id, or why there is none."""

    region: Region
    snapshot_id: SnapshotId | None
    refusal: Refusal | None = None


def copy_snapshot(
    cloud: Cloud, caller: Caller, snapshot_id: str, regions: Sequence[str], name: str = ""
) -> tuple[CopyBegun, ...]:
    """Copy an own snapshot, of a system disk too, to other regions; return at once what was begun in each.

    Copies go where images of the snapshot's region may go. A region that refuses its copy, for want of a place in the quota or
    because the same copy is under way, says so, and keeps the others from nothing; where all do, the first refusal is raised.
    Raises ParameterMissing, TooManyValues, InvalidValue, ValueTooLong, SnapshotNotFound, SnapshotUnfinished, RegionNotFound,
    RegionUnreachable, RegionUnsuitable, SnapshotCopied, SnapshotQuotaExceeded, LostRace. Source: CBS CopySnapshotCrossRegions.
    """
    if not snapshot_id or not regions:
        raise errors.ParameterMissing("SnapshotId and DestinationRegions name a snapshot and where to copy it.")
    listing.check_count("DestinationRegions", regions, _DESTINATIONS)
    to = [places.check_region(cloud, region) for region in dict.fromkeys(regions)]
    named = rules.snapshot_name("SnapshotName", name)
    begun = tuple(_copy_to(cloud, caller, SnapshotId(snapshot_id), region, named) for region in _checked(caller, to))
    if all(one.refusal for one in begun):
        raise begun[0].refusal or AssertionError("unreachable: there is one at least")
    for one in begun:
        if one.snapshot_id is not None:
            cloud.workflows.start("copy-snapshot", one.snapshot_id)
    return begun


def _checked(caller: Caller, regions: Sequence[Region]) -> Sequence[Region]:
    """Return the regions. Raises RegionUnsuitable, RegionUnreachable where snapshots of the caller's are not copied to one."""
    for region in regions:
        if region == caller.region:
            raise errors.RegionUnsuitable(f"The snapshot is in {region} already.")
        if not may_copy(caller.region, region):
            raise errors.RegionUnreachable(f"Snapshots of {caller.region} are not copied to {region}.")
    return regions


def _copy_to(cloud: Cloud, caller: Caller, snapshot_id: SnapshotId, region: Region, name: str) -> CopyBegun:
    try:
        with cloud.catalog.begin() as tx:
            source = _source(tx, caller, snapshot_id)
            _require_none_under_way(tx, snapshot_id, region)
            take_snapshot_quota(cloud, tx, replace(caller, region=region), 1)
            copy = _new_copy(cloud, caller, tx, source, region, name)
            _add(tx, source, copy)
            tasks.begin(cloud, tx, caller, "CopySnapshotCrossRegions", [copy.snapshot_id])
    except (errors.SnapshotCopied, errors.SnapshotQuotaExceeded) as refusal:
        return CopyBegun(region, None, refusal)
    return CopyBegun(region, copy.snapshot_id)


def _source(tx: Tx, caller: Caller, snapshot_id: SnapshotId) -> Snapshot:
    """Return the snapshot, and keep it until the transaction ends; two copies of it are not begun at once."""
    found = tx.snapshot_shares.lock(caller.account.uin, caller.region, [snapshot_id])
    if not found:
        raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
    if found[0].state is not SnapshotState.NORMAL:
        raise errors.SnapshotUnfinished(f"Snapshot {snapshot_id} is {found[0].state}.")
    require_funds(tx, caller.account.uin)
    return found[0]


def _require_none_under_way(tx: Tx, snapshot_id: SnapshotId, region: Region) -> None:
    """Raise SnapshotCopied where the snapshot is being copied to the region."""
    if any(copy.region == region for copy in tx.snapshot_copies.of_source(snapshot_id)):
        raise errors.SnapshotCopied(f"Snapshot {snapshot_id} is being copied to {region} already.")


def _new_copy(cloud: Cloud, caller: Caller, tx: Tx, source: Snapshot, region: Region, name: str) -> Snapshot:
    return Snapshot(
        snapshot_id=SnapshotId(new_id("snap", cloud.randomness)),
        owner=source.owner,
        region=region,
        name=name or f"Copied {source.snapshot_id} from {source.region}",
        usage=source.usage,
        state=SnapshotState.CREATING,
        size_bytes=source.size_bytes,
        root=None,
        disk_id=None,
        percent=0,
        created_at=cloud.now(),
        is_copy=True,
        is_frozen=source.is_frozen,
        request_id=caller.request_id,
        system=system_of_snapshot(tx, source) if source.usage is DiskUsage.SYSTEM_DISK else None,
    )


def _add(tx: Tx, source: Snapshot, copy: Snapshot) -> None:
    if source.root is None:
        raise LookupError(f"{source.snapshot_id} holds no tree")
    tx.snapshots.add(copy)
    tx.snapshot_copies.add(
        SnapshotCopy(
            snapshot_id=copy.snapshot_id,
            region=copy.region,
            source_snapshot=source.snapshot_id,
            source_region=source.region,
            root=source.root,
            request_id=copy.request_id,
            created_at=copy.created_at,
        )
    )
