"""Starting a block server, finding it again, and asking it for ingests."""

import json
import os
import secrets
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from linocut.blocks.control import ask
from linocut.blocks.errors import ServerUnavailable
from linocut.blocks.processes import start_ticks
from linocut.model.ids import RootDigest

_SOCKET: Final = "blocks.sock"
_CONTROL: Final = "control.sock"
_IDENTITY: Final = "blockd.json"
_SOURCES: Final = "sources.json"
_LOG: Final = "blockd.log"
_MAX_LOG_BYTES: Final = 16 * 2**20
_START_TIMEOUT_S: Final = 20.0
_ASK_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class IngestHandle:
    """An ingest in a block server, to be filled over NBD. Its verbs raise IngestGone if the server has died since."""

    server: "BlockServer"
    token: str
    size_bytes: int

    @property
    def export(self) -> str:
        """The NBD export to write to."""
        return f"ingest/{self.token}"

    @property
    def shielded_export(self) -> str:
        """The same for a QEMU that copies what its guest writes: no write to it fails, and `seal` raises what went wrong."""
        return f"shielded/{self.token}/{self.size_bytes}"

    @property
    def uri(self) -> str:
        """The same as an NBD URI."""
        return self.server.uri(self.export)

    def seal(self) -> RootDigest:
        """Make a durable tree of what was written; asking again gives the same root. Raises StoreFull, StoreUnavailable."""
        return RootDigest(self.server.ask({"do": "seal", "token": self.token}, timeout_s=None)["root"])

    def written_bytes(self) -> int:
        """Return how many bytes have been written, zeroed or trimmed so far."""
        return int(self.server.ask({"do": "progress", "token": self.token})["written_bytes"])

    def abort(self) -> None:
        """Have the server forget the ingest, sealed or not. Harmless where it is gone, or the server is."""
        with suppress(ServerUnavailable):
            self.server.ask({"do": "abort", "token": self.token})


@dataclass(frozen=True, slots=True)
class BlockServer:
    """A block server that runs in a process of its own, known by its directory."""

    directory: Path
    pid: int
    start_ticks: int

    @classmethod
    def start(
        cls,
        directory: Path,
        store_url: str,
        *,
        memory_bytes: int = 256 * 2**20,
        cache_bytes: int = 0,
        socket_gid: int | None = None,
        level: int = 1,
        grace_s: float = 86400.0,
    ) -> Self:
        """Return the directory's server, started if there is none alive; it outlives this process.

        `cache_bytes` above zero keeps chunks in ``directory/cache`` as well. Raises ServerUnavailable, with the end of its log.
        """
        found = cls.find(directory)
        if found is not None:
            return found
        directory.mkdir(parents=True, exist_ok=True)
        options = {
            "--store": store_url,
            "--socket": directory / _SOCKET,
            "--control": directory / _CONTROL,
            "--pid-file": directory / _IDENTITY,
            "--sources": directory / _SOURCES,
            "--memory-mb": memory_bytes // 2**20,
            "--level": level,
            "--grace-s": grace_s,
        }
        if cache_bytes > 0:
            options |= {"--cache": directory / "cache", "--cache-mb": cache_bytes // 2**20}
        if socket_gid is not None:
            options["--socket-gid"] = socket_gid
        argv = [sys.executable, "-m", "linocut.blocks.server", *(str(word) for pair in options.items() for word in pair)]
        _spawn(argv, _fresh_log(directory / _LOG))
        started = cls.find(directory)
        if started is None:
            raise ServerUnavailable("the block server ended right after it started")
        return started

    @classmethod
    def find(cls, directory: Path) -> Self | None:
        """Return the server that lives in a directory, or None."""
        try:
            identity = json.loads((directory / _IDENTITY).read_text(encoding="utf-8"))
            server = cls(directory, int(identity["pid"]), int(identity["start_ticks"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return server if server.alive() else None

    @property
    def socket_path(self) -> Path:
        """Where NBD clients connect."""
        return self.directory / _SOCKET

    @property
    def log_path(self) -> Path:
        """Where the server writes its log."""
        return self.directory / _LOG

    def uri(self, export: str) -> str:
        """Return the NBD URI of an export, such as ``tree/<root>``."""
        return f"nbd+unix:///{export}?socket={quote(str(self.socket_path))}"

    def alive(self) -> bool:
        """Tell whether this very process runs."""
        ticks = start_ticks(self.pid)
        if ticks is None:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        return ticks == self.start_ticks

    def ingest(self, size_bytes: int, parent: RootDigest | None = None) -> IngestHandle:
        """Begin an ingest, as `RegionStore.ingest` does."""
        token = secrets.token_urlsafe(24)
        self.ask({"do": "open_ingest", "token": token, "size_bytes": size_bytes, "parent": parent})
        return IngestHandle(self, token, size_bytes)

    def abort_ingests(self) -> None:
        """Have the server forget every ingest: those whose owner has died go nowhere."""
        self.ask({"do": "abort_all"})

    def read_through(self, root: RootDigest, source_url: str) -> None:
        """Have what an arriving tree still lacks read from another store, and kept, until `end_read_through`.

        A server that is started in the same directory later goes on. Raises RequestInvalid, StoreUnavailable.
        """
        self.ask({"do": "read_through", "root": root, "source_url": source_url})

    def end_read_through(self, root: RootDigest) -> None:
        """Have a tree read from its own store alone again. Harmless where that is so already."""
        self.ask({"do": "end_read_through", "root": root})

    def stat(self) -> dict[str, Any]:
        """Return counters: hits, misses, corrupt_reads, connections, ingests, readers of trees with their first times, …."""
        return self.ask({"do": "stat"})

    def counters(self, timeout_s: float = 2.0) -> dict[str, int]:
        """Return those of the same that are numbers. Raises ServerUnavailable for one that does not answer in time."""
        answer = self.ask({"do": "stat"}, timeout_s)
        return {name: value for name, value in answer.items() if isinstance(value, int)}

    def clear_cache(self) -> None:
        """Have the server forget the chunks it holds in memory."""
        self.ask({"do": "clear_cache"})

    def ask(self, request: dict[str, Any], timeout_s: float | None = _ASK_TIMEOUT_S) -> dict[str, Any]:
        """Send one request to the control socket. Raises the error that it answers; ServerUnavailable where it does not."""
        return ask(str(self.directory / _CONTROL), request, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the server and wait until it has. One that has ended is left alone; one that does not listen is killed."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + timeout_s
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.01)


def _fresh_log(path: Path) -> Path:
    """Return where to log; what a long life has written before is put aside once."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > _MAX_LOG_BYTES:
            path.rename(path.with_name(path.name + ".1"))
    return path


def _spawn(argv: list[str], log: Path) -> None:
    """Start a process that outlives us, and wait until it says it is ready. Raises ServerUnavailable."""
    reading, writing = os.pipe()
    try:
        pid = os.posix_spawn(
            argv[0],
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writing, 1),
                (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640),
            ],
            setsid=True,
        )
        os.close(writing)
        writing = -1
        _await_ready(reading, pid, log)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _await_ready(reading: int, pid: int, log: Path) -> None:
    readable, _, _ = select.select([reading], [], [], _START_TIMEOUT_S)
    if readable and os.read(reading, 16).startswith(b"ready"):
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
    raise ServerUnavailable(f"the block server did not start: {' / '.join(lines)}")
