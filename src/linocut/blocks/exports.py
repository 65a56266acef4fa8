"""What the block server serves.

- ``tree/<root>``: a tree, read-only;
- ``ingest/<token>``: an ingest, writable;
- ``shielded/<token>/<bytes>``: the same for a QEMU whose guest must not pay for what goes wrong here. No write to it fails, also
  where the server has been started anew and does not know the ingest.
"""

import logging
import re
import threading
import time
from collections import OrderedDict
from typing import Final

from linocut.blocks.errors import BlockError, IngestGone, RequestInvalid
from linocut.blocks.ingest import Ingest
from linocut.blocks.nbd_protocol import TransmissionFlag
from linocut.blocks.nodes import CHUNK_BYTES, MAX_DISK_BYTES
from linocut.blocks.shielded import ShieldedIngest
from linocut.blocks.store import RegionStore
from linocut.blocks.tree import Tree
from linocut.model.ids import RootDigest, is_root_digest

MAX_INGESTS: Final = 64
INGEST_IDLE_S: Final = 6 * 3600.0
"""An ingest that nobody has touched for so long is aborted when room is needed."""

_TREES_KEPT: Final = 32
_TOKEN: Final = re.compile(r"[0-9a-zA-Z_-]{22,64}")
_SHIELDED: Final = re.compile(rf"({_TOKEN.pattern})/([0-9]{{1,16}})")
_COMMON: Final = TransmissionFlag.HAS_FLAGS | TransmissionFlag.SEND_DF | TransmissionFlag.CAN_MULTI_CONN
_log = logging.getLogger(__name__)


class TreeExport:
    """A tree as a read-only disk."""

    flags = _COMMON | TransmissionFlag.READ_ONLY | TransmissionFlag.SEND_FLUSH | TransmissionFlag.SEND_CACHE
    preferred_bytes = 4096

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.size_bytes = tree.size_bytes


class IngestExport:
    """An ingest as a writable disk."""

    flags = (
        _COMMON
        | TransmissionFlag.SEND_FLUSH
        | TransmissionFlag.SEND_FUA
        | TransmissionFlag.SEND_TRIM
        | TransmissionFlag.SEND_WRITE_ZEROES
        | TransmissionFlag.SEND_FAST_ZERO
    )
    preferred_bytes = CHUNK_BYTES

    def __init__(self, ingest: Ingest | ShieldedIngest) -> None:
        self.ingest = ingest
        self.size_bytes = ingest.size_bytes


class Exports:
    """All exports of one server. Safe to share between threads."""

    def __init__(self, store: RegionStore) -> None:
        self._store = store
        self._trees: OrderedDict[str, TreeExport] = OrderedDict()
        self._ingests: dict[str, Ingest] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> TreeExport | IngestExport | None:
        """Return the export of this name, or None; why a tree cannot be opened is logged."""
        kind, _, rest = name.partition("/")
        if kind == "tree" and is_root_digest(rest):
            return self._tree(RootDigest(rest))
        if kind == "ingest":
            ingest = self._ingests.get(rest)
            return None if ingest is None else IngestExport(ingest)
        if kind == "shielded" and (match := _SHIELDED.fullmatch(rest)) is not None:
            return self._shielded(match[1], int(match[2]))
        return None

    def _shielded(self, token: str, size_bytes: int) -> IngestExport | None:
        ingest = self._ingests.get(token)
        if not 0 < size_bytes <= MAX_DISK_BYTES or (ingest is not None and ingest.size_bytes != size_bytes):
            return None
        return IngestExport(ShieldedIngest(ingest, size_bytes))

    def _tree(self, root: RootDigest) -> TreeExport | None:
        with self._lock:
            export = self._trees.get(root)
            if export is not None:
                self._trees.move_to_end(root)
                return export
        try:
            export = TreeExport(self._store.tree(root))
        except BlockError as error:
            _log.error("tree unreadable: %s: %s", type(error).__name__, error)
            return None
        with self._lock:
            export = self._trees.setdefault(root, export)
            while len(self._trees) > _TREES_KEPT:
                self._trees.popitem(last=False)
        return export

    def open_ingest(self, token: str, size_bytes: int, parent: RootDigest | None) -> None:
        """Add an ingest. Raises RequestInvalid, and ObjectUnreadable for the parent."""
        if _TOKEN.fullmatch(token) is None:
            raise RequestInvalid("a token has 22 to 64 letters, digits, - and _")
        ingest = self._store.ingest(size_bytes, parent)
        with self._lock:
            self._forget_idle()
            if token in self._ingests or len(self._ingests) >= MAX_INGESTS:
                raise RequestInvalid("the token is taken" if token in self._ingests else f"{MAX_INGESTS} ingests are open")
            self._ingests[token] = ingest

    def _forget_idle(self) -> None:
        idle = [token for token, ingest in self._ingests.items() if time.monotonic() - ingest.touched_s > INGEST_IDLE_S]
        for token in idle:
            self._ingests.pop(token).abort()

    def ingest(self, token: str) -> Ingest:
        """Return the ingest of a token. Raises IngestGone."""
        ingest = self._ingests.get(token)
        if ingest is None:
            raise IngestGone("no such ingest")
        return ingest

    def seal(self, token: str) -> RootDigest:
        """Seal an ingest; asking again gives the same root. Raises IngestGone, StoreFull, StoreUnavailable."""
        return self.ingest(token).seal()

    def abort(self, token: str) -> None:
        """Give up an ingest, sealed or not, and forget it. Aborting one that is gone is harmless."""
        with self._lock:
            ingest = self._ingests.pop(token, None)
        if ingest is not None:
            ingest.abort()

    def abort_all(self) -> None:
        """Give up every ingest."""
        for token in list(self._ingests):
            self.abort(token)

    @property
    def ingest_count(self) -> int:
        """How many ingests are open or sealed and not forgotten."""
        return len(self._ingests)
