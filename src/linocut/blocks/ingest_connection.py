"""Serving one client that fills an ingest.

Requests are handled one after another; storing goes on behind them, in the ingest's workers, and holds the client up when
it falls behind.
"""

from typing import Final

from linocut.blocks.errors import BlockError, RequestInvalid
from linocut.blocks.exports import IngestExport
from linocut.blocks.handshake import Session
from linocut.blocks.nbd_protocol import MAX_PAYLOAD_BYTES, REQUEST, REQUEST_MAGIC, Command, CommandFlag
from linocut.blocks.nodes import CHUNK_BYTES
from linocut.blocks.replies import Replies, number_of
from linocut.blocks.tree import pieces
from linocut.blocks.wire import Hangup, Part, Wire

_BATCH_PARTS: Final = 128


class IngestConnection:
    """One client of one ingest."""

    def __init__(self, wire: Wire, session: Session, export: IngestExport) -> None:
        self._wire = wire
        self._ingest = export.ingest
        self._allocation = session.allocation
        self._replies = Replies(structured=session.structured)
        self._staging = memoryview(bytearray(CHUNK_BYTES))
        self._batch: list[Part] = []

    def serve(self) -> None:
        """Answer requests until the client leaves. Raises Hangup then."""
        wire = self._wire
        while True:
            if wire.buffered < REQUEST.size or len(self._batch) >= _BATCH_PARTS:
                self._send_batch()
                wire.ensure(REQUEST.size)
            magic, flags, command, cookie, offset, length = REQUEST.unpack_from(wire.buffer, wire.start)
            if magic != REQUEST_MAGIC:
                raise Hangup("not a request")
            wire.start += REQUEST.size
            if command == Command.DISC:
                self._send_batch()
                return
            self._handle(flags, command, cookie, offset, length)

    def _send_batch(self) -> None:
        if self._batch:
            self._wire.send(self._batch)
            self._batch = []

    def _handle(self, flags: int, command: int, cookie: int, offset: int, length: int) -> None:
        try:
            match command:
                case Command.WRITE:
                    self._write(offset, length)
                case Command.WRITE_ZEROES | Command.TRIM:
                    self._ingest.write_zeroes(offset, length)
                case Command.FLUSH:
                    self._ingest.flush()
                case Command.READ:
                    self._batch += self._replies.data(cookie, offset, length, [self._read(offset, length)])
                    return
                case Command.BLOCK_STATUS:
                    self._batch += self._block_status(flags, cookie, offset, length)
                    return
                case _:
                    raise RequestInvalid(f"command {command} is not known")
            if flags & CommandFlag.FUA:
                self._ingest.flush()
            self._batch += self._replies.done(cookie)
        except BlockError as error:
            self._batch += self._replies.error(cookie, number_of(error), str(error))

    def _write(self, offset: int, length: int) -> None:
        """Take a payload to its end, whatever becomes of it, so that the next request is found."""
        if length > MAX_PAYLOAD_BYTES:
            raise Hangup(f"a payload of {length} bytes")
        failure: BlockError | None = None
        for index, start, size in pieces(offset, length):
            view = self._staging[:size]
            self._wire.fill(view)
            if failure is None:
                try:
                    self._ingest.write(index * CHUNK_BYTES + start, view)
                except BlockError as error:
                    failure = error
        if failure is not None:
            raise failure

    def _read(self, offset: int, length: int) -> bytes:
        if length > MAX_PAYLOAD_BYTES:
            raise RequestInvalid(f"a read of {length} bytes")
        return self._ingest.read(offset, length)

    def _block_status(self, flags: int, cookie: int, offset: int, length: int) -> list[Part]:
        if not self._allocation or not length:
            raise RequestInvalid("no meta context was agreed, or no length given")
        runs = self._ingest.runs(offset, length)
        return self._replies.block_status(cookie, runs, only_one=bool(flags & CommandFlag.REQ_ONE))
