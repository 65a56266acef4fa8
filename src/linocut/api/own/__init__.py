"""The service `linocut`: what Tencent Cloud has no action for.

One module a noun, each with its wire structures, its handlers, and the list of its actions. Everything of the official services
stays as documented; these are additions beside it.
"""

from typing import Final

from linocut.api.own import audit, bills, buckets, images, instances, policies, snapshots, storage, tasks, uploads
from linocut.api.table import Service

LINOCUT: Final = Service(
    name="linocut",
    version="2026-11-01",
    actions=(
        *audit.ACTIONS,
        *bills.ACTIONS,
        *buckets.ACTIONS,
        *images.ACTIONS,
        *instances.ACTIONS,
        *policies.ACTIONS,
        *snapshots.ACTIONS,
        *storage.ACTIONS,
        *tasks.ACTIONS,
        *uploads.ACTIONS,
    ),
)
