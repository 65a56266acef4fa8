"""The last step of every ingest: leaves, then root, then durable.

Leaves in which nothing changed are the parent's, by digest, neither read nor written. Chunks of a parent that is still arriving
are brought before the root is written, so that a root promises all that it reaches.
"""

from collections.abc import Callable, Mapping
from typing import Final

from linocut.blocks.copying import Haul, Tally
from linocut.blocks.errors import ObjectMissing
from linocut.blocks.nodes import LEAF_CHUNKS, Chunk, Root, encode_leaf, encode_root, leaf_count
from linocut.blocks.shelf import CHUNKS, Shelf, ShelfWriter, object_name
from linocut.blocks.tree import Tree
from linocut.model.ids import RootDigest

_WIDTH: Final = 8


def seal_tree(
    shelf: Shelf,
    writer: ShelfWriter,
    size_bytes: int,
    parent: Tree | None,
    changed: Mapping[int, Chunk | None],
    watch: Callable[[], None] = lambda: None,
) -> RootDigest:
    """Write the nodes of a tree whose chunks are stored, make all of it durable, and return its root.

    `changed` maps chunk indices to what differs, or may differ, from the parent. `watch` is called now and then while chunks
    of an arriving parent are waited for, and may raise to stop. Raises IngestGone, StoreFull, StoreUnavailable, and
    ObjectUnreadable for a chunk of such a parent that its source does not have.
    """
    if parent is not None and shelf.is_arriving(bytes.fromhex(parent.root)):
        _bring_inherited(shelf, writer, parent, changed, watch)
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


def _bring_inherited(
    shelf: Shelf, writer: ShelfWriter, parent: Tree, changed: Mapping[int, Chunk | None], watch: Callable[[], None]
) -> None:
    """Have every chunk that the tree takes over from its parent be there."""
    inherited: dict[bytes, int] = {}
    for number in range(len(parent.leaves)):
        for index, chunk in enumerate(parent.leaf(number), number * LEAF_CHUNKS):
            if chunk is not None and changed.get(index, chunk) == chunk:
                inherited[chunk.digest] = chunk.stored_bytes

    def fetch(digest: bytes, into: bytearray) -> bytes:
        missing = ObjectMissing(f"{object_name(CHUNKS, digest)}: has not arrived yet")
        if not shelf.sources:
            raise missing
        return shelf.sources.fetch(digest, into, missing)

    Haul(inherited, fetch, shelf, writer, Tally(0)).run(_WIDTH, watch)
