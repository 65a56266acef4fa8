"""Connections that go to the address that was checked, and that a slow or silent server cannot hold for ever.

httpcore asks a network backend for its connections. This one resolves the host, judges every address, and connects to
those that pass, by number; so there is no second resolution that could answer otherwise (DNS rebinding). The host's name is
still what TLS verifies and what the `Host` header says. Its streams look up every fraction of a second, wherever httpcore happens
to be waiting (a header, a body, a chunk's size), and give up when the caller cancels, when the time of the whole fetch is
over, or when fewer bytes arrived in a stall period than the slowest rate allows.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

import httpcore

from linocut.formats.addresses import Address, Network, is_allowed, literal_address, resolve_host
from linocut.formats.errors import Cancelled, FetchFailed, FetchRefused

_POLL_S: Final = 0.25


class Interrupted(Exception):
    """The connection broke, stalled or could not be made; another attempt may do better."""


@dataclass(frozen=True)
class FetchPolicy:
    """Where a fetch may go, and how patient it is.

    `allow` names networks that are allowed though they are not public. `attempts` counts the first one. A server must send
    `slowest_bytes_per_s` over every `stall_timeout_s`; the whole fetch, attempts and pauses included, ends by `timeout_s`.
    `resolve` and `tls` are the system's resolver and certificate store unless given.
    """

    allow: tuple[Network, ...] = ()
    redirects: int = 5
    attempts: int = 5
    backoff_s: float = 0.5
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    slowest_bytes_per_s: int = 1024
    timeout_s: float = 6 * 3600.0
    resolve: Callable[[str, int], Sequence[str]] = resolve_host
    tls: ssl.SSLContext | None = None


@dataclass
class Patience:
    """What is left of the caller's patience in one fetch."""

    policy: FetchPolicy
    cancelled: Callable[[], bool]
    started: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raise Cancelled or FetchFailed when the fetch must end."""
        if self.cancelled():
            raise Cancelled("The import was cancelled.")
        if time.monotonic() - self.started > self.policy.timeout_s:
            raise FetchFailed("The download took too long.", f"{self.policy.timeout_s} s")

    def pause(self, duration_s: float) -> None:
        """Wait, checking all the while."""
        end = time.monotonic() + duration_s
        while (left := end - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _POLL_S))


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the policy's timeout rules
        local_address: str | None = None,  # noqa: ARG002 - any
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - none
    ) -> httpcore.NetworkStream:
        """Return a stream to the first allowed address that answers; raises FetchRefused, FetchFailed, Interrupted."""
        failure: OSError | None = None
        for address in self._allowed_addresses(host, port):
            self._patience.check()
            try:
                connection = socket.create_connection((str(address), port), timeout=self._patience.policy.connect_timeout_s)
            except OSError as error:
                failure = error
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _PatientStream(connection, self._patience)
        raise Interrupted(f"{host}:{port}: {failure}")

    def _allowed_addresses(self, host: str, port: int) -> list[Address]:
        policy = self._patience.policy
        literal = literal_address(host)
        found = [ip_address(text) for text in policy.resolve(host, port)] if literal is None else [literal]
        allowed = [address for address in found if is_allowed(address, policy.allow)]
        if not allowed:
            raise FetchRefused("Fetching from this address is not allowed.", f"{host}: {', '.join(map(str, found))}")
        return allowed


class _PatientStream(httpcore.NetworkStream):
    """A connection that notices cancellation, deadlines and trickling while it waits."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._period_started = time.monotonic()
        self._period_bytes = 0
        connection.settimeout(_POLL_S)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the policy's rule
        """Return the next bytes, or none at the end."""
        while True:
            self._patience.check()
            self._require_pace()
            try:
                block = self._connection.recv(max_bytes)
            except TimeoutError:
                continue
            except OSError as error:
                raise Interrupted(str(error)) from error
            self._period_bytes += len(block)
            return block

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        """Send a request, which is small."""
        try:
            self._connection.settimeout(self._patience.policy.connect_timeout_s)
            self._connection.sendall(buffer)
            self._connection.settimeout(_POLL_S)
        except OSError as error:
            raise Interrupted(str(error)) from error

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        """Return the same connection, encrypted, with the server's name verified."""
        self._connection.settimeout(self._patience.policy.connect_timeout_s)
        try:
            encrypted = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise FetchFailed("The server's certificate is not valid.", str(error)) from error
        except OSError as error:
            self.close()
            raise Interrupted(str(error)) from error
        return _PatientStream(encrypted, self._patience)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface's own type
        """Return what httpcore asks about the connection: nothing that matters for one request."""
        return self._connection if info == "socket" else None

    def _require_pace(self) -> None:
        policy = self._patience.policy
        elapsed = time.monotonic() - self._period_started
        if elapsed < policy.stall_timeout_s:
            return
        if self._period_bytes < policy.slowest_bytes_per_s * elapsed:
            raise Interrupted(f"only {self._period_bytes} bytes in {elapsed:.1f} s")
        self._period_started, self._period_bytes = time.monotonic(), 0
