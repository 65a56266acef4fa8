"""Threads that answer requests, for the cloud's verbs block.

The standard ways from an event loop to a thread and back take as long as verifying a signature; this one is a queue there, and a
callback back.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class _Job(Generic[Given, Made]):
    given: Given
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Made]"


class Workers(Generic[Given, Made]):
    """A number of threads that call one function; they end with the process."""

    def __init__(self, work: Callable[[Given], Made], count: int) -> None:
        self._work = work
        self._jobs: SimpleQueue[_Job[Given, Made]] = SimpleQueue()
        for number in range(count):
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True).start()

    async def call(self, given: Given) -> Made:
        """Return what the function makes of this, in a thread; its exceptions are raised here."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Made] = loop.create_future()
        self._jobs.put(_Job(given, loop, answer))
        return await answer

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                made = self._work(job.given)
            except BaseException as error:
                _tell(job, job.answer.set_exception, error)
            else:
                _tell(job, job.answer.set_result, made)


def _tell(job: _Job[Given, Made], settle: Callable[[Outcome], None], outcome: Outcome) -> None:
    """Settle the job in its loop, unless nobody waits any more: the caller was cancelled, or the loop is closed."""

    def in_loop() -> None:
        if not job.answer.done():
            settle(outcome)

    with suppress(RuntimeError):
        job.loop.call_soon_threadsafe(in_loop)
