"""How much an account's snapshots store, each of them counted for what those before it do not have.

Trees do not change, so the figures of the same trees in the same order never do: those of late are remembered.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from linocut.cloud.region_stores import RegionStores
from linocut.model.ids import Region, RootDigest

_REMEMBERED: Final = 10_000
"""Piles: of each account in each region the present one, and a few more."""


class Piles:
    """Weighs trees. May be asked from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Region, tuple[RootDigest, ...]], tuple[int, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def weigh(self, stores: RegionStores, region: Region, roots: tuple[RootDigest, ...]) -> Sequence[int]:
        """Return of each tree how many bytes it has in chunks that none before it has; they add up to all that is stored.

        Bytes are those of chunks as they are on a disk: what an account pays depends neither on how well they are compressed nor
        on what others store. Raises ObjectUnreadable, StoreUnavailable.
        """
        if not roots:
            return ()
        key = (region, roots)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        attributed = stores.store(region).ledger({place: (root,) for place, root in enumerate(roots)}).attribute()
        sizes = tuple(attributed[place].plain_bytes for place in range(len(roots)))
        with self._lock:
            self._known[key] = sizes
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return sizes
