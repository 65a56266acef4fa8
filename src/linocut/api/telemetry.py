"""Counts and times of the wire, in a registry of its own, for Prometheus to scrape."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Telemetry:
    """Requests by action and code, and how long they took. The action is empty where none was reached."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
