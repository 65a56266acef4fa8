"""Reading a tree: a disk's content at one moment."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from linocut.blocks.errors import RequestInvalid
from linocut.blocks.frames import ZERO_CHUNK
from linocut.blocks.nodes import CHUNK_BYTES, LEAF_CHUNKS, Chunk, chunk_count
from linocut.blocks.shelf import Shelf
from linocut.model.ids import RootDigest

_NO_CHUNKS: Final[tuple[Chunk | None, ...]] = (None,) * LEAF_CHUNKS


class Extent(NamedTuple):
    """A run of the disk that is data, or a hole that reads as zeros."""

    offset: int
    length: int
    is_data: bool


class Tree:
    """One immutable tree. Leaves are read when first needed; every byte is verified. Safe to share between threads.

    Any reading verb raises ObjectUnreadable and StoreUnavailable, and RequestInvalid for a range beyond the disk's end.
    """

    def __init__(self, shelf: Shelf, root: RootDigest) -> None:
        node = shelf.read_root(root)
        self.root = root
        self.size_bytes = node.size_bytes
        self.parent = None if node.parent is None else RootDigest(node.parent.hex())
        self.leaves = node.leaves
        self._shelf = shelf

    def chunk(self, index: int) -> Chunk | None:
        """Return the stored chunk at an index, or None for a hole."""
        return self.leaf(index // LEAF_CHUNKS)[index % LEAF_CHUNKS]

    def leaf(self, number: int) -> tuple[Chunk | None, ...]:
        """Return the 1,024 chunks of a leaf; beyond the disk's end they are holes."""
        digest = self.leaves[number] if number < len(self.leaves) else None
        if digest is None:
            return _NO_CHUNKS
        return self._shelf.read_leaf(digest)

    def read(self, offset: int, length: int) -> bytes:
        """Return the disk's bytes in a range."""
        require_range(self.size_bytes, offset, length)
        scratch = bytearray(CHUNK_BYTES)
        return b"".join(self._piece(*piece, scratch) for piece in pieces(offset, length))

    def _piece(self, index: int, start: int, length: int, scratch: bytearray) -> bytes:
        chunk = self.chunk(index)
        if chunk is None:
            return ZERO_CHUNK[:length]
        self._shelf.read_chunk(chunk.digest, scratch)
        return bytes(memoryview(scratch)[start : start + length])

    def extents(self, offset: int, length: int) -> list[Extent]:
        """Return what is data and what is hole in a range, as alternating runs without gaps."""
        require_range(self.size_bytes, offset, length)
        return merge_extents(
            Extent(index * CHUNK_BYTES + start, size, self.chunk(index) is not None)
            for index, start, size in pieces(offset, length)
        )

    def data_chunks(self) -> list[tuple[int, Chunk]]:
        """Return every chunk that is not a hole, with its index."""
        return [
            (number * LEAF_CHUNKS + position, chunk)
            for number in range(len(self.leaves))
            for position, chunk in enumerate(self.leaf(number))
            if chunk is not None
        ]

    @property
    def chunk_count(self) -> int:
        """How many chunks the disk has, holes and a padded last one included."""
        return chunk_count(self.size_bytes)


def require_range(size_bytes: int, offset: int, length: int) -> None:
    """Raise RequestInvalid unless the range lies within a disk of this size."""
    if offset < 0 or length < 0 or offset + length > size_bytes:
        raise RequestInvalid(f"bytes {offset} to {offset + length} of a disk of {size_bytes}")


def pieces(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield (chunk index, start within the chunk, length) for each chunk that a range touches."""
    end = offset + length
    while offset < end:
        index, start = divmod(offset, CHUNK_BYTES)
        size = min(CHUNK_BYTES - start, end - offset)
        yield index, start, size
        offset += size


def merge_extents(extents: Iterable[Extent]) -> list[Extent]:
    """Join neighbouring runs of the same kind."""
    merged: list[Extent] = []
    for extent in extents:
        if merged and merged[-1].is_data == extent.is_data:
            merged[-1] = Extent(merged[-1].offset, merged[-1].length + extent.length, extent.is_data)
        else:
            merged.append(extent)
    return merged
