"""Building a new tree from writes that come out of order and in parallel.

A chunk is gathered in a buffer until it is whole, then takes flight: a worker hashes, compresses and stores it. What is still
incomplete when the ingest is flushed, or when buffers run short, is completed with what the chunk held before: an earlier flight,
what was stored, or the parent's chunk. So a write that covers a chunk never reads, and memory is bounded by the number of
buffers.

Writes that touch the same chunk are applied in the order in which they arrive here. A newer state of a chunk never waits for,
and is never overtaken by, an older flight: each flight lands only if it still is its chunk's latest.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Final

from linocut.blocks.errors import BlockError, IngestGone, RequestInvalid
from linocut.blocks.frames import ZERO_CHUNK, digest_of
from linocut.blocks.nodes import CHUNK_BYTES, Chunk, require_disk_size
from linocut.blocks.sealing import seal_tree
from linocut.blocks.shelf import Shelf
from linocut.blocks.spans import Spans
from linocut.blocks.tree import Extent, Tree, joined, pieces, require_range
from linocut.model.ids import RootDigest

INGEST_BUFFERS: Final = 32
"""Chunk buffers of one ingest: 16 MiB."""
_EARLY_FLIGHTS: Final = 4
"""When buffers run short, so many incomplete chunks are stored at a time, the longest untouched first."""


class _Flight:
    """One chunk's content on its way into the store."""

    __slots__ = ("base", "buffer", "done", "error", "index", "landed", "spans")

    def __init__(self, index: int, buffer: bytearray, spans: Spans, base: "_Flight | Chunk | None") -> None:
        self.index = index
        self.buffer = buffer
        self.spans = spans
        self.base = base
        self.done = threading.Event()
        self.landed: Chunk | None = None
        self.error: BlockError | None = None


class _Gathering:
    """A chunk of which some bytes have come."""

    __slots__ = ("base", "buffer", "spans")

    def __init__(self, buffer: bytearray, base: "_Flight | Chunk | None") -> None:
        self.buffer = buffer
        self.spans = Spans()
        self.base = base


class Ingest:
    """A disk being written, to become a tree. Safe to share between threads.

    Every verb raises IngestGone once sealed or aborted, RequestInvalid for a range beyond the disk's end, and, after storing
    failed in the background, that failure (StoreFull, StoreUnavailable, or ObjectUnreadable for a parent that is damaged).
    """

    def __init__(
        self, shelf: Shelf, workers: Executor, size_bytes: int, parent: Tree | None, buffers: int = INGEST_BUFFERS
    ) -> None:
        require_disk_size(size_bytes)
        if parent is not None and size_bytes < parent.size_bytes:
            raise RequestInvalid(f"a disk of {size_bytes} bytes cannot continue one of {parent.size_bytes}")
        self.size_bytes = size_bytes
        self.parent = parent
        self._shelf = shelf
        self._writer = shelf.writer()
        self._workers = workers
        self._changed = threading.Condition()
        self._gathering: OrderedDict[int, _Gathering] = OrderedDict()
        self._flying: dict[int, _Flight] = {}
        self._stored: dict[int, Chunk | None] = {}
        self._spare: list[bytearray] = []
        self._buffers_left = buffers
        self._flights = 0
        self._written_bytes = 0
        self._error: BlockError | None = None
        self._gone: str | None = None
        self._aborted = False
        self._sealing = threading.Lock()
        self._root: RootDigest | None = None
        self.touched_s = time.monotonic()
        """When it was last worked on."""

    @property
    def written_bytes(self) -> int:
        """How many bytes have been written, zeroed or trimmed so far; rewriting counts again."""
        return self._written_bytes

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at an offset. The data is copied, and may be reused on return."""
        view = memoryview(data)
        require_range(self.size_bytes, offset, len(view))
        position = 0
        for index, start, length in pieces(offset, len(view)):
            self._write_piece(index, start, view[position : position + length])
            position += length

    def write_zeroes(self, offset: int, length: int) -> None:
        """Make a range read as zeros. Whole chunks become holes at no cost."""
        require_range(self.size_bytes, offset, length)
        for index, start, size in pieces(offset, length):
            if size == self._valid_bytes(index):
                self._make_hole(index)
            elif not self._is_hole(index):
                self._write_piece(index, start, memoryview(ZERO_CHUNK)[:size])
            else:
                self._written_bytes += size

    def trim(self, offset: int, length: int) -> None:
        """Forget a range, which then reads as zeros."""
        self.write_zeroes(offset, length)

    def read(self, offset: int, length: int) -> bytes:
        """Return what the disk holds by now."""
        require_range(self.size_bytes, offset, length)
        return b"".join(self._read_piece(*piece) for piece in pieces(offset, length))

    def extents(self, offset: int, length: int) -> list[Extent]:
        """Return what is data and what is hole by now, as alternating runs without gaps."""
        return list(self.runs(offset, length))

    def runs(self, offset: int, length: int) -> Iterator[Extent]:
        """Yield the same one by one, looking no further than is asked for."""
        require_range(self.size_bytes, offset, length)
        return joined(
            Extent(index * CHUNK_BYTES + start, size, not self._is_hole(index)) for index, start, size in pieces(offset, length)
        )

    def flush(self) -> None:
        """Return when everything written before is in the store."""
        with self._working():
            self._settle(self._launch_all())

    def seal(self) -> RootDigest:
        """Make the tree durable and return its root. Sealing again returns the same; afterwards nothing can be written."""
        with self._sealing:
            if self._root is None:
                with self._working():
                    flights = self._launch_all()
                    self._gone = "sealed"
                    self._settle(flights)
                self._root = seal_tree(
                    self._shelf, self._writer, self.size_bytes, self.parent, self._stored, self._require_wanted
                )
                self._drop_buffers()
            return self._root

    def abort(self) -> None:
        """Give up. What was stored is unreferenced, and swept in time. Aborting again is harmless."""
        with self._changed:
            self._gone = self._gone or "aborted"
            self._aborted = True
            self._gathering.clear()
            self._changed.notify_all()
        self._drop_buffers()

    def make_void(self, error: BlockError) -> None:
        """Have every verb from now on raise this error, unless the ingest failed before, or is sealed or aborted."""
        with self._changed:
            if self._error is None and self._gone is None:
                self._error = error
                self._gathering.clear()
                self._changed.notify_all()

    # -- gathering ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _working(self) -> Iterator[None]:
        with self._changed:
            self._require_fine()
            self.touched_s = time.monotonic()
            yield

    def _require_fine(self) -> None:
        if self._error is not None:
            raise self._error
        if self._gone is not None:
            raise IngestGone(f"the ingest is {self._gone}")

    def _require_wanted(self) -> None:
        if self._aborted:
            raise IngestGone("the ingest is aborted")

    def _valid_bytes(self, index: int) -> int:
        """Return how many bytes of a chunk lie within the disk."""
        return min(CHUNK_BYTES, self.size_bytes - index * CHUNK_BYTES)

    def _write_piece(self, index: int, start: int, data: memoryview) -> None:
        with self._working():
            gathering = self._gather(index)
            gathering.buffer[start : start + len(data)] = data
            gathering.spans.add(start, start + len(data))
            self._written_bytes += len(data)
            if gathering.spans.cover(self._valid_bytes(index)):
                del self._gathering[index]
                self._launch(index, gathering)

    def _gather(self, index: int) -> _Gathering:
        """Return the gathering of a chunk, begun if need be. Waits for a buffer, during which others may work."""
        while True:
            gathering = self._gathering.get(index)
            if gathering is not None:
                self._gathering.move_to_end(index)
                return gathering
            if self._spare or self._buffers_left:
                gathering = self._gathering[index] = _Gathering(self._buffer(index), self._state(index))
                return gathering
            while self._gathering and self._flights < _EARLY_FLIGHTS:
                self._launch(*self._gathering.popitem(last=False))
            self._changed.wait()
            self._require_fine()

    def _buffer(self, index: int) -> bytearray:
        if self._spare:
            buffer = self._spare.pop()
        else:
            self._buffers_left -= 1
            buffer = bytearray(CHUNK_BYTES)
        valid = self._valid_bytes(index)
        if valid < CHUNK_BYTES:
            buffer[valid:] = ZERO_CHUNK[valid:]
        return buffer

    def _state(self, index: int) -> _Flight | Chunk | None:
        """Return what a chunk holds, what is being gathered aside. May read a leaf of the parent."""
        flight = self._flying.get(index)
        return flight if flight is not None else self._settled(index)

    def _settled(self, index: int) -> Chunk | None:
        if index in self._stored:
            return self._stored[index]
        return self._parents(index)

    def _parents(self, index: int) -> Chunk | None:
        if self.parent is None or index >= self.parent.chunk_count:
            return None
        return self.parent.chunk(index)

    def _is_hole(self, index: int) -> bool:
        with self._working():
            return index not in self._gathering and self._state(index) is None

    def _make_hole(self, index: int) -> None:
        with self._working():
            gathering = self._gathering.pop(index, None)
            if gathering is not None:
                self._spare.append(gathering.buffer)
                self._changed.notify_all()
            self._flying.pop(index, None)
            self._stored[index] = None
            self._written_bytes += self._valid_bytes(index)

    def _read_piece(self, index: int, start: int, length: int) -> bytes:
        with self._working():
            gathering = self._gathering.pop(index, None)
            if gathering is not None:
                self._launch(index, gathering)
            state = self._state(index)
        if isinstance(state, _Flight):
            state.done.wait()
            if state.error is not None:
                raise state.error
            state = state.landed
        if state is None:
            return ZERO_CHUNK[:length]
        scratch = bytearray(CHUNK_BYTES)
        self._shelf.read_chunk(state.digest, scratch)
        return bytes(memoryview(scratch)[start : start + length])

    def _launch_all(self) -> list[_Flight]:
        while self._gathering:
            self._launch(*self._gathering.popitem(last=False))
        return list(self._flying.values())

    def _settle(self, flights: list[_Flight]) -> None:
        """Wait until these have landed, during which others may work, and raise what went wrong."""
        while not all(flight.done.is_set() for flight in flights):
            self._changed.wait()
        self._require_wanted()
        if self._error is not None:
            raise self._error

    # -- flights -----------------------------------------------------------------------------------------------------

    def _launch(self, index: int, gathering: _Gathering) -> None:
        flight = _Flight(index, gathering.buffer, gathering.spans, gathering.base)
        self._flying[index] = flight
        self._flights += 1
        self._workers.submit(self._fly, flight)

    def _fly(self, flight: _Flight) -> None:
        """Complete, hash and store one chunk, in a worker."""
        try:
            if self._aborted or self._error is not None:
                raise self._error or IngestGone("the ingest is aborted")  # noqa: TRY301 - as any other reason not to land
            self._complete(flight)
            flight.landed = self._store(flight)
        except BlockError as error:
            flight.error = error
        except Exception as error:
            flight.error = BlockError(f"cannot store chunk {flight.index}: {error!r}")
        with self._changed:
            self._land(flight)

    def _land(self, flight: _Flight) -> None:
        if self._flying.get(flight.index) is flight:
            del self._flying[flight.index]
            self._stored[flight.index] = flight.landed
        if flight.error is not None and self._error is None and not self._aborted:
            self._error = flight.error
        self._spare.append(flight.buffer)
        flight.base = None
        self._flights -= 1
        flight.done.set()
        self._changed.notify_all()

    def _complete(self, flight: _Flight) -> None:
        """Fill what was not written with what the chunk held before."""
        gaps = flight.spans.gaps(self._valid_bytes(flight.index))
        if not gaps:
            return
        before: bytes | bytearray = ZERO_CHUNK
        base = self._landed_base(flight.base)
        if base is not None:
            before = bytearray(CHUNK_BYTES)
            self._shelf.read_chunk(base.digest, before)
        view = memoryview(before)
        for start, end in gaps:
            flight.buffer[start:end] = view[start:end]

    def _landed_base(self, base: _Flight | Chunk | None) -> Chunk | None:
        """Return the chunk below, after its own flight: it took off earlier, so a worker is at it already or has done it."""
        if not isinstance(base, _Flight):
            return base
        base.done.wait()
        if base.error is not None:
            raise base.error
        return base.landed

    def _store(self, flight: _Flight) -> Chunk | None:
        if flight.buffer == ZERO_CHUNK:
            return None
        digest = digest_of(flight.buffer)
        parents = self._parents(flight.index)
        if parents is not None and parents.digest == digest:
            return parents
        return self._writer.put_chunk(digest, flight.buffer)

    def _drop_buffers(self) -> None:
        with self._changed:
            self._spare.clear()
            self._buffers_left = 0
