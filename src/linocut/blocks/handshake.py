"""NBD negotiation: which export, and how replies will look. Fixed newstyle."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from linocut.blocks.nbd_protocol import (
    BASE_ALLOCATION,
    BASE_ALLOCATION_ID,
    GREETING,
    MAX_OPTION_BYTES,
    MAX_OPTIONS,
    MAX_PAYLOAD_BYTES,
    OPTION,
    OPTION_MAGIC,
    OPTION_REPLY,
    OPTION_REPLY_MAGIC,
    InfoType,
    Option,
    OptionReply,
    TransmissionFlag,
)
from linocut.blocks.wire import Hangup, Wire

_FIXED_NEWSTYLE: Final = 1
_NO_ZEROES: Final = 2
_MAX_QUERIES: Final = 64


class Export(Protocol):
    """What negotiation needs to know of an export."""

    size_bytes: int
    flags: TransmissionFlag
    preferred_bytes: int


@dataclass(frozen=True, slots=True)
class Session:
    """What was agreed."""

    name: str
    export: Export
    structured: bool
    allocation: bool


class _Refusal(Exception):
    """The option cannot be granted; negotiation goes on."""

    def __init__(self, reply: OptionReply, message: str) -> None:
        super().__init__(message)
        self.reply = reply


def negotiate(wire: Wire, find: Callable[[str], Export | None]) -> Session:
    """Agree with a client on an export. Raises Hangup when it leaves, or breaks the protocol.

    `find` returns the export of a name, or None where there is none; it may raise any BlockError, which counts as none.
    """
    wire.send([GREETING])
    (client_flags,) = struct.unpack(">I", wire.take(4))
    if not client_flags & _FIXED_NEWSTYLE or client_flags & ~(_FIXED_NEWSTYLE | _NO_ZEROES):
        raise Hangup(f"client flags {client_flags:#x}")
    return _Negotiation(wire, find, no_zeroes=bool(client_flags & _NO_ZEROES)).run()


class _Negotiation:
    def __init__(self, wire: Wire, find: Callable[[str], Export | None], *, no_zeroes: bool) -> None:
        self._wire = wire
        self._find = find
        self._no_zeroes = no_zeroes
        self._structured = False
        self._allocation_of: str | None = None

    def run(self) -> Session:
        for _ in range(MAX_OPTIONS):
            magic, option, length = OPTION.unpack(self._wire.take(OPTION.size))
            if magic != OPTION_MAGIC:
                raise Hangup("not an option")
            if length > MAX_OPTION_BYTES:
                raise Hangup(f"an option of {length} bytes")
            data = self._wire.take(length)
            try:
                session = self._answer(option, data)
            except _Refusal as refusal:
                self._reply(option, refusal.reply, str(refusal).encode())
                continue
            if session is not None:
                return session
        raise Hangup("too many options")

    def _answer(self, option: int, data: bytes) -> Session | None:
        match option:
            case Option.EXPORT_NAME:
                return self._export_name(data)
            case Option.ABORT:
                self._reply(option, OptionReply.ACK)
                raise Hangup("aborted by the client")
            case Option.LIST:
                _require(not data, "LIST takes no data")
                self._reply(option, OptionReply.ACK)  # names are secrets or digests: none is told
            case Option.INFO | Option.GO:
                return self._info(option, data)
            case Option.STRUCTURED_REPLY:
                _require(not data, "STRUCTURED_REPLY takes no data")
                self._structured = True
                self._reply(option, OptionReply.ACK)
            case Option.LIST_META_CONTEXT | Option.SET_META_CONTEXT:
                self._meta_context(option, data)
            case _:
                raise _Refusal(OptionReply.ERR_UNSUP, f"option {option} is not known")
        return None

    def _reply(self, option: int, kind: OptionReply, data: bytes = b"") -> None:
        self._wire.send([OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, kind, len(data)), data])

    def _export_name(self, data: bytes) -> Session:
        name = data.decode(errors="replace")
        export = self._find(name)
        if export is None:
            raise Hangup("no such export")  # this option has no way to say so
        padding = b"" if self._no_zeroes else bytes(124)
        self._wire.send([struct.pack(">QH", export.size_bytes, export.flags), padding])
        return self._session(name, export)

    def _info(self, option: int, data: bytes) -> Session | None:
        name, wanted = _parse_info(data)
        export = self._find(name)
        if export is None:
            raise _Refusal(OptionReply.ERR_UNKNOWN, "no such export")
        self._reply(option, OptionReply.INFO, struct.pack(">HQH", InfoType.EXPORT, export.size_bytes, export.flags))
        if InfoType.NAME in wanted:
            self._reply(option, OptionReply.INFO, struct.pack(">H", InfoType.NAME) + name.encode())
        sizes = struct.pack(">HIII", InfoType.BLOCK_SIZE, 1, export.preferred_bytes, MAX_PAYLOAD_BYTES)
        self._reply(option, OptionReply.INFO, sizes)
        self._reply(option, OptionReply.ACK)
        return self._session(name, export) if option == Option.GO else None

    def _session(self, name: str, export: Export) -> Session:
        return Session(name, export, self._structured, self._structured and self._allocation_of == name)

    def _meta_context(self, option: int, data: bytes) -> None:
        name, queries = _parse_queries(data)
        _require(self._structured, "meta contexts need structured replies")
        if self._find(name) is None:
            raise _Refusal(OptionReply.ERR_UNKNOWN, "no such export")
        listing = option == Option.LIST_META_CONTEXT
        wanted = BASE_ALLOCATION in queries or (listing and (not queries or b"base:" in queries))
        if wanted:
            context = struct.pack(">I", 0 if listing else BASE_ALLOCATION_ID) + BASE_ALLOCATION
            self._reply(option, OptionReply.META_CONTEXT, context)
        if not listing:
            self._allocation_of = name if wanted else None
        self._reply(option, OptionReply.ACK)


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise _Refusal(OptionReply.ERR_INVALID, message)


def _parse_info(data: bytes) -> tuple[str, tuple[int, ...]]:
    """Return the export name and the information types that an INFO or GO option asks for."""
    name, rest = _counted(data)
    _require(len(rest) >= 2 and len(rest) == 2 + 2 * int.from_bytes(rest[:2], "big"), "the option's lengths disagree")  # noqa: PLR2004
    return name.decode(errors="replace"), struct.unpack(f">{len(rest) // 2 - 1}H", rest[2:])


def _parse_queries(data: bytes) -> tuple[str, list[bytes]]:
    """Return the export name and the queries of a meta context option."""
    name, rest = _counted(data)
    _require(len(rest) >= 4, "the option's lengths disagree")  # noqa: PLR2004
    count, rest = int.from_bytes(rest[:4], "big"), rest[4:]
    _require(count <= _MAX_QUERIES, "too many queries")
    queries = []
    for _ in range(count):
        query, rest = _counted(rest)
        queries.append(query)
    _require(not rest, "the option's lengths disagree")
    return name.decode(errors="replace"), queries


def _counted(data: bytes) -> tuple[bytes, bytes]:
    """Split off a string that its 32-bit length precedes."""
    length = int.from_bytes(data[:4], "big")
    _require(len(data) >= 4 and len(data) >= 4 + length, "the option's lengths disagree")  # noqa: PLR2004
    return data[4 : 4 + length], data[4 + length :]
