"""The direct path for raw files: holes are skipped, and every worker reads, hashes and stores whole chunks.

Memory is one chunk per worker. Measured against sending the same file over NBD, this saves two copies and the assembly.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from linocut.blocks.errors import BlockError, RequestInvalid
from linocut.blocks.frames import ZERO_CHUNK, digest_of
from linocut.blocks.nodes import CHUNK_BYTES, Chunk, require_disk_size
from linocut.blocks.sealing import seal_tree
from linocut.blocks.shelf import Shelf
from linocut.blocks.tree import Tree
from linocut.model.ids import RootDigest

_PROGRESS_EVERY_S: Final = 0.1


def ingest_file(
    shelf: Shelf,
    width: int,
    path: Path,
    size_bytes: int | None,
    parent: Tree | None,
    progress: Callable[[int, int], None] | None,
) -> RootDigest:
    """Make a tree of a raw file's content with this many workers, durable on return. See `RegionStore.ingest_file`."""
    with path.open("rb", buffering=0) as file:
        held_bytes = os.fstat(file.fileno()).st_size
        size_bytes = held_bytes if size_bytes is None else size_bytes
        require_disk_size(size_bytes)
        if held_bytes > size_bytes or (parent is not None and size_bytes < parent.size_bytes):
            raise RequestInvalid(f"{path} holds {held_bytes} bytes, which do not fit a disk of {size_bytes} on this parent")
        intake = _Intake(shelf, file.fileno(), held_bytes, parent)
        with ThreadPoolExecutor(width, thread_name_prefix="intake") as workers:
            _watch([workers.submit(intake.run) for _ in range(width)], intake, size_bytes, progress)
    return seal_tree(shelf, intake.writer, size_bytes, parent, intake.changed)


def _watch(running: list[Future[None]], intake: "_Intake", size_bytes: int, progress: Callable[[int, int], None] | None) -> None:
    pending = set(running)
    try:
        while pending:
            done, pending = wait(pending, timeout=_PROGRESS_EVERY_S)
            for future in done:
                future.result()
            if progress is not None:
                progress(size_bytes if not pending else min(intake.passed_bytes, size_bytes), size_bytes)
    finally:
        intake.stopped = True
        wait(pending)


class _Intake:
    """One file on its way into the store, shared by the workers."""

    def __init__(self, shelf: Shelf, descriptor: int, held_bytes: int, parent: Tree | None) -> None:
        self.writer = shelf.writer()
        self.changed: dict[int, Chunk | None] = {}
        self.passed_bytes = 0
        self.stopped = False
        self._descriptor = descriptor
        self._held_bytes = held_bytes
        self._parent = parent
        self._turns = self._indices()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Store chunks until none is left."""
        buffer = bytearray(CHUNK_BYTES)
        while not self.stopped:
            with self._lock:
                index = next(self._turns, None)
            if index is None:
                return
            self.changed[index] = self._store(index, buffer)

    def _indices(self) -> Iterator[int]:
        """Yield the chunks that may hold data; note the others as holes, which matters on a parent."""
        position = 0
        while position < self._held_bytes:
            data = _next_data(self._descriptor, position, self._held_bytes)
            end = _next_hole(self._descriptor, data, self._held_bytes)
            first, last = data // CHUNK_BYTES, -(-end // CHUNK_BYTES)
            self._note_holes(position // CHUNK_BYTES, first)
            for index in range(first, last):
                self.passed_bytes = index * CHUNK_BYTES
                yield index
            position = last * CHUNK_BYTES
        if self._parent is not None:
            self._note_holes(-(-self._held_bytes // CHUNK_BYTES), self._parent.chunk_count)

    def _note_holes(self, first: int, end: int) -> None:
        if self._parent is not None:
            self.changed.update((index, None) for index in range(first, end))

    def _store(self, index: int, buffer: bytearray) -> Chunk | None:
        self._fill(index, buffer)
        if buffer == ZERO_CHUNK:
            return None
        digest = digest_of(buffer)
        if self._parent is not None and index < self._parent.chunk_count:
            parents = self._parent.chunk(index)
            if parents is not None and parents.digest == digest:
                return parents
        return self.writer.put_chunk(digest, buffer)

    def _fill(self, index: int, buffer: bytearray) -> None:
        offset = index * CHUNK_BYTES
        valid = min(CHUNK_BYTES, self._held_bytes - offset)
        view = memoryview(buffer)
        done = 0
        while done < valid:
            count = os.preadv(self._descriptor, [view[done:valid]], offset + done)
            if count == 0:
                raise BlockError(f"the file ended at byte {offset + done} of {self._held_bytes}; it is being changed")
            done += count
        if valid < CHUNK_BYTES:
            view[valid:] = ZERO_CHUNK[valid:]


def _next_data(descriptor: int, position: int, end: int) -> int:
    """Return where data begins at or after a position; without any, the start of the chunk after the last."""
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return -(-end // CHUNK_BYTES) * CHUNK_BYTES
        if error.errno == errno.EINVAL:
            return position
        raise


def _next_hole(descriptor: int, position: int, end: int) -> int:
    if position >= end:
        return end
    try:
        return min(end, os.lseek(descriptor, position, os.SEEK_HOLE))
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENXIO}:
            return end
        raise
