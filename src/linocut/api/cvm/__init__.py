"""The service `cvm`: images, instances, key pairs, regions and zones.

One module a noun, each with its wire structures, its handlers, and the list of its actions. Source: CVM API, version 2017-03-12.
"""

from typing import Final

from linocut.api.cvm import (
    displays,
    exports,
    image_lists,
    image_making,
    images,
    instance_changes,
    instance_disks,
    instances,
    keys,
    networks,
    places,
    prices,
    quotas,
    sharing,
    syncing,
)
from linocut.api.table import Service

CVM: Final = Service(
    name="cvm",
    version="2017-03-12",
    actions=(
        *places.ACTIONS,
        *prices.ACTIONS,
        *quotas.ACTIONS,
        *image_lists.ACTIONS,
        *image_making.ACTIONS,
        *images.ACTIONS,
        *exports.ACTIONS,
        *sharing.ACTIONS,
        *syncing.ACTIONS,
        *instances.ACTIONS,
        *instance_changes.ACTIONS,
        *instance_disks.ACTIONS,
        *displays.ACTIONS,
        *keys.ACTIONS,
        *networks.ACTIONS,
    ),
)
