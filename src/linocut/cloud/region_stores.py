"""The region stores, and the block server of each on this host.

A region store is opened when it is first needed. So is its block server, a process that outlives the service: a later service
finds it by its sockets. A supervisor starts a block server again when it has died; guests reconnect by themselves.
"""

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from linocut.blocks import BlockServer, RegionStore, ServerUnavailable
from linocut.formats import RunAs
from linocut.model.ids import Region, RootDigest
from linocut.settings import Settings

_WATCH_INTERVAL_S: Final = 0.5
_MIB: Final = 1024**2
_log = structlog.get_logger(__name__)


class RegionStores:
    """Opens region stores and keeps their block servers alive."""

    def __init__(self, settings: Settings, *, run_as: RunAs | None, now: Callable[[], float]) -> None:
        """Use these settings; `run_as` is who reads foreign files and runs guests, and may connect to block servers."""
        self._settings = settings
        self.run_as = run_as
        self._now = now
        self._lock = threading.Lock()
        self._stores: dict[Region, RegionStore] = {}
        self._servers: dict[Region, BlockServer] = {}
        self._closed = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="block-servers", daemon=True)
        self._supervisor.start()

    def store(self, region: Region) -> RegionStore:
        """Return the store of a region."""
        with self._lock:
            if region not in self._stores:
                self._stores[region] = RegionStore.open(
                    self._url(region),
                    level=self._settings.compression_level,
                    grace_s=self._settings.store_grace_s,
                    now=self._now,
                )
            return self._stores[region]

    def server(self, region: Region) -> BlockServer:
        """Return the living block server of a region on this host, starting it if need be."""
        self.store(region)
        with self._lock:
            server = self._servers.get(region)
            if server is None or not server.alive():
                server = BlockServer.find(self._directory(region)) or self._start(region)
                self._servers[region] = server
            return server

    def read_through(self, region: Region, root: RootDigest, source: Region) -> None:
        """Have the chunks that a tree still lacks in a region be read from another region's store, here and by the block server.

        The tree's nodes must be there (`RegionStore.copy_nodes`). Lasts until `end_read_through`, over restarts of the block
        server; a service that starts again calls this again. Raises StoreUnavailable, ServerUnavailable.
        """
        self.store(region).read_through(root, self._url(source))
        self.server(region).read_through(root, self._url(source))

    def end_read_through(self, region: Region, root: RootDigest) -> None:
        """Have a tree be read from its region's store alone again, because it has arrived. Harmless where that is so already."""
        self.store(region).end_read_through(root)
        if region in self.opened():
            self.server(region).end_read_through(root)

    def counters(self) -> dict[Region, dict[str, int]]:
        """Return what the block servers in use count; one that does not answer at once is left out."""
        with self._lock:
            servers = dict(self._servers)
        counted = {}
        for region, server in servers.items():
            with suppress(ServerUnavailable):
                counted[region] = server.counters()
        return counted

    def exists(self, region: Region) -> bool:
        """Tell whether a region has a store by now. Raises StoreUnavailable."""
        return RegionStore.exists(self._url(region))

    def opened(self) -> tuple[Region, ...]:
        """Return the regions that have a directory for a block server on this host."""
        directory = self._settings.runtime / "blockd"
        return tuple(Region(entry.name) for entry in directory.iterdir()) if directory.is_dir() else ()

    def close(self) -> None:
        """Stop supervising; the block servers live on."""
        self._closed.set()
        self._supervisor.join()

    def stop_servers(self) -> None:
        """Stop the block servers of this host, which no guest may need any more, and remove their directories.

        To be called after `close`, or where no server was asked for.
        """
        for region in self.opened():
            server = BlockServer.find(self._directory(region))
            if server is not None:
                server.stop()
            shutil.rmtree(self._directory(region), ignore_errors=True)
        for directory in (self._settings.runtime / "blockd", self._settings.runtime):
            with suppress(OSError):  # not there, or not empty
                directory.rmdir()

    def _url(self, region: Region) -> str:
        base = urlsplit(self._settings.store_url)
        return base._replace(path=f"{base.path.rstrip('/')}/{region}").geturl()

    def _directory(self, region: Region) -> Path:
        return self._settings.runtime / "blockd" / region

    def _start(self, region: Region) -> BlockServer:
        _log.info("block server starts", region=region)
        return BlockServer.start(
            self._directory(region),
            self._url(region),
            level=self._settings.compression_level,
            grace_s=self._settings.store_grace_s,
            memory_bytes=self._settings.block_cache_mb * _MIB,
            cache_bytes=self._settings.block_disk_cache_mb * _MIB,
            socket_gid=self.run_as.gid if self.run_as else None,
        )

    def _supervise(self) -> None:
        while not self._closed.wait(_WATCH_INTERVAL_S):
            with self._lock:
                regions = tuple(self._servers)
            for region in regions:
                try:
                    self.server(region)
                except Exception:  # the supervisor never gives up
                    _log.exception("block server does not start", region=region)
