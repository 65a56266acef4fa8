"""Counts and times of the wire, and what block servers count, in a registry of its own, for Prometheus to scrape."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from linocut.model.ids import Region

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BLOCK_COUNTERS: Final = {
    "hits": "Reads served from memory.",
    "misses": "Chunks loaded, from the local disk's cache, the region store or a source.",
    "disk_hits": "Chunks loaded from the local disk's cache.",
    "through_reads": "Chunks read through from another region's store because they had not arrived.",
    "corrupt_reads": "Chunks and nodes that are missing, or that are not what their names promise.",
    "failed_reads": "Reads that failed because a store did not answer.",
}
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Telemetry:
    """Requests by action and code, and how long they took. The action is empty where none was reached."""

    def __init__(self, block_counters: Callable[[], Mapping[Region, Mapping[str, int]]]) -> None:
        """Show what `block_counters` returns at each scrape: by region, what its block server on this host has counted."""
        self._registry = CollectorRegistry()
        self._registry.register(_BlockServers(block_counters))
        self._requests = Counter("linocut_api_requests", "Requests answered.", ["action", "code"], registry=self._registry)
        self._seconds = Histogram(
            "linocut_api_request_seconds", "Time to answer.", ["action"], buckets=_BUCKETS, registry=self._registry
        )

    def count(self, action: str, code: str, seconds: float) -> None:
        """Note one answered request."""
        self._requests.labels(action, code).inc()
        self._seconds.labels(action).observe(seconds)

    def page(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self._registry)


class _BlockServers(Collector):
    def __init__(self, counters: Callable[[], Mapping[Region, Mapping[str, int]]]) -> None:
        self._counters = counters

    def describe(self) -> list[Metric]:
        """Say nothing, so that registering asks no block server."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every counter, with the region as its label."""
        counted = self._counters()
        for name, meaning in _BLOCK_COUNTERS.items():
            family = CounterMetricFamily(f"linocut_blocks_{name}", meaning, labels=["region"])
            for region, values in counted.items():
                family.add_metric([region], values[name])
            yield family
