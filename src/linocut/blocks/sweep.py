"""Garbage collection: mark from the live trees, then sweep what is unmarked and old.

Deleting runs against the order of writing: trees before chunks. An object's age is looked up again right before it is deleted,
because a writer that wants it refreshes it. A writer that refreshed something so old looks for it once more before it names
it in a root (`ShelfWriter.require_unswept`). So a chunk can be lost to a race only if the sweep stalls between its look and its
deletion for as long as the rest of that ingest takes.

A root in ``trees/`` promises all that it reaches for as long as it lies there, live or not. So a root that is spared because it
is young spares what it reaches, of whatever age; and roots go before leaves.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass

from linocut.blocks.errors import ObjectUnreadable
from linocut.blocks.nodes import LEAF_MAGIC, MAX_NODE_BYTES, decode_root
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
    """Delete every tree node and chunk that no live tree reaches and that is older than the grace period.

    What lies in ``arriving/`` of nodes that have arrived is deleted whatever its age.
    """
    marked_nodes, marked_chunks = _mark(live)
    cutoff_s = shelf.now() - grace_s
    in_trees = list(shelf.objects.list(TREES))
    promised_nodes, promised_chunks = _promised(shelf, in_trees, marked_nodes, cutoff_s)
    trees = _Sweep(shelf, marked_nodes, promised_nodes, cutoff_s)
    trees.drop_arrived(list(shelf.objects.list(ARRIVING)), {info.name for info in in_trees})
    trees.run(ARRIVING, shelf.objects.list(ARRIVING), workers)
    trees.run(TREES, in_trees, workers)
    chunks = _Sweep(shelf, marked_chunks, promised_chunks, cutoff_s)
    chunks.run(CHUNKS, shelf.objects.list(CHUNKS), workers)
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


def _promised(shelf: Shelf, in_trees: Iterable[ObjectInfo], marked: set[bytes], cutoff_s: float) -> tuple[set[bytes], set[bytes]]:
    """Return the nodes and chunks below the roots that nothing refers to and that are young."""
    nodes: set[bytes] = set()
    chunks: set[bytes] = set()
    for info in in_trees:
        digest = _digest_in(info.name)
        if digest is None or digest in marked or info.modified_s < cutoff_s or object_name(TREES, digest) != info.name:
            continue
        for leaf in _leaves_of(shelf, digest) - nodes:
            nodes.add(leaf)
            with suppress(ObjectUnreadable):  # what is damaged promises nothing
                chunks.update(chunk.digest for chunk in shelf.read_leaf(leaf) if chunk is not None)
    return nodes, chunks


def _leaves_of(shelf: Shelf, digest: bytes) -> set[bytes]:
    """Return the leaves of a root; none of a leaf, and of what is damaged or gone."""
    with suppress(ObjectUnreadable):
        data = shelf.read_node(digest)
        if not data.startswith(LEAF_MAGIC):
            return {leaf for leaf in decode_root(data).leaves if leaf is not None}
    return set()


class _Sweep:
    """One pass over one folder after the other."""

    def __init__(self, shelf: Shelf, marked: set[bytes], promised: set[bytes], cutoff_s: float) -> None:
        self._shelf = shelf
        self._marked = marked
        self._promised = promised
        self._cutoff_s = cutoff_s
        self.kept = self.kept_bytes = self.spared = self.deleted = self.deleted_bytes = 0

    def drop_arrived(self, arriving: Iterable[ObjectInfo], in_trees: AbstractSet[str]) -> None:
        """Delete what a copy that was given up left of live nodes that are in `trees/`, where readers look first."""
        for info in arriving:
            digest = _digest_in(info.name)
            if digest in self._marked and object_name(TREES, digest) in in_trees:
                self._shelf.objects.delete([info.name])
                self._count_deleted(info)

    def run(self, folder: str, listed: Iterable[ObjectInfo], workers: Executor) -> None:
        """Delete what is doomed in a folder, roots first."""
        doomed = list(self._doomed(folder, listed))
        leaves = set(workers.map(self._name_of_leaf, doomed)) if folder != CHUNKS else set()
        for turn in ([info for info in doomed if info.name not in leaves], [info for info in doomed if info.name in leaves]):
            for fate in workers.map(self._delete_if_old, turn):
                if fate is None:
                    self.spared += 1
                else:
                    self._count_deleted(fate)

    def _count_deleted(self, info: ObjectInfo) -> None:
        self.deleted += 1
        self.deleted_bytes += info.size_bytes

    def _name_of_leaf(self, info: ObjectInfo) -> str | None:
        """Return the name of a leaf, None for any other object."""
        with suppress(ObjectUnreadable):
            if bytes(self._shelf.objects.get(info.name, MAX_NODE_BYTES)).startswith(LEAF_MAGIC):
                return info.name
        return None

    def _delete_if_old(self, listed: ObjectInfo) -> ObjectInfo | None:
        """Return what was deleted, or None for what is young by now."""
        now = self._shelf.objects.info(listed.name)
        if now is not None and now.modified_s >= self._cutoff_s:
            return None
        self._shelf.objects.delete([listed.name])
        return listed

    def _doomed(self, folder: str, listed: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
        for info in listed:
            digest = _digest_in(info.name)
            if digest is None or object_name(folder, digest) != info.name:
                continue  # not ours to delete
            if digest in self._marked:
                self.kept += 1
                self.kept_bytes += info.size_bytes
            elif info.modified_s >= self._cutoff_s or digest in self._promised:
                self.spared += 1
            else:
                yield info


def _digest_in(name: str) -> bytes | None:
    try:
        return bytes.fromhex(name.rpartition("/")[2])
    except ValueError:
        return None
