"""The byte formats of tree nodes.

A tree is a root node that lists leaf nodes, each of which lists 1,024 chunks. Nodes are named by the BLAKE3 digest of their
bytes, so each content has one encoding only: decoding refuses everything that encoding would not have produced.
Integers are little-endian. The field tables are in ``docs/formats.md``.
"""

import struct
from operator import itemgetter
from typing import Final, NamedTuple

from linocut.blocks.errors import FormatUnknown, ObjectCorrupt, RequestInvalid

CHUNK_BYTES: Final = 512 * 1024
LEAF_CHUNKS: Final = 1024
LEAF_SPAN_BYTES: Final = CHUNK_BYTES * LEAF_CHUNKS
DIGEST_BYTES: Final = 32
MAX_DISK_BYTES: Final = 64 * 1024**4
"""Larger disks are refused, which bounds what a root node may make a reader allocate."""
NODE_VERSION: Final = 1

LEAF_MAGIC: Final = b"LCTL"
_ROOT_MAGIC: Final = b"LCTR"
_LEAF_HEAD: Final = struct.Struct("<4sHHI")  # magic, version, zero, count of chunks that are not holes
_ROOT_HEAD: Final = struct.Struct("<4sHHIIQ32s")  # magic, version, zero, chunk bytes, leaf count, disk bytes, parent
_ENTRY: Final = struct.Struct("<32sI")
_BITMAP_BYTES: Final = LEAF_CHUNKS // 8
_NO_DIGEST: Final = bytes(DIGEST_BYTES)

MAX_LEAF_BYTES: Final = _LEAF_HEAD.size + _BITMAP_BYTES + LEAF_CHUNKS * _ENTRY.size
MAX_NODE_BYTES: Final = _ROOT_HEAD.size + (MAX_DISK_BYTES // LEAF_SPAN_BYTES) * DIGEST_BYTES


class Chunk(NamedTuple):
    """One stored chunk: the digest of its plain bytes, and the size of its compressed frame."""

    digest: bytes
    stored_bytes: int


class Root(NamedTuple):
    """A root node: the disk's size, the tree it was made from, and its leaves (`None`: all hole)."""

    size_bytes: int
    parent: bytes | None
    leaves: tuple[bytes | None, ...]


def leaf_count(size_bytes: int) -> int:
    """Return how many leaves a disk of this size has."""
    return -(-size_bytes // LEAF_SPAN_BYTES)


def chunk_count(size_bytes: int) -> int:
    """Return how many chunks a disk of this size has, the last one padded with zeros."""
    return -(-size_bytes // CHUNK_BYTES)


def require_disk_size(size_bytes: int) -> None:
    """Raise RequestInvalid unless a tree can hold a disk of this size."""
    if not 0 < size_bytes <= MAX_DISK_BYTES:
        raise RequestInvalid(f"a disk has 1 to {MAX_DISK_BYTES} bytes, not {size_bytes}")


def encode_leaf(chunks: tuple[Chunk | None, ...]) -> bytes:
    """Return the bytes of a leaf of exactly 1,024 chunks, `None` for holes, at least one of them not a hole."""
    bitmap = bytearray(_BITMAP_BYTES)
    entries = []
    for index, chunk in enumerate(chunks):
        if chunk is not None:
            bitmap[index >> 3] |= 1 << (index & 7)
            entries.append(_ENTRY.pack(*chunk))
    return b"".join((_LEAF_HEAD.pack(LEAF_MAGIC, NODE_VERSION, 0, len(entries)), bitmap, *entries))


def decode_leaf(data: bytes) -> tuple[Chunk | None, ...]:
    """Return the 1,024 chunks of a leaf. Raises ObjectCorrupt or FormatUnknown."""
    entries = map(Chunk._make, leaf_entries(data))
    bitmap = _leaf_bitmap(data)
    return tuple(next(entries) if bitmap >> index & 1 else None for index in range(LEAF_CHUNKS))


def leaf_entries(data: bytes) -> list[tuple[bytes, int]]:
    """Return the digest and the stored size of each chunk in a leaf, without the holes. Raises ObjectCorrupt or FormatUnknown."""
    count = _leaf_chunks_stored(data)
    found = _leaf_bitmap(data).bit_count()
    if found != count:
        raise ObjectCorrupt(f"leaf: bitmap has {found} chunks, header says {count}")
    entries = list(_ENTRY.iter_unpack(memoryview(data)[_LEAF_HEAD.size + _BITMAP_BYTES :]))
    if 0 in map(itemgetter(1), entries):
        raise ObjectCorrupt("leaf: a stored chunk has no bytes")
    return entries


def _leaf_bitmap(data: bytes) -> int:
    return int.from_bytes(data[_LEAF_HEAD.size : _LEAF_HEAD.size + _BITMAP_BYTES], "little")


def _leaf_chunks_stored(data: bytes) -> int:
    if len(data) < _LEAF_HEAD.size + _BITMAP_BYTES:
        raise ObjectCorrupt(f"leaf: {len(data)} bytes is too short")
    magic, version, reserved, count = _LEAF_HEAD.unpack_from(data)
    _require_known("leaf", magic, LEAF_MAGIC, version, reserved)
    if not 0 < count <= LEAF_CHUNKS:
        raise ObjectCorrupt(f"leaf: {count} chunks, expected 1 to {LEAF_CHUNKS}")
    expected = _LEAF_HEAD.size + _BITMAP_BYTES + count * _ENTRY.size
    if len(data) != expected:
        raise ObjectCorrupt(f"leaf: {len(data)} bytes, expected {expected}")
    return int(count)


def encode_root(root: Root) -> bytes:
    """Return the bytes of a root node."""
    head = _ROOT_HEAD.pack(
        _ROOT_MAGIC, NODE_VERSION, 0, CHUNK_BYTES, len(root.leaves), root.size_bytes, root.parent or _NO_DIGEST
    )
    return b"".join((head, *(leaf or _NO_DIGEST for leaf in root.leaves)))


def decode_root(data: bytes) -> Root:
    """Return the root that these bytes are. Raises ObjectCorrupt or FormatUnknown."""
    if len(data) < _ROOT_HEAD.size:
        raise ObjectCorrupt(f"root: {len(data)} bytes is too short")
    magic, version, reserved, chunk_bytes, leaves, size_bytes, parent = _ROOT_HEAD.unpack_from(data)
    _require_known("root", magic, _ROOT_MAGIC, version, reserved)
    if chunk_bytes != CHUNK_BYTES:
        raise FormatUnknown(f"root: chunks of {chunk_bytes} bytes, expected {CHUNK_BYTES}")
    if not 0 < size_bytes <= MAX_DISK_BYTES or leaves != leaf_count(size_bytes):
        raise ObjectCorrupt(f"root: {leaves} leaves for a disk of {size_bytes} bytes")
    if len(data) != _ROOT_HEAD.size + leaves * DIGEST_BYTES:
        raise ObjectCorrupt(f"root: {len(data)} bytes for {leaves} leaves")
    return Root(size_bytes, _digest_or_none(parent), _leaf_digests(data))


def _leaf_digests(data: bytes) -> tuple[bytes | None, ...]:
    starts = range(_ROOT_HEAD.size, len(data), DIGEST_BYTES)
    return tuple(_digest_or_none(data[start : start + DIGEST_BYTES]) for start in starts)


def _digest_or_none(digest: bytes) -> bytes | None:
    return None if digest == _NO_DIGEST else digest


def _require_known(what: str, magic: bytes, expected_magic: bytes, version: int, reserved: int) -> None:
    if magic != expected_magic:
        raise ObjectCorrupt(f"{what}: starts with {magic!r}, expected {expected_magic!r}")
    if version != NODE_VERSION or reserved != 0:
        raise FormatUnknown(f"{what}: version {version}.{reserved}, expected {NODE_VERSION}.0")
