"""The last step of every ingest: leaves, then root, then durable.

Leaves in which nothing changed are the parent's, by digest, neither read nor written.
"""

from collections.abc import Mapping

from linocut.blocks.nodes import LEAF_CHUNKS, Chunk, Root, encode_leaf, encode_root, leaf_count
from linocut.blocks.shelf import Shelf, ShelfWriter
from linocut.blocks.tree import Tree
from linocut.model.ids import RootDigest


def seal_tree(
    shelf: Shelf, writer: ShelfWriter, size_bytes: int, parent: Tree | None, changed: Mapping[int, Chunk | None]
) -> RootDigest:
    """Write the nodes of a tree whose chunks are stored, make all of it durable, and return its root.

    `changed` maps chunk indices to what differs, or may differ, from the parent. Raises IngestGone, StoreFull, StoreUnavailable.
    """
    by_leaf: dict[int, dict[int, Chunk | None]] = {}
    for index, chunk in changed.items():
        by_leaf.setdefault(index // LEAF_CHUNKS, {})[index % LEAF_CHUNKS] = chunk
    leaves = list(parent.leaves if parent else ())
    leaves.extend([None] * (leaf_count(size_bytes) - len(leaves)))
    for number, changes in sorted(by_leaf.items()):
        leaves[number] = _put_leaf(writer, parent, number, changes)
    writer.require_unswept()
    parent_digest = bytes.fromhex(parent.root) if parent else None
    root = writer.put_node(encode_root(Root(size_bytes, parent_digest, tuple(leaves))))
    shelf.objects.make_durable()
    return RootDigest(root.hex())


def _put_leaf(writer: ShelfWriter, parent: Tree | None, number: int, changes: Mapping[int, Chunk | None]) -> bytes | None:
    before: list[Chunk | None] = list(parent.leaf(number)) if parent else [None] * LEAF_CHUNKS
    after = before.copy()
    for position, chunk in changes.items():
        after[position] = chunk
    if parent is not None and after == before and number < len(parent.leaves):
        return parent.leaves[number]
    if not any(after):
        return None
    return writer.put_node(encode_leaf(tuple(after)))
