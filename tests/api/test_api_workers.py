import asyncio
import threading

import pytest

from linocut.api.workers import Workers


def test_what_a_thread_makes_or_raises_comes_back() -> None:
    async def both() -> tuple[str, str]:
        workers: Workers[str, str] = Workers(lambda text: f"{text} in {int(text) and threading.current_thread().name[:6]}", 2)
        with pytest.raises(ValueError, match="invalid literal"):
            await workers.call("x")
        return await workers.call("1"), threading.current_thread().name

    made, here = asyncio.run(both())
    assert made == "1 in worker"
    assert here == "MainThread"


def test_as_many_work_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(4)

    async def four() -> list[int]:
        workers: Workers[int, int] = Workers(lambda number: number + 0 * together.wait(10), 4)
        return await asyncio.gather(*(workers.call(number) for number in range(4)))

    assert asyncio.run(four()) == [0, 1, 2, 3]


def test_a_caller_that_goes_away_and_a_loop_that_closes_harm_nobody() -> None:
    release = threading.Event()
    done: list[int] = []

    def work(number: int) -> int:
        release.wait(10)
        done.append(number)
        return number

    workers = Workers(work, 1)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(workers.call(1), 0.01)

    asyncio.run(give_up())
    release.set()
    assert asyncio.run(workers.call(2)) == 2
    assert done == [1, 2]
