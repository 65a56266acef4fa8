"""Work for several threads whose results are taken in order, with a bounded number of them under way."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_UNDER_WAY: Final = 256


def ahead(workers: Executor, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the result for each item, in order; at most a few hundred are worked at or wait to be taken.

    What `work` raises is raised here, in its turn.
    """
    turns = iter(items)
    running: deque[Future[R]] = deque(workers.submit(work, item) for item in islice(turns, _UNDER_WAY))
    while running:
        yield running.popleft().result()
        running.extend(workers.submit(work, item) for item in islice(turns, 1))


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of this size, the last one perhaps shorter."""
    turns = iter(items)
    while batch := list(islice(turns, size)):
        yield batch
