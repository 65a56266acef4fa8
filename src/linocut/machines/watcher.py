"""A thread that waits for the ends of processes, whether they are our children or were found running."""

import logging
import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from linocut.model.ids import InstanceId

_POLITE_S: Final = 2.0
_KILL_S: Final = 10.0

_log: Final = logging.getLogger(__name__)


class Watcher:
    """Calls `on_exit` when a watched process ends, and `on_tick` with what is still alive every `tick_s` seconds."""

    def __init__(
        self,
        on_exit: Callable[[InstanceId], None],
        on_tick: Callable[[frozenset[InstanceId]], None],
        *,
        tick_s: float,
    ) -> None:
        self._on_exit = on_exit
        self._on_tick = on_tick
        self._tick_s = tick_s
        self._guard = threading.Lock()
        self._watched: dict[int, InstanceId] = {}
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="machine-watcher", daemon=True)
        self._thread.start()

    def add(self, instance_id: InstanceId, pidfd: int) -> None:
        """Watch a process from now on; the pidfd becomes ours."""
        with self._guard:
            self._watched[pidfd] = instance_id
        os.eventfd_write(self._wake, 1)

    def watches(self, instance_id: InstanceId) -> bool:
        """Tell whether a live process of this instance is watched already."""
        with self._guard:
            return any(known == instance_id and not has_ended(pidfd, 0) for pidfd, known in self._watched.items())

    def close(self) -> None:
        """End the thread; the processes live on."""
        self._closed = True
        os.eventfd_write(self._wake, 1)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        with self._guard:
            for pidfd in self._watched:
                os.close(pidfd)
            self._watched.clear()
        os.close(self._wake)

    def _run(self) -> None:
        while not self._closed:
            with self._guard:
                waiting = dict(self._watched)
            poll = select.poll()
            for descriptor in (self._wake, *waiting):
                poll.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poll.poll(self._tick_s * 1000)]
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            for pidfd in ready:
                if pidfd in waiting:
                    self._end(waiting[pidfd], pidfd)
            if not ready:
                self._on_tick(frozenset(waiting.values()))

    def _end(self, instance_id: InstanceId, pidfd: int) -> None:
        with self._guard:
            if self._watched.pop(pidfd, None) is None:
                return
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)
        self._tell(instance_id)

    def _tell(self, instance_id: InstanceId) -> None:
        try:
            self._on_exit(instance_id)
        except Exception:
            _log.exception("the end of machine %s was not taken note of", instance_id)


def has_ended(pidfd: int, timeout_s: float) -> bool:
    """Wait for a process to end, and tell whether it did."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def end_process(pidfd: int) -> bool:
    """Ask a process to end, then force it; tell whether it did."""
    for number, wait_s in ((signal.SIGTERM, _POLITE_S), (signal.SIGKILL, _KILL_S)):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)
        if has_ended(pidfd, wait_s):
            return True
    return False
