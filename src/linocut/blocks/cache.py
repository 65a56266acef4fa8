"""The bounded cache of plain, verified chunks that all guests of a host share.

A hit costs one dictionary look-up and copies nothing: replies are slices of the cached buffer. A chunk that is wanted by several
at once is loaded once. A buffer that falls out is used again as soon as no reply refers to it any more, so that memory stays
bounded and its pages stay mapped.
"""

import logging
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from linocut.blocks.disk_cache import DiskCache
from linocut.blocks.errors import BlockError, ObjectUnreadable
from linocut.blocks.nodes import CHUNK_BYTES
from linocut.blocks.shelf import Shelf
from linocut.blocks.sources import Sources

Arrival = Callable[[memoryview | BlockError], None]
"""Told the chunk's bytes, or why it cannot be had. Called in whatever thread finds out; must not block."""

_LEAST_CHUNKS: Final = 8
_REMOTE_LOADERS: Final = 24
_THROUGH_LOADERS: Final = 16
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CacheCounters:
    """What happened so far. Approximate where threads collide."""

    hits: int = 0
    misses: int = 0
    disk_hits: int = 0
    corrupt_reads: int = 0
    failed_reads: int = 0
    through_reads: int = 0


class ChunkCache:
    """Plain chunks by digest, least recently used out first. Safe to share between threads."""

    def __init__(self, shelf: Shelf, memory_bytes: int, disk: DiskCache | None) -> None:
        self.views: OrderedDict[bytes, memoryview] = OrderedDict()
        self.counters = CacheCounters()
        self.is_near = shelf.objects.is_local
        self._shelf = shelf
        self._disk = disk
        self._capacity = max(_LEAST_CHUNKS, memory_bytes // CHUNK_BYTES)
        self._loading: dict[bytes, list[Arrival]] = {}
        self._spare: list[bytearray] = []
        self._lock = threading.Lock()
        self._width = (os.cpu_count() or 1) + 1 if self.is_near else _REMOTE_LOADERS
        self._loaders = ThreadPoolExecutor(self._width, thread_name_prefix="load")
        self._through_loaders = ThreadPoolExecutor(_THROUGH_LOADERS, thread_name_prefix="read-through")

    def close(self) -> None:
        """Stop loading."""
        for loaders in (self._loaders, self._through_loaders):
            loaders.shutdown(wait=True, cancel_futures=True)

    def clear(self) -> None:
        """Forget everything in memory."""
        with self._lock:
            self.views.clear()
            self._spare.clear()

    def hit(self, digest: bytes) -> memoryview | None:
        """Return a chunk if it is in memory."""
        view = self.views.get(digest)
        if view is not None:
            with suppress(KeyError):  # it fell out this moment; the view stays good
                self.views.move_to_end(digest)
        return view

    def load(self, digest: bytes, arrived: Arrival) -> None:
        """Have a chunk brought, by another thread unless it is here."""
        with self._lock:
            view = self.views.get(digest)
            if view is None:
                waiting = self._loading.get(digest)
                if waiting is not None:
                    waiting.append(arrived)
                    return
                self._loading[digest] = [arrived]
                self._loaders.submit(self._load, digest)
                return
        arrived(view)

    def load_here(self, digest: bytes) -> memoryview | BlockError | None:
        """Bring a chunk in this thread, and return it, or why it cannot be had; None if another thread is at it already."""
        with self._lock:
            view = self.views.get(digest)
            if view is not None:
                return view
            if digest in self._loading:
                return None
            self._loading[digest] = []
        return self._load(digest)

    def prefetch(self, digest: bytes) -> None:
        """Have a chunk brought that will likely be wanted, if nobody waits for others more."""
        with self._lock:
            if digest in self.views or digest in self._loading or len(self._loading) >= 2 * self._width:
                return
            self._loading[digest] = []
            self._loaders.submit(self._load, digest)

    def note_failure(self, error: BlockError) -> None:
        """Count and log a failure to read."""
        if isinstance(error, ObjectUnreadable):
            self.counters.corrupt_reads += 1
        else:
            self.counters.failed_reads += 1
        _log.error("chunk unreadable: %s: %s", type(error).__name__, error)

    def _load(self, digest: bytes) -> memoryview | BlockError | None:
        """Load a chunk and tell all who wait; None if it has not arrived here, and others see to it, who may have to wait."""
        buffer = self._buffer()
        try:
            self._fill(digest, buffer)
        except ObjectUnreadable as error:
            sources = self._shelf.sources
            if not sources:
                return self._conclude(digest, error)
            self._through_loaders.submit(self._load_through, sources, digest, buffer, error)
            return None
        except Exception as error:
            return self._conclude(digest, error)
        return self._conclude(digest, memoryview(buffer).toreadonly())

    def _load_through(self, sources: Sources, digest: bytes, buffer: bytearray, missing: ObjectUnreadable) -> None:
        """Load a chunk from where it comes from; who waits for it does not wait until it is kept."""
        try:
            frame = sources.fetch(digest, buffer, missing)
        except Exception as error:
            self._conclude(digest, error)
            return
        self.counters.through_reads += 1
        self._conclude(digest, memoryview(buffer).toreadonly())
        sources.keep(digest, frame)

    def _conclude(self, digest: bytes, result: memoryview | Exception) -> memoryview | BlockError:
        outcome = result if isinstance(result, memoryview) else self._failure(digest, result)
        with self._lock:
            if isinstance(outcome, memoryview):
                self.views[digest] = outcome
                self._evict()
            waiting = self._loading.pop(digest)
        for arrived in waiting:
            arrived(outcome)
        return outcome

    def _failure(self, digest: bytes, error: Exception) -> BlockError:
        if isinstance(error, BlockError):
            self.note_failure(error)
            return error
        _log.error("cannot load chunk %s", digest.hex(), exc_info=error)
        return BlockError(f"cannot load chunk {digest.hex()}: {error!r}")

    def _fill(self, digest: bytes, buffer: bytearray) -> None:
        self.counters.misses += 1
        if self._disk is not None and self._disk.read(digest, buffer):
            self.counters.disk_hits += 1
            return
        self._shelf.read_frame(digest, buffer)
        if self._disk is not None:
            self._disk.write(digest, buffer)

    def _buffer(self) -> bytearray:
        with self._lock:
            if self._spare:
                return self._spare.pop()
        return bytearray(CHUNK_BYTES)

    def _evict(self) -> None:
        while len(self.views) > self._capacity:
            _, view = self.views.popitem(last=False)
            buffer = view.obj
            del view
            # Two: the local name and the argument. More, and some reply still holds a slice.
            if isinstance(buffer, bytearray) and sys.getrefcount(buffer) == 2 and len(self._spare) < self._width:  # noqa: PLR2004
                self._spare.append(buffer)
