"""Conversations with QEMU over QMP, for callers in threads.

qemu.qmp speaks asyncio; one loop in a thread of ours runs it for all machines. A QMP socket serves one conversation at a time, so
a machine has two: one for short orders, one for a block job from its first order to its last.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError

_ANSWER_S: Final = 30.0
_PATIENCE_S: Final = (1.0, 2.0, 4.0)
"""For how long each attempt to begin a conversation waits; one more has all the time that is left."""
_LEAST_S: Final = 0.1
_LIBRARY_ERRORS: Final = (QMPError, OSError, EOFError)

Answer = TypeVar("Answer")


class MonitorLost(Exception):
    """The conversation ended, or the answer did not come in time."""


class OrderRefused(Exception):
    """QEMU understood the order and did not do it; the message is QEMU's."""


class Monitor:
    """A conversation with one QEMU process."""

    def __init__(self, loop: "MonitorLoop", client: QMPClient) -> None:
        self._loop = loop
        self._client = client

    def execute(self, order: str, arguments: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return QEMU's answer to an order; raises OrderRefused, MonitorLost."""
        return self._loop.run(self._client.execute(order, dict(arguments) if arguments else None), _ANSWER_S)

    def execute_with_descriptor(self, order: str, descriptor: int) -> Any:  # noqa: ANN401 - JSON
        """Return QEMU's answer to an order that takes a descriptor along."""

        async def execute() -> object:
            self._client.send_fd_scm(descriptor)
            return await self._client.execute(order)

        return self._loop.run(execute(), _ANSWER_S)


class MonitorLoop:
    """The thread in which conversations take place."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()

    @contextmanager
    def talk(self, connect: Callable[[], socket.socket], *, greeting_s: float) -> Iterator[Monitor]:
        """Talk to the QEMU behind such a connection, once it answers; raises MonitorLost. The connection is closed at the end."""
        client = self._greeted(connect, greeting_s)
        try:
            yield Monitor(self, client)
        finally:
            with suppress(MonitorLost):
                self.run(client.disconnect(), greeting_s)

    def _greeted(self, connect: Callable[[], socket.socket], greeting_s: float) -> QMPClient:
        """Return a conversation whose beginning went well.

        A QEMU that is spoken to while it comes up may greet twice, and then does not understand our answer, or not at all: it is
        spoken to again.
        """
        deadline = time.monotonic() + greeting_s
        for patience_s in (*_PATIENCE_S, None):
            left_s = max(deadline - time.monotonic(), _LEAST_S)
            connected = connect()
            client = QMPClient()
            try:
                self.run(client.connect(connected), min(patience_s or left_s, left_s))
            except BaseException as problem:
                connected.close()
                if not isinstance(problem, MonitorLost) or patience_s is None:
                    raise
            else:
                return client
        raise AssertionError("the last attempt returns or raises")

    def run(self, work: Coroutine[Any, Any, Answer], timeout_s: float) -> Answer:
        """Return what the work returns; raises OrderRefused, MonitorLost."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except ExecuteError as problem:
            raise OrderRefused(str(problem)) from problem
        except FutureTimeout as problem:
            future.cancel()
            raise MonitorLost(f"QEMU did not answer for {timeout_s:.0f} s") from problem
        except _LIBRARY_ERRORS as problem:
            raise MonitorLost(f"QEMU hung up: {problem}") from problem

    def close(self) -> None:
        """End the thread; open conversations break off."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
