"""Garbage collection: mark from the live trees, then sweep what is unmarked and old.

Deleting runs against the order of writing: trees before chunks. An object's age is looked up again right before it is deleted,
because a writer that wants it refreshes it. A writer that refreshed something so old looks for it once more before it names
it in a root (`ShelfWriter.require_unswept`). In a directory look and deletion are one; in a bucket a chunk can be lost to a race
only if the sweep stalls between the two for as long as the rest of that ingest takes. Roots go
before leaves.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from linocut.blocks.ahead import ahead, batches
from linocut.blocks.errors import ObjectUnreadable
from linocut.blocks.nodes import LEAF_MAGIC, MAX_NODE_BYTES
from linocut.blocks.objects import ObjectInfo
from linocut.blocks.reach import Fate, Judge, digest_in, promise_of, reach_of
from linocut.blocks.shelf import ARRIVING, CHUNKS, TREES, Shelf
from linocut.blocks.tree import Tree

_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What one garbage collection kept and deleted."""

    kept: int
    kept_bytes: int
    spared_young: int
    deleted_trees: int
    deleted_chunks: int
    deleted_bytes: int
    removed_staging: int


def sweep(shelf: Shelf, workers: Executor, live: Iterable[Tree], grace_s: float) -> CollectReport:
    """Delete every tree node and chunk that no live tree reaches and that is older than the grace period.

    What lies in ``arriving/`` of nodes that have arrived is deleted whatever its age.
    """
    cutoff_s = shelf.now() - grace_s  # before the marking, which may take long: `live` is of this moment
    marked = reach_of(shelf, workers, live)
    in_trees = list(shelf.objects.list(TREES))
    promised = promise_of(shelf, in_trees, marked.nodes, cutoff_s)
    sweeping = _Sweep(shelf, workers, cutoff_s)
    sweeping.drop_arrived(marked.nodes, in_trees)
    nodes = Judge(marked.nodes, promised.nodes, cutoff_s)
    for folder, listed in ((ARRIVING, shelf.objects.list(ARRIVING)), (TREES, in_trees)):
        sweeping.run_over_nodes(nodes, folder, listed)
    deleted_trees = sweeping.deleted
    sweeping.run(Judge(marked.chunks, promised.chunks, cutoff_s), CHUNKS, shelf.objects.list(CHUNKS))
    return CollectReport(
        kept=sweeping.kept,
        kept_bytes=sweeping.kept_bytes,
        spared_young=sweeping.spared,
        deleted_trees=deleted_trees,
        deleted_chunks=sweeping.deleted - deleted_trees,
        deleted_bytes=sweeping.deleted_bytes,
        removed_staging=shelf.objects.remove_stale_staging(cutoff_s),
    )


class _Sweep:
    """Deletes what is doomed, and counts."""

    def __init__(self, shelf: Shelf, workers: Executor, cutoff_s: float) -> None:
        self._shelf = shelf
        self._workers = workers
        self._cutoff_s = cutoff_s
        self.kept = self.kept_bytes = self.spared = self.deleted = self.deleted_bytes = 0

    def drop_arrived(self, live: AbstractSet[bytes], in_trees: Iterable[ObjectInfo]) -> None:
        """Delete what a copy that was given up left of live nodes that are in `trees/`, where readers look first."""
        arriving = {digest_in(ARRIVING, info.name): info for info in self._shelf.objects.list(ARRIVING)}
        for info in in_trees if arriving else ():
            digest = digest_in(TREES, info.name)
            if digest in live and digest in arriving:
                self._shelf.objects.delete([arriving[digest].name])
                self._count_deleted([arriving[digest]])

    def run_over_nodes(self, judge: Judge, folder: str, listed: Iterable[ObjectInfo]) -> None:
        """Delete the doomed nodes in a folder, roots first."""
        doomed = list(self._doomed(judge, folder, listed))
        leaves = set(ahead(self._workers, self._name_of_leaf, doomed))
        for turn in ([info for info in doomed if info.name not in leaves], [info for info in doomed if info.name in leaves]):
            self._delete(turn)

    def run(self, judge: Judge, folder: str, listed: Iterable[ObjectInfo]) -> None:
        """Delete what is doomed in a folder. It is listed to its end first: not every store stands being changed meanwhile."""
        self._delete(list(self._doomed(judge, folder, listed)))

    def _doomed(self, judge: Judge, folder: str, listed: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
        for info in listed:
            match judge.fate(folder, info)[0]:
                case Fate.LIVE:
                    self.kept += 1
                    self.kept_bytes += info.size_bytes
                case Fate.SPARED:
                    self.spared += 1
                case Fate.DOOMED:
                    yield info
                case Fate.FOREIGN:
                    pass

    def _name_of_leaf(self, info: ObjectInfo) -> str | None:
        """Return the name of a leaf, None for any other object."""
        with suppress(ObjectUnreadable):
            if bytes(self._shelf.objects.get(info.name, MAX_NODE_BYTES)).startswith(LEAF_MAGIC):
                return info.name
        return None

    def _delete(self, doomed: Iterable[ObjectInfo]) -> None:
        for batch, deleted in ahead(self._workers, self._delete_old, batches(doomed, _BATCH)):
            self.spared += len(batch) - len(deleted)
            self._count_deleted(deleted)

    def _delete_old(self, batch: list[ObjectInfo]) -> tuple[list[ObjectInfo], list[ObjectInfo]]:
        """Return a batch, and those of it that were deleted: not what is young by now."""
        return batch, [info for info in batch if self._shelf.objects.delete_old(info.name, self._cutoff_s)]

    def _count_deleted(self, deleted: Iterable[ObjectInfo]) -> None:
        for info in deleted:
            self.deleted += 1
            self.deleted_bytes += info.size_bytes
