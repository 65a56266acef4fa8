"""Copying trees from one region store to another: only what the other lacks, verified, in the order of writing.

First every chunk is looked up in the target, so that progress is true from the start; then the missing ones are copied as the
frames that they are, without compressing again; then leaves, then roots. The rules are those of an ingest: what is there but
older than half of the grace period is written again, from the target's own bytes. A copy that was killed is simply called again.

`copy_nodes` comes first where a tree is to be read before its chunks are there: it puts the nodes into ``arriving/``, where
readers find them, and where a root promises nothing.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from linocut.blocks.errors import BlockError, CopyCancelled, IngestGone, ObjectUnreadable, RequestInvalid
from linocut.blocks.nodes import CHUNK_BYTES, decode_leaf, decode_root
from linocut.blocks.shelf import ARRIVING, TREES, Presence, Shelf, ShelfWriter, object_name
from linocut.model.ids import RootDigest, is_root_digest

Progress = Callable[[int, int], None]
"""Told the bytes that are there and their total."""
Cancelled = Callable[[], bool]
"""Asked whether to give up."""
Fetch = Callable[[bytes, bytearray], bytes]
"""Fills the buffer with a chunk of this digest, verified, and returns its frame."""

_WATCH_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy wrote, and what it found in place; nodes and chunks."""

    objects: int
    stored_bytes: int
    skipped_objects: int
    skipped_bytes: int


def copy_nodes(source: Shelf, target: Shelf, width: int, roots: Iterable[RootDigest]) -> None:
    """Have these trees arrive: copy their nodes, durable on return. See `RegionStore.copy_nodes`.

    Those that are here as a whole are left alone, unless they are so old that a sweep may be at them.
    """
    writer = target.writer()
    wanted = _Wanted(source, width, roots, lacking=lambda root: writer.node_presence(root) is not Presence.YOUNG)
    for nodes in (wanted.leaves, wanted.roots):
        _put_nodes(wanted, nodes, writer, ARRIVING, width, Tally(0), _ignore)
    target.objects.make_durable()


def copy_trees(
    source: Shelf, target: Shelf, width: int, roots: Iterable[RootDigest], progress: Progress | None, cancelled: Cancelled | None
) -> Copied:
    """Copy what these trees need and the target lacks, with this many workers. See `RegionStore.copy_trees`."""
    wanted = _Wanted(source, width, roots)
    tally = Tally(wanted.total_bytes)

    def watch() -> None:
        if cancelled is not None and cancelled():
            raise CopyCancelled("the copy was cancelled")
        if progress is not None:
            progress(tally.here_bytes, tally.total_bytes)

    writer = _put_all_below_the_roots(wanted, target, width, tally, watch)
    _put_nodes(wanted, wanted.roots, writer, TREES, width, tally, watch)
    target.objects.make_durable()
    target.objects.delete([object_name(ARRIVING, digest) for digest in (*wanted.leaves, *wanted.roots)])
    if progress is not None:
        progress(tally.total_bytes, tally.total_bytes)
    return tally.copied()


def _put_all_below_the_roots(
    wanted: "_Wanted", target: Shelf, width: int, tally: "Tally", watch: Callable[[], None]
) -> ShelfWriter:
    """Return the writer that may write the roots.

    What took too long for the grace period, or lost something to the sweep, is looked up once more, which is quick.
    """
    gone = IngestGone()
    for counted in (tally, Tally(0), Tally(0)):
        writer = target.writer()
        Haul(wanted.chunks, wanted.frame, target, writer, counted).run(width, watch)
        _put_nodes(wanted, wanted.leaves, writer, TREES, width, counted, watch)
        try:
            writer.require_unswept()
        except IngestGone as error:
            gone = error
        else:
            return writer
    raise gone


class _Wanted:
    """The objects of some trees of a source, each once."""

    def __init__(
        self, source: Shelf, width: int, roots: Iterable[RootDigest], lacking: Callable[[bytes], bool] = lambda _root: True
    ) -> None:
        self._source = source
        self.roots: dict[bytes, int] = {}
        self.leaves: dict[bytes, int] = {}
        self.chunks: dict[bytes, int] = {}
        leaves: dict[bytes, None] = {}
        for root in roots:
            if not is_root_digest(root):
                raise RequestInvalid(f"not a root digest: {root!r}")
            if not lacking(bytes.fromhex(root)):
                continue
            data = self.node(bytes.fromhex(root))
            self.roots[bytes.fromhex(root)] = len(data)
            leaves.update((leaf, None) for leaf in decode_root(data).leaves if leaf is not None)
        with ThreadPoolExecutor(width, thread_name_prefix="plan") as workers:
            for leaf, data in zip(leaves, workers.map(self.node, leaves), strict=True):
                self.leaves[leaf] = len(data)
                self.chunks.update(chunk for chunk in decode_leaf(data) if chunk is not None)

    @property
    def total_bytes(self) -> int:
        """Their stored bytes."""
        return sum(sum(objects.values()) for objects in (self.roots, self.leaves, self.chunks))

    def node(self, digest: bytes) -> bytes:
        """Return a node's bytes. Raises ObjectUnreadable, StoreUnavailable."""
        with _of_the_source():
            return self._source.read_node(digest)

    def frame(self, digest: bytes, scratch: bytearray) -> bytes:
        """Return a chunk's frame, verified by way of the scratch space. Raises ObjectUnreadable, StoreUnavailable."""
        with _of_the_source():
            return self._source.read_frame(digest, scratch)


@contextmanager
def _of_the_source() -> Iterator[None]:
    """Have errors say that the source is at fault, for names are the same in both stores."""
    try:
        yield
    except BlockError as error:
        raise type(error)(f"in the source: {error}") from error


class Tally:
    """Counts what a copy has done. Safe to share between threads."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.here_bytes = 0
        """What is there by now, in the sizes that make up the total."""
        self._copied = [0, 0]
        self._skipped = [0, 0]
        self._lock = threading.Lock()

    def note_here(self, size_bytes: int) -> None:
        """Count an object as being there."""
        with self._lock:
            self.here_bytes += size_bytes

    def note_copied(self, size_bytes: int) -> None:
        """Count an object that was written."""
        self._count(self._copied, size_bytes)

    def note_skipped(self, size_bytes: int) -> None:
        """Count an object that was in place."""
        self._count(self._skipped, size_bytes)

    def _count(self, counts: list[int], size_bytes: int) -> None:
        with self._lock:
            counts[0] += 1
            counts[1] += size_bytes

    def copied(self) -> Copied:
        """Return the counts."""
        return Copied(*self._copied, *self._skipped)


class Haul:
    """Some chunks on their way into a store, shared by the workers."""

    def __init__(self, chunks: Mapping[bytes, int], fetch: Fetch, target: Shelf, writer: ShelfWriter, tally: Tally) -> None:
        self._chunks = chunks
        self._fetch = fetch
        self._target = target
        self._writer = writer
        self._tally = tally
        self._absent: list[bytes] = []
        self._old: list[bytes] = []

    def run(self, width: int, watch: Callable[[], None]) -> None:
        """Look all of them up, then bring what is missing. `watch` is called in this thread, and may raise to stop."""
        with ThreadPoolExecutor(width, thread_name_prefix="copy") as workers:
            for work, digests in ((self._look_up, self._chunks), (self._bring, self._absent), (self._refresh, self._old)):
                turns = _Turns(digests, work)
                turns.run_all(workers, width, watch)

    def _look_up(self, digest: bytes, _: bytearray) -> None:
        presence = self._writer.chunk_presence(digest)
        if presence is Presence.MISSING:
            self._absent.append(digest)
            return
        self._tally.note_here(self._chunks[digest])
        if presence is Presence.OLD:
            self._old.append(digest)
        else:
            self._tally.note_skipped(self._chunks[digest])

    def _bring(self, digest: bytes, scratch: bytearray) -> None:
        if self._writer.chunk_presence(digest) is Presence.YOUNG:  # somebody else has brought it
            self._tally.note_skipped(self._chunks[digest])
        else:
            frame = self._fetch(digest, scratch)
            self._writer.put_frame(digest, frame)
            self._tally.note_copied(len(frame))
        self._tally.note_here(self._chunks[digest])

    def _refresh(self, digest: bytes, scratch: bytearray) -> None:
        """Write again what lies here already; if it has rotted, or is gone by now, what the source has."""
        try:
            frame = self._target.read_frame(digest, scratch)
            self._tally.note_skipped(self._chunks[digest])
        except ObjectUnreadable:
            frame = self._fetch(digest, scratch)
            self._tally.note_copied(len(frame))
        self._writer.put_frame(digest, frame)


class _Turns:
    """Digests that several workers take one by one."""

    def __init__(self, digests: Iterable[bytes], work: Callable[[bytes, bytearray], None]) -> None:
        self._digests = iter(digests)
        self._work = work
        self._stopped = False
        self._lock = threading.Lock()

    def run_all(self, workers: Executor, width: int, watch: Callable[[], None]) -> None:
        """Return when all are done; raise what went wrong first, or what `watch` raises."""
        watch()
        pending = {workers.submit(self._run) for _ in range(width)}
        try:
            while pending:
                done, pending = wait(pending, timeout=_WATCH_EVERY_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                watch()
        finally:
            self._stopped = True
            wait(pending)

    def _run(self) -> None:
        scratch = bytearray(CHUNK_BYTES)
        while not self._stopped:
            with self._lock:
                digest = next(self._digests, None)
            if digest is None:
                return
            self._work(digest, scratch)


def _put_nodes(
    wanted: _Wanted,
    nodes: Mapping[bytes, int],
    writer: ShelfWriter,
    folder: str,
    width: int,
    tally: Tally,
    watch: Callable[[], None],
) -> None:
    def put(digest: bytes, _: bytearray) -> None:
        if writer.put_named_node(digest, wanted.node(digest), folder):
            tally.note_copied(nodes[digest])
        else:
            tally.note_skipped(nodes[digest])
        tally.note_here(nodes[digest])

    with ThreadPoolExecutor(width, thread_name_prefix="copy") as workers:
        _Turns(nodes, put).run_all(workers, width, watch)


def _ignore() -> None:
    """Watch nothing."""
