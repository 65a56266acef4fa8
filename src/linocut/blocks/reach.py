"""What trees reach, and so what becomes of each object of a store.

A root in ``trees/`` promises all that it reaches for as long as it lies there, live or not. So a root that nothing refers to, but
that is young, spares what it reaches, of whatever age.
"""

from collections.abc import Container, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import itemgetter

from linocut.blocks.ahead import ahead
from linocut.blocks.errors import ObjectUnreadable
from linocut.blocks.nodes import DIGEST_BYTES, LEAF_MAGIC, decode_root, leaf_entries
from linocut.blocks.objects import ObjectInfo
from linocut.blocks.shelf import TREES, Shelf, object_name
from linocut.blocks.tree import Tree


class Fate(Enum):
    """What becomes of an object when the store is swept."""

    LIVE = auto()
    """A live tree reaches it."""
    SPARED = auto()
    """Nothing live reaches it, but it is young, or a young root reaches it."""
    DOOMED = auto()
    FOREIGN = auto()
    """Its name is none that is written here; it is left alone."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The digests of what some trees reach."""

    nodes: set[bytes] = field(default_factory=set)
    chunks: set[bytes] = field(default_factory=set)


def reach_of(shelf: Shelf, workers: Executor, trees: Iterable[Tree]) -> Reach:
    """Return what trees reach; each distinct leaf is read once. Raises ObjectUnreadable, StoreUnavailable."""
    reach = Reach()
    leaves: dict[bytes, None] = {}
    for tree in trees:
        reach.nodes.add(bytes.fromhex(tree.root))
        leaves.update(dict.fromkeys(leaf for leaf in tree.leaves if leaf is not None))
    reach.nodes.update(leaves)
    for data in ahead(workers, shelf.read_node, leaves):
        reach.chunks.update(map(itemgetter(0), leaf_entries(data)))
    return reach


def promise_of(shelf: Shelf, in_trees: Iterable[ObjectInfo], live: Container[bytes], cutoff_s: float) -> Reach:
    """Return what the roots reach that nothing refers to and that are not older than the cutoff."""
    promise = Reach()
    for info in in_trees:
        digest = digest_in(TREES, info.name)
        if digest is None or digest in live or info.modified_s < cutoff_s:
            continue
        for leaf in _leaves_of(shelf, digest) - promise.nodes:
            promise.nodes.add(leaf)
            with suppress(ObjectUnreadable):  # what is damaged promises nothing
                promise.chunks.update(map(itemgetter(0), shelf.leaf_entries(leaf)))
    return promise


def _leaves_of(shelf: Shelf, digest: bytes) -> set[bytes]:
    """Return the leaves of a root; none of a leaf, and of what is damaged or gone."""
    with suppress(ObjectUnreadable):
        data = shelf.read_node(digest)
        if not data.startswith(LEAF_MAGIC):
            return {leaf for leaf in decode_root(data).leaves if leaf is not None}
    return set()


class Judge:
    """Tells what becomes of objects."""

    def __init__(self, live: Container[bytes], promised: Container[bytes], cutoff_s: float) -> None:
        """Judge nodes or chunks by the digests of those that are live, of those that young roots promise, and by age."""
        self._live = live
        self._promised = promised
        self._cutoff_s = cutoff_s

    def fate(self, folder: str, info: ObjectInfo) -> tuple[Fate, bytes]:
        """Return what becomes of an object that was found in this folder, and its digest."""
        digest = digest_in(folder, info.name)
        if digest is None:
            return Fate.FOREIGN, b""
        if digest in self._live:
            return Fate.LIVE, digest
        if info.modified_s >= self._cutoff_s or digest in self._promised:
            return Fate.SPARED, digest
        return Fate.DOOMED, digest


def digest_in(folder: str, name: str) -> bytes | None:
    """Return the digest in an object's name, or None for a name that is not one of this folder."""
    try:
        digest = bytes.fromhex(name.rpartition("/")[2])
    except ValueError:
        return None
    return digest if len(digest) == DIGEST_BYTES and object_name(folder, digest) == name else None
