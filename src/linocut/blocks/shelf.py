"""Chunks and nodes in a region store: named by digest, verified on every read, written once.

Writing something that is there already costs a look-up, unless what is there is older than half of the grace period: then it is
written again, which makes it young. Garbage collection deletes nothing younger than the grace period, so whoever writes or
reuses a chunk has at least half of that period to make it reachable. That closes the race of writers against the sweep, without
locks.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from linocut.blocks.errors import FormatUnknown, IngestGone, ObjectCorrupt, ObjectMissing
from linocut.blocks.frames import MAX_FRAME_BYTES, Frames, digest_of
from linocut.blocks.nodes import CHUNK_BYTES, LEAF_MAGIC, MAX_LEAF_BYTES, MAX_NODE_BYTES, Chunk, Root, decode_leaf, decode_root
from linocut.blocks.objects import ObjectInfo, Objects
from linocut.model.ids import RootDigest

CHUNKS: Final = "chunks"
TREES: Final = "trees"

_MANIFEST_NAME: Final = "store.toml"
_MANIFEST: Final = f"# A Linocut region store\nformat = 1\nchunk_bytes = {CHUNK_BYTES}\n".encode()
_MAX_MANIFEST_BYTES: Final = 4096
_LEAVES_KEPT: Final = 256
"""Those of 128 GiB of disk, oldest out first; about 40 MB at most."""


def object_name(folder: str, digest: bytes) -> str:
    """Return the name of the chunk or node of this digest."""
    text = digest.hex()
    return f"{folder}/{text[:2]}/{text}"


class Shelf:
    """The chunks and nodes of one region store. Safe to share between threads."""

    def __init__(self, objects: Objects, *, level: int, grace_s: float, now: Callable[[], float] = time.time) -> None:
        self.objects = objects
        self.grace_s = grace_s
        self.now = now
        self._frames = Frames(level)
        self._leaves: OrderedDict[bytes, tuple[Chunk | None, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def require_format(self) -> None:
        """Create the manifest of an empty store, or check the one there is. Raises FormatUnknown."""
        try:
            found = self.objects.get(_MANIFEST_NAME, _MAX_MANIFEST_BYTES)
        except ObjectMissing:
            self.objects.put(_MANIFEST_NAME, _MANIFEST)
        except ObjectCorrupt as error:
            raise FormatUnknown(str(error)) from error
        else:
            _require_known_manifest(bytes(found))

    def read_chunk(self, digest: bytes, into: bytearray) -> int:
        """Fill `into` with a chunk's plain bytes, verified; return its stored size. Raises ObjectUnreadable, StoreUnavailable."""
        name = object_name(CHUNKS, digest)
        frame = self.objects.get(name, MAX_FRAME_BYTES)
        self._frames.unpack(name, digest, frame, into)
        return len(frame)

    def read_root(self, root: RootDigest) -> Root:
        """Return a root node, verified. Raises ObjectUnreadable, StoreUnavailable."""
        return decode_root(self._read_node(bytes.fromhex(root), MAX_NODE_BYTES))

    def read_leaf(self, digest: bytes) -> tuple[Chunk | None, ...]:
        """Return the chunks of a leaf, verified; those read of late are kept. Raises ObjectUnreadable, StoreUnavailable."""
        with self._lock:
            kept = self._leaves.get(digest)
        if kept is not None:
            return kept
        chunks = decode_leaf(self._read_node(digest, MAX_LEAF_BYTES))
        with self._lock:
            self._leaves[digest] = chunks
            if len(self._leaves) > _LEAVES_KEPT:
                self._leaves.popitem(last=False)
        return chunks

    def check_node(self, digest: bytes) -> int:
        """Return the size of a sound node, leaf or root. Raises ObjectUnreadable, StoreUnavailable."""
        data = self._read_node(digest, MAX_NODE_BYTES)
        if data.startswith(LEAF_MAGIC):
            decode_leaf(data)
        else:
            decode_root(data)
        return len(data)

    def _read_node(self, digest: bytes, limit_bytes: int) -> bytes:
        name = object_name(TREES, digest)
        data = bytes(self.objects.get(name, limit_bytes))
        if digest_of(data) != digest:
            raise ObjectCorrupt(f"{name}: its bytes have another digest")
        return data

    def writer(self) -> "ShelfWriter":
        """Return a writer for one new tree."""
        return ShelfWriter(self, self._frames)


class ShelfWriter:
    """Writes the chunks and nodes of one new tree. Safe to share between threads."""

    def __init__(self, shelf: Shelf, frames: Frames) -> None:
        self._shelf = shelf
        self._frames = frames
        self._began_s = shelf.now()
        self._rescued: set[str] = set()
        self._lock = threading.Lock()

    def put_chunk(self, digest: bytes, plain: bytes | bytearray) -> Chunk:
        """Store a whole chunk under its digest. Raises StoreFull, StoreUnavailable."""
        name = object_name(CHUNKS, digest)
        found = self._found_young(name, MAX_FRAME_BYTES)
        if found is not None:
            return Chunk(digest, found.size_bytes)
        frame = self._frames.pack(plain)
        self._shelf.objects.put(name, frame)
        return Chunk(digest, len(frame))

    def put_node(self, data: bytes) -> bytes:
        """Store a node and return its digest. Raises StoreFull, StoreUnavailable."""
        digest = digest_of(data)
        name = object_name(TREES, digest)
        if self._found_young(name, MAX_NODE_BYTES) is None:
            self._shelf.objects.put(name, data)
        return digest

    def require_unswept(self) -> None:
        """Raise IngestGone if the sweep may have taken something that this writer relies on; asked before the root is written."""
        shelf = self._shelf
        if shelf.now() - self._began_s > max(shelf.grace_s / 4, 60.0):
            raise IngestGone("the ingest took longer than a quarter of the store's grace period; start anew")
        with self._lock:
            rescued = tuple(self._rescued)
        for name in rescued:
            if shelf.objects.info(name) is None:
                raise IngestGone(f"{name} was swept while it was being written again; start anew")

    def _found_young(self, name: str, limit_bytes: int) -> ObjectInfo | None:
        """Return what is stored under a name if it is whole by its size, and young enough to rely on."""
        found = self._shelf.objects.info(name)
        if found is None or not 0 < found.size_bytes <= limit_bytes:
            return None
        age_s = self._shelf.now() - found.modified_s
        if age_s >= self._shelf.grace_s:
            with self._lock:
                self._rescued.add(name)
        return found if age_s < self._shelf.grace_s / 2 else None


def _require_known_manifest(found: bytes) -> None:
    import tomllib

    try:
        values = tomllib.loads(found.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FormatUnknown(f"{_MANIFEST_NAME} is not readable: {error}") from error
    expected = tomllib.loads(_MANIFEST.decode())
    if values != expected:
        raise FormatUnknown(f"{_MANIFEST_NAME} says {values}, expected {expected}")
