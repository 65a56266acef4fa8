"""What every use case works with: one value that service.py puts together."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from linocut.billing import PriceBook
from linocut.catalog import Catalog
from linocut.cloud.piles import Piles
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.sealing import Seal
from linocut.cloud.turns import Turns
from linocut.machines import Machines
from linocut.settings import Settings


class Workflows(Protocol):
    """Starts durable work by name. Starting the same work twice is harmless."""

    def start(self, name: str, resource: str, *, key: str = "") -> None:
        """Start the workflow `name` on a resource; the key tells repeated work on one resource apart."""
        ...


@dataclass(frozen=True, slots=True)
class Cloud:
    """The rooms below, the clock and the dice."""

    settings: Settings
    catalog: Catalog
    stores: RegionStores
    machines: Machines
    workflows: Workflows
    seal: Seal
    now: Callable[[], datetime]
    randomness: random.Random
    stopping: Callable[[], bool]
    """Tells long steps that the service is going down."""
    prices: PriceBook = field(default_factory=PriceBook.shipped)
    piles: Piles = field(default_factory=Piles)
    turns: Turns = field(default_factory=Turns)
    """Of instances: whoever makes a machine what its rows say has its turn from reading them on."""
