"""An ingest on which no write fails.

QEMU copies what a guest is about to overwrite before it lets the guest do so, and where the copy fails, so does the guest's
write: a store that is full would break guests. On a shielded ingest whatever cannot be kept makes the ingest void instead. From
then on writes are taken and dropped, so that the copy comes to its end soon, and sealing the ingest raises what went wrong.
"""

from collections.abc import Callable, Iterator

from linocut.blocks.errors import BlockError, RequestInvalid
from linocut.blocks.ingest import Ingest
from linocut.blocks.tree import Extent, require_range


class ShieldedIngest:
    """An ingest as it is written to; without one, everything is dropped. Only RequestInvalid is raised."""

    def __init__(self, ingest: Ingest | None, size_bytes: int) -> None:
        self._ingest = ingest
        self.size_bytes = size_bytes

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at an offset."""
        require_range(self.size_bytes, offset, len(data))
        self._keep(lambda ingest: ingest.write(offset, data))

    def write_zeroes(self, offset: int, length: int) -> None:
        """Make a range read as zeros."""
        require_range(self.size_bytes, offset, length)
        self._keep(lambda ingest: ingest.write_zeroes(offset, length))

    def flush(self) -> None:
        """Return when everything written before is in the store, or dropped."""
        self._keep(lambda ingest: ingest.flush())

    def read(self, offset: int, length: int) -> bytes:
        """Refuse: what was dropped cannot be read."""
        raise RequestInvalid(f"bytes {offset} to {offset + length} of a disk that is only written")

    def runs(self, offset: int, length: int) -> Iterator[Extent]:
        """Refuse, as reading."""
        raise RequestInvalid(f"bytes {offset} to {offset + length} of a disk that is only written")

    def _keep(self, write: Callable[[Ingest], None]) -> None:
        if self._ingest is None:
            return
        try:
            write(self._ingest)
        except BlockError as error:
            self._ingest.make_void(error)
