"""Serving one client of a tree, fast.

Every request that is buffered is answered in one go: hits are slices of cached chunks, gathered into one system call. Reads that
miss wait aside, and a second thread sends them when their chunks have come, so that a slow store or a slow client holds up
nobody else. What may wait is bounded.
"""

import threading
import time
from functools import partial
from queue import SimpleQueue
from typing import Final

from linocut.blocks.cache import ChunkCache
from linocut.blocks.errors import BlockError
from linocut.blocks.exports import TreeExport
from linocut.blocks.frames import ZERO_CHUNK
from linocut.blocks.handshake import Session
from linocut.blocks.nbd_protocol import (
    DATA_REPLY,
    MAX_PAYLOAD_BYTES,
    REPLY_DONE,
    REQUEST,
    REQUEST_MAGIC,
    STRUCTURED_REPLY_MAGIC,
    Command,
    CommandFlag,
    NbdError,
    ReplyType,
)
from linocut.blocks.nodes import CHUNK_BYTES, LEAF_CHUNKS, Chunk
from linocut.blocks.readership import Reader
from linocut.blocks.replies import Replies, number_of
from linocut.blocks.tree import pieces
from linocut.blocks.wire import Hangup, Part, Wire

_ZEROS: Final = memoryview(ZERO_CHUNK)
_CHUNK_SHIFT: Final = CHUNK_BYTES.bit_length() - 1
_CHUNK_MASK: Final = CHUNK_BYTES - 1
_LEAF_SHIFT: Final = LEAF_CHUNKS.bit_length() - 1
_LEAF_MASK: Final = LEAF_CHUNKS - 1
_LEAVES_HELD: Final = 32
_BATCH_PARTS: Final = 256
_BATCH_BYTES: Final = 1024 * 1024
_WAITING_BYTES: Final = 8 * 1024 * 1024
_AHEAD_CHUNKS: Final = 3
_STRIDE_CHUNKS: Final = 4
"""A client whose reads move ahead by no more than this reads straight on."""


class _Waiting:
    """A read some of whose chunks are still to come."""

    __slots__ = ("cookie", "error", "length", "missing", "offset", "parts")

    def __init__(self, cookie: int, offset: int, length: int) -> None:
        self.cookie = cookie
        self.offset = offset
        self.length = length
        self.parts: list[Part] = []
        self.missing = 0
        self.error: BlockError | None = None


class TreeConnection:
    """One client of one tree."""

    def __init__(self, wire: Wire, session: Session, export: TreeExport, cache: ChunkCache, reader: Reader) -> None:
        self._wire = wire
        self._export = export
        self._tree = export.tree
        self._cache = cache
        self._reader = reader
        self._allocation = session.allocation
        self._replies = Replies(structured=session.structured)
        self._leaves: dict[int, tuple[Chunk | None, ...]] = {}
        self._batch: list[Part] = []
        self._batch_bytes = 0
        self._latest_chunk = -_STRIDE_CHUNKS - 1
        self._changed = threading.Condition()
        self._waiting_bytes = 0
        self._arrived: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._sender: threading.Thread | None = None

    def serve(self) -> None:
        """Answer requests until the client leaves. Raises Hangup then."""
        try:
            while self._serve_buffered():
                pass
        finally:
            self._arrived.put(None)
            if self._sender is not None:
                self._sender.join()

    def _serve_buffered(self) -> bool:
        """Wait for requests and answer all that are there; False when the client says goodbye."""
        wire = self._wire
        wire.ensure(REQUEST.size)
        while wire.end - wire.start >= REQUEST.size:
            magic, flags, command, cookie, offset, length = REQUEST.unpack_from(wire.buffer, wire.start)
            if magic != REQUEST_MAGIC:
                raise Hangup("not a request")
            wire.start += REQUEST.size
            if command == Command.READ:
                self._read(cookie, offset, length)
            elif command == Command.DISC:
                self._send_batch()
                return False
            else:
                self._answer(flags, command, cookie, offset, length)
            if len(self._batch) >= _BATCH_PARTS or self._batch_bytes >= _BATCH_BYTES:
                self._send_batch()
        self._send_batch()
        return True

    def _send_batch(self) -> None:
        if self._batch:
            self._wire.send(self._batch)
            self._note_reply()
            self._batch = []
            self._batch_bytes = 0

    def _note_reply(self) -> None:
        reader = self._reader
        if reader.first_reply_s is None and reader.first_read_s is not None:
            reader.first_reply_s = time.time()

    # -- reads -------------------------------------------------------------------------------------------------------

    def _read(self, cookie: int, offset: int, length: int) -> None:
        if offset + length > self._export.size_bytes or length > MAX_PAYLOAD_BYTES:
            self._batch += self._replies.error(cookie, NbdError.EINVAL, "beyond the end, or too long")
            return
        try:
            if (offset & _CHUNK_MASK) + length <= CHUNK_BYTES and length:
                self._read_within_chunk(cookie, offset, length)
            else:
                self._read_across(cookie, offset, length)
        except BlockError as error:
            self._batch += self._replies.error(cookie, number_of(error), str(error))

    def _read_within_chunk(self, cookie: int, offset: int, length: int) -> None:
        index = offset >> _CHUNK_SHIFT
        leaf = self._leaves.get(index >> _LEAF_SHIFT)
        if leaf is None:
            leaf = self._leaf(index >> _LEAF_SHIFT)
        chunk = leaf[index & _LEAF_MASK]
        start = offset & _CHUNK_MASK
        if chunk is None:
            part = _ZEROS[start : start + length]
        else:
            if index != self._latest_chunk:
                self._follow(index)
            view = self._cache.hit(chunk[0])
            if view is None:
                view = self._brought_here(chunk[0])
            else:
                self._cache.counters.hits += 1
            if view is None:
                self._read_missing(cookie, offset, length, [(chunk, start, length)])
                return
            part = view[start : start + length]
        if self._replies.structured:
            kind = ReplyType.OFFSET_DATA
            head = DATA_REPLY.pack(STRUCTURED_REPLY_MAGIC, REPLY_DONE, kind, cookie, length + 8, offset)
            self._batch += (head, part)
        else:
            self._batch += self._replies.data(cookie, offset, length, [part])
        self._batch_bytes += length

    def _brought_here(self, digest: bytes) -> memoryview | None:
        """Bring a chunk without handing over to another thread, if no other request is held up by it; None if one might be."""
        if self._waiting_bytes or not self._cache.is_near or self._wire.buffered >= REQUEST.size:
            return None
        self._send_batch()
        outcome = self._cache.load_here(digest)
        if isinstance(outcome, BlockError):
            raise outcome
        return outcome

    def _read_across(self, cookie: int, offset: int, length: int) -> None:
        wanted = [
            (self._leaf(index >> _LEAF_SHIFT)[index & _LEAF_MASK], start, size) for index, start, size in pieces(offset, length)
        ]
        if self._replies.structured and length and not any(chunk for chunk, _, _ in wanted):
            self._batch += self._replies.hole(cookie, offset, length)
            return
        self._follow((offset + length - 1) >> _CHUNK_SHIFT)
        views = [self._cache.hit(chunk.digest) if chunk else _ZEROS for chunk, _, _ in wanted]
        if any(view is None for view in views):
            self._read_missing(cookie, offset, length, wanted)
            return
        parts = [view[start : start + size] for view, (_, start, size) in zip(views, wanted, strict=True) if view]
        self._batch += self._replies.data(cookie, offset, length, parts)
        self._batch_bytes += length

    def _leaf(self, number: int) -> tuple[Chunk | None, ...]:
        leaf = self._leaves.get(number)
        if leaf is None:
            if len(self._leaves) >= _LEAVES_HELD:
                self._leaves.clear()
            leaf = self._leaves[number] = self._read_leaf(number)
        return leaf

    def _read_leaf(self, number: int) -> tuple[Chunk | None, ...]:
        try:
            return self._tree.leaf(number)
        except BlockError as error:
            self._cache.note_failure(error)
            raise

    def _follow(self, index: int) -> None:
        """Note where the client reads; one that goes straight on gets the next chunks ahead of asking."""
        if self._reader.first_read_s is None:
            self._reader.first_read_s = time.time()
        straight_on = 0 < index - self._latest_chunk <= _STRIDE_CHUNKS
        self._latest_chunk = index
        if straight_on:
            for ahead in range(index + 1, min(index + 1 + _AHEAD_CHUNKS, self._tree.chunk_count)):
                chunk = self._leaf(ahead >> _LEAF_SHIFT)[ahead & _LEAF_MASK]
                if chunk is not None and chunk.digest not in self._cache.views:
                    self._cache.prefetch(chunk.digest)

    # -- reads that wait ---------------------------------------------------------------------------------------------

    def _read_missing(self, cookie: int, offset: int, length: int, wanted: list[tuple[Chunk | None, int, int]]) -> None:
        self._send_batch()
        waiting = _Waiting(cookie, offset, length)
        waiting.parts = [_ZEROS[start : start + size] for _, start, size in wanted]
        slots = [(slot, chunk, start, size) for slot, (chunk, start, size) in enumerate(wanted) if chunk is not None]
        waiting.missing = len(slots)
        self._reserve(length)
        if self._sender is None:
            self._sender = threading.Thread(target=self._send_arrived, name="nbd-send", daemon=True)
            self._sender.start()
        for slot, chunk, start, size in slots:
            self._cache.load(chunk.digest, partial(self._arrive, waiting, slot, start, size))

    def _reserve(self, length: int) -> None:
        """Wait until there is room for a read to wait."""
        with self._changed:
            while self._waiting_bytes and self._waiting_bytes + length > _WAITING_BYTES:
                self._changed.wait()
            self._waiting_bytes += length

    def _arrive(self, waiting: _Waiting, slot: int, start: int, size: int, outcome: memoryview | BlockError) -> None:
        with self._changed:
            if isinstance(outcome, BlockError):
                waiting.error = outcome
            else:
                waiting.parts[slot] = outcome[start : start + size]
            waiting.missing -= 1
            complete = waiting.missing == 0
        if complete:
            self._arrived.put(waiting)

    def _send_arrived(self) -> None:
        """Send reads whose chunks have come, until told to stop; in a thread of its own."""
        while (waiting := self._arrived.get()) is not None:
            try:
                self._wire.send(self._reply_to(waiting))
                self._note_reply()
            except Hangup:
                self._wire.close()  # the reading thread finds out
            waiting.parts = []
            with self._changed:
                self._waiting_bytes -= waiting.length
                self._changed.notify()

    def _reply_to(self, waiting: _Waiting) -> list[Part]:
        if waiting.error is not None:
            return self._replies.error(waiting.cookie, number_of(waiting.error), str(waiting.error))
        return self._replies.data(waiting.cookie, waiting.offset, waiting.length, waiting.parts)

    # -- everything else ---------------------------------------------------------------------------------------------

    def _answer(self, flags: int, command: int, cookie: int, offset: int, length: int) -> None:
        match command:
            case Command.WRITE:
                self._wire.skip(payload_bytes(length))
                self._batch += self._replies.error(cookie, NbdError.EPERM, "a tree is read-only")
            case Command.TRIM | Command.WRITE_ZEROES:
                self._batch += self._replies.error(cookie, NbdError.EPERM, "a tree is read-only")
            case Command.FLUSH | Command.CACHE:
                self._batch += self._replies.done(cookie)
            case Command.BLOCK_STATUS:
                self._block_status(flags, cookie, offset, length)
            case _:
                self._batch += self._replies.error(cookie, NbdError.EINVAL, f"command {command} is not known")

    def _block_status(self, flags: int, cookie: int, offset: int, length: int) -> None:
        if not self._allocation or not length:
            self._batch += self._replies.error(cookie, NbdError.EINVAL, "no meta context was agreed, or no length given")
            return
        try:
            runs = self._tree.runs(offset, length)
            self._batch += self._replies.block_status(cookie, runs, only_one=bool(flags & CommandFlag.REQ_ONE))
        except BlockError as error:
            self._batch += self._replies.error(cookie, number_of(error), str(error))


def payload_bytes(length: int) -> int:
    """Return the length of a WRITE's payload. Raises Hangup for one that nobody may send."""
    if length > MAX_PAYLOAD_BYTES:
        raise Hangup(f"a payload of {length} bytes")
    return length
