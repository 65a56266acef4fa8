"""What a few trees hold together, and what one adds to others. For all of a store at once, see `ledger`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from linocut.blocks.nodes import CHUNK_BYTES, Chunk
from linocut.blocks.tree import Tree


@dataclass(frozen=True, slots=True)
class Usage:
    """What a set of trees holds together."""

    logical_bytes: int
    """The sum of the disks' sizes."""
    data_bytes: int
    """Plain bytes of the distinct chunks that are not holes."""
    stored_bytes: int
    """Compressed bytes of the same."""
    chunks: int


def measure_usage(trees: Iterable[Tree]) -> Usage:
    """Return what a set of trees holds together."""
    logical_bytes = 0
    seen_leaves: set[bytes] = set()
    stored: dict[bytes, int] = {}
    for tree in trees:
        logical_bytes += tree.size_bytes
        for chunk in _fresh_chunks(tree, seen_leaves):
            stored[chunk.digest] = max(chunk.stored_bytes, stored.get(chunk.digest, 0))
    return Usage(logical_bytes, len(stored) * CHUNK_BYTES, sum(stored.values()), len(stored))


def measure_added(tree: Tree, others: Iterable[Tree]) -> int:
    """Return the stored bytes of the chunks in a tree that none of the others has; leaves in common are not even read."""
    seen: set[bytes] = set()
    had = {chunk.digest for other in others for chunk in _fresh_chunks(other, seen)}
    added = {chunk.digest: chunk.stored_bytes for chunk in _fresh_chunks(tree, seen)}
    return sum(size for digest, size in added.items() if digest not in had)


def _fresh_chunks(tree: Tree, seen_leaves: set[bytes]) -> Iterator[Chunk]:
    for number, leaf in enumerate(tree.leaves):
        if leaf is not None and leaf not in seen_leaves:
            seen_leaves.add(leaf)
            yield from (chunk for chunk in tree.leaf(number) if chunk is not None)
