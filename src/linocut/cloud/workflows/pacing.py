"""Progress that is shown now and then: a step may tell of it as often as it likes."""

import time
from collections.abc import Callable
from typing import Final

_INTERVAL_S: Final = 0.5


def paced(show: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return a function that passes on what is done and its total at most twice a second, and always when all is done."""
    shown_at = [0.0]

    def pass_on(done: int, total: int) -> None:
        if done >= total or time.monotonic() - shown_at[0] >= _INTERVAL_S:
            shown_at[0] = time.monotonic()
            show(done, total)

    return pass_on
