"""What can go wrong with a foreign disk file, sorted by what the caller can do about it.

FormatError
├── UnsafeDisk        the file reaches outside itself or lies: never accept it
├── UnsupportedDisk   the file is harmless, but not a disk of a kind we read: convert it first
├── DiskTooLarge      over a limit that an operator may raise
├── FetchRefused      the address is not one we may ask: use another, or let the operator allow it
├── FetchFailed       the other side did not deliver: mend it there, or try later
├── ConversionFailed  QEMU gave up on a file that looked sound
├── NoSpace           this machine is full
└── Cancelled         the caller asked for it
"""


class FormatError(Exception):
    """A disk file could not be taken in; `reason` may be shown to its owner, `detail` only to the operator."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class UnsafeDisk(FormatError):
    """The file refers to something outside itself, is encrypted, or contradicts itself."""


class UnsupportedDisk(FormatError):
    """The file is no disk, or a disk of a format or variant that is not taken."""


class DiskTooLarge(FormatError):
    """The file, or the disk in it, is larger than the limit."""


class FetchRefused(FormatError):
    """The URL's scheme, shape or address is not allowed."""


class FetchFailed(FormatError):
    """The server could not be reached, answered with an error or a page, or ended early, stalled or trickled."""


class PutFailed(FormatError):
    """A bucket did not take a file."""


class ConversionFailed(FormatError):
    """QEMU could not read the file to its end, or could not write the target."""


class NoSpace(FormatError):
    """There is no room left where the bytes should go."""


class Cancelled(FormatError):
    """The caller asked to stop."""
