"""The region stores as an operator cares for them: statistics, verification, sweeping."""

from collections.abc import Callable

from linocut.blocks import CollectReport, ObjectMissing, StoreStat, VerifyReport
from linocut.cloud.context import Cloud
from linocut.model.ids import Region, RootDigest


def stat_store(cloud: Cloud, region: Region) -> StoreStat:
    """Return what a region store holds."""
    return cloud.stores.store(region).stat()


def verify_store(cloud: Cloud, region: Region, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Read every object that a snapshot or a disk of the region needs, and check its digest."""
    return cloud.stores.store(region).verify(_live_roots(cloud, region), progress=progress)


def collect_store(cloud: Cloud, region: Region, grace_s: float | None = None) -> CollectReport:
    """Sweep the objects that no snapshot or disk of the region needs and that are older than the grace period."""
    return cloud.stores.store(region).collect(_live_roots(cloud, region), grace_s=grace_s)


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
