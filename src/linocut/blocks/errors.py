"""What can go wrong with chunks, trees and the block server, sorted by what a caller can do about it.

::

    BlockError
    ├── ObjectUnreadable        a tree cannot be read; the bytes at fault are named
    │   ├── ObjectMissing       the store has no object of that name
    │   ├── ObjectCorrupt       the object's bytes are not what its name promises
    │   └── FormatUnknown       written by a version that this one does not know
    ├── StoreUnavailable        the object store refuses or does not answer; trying again may help
    │   └── StoreFull           no space or quota is left; freeing some and starting anew helps
    ├── IngestGone              the ingest was sealed, aborted, timed out or died with its server; start anew
    ├── CopyCancelled           whoever asked for the copy wants it no more; what it wrote serves the next
    ├── RequestInvalid          the call itself makes no sense (a range outside the disk, a bad URL)
    └── ServerUnavailable       the block server is not there, or could not be started
"""


class BlockError(Exception):
    """Something about chunks, trees or the block server went wrong."""


class ObjectUnreadable(BlockError):
    """An object cannot be used; reading it again will not help."""


class ObjectMissing(ObjectUnreadable):
    """The store has no object of this name."""


class ObjectCorrupt(ObjectUnreadable):
    """The object's bytes are not what its name promises."""


class FormatUnknown(ObjectUnreadable):
    """The bytes belong to a format or version that this program does not know."""


class StoreUnavailable(BlockError):
    """The object store refuses or does not answer."""


class StoreFull(StoreUnavailable):
    """The object store has no room left."""


class IngestGone(BlockError):
    """The ingest no longer exists or takes no more bytes; its contents must be sent anew."""


class CopyCancelled(BlockError):
    """The copy was given up because its caller asked for that."""


class RequestInvalid(BlockError):
    """The call itself makes no sense."""


class ServerUnavailable(BlockError):
    """The block server is not there, or could not be started."""
