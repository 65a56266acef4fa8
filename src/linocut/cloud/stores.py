"""The region stores as an operator cares for them: statistics, verification, sweeping."""

from collections.abc import Callable
from typing import Final

import structlog

from linocut.blocks import CollectReport, ObjectMissing, StoreStat, VerifyReport
from linocut.cloud.context import Cloud
from linocut.model.ids import Region, RootDigest
from linocut.model.places import REGIONS

_TRIES: Final = 24
"""How often a sweep that fails is tried in the time that lies between two that do not."""
_log = structlog.get_logger(__name__)


def stat_store(cloud: Cloud, region: Region) -> StoreStat:
    """Return what a region store holds."""
    return cloud.stores.store(region).stat()


def verify_store(cloud: Cloud, region: Region, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Read every object that a snapshot or a disk of the region needs, and check its digest."""
    return cloud.stores.store(region).verify(_live_roots(cloud, region), progress=progress)


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


def _live_roots(cloud: Cloud, region: Region) -> set[RootDigest]:
    """Return the trees that are needed in a region, save those of which nothing has come there yet."""
    with cloud.catalog.read() as tx:
        live, waiting = tx.snapshots.live_roots(region), tx.copies.waiting_roots(region)
    return {root for root in live if root not in waiting or _has_come(cloud, region, root)}


def _has_come(cloud: Cloud, region: Region, root: RootDigest) -> bool:
    try:
        cloud.stores.store(region).tree(root)
    except ObjectMissing:
        return False
    return True
