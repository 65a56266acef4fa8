"""One region store: the verbs that the rest of Linocut uses."""

import os
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from linocut.blocks.copying import Cancelled, Copied, Progress, copy_nodes, copy_trees
from linocut.blocks.errors import RequestInvalid
from linocut.blocks.file_ingest import ingest_file
from linocut.blocks.ingest import Ingest
from linocut.blocks.inventory import Inventory, take_inventory
from linocut.blocks.ledger import Ledger, Walk, Weight
from linocut.blocks.objects import Objects
from linocut.blocks.shelf import CHUNKS, TREES, Shelf, has_manifest
from linocut.blocks.sources import Sources
from linocut.blocks.survey import Usage, measure_added, measure_usage
from linocut.blocks.sweep import CollectReport, sweep
from linocut.blocks.tree import Tree
from linocut.blocks.verify import Mender, Verification, VerifyReport
from linocut.model.ids import RootDigest, is_root_digest

DEFAULT_GRACE_S: Final = 86400.0
_REMOTE_WORKERS: Final = 16

H = TypeVar("H", bound=Hashable)


class RegionStore:
    """The object store that holds one region's chunks and trees. Safe to share between threads, processes and hosts.

    Any verb raises StoreUnavailable when the object store does not answer, and StoreFull when it has no room left.
    """

    def __init__(self, shelf: Shelf, sources_path: Path | None = None) -> None:
        """Keep the sources that are read through in a file, if one is given."""
        self.shelf = shelf
        self.sources = shelf.sources = Sources(shelf, sources_path)
        self._width = (os.cpu_count() or 1) + 1 if shelf.objects.is_local else _REMOTE_WORKERS
        self._workers = ThreadPoolExecutor(self._width, thread_name_prefix="blocks")

    @classmethod
    def open(
        cls,
        url: str,
        *,
        level: int = 1,
        grace_s: float = DEFAULT_GRACE_S,
        now: Callable[[], float] = time.time,
        sources_path: Path | None = None,
    ) -> Self:
        """Open a store, creating an empty one: ``file:///dir``, ``memory:///`` or ``s3://bucket/prefix?endpoint=…``.

        `level` is zstd's. `grace_s` is how long an object that nothing refers to stays; all who use one store must agree on it.
        `sources_path` is a file that remembers what is read through.
        Raises FormatUnknown for a store of another version, RequestInvalid for another kind of URL.
        """
        shelf = Shelf(Objects.open(url), level=level, grace_s=grace_s, now=now)
        shelf.require_format()
        return cls(shelf, sources_path)

    @staticmethod
    def exists(url: str) -> bool:
        """Tell whether there is a store, without making one. Raises RequestInvalid, StoreUnavailable."""
        return has_manifest(url)

    def close(self) -> None:
        """Stop the worker threads. Ingests that were neither sealed nor aborted are gone."""
        self._workers.shutdown(wait=True, cancel_futures=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def tree(self, root: RootDigest) -> Tree:
        """Return a tree for reading. Raises ObjectUnreadable."""
        if not is_root_digest(root):
            raise RequestInvalid(f"not a root digest: {root!r}")
        return Tree(self.shelf, root)

    def ingest(self, size_bytes: int, parent: RootDigest | None = None) -> Ingest:
        """Begin a new tree that starts as its parent, or as zeros. The disk may be larger than its parent's, not smaller.

        The parent must stay in the set given to `collect` until the sealed root has joined it.
        Raises ObjectUnreadable for the parent.
        """
        return Ingest(self.shelf, self._workers, size_bytes, self._parent(parent))

    def ingest_file(
        self,
        path: Path | str,
        size_bytes: int | None = None,
        parent: RootDigest | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> RootDigest:
        """Make a tree of a raw file's content, durable on return; the file, if shorter than the disk, is followed by zeros.

        `progress` is called from this thread, about ten times a second, with the bytes passed and their total.
        The file must not change meanwhile. Chunks equal to the parent's are not written again. Raises OSError for the file.
        """
        return ingest_file(self.shelf, self._width, Path(path), size_bytes, self._parent(parent), progress)

    def copy_nodes(self, source: "RegionStore", roots: Iterable[RootDigest]) -> None:
        """Copy the nodes of trees from another store, a few KB for each GiB, durable on return.

        From then on the trees can be opened here, measured, and kept from the sweep, while their chunks are still missing: they
        are arriving, until `copy_trees` has returned. Raises ObjectUnreadable for the source.
        """
        copy_nodes(source.shelf, self.shelf, self._width_with(source), roots)

    def copy_trees(
        self,
        source: "RegionStore",
        roots: Iterable[RootDigest],
        *,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Copied:
        """Copy what these trees of another store need and this one lacks, durable on return.

        Every object is verified before it is written. A copy may be killed at any time and called again: what is there is not
        copied again. `progress` is called from this thread, about ten times a second, with the stored bytes that are here and
        their total, shared chunks counted once; `cancelled` is asked as often. The trees must stay live in the source meanwhile,
        and in this store from when a catalog names them there. Raises ObjectUnreadable for the source, CopyCancelled, and
        IngestGone for a copy that was too slow for the grace period; calling again goes on from there.
        """
        return copy_trees(source.shelf, self.shelf, self._width_with(source), roots, progress, cancelled)

    def read_through(self, root: RootDigest, source_url: str) -> None:
        """Read what an arriving tree still lacks from another store, verified, and keep it: for `tree` and for ingests on it.

        Lasts until `end_read_through`, or as long as this object. Raises RequestInvalid, StoreUnavailable.
        """
        self.sources.add(root, source_url)

    def end_read_through(self, root: RootDigest) -> None:
        """Read a tree from this store alone again. Harmless where that is so already."""
        self.sources.drop(root)

    def is_arriving(self, root: RootDigest) -> bool:
        """Tell whether a tree was opened by `copy_nodes` and has not been completed by `copy_trees`."""
        return self.shelf.is_arriving(bytes.fromhex(root))

    def usage(self, roots: Iterable[RootDigest]) -> Usage:
        """Return what a set of trees holds together, every shared chunk counted once. Raises ObjectUnreadable."""
        return measure_usage(map(self.tree, roots))

    def added_bytes(self, root: RootDigest, others: Iterable[RootDigest]) -> int:
        """Return the stored bytes of the chunks in a tree that none of the others has. Raises ObjectUnreadable."""
        return measure_added(self.tree(root), map(self.tree, others))

    def ledger(self, holders: Mapping[H, Iterable[RootDigest]]) -> Ledger[H]:
        """Return who reaches what among these holders of trees, in the order given; every distinct leaf is read once.

        Chunks weigh what leaves say of them; where those differ, the most. Nothing is listed, and nothing else in the store
        has any influence. Raises ObjectUnreadable.
        """
        return Walk(self.shelf, self._workers, holders).ledger()

    def inventory(self, holders: Mapping[H, Iterable[RootDigest]], *, grace_s: float | None = None) -> Inventory[H]:
        """List all that the store holds, and return whose it is; the parts add up to the whole. Raises ObjectUnreadable.

        Objects weigh what they weigh in the store. `holders` should name every tree that `collect` is given as live.
        """
        return take_inventory(self.shelf, self._workers, holders, self.shelf.grace_s if grace_s is None else grace_s)

    def collect(self, live: Iterable[RootDigest], *, grace_s: float | None = None) -> CollectReport:
        """Delete what no live tree reaches and what is older than the grace period.

        `live` must list every tree that is named anywhere, and those that an ingest in flight builds on.
        Deletes nothing, and raises ObjectUnreadable, if a live tree cannot be read.
        """
        return sweep(self.shelf, self._workers, map(self.tree, live), self.shelf.grace_s if grace_s is None else grace_s)

    def verify(
        self,
        roots: Iterable[RootDigest] = (),
        progress: Progress | None = None,
        *,
        arriving: Collection[RootDigest] = (),
        repair_from: "Mapping[str, RegionStore] | None" = None,
    ) -> VerifyReport:
        """Read and hash again every object in the store, and miss what these trees reach and is not there.

        Each damage names the trees that suffer. `arriving` are those of them that are known to be arriving, also where nothing
        of them says so. What is damaged is written again from the first of `repair_from` that has it, by labels of the
        caller's. `progress` is called with the objects read and their total. Raises RequestInvalid.
        """
        mender = Mender({label: store.shelf for label, store in (repair_from or {}).items()})
        return Verification(self.shelf, self._workers, roots, arriving, mender).run(progress)

    def stat(self) -> Weight:
        """Count the objects of trees that are here, referred to or not, and their bytes."""
        chunks, nodes = ([info.size_bytes for info in self.shelf.objects.list(folder)] for folder in (CHUNKS, TREES))
        return Weight(len(chunks), sum(chunks), len(nodes), sum(nodes))

    def _width_with(self, source: "RegionStore") -> int:
        return max(self._width, source._width)  # noqa: SLF001 - of the same class

    def _parent(self, root: RootDigest | None) -> Tree | None:
        return None if root is None else self.tree(root)
