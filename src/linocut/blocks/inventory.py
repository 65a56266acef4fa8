"""What lies in a store: whose it is, and what it waits for where it is nobody's."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from linocut.blocks.ledger import Ledger, Walk, Weight
from linocut.blocks.objects import ObjectInfo
from linocut.blocks.reach import Fate, Judge, promise_of
from linocut.blocks.shelf import ARRIVING, CHUNKS, TREES, Shelf
from linocut.model.ids import RootDigest

H = TypeVar("H", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Inventory(Generic[H]):
    """Everything in a store, by what the store itself says of sizes. The four parts are all that there is."""

    ledger: Ledger[H]
    """Who reaches what is live; its total is `live`."""
    live: Weight
    young: Weight
    """What no holder reaches, but the sweep spares: it is younger than the grace period, or a root reaches it that is."""
    doomed: Weight
    """What the next sweep deletes."""
    foreign: int
    """How many files have names that nobody here has written."""
    foreign_bytes: int
    absent_chunks: int
    """How many chunks live trees name that are not here: still to come from another region, or missing."""
    absent_nodes: int

    @property
    def total(self) -> Weight:
        """All that the store has written, referred to or not."""
        return self.live + self.young + self.doomed


def take_inventory(shelf: Shelf, workers: Executor, holders: Mapping[H, Iterable[RootDigest]], grace_s: float) -> Inventory[H]:
    """List a store, and tell whose each object is. See `RegionStore.inventory`."""
    cutoff_s = shelf.now() - grace_s
    walk = Walk(shelf, workers, holders)
    in_trees = list(shelf.objects.list(TREES))
    promise = promise_of(shelf, in_trees, walk.nodes, cutoff_s)
    count = _Count()
    nodes, chunks = (Judge(walk.nodes, promise.nodes, cutoff_s), Judge(walk.chunks, promise.chunks, cutoff_s))
    found_nodes = [*count.live(nodes, TREES, in_trees), *count.live(nodes, ARRIVING, shelf.objects.list(ARRIVING))]
    ledger = walk.weighed(found_nodes, count.live(chunks, CHUNKS, shelf.objects.list(CHUNKS)))
    live = ledger.total()
    return Inventory(
        ledger=ledger,
        live=live,
        young=count.weight(Fate.SPARED),
        doomed=count.weight(Fate.DOOMED),
        foreign=count.foreign,
        foreign_bytes=count.foreign_bytes,
        absent_chunks=len(walk.chunks) - live.chunks,
        absent_nodes=len(walk.nodes) - len({digest for digest, _ in found_nodes}),
    )


class _Count:
    """Counts what is not live on the way."""

    def __init__(self) -> None:
        self._weights = {fate: Weight() for fate in (Fate.SPARED, Fate.DOOMED)}
        self.foreign = self.foreign_bytes = 0

    def live(self, judge: Judge, folder: str, listed: Iterable[ObjectInfo]) -> Iterator[tuple[bytes, int]]:
        """Yield the digests and sizes of what is live, and count the rest."""
        for info in listed:
            fate, digest = judge.fate(folder, info)
            if fate is Fate.LIVE:
                yield digest, info.size_bytes
            elif fate is Fate.FOREIGN:
                self.foreign += 1
                self.foreign_bytes += info.size_bytes
            else:
                self._weights[fate] += _weight_of(folder, info)

    def weight(self, fate: Fate) -> Weight:
        return self._weights[fate]


def _weight_of(folder: str, info: ObjectInfo) -> Weight:
    if folder == CHUNKS:
        return Weight(chunks=1, chunk_bytes=info.size_bytes)
    return Weight(nodes=1, node_bytes=info.size_bytes)
