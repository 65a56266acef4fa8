"""The region stores as an operator cares for them: statistics, verification, sweeping."""

from collections.abc import Callable

from linocut.blocks import CollectReport, StoreStat, VerifyReport
from linocut.cloud.context import Cloud
from linocut.model.ids import Region


def stat_store(cloud: Cloud, region: Region) -> StoreStat:
    """Return what a region store holds."""
    return cloud.stores.store(region).stat()


def verify_store(cloud: Cloud, region: Region, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Read every object that a snapshot or a disk of the region needs, and check its digest."""
    with cloud.catalog.read() as tx:
        live = tx.snapshots.live_roots(region)
    return cloud.stores.store(region).verify(live, progress=progress)


def collect_store(cloud: Cloud, region: Region, grace_s: float | None = None) -> CollectReport:
    """Sweep the objects that no snapshot or disk of the region needs and that are older than the grace period."""
    with cloud.catalog.read() as tx:
        live = tx.snapshots.live_roots(region)
    return cloud.stores.store(region).collect(live, grace_s=grace_s)
