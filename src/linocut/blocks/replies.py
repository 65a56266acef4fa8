"""Replies to NBD commands, in the form that was agreed: structured, or simple."""

import struct
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from linocut.blocks.errors import BlockError, IngestGone, RequestInvalid, StoreFull
from linocut.blocks.nbd_protocol import (
    BASE_ALLOCATION_ID,
    DATA_REPLY,
    HOLE_REPLY,
    REPLY_DONE,
    SIMPLE_REPLY,
    SIMPLE_REPLY_MAGIC,
    STRUCTURED_REPLY,
    STRUCTURED_REPLY_MAGIC,
    NbdError,
    ReplyType,
)
from linocut.blocks.tree import Extent
from linocut.blocks.wire import Part

_MAX_EXTENTS: Final = 16 * 1024
_MAX_MESSAGE_BYTES: Final = 1024
_HOLE_AND_ZERO: Final = 3


class Replies:
    """Builds the parts of replies for one connection."""

    def __init__(self, *, structured: bool) -> None:
        self.structured = structured

    def done(self, cookie: int) -> list[Part]:
        """Answer that a command without data has succeeded."""
        if self.structured:
            return [STRUCTURED_REPLY.pack(STRUCTURED_REPLY_MAGIC, REPLY_DONE, ReplyType.NONE, cookie, 0)]
        return [SIMPLE_REPLY.pack(SIMPLE_REPLY_MAGIC, 0, cookie)]

    def data(self, cookie: int, offset: int, length: int, parts: Sequence[Part]) -> list[Part]:
        """Answer a read with its data."""
        if not self.structured:
            return [SIMPLE_REPLY.pack(SIMPLE_REPLY_MAGIC, 0, cookie), *parts]
        head = DATA_REPLY.pack(STRUCTURED_REPLY_MAGIC, REPLY_DONE, ReplyType.OFFSET_DATA, cookie, length + 8, offset)
        return [head, *parts]

    def hole(self, cookie: int, offset: int, length: int) -> list[Part]:
        """Answer a read of nothing but zeros; structured replies only."""
        return [HOLE_REPLY.pack(STRUCTURED_REPLY_MAGIC, REPLY_DONE, ReplyType.OFFSET_HOLE, cookie, 12, offset, length)]

    def error(self, cookie: int, number: NbdError, message: str) -> list[Part]:
        """Answer that a command has failed."""
        if not self.structured:
            return [SIMPLE_REPLY.pack(SIMPLE_REPLY_MAGIC, number, cookie)]
        text = message.encode()[:_MAX_MESSAGE_BYTES]
        head = STRUCTURED_REPLY.pack(STRUCTURED_REPLY_MAGIC, REPLY_DONE, ReplyType.ERROR, cookie, 6 + len(text))
        return [head, struct.pack(">IH", number, len(text)), text]

    def block_status(self, cookie: int, runs: Iterable[Extent], *, only_one: bool) -> list[Part]:
        """Answer what is data and what is hole, looking no further than is told. A client asks on for what is left out."""
        told = islice(runs, 1 if only_one else _MAX_EXTENTS)
        body = b"".join(struct.pack(">II", extent.length, 0 if extent.is_data else _HOLE_AND_ZERO) for extent in told)
        head = STRUCTURED_REPLY.pack(STRUCTURED_REPLY_MAGIC, REPLY_DONE, ReplyType.BLOCK_STATUS, cookie, 4 + len(body))
        return [head, struct.pack(">I", BASE_ALLOCATION_ID), body]


def number_of(error: BlockError) -> NbdError:
    """Return the protocol's number for one of our errors."""
    match error:
        case StoreFull():
            return NbdError.ENOSPC
        case RequestInvalid():
            return NbdError.EINVAL
        case IngestGone():
            return NbdError.ESHUTDOWN
        case _:
            return NbdError.EIO
