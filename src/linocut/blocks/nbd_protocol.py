"""The numbers of the NBD protocol that we speak, and how its messages are packed.

Source: the NBD protocol, https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md (fixed newstyle, structured replies,
``base:allocation``). Integers are big-endian.
"""

import struct
from enum import IntEnum, IntFlag
from typing import Final

GREETING: Final = struct.pack(">8s8sH", b"NBDMAGIC", b"IHAVEOPT", 0b11)  # fixed newstyle, no zeroes
OPTION_MAGIC: Final = b"IHAVEOPT"
OPTION: Final = struct.Struct(">8sII")
OPTION_REPLY: Final = struct.Struct(">QIII")
OPTION_REPLY_MAGIC: Final = 0x3E889045565A9
REQUEST: Final = struct.Struct(">IHHQQI")
REQUEST_MAGIC: Final = 0x25609513
SIMPLE_REPLY: Final = struct.Struct(">IIQ")
SIMPLE_REPLY_MAGIC: Final = 0x67446698
STRUCTURED_REPLY: Final = struct.Struct(">IHHQI")
STRUCTURED_REPLY_MAGIC: Final = 0x668E33EF
DATA_REPLY: Final = struct.Struct(">IHHQIQ")  # a structured reply's head, then the offset of the data
HOLE_REPLY: Final = struct.Struct(">IHHQIQI")  # the same, then the length of the hole
REPLY_DONE: Final = 1
BASE_ALLOCATION: Final = b"base:allocation"
BASE_ALLOCATION_ID: Final = 1

MAX_PAYLOAD_BYTES: Final = 32 * 1024 * 1024
MAX_OPTION_BYTES: Final = 16 * 1024
MAX_OPTIONS: Final = 128


class Option(IntEnum):
    """What a client may ask for while negotiating."""

    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    INFO = 6
    GO = 7
    STRUCTURED_REPLY = 8
    LIST_META_CONTEXT = 9
    SET_META_CONTEXT = 10


class OptionReply(IntEnum):
    """What we may answer to it."""

    ACK = 1
    SERVER = 2
    INFO = 3
    META_CONTEXT = 4
    ERR_UNSUP = 2**31 + 1
    ERR_INVALID = 2**31 + 3
    ERR_UNKNOWN = 2**31 + 6
    ERR_TOO_BIG = 2**31 + 9


class InfoType(IntEnum):
    """What GO and INFO tell of an export."""

    EXPORT = 0
    NAME = 1
    BLOCK_SIZE = 3


class TransmissionFlag(IntFlag):
    """What an export can do."""

    HAS_FLAGS = 1 << 0
    READ_ONLY = 1 << 1
    SEND_FLUSH = 1 << 2
    SEND_FUA = 1 << 3
    SEND_TRIM = 1 << 5
    SEND_WRITE_ZEROES = 1 << 6
    SEND_DF = 1 << 7
    CAN_MULTI_CONN = 1 << 8
    SEND_CACHE = 1 << 10
    SEND_FAST_ZERO = 1 << 11


class Command(IntEnum):
    """What a client may ask for of an export."""

    READ = 0
    WRITE = 1
    DISC = 2
    FLUSH = 3
    TRIM = 4
    CACHE = 5
    WRITE_ZEROES = 6
    BLOCK_STATUS = 7


class CommandFlag(IntFlag):
    """How it may ask."""

    FUA = 1 << 0
    NO_HOLE = 1 << 1
    DF = 1 << 2
    REQ_ONE = 1 << 3
    FAST_ZERO = 1 << 4


class ReplyType(IntEnum):
    """The kinds of structured reply chunks."""

    NONE = 0
    OFFSET_DATA = 1
    OFFSET_HOLE = 2
    BLOCK_STATUS = 5
    ERROR = 2**15 + 1


class NbdError(IntEnum):
    """The error numbers of the protocol."""

    EPERM = 1
    EIO = 5
    EINVAL = 22
    ENOSPC = 28
    EOVERFLOW = 75
    ESHUTDOWN = 108
