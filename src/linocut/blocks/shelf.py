"""Chunks and nodes in a region store: named by digest, verified on every read, written once.

Writing something that is there already costs a look-up, unless what is there is older than half of the grace period: then it is
written again, which makes it young. Garbage collection deletes nothing younger than the grace period, so whoever writes or
reuses a chunk has at least half of that period to make it reachable. That closes the race of writers against the sweep, without
locks.

The nodes of a tree whose chunks are still being copied from another store lie in ``arriving/``, and move to ``trees/`` when
all that they name has come. So a root in ``trees/`` was written after everything that it reaches, always.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from linocut.blocks.errors import FormatUnknown, IngestGone, ObjectCorrupt, ObjectMissing, ObjectUnreadable
from linocut.blocks.frames import MAX_FRAME_BYTES, Frames, digest_of
from linocut.blocks.nodes import (
    CHUNK_BYTES,
    MAX_LEAF_BYTES,
    MAX_NODE_BYTES,
    Chunk,
    Root,
    decode_leaf,
    decode_root,
    leaf_entries,
)
from linocut.blocks.objects import ObjectInfo, Objects
from linocut.model.ids import RootDigest

if TYPE_CHECKING:
    from linocut.blocks.sources import Sources

CHUNKS: Final = "chunks"
TREES: Final = "trees"
ARRIVING: Final = "arriving"

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
        self.sources: Sources | None = None
        """Where chunks are read that have not arrived yet, if any are awaited."""
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
        """Fill `into` with a chunk's plain bytes, verified; return its stored size. Raises ObjectUnreadable, StoreUnavailable.

        A chunk that is awaited is brought from where it comes from.
        """
        try:
            return len(self.read_frame(digest, into))
        except ObjectUnreadable as error:
            if not self.sources:
                raise
            return len(self.sources.bring(digest, into, error))

    def read_frame(self, digest: bytes, into: bytearray) -> bytes:
        """Fill `into` with the plain bytes of a chunk that lies here, verified; return its frame.

        Raises ObjectUnreadable, StoreUnavailable.
        """
        name = object_name(CHUNKS, digest)
        frame = self.objects.get(name, MAX_FRAME_BYTES)
        self._frames.unpack(name, digest, frame, into)
        return frame

    def read_root(self, root: RootDigest) -> Root:
        """Return a root node, verified. Raises ObjectUnreadable, StoreUnavailable."""
        return decode_root(self.read_node(bytes.fromhex(root), MAX_NODE_BYTES))

    def read_leaf(self, digest: bytes) -> tuple[Chunk | None, ...]:
        """Return the chunks of a leaf, verified; those read of late are kept. Raises ObjectUnreadable, StoreUnavailable."""
        with self._lock:
            kept = self._leaves.get(digest)
        if kept is not None:
            return kept
        chunks = decode_leaf(self.read_node(digest, MAX_LEAF_BYTES))
        with self._lock:
            self._leaves[digest] = chunks
            if len(self._leaves) > _LEAVES_KEPT:
                self._leaves.popitem(last=False)
        return chunks

    def leaf_entries(self, digest: bytes) -> list[tuple[bytes, int]]:
        """Return a leaf's chunks without the holes, verified; for walks over many leaves, of which none is kept.

        Raises ObjectUnreadable, StoreUnavailable.
        """
        return leaf_entries(self.read_node(digest, MAX_LEAF_BYTES))

    def is_arriving(self, root: bytes) -> bool:
        """Tell whether a tree's nodes are here before its chunks. Raises StoreUnavailable.

        A root in `trees/` promises all that it reaches, whatever lies in `arriving/` beside it.
        """
        arriving, whole = (object_name(folder, root) for folder in (ARRIVING, TREES))
        return self.objects.info(arriving) is not None and self.objects.info(whole) is None

    def read_node(self, digest: bytes, limit_bytes: int = MAX_NODE_BYTES) -> bytes:
        """Return a node's bytes, verified, of a tree that is here or arriving. Raises ObjectUnreadable, StoreUnavailable."""
        try:
            return self.read_node_in(TREES, digest, limit_bytes)
        except ObjectMissing as missing:
            with suppress(ObjectMissing):
                return self.read_node_in(ARRIVING, digest, limit_bytes)
            with suppress(ObjectMissing):  # its tree may have arrived between the two looks
                return self.read_node_in(TREES, digest, limit_bytes)
            raise missing  # noqa: TRY201 - named, for the two others were raised since

    def read_node_in(self, folder: str, digest: bytes, limit_bytes: int = MAX_NODE_BYTES) -> bytes:
        """Return a node's bytes, verified, from this very folder. Raises ObjectUnreadable, StoreUnavailable."""
        name = object_name(folder, digest)
        data = bytes(self.objects.get(name, limit_bytes))
        if digest_of(data) != digest:
            raise ObjectCorrupt(f"{name}: its bytes have another digest")
        return data

    def writer(self) -> "ShelfWriter":
        """Return a writer for one new tree."""
        return ShelfWriter(self, self._frames)


class Presence(Enum):
    """What a writer finds under a name."""

    MISSING = auto()
    OLD = auto()
    """There, but to be written again before it is relied on."""
    YOUNG = auto()


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
        presence, found = self._look_up(name, MAX_FRAME_BYTES)
        if found is not None and presence is Presence.YOUNG:
            return Chunk(digest, found.size_bytes)
        frame = self._frames.pack(plain)
        self._shelf.objects.put(name, frame)
        return Chunk(digest, len(frame))

    def chunk_presence(self, digest: bytes) -> Presence:
        """Tell whether a chunk is here, and young enough to rely on. Raises StoreUnavailable."""
        return self._look_up(object_name(CHUNKS, digest), MAX_FRAME_BYTES)[0]

    def node_presence(self, digest: bytes) -> Presence:
        """Tell whether a node is in `trees/`, and young enough to rely on. Raises StoreUnavailable."""
        return self._look_up(object_name(TREES, digest), MAX_NODE_BYTES)[0]

    def put_frame(self, digest: bytes, frame: bytes) -> None:
        """Store a chunk whose frame has been verified. Raises StoreFull, StoreUnavailable."""
        self._shelf.objects.put(object_name(CHUNKS, digest), frame)

    def put_node(self, data: bytes, folder: str = TREES) -> bytes:
        """Store a node and return its digest. Raises StoreFull, StoreUnavailable."""
        digest = digest_of(data)
        self.put_named_node(digest, data, folder)
        return digest

    def put_named_node(self, digest: bytes, data: bytes, folder: str) -> bool:
        """Store a node whose digest is known, and tell whether that took a write. Raises StoreFull, StoreUnavailable."""
        name = object_name(folder, digest)
        if self._look_up(name, MAX_NODE_BYTES)[0] is Presence.YOUNG:
            return False
        self._shelf.objects.put(name, data)
        return True

    def require_unswept(self) -> None:
        """Raise IngestGone if the sweep may have taken something that this writer relies on; asked before the root is written."""
        shelf = self._shelf
        if shelf.now() - self._began_s > shelf.grace_s / 4:
            raise IngestGone("the ingest took longer than a quarter of the store's grace period; start anew")
        with self._lock:
            rescued = tuple(self._rescued)
        for name in rescued:
            if shelf.objects.info(name) is None:
                raise IngestGone(f"{name} was swept while it was being written again; start anew")

    def _look_up(self, name: str, limit_bytes: int) -> tuple[Presence, ObjectInfo | None]:
        """Return what is stored under a name, if it is whole by its size."""
        found = self._shelf.objects.info(name)
        if found is None or not 0 < found.size_bytes <= limit_bytes:
            return Presence.MISSING, None
        age_s = self._shelf.now() - found.modified_s
        if age_s >= self._shelf.grace_s * 3 / 4:  # it may be past all of it when it is written again, a quarter later at most
            with self._lock:
                self._rescued.add(name)
        return (Presence.YOUNG if age_s < self._shelf.grace_s / 2 else Presence.OLD), found


def has_manifest(url: str) -> bool:
    """Tell whether a store was made at this URL. Raises RequestInvalid, StoreUnavailable."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(unquote(parts.path)).is_dir():
        return False
    return Objects.open(url, create=False).info(_MANIFEST_NAME) is not None


def _require_known_manifest(found: bytes) -> None:
    import tomllib

    try:
        values = tomllib.loads(found.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FormatUnknown(f"{_MANIFEST_NAME} is not readable: {error}") from error
    expected = tomllib.loads(_MANIFEST.decode())
    if values != expected:
        raise FormatUnknown(f"{_MANIFEST_NAME} says {values}, expected {expected}")
