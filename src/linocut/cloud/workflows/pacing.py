"""The pace of steps: progress that is shown now and then however often a step tells of it, and turns that steps wait for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from linocut.model import errors

_INTERVAL_S: Final = 0.5


def paced(show: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return a function that passes on what is done and its total at most twice a second, and always when all is done."""
    shown_at = [0.0]

    def pass_on(done: int, total: int) -> None:
        if done >= total or time.monotonic() - shown_at[0] >= _INTERVAL_S:
            shown_at[0] = time.monotonic()
            show(done, total)

    return pass_on


@contextmanager
def turn(places: threading.Semaphore, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Wait for one of a few places, and give it back in the end. Raises TaskCancelled."""
    while not places.acquire(timeout=_INTERVAL_S):
        if cancelled():
            raise errors.TaskCancelled("The task was cancelled.")
    try:
        yield
    finally:
        places.release()
