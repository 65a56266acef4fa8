"""The block server: a process that serves trees to QEMU, and takes disk contents from QEMU, over NBD on a Unix socket.

It knows the region store and nothing else, and outlives the service that started it. One thread serves each connection.
"""

import argparse
import ctypes
import fcntl
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linocut.blocks.cache import ChunkCache
from linocut.blocks.control import Control
from linocut.blocks.disk_cache import DiskCache
from linocut.blocks.errors import BlockError, ServerUnavailable
from linocut.blocks.exports import Exports, IngestExport, TreeExport
from linocut.blocks.handshake import negotiate
from linocut.blocks.ingest_connection import IngestConnection
from linocut.blocks.processes import start_ticks
from linocut.blocks.readership import Readership
from linocut.blocks.sources import Sources
from linocut.blocks.store import DEFAULT_GRACE_S, RegionStore
from linocut.blocks.tree_connection import TreeConnection
from linocut.blocks.wire import Hangup, Wire

DEFAULT_MEMORY_MB: Final = 256

_MAX_CONNECTIONS: Final = 512
_HANDSHAKE_TIMEOUT_S: Final = 30.0
_SEND_BUFFER_BYTES: Final = 1024 * 1024
_SWITCH_INTERVAL_S: Final = 0.0005
_MAX_SOCKET_PATH_BYTES: Final = 107
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_log = logging.getLogger("linocut.blockd")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a block server runs."""

    store_url: str
    socket_path: Path
    control_path: Path | None = None
    pid_path: Path | None = None
    sources_path: Path | None = None
    memory_bytes: int = DEFAULT_MEMORY_MB * 2**20
    cache_directory: Path | None = None
    cache_bytes: int = 0
    socket_gid: int | None = None
    level: int = 1
    grace_s: float = DEFAULT_GRACE_S


def serve_blocks(settings: ServerSettings, ready: Callable[[], None], stop_descriptor: int) -> None:
    """Serve until a byte can be read from `stop_descriptor`; `ready` is called when clients may connect.

    Raises ServerUnavailable if another server has the socket, and BlockError if the store cannot be opened.
    """
    with ExitStack() as stack:
        stack.enter_context(_alone(settings.socket_path))
        store = stack.enter_context(
            RegionStore.open(
                settings.store_url, level=settings.level, grace_s=settings.grace_s, sources_path=settings.sources_path
            )
        )
        disk = DiskCache(settings.cache_directory, settings.cache_bytes) if settings.cache_directory else None
        cache = ChunkCache(store.shelf, settings.memory_bytes, disk)
        stack.callback(cache.close)
        server = _Server(Exports(store), store.sources, cache)
        stack.callback(server.close)
        server.listen(stack.enter_context(_listening(settings.socket_path, 0o660, settings.socket_gid)), server.serve_nbd)
        if settings.control_path is not None:
            control = stack.enter_context(_listening(settings.control_path, 0o600, None))
            server.listen(control, server.serve_control)
        if settings.pid_path is not None:
            _write_pid(settings.pid_path)
        ready()
        server.run(stop_descriptor)


class _Server:
    """Accepts connections and gives each a thread."""

    def __init__(self, exports: Exports, sources: Sources, cache: ChunkCache) -> None:
        self._exports = exports
        self._cache = cache
        self._readership = Readership()
        self._control = Control(exports, sources, cache, self._readership, lambda: len(self._connections))
        self._selector = selectors.DefaultSelector()
        self._connections: set[socket.socket] = set()

    def listen(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        """Have clients of a listening socket served by a function."""
        self._selector.register(listener, selectors.EVENT_READ, serve)

    def run(self, stop_descriptor: int) -> None:
        """Accept until told to stop."""
        self._selector.register(stop_descriptor, selectors.EVENT_READ, None)
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                if isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj, key.data)

    def _accept(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:  # the client has left again, or descriptors ran out
            _log.warning("cannot accept a connection: %s", error)
            return
        if len(self._connections) >= _MAX_CONNECTIONS:
            _log.warning("too many connections; one refused")
            connection.close()
            return
        self._connections.add(connection)
        threading.Thread(target=self._attend, args=(connection, serve), name="connection", daemon=True).start()

    def _attend(self, connection: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        try:
            serve(connection)
        except Hangup as hangup:
            _log.debug("connection ended: %s", hangup)
        except OSError as error:
            _log.info("connection broke: %s", error)
        except Exception:
            _log.exception("connection failed")
        finally:
            self._connections.discard(connection)
            connection.close()

    def serve_control(self, connection: socket.socket) -> None:
        """Serve one client of the control socket."""
        self._control.serve(connection)

    def serve_nbd(self, connection: socket.socket) -> None:
        """Serve one NBD client."""
        connected_s = time.time()
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        wire = Wire(connection)
        connection.settimeout(_HANDSHAKE_TIMEOUT_S)
        session = negotiate(wire, self._exports.find)
        connection.settimeout(None)
        export = session.export
        if isinstance(export, TreeExport):
            with self._readership.joined_by(connection, export.tree.root, connected_s) as reader:
                TreeConnection(wire, session, export, self._cache, reader).serve()
        elif isinstance(export, IngestExport):
            IngestConnection(wire, session, export).serve()

    def close(self) -> None:
        """Hang up on everybody and give up what they were writing."""
        self._selector.close()
        self._exports.abort_all()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def _alone(socket_path: Path) -> Iterator[None]:
    """Hold the lock that makes this the only server of a socket path."""
    lock = os.open(socket_path.with_name(socket_path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServerUnavailable(f"another block server has {socket_path}") from error
        yield
    finally:
        os.close(lock)


@contextmanager
def _listening(path: Path, mode: int, gid: int | None) -> Iterator[socket.socket]:
    """Listen on a Unix socket of our own, whoever left one there before."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH_BYTES:
        raise ServerUnavailable(f"the path of a Unix socket has at most {_MAX_SOCKET_PATH_BYTES} bytes: {path}")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        umask = os.umask(0o777 & ~mode)
        try:
            listener.bind(str(path))
        finally:
            os.umask(umask)
        if gid is not None:
            os.chown(path, -1, gid)
        listener.listen(128)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _write_pid(path: Path) -> None:
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps({"pid": os.getpid(), "start_ticks": start_ticks(os.getpid())}))
    draft.rename(path)


def _keep_freed_memory() -> None:
    """Have the allocator reuse half-megabyte buffers rather than map fresh pages, each of which costs a fault, for every one."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 4)
        libc.mallopt(_M_MMAP_THRESHOLD, 8 * 2**20)
        libc.mallopt(_M_TRIM_THRESHOLD, 32 * 2**20)


def _announce_ready() -> None:
    """Print `ready`, then let go of standard output: whoever started us may have left."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _parse(argv: list[str]) -> ServerSettings:
    parser = argparse.ArgumentParser(prog="linocut blockd", description="Serve the trees of a region store over NBD.")
    parser.add_argument("--store", required=True, metavar="URL", help="file:///dir or s3://bucket/prefix?endpoint=…")
    parser.add_argument("--socket", required=True, type=Path, metavar="PATH", help="where NBD clients connect")
    parser.add_argument("--control", type=Path, metavar="PATH", help="where the service connects")
    parser.add_argument("--pid-file", type=Path, metavar="PATH", help="where to write the process's identity")
    parser.add_argument("--sources", type=Path, metavar="PATH", help="where to remember the stores that are read through")
    parser.add_argument("--memory-mb", type=int, default=DEFAULT_MEMORY_MB, metavar="N", help="cache in memory, in MiB")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="cache on disk; worth it for a store far away")
    parser.add_argument("--cache-mb", type=int, default=10 * 1024, metavar="N", help="its size in MiB")
    parser.add_argument("--socket-gid", type=int, metavar="GID", help="the group that may connect")
    parser.add_argument("--level", type=int, default=1, metavar="N", help="zstd level for ingests")
    parser.add_argument("--grace-s", type=float, default=DEFAULT_GRACE_S, metavar="N", help="the store's grace period")
    chosen = parser.parse_args(argv)
    return ServerSettings(
        store_url=chosen.store,
        socket_path=chosen.socket,
        control_path=chosen.control,
        pid_path=chosen.pid_file,
        sources_path=chosen.sources,
        memory_bytes=chosen.memory_mb * 2**20,
        cache_directory=chosen.cache,
        cache_bytes=chosen.cache_mb * 2**20,
        socket_gid=chosen.socket_gid,
        level=chosen.level,
        grace_s=chosen.grace_s,
    )


def main(argv: list[str]) -> int:
    """Run a block server until SIGTERM or SIGINT; return the exit code."""
    settings = _parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    _keep_freed_memory()
    stop_reading, stop_writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: os.write(stop_writing, b"x"))
    try:
        serve_blocks(settings, _announce_ready, stop_reading)
    except (BlockError, OSError) as error:
        _log.error("cannot serve: %s", error)
        return 1
    _log.info("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
