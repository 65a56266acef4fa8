"""Reading through: chunks that have not arrived yet are read from the store that they come from.

Whoever wants such a chunk gets it as soon as it has been verified, and it is written to the store that lacked it, where a copy
under way finds it in place. Any source is asked for any chunk, for a chunk's name is its content. What sources there are is kept
in a file, so that a block server that was started again goes on. Nothing here waits for a copy, nor a copy for anything here.
"""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Final

from linocut.blocks.errors import BlockError, ObjectMissing, ObjectUnreadable, RequestInvalid, StoreUnavailable
from linocut.blocks.objects import Objects
from linocut.blocks.shelf import CHUNKS, Shelf, object_name
from linocut.model.ids import RootDigest, is_root_digest

SOURCE_PATIENCE_S: Final = 20.0
"""How long a source in a bucket is asked for a chunk before the read fails; no more than twice as long with the last attempt."""
_log = logging.getLogger(__name__)


class Sources:
    """Where one store's missing chunks come from, by the trees that await them. Safe to share between threads."""

    def __init__(self, target: Shelf, record: Path | None = None) -> None:
        """Know the sources of a record, which is a JSON object of roots and URLs; without one, none, and remember none."""
        self._target = target
        self._record = record
        self._lock = threading.Lock()
        self._urls: dict[RootDigest, str] = {} if record is None else _read_record(record)
        self._opened: dict[str, Shelf] = {}
        self._failing: set[str] = set()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._urls)

    def add(self, root: RootDigest, url: str) -> None:
        """Read a tree's missing chunks from a store. Raises RequestInvalid; StoreUnavailable for a directory that is none."""
        if not is_root_digest(root):
            raise RequestInvalid(f"not a root digest: {root!r}")
        with self._lock:
            self._open(url)
            self._remember({**self._urls, root: url})

    def drop(self, root: RootDigest) -> None:
        """Read a tree's chunks from its own store alone. Harmless where that is so already."""
        with self._lock:
            if root in self._urls:
                self._remember({kept: url for kept, url in self._urls.items() if kept != root})

    def bring(self, digest: bytes, into: bytearray, missing: ObjectUnreadable) -> bytes:
        """Fetch a chunk, and put it into the store that lacks it."""
        frame = self.fetch(digest, into, missing)
        self.keep(digest, frame)
        return frame

    def fetch(self, digest: bytes, into: bytearray, missing: ObjectUnreadable) -> bytes:
        """Fill `into` with a chunk's plain bytes, verified, from any source; return its frame.

        Raises `missing`, which says why the store itself does not have it, where no source has it either; else what went wrong.
        """
        failure: BlockError = missing
        for url in self._in_order():
            try:
                frame = self._source(url).read_frame(digest, into)
            except ObjectMissing:
                continue
            except BlockError as error:
                if isinstance(error, StoreUnavailable):
                    self._failing.add(url)
                failure = type(error)(f"in the source: {error}")
                failure.__cause__ = error
            else:
                self._failing.discard(url)
                return frame
        raise failure

    def _in_order(self) -> list[str]:
        """Return the sources, those that did not answer last: what others have does not wait for them."""
        return sorted(set(self._urls.values()), key=lambda url: (url in self._failing, url))

    def keep(self, digest: bytes, frame: bytes) -> None:
        """Put a chunk into the store that lacked it. Failing to is logged, not raised: whoever wanted it has it."""
        try:
            self._target.objects.put(object_name(CHUNKS, digest), frame)
        except BlockError as error:
            _log.warning("a chunk was read through but not kept: %s: %s", type(error).__name__, error)

    def _source(self, url: str) -> Shelf:
        with self._lock:
            return self._open(url)

    def _open(self, url: str) -> Shelf:
        if url not in self._opened:
            objects = Objects.open(url, create=False, patience_s=SOURCE_PATIENCE_S)
            self._opened[url] = Shelf(objects, level=1, grace_s=self._target.grace_s)
        return self._opened[url]

    def _remember(self, urls: dict[RootDigest, str]) -> None:
        if self._record is not None:
            draft = self._record.with_name(self._record.name + ".draft")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(urls, file)
            draft.rename(self._record)
        self._urls = urls
        self._opened = {url: shelf for url, shelf in self._opened.items() if url in urls.values()}


def _read_record(path: Path) -> dict[RootDigest, str]:
    try:
        return {RootDigest(str(root)): str(url) for root, url in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, OSError):
        _log.exception("cannot read %s; reading through nothing", path)
        return {}
