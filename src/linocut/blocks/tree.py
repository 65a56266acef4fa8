"""Reading a tree: a disk's content at one moment."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from linocut.blocks.errors import RequestInvalid
from linocut.blocks.frames import ZERO_CHUNK
from linocut.blocks.nodes import CHUNK_BYTES, LEAF_CHUNKS, LEAF_SPAN_BYTES, Chunk, chunk_count
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
        return list(self.runs(offset, length))

    def runs(self, offset: int, length: int) -> Iterator[Extent]:
        """Yield the same one by one, reading no more of the tree than is asked for."""
        require_range(self.size_bytes, offset, length)
        return joined(self._chunk_extents(offset, offset + length))

    def _chunk_extents(self, offset: int, end: int) -> Iterator[Extent]:
        while offset < end:
            number = offset // LEAF_SPAN_BYTES
            leaf_end = min(end, (number + 1) * LEAF_SPAN_BYTES)
            if self.leaves[number] is None:
                yield Extent(offset, leaf_end - offset, is_data=False)
            else:
                chunks = self.leaf(number)
                for index, start, size in pieces(offset, leaf_end - offset):
                    yield Extent(index * CHUNK_BYTES + start, size, chunks[index % LEAF_CHUNKS] is not None)
            offset = leaf_end

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


def joined(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Yield runs in which neighbours of the same kind are one."""
    held: Extent | None = None
    for extent in extents:
        if held is not None and held.is_data != extent.is_data:
            yield held
            held = None
        held = extent if held is None else Extent(held.offset, held.length + extent.length, held.is_data)
    if held is not None:
        yield held
