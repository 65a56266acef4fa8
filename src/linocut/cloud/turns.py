"""Turns: of several operations on one thing, one at a time looks at it and changes it.

What a machine is to be is read from rows, and then made. Two operations that did so at once could make it what an older row says
after what a newer one says; so they take turns. A turn holds within this process, which does all work on its host's machines.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """The turns of any number of things, each known by its name."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken: dict[str, tuple[threading.RLock, int]] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Wait for the turn, and have it until the end of the block; a thread that has it may take it again."""
        with self._guard:
            lock, users = self._taken.get(name, (threading.RLock(), 0))
            self._taken[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._taken.pop(name)
                if users > 1:
                    self._taken[name] = (lock, users - 1)
