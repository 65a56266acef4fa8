"""Garbage collection: mark from the live trees, then sweep what is unmarked and old.

Deleting runs against the order of writing: trees before chunks. An object's age is looked up again right before it is deleted,
because a writer that wants it refreshes it. A writer that refreshed something so old looks for it once more before it names
it in a root (`ShelfWriter.require_unswept`). So a chunk can be lost to a race only if the sweep stalls between its look and its
deletion for as long as the rest of that ingest takes.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from linocut.blocks.objects import ObjectInfo
from linocut.blocks.shelf import ARRIVING, CHUNKS, TREES, Shelf, object_name
from linocut.blocks.tree import Tree


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
    """Delete every tree node and chunk that no live tree reaches and that is older than the grace period."""
    marked_nodes, marked_chunks = _mark(live)
    cutoff_s = shelf.now() - grace_s
    trees = _Sweep(shelf, marked_nodes, cutoff_s)
    trees.run(ARRIVING, workers)
    trees.run(TREES, workers)
    chunks = _Sweep(shelf, marked_chunks, cutoff_s)
    chunks.run(CHUNKS, workers)
    return CollectReport(
        kept=trees.kept + chunks.kept,
        kept_bytes=trees.kept_bytes + chunks.kept_bytes,
        spared_young=trees.spared + chunks.spared,
        deleted_trees=trees.deleted,
        deleted_chunks=chunks.deleted,
        deleted_bytes=trees.deleted_bytes + chunks.deleted_bytes,
        removed_staging=shelf.objects.remove_stale_staging(cutoff_s),
    )


def _mark(live: Iterable[Tree]) -> tuple[set[bytes], set[bytes]]:
    nodes: set[bytes] = set()
    chunks: set[bytes] = set()
    for tree in live:
        nodes.add(bytes.fromhex(tree.root))
        for number, leaf in enumerate(tree.leaves):
            if leaf is not None and leaf not in nodes:
                nodes.add(leaf)
                chunks.update(chunk.digest for chunk in tree.leaf(number) if chunk is not None)
    return nodes, chunks


class _Sweep:
    """One pass over one folder."""

    def __init__(self, shelf: Shelf, marked: set[bytes], cutoff_s: float) -> None:
        self._shelf = shelf
        self._marked = marked
        self._cutoff_s = cutoff_s
        self.kept = self.kept_bytes = self.spared = self.deleted = self.deleted_bytes = 0

    def run(self, folder: str, workers: Executor) -> None:
        for fate in workers.map(self._delete_if_old, list(self._doomed(folder))):
            if fate is None:
                self.spared += 1
            else:
                self.deleted += 1
                self.deleted_bytes += fate.size_bytes

    def _delete_if_old(self, listed: ObjectInfo) -> ObjectInfo | None:
        """Return what was deleted, or None for what is young by now."""
        now = self._shelf.objects.info(listed.name)
        if now is not None and now.modified_s >= self._cutoff_s:
            return None
        self._shelf.objects.delete([listed.name])
        return listed

    def _doomed(self, folder: str) -> Iterator[ObjectInfo]:
        for info in self._shelf.objects.list(folder):
            digest = _digest_in(info.name)
            if digest is None or object_name(folder, digest) != info.name:
                continue  # not ours to delete
            if digest in self._marked:
                self.kept += 1
                self.kept_bytes += info.size_bytes
            elif info.modified_s >= self._cutoff_s:
                self.spared += 1
            else:
                yield info


def _digest_in(name: str) -> bytes | None:
    try:
        return bytes.fromhex(name.rpartition("/")[2])
    except ValueError:
        return None
