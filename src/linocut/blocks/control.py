"""The control socket of the block server: one JSON object a line, each way.

A request is ``{"do": verb, …}``; the answer ``{"ok": {…}}``, or ``{"error": name of a BlockError, "message": text}``.
"""

import json
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from linocut.blocks import errors
from linocut.blocks.cache import ChunkCache
from linocut.blocks.errors import BlockError, ServerUnavailable
from linocut.blocks.exports import Exports
from linocut.blocks.readership import Readership
from linocut.blocks.sources import Sources
from linocut.model.ids import RootDigest

_MAX_LINE_BYTES: Final = 64 * 1024
_log = logging.getLogger(__name__)

Verb = Callable[[Mapping[str, Any]], dict[str, Any]]


class Control:
    """Carries out what the service asks of its block server. Safe to share between threads."""

    def __init__(
        self,
        exports: Exports,
        sources: Sources,
        cache: ChunkCache,
        readership: Readership,
        connection_count: Callable[[], int],
    ) -> None:
        self._exports = exports
        self._sources = sources
        self._cache = cache
        self._readership = readership
        self._connection_count = connection_count
        self._verbs: dict[str, Verb] = {
            "open_ingest": self._open_ingest,
            "seal": self._seal,
            "abort": self._abort,
            "abort_all": self._abort_all,
            "progress": self._progress,
            "read_through": self._read_through,
            "end_read_through": self._end_read_through,
            "clear_cache": self._clear_cache,
            "stat": self._stat,
        }

    def serve(self, connection: socket.socket) -> None:
        """Answer one client until it leaves."""
        with connection, connection.makefile("rwb") as stream:
            while line := stream.readline(_MAX_LINE_BYTES):
                stream.write(json.dumps(self.answer(line)).encode() + b"\n")
                stream.flush()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to one request."""
        try:
            request = json.loads(line)
            return {"ok": self._verbs[request["do"]](request)}
        except BlockError as error:
            return {"error": type(error).__name__, "message": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return {"error": "RequestInvalid", "message": f"malformed request: {error!r}"}
        except Exception as error:
            _log.exception("control request failed")
            return {"error": "BlockError", "message": repr(error)}

    def _open_ingest(self, request: Mapping[str, Any]) -> dict[str, Any]:
        parent = request.get("parent")
        root = None if parent is None else RootDigest(str(parent))
        self._exports.open_ingest(str(request["token"]), int(request["size_bytes"]), root)
        return {}

    def _seal(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"root": self._exports.seal(str(request["token"]))}

    def _abort(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._exports.abort(str(request["token"]))
        return {}

    def _abort_all(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self._exports.abort_all()
        return {}

    def _progress(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"written_bytes": self._exports.ingest(str(request["token"])).written_bytes}

    def _read_through(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._sources.add(RootDigest(str(request["root"])), str(request["source_url"]))
        return {}

    def _end_read_through(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._sources.drop(RootDigest(str(request["root"])))
        return {}

    def _clear_cache(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self._cache.clear()
        return {}

    def _stat(self, _: Mapping[str, Any]) -> dict[str, Any]:
        counters = self._cache.counters
        return {
            "hits": counters.hits,
            "misses": counters.misses,
            "disk_hits": counters.disk_hits,
            "corrupt_reads": counters.corrupt_reads,
            "failed_reads": counters.failed_reads,
            "through_reads": counters.through_reads,
            "cached_chunks": len(self._cache.views),
            "connections": self._connection_count(),
            "ingests": self._exports.ingest_count,
            "readers": self._readership.list(),
        }


def ask(path: str, request: Mapping[str, Any], timeout_s: float | None) -> dict[str, Any]:
    """Send one request to a block server. Raises the BlockError that it answers, ServerUnavailable where it does not."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(path)
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                line = stream.readline()
    except OSError as error:
        raise ServerUnavailable(f"the block server at {path} does not answer: {error}") from error
    if not line.endswith(b"\n"):
        raise ServerUnavailable(f"the block server at {path} left before it answered")
    answer = json.loads(line)
    if "error" in answer:
        raise _error_named(answer["error"])(answer["message"])
    result: dict[str, Any] = answer["ok"]
    return result


def _error_named(name: str) -> type[BlockError]:
    kind = getattr(errors, name, BlockError)
    return kind if isinstance(kind, type) and issubclass(kind, BlockError) else BlockError
