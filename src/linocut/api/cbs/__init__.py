"""The service `cbs`: disks and snapshots. Source: CBS API, version 2017-03-12."""

from typing import Final

from linocut.api.cbs import (
    disk_changes,
    disk_offers,
    disks,
    overviews,
    snapshot_copies,
    snapshot_groups,
    snapshot_policies,
    snapshot_sharing,
    snapshots,
)
from linocut.api.table import Service

CBS: Final = Service(
    name="cbs",
    version="2017-03-12",
    actions=(
        *disks.ACTIONS,
        *disk_changes.ACTIONS,
        *disk_offers.ACTIONS,
        *snapshots.ACTIONS,
        *overviews.ACTIONS,
        *snapshot_groups.ACTIONS,
        *snapshot_policies.ACTIONS,
        *snapshot_sharing.ACTIONS,
        *snapshot_copies.ACTIONS,
    ),
)
