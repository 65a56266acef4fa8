"""Looking at a store without changing it: how much it holds, and whether all of it is sound."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

from linocut.blocks.errors import ObjectCorrupt, ObjectMissing, ObjectUnreadable
from linocut.blocks.nodes import CHUNK_BYTES, Chunk
from linocut.blocks.shelf import ARRIVING, CHUNKS, TREES, Shelf, object_name
from linocut.blocks.tree import Tree
from linocut.model.ids import RootDigest

_CHECKS_AT_ONCE: Final = 1024


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


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What reading everything again found; names are those of objects, with the reason."""

    objects: int
    stored_bytes: int
    corrupt: tuple[str, ...]
    missing: tuple[str, ...]
    awaited: int = 0
    """How many chunks have not come yet that arriving trees alone need; they are not missing."""

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was found wrong."""
        return not self.corrupt and not self.missing


@dataclass(frozen=True, slots=True)
class StoreStat:
    """How many objects a store holds, referred to or not."""

    chunks: int
    chunk_bytes: int
    nodes: int
    node_bytes: int


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


def measure_store(shelf: Shelf) -> StoreStat:
    """Count the objects in a store."""
    chunks = [info.size_bytes for info in shelf.objects.list(CHUNKS)]
    nodes = [info.size_bytes for info in shelf.objects.list(TREES)]
    return StoreStat(len(chunks), sum(chunks), len(nodes), sum(nodes))


def _fresh_chunks(tree: Tree, seen_leaves: set[bytes]) -> Iterator[Chunk]:
    for number, leaf in enumerate(tree.leaves):
        if leaf is not None and leaf not in seen_leaves:
            seen_leaves.add(leaf)
            yield from (chunk for chunk in tree.leaf(number) if chunk is not None)


def verify_objects(
    shelf: Shelf,
    workers: Executor,
    roots: Iterable[RootDigest] | None,
    progress: Callable[[int, int], None] | None,
) -> VerifyReport:
    """Read and hash every object that these trees reach, or every object in the store."""
    findings = _Findings()
    reached = dict.fromkeys(_all_names(shelf), True) if roots is None else _reached_names(shelf, roots)
    names = list(reached)
    check = _Check(shelf)
    for first in range(0, len(names), _CHECKS_AT_ONCE):
        running = [(name, workers.submit(check.size_of, name)) for name in names[first : first + _CHECKS_AT_ONCE]]
        for count, (name, future) in enumerate(running, first + 1):
            findings.take(name, future, must_be_here=reached[name])
            if progress is not None:
                progress(count, len(names))
    return findings.report(len(names))


class _Findings:
    def __init__(self) -> None:
        self._corrupt: dict[str, str] = {}
        self._missing: dict[str, str] = {}
        self._stored_bytes = 0
        self._awaited = 0

    def take(self, name: str, future: Future[int], *, must_be_here: bool) -> None:
        try:
            self._stored_bytes += future.result()
        except ObjectMissing as error:
            if must_be_here:
                self._missing[name] = str(error)
            else:
                self._awaited += 1
        except ObjectUnreadable as error:
            self._corrupt[name] = str(error)

    def report(self, objects: int) -> VerifyReport:
        corrupt = tuple(sorted(self._corrupt.values()))
        return VerifyReport(objects, self._stored_bytes, corrupt, tuple(sorted(self._missing.values())), self._awaited)


class _Check(threading.local):
    """Reads one object and checks it against its name. Safe to share: every thread has its own scratch space."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._scratch = bytearray(CHUNK_BYTES)

    def size_of(self, name: str) -> int:
        """Return the stored size of a sound object. Raises ObjectUnreadable."""
        folder, _, text = name.partition("/")
        digest = _digest_of_name(name, text)
        if folder == CHUNKS:
            return len(self._shelf.read_frame(digest, self._scratch))
        return self._shelf.check_node(digest, ARRIVING if folder == ARRIVING else None)


def _digest_of_name(name: str, text: str) -> bytes:
    try:
        digest = bytes.fromhex(text.rpartition("/")[2])
    except ValueError:
        raise ObjectCorrupt(f"{name}: not an object's name") from None
    return digest


def _all_names(shelf: Shelf) -> list[str]:
    return [info.name for folder in (ARRIVING, TREES, CHUNKS) for info in shelf.objects.list(folder)]


def _reached_names(shelf: Shelf, roots: Iterable[RootDigest]) -> dict[str, bool]:
    """Return the names of what these trees reach, and whether each must be here: what only arriving trees need may be to come."""
    names: dict[str, bool] = {}
    arriving = {root: shelf.is_arriving(bytes.fromhex(root)) for root in roots}
    for root in sorted(arriving, key=lambda root: arriving[root]):
        names[object_name(TREES, bytes.fromhex(root))] = True
        try:
            leaves = shelf.read_root(root).leaves
        except ObjectUnreadable:
            continue  # found again, and noted, when its name is checked
        for leaf in leaves:
            name = object_name(TREES, leaf) if leaf is not None else ""
            if leaf is not None and name not in names:
                names[name] = True
                for chunk in _chunk_names(shelf, leaf):
                    names.setdefault(chunk, not arriving[root])
    return names


def _chunk_names(shelf: Shelf, leaf: bytes) -> list[str]:
    try:
        return [object_name(CHUNKS, chunk.digest) for chunk in shelf.read_leaf(leaf) if chunk is not None]
    except ObjectUnreadable:
        return []  # found again, and noted, when its name is checked
