"""The region stores as an operator cares for them: verifying, repairing, sweeping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from linocut.blocks import CollectReport, Damage, ObjectMissing, Problem, StoreUnavailable, VerifyReport
from linocut.catalog import TreeHolder
from linocut.cloud.context import Cloud
from linocut.model.ids import Region, RootDigest
from linocut.model.places import REGIONS

_TRIES: Final = 24
"""How often a sweep that fails is tried in the time that lies between two that do not."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoreDamage:
    """An object that is not as it should be, and who suffers: nobody, where nothing in the region needs it."""

    damage: Damage
    sufferers: tuple[TreeHolder, ...]


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What reading all of a region's store found."""

    read: VerifyReport
    damages: tuple[StoreDamage, ...]

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is wrong any more."""
        return all(found.damage.repaired_from is not None for found in self.damages)


def verify_store(
    cloud: Cloud,
    region: Region,
    progress: Callable[[int, int], None] | None = None,
    *,
    repair_from: Sequence[Region] = (),
) -> StoreReport:
    """Read every object in the region's store, and miss what a snapshot, a disk or a copy needs and is not there.

    What is damaged is written again from the first of these regions' stores that has the same object.
    """
    holders = live_holders(cloud, region)
    with cloud.catalog.read() as tx:
        coming = {copy.root for copy in tx.copies.under_way() if copy.region == region}
        arriving = {root for root in coming if not tx.copies.is_whole(region, root)}
    report = cloud.stores.store(region).verify(
        set().union(*holders.values()),
        progress,
        arriving=arriving,
        repair_from={source: cloud.stores.store(source) for source in repair_from if source != region},
    )
    still_live = set().union(*live_holders(cloud, region).values())
    found = [
        StoreDamage(damage, tuple(holder for holder, roots in holders.items() if not roots.isdisjoint(damage.roots)))
        for damage in report.damages
        if damage.problem is not Problem.MISSING or not still_live.isdisjoint(damage.roots)  # else it was deleted meanwhile
    ]
    return StoreReport(report, tuple(found))


def regions_with_stores(cloud: Cloud) -> tuple[Region, ...]:
    """Return the regions that have a store by now; one whose bucket does not answer counts as one that has none."""
    return tuple(region for region in REGIONS if _exists(cloud, region))


def _exists(cloud: Cloud, region: Region) -> bool:
    try:
        return cloud.stores.exists(region)
    except StoreUnavailable:
        _log.warning("store does not answer", region=region)
        return False


def collect_store(cloud: Cloud, region: Region, grace_s: float | None = None) -> CollectReport:
    """Sweep the objects that no snapshot or disk of the region needs and that are older than the grace period."""
    return cloud.stores.store(region).collect(_live_roots(cloud, region), grace_s=grace_s)


class Sweeper:
    """Sweeps each region's store once an interval, whatever becomes of the others'.

    That counts from a sweep that succeeded; one that failed is tried again much sooner.
    """

    def __init__(self, now_s: float) -> None:
        """Begin to count now. Times are of one clock that never goes back, in seconds."""
        self._begun_s = now_s
        self._due_s: dict[Region, float] = {}

    def sweep_due(self, cloud: Cloud, now_s: float) -> None:
        """Sweep every store whose time has come; what goes wrong is logged."""
        interval_s = cloud.settings.sweep_interval_s
        if not any(self._is_due(region, interval_s, now_s) for region in REGIONS):
            return
        with cloud.catalog.read() as tx:
            named = tx.snapshots.regions_of_roots()
        for region in sorted({*REGIONS, *named}):
            if self._is_due(region, interval_s, now_s):
                done = _sweep(cloud, region, is_named=region in named)
                self._due_s[region] = now_s + (interval_s if done else interval_s / _TRIES)

    def _is_due(self, region: Region, interval_s: float, now_s: float) -> bool:
        return now_s >= self._due_s.get(region, self._begun_s + interval_s)


def _sweep(cloud: Cloud, region: Region, *, is_named: bool) -> bool:
    """Sweep a region's store if it has one; tell whether that went well. One that the catalog names trees of must be there."""
    try:
        if is_named or cloud.stores.exists(region):
            _log.info("store swept", region=region, report=collect_store(cloud, region))
    except Exception:  # the next region's turn, whatever it is
        _log.exception("store is not swept", region=region)
        return False
    return True


def live_holders(cloud: Cloud, region: Region) -> dict[TreeHolder, set[RootDigest]]:
    """Return who needs which trees in a region, save those of which nothing has come there yet."""
    with cloud.catalog.read() as tx:
        holders = tx.tree_holders.of(region)
        waiting = tx.copies.waiting_roots(region) | tx.snapshot_copies.roots_to_come(region)
    to_come = {root for root in waiting if not _has_come(cloud, region, root)}
    return {holder: set(holder.roots - to_come) for holder in holders}


def _live_roots(cloud: Cloud, region: Region) -> set[RootDigest]:
    return set().union(*live_holders(cloud, region).values())


def _has_come(cloud: Cloud, region: Region, root: RootDigest) -> bool:
    try:
        cloud.stores.store(region).tree(root)
    except ObjectMissing:
        return False
    return True
